//! Mail that an entity asks to be sent. It names people and things by their ids: whoever sends it reads the address
//! where it can be erased.

use crate::{
    id::{ContactId, FulfillmentId, OrderId},
    money::Money,
};

/// A letter to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRequest {
    /// To whom. One that has been erased gets none, which counts as sent.
    pub contact: ContactId,
    /// About what.
    pub kind: MailKind,
}

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The order is paid: its lines, its totals, and where to look at it.
    Receipt {
        /// Which.
        order: OrderId,
    },
    /// A parcel is on its way: its lines, and where it can be followed.
    Shipped {
        /// The order.
        order: OrderId,
        /// The parcel.
        fulfillment: FulfillmentId,
    },
    /// The tracking of a parcel was corrected.
    TrackingChanged {
        /// The order.
        order: OrderId,
        /// The parcel.
        fulfillment: FulfillmentId,
        /// The number of the correction, so that each is a mail of its own.
        change: u32,
    },
    /// Money was given back.
    Refunded {
        /// The order.
        order: OrderId,
        /// The number of the notice, so that each refund is a mail of its own.
        notice: u32,
        /// How much.
        amount: Money,
    },
    /// The order is cancelled, and what was paid for it given back.
    Cancelled {
        /// The order.
        order: OrderId,
    },
}

impl MailKind {
    /// The order that the mail is about.
    pub fn order(self) -> OrderId {
        match self {
            MailKind::Receipt { order }
            | MailKind::Shipped { order, .. }
            | MailKind::TrackingChanged { order, .. }
            | MailKind::Refunded { order, .. }
            | MailKind::Cancelled { order } => order,
        }
    }
}
