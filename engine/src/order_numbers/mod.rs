//! The counter of a tenant's order numbers: 1, 2, 3, …, the same number for the same order.
//!
//! What people read is [`spell`](crate::order::number::spell)ed from the counter by whoever has the key.

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

/// The most orders whose numbers are remembered for repeats, at some 100 bytes each. Past that the oldest are
/// forgotten before their 24 hours are over; a repeat of one would get another number, and leave a gap.
pub const ORDERS_REMEMBERED_MAX: usize = 1 << 20;

/// What can be asked of the counter.
#[derive(Debug, Clone)]
pub enum OrderNumbersCommand {
    /// Give this order its number.
    Assign {
        /// Whose counter it is.
        tenant: TenantId,
        /// For which order.
        order: OrderId,
    },
}

/// What can happen to the counter.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OrderNumbersEvent {
    /// An order has its number.
    #[n(0)]
    Assigned {
        /// Which order.
        #[n(0)]
        order: OrderId,
        /// Its number.
        #[n(1)]
        number: u64,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
}

/// What the counter answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderNumbersReply {
    /// The order's number.
    Number(u64),
}

/// Why the counter refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderNumbersRejection {
    /// Eight characters spell no more numbers.
    #[error("all {NUMBER_MAX} order numbers are given out")]
    Exhausted,
}

/// The key of a tenant's counter.
pub fn key(tenant: &TenantId) -> EntityKey {
    EntityKey::new(Kind::OrderNumbers, tenant, b"orders")
}
