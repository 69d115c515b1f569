//! Fault injection for the journal in memory.

use std::time::Duration;

use crate::{
    batch::{Header, Position, ShardId},
    journal::JournalError,
};

/// The fault that is applied to one append or one Lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It lands at once.
    None,
    /// It lands and is answered after this delay. The appends behind it wait for it.
    Delay(Duration),
    /// Neither it nor any append in flight behind it lands. All of them return `Failed`.
    FailBefore,
    /// It lands and counts, but the caller receives `Unknown`. The same applies to the appends in flight behind it.
    FailAfter,
    /// The caller receives `Unknown` at once. The record lands after this delay, perhaps behind a new Lead. The appends
    /// in flight behind it land after it and return `Unknown` too.
    LandLate(Duration),
    /// It is lost, and the caller receives `Unknown`. The appends in flight behind it reach the log and do not count.
    Lose,
}

/// Decides which faults occur, and when. A simulation derives them from its seed; a test scripts them.
///
/// Each method is called once for each call on the journal, in the order of the calls.
pub trait Faults: Send + Sync {
    /// Called before a batch is appended. `header.first` and `header.epoch` identify the batch.
    fn on_append(&self, _shard: ShardId, _header: &Header) -> Fault {
        Fault::None
    }

    /// Called before a Lead is appended. For every fault except a delay, its caller receives [`JournalError::Store`].
    fn on_lead(&self, _shard: ShardId, _header: &Header) -> Fault {
        Fault::None
    }

    /// Called before a read. If this returns `Some`, the reader receives only that error.
    fn on_read(&self, _shard: ShardId, _from: Position) -> Option<JournalError> {
        None
    }

    /// Called before the accepted position is returned. If this returns `Some`, the caller receives that error instead.
    fn on_accepted(&self, _shard: ShardId) -> Option<JournalError> {
        None
    }

    /// Returns the delay of a read or of a query for the accepted position.
    fn read_delay(&self, _shard: ShardId) -> Option<Duration> {
        None
    }
}

impl<F: Faults + ?Sized> Faults for std::sync::Arc<F> {
    fn on_append(&self, shard: ShardId, header: &Header) -> Fault {
        (**self).on_append(shard, header)
    }

    fn on_lead(&self, shard: ShardId, header: &Header) -> Fault {
        (**self).on_lead(shard, header)
    }

    fn on_read(&self, shard: ShardId, from: Position) -> Option<JournalError> {
        (**self).on_read(shard, from)
    }

    fn on_accepted(&self, shard: ShardId) -> Option<JournalError> {
        (**self).on_accepted(shard)
    }

    fn read_delay(&self, shard: ShardId) -> Option<Duration> {
        (**self).read_delay(shard)
    }
}

/// No faults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {}
