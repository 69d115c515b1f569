//! What is true in commerce: pure rules, no I/O, no clock, no randomness, no async.
//!
//! Each kind of thing is an [`Aggregate`](aggregate::Aggregate): commands in, events out, and a state that is nothing
//! but the fold of its events. A new kind is one folder here.

pub mod address;
pub mod aggregate;
pub mod cart;
pub mod catalogue;
pub mod checkout;
pub mod drop;
pub mod effect;
pub mod id;
pub mod inventory;
pub mod ledger;
pub mod mail;
pub mod money;
pub mod order;
pub mod order_numbers;
pub mod payment;
pub mod pricing;
pub mod product;
pub mod quantity;
pub mod receipts;
pub mod sabotage;
pub mod shards;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;

/// The version of the rules that this program writes into batches and snapshots. A reader that does not know it stops
/// leading instead of skipping.
pub const RULES_VERSION: u16 = 2;
