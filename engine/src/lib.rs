//! The business rules of commerce as pure functions: no I/O, no clock, no randomness, no async.
//!
//! Each kind of entity is an [`Aggregate`](aggregate::Aggregate): it takes commands, emits events, and its state is the
//! fold of its events. A new kind of entity is a new folder in this crate.

pub mod address;
pub mod aggregate;
pub mod cart;
pub mod catalogue;
pub mod checkout;
mod codec;
pub mod effect;
pub mod fault_injection;
pub mod flash_drop;
pub mod id;
pub mod kinds;
pub mod mail;
pub mod money;
pub mod order;
pub mod order_numbers;
pub mod paged_list;
pub mod payment;
pub mod pricing;
pub mod processed_commands;
pub mod product;
pub mod public_view;
pub mod quantity;
pub mod shards;
pub mod snapshot;
pub mod stock;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod view;

/// The version of the rules, written into batches and snapshots. A node that reads a newer version fails with an error
/// instead of skipping the data.
pub const RULES_VERSION: u16 = 2;
