//! An order: what a buyer has bought, and what became of it.
//!
//! ```text
//! Place ─▶ authorized ─ MarkPaid ─▶ paid ─ Refund ─▶ partially refunded ─▶ refunded
//!              └─ CaptureFailed ─▶ failed
//! unfulfilled ─ Fulfil ─▶ partially fulfilled ─ Fulfil ─▶ fulfilled
//!      └─ Cancel (gives the rest of the money back first) ─▶ cancelled
//! ```
//!
//! One refund at a time goes to the payment; a cancellation or a refund is answered when its money is back. A refund is
//! of an amount or of lines. Units that are refunded before they were sent are not sent any more. Units that come back
//! do so by totals that only grow, each unit at most once. Who the buyer is stands in `contacts`; here are
//! ids.

mod decide;
mod event;
mod fold;
mod fulfil;
mod notice;
pub mod number;
mod progress;
mod refund;
mod settle;
mod snapshot;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    event::{OrderEvent, Sheet},
    fold::Order,
    progress::{Change, Fulfillment, LineProgress, LineRefund, LineUnits, line_id},
    snapshot::FrozenOrder,
};
pub use crate::pricing::Totals as OrderTotals;
use crate::{
    aggregate::KeyReused,
    drop::Buyer,
    id::{
        CheckoutId, ClaimRef, ContactId, FulfillmentId, HoldId, OrderId, OrderLineId, PaymentId, ProductId, Sku,
        SubjectId, TenantId,
    },
    money::Money,
    pricing::PricedLine,
    product::OptionValue,
    quantity::Quantity,
    time::Timestamp,
};

/// The most lines of an order: as many as a cart has.
pub const LINES_MAX: usize = 100;
/// The most attempts to refund one order: as many as its payment takes.
pub const REFUNDS_MAX: u64 = crate::payment::REFUNDS_MAX as u64;
/// The longest reason that a merchant can give, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The most parcels of one order: a page shows them all.
pub const FULFILLMENTS_MAX: usize = 100;
/// The most corrections of tracking of one order: each is remembered and mailed.
pub const TRACKING_CHANGES_MAX: usize = 100;
/// The longest tracking code or link, in characters.
pub const TRACKING_CHARS_MAX: usize = 500;

/// What was bought on one line.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OrderLine {
    /// What.
    #[n(0)]
    pub sku: Sku,
    /// The product that it belonged to.
    #[n(1)]
    pub product: Option<ProductId>,
    /// What it was called.
    #[n(2)]
    pub title: String,
    /// How many units.
    #[n(3)]
    pub quantity: Quantity,
    /// For how much each.
    #[n(4)]
    pub unit_price: Money,
    /// Where the units came from.
    #[n(5)]
    pub source: LineSource,
    /// The variant's options when it was bought: "Size", "M". `None` where that was not known.
    #[n(6)]
    pub options: Option<Vec<OptionValue>>,
}

/// Where an order line's units came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum LineSource {
    /// A claim of a drop.
    #[n(0)]
    Claim(#[n(0)] ClaimRef),
    /// A hold on ordinary inventory.
    #[n(1)]
    Hold(#[n(0)] HoldId),
}

impl From<&OrderLine> for PricedLine {
    fn from(line: &OrderLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.unit_price }
    }
}

/// What can be asked of an order.
#[derive(Debug, Clone)]
pub enum OrderCommand {
    /// Make it: its units are sold, and its money is set aside.
    Place {
        /// Whose shop.
        tenant: TenantId,
        /// Its id, derived from the checkout.
        order: OrderId,
        /// Its number in the tenant's count.
        number: u64,
        /// Who bought.
        buyer: SubjectId,
        /// Where the buyer's e-mail and address live.
        contact: ContactId,
        /// The checkout that placed it.
        checkout: CheckoutId,
        /// The payment that pays for it.
        payment: PaymentId,
        /// What was bought.
        lines: Vec<OrderLine>,
        /// For how much.
        totals: OrderTotals,
    },
    /// The payment is captured.
    MarkPaid,
    /// The payment cannot be captured: there is no order any more, and its checkout takes the sale back.
    CaptureFailed,
    /// Call it off and give the rest of its money back. Answered when the money is back.
    Cancel {
        /// Why, for the merchant's books. No personal data.
        reason: String,
        /// Whether its units come back to the inventory.
        restock: bool,
    },
    /// Give money back. Answered when it is back.
    Refund {
        /// How much.
        amount: Money,
        /// Why, for the merchant's books. No personal data.
        reason: String,
        /// Whether its units come back to the inventory, all of them; only with a refund of all that is left.
        restock: bool,
    },
    /// Give back what units of its lines cost, with their tax. Answered when it is back.
    RefundLines {
        /// Which units, and whether they come back to the inventory. Each line at most once.
        lines: Vec<(OrderLineId, Quantity, bool)>,
        /// Why, for the merchant's books. No personal data.
        reason: String,
    },
    /// A parcel is on its way.
    Fulfil {
        /// What is in it, each line at most once. `None`: everything that is still to be sent.
        lines: Option<Vec<(OrderLineId, Quantity)>>,
        /// Where it can be followed.
        tracking: Option<String>,
    },
    /// Correct where a parcel can be followed.
    ChangeTracking {
        /// The parcel.
        fulfillment: FulfillmentId,
        /// Where it can be followed; `None` takes it away.
        tracking: Option<String>,
    },
    /// Read it. `viewer` is `None` for the vendor, who sees all.
    View {
        /// Who asks.
        viewer: Option<Buyer>,
    },
}

