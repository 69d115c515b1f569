//! The contract of a journal: [`Journal`] to acquire leadership and to read, [`Leadership`] to append.

use std::{fmt::Debug, pin::Pin};

use futures::{Stream, future::BoxFuture};

use crate::batch::{Batch, BatchError, Entry, Epoch, Nonce, Position, ShardId};

/// A stream of accepted batches in the order of their positions.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<Batch, JournalError>> + Send>>;

/// An error while reading a journal or acquiring leadership of a shard.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The stored bytes differ from what was written. The caller must not serve anything from this shard.
    #[error("journal shard {shard} is damaged at position {position}: {why}")]
    Damaged {
        /// The shard.
        shard: ShardId,
        /// The position of the damage.
        position: Position,
        /// A description of the damage.
        why: String,
    },
    /// The log ends before a position that was known to be accepted. Accepted batches are missing.
    #[error("journal shard {shard} ends at position {end}, but {recorded_by} shows that it reached {expected}")]
    Truncated {
        /// The shard.
        shard: ShardId,
        /// The position at which the log ends.
        end: Position,
        /// The position that the log must have reached.
        expected: Position,
        /// The source that recorded `expected`: the durable watermark, a checkpoint or a projection.
        recorded_by: &'static str,
    },
    /// Batches before position `oldest` are no longer kept.
    #[error("journal shard {shard} is kept from position {oldest} on")]
    Trimmed {
        /// The shard.
        shard: ShardId,
        /// The oldest position that is still kept.
        oldest: Position,
    },
    /// Another node acquired leadership first. The caller may retry later.
    #[error("another node leads shard {shard} with epoch {epoch}")]
    LostRace {
        /// The shard.
        shard: ShardId,
        /// The epoch of the current leadership.
        epoch: Epoch,
    },
    /// The store does not respond or refuses the request. The caller may retry later.
    #[error("journal store: {0}")]
    Store(String),
    /// Files of the store differ from what was written. The caller must not serve anything from this store.
    #[error("journal at {path} cannot be opened: {why}")]
    DamagedStore {
        /// The damaged file or folder.
        path: String,
        /// A description of the damage.
        why: String,
    },
    /// The configured number of shards differs from the journal's. The number is fixed when a journal is created;
    /// changing it requires an export and an import.
    #[error("journal was made with {made} shards, but {asked} are configured")]
    WrongShards {
        /// The number of shards that the journal has.
        made: u16,
        /// The number of shards that is configured.
        asked: u16,
    },
    /// Another process has the store open.
    #[error("{0}")]
    InUse(String),
}

impl JournalError {
    /// Returns the error for a batch of `shard` at `position` that cannot be decoded.
    pub fn damaged(shard: ShardId, position: Position, error: &BatchError) -> Self {
        Self::Damaged { shard, position, why: error.to_string() }
    }
}

/// An append that was not accepted. After any of these errors the owner discards its state and acquires leadership
/// again before it reloads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The append did not land and never will.
    #[error("append failed: {0}")]
    Failed(String),
    /// The append may have landed, or may still land.
    #[error("outcome of the append is unknown: {0}")]
    Unknown(String),
    /// Another owner leads the shard. The batch does not count.
    #[error("another owner leads the shard")]
    Fenced,
}

/// An append that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The position of the first entry.
    pub first: Position,
    /// The position after the last entry.
    pub end: Position,
    /// The size of the batch in the journal, in bytes.
    pub bytes: usize,
}

/// The record that begins a leadership: its epoch, and the position from which it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The epoch of the leadership.
    pub epoch: Epoch,
    /// Distinguishes this leadership from another that claims the same epoch.
    pub nonce: Nonce,
    /// The position of the Lead record itself. Every batch before it is history when the leadership begins.
    pub at: Position,
}

/// The right to append to a shard, and the only way to append.
///
/// ```text
///              append ──► append ──► append        several in flight, in the order of the calls
///                │           │          │
///   accepted ────┘  unknown ─┘          └─ fails too: its position is never the next one
/// ```
///
/// After the first error, every later append of this leadership fails. The holder must acquire leadership again.
pub trait Leadership: Send + Debug {
    /// Returns the Lead record of this leadership.
    fn lead(&self) -> &Lead;

    /// Returns the position of the next entry.
    fn next(&self) -> Position;

    /// Appends entries as one batch under `rules`. An empty list of entries makes a batch that only proves that this
    /// owner still leads.
    ///
    /// The call fixes the position of the batch and does not wait. The future completes when the batch is *accepted*:
    /// it is durable, and every reader counts it at that position. Dropping the future does not undo the append.
    fn append(&mut self, rules: u16, entries: Vec<Entry>) -> BoxFuture<'static, Result<Accepted, AppendError>>;
}

/// An ordered, durable log for each shard. At each position, the appends of at most one owner count.
///
/// ```text
///  position   0       1..4        5..5      6        7..9
///           ┌──────┬───────────┬─────────┬──────┬───────────┐
///           │Lead 1│ batch e1  │ batch e1│Lead 2│ batch e2  │ ◄── tail
///           └──────┴───────────┴─────────┴──────┴───────────┘
///                                           ▲ counts only if its epoch is the newest + 1 and its position the next
/// ```
///
/// Every provider passes the suite in [`conformance`](crate::conformance).
pub trait Journal: Send + Sync + 'static {
    /// Returns the number of shards, which is fixed when the journal is created.
    fn shards(&self) -> u16;

    /// Acquires leadership of a shard: appends a Lead, and returns once the Lead counts. From then on, batches that a
    /// former owner appends never count.
    fn acquire_leadership(
        &self,
        shard: ShardId,
        node: &str,
    ) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>>;

    /// Reads the accepted batches that contain or follow `from`, oldest first, up to the tail at the time of the call.
    /// Leads are included. Batches that are not accepted are never returned.
    fn read(&self, shard: ShardId, from: Position) -> BatchStream;

    /// Returns the position after the newest accepted batch. A reader may rely on everything before it.
    fn accepted(&self, shard: ShardId) -> BoxFuture<'_, Result<Position, JournalError>>;
}
