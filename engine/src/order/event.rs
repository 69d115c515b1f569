//! The events of an order.

use minicbor::{Decode, Encode};

use super::{LineRefund, LineUnits, OrderLine, OrderTotals};
use crate::{
    id::{CheckoutId, ContactId, FulfillmentId, OrderId, PaymentId, RefundId, Sku, SubjectId, TenantId},
    money::Money,
    processed_commands::ProcessedCommand,
    time::Timestamp,
};

/// An event of an order.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderEvent {
    /// The order was placed.
    #[n(0)]
    Placed {
        /// The fields of the order.
        #[n(0)]
        details: Details,
    },
    /// The payment was captured.
    #[n(1)]
    Paid {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The payment could not be captured.
    #[n(2)]
    CaptureFailed {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The payment was asked to refund an amount.
    #[n(3)]
    RefundAsked {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The amount.
        #[n(1)]
        amount: Money,
        /// The reason given by the merchant.
        #[n(2)]
        reason: String,
        /// Whether the units of the order are restocked after the refund.
        #[n(3)]
        restock: bool,
        /// Whether the order is cancelled after the refund.
        #[n(4)]
        cancel: bool,
        /// The command that caused the event.
        #[n(5)]
        processed: ProcessedCommand,
        /// The refunded lines. `None` for the refund of an amount.
        #[n(6)]
        lines: Option<Vec<LineRefund>>,
    },
    /// An amount was refunded. In a cancellation, `Cancelled` follows.
    #[n(4)]
    Refunded {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The amount.
        #[n(1)]
        amount: Money,
        /// Whether the units of the order are restocked; `false` in a cancellation, where `Cancelled` has this field.
        #[n(2)]
        restock: bool,
        /// The time of the event.
        #[n(3)]
        at: Timestamp,
        /// The refunded lines, of which those with `restock` are restocked. `None` for the refund of an amount.
        #[n(4)]
        lines: Option<Vec<LineRefund>>,
        /// Whether the buyer is notified by e-mail. `None` means no: the event was written before these e-mails
        /// existed.
        #[n(5)]
        notify: Option<bool>,
    },
    /// The refund failed: the command that caused it is rejected.
    #[n(5)]
    RefundFailed {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The provider's error code.
        #[n(1)]
        code: String,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// The order was cancelled; its money was refunded before.
    #[n(6)]
    Cancelled {
        /// The reason given by the merchant.
        #[n(0)]
        reason: String,
        /// Whether the units of the order are restocked.
        #[n(1)]
        restock: bool,
        /// The command that cancelled the order.
        #[n(2)]
        processed: ProcessedCommand,
        /// The time of the event.
        #[n(3)]
        at: Timestamp,
        /// Whether the buyer is notified by e-mail. `None` means no: the event was written before these e-mails
        /// existed.
        #[n(4)]
        notify: Option<bool>,
    },
    /// All units were sent. Written by versions without parcels; replaced by `Shipped`.
    #[n(7)]
    Fulfilled {
        /// The tracking code or link.
        #[n(0)]
        tracking: Option<String>,
        /// The command that caused the event.
        #[n(1)]
        processed: ProcessedCommand,
    },
    /// The mailer accepted the buyer's receipt.
    #[n(8)]
    ReceiptMailed {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The stock item has recorded restocked units.
    #[n(9)]
    Restocked {
        /// The SKU.
        #[n(0)]
        sku: Sku,
        /// The total number of units of this order that were restocked.
        #[n(1)]
        total: u64,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// A parcel with these units was sent. The buyer is notified by e-mail.
    #[n(10)]
    Shipped {
        /// The id of the fulfillment.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// The units in the parcel.
        #[n(1)]
        lines: Vec<LineUnits>,
        /// The tracking code or link.
        #[n(2)]
        tracking: Option<String>,
        /// The command that caused the event.
        #[n(3)]
        processed: ProcessedCommand,
    },
    /// The tracking of a fulfillment was corrected. The buyer is notified by e-mail.
    #[n(11)]
    TrackingChanged {
        /// The id of the fulfillment.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// The tracking code or link; `None` removes it.
        #[n(1)]
        tracking: Option<String>,
        /// The command that caused the event.
        #[n(2)]
        processed: ProcessedCommand,
    },
    /// The mailer accepted an e-mail to the buyer other than the receipt.
    #[n(12)]
    NoticeMailed {
        /// The number of the notice among the order's notices.
        #[n(0)]
        notice: u32,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
}

/// The fields of an order that are set when it is placed and never change.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Details {
    /// The tenant of the shop.
    #[n(0)]
    pub tenant: TenantId,
    /// The id of the order.
    #[n(1)]
    pub order: OrderId,
    /// The order number, from the tenant's counter.
    #[n(2)]
    pub number: u64,
    /// The buyer.
    #[n(3)]
    pub buyer: SubjectId,
    /// The contact with the buyer's e-mail and postal addresses.
    #[n(4)]
    pub contact: ContactId,
    /// The checkout that placed the order.
    #[n(5)]
    pub checkout: CheckoutId,
    /// The payment for the order.
    #[n(6)]
    pub payment: PaymentId,
    /// The lines.
    #[n(7)]
    pub lines: Vec<OrderLine>,
    /// The totals.
    #[n(8)]
    pub totals: OrderTotals,
    /// The time when the order was placed.
    #[n(9)]
    pub at: Timestamp,
}
