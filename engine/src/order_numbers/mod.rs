//! A tenant's counter of order numbers: 1, 2, 3, …; the same order always gets the same number.
//!
//! The number shown to people is derived from the counter by [`spell`](crate::order::number::spell), which needs a key.

mod fold;
#[cfg(test)]
mod tests;

use std::fmt;

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};

pub use self::fold::{FrozenOrderNumbers, OrderNumbers};
use crate::{
    id::{OrderId, TenantId},
    kinds::EntityId,
    order::number::NUMBER_MAX,
    time::Timestamp,
};

/// The maximum number of orders whose numbers are kept for duplicates, at some 100 bytes each. Above it, the oldest are
/// dropped before their 24 hours are over; a duplicate of such an order would get a new number and leave a gap.
pub const ORDERS_REMEMBERED_MAX: usize = 1 << 20;

/// A command to the counter.
#[derive(Debug, Clone, Encode, Decode)]
pub enum OrderNumbersCommand {
    /// Assigns a number to an order.
    #[n(0)]
    Assign {
        /// The tenant of the counter.
        #[n(0)]
        tenant: TenantId,
        /// The order.
        #[n(1)]
        order: OrderId,
    },
}

/// An event of the counter.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderNumbersEvent {
    /// A number was assigned to an order.
    #[n(0)]
    Assigned {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// The number.
        #[n(1)]
        number: u64,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
}

/// A reply of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum OrderNumbersReply {
    /// The number of the order.
    #[n(0)]
    Number(#[n(0)] u64),
}

/// The reason why the counter rejects a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum OrderNumbersRejection {
    /// All numbers that eight characters can represent are assigned.
    #[error("all {NUMBER_MAX} order numbers are given out")]
    #[strum(serialize = "limit_exceeded")]
    #[n(0)]
    Exhausted,
}

/// The id of a tenant's counter. A tenant has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderNumbersId;

const KEY_TEXT: &str = "orders";

impl fmt::Display for OrderNumbersId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KEY_TEXT)
    }
}

impl EntityId for OrderNumbersId {
    fn to_key_bytes(&self) -> impl AsRef<[u8]> {
        KEY_TEXT
    }

    fn from_key_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes == KEY_TEXT.as_bytes()).then_some(Self)
    }
}