/// Where an order's money stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
pub enum OrderPaymentState {
    /// Set aside, and not taken yet.
    #[default]
    Authorized,
    /// Taken.
    Paid,
    /// A part of it was given back.
    PartiallyRefunded,
    /// All of it was given back.
    Refunded,
    /// It could not be taken.
    Failed,
}

/// Where an order's goods stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
pub enum FulfillmentState {
    /// Still here.
    #[default]
    Unfulfilled,
    /// On their way.
    Fulfilled,
    /// They stay here.
    Cancelled,
    /// A part of them is on its way, and the rest is still here.
    PartiallyFulfilled,
}

/// What changes of an order once it is placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Standing {
    /// Its money.
    pub payment_state: OrderPaymentState,
    /// Its goods.
    pub fulfillment_state: FulfillmentState,
    /// Minor units given back, in the currency of its totals.
    pub refunded: i64,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When the last of it was put on its way.
    pub fulfilled_at: Option<Timestamp>,
    /// When it was called off, or failed.
    pub cancelled_at: Option<Timestamp>,
    /// Where its newest parcel can be followed.
    pub tracking: Option<String>,
    /// Whether all units that are not refunded by line came back, or are on their way back.
    pub restocked: bool,
}

/// An order as its buyer and the vendor see it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderView {
    /// Its id.
    pub id: OrderId,
    /// Its number in the tenant's count, to be [`spell`](number::spell)ed for people.
    pub number: u64,
    /// Who bought.
    pub buyer: SubjectId,
    /// Where the buyer's e-mail and address live.
    pub contact: ContactId,
    /// The checkout that placed it.
    pub checkout: CheckoutId,
    /// The payment that pays for it.
    pub payment: PaymentId,
    /// What was bought.
    pub lines: Vec<OrderLine>,
    /// For how much.
    pub totals: OrderTotals,
    /// How much was given back.
    pub refunded: Money,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// What has changed since.
    pub standing: Standing,
    /// What became of its lines since, oldest first.
    pub changes: Vec<Change>,
}

impl OrderView {
    /// Where its money stands.
    pub fn payment_state(&self) -> OrderPaymentState {
        self.standing.payment_state
    }

    /// Where its goods stand.
    pub fn fulfillment_state(&self) -> FulfillmentState {
        self.standing.fulfillment_state
    }
}

/// What an order answers.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderReply {
    /// The order as it stands, or stood when the command was settled.
    Order(Box<OrderView>),
}

/// Why an order refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OrderRejection {
    /// There is no such order, or none that the caller may see.
    #[error("no such order")]
    NotFound,
    /// The id or the idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The state does not allow it.
    #[error("{why}")]
    NotAllowed {
        /// Why, in a sentence for the merchant.
        why: &'static str,
    },
    /// Money is being given back: try again when that is settled.
    #[error("a refund of this order is in progress")]
    RefundInProgress,
    /// More than is left of what was paid.
    #[error("at most {refundable} can be refunded")]
    RefundTooLarge {
        /// What is left.
        refundable: Money,
    },
    /// The order has no such parcel.
    #[error("no such fulfillment")]
    FulfillmentNotFound,
    /// More units of a line than are left of it.
    #[error("at most {remaining} units of the line are left")]
    TooManyUnits {
        /// The line.
        line: OrderLineId,
        /// Units that are left.
        remaining: u64,
    },
    /// As many parcels or corrections as one order takes.
    #[error("at most {FULFILLMENTS_MAX} parcels and {TRACKING_CHANGES_MAX} corrections of tracking")]
    TooManyFulfillments,
    /// As many refunds as one order takes.
    #[error("at most {REFUNDS_MAX} refunds")]
    TooManyRefunds,
    /// The provider refuses to give the money back. Nothing has changed; it can be tried again.
    #[error("the refund failed: {code}")]
    RefundFailed {
        /// Why, in the provider's words for machines.
        code: String,
    },
    /// A value is out of its range.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: &'static str,
        /// Why.
        why: &'static str,
    },
}
