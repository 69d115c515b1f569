//! A socket as those see it who have something to say on it.

use std::io::ErrorKind;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{net::tcp::OwnedWriteHalf, sync::Notify};
use tungstenite::protocol::{
    CloseFrame,
    frame::{Frame, coding::OpCode},
};

use super::{Close, QUEUE_BYTES_MAX};

/// The writing half of a socket. What fits is written at once, by whoever says it; only a socket that would block gets a
/// queue, and its task has to see to it.
pub(super) struct Peer {
    write: OwnedWriteHalf,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: BytesMut,
    /// Nothing more is said: a close frame was the last, or the socket is broken.
    ended: bool,
    slow: bool,
}

/// A text message as it goes over the wire, encoded once for everyone.
pub(super) fn message(text: String) -> Bytes {
    let text = Bytes::from(text.into_bytes());
    encoded(Frame::message(text, OpCode::Data(tungstenite::protocol::frame::coding::Data::Text), true))
}

fn encoded(frame: Frame) -> Bytes {
    let mut bytes = Vec::with_capacity(frame.len());
    // Writing to memory cannot fail.
    let _ = frame.format(&mut bytes);
    bytes.into()
}

impl Peer {
    pub(super) fn new(write: OwnedWriteHalf) -> Self {
        Self { write, queue: Mutex::default(), wake: Notify::new() }
    }

    /// Says whole frames. A client that is behind by more than [`QUEUE_BYTES_MAX`] is told so, and hears no more.
    pub(super) fn say(&self, frames: &[u8]) {
        let mut queue = self.queue.lock();
        if queue.ended || frames.is_empty() {
            return;
        }
        let written = match queue.waiting.is_empty() {
            false => 0,
            true => match self.write.try_write(frames) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => {
                    queue.ended = true;
                    return self.wake.notify_one();
                }
            },
        };
        if written == frames.len() {
            return;
        }
        if queue.waiting.len() + frames.len() - written > QUEUE_BYTES_MAX && written == 0 {
            queue.waiting.extend_from_slice(&close_frame(Close::Slow));
            (queue.ended, queue.slow) = (true, true);
        } else {
            queue.waiting.extend_from_slice(&frames[written..]);
        }
        self.wake.notify_one();
    }

    /// Ends what is said, with the reason.
    pub(super) fn close(&self, why: Close) {
        self.say(&close_frame(why));
        self.queue.lock().ended = true;
        self.wake.notify_one();
    }

    /// Whether a client was too slow.
    pub(super) fn is_slow(&self) -> bool {
        self.queue.lock().slow
    }

    /// Whether nothing more is said.
    pub(super) fn is_ended(&self) -> bool {
        self.queue.lock().ended
    }

    /// Writes what waits, as the socket takes it. Ends when all is written and nothing more will be said, or when the
    /// socket is broken.
    pub(super) async fn flush(&self) {
        loop {
            if !self.write_some() {
                return;
            }
            if self.queue.lock().waiting.is_empty() {
                self.wake.notified().await;
            } else if self.write.writable().await.is_err() {
                return;
            }
        }
    }

    /// False: there is nothing more to do.
    fn write_some(&self) -> bool {
        let mut queue = self.queue.lock();
        while !queue.waiting.is_empty() {
            match self.write.try_write(&queue.waiting) {
                Ok(written) => drop(queue.waiting.split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => {
                    queue.ended = true;
                    return false;
                }
            }
        }
        !queue.ended
    }
}

fn close_frame(why: Close) -> Bytes {
    let frame = CloseFrame { code: (why as u16).into(), reason: why.reason().into() };
    encoded(Frame::close(Some(frame)))
}
