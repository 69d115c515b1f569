//! A cart: what a buyer means to buy, each line at the price it had when it was added.
//!
//! One checkout at a time has hold of a cart. Meanwhile its lines do not change; when it is paid they are gone, else
//! they stay, at the prices that the catalogue has by then:
//!
//! ```text
//! open ─ BeginCheckout ─▶ in checkout ─ EndCheckout(sold) ─▶ open, empty
//!   ▲                          └─ EndCheckout(not sold) ─┐
//!   └────────────────────────────────────────────────────┘
//! ```
//!
//! A guest who signs in keeps the carts: the guest is one of the account's former subjects, so no line has to move.

mod decide;
mod fold;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use minicbor::{Decode, Encode};

pub use self::{fold::Cart, snapshot::FrozenCart};
use crate::{
    aggregate::KeyReused,
    drop::Buyer,
    id::{CartId, CheckoutId, LineId, ProductId, Sku, SubjectId, TenantId, VariantId},
    money::{Currency, Money},
    pricing::PricedLine,
    product::OptionValue,
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// The most lines of one cart: as many as an order has.
pub const LINES_MAX: usize = 100;
/// The longest title of a line, in characters: a product's and a variant's, 255 characters each, with what joins them.
pub const TITLE_CHARS_MAX: usize = 2_100;
/// The most changes of one cart within 24 hours: each is remembered, to answer a repeat as it was answered first.
pub const CHANGES_MAX: usize = 1_000;
/// The most checkouts of one cart within the time that a late copy of their beginning may take to arrive.
pub const ENDED_CHECKOUTS_MAX: usize = 64;

/// What can be asked of a cart.
#[derive(Debug, Clone)]
pub enum CartCommand {
    /// Make it, empty.
    Create {
        /// Whose shop.
        tenant: TenantId,
        /// Its id, derived from the command's.
        cart: CartId,
        /// Whose it is.
        buyer: Buyer,
        /// The currency of its prices. `None`: that of its first line.
        currency: Option<Currency>,
    },
    /// Put something into it. A SKU that it has already gets more units, and the price of now.
    AddLine {
        /// Who asks.
        buyer: Buyer,
        /// What.
        sku: Sku,
        /// The product that it belongs to.
        product: ProductId,
        /// The variant that has the SKU.
        variant: VariantId,
        /// What it is called.
        title: String,
        /// The variant's options. Empty when the product has none.
        options: Vec<OptionValue>,
        /// How many units more.
        quantity: Quantity,
        /// For how much each, as the catalogue says now.
        price: Money,
    },
    /// Another number of units.
    ChangeLine {
        /// Who asks.
        buyer: Buyer,
        /// Which line.
        line: LineId,
        /// How many units.
        quantity: Quantity,
    },
    /// Take a line out of it. One that is not there is out already.
    RemoveLine {
        /// Who asks.
        buyer: Buyer,
        /// Which line.
        line: LineId,
    },
    /// Throw it away.
    Delete {
        /// Who asks.
        buyer: Buyer,
    },
    /// Throw it away unless its buyer has changed it since, or a checkout has hold of it. For carts of guests, whom nobody
    /// sees again.
    Expire {
        /// A change after this instant keeps it.
        unchanged_since: Timestamp,
    },
    /// Read it. `buyer` is `None` for the vendor, who sees all.
    View {
        /// Who asks.
        buyer: Option<Buyer>,
    },
    /// A checkout takes hold of it and hears its lines.
    BeginCheckout {
        /// Who pays.
        buyer: Buyer,
        /// The checkout.
        checkout: CheckoutId,
        /// Its attempt.
        attempt: u32,
        /// After this instant it is too late.
        deadline: Timestamp,
    },
    /// A checkout lets go of it. Of one that never had it, a beginning that comes later is refused.
    EndCheckout {
        /// The checkout.
        checkout: CheckoutId,
        /// Its attempt.
        attempt: u32,
        /// Whether everything in it is sold: it is empty then.
        sold: bool,
        /// Prices that have changed since they were put into the cart.
        prices: Vec<NewPrice>,
        /// The deadline that the beginning had.
        deadline: Timestamp,
    },
}

/// What a line costs now.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NewPrice {
    /// Of what.
    #[n(0)]
    pub sku: Sku,
    /// For how much each.
    #[n(1)]
    pub price: Money,
}

