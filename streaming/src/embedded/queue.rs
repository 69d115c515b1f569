//! The queue of the appender: first in, first out, bounded in requests and bytes.

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::{
    batch::{Batch, Header, Nonce, ShardId},
    fencing::Verdict,
    journal::{Accepted, AppendError, Lead},
};

/// The maximum number of queued requests. Each shard's writer bounds its own; this limit applies if a writer does not.
pub(super) const QUEUE_REQUESTS_MAX: usize = 8_192;
/// The maximum number of queued bytes: 32 batches of the maximum size.
pub(super) const QUEUE_BYTES_MAX: usize = 256 << 20;
/// The size at which a group is closed. A larger group would only delay the answers to its first requests.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// A request to the appender.
pub(super) enum Request {
    /// Append a batch of this leadership.
    Batch { shard: ShardId, header: Header, bytes: Bytes, answer: oneshot::Sender<Result<Accepted, AppendError>> },
    /// Append a Lead. Its position and epoch are assigned by the appender.
    Lead { shard: ShardId, node: String, nonce: Nonce, answer: oneshot::Sender<Lead> },
    /// Append a record as if another process had written it, if it counts.
    Foreign { shard: ShardId, bytes: Bytes, batch: Batch, answer: oneshot::Sender<Verdict> },
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Batch { bytes, .. } | Self::Foreign { bytes, .. } => bytes.len(),
            Self::Lead { node, .. } => node.len(),
        }
    }
}

/// The reason why a request was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the journal is overloaded: {QUEUE_REQUESTS_MAX} appends or {QUEUE_BYTES_MAX} bytes wait already")]
    Full,
    #[error("the journal is closed")]
    Closed,
}

#[derive(Default)]
struct Waiting {
    requests: std::collections::VecDeque<Request>,
    bytes: usize,
    closed: bool,
    /// The appender is asleep and must be woken.
    idle: bool,
}

/// The queue of requests to the appender.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

impl Queue {
    /// Adds a request at the end, without waiting.
    pub(super) fn push(&self, request: Request) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let bytes = waiting.bytes + request.bytes();
        if waiting.requests.len() >= QUEUE_REQUESTS_MAX || bytes > QUEUE_BYTES_MAX {
            return Err(Refused::Full);
        }
        waiting.bytes = bytes;
        waiting.requests.push_back(request);
        let wake = std::mem::take(&mut waiting.idle);
        drop(waiting);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves queued requests into `group`, up to the size of a group. Waits while the queue is empty. Returns `false`
    /// once the queue is closed and empty.
    pub(super) fn take_group(&self, group: &mut Vec<Request>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.idle = true;
            self.filled.wait(&mut waiting);
        }
        let mut taken = 0;
        while taken < GROUP_BYTES_MAX
            && let Some(request) = waiting.requests.pop_front()
        {
            taken += request.bytes();
            group.push(request);
        }
        waiting.bytes -= taken;
        true
    }

    /// Refuses further requests. The appender processes the queued ones and ends.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_one();
    }

    /// Refuses further requests and drops the queued ones. Their senders receive an error.
    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.bytes = 0;
        let forgotten = std::mem::take(&mut waiting.requests);
        drop(waiting);
        drop(forgotten);
        self.filled.notify_one();
    }
}
