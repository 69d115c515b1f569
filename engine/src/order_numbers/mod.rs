//! A tenant's counter of order numbers: 1, 2, 3, …; the same order always gets the same number.
//!
//! The number shown to people is derived from the counter by [`spell`](crate::order::number::spell), which needs a key.

mod fold;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};

pub use self::fold::{FrozenOrderNumbers, OrderNumbers};
use crate::{
    id::{EntityKey, Kind, OrderId, TenantId},
    order::number::NUMBER_MAX,
    time::Timestamp,
};

/// The maximum number of orders whose numbers are kept for duplicates, at some 100 bytes each. Above it, the oldest are
/// dropped before their 24 hours are over; a duplicate of such an order would get a new number and leave a gap.
pub const ORDERS_REMEMBERED_MAX: usize = 1 << 20;

/// A command to the counter.
#[derive(Debug, Clone)]
pub enum OrderNumbersCommand {
    /// Assigns a number to an order.
    Assign {
        /// The tenant of the counter.
        tenant: TenantId,
        /// The order.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderNumbersReply {
    /// The number of the order.
    Number(u64),
}

/// The reason why the counter rejects a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderNumbersRejection {
    /// All numbers that eight characters can represent are assigned.
    #[error("all {NUMBER_MAX} order numbers are given out")]
    Exhausted,
}

/// Returns the key of a tenant's counter.
pub fn key(tenant: &TenantId) -> EntityKey {
    EntityKey::new(Kind::OrderNumbers, tenant, b"orders")
}
