//! E-mails that an entity requests. A request refers to people and entities by id only: the sender reads the address
//! from the table of contacts, where it can be erased.

use crate::{
    id::{ContactId, FulfillmentId, OrderId},
    money::Money,
};

/// A request to send an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRequest {
    /// The recipient. If the contact has been erased, no e-mail is sent, and the request counts as done.
    pub contact: ContactId,
    /// The subject matter.
    pub kind: MailKind,
}

/// The subject matter of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// The order is paid. The e-mail shows its lines, its totals and a link to the order.
    Receipt {
        /// The order.
        order: OrderId,
    },
    /// A parcel was shipped. The e-mail shows its lines and its tracking.
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
        /// The number of the correction, so that each correction is a separate e-mail.
        change: u32,
    },
    /// Money was refunded.
    Refunded {
        /// The order.
        order: OrderId,
        /// The number of the notice, so that each refund is a separate e-mail.
        notice: u32,
        /// The refunded amount.
        amount: Money,
    },
    /// The order was cancelled and its payment refunded.
    Cancelled {
        /// The order.
        order: OrderId,
    },
}

impl MailKind {
    /// The order that the e-mail is about.
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
