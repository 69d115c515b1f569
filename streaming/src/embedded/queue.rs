//! What waits for the appender: bounded in batches and bytes, first in, first out.

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::{
    batch::{Batch, Header, Nonce, ShardId},
    counting::Verdict,
    journal::{Accepted, AppendError, Lead},
};

/// How many requests may wait. Each shard's writer bounds its own; this is for when one does not.
pub(super) const QUEUE_REQUESTS_MAX: usize = 8_192;
/// How many bytes may wait: 32 of the largest batches.
pub(super) const QUEUE_BYTES_MAX: usize = 256 << 20;
/// How much is written and synced at once; more would only delay the answers to the first of it.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// What the appender is asked to do.
pub(super) enum Request {
    /// Append a batch of this leadership.
    Batch { shard: ShardId, header: Header, bytes: Bytes, answer: oneshot::Sender<Result<Accepted, AppendError>> },
    /// Append a Lead, made for the place that it gets.
    Lead { shard: ShardId, node: String, nonce: Nonce, answer: oneshot::Sender<Lead> },
    /// Append a record as another process might have, if it counts.
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

/// Why a request cannot wait.
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
    /// The appender sleeps and wants to be woken.
    idle: bool,
}

/// The queue before the appender.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

impl Queue {
    /// Puts a request at the end, without waiting.
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

    /// Takes what waits, up to a group's size, into `group`; waits if there is nothing. False: closed, and all done.
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

    /// Takes no more; the appender does what waits and ends.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_one();
    }

    /// Takes no more, and forgets what waits: whoever waits for an answer hears that there is none.
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
