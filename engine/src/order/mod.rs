//! An order: what a buyer has bought, its payment and its fulfillment.
//!
//! ```text
//! Place ─▶ authorized ─ MarkPaid ─▶ paid ─ Refund ─▶ partially refunded ─▶ refunded
//!              └─ CaptureFailed ─▶ failed
//! unfulfilled ─ Fulfil ─▶ partially fulfilled ─ Fulfil ─▶ fulfilled
//!      └─ Cancel (refunds the remaining money first) ─▶ cancelled
//! ```
//!
//! An order sends one refund at a time to its payment; the reply to a cancellation or refund is deferred until the
//! money is refunded. A refund is of an amount or of lines. Units that are refunded before they are sent are not sent
//! any more. Returned units are passed to the stock as totals that only grow, so that each unit is restocked at most
//! once. The buyer's personal data is in `contacts`; an order contains ids only.

mod aggregate;
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
mod view;

use std::borrow::Cow;

use minicbor::{Decode, Encode};
use serde::Serialize;
use strum::{IntoStaticStr, VariantNames};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    event::{Details, OrderEvent},
    fold::Order,
    progress::{Change, Fulfillment, LineProgress, LineRefund, LineUnits, line_id},
    settle::OrderOutcome,
    snapshot::FrozenOrder,
};
pub use crate::pricing::Totals as OrderTotals;
use crate::{
    aggregate::KeyReused,
    flash_drop::Buyer,
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

/// The maximum number of lines of an order: the same as for a cart.
pub const LINES_MAX: usize = 100;
/// The maximum number of attempts to refund an order: the same as for its payment.
pub const REFUNDS_MAX: u64 = crate::payment::REFUNDS_MAX as u64;
/// The maximum length of a reason given by a merchant, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The maximum number of fulfillments of an order: a page shows all of them.
pub const FULFILLMENTS_MAX: usize = 100;
/// The maximum number of tracking changes of an order: each is stored and mailed.
pub const TRACKING_CHANGES_MAX: usize = 100;
/// The maximum length of a tracking code or link, in characters.
pub const TRACKING_CHARS_MAX: usize = 500;

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OrderLine {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The product that the SKU belonged to.
    #[n(1)]
    pub product: Option<ProductId>,
    /// The title at the time of purchase.
    #[n(2)]
    pub title: String,
    /// The number of units.
    #[n(3)]
    pub quantity: Quantity,
    /// The price of each unit.
    #[n(4)]
    pub unit_price: Money,
    /// The source of the units.
    #[n(5)]
    pub source: LineSource,
    /// The options of the variant at the time of purchase: "Size", "M". `None` if they were not known.
    #[n(6)]
    pub options: Option<Vec<OptionValue>>,
}

/// The source of an order line's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum LineSource {
    /// A claim of a drop.
    #[n(0)]
    Claim(#[n(0)] ClaimRef),
    /// A hold on ordinary stock.
    #[n(1)]
    Hold(#[n(0)] HoldId),
}

impl From<&OrderLine> for PricedLine {
    fn from(line: &OrderLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.unit_price }
    }
}

/// A command to an order.
#[derive(Debug, Clone, Encode, Decode)]
pub enum OrderCommand {
    /// Creates the order: its units are sold and its payment is authorised.
    #[n(0)]
    Place {
        /// The tenant of the shop.
        #[n(0)]
        tenant: TenantId,
        /// The id of the order, derived from the checkout.
        #[n(1)]
        order: OrderId,
        /// The order number, from the tenant's counter.
        #[n(2)]
        number: u64,
        /// The buyer.
        #[n(3)]
        buyer: SubjectId,
        /// The contact with the buyer's e-mail and postal addresses.
        #[n(4)]
        contact: ContactId,
        /// The checkout that places the order.
        #[n(5)]
        checkout: CheckoutId,
        /// The payment for the order.
        #[n(6)]
        payment: PaymentId,
        /// The lines.
        #[n(7)]
        lines: Vec<OrderLine>,
        /// The totals.
        #[n(8)]
        totals: OrderTotals,
    },
    /// Records that the payment was captured.
    #[n(1)]
    MarkPaid,
    /// Records that the payment cannot be captured: the order fails, and its checkout reverses the sale.
    #[n(2)]
    CaptureFailed,
    /// Cancels the order and refunds the remaining money. The reply is deferred until the money is refunded.
    #[n(3)]
    Cancel {
        /// The reason, for the merchant's records. It must not contain personal data.
        #[n(0)]
        reason: String,
        /// Whether the units are returned to the stock.
        #[n(1)]
        restock: bool,
    },
    /// Refunds an amount. The reply is deferred until the money is refunded.
    #[n(4)]
    Refund {
        /// The amount.
        #[n(0)]
        amount: Money,
        /// The reason, for the merchant's records. It must not contain personal data.
        #[n(1)]
        reason: String,
        /// Whether all units are returned to the stock; allowed only if the refund is of everything that is left.
        #[n(2)]
        restock: bool,
    },
    /// Refunds units of lines, with their tax. The reply is deferred until the money is refunded.
    #[n(5)]
    RefundLines {
        /// The units, and whether they are returned to the stock. Each line at most once.
        #[n(0)]
        lines: Vec<(OrderLineId, Quantity, bool)>,
        /// The reason, for the merchant's records. It must not contain personal data.
        #[n(1)]
        reason: String,
    },
    /// Records that a parcel was sent.
    #[n(6)]
    Fulfil {
        /// The units in the parcel, each line at most once. `None` means all units that are still to be sent.
        #[n(0)]
        lines: Option<Vec<(OrderLineId, Quantity)>>,
        /// The tracking code or link.
        #[n(1)]
        tracking: Option<String>,
    },
    /// Corrects the tracking of a parcel.
    #[n(7)]
    ChangeTracking {
        /// The parcel.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// The tracking code or link; `None` removes it.
        #[n(1)]
        tracking: Option<String>,
    },
    /// Reads the order. `viewer` is `None` for the merchant, who may read every order.
    #[n(8)]
    View {
        /// The buyer who reads the order.
        #[n(0)]
        viewer: Option<Buyer>,
    },
}

/// The payment state of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum OrderPaymentState {
    /// The money is authorised and not captured yet.
    #[default]
    #[n(0)]
    Authorized,
    /// The money is captured.
    #[n(1)]
    Paid,
    /// A part of the money was refunded.
    #[n(2)]
    PartiallyRefunded,
    /// All money was refunded.
    #[n(3)]
    Refunded,
    /// The money could not be captured.
    #[n(4)]
    Failed,
}

