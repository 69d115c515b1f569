//! A connection as those see it who have something to say on it.

use std::{collections::BTreeMap, io::ErrorKind};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    CLOSE_TIMEOUT, Close, QUEUE_BYTES_MAX, STALL_TIMEOUT,
    frames::{Frame, Place},
    wire::{Shared, Wire, closing},
};

/// The writing end of a connection. What fits a socket is written at once, by whoever says it; only a socket that would
/// block gets a queue, and its task has to see to it. A stream of events is always written from its queue.
pub(super) struct Peer {
    pub(super) wire: Wire,
    socket: Option<OwnedWriteHalf>,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Some of what waited was taken.
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: BytesMut,
    /// Since when the client has taken nothing of what waits.
    untaken_since: Option<Instant>,
    /// Nothing more is said: a close frame was the last, or the socket is broken.
    ended: bool,
    slow: bool,
    /// Where a stream of events is in each of its topics: the place to go on from.
    places: Option<BTreeMap<String, Place>>,
}

impl Peer {
    /// The writing half of a WebSocket.
    pub(super) fn socket(write: OwnedWriteHalf, wire: Wire) -> Self {
        Self { wire, socket: Some(write), queue: Mutex::default(), wake: Notify::new(), drained: Notify::new() }
    }

    /// A stream of server-sent events.
    pub(super) fn events() -> Self {
        let queue = Queue { places: Some(BTreeMap::new()), ..Queue::default() };
        Self { wire: Wire::Events, socket: None, queue: queue.into(), wake: Notify::new(), drained: Notify::new() }
    }

    /// Says a frame.
    pub(super) fn say(&self, frame: Frame<'_>) {
        self.write(&self.wire.encode(frame));
    }

    /// Says what others hear too, after which the client is at `offset` of a topic's `epoch`.
    pub(super) fn tell(&self, shared: &Shared, topic: &str, epoch: &str, offset: u64) {
        let bytes = shared.get(self.wire);
        let mut queue = self.queue.lock();
        let Some(places) = &mut queue.places else { return self.write_to(&mut queue, bytes) };
        places.insert(topic.to_owned(), Place { epoch: epoch.to_owned(), offset });
        let id = places_of(places);
        self.write_to(&mut queue, &[b"id: ", id.as_bytes(), b"\n", bytes].concat());
    }

    /// Says whole frames. A client that is behind by more than [`QUEUE_BYTES_MAX`] is told so, and hears no more.
    pub(super) fn write(&self, frames: &[u8]) {
        self.write_to(&mut self.queue.lock(), frames);
    }

    /// Two of them at once.
    pub(super) fn write_both(&self, first: &[u8], second: &[u8]) {
        match first.is_empty() {
            true => self.write(second),
            false => self.write(&[first, second].concat()),
        }
    }

    /// Says what was asked for, once the client has taken enough of what was said before.
    pub(super) async fn answer(&self, frames: &[u8]) {
        loop {
            let drained = self.drained.notified();
            {
                let mut queue = self.queue.lock();
                if queue.ended || queue.waiting.len() <= QUEUE_BYTES_MAX / 2 {
                    return self.take(&mut queue, frames);
                }
            }
            drained.await;
        }
    }

    fn write_to(&self, queue: &mut Queue, frames: &[u8]) {
        if !queue.waiting.is_empty() && queue.waiting.len() + frames.len() > QUEUE_BYTES_MAX {
            return self.cut(queue);
        }
        self.take(queue, frames);
    }

