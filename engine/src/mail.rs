//! Mail that an entity asks to be sent. It names people and things by their ids: whoever sends it reads the address
//! where it can be erased.

use crate::id::{ContactId, OrderId};

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
}
