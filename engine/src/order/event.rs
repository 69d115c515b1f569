//! What can happen to an order.

use minicbor::{Decode, Encode};

use super::{LineRefund, LineUnits, OrderLine, OrderTotals};
use crate::{
    id::{CheckoutId, ContactId, FulfillmentId, OrderId, PaymentId, RefundId, Sku, SubjectId, TenantId},
    money::Money,
    receipts::Receipt,
    time::Timestamp,
};

/// What can happen to an order.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderEvent {
    /// It was made.
    #[n(0)]
    Placed {
        /// What was placed.
        #[n(0)]
        sheet: Sheet,
    },
    /// Its payment is captured.
    #[n(1)]
    Paid {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// Its payment could not be captured.
    #[n(2)]
    CaptureFailed {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// Its payment was asked to give money back.
    #[n(3)]
    RefundAsked {
        /// Under which id.
        #[n(0)]
        refund: RefundId,
        /// How much.
        #[n(1)]
        amount: Money,
        /// Why.
        #[n(2)]
        reason: String,
        /// Whether its units come back with it.
        #[n(3)]
        restock: bool,
        /// Whether it is called off once the money is back.
        #[n(4)]
        cancel: bool,
        /// The command that asked.
        #[n(5)]
        receipt: Receipt,
        /// The lines that are refunded. `None`: an amount.
        #[n(6)]
        lines: Option<Vec<LineRefund>>,
    },
    /// Money was given back. That of a cancellation is followed by `Cancelled`.
    #[n(4)]
    Refunded {
        /// Under which id.
        #[n(0)]
        refund: RefundId,
        /// How much.
        #[n(1)]
        amount: Money,
        /// Whether its units come back with it; of a cancellation, `Cancelled` says so.
        #[n(2)]
        restock: bool,
        /// When.
        #[n(3)]
        at: Timestamp,
        /// The lines that are refunded; those that say so come back to the inventory. `None`: an amount.
        #[n(4)]
        lines: Option<Vec<LineRefund>>,
        /// Whether the buyer is sent a mail about it. `None`: no, as before there was one.
        #[n(5)]
        notify: Option<bool>,
    },
    /// Money could not be given back: the command that asked is refused.
    #[n(5)]
    RefundFailed {
        /// Under which id.
        #[n(0)]
        refund: RefundId,
        /// Why.
        #[n(1)]
        code: String,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// It was called off; its money is back.
    #[n(6)]
    Cancelled {
        /// Why.
        #[n(0)]
        reason: String,
        /// Whether its units come back.
        #[n(1)]
        restock: bool,
        /// The command that called it off.
        #[n(2)]
        receipt: Receipt,
        /// When.
        #[n(3)]
        at: Timestamp,
        /// Whether the buyer is sent a mail about it. `None`: no, as before there was one.
        #[n(4)]
        notify: Option<bool>,
    },
    /// All of it is on its way. Written before there were parcels; now it is `Shipped`.
    #[n(7)]
    Fulfilled {
        /// Where its way can be followed.
        #[n(0)]
        tracking: Option<String>,
        /// The command that said so.
        #[n(1)]
        receipt: Receipt,
    },
    /// The buyer's receipt was handed to the mail.
    #[n(8)]
    ReceiptMailed {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The inventory has booked units that came back.
    #[n(9)]
    Restocked {
        /// Of what.
        #[n(0)]
        sku: Sku,
        /// Units of this order that came back in all.
        #[n(1)]
        total: u64,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// A parcel with these units is on its way. The buyer is sent a mail about it.
    #[n(10)]
    Shipped {
        /// The fulfillment.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// What is in the parcel.
        #[n(1)]
        lines: Vec<LineUnits>,
        /// Where the parcel can be followed.
        #[n(2)]
        tracking: Option<String>,
        /// The command that shipped it.
        #[n(3)]
        receipt: Receipt,
    },
    /// The tracking of a fulfillment was corrected. The buyer is sent a mail about it.
    #[n(11)]
    TrackingChanged {
        /// The fulfillment.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// Where the parcel can be followed; `None` takes it away.
        #[n(1)]
        tracking: Option<String>,
        /// The command that corrected it.
        #[n(2)]
        receipt: Receipt,
    },
    /// A mail to the buyer other than the receipt was handed to the mail server.
    #[n(12)]
    NoticeMailed {
        /// Its number among the order's notices.
        #[n(0)]
        notice: u32,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
}

/// What is said of an order when it is placed. It never changes.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Sheet {
    /// Whose shop.
    #[n(0)]
    pub tenant: TenantId,
    /// Its id.
    #[n(1)]
    pub order: OrderId,
    /// Its number in the tenant's count.
    #[n(2)]
    pub number: u64,
    /// Who bought.
    #[n(3)]
    pub buyer: SubjectId,
    /// Where the buyer's e-mail and address live.
    #[n(4)]
    pub contact: ContactId,
    /// The checkout that placed it.
    #[n(5)]
    pub checkout: CheckoutId,
    /// The payment that pays for it.
    #[n(6)]
    pub payment: PaymentId,
    /// What was bought.
    #[n(7)]
    pub lines: Vec<OrderLine>,
    /// For how much.
    #[n(8)]
    pub totals: OrderTotals,
    /// When.
    #[n(9)]
    pub at: Timestamp,
}
