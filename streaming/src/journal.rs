//! The contract of a journal.

use std::{fmt::Debug, pin::Pin};

use futures::{Stream, future::BoxFuture};

use crate::batch::{Batch, BatchError, Entry, Epoch, Nonce, Position, ShardId};

/// Accepted batches in the order of their positions.
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<Batch, JournalError>> + Send>>;

/// A journal that could not be read or led.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Bytes in the store are not what was written. Nothing may be served from this shard.
    #[error("journal shard {shard} is damaged at position {position}: {why}")]
    Damaged {
        /// Which shard.
        shard: ShardId,
        /// Where.
        position: Position,
        /// What is wrong there.
        why: String,
    },
    /// The log ends before something that was known to be accepted.
    #[error("journal shard {shard} ends at position {end}, but {witness} shows that it reached {expected}")]
    Truncated {
        /// Which shard.
        shard: ShardId,
        /// Where it ends.
        end: Position,
        /// What it must have reached.
        expected: Position,
        /// Who knows.
        witness: &'static str,
    },
    /// Positions before `oldest` are no longer kept.
    #[error("journal shard {shard} is kept from position {oldest} on")]
    Trimmed {
        /// Which shard.
        shard: ShardId,
        /// The oldest position there is.
        oldest: Position,
    },
    /// Another node took the lead first; try again later.
    #[error("another node leads shard {shard} with epoch {epoch}")]
    LostRace {
        /// Which shard.
        shard: ShardId,
        /// The epoch that counts.
        epoch: Epoch,
    },
    /// The store does not answer, or refuses. Try again later.
    #[error("journal store: {0}")]
    Store(String),
    /// Files of the store are not what was written. Nothing may be served from it.
    #[error("journal at {path} cannot be opened: {why}")]
    DamagedStore {
        /// Which file or folder.
        path: String,
        /// What is wrong there.
        why: String,
    },
    /// The number of shards is fixed when a journal is made; another number means export and import.
    #[error("journal was made with {made} shards, but {asked} are configured")]
    WrongShards {
        /// How many it has.
        made: u16,
        /// How many were asked for.
        asked: u16,
    },
    /// Another process has the store.
    #[error("{0}")]
    InUse(String),
}

impl JournalError {
    /// A batch of `shard` at `position` that does not decode.
    pub fn damaged(shard: ShardId, position: Position, error: &BatchError) -> Self {
        Self::Damaged { shard, position, why: error.to_string() }
    }
}

/// An append that was not accepted. In each case its owner gives up its state and leads anew before it reloads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It did not land and never will.
    #[error("append failed: {0}")]
    Failed(String),
    /// It may have landed, or may still.
    #[error("outcome of the append is unknown: {0}")]
    Unknown(String),
    /// Another owner leads the shard; the batch does not count.
    #[error("another owner leads the shard")]
    Fenced,
}

/// An append that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The position of its first entry.
    pub first: Position,
    /// The position after its last.
    pub end: Position,
    /// Its bytes in the journal.
    pub bytes: usize,
}

/// Who leads a shard since where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The number of the leadership.
    pub epoch: Epoch,
    /// Tells it from another that claims the same number.
    pub nonce: Nonce,
    /// The position that the Lead itself takes. All before it is history when the owner begins.
    pub at: Position,
}

/// The right to append to a shard, and the only way to.
///
/// ```text
///              append ──► append ──► append        several in flight, in the order of the calls
///                │           │          │
///   accepted ────┘  unknown ─┘          └─ fails too: its position is never the next one
/// ```
///
/// After the first error every later append of this leadership fails; its holder takes a new lead.
pub trait Leadership: Send + Debug {
    /// Since when it leads.
    fn lead(&self) -> &Lead;

    /// The position of the next entry.
    fn next(&self) -> Position;

    /// Appends entries as one batch under `rules`. None: a batch that only shows that this owner still leads.
    ///
    /// The call itself fixes the batch's place and does not wait; the future says when it is *accepted*: durable, and
    /// counted at that place by every reader. Dropping the future does not undo the append.
    fn append(&mut self, rules: u16, entries: Vec<Entry>) -> BoxFuture<'static, Result<Accepted, AppendError>>;
}

/// An ordered, durable log for each shard, in which at most one owner's appends count at any position.
///
/// ```text
///  position   0       1..4        5..5      6        7..9
///           ┌──────┬───────────┬─────────┬──────┬───────────┐
///           │Lead 1│ batch e1  │ batch e1│Lead 2│ batch e2  │ ◄── tail
///           └──────┴───────────┴─────────┴──────┴───────────┘
///                                           ▲ counts only because its epoch is the newest + 1 and its place the next
/// ```
///
/// Every provider passes [`conformance`](crate::conformance).
pub trait Journal: Send + Sync + 'static {
    /// How many shards it has; fixed when it was made.
    fn shards(&self) -> u16;

    /// Takes the lead of a shard: appends a Lead, and returns when it counts. What a former owner appends later never
    /// counts.
    fn lead(&self, shard: ShardId, node: &str) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>>;

    /// The accepted batches that hold or follow `from`, oldest first, up to the tail at the time of the call; Leads
    /// included. Never one that is not accepted.
    fn read(&self, shard: ShardId, from: Position) -> BatchStream;

    /// The position after the newest accepted batch: what a reader may rely on.
    fn accepted(&self, shard: ShardId) -> BoxFuture<'_, Result<Position, JournalError>>;
}
