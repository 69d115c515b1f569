//! The journal: ordered, fenced, durable batches of opaque records.
//!
//! This room moves bytes. What the records mean is decided elsewhere; here it is decided which of them *count*, in
//! which order, and when one may rely on them.

pub mod batch;
pub mod conformance;
pub mod counting;
pub mod embedded;
pub mod journal;
pub mod memory;

pub use batch::{Batch, BatchError, Content, Entry, Epoch, Header, Nonce, Position, ShardId};
pub use journal::{Accepted, AppendError, BatchStream, Journal, JournalError, Lead, Leadership};
