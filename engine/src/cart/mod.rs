//! A cart: the lines that a buyer wants to buy, each with its price at the time when it was added.
//!
//! One checkout at a time locks a cart. While the cart is locked, its lines do not change. If the checkout is paid, the
//! lines are removed; otherwise they stay, with the current prices of the catalogue:
//!
//! ```text
//! open ─ BeginCheckout ─▶ in checkout ─ EndCheckout(sold) ─▶ open, empty
//!   ▲                          └─ EndCheckout(not sold) ─┐
//!   └────────────────────────────────────────────────────┘
//! ```
//!
//! A guest who signs in keeps the guest's carts: the guest subject becomes one of the account's former subjects, so no
//! line has to be copied.
//!
//! Invariants: at most one checkout locks the cart, all prices have one currency, and a checkout attempt that has ended
//! never locks the cart again.

mod aggregate;
mod decide;
mod fold;
mod snapshot;
#[cfg(test)]
mod tests;
mod view;

use std::{borrow::Cow, sync::Arc};

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};

pub use self::{fold::Cart, view::CartSummary};
use crate::{
    aggregate::KeyReused,
    flash_drop::Buyer,
    id::{CartId, CheckoutId, LineId, ProductId, Sku, SubjectId, TenantId, VariantId},
    money::{Currency, Money},
    pricing::PricedLine,
    processed_commands::ProcessedCommand,
    product::OptionValue,
    quantity::Quantity,
    time::Timestamp,
};

/// The maximum number of lines of a cart, equal to that of an order.
pub const LINES_MAX: usize = 100;
/// The maximum length of a line's title, in characters: the titles of a product and a variant, 255 characters each, and
/// the text between them.
pub const TITLE_CHARS_MAX: usize = 2_100;
/// The maximum number of changes of a cart within 24 hours. Changes are remembered, so that duplicates get the same
/// reply.
pub const CHANGES_MAX: usize = 1_000;
/// The maximum number of checkouts of a cart within the time that delayed copies of `BeginCheckout` may take.
pub const ENDED_CHECKOUTS_MAX: usize = 64;

/// The commands of a cart.
#[derive(Debug, Clone, Encode, Decode)]
pub enum CartCommand {
    /// Creates an empty cart.
    #[n(0)]
    Create {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The cart's id, derived from the command id.
        #[n(1)]
        cart: CartId,
        /// The buyer that owns the cart.
        #[n(2)]
        buyer: Buyer,
        /// The currency of all prices. `None`: the currency of the first line.
        #[n(3)]
        currency: Option<Currency>,
    },
    /// Adds units of a SKU. If the cart already has the SKU, its line gets the additional units and the current price.
    #[n(1)]
    AddLine {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
        /// The SKU.
        #[n(1)]
        sku: Sku,
        /// The product of the variant.
        #[n(2)]
        product: ProductId,
        /// The variant that has the SKU.
        #[n(3)]
        variant: VariantId,
        /// The title to display.
        #[n(4)]
        title: String,
        /// The variant's options. Empty if the product has none.
        #[n(5)]
        options: Vec<OptionValue>,
        /// The number of units to add.
        #[n(6)]
        quantity: Quantity,
        /// The current price of a unit in the catalogue.
        #[n(7)]
        price: Money,
    },
    /// Sets the number of units of a line.
    #[n(2)]
    ChangeLine {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
        /// The line.
        #[n(1)]
        line: LineId,
        /// The number of units.
        #[n(2)]
        quantity: Quantity,
    },
    /// Removes a line. Rejected if the cart has no such line.
    #[n(3)]
    RemoveLine {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
        /// The line.
        #[n(1)]
        line: LineId,
    },
    /// Deletes the cart.
    #[n(4)]
    Delete {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
    },
    /// Deletes the cart of a guest, unless the guest has changed it recently or a checkout has locked it.
    #[n(5)]
    Expire {
        /// A cart that was changed after this instant is kept.
        #[n(0)]
        unchanged_since: Timestamp,
    },
    /// Reads the cart.
    #[n(6)]
    View {
        /// The caller. `None` for the merchant, who can read all carts.
        #[n(0)]
        buyer: Option<Buyer>,
    },
    /// Locks the cart for a checkout and replies with its lines.
    #[n(7)]
    BeginCheckout {
        /// The buyer that pays.
        #[n(0)]
        buyer: Buyer,
        /// The checkout.
        #[n(1)]
        checkout: CheckoutId,
        /// The attempt of the checkout.
        #[n(2)]
        attempt: u32,
        /// After this instant, the command is rejected.
        #[n(3)]
        deadline: Timestamp,
    },
    /// Unlocks the cart after a checkout. If it arrives before the attempt's `BeginCheckout`, that command is rejected
    /// later.
    #[n(8)]
    EndCheckout {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
        /// The attempt of the checkout.
        #[n(1)]
        attempt: u32,
        /// Whether all lines are sold. If so, the cart becomes empty.
        #[n(2)]
        sold: bool,
        /// Prices that have changed since their lines were added.
        #[n(3)]
        prices: Vec<NewPrice>,
        /// The deadline of the matching `BeginCheckout`.
        #[n(4)]
        deadline: Timestamp,
    },
}

/// The current price of a SKU.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NewPrice {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The price of a unit.
    #[n(1)]
    pub price: Money,
}