    /// Writes what the socket takes, and keeps the rest.
    fn take(&self, queue: &mut Queue, frames: &[u8]) {
        if queue.ended || frames.is_empty() {
            return;
        }
        let written = match (&self.socket, queue.waiting.is_empty()) {
            (Some(socket), true) => match socket.try_write(frames) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return self.end_now(queue),
            },
            _ => 0,
        };
        if written < frames.len() {
            queue.waiting.extend_from_slice(&frames[written..]);
            queue.untaken_since.get_or_insert_with(Instant::now);
            self.wake.notify_one();
        }
    }

    /// Ends it for a client that reads too slowly.
    fn cut(&self, queue: &mut Queue) {
        if queue.ended {
            return;
        }
        Close::Slow.count();
        match self.socket {
            Some(_) => queue.waiting.extend_from_slice(&closing(Close::Slow)),
            // Whoever carries the stream may not look at it for long: nothing is kept for it.
            None => queue.waiting = BytesMut::new(),
        }
        queue.slow = true;
        self.end_now(queue);
    }

    fn end_now(&self, queue: &mut Queue) {
        queue.ended = true;
        self.wake.notify_one();
        self.drained.notify_waiters();
    }

    /// Ends what is said on a WebSocket, with the reason.
    pub(super) fn close(&self, why: Close) {
        why.count();
        self.write(&closing(why));
        self.end();
    }

    /// Ends what is said.
    pub(super) fn end(&self) {
        self.end_now(&mut self.queue.lock());
    }

    /// Whether a client was too slow.
    pub(super) fn is_slow(&self) -> bool {
        self.queue.lock().slow
    }

    /// Whether nothing more is said.
    pub(super) fn is_ended(&self) -> bool {
        self.queue.lock().ended
    }

    /// What waits for the reader of a stream, once there is something; `None` at its end.
    pub(super) async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut queue = self.queue.lock();
                if !queue.waiting.is_empty() {
                    return Some(queue.waiting.split().freeze());
                }
                if queue.ended {
                    return None;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Writes what waits, as the socket takes it. Ends when all is written and nothing more will be said, or when the
    /// socket is broken.
    pub(super) async fn flush(&self) {
        let Some(socket) = &self.socket else { return };
        loop {
            if !self.write_some(socket) {
                return;
            }
            let (untaken_since, ended) = {
                let queue = self.queue.lock();
                (queue.untaken_since, queue.ended)
            };
            if ended {
                // Whoever is told goodbye has so long to take it.
                let goodbye = async { while socket.writable().await.is_ok() && self.write_some(socket) {} };
                let _ = Box::pin(timeout(CLOSE_TIMEOUT, goodbye)).await;
                return;
            }
            let Some(since) = untaken_since else {
                self.wake.notified().await;
                continue;
            };
            tokio::select! {
                () = self.wake.notified() => {}
                writable = socket.writable() => if writable.is_err() {
                    return;
                },
                () = Box::pin(sleep_until(since + STALL_TIMEOUT)) => self.cut(&mut self.queue.lock()),
            }
        }
    }

    /// False: there is nothing more to do.
    fn write_some(&self, socket: &OwnedWriteHalf) -> bool {
        let mut queue = self.queue.lock();
        while !queue.waiting.is_empty() {
            match socket.try_write(&queue.waiting) {
                Ok(written) => {
                    drop(queue.waiting.split_to(written));
                    queue.untaken_since = Some(Instant::now());
                    self.drained.notify_waiters();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => {
                    self.end_now(&mut queue);
                    return false;
                }
            }
        }
        // What a slow moment took is given back.
        (queue.waiting, queue.untaken_since) = (BytesMut::new(), None);
        !queue.ended
    }
}

/// All places in one line: `drop:6SK…=3f9a.4 orders=77.12`.
fn places_of(places: &BTreeMap<String, Place>) -> String {
    let all: Vec<_> = places.iter().map(|(topic, at)| format!("{topic}={}.{}", at.epoch, at.offset)).collect();
    all.join(" ")
}

/// Reads what [`places_of`] wrote, as a client sends it back. What is no place is none.
pub(super) fn read_places(line: &str) -> BTreeMap<String, Place> {
    let place = |part: &str| {
        let (topic, at) = part.split_once('=')?;
        let (epoch, offset) = at.rsplit_once('.')?;
        Some((topic.to_owned(), Place { epoch: epoch.to_owned(), offset: offset.parse().ok()? }))
    };
    line.split(' ').filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = |epoch: &str, offset| Place { epoch: epoch.to_owned(), offset };
        let places = BTreeMap::from([("drop:A".to_owned(), place("3f", 4)), ("orders".to_owned(), place("x", 0))]);
        assert_eq!(places_of(&places), "drop:A=3f.4 orders=x.0");
        assert_eq!(read_places(&places_of(&places)), places);
        assert!(read_places("nonsense drop:A=3f drop:B=a.x").is_empty());
    }
}