/// The fulfillment state of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum FulfillmentState {
    /// No unit was sent.
    #[default]
    #[n(0)]
    Unfulfilled,
    /// All units were sent.
    #[n(1)]
    Fulfilled,
    /// The units will not be sent.
    #[n(2)]
    Cancelled,
    /// Some units were sent, others are still to be sent.
    #[n(3)]
    PartiallyFulfilled,
}

/// The part of an order that changes after it is placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Status {
    /// The payment state.
    #[n(0)]
    pub payment_state: OrderPaymentState,
    /// The fulfillment state.
    #[n(1)]
    pub fulfillment_state: FulfillmentState,
    /// The refunded amount, in minor units of the currency of the totals.
    #[n(2)]
    pub refunded: i64,
    /// The time of the payment.
    #[n(3)]
    pub paid_at: Option<Timestamp>,
    /// The time when the last unit was sent.
    #[n(4)]
    pub fulfilled_at: Option<Timestamp>,
    /// The time when the order was cancelled, or failed.
    #[n(5)]
    pub cancelled_at: Option<Timestamp>,
    /// The tracking code or link of the newest parcel.
    #[n(6)]
    pub tracking: Option<String>,
    /// Whether all units that were not refunded by line are restocked, or are being restocked.
    #[n(7)]
    pub restocked: bool,
}

