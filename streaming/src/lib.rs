//! The journal: ordered, fenced, durable batches of opaque records.
//!
//! This crate stores and orders bytes; it does not interpret records. It decides which batches *count*, in which order,
//! and when a reader may rely on them.

pub mod batch;
pub mod conformance;
pub mod embedded;
pub mod fencing;
pub mod journal;
pub mod memory;

pub use batch::{Batch, BatchError, Content, Entry, Epoch, Header, Nonce, Position, ShardId};
pub use journal::{Accepted, AppendError, BatchStream, Journal, JournalError, Lead, Leadership};
