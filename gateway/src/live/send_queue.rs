//! Send queues: shared bytes that wait for slow readers, and bounds on them.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Buf, Bytes};
use tokio::net::tcp::OwnedWriteHalf;

use super::{BACKLOG_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX};

/// The maximum number of buffers in one vectored write: as many as the system handles well at once.
const PIECES_MAX: usize = 64;

/// The bytes in the send queues of all connections together.
#[derive(Clone, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

/// Bytes that are counted in the backlog but are in no queue yet. Dropping the charge releases them.
pub(super) struct Charge {
    backlog: Backlog,
    bytes: usize,
}

impl Backlog {
    /// The bytes that wait now.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether `more` bytes may wait too.
    fn has_room_for(&self, more: usize) -> bool {
        self.0.load(Ordering::Relaxed) + more <= BACKLOG_BYTES_MAX
    }

    fn try_charge(&self, bytes: usize) -> Option<Charge> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let charge = Charge { backlog: self.clone(), bytes };
        (before + bytes <= BACKLOG_BYTES_MAX).then_some(charge)
    }
}

impl Charge {
    /// Raises the charge to `bytes`, if a reply is larger than was reserved.
    pub(super) fn grow_to(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.bytes);
        self.backlog.0.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.backlog.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A send queue. Its messages are shared with the other connections that have the same ones in their queues.
pub(super) struct SendQueue {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// The number of bytes up to and including the last reply. The connection waited to queue a reply, so these bytes
    /// never cause a disconnect, however large they are.
    answered: usize,
    backlog: Backlog,
}

impl SendQueue {
    pub(super) fn in_backlog(backlog: Backlog) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, answered: 0, backlog }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Marks the message that was pushed last as a reply.
    pub(super) fn note_answer(&mut self) {
        self.answered = self.bytes;
    }

    /// Reserves memory for the reply of an operation; `None` where too much waits already.
    pub(super) fn try_reserve(&self, bytes: usize) -> Option<Charge> {
        self.is_low().then(|| self.backlog.try_charge(bytes)).flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether `more` bytes may wait too, for this connection and for all of them.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        let published = self.bytes.saturating_sub(self.answered);
        let fits = published + more <= QUEUE_BYTES_MAX && self.messages.len() < QUEUE_MESSAGES_MAX;
        fits && self.backlog.has_room_for(more)
    }

    /// Whether the client has taken so much that a reply may be sent.
    pub(super) fn is_low(&self) -> bool {
        self.bytes <= QUEUE_BYTES_MAX / 2 && self.messages.len() <= QUEUE_MESSAGES_MAX / 2
    }

    pub(super) fn push(&mut self, message: Bytes) {
        if message.is_empty() {
            return;
        }
        self.bytes += message.len();
        self.backlog.0.fetch_add(message.len(), Ordering::Relaxed);
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.took(message.len());
        Some(message)
    }

    /// Drops everything and frees its memory.
    pub(super) fn clear(&mut self) {
        self.took(self.bytes);
        self.messages = VecDeque::new();
    }

    fn took(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.answered = self.answered.saturating_sub(bytes);
        self.backlog.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Removes what was written.
    fn advance(&mut self, mut written: usize) {
        self.took(written);
        while let Some(first) = self.messages.front_mut() {
            if written < first.len() {
                return first.advance(written);
            }
            written -= first.len();
            self.messages.pop_front();
        }
    }

    /// Writes as much of the queue as the socket takes.
    pub(super) fn write_to(&mut self, socket: &OwnedWriteHalf) -> io::Result<()> {
        while !self.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let count = self.messages.len().min(PIECES_MAX);
            pieces.iter_mut().zip(&self.messages).for_each(|(piece, message)| *piece = IoSlice::new(message));
            let written = socket.try_write_vectored(&pieces[..count])?;
            self.advance(written);
        }
        Ok(())
    }
}

impl Drop for SendQueue {
    fn drop(&mut self) {
        self.clear();
    }
}