/// What a buyer means to buy of one SKU.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CartLine {
    /// Its id, derived from the command that added it.
    #[n(0)]
    pub id: LineId,
    /// What.
    #[n(1)]
    pub sku: Sku,
    /// The product that it belongs to.
    #[n(2)]
    pub product: ProductId,
    /// The variant that has the SKU.
    #[n(3)]
    pub variant: VariantId,
    /// What it is called.
    #[n(4)]
    pub title: String,
    /// How many units.
    #[n(5)]
    pub quantity: Quantity,
    /// For how much each, when it was added.
    #[n(6)]
    pub price: Money,
    /// The variant's options when it was added: "Size", "M". `None` when it has none, or when that was not known.
    #[n(7)]
    pub options: Option<Vec<OptionValue>>,
}

impl From<&CartLine> for PricedLine {
    fn from(line: &CartLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.price }
    }
}

/// What can happen to a cart.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CartEvent {
    /// It was made.
    #[n(0)]
    Created {
        /// Whose shop.
        #[n(0)]
        tenant: TenantId,
        /// Its id.
        #[n(1)]
        cart: CartId,
        /// Whose it is.
        #[n(2)]
        buyer: SubjectId,
        /// The currency of its prices, if that was said.
        #[n(3)]
        currency: Option<Currency>,
        /// The command that made it.
        #[n(4)]
        receipt: Receipt,
    },
    /// A line is as this: a new one, or one with this id that was another way.
    #[n(1)]
    LinePut {
        /// The line.
        #[n(0)]
        line: CartLine,
        /// The command.
        #[n(1)]
        receipt: Receipt,
    },
    /// A line has another number of units.
    #[n(2)]
    LineChanged {
        /// Which.
        #[n(0)]
        line: LineId,
        /// How many units.
        #[n(1)]
        quantity: Quantity,
        /// The command.
        #[n(2)]
        receipt: Receipt,
    },
    /// A line is gone.
    #[n(3)]
    LineRemoved {
        /// Which.
        #[n(0)]
        line: LineId,
        /// The command.
        #[n(1)]
        receipt: Receipt,
    },
    /// It was thrown away.
    #[n(4)]
    Deleted {
        /// The command.
        #[n(0)]
        receipt: Receipt,
    },
    /// A checkout has hold of it.
    #[n(5)]
    CheckoutBegan {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
        /// Its attempt.
        #[n(1)]
        attempt: u32,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// A checkout has no hold of it, and will not get any.
    #[n(6)]
    CheckoutEnded {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
        /// Its attempt.
        #[n(1)]
        attempt: u32,
        /// Whether what it had hold of is sold.
        #[n(2)]
        sold: bool,
        /// Prices that have changed.
        #[n(3)]
        prices: Vec<NewPrice>,
        /// Until when a late copy of its beginning may come.
        #[n(4)]
        until: Timestamp,
        /// When.
        #[n(5)]
        at: Timestamp,
    },
    /// It was thrown away, since nobody had changed it for long.
    #[n(7)]
    Expired {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
}

/// A cart as its buyer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct CartView {
    /// Its id.
    pub id: CartId,
    /// Whose it is.
    pub buyer: SubjectId,
    /// The currency of its prices, once that is known.
    pub currency: Option<Currency>,
    /// What is in it, first added first.
    pub lines: Vec<Arc<CartLine>>,
    /// What the lines come to. `None` for an empty cart of no currency.
    pub subtotal: Option<Money>,
    /// The checkout that has hold of it.
    pub checkout: Option<CheckoutId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When a buyer last changed it.
    pub updated_at: Timestamp,
}

/// What a cart answers.
#[derive(Debug, Clone, PartialEq)]
pub enum CartReply {
    /// The cart as it stands, or stood when the command was accepted.
    Cart(Arc<CartView>),
    /// Done, or done before.
    Done,
}

/// Why a cart refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CartRejection {
    /// There is no such cart, or it is not the caller's.
    #[error("no such cart")]
    NotFound,
    /// The cart has no such line.
    #[error("no such line")]
    LineNotFound,
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// A checkout has hold of the cart.
    #[error("the cart is in a checkout")]
    CheckoutInProgress {
        /// Which.
        checkout: CheckoutId,
    },
    /// There is nothing in it.
    #[error("the cart is empty")]
    Empty,
    /// As many lines as a cart has.
    #[error("a cart has at most {LINES_MAX} lines")]
    TooManyLines,
    /// As many changes or checkouts as a cart remembers. It can be changed again later.
    #[error("too many changes of the cart")]
    TooManyChanges,
    /// Its prices are in another currency.
    #[error("the cart's prices are in {currency}")]
    OtherCurrency {
        /// The cart's.
        currency: Currency,
    },
    /// The request came after its deadline, or after its own undoing.
    #[error("too late")]
    TooLate,
    /// A value is out of its range.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: &'static str,
        /// Why.
        why: &'static str,
    },
}
