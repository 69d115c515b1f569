//! The messages that a shard's actor receives.

use streaming::Leadership;
use tokio::sync::oneshot;

use super::recovery::LeadershipError;
use crate::leader::Recovered;

/// How a leadership ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// An append failed, or its outcome is unknown.
    AppendFailed,
    /// A newer leader leads the shard.
    Fenced,
}

/// A leadership and the state that its log came to, or why the log was not read.
pub(crate) type TailRead = Result<(Box<dyn Leadership>, Recovered), LeadershipError>;

/// A message to a shard's actor. Those with a term concern one candidature, or the leadership that came of it.
pub(crate) enum ShardMessage {
    /// Acquire leadership. First sent when all shards of the node are known: a leader sends requests to other shards.
    AcquireLeadership,
    /// The Lead counts, or was not appended.
    LeadAcquired(u64, Result<Box<dyn Leadership>, LeadershipError>),
    /// The log before the Lead is read, or does not read.
    TailRead(u64, Box<TailRead>),
    /// The leadership ended with an append that failed.
    LeadershipEnded(u64, Ended),
    /// The tail has grown, and a checkpoint is due.
    CheckpointDue(u64),
    /// The checkpoint is done, or failed.
    CheckpointDone(u64),
    /// Look for idle entities.
    Tick,
    /// Finish: answer everything that was proposed, take a checkpoint, and end the leadership. Answers when done.
    Drain(oneshot::Sender<()>),
    /// Everything is finished.
    Drained(u64),
}

impl ShardMessage {
    /// The term that the message concerns.
    pub(super) fn term(&self) -> Option<u64> {
        match self {
            ShardMessage::LeadAcquired(term, _)
            | ShardMessage::TailRead(term, _)
            | ShardMessage::LeadershipEnded(term, _)
            | ShardMessage::CheckpointDue(term)
            | ShardMessage::CheckpointDone(term)
            | ShardMessage::Drained(term) => Some(*term),
            ShardMessage::AcquireLeadership | ShardMessage::Tick | ShardMessage::Drain(_) => None,
        }
    }
}