/// An order as the buyer and the merchant see it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct OrderView {
    /// The id of the order.
    #[n(0)]
    pub id: OrderId,
    /// The order number, from the tenant's counter; [`spell`](number::spell) gives the form shown to people.
    #[n(1)]
    pub number: u64,
    /// The buyer.
    #[n(2)]
    pub buyer: SubjectId,
    /// The contact with the buyer's e-mail and postal addresses.
    #[n(3)]
    pub contact: ContactId,
    /// The checkout that placed the order.
    #[n(4)]
    pub checkout: CheckoutId,
    /// The payment for the order.
    #[n(5)]
    pub payment: PaymentId,
    /// The lines.
    #[n(6)]
    pub lines: Vec<OrderLine>,
    /// The totals.
    #[n(7)]
    pub totals: OrderTotals,
    /// The refunded amount.
    #[n(8)]
    pub refunded: Money,
    /// The time when the order was placed.
    #[n(9)]
    pub placed_at: Timestamp,
    /// The part that changes after the order is placed.
    #[n(10)]
    pub status: Status,
    /// The changes of its lines, oldest first.
    #[n(11)]
    pub changes: Vec<Change>,
}

impl OrderView {
    /// Returns the payment state.
    pub fn payment_state(&self) -> OrderPaymentState {
        self.status.payment_state
    }

    /// Returns the fulfillment state.
    pub fn fulfillment_state(&self) -> FulfillmentState {
        self.status.fulfillment_state
    }
}

/// A reply of an order.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderReply {
    /// The order now or, for a deferred or duplicate command, at the time when the command was settled.
    #[n(0)]
    Order(#[n(0)] Box<OrderView>),
}

/// The reason why an order rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum OrderRejection {
    /// The order does not exist, or the caller may not see it.
    #[error("no such order")]
    #[n(0)]
    NotFound,
    /// The id or the idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(1)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// The state of the order does not allow the command.
    #[error("{why}")]
    #[n(2)]
    NotAllowed {
        /// The reason, in a sentence for the merchant.
        #[n(0)]
        why: Cow<'static, str>,
    },
    /// Another refund is in progress. Retry when it is settled.
    #[error("a refund of this order is in progress")]
    #[strum(serialize = "busy")]
    #[n(3)]
    RefundInProgress,
    /// The amount is larger than what is left of the payment.
    #[error("at most {refundable} can be refunded")]
    #[n(4)]
    RefundTooLarge {
        /// The amount that is left.
        #[n(0)]
        refundable: Money,
    },
    /// The order has no such parcel.
    #[error("no such fulfillment")]
    #[strum(serialize = "not_found")]
    #[n(5)]
    FulfillmentNotFound,
    /// The command names more units of a line than are left.
    #[error("at most {remaining} units of the line are left")]
    #[strum(serialize = "not_allowed")]
    #[n(6)]
    TooManyUnits {
        /// The line.
        #[n(0)]
        line: OrderLineId,
        /// The number of units that are left.
        #[n(1)]
        remaining: u64,
    },
    /// The order has reached the maximum number of parcels or tracking changes.
    #[error("at most {FULFILLMENTS_MAX} parcels and {TRACKING_CHANGES_MAX} corrections of tracking")]
    #[strum(serialize = "limit_exceeded")]
    #[n(7)]
    TooManyFulfillments,
    /// The order has reached the maximum number of refunds.
    #[error("at most {REFUNDS_MAX} refunds")]
    #[strum(serialize = "limit_exceeded")]
    #[n(8)]
    TooManyRefunds,
    /// The provider refused the refund. The order is unchanged, and the command can be retried.
    #[error("the refund failed: {code}")]
    #[n(9)]
    RefundFailed {
        /// The provider's error code.
        #[n(0)]
        code: String,
    },
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(10)]
    Invalid {
        /// A JSON pointer to the value in the request.
        #[n(0)]
        pointer: Cow<'static, str>,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