/// A line of a cart: the units of one SKU.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CartLine {
    /// The id, derived from the command that added the line.
    #[n(0)]
    pub id: LineId,
    /// The SKU.
    #[n(1)]
    pub sku: Sku,
    /// The product of the variant.
    #[n(2)]
    pub product: ProductId,
    /// The variant that has the SKU.
    #[n(3)]
    pub variant: VariantId,
    /// The title to display.
    #[n(4)]
    pub title: String,
    /// The number of units.
    #[n(5)]
    pub quantity: Quantity,
    /// The price of a unit when the line was added.
    #[n(6)]
    pub price: Money,
    /// The variant's options when the line was added, such as "Size": "M". `None` if it has none or they are unknown.
    #[n(7)]
    pub options: Option<Vec<OptionValue>>,
}

impl From<&CartLine> for PricedLine {
    fn from(line: &CartLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.price }
    }
}

/// The events of a cart.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CartEvent {
    /// The cart was created.
    #[n(0)]
    Created {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The cart's id.
        #[n(1)]
        cart: CartId,
        /// The subject that owns the cart.
        #[n(2)]
        buyer: SubjectId,
        /// The currency of all prices, if it was given.
        #[n(3)]
        currency: Option<Currency>,
        /// The command that created the cart.
        #[n(4)]
        processed: ProcessedCommand,
    },
    /// A line was added, or replaced if the cart had a line with this id.
    #[n(1)]
    LinePut {
        /// The line.
        #[n(0)]
        line: CartLine,
        /// The command.
        #[n(1)]
        processed: ProcessedCommand,
    },
    /// The number of units of a line was changed.
    #[n(2)]
    LineChanged {
        /// The line.
        #[n(0)]
        line: LineId,
        /// The number of units.
        #[n(1)]
        quantity: Quantity,
        /// The command.
        #[n(2)]
        processed: ProcessedCommand,
    },
    /// A line was removed.
    #[n(3)]
    LineRemoved {
        /// The line.
        #[n(0)]
        line: LineId,
        /// The command.
        #[n(1)]
        processed: ProcessedCommand,
    },
    /// The buyer deleted the cart.
    #[n(4)]
    Deleted {
        /// The command.
        #[n(0)]
        processed: ProcessedCommand,
    },
    /// A checkout locked the cart.
    #[n(5)]
    CheckoutBegan {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
        /// The attempt of the checkout.
        #[n(1)]
        attempt: u32,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// A checkout unlocked the cart, or is barred from locking it.
    #[n(6)]
    CheckoutEnded {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
        /// The attempt of the checkout.
        #[n(1)]
        attempt: u32,
        /// Whether the lines are sold.
        #[n(2)]
        sold: bool,
        /// Prices that have changed.
        #[n(3)]
        prices: Vec<NewPrice>,
        /// The latest time at which a delayed copy of its `BeginCheckout` may arrive.
        #[n(4)]
        until: Timestamp,
        /// The time of the event.
        #[n(5)]
        at: Timestamp,
    },
    /// The cart was deleted because its buyer had not changed it for a long time.
    #[n(7)]
    Expired {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
}

/// A cart as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CartView {
    /// The id.
    #[n(0)]
    pub id: CartId,
    /// The subject that owns the cart.
    #[n(1)]
    pub buyer: SubjectId,
    /// The currency of all prices, once it is known.
    #[n(2)]
    pub currency: Option<Currency>,
    /// The lines, in the order in which they were added.
    #[cbor(n(3), with = "crate::codec::shared_list")]
    pub lines: Vec<Arc<CartLine>>,
    /// The sum of all lines. `None` for an empty cart without a currency.
    #[n(4)]
    pub subtotal: Option<Money>,
    /// The checkout that has locked the cart.
    #[n(5)]
    pub checkout: Option<CheckoutId>,
    /// The time of creation.
    #[n(6)]
    pub created_at: Timestamp,
    /// The time of the buyer's last change.
    #[n(7)]
    pub updated_at: Timestamp,
}

/// The replies of a cart.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CartReply {
    /// The current cart, or the cart as an earlier copy of the command returned it.
    #[n(0)]
    Cart(#[cbor(n(0), with = "crate::codec::shared")] Arc<CartView>),
    /// The command took effect now or earlier.
    #[n(1)]
    Done,
}

/// The reasons for which a cart rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum CartRejection {
    /// The cart does not exist, or it belongs to another buyer.
    #[error("no such cart")]
    #[n(0)]
    NotFound,
    /// The cart has no such line.
    #[error("no such line")]
    #[strum(serialize = "not_found")]
    #[n(1)]
    LineNotFound,
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(2)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// A checkout has locked the cart.
    #[error("the cart is in a checkout")]
    #[n(3)]
    CheckoutInProgress {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
    },
    /// The cart is empty.
    #[error("the cart is empty")]
    #[strum(serialize = "cart_empty")]
    #[n(4)]
    Empty,
    /// The cart has reached its maximum number of lines.
    #[error("a cart has at most {LINES_MAX} lines")]
    #[strum(serialize = "limit_exceeded")]
    #[n(5)]
    TooManyLines,
    /// The cart has reached its maximum number of recent changes or checkouts. The caller can retry later.
    #[error("too many changes of the cart")]
    #[strum(serialize = "limit_exceeded")]
    #[n(6)]
    TooManyChanges,
    /// The price is in a different currency than the cart.
    #[error("the cart's prices are in {currency}")]
    #[strum(serialize = "mixed_currencies")]
    #[n(7)]
    OtherCurrency {
        /// The currency of the cart.
        #[n(0)]
        currency: Currency,
    },
    /// The command arrived after its deadline or after its own `EndCheckout`.
    #[error("too late")]
    #[n(8)]
    TooLate,
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(9)]
    Invalid {
        /// The JSON pointer to the value in the request.
        #[n(0)]
        pointer: Cow<'static, str>,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
