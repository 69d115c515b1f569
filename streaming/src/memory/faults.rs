//! What may go wrong in a journal, on demand.

use std::time::Duration;

use crate::{
    batch::{Header, Position, ShardId},
    journal::JournalError,
};

/// What happens to one append, or to one Lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It lands at once.
    None,
    /// It lands, and is answered, this much later. Those behind it wait for it.
    Delay(Duration),
    /// It does not land, nor does anything in flight behind it: `Failed`.
    FailBefore,
    /// It lands and counts, but the caller hears `Unknown`; so do those in flight behind it, which land too.
    FailAfter,
    /// The caller hears `Unknown` at once; the record lands this much later, perhaps behind a new Lead. Those in
    /// flight behind it land after it and hear `Unknown` too.
    LandLate(Duration),
    /// It is lost, and the caller hears `Unknown`. Those in flight behind it reach the log and do not count.
    Lose,
}

/// Decides what goes wrong, and when. A simulation draws from its seed; a test scripts it.
///
/// Each method is called once for each call on the journal, in the order of the calls.
pub trait Faults: Send + Sync {
    /// Before a batch is appended. `header.first` and `header.epoch` tell which.
    fn on_append(&self, _shard: ShardId, _header: &Header) -> Fault {
        Fault::None
    }

    /// Before a Lead is appended. Whatever goes wrong, its caller hears [`JournalError::Store`].
    fn on_lead(&self, _shard: ShardId, _header: &Header) -> Fault {
        Fault::None
    }

    /// Before a read: `Some` is all that the reader gets.
    fn on_read(&self, _shard: ShardId, _from: Position) -> Option<JournalError> {
        None
    }

    /// Before the accepted position is told: `Some` is told instead.
    fn on_accepted(&self, _shard: ShardId) -> Option<JournalError> {
        None
    }

    /// How long a read, or the asking for the accepted position, takes.
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

/// Nothing goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {}
