//! A connection as those see it who have something to say on it.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, IoSlice},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    CLOSE_TIMEOUT, Close, REPLY_BYTES_RESERVED, STALL_BYTES, STALL_TIMEOUT,
    frames::{Frame, Place},
    waiting::{Backlog, Charge, Waiting},
    wire::{Shared, Wire, closing},
};

/// How often it is looked whether others have made room.
const ROOM_EVERY: Duration = Duration::from_millis(50);

/// The writing end of a connection. What fits a socket is written at once, by whoever says it; only a socket that would
/// block gets a queue, and its task has to see to it. A stream of events is always written from its queue.
pub(super) struct Peer {
    pub(super) wire: Wire,
    socket: Option<OwnedWriteHalf>,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Some of what waited was taken.
    drained: Notify,
    /// Who runs the shop looks on, and is no visitor of it.
    is_staff: AtomicBool,
}

struct Queue {
    waiting: Waiting,
    /// Since when the client has taken less than [`STALL_BYTES`] of what waits, and how much.
    untaken_since: Option<Instant>,
    taken: usize,
    /// Nothing more is said: a close frame was the last, or the socket is broken.
    ended: bool,
    slow: bool,
    /// Where a stream of events is in each of its topics: the place to go on from.
    places: Option<BTreeMap<String, Place>>,
}

impl Peer {
    /// The writing half of a WebSocket.
    pub(super) fn socket(write: OwnedWriteHalf, wire: Wire, backlog: Backlog) -> Self {
        Self::new(wire, Some(write), None, backlog)
    }

    /// A stream of server-sent events.
    pub(super) fn events(backlog: Backlog) -> Self {
        Self::new(Wire::Events, None, Some(BTreeMap::new()), backlog)
    }

    fn new(
        wire: Wire,
        socket: Option<OwnedWriteHalf>,
        places: Option<BTreeMap<String, Place>>,
        backlog: Backlog,
    ) -> Self {
        let waiting = Waiting::in_backlog(backlog);
        let queue = Mutex::new(Queue { waiting, untaken_since: None, taken: 0, ended: false, slow: false, places });
        Self { wire, socket, queue, wake: Notify::new(), drained: Notify::new(), is_staff: AtomicBool::new(false) }
    }

    /// Notes whether it is one of the shop's staff, before it listens to anything.
    pub(super) fn set_staff(&self, is_staff: bool) {
        self.is_staff.store(is_staff, Ordering::Release);
    }

    /// Whether it is one of the shop's staff.
    pub(super) fn is_staff(&self) -> bool {
        self.is_staff.load(Ordering::Acquire)
    }

    /// Says a frame.
    pub(super) fn say(&self, frame: Frame<'_>) {
        self.write([&self.wire.encode(frame)]);
    }

    /// Says what others hear too, after which the client is at `offset` of a topic's `epoch`. False: it hears no more.
    pub(super) fn tell(&self, shared: &Shared, topic: &str, epoch: &str, offset: u64) -> bool {
        let bytes = shared.get(self.wire);
        let mut queue = self.queue.lock();
        let Some(places) = &mut queue.places else { return self.write_to(&mut queue, [bytes]) };
        places.insert(topic.to_owned(), Place { epoch: epoch.to_owned(), offset });
        let id = Bytes::from(format!("id: {}\n", places_of(places)));
        self.write_to(&mut queue, [&id, bytes])
    }

    /// Says whole messages, joined into one write. A client that is behind by more than [`QUEUE_BYTES_MAX`](super::QUEUE_BYTES_MAX) or
    /// [`QUEUE_MESSAGES_MAX`](super::QUEUE_MESSAGES_MAX) is told so, and hears no more. False: it hears no more.
    pub(super) fn write<const N: usize>(&self, messages: [&Bytes; N]) -> bool {
        self.write_to(&mut self.queue.lock(), messages)
    }

    /// Says what was asked for, once the client has taken enough of what was said before.
    pub(super) async fn answer(&self, message: &Bytes) {
        self.until(|queue| {
            let fits = queue.ended || queue.waiting.is_low();
            if fits {
                self.take(queue, [message]);
                queue.waiting.note_answer();
            }
            fits
        })
        .await;
    }

    /// Waits until the client has taken enough, and all of them together, that there is room for what it asks. `None`: it
    /// hears no more.
    pub(super) async fn room_for_a_reply(&self) -> Option<Charge> {
        let mut room = None;
        self.until(|queue| {
            room = queue.waiting.try_reserve(REPLY_BYTES_RESERVED);
            queue.ended || room.is_some()
        })
        .await;
        room.filter(|_| !self.is_ended())
    }

    async fn until(&self, mut done: impl FnMut(&mut Queue) -> bool) {
        loop {
            let drained = self.drained.notified();
            if done(&mut self.queue.lock()) {
                return;
            }
            // Others make room too, and do not say so.
            let _ = timeout(ROOM_EVERY, drained).await;
        }
    }

    fn write_to<const N: usize>(&self, queue: &mut Queue, messages: [&Bytes; N]) -> bool {
        let bytes = messages.iter().map(|message| message.len()).sum();
        if bytes > 0 && !queue.waiting.is_empty() && !queue.waiting.has_room_for(bytes) {
            self.cut(queue);
        } else {
            self.take(queue, messages);
        }
        !queue.ended
    }

    /// Writes what the socket takes, and keeps the rest.
    fn take<const N: usize>(&self, queue: &mut Queue, messages: [&Bytes; N]) {
        let bytes: usize = messages.iter().map(|message| message.len()).sum();
        if queue.ended || bytes == 0 {
            return;
        }
        let mut written = match (&self.socket, queue.waiting.is_empty()) {
            (Some(socket), true) => match write_now(socket, messages) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return self.end_now(queue),
            },
            _ => 0,
        };
        if written == bytes {
            return;
        }
        for message in messages {
            let skipped = written.min(message.len());
            written -= skipped;
            queue.waiting.push(message.slice(skipped..));
        }
        queue.untaken_since.get_or_insert_with(Instant::now);
        self.wake.notify_one();
    }

    /// Ends it for a client that reads too slowly.
    fn cut(&self, queue: &mut Queue) {
        if queue.ended {
            return;
        }
        Close::Slow.count();
        match self.socket {
            Some(_) => queue.waiting.push(closing(Close::Slow)),
            // Whoever carries the stream may not look at it for long: nothing is kept for it.
            None => queue.waiting.clear(),
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
        let mut queue = self.queue.lock();
        self.take(&mut queue, [&closing(why)]);
        self.end_now(&mut queue);
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
                if let Some(message) = queue.waiting.pop() {
                    return Some(message);
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
        let before = queue.waiting.bytes();
        let outcome = queue.waiting.write_to(socket);
        queue.taken += before - queue.waiting.bytes();
        if queue.taken >= STALL_BYTES {
            (queue.untaken_since, queue.taken) = (Some(Instant::now()), 0);
        }
        if queue.waiting.bytes() < before {
            self.drained.notify_waiters();
        }
        match outcome {
            Ok(()) => {
                // What a slow moment took is given back.
                queue.waiting.clear();
                (queue.untaken_since, queue.taken) = (None, 0);
                !queue.ended
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => {
                self.end_now(&mut queue);
                false
            }
        }
    }
}

/// Writes messages at once, as far as the socket takes them. The system alone is asked: what the runtime knows of the
/// socket lies elsewhere in memory, and is of use only when the socket would block.
fn write_now<const N: usize>(socket: &OwnedWriteHalf, messages: [&Bytes; N]) -> io::Result<usize> {
    let socket = SockRef::from(socket.as_ref());
    match messages[..] {
        [message] => socket.send(message),
        _ => socket.send_vectored(&messages.map(|message| IoSlice::new(message))),
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
    use super::{
        super::{BACKLOG_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX},
        *,
    };

    fn stream(backlog: &Backlog) -> Peer {
        Peer::events(backlog.clone())
    }

    #[test]
    fn who_does_not_read_is_cut_with_one_message_or_one_byte_too_many() {
        for (message, fit) in [(1, QUEUE_MESSAGES_MAX), (1 << 12, QUEUE_BYTES_MAX >> 12)] {
            let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; message]));
            let peer = stream(&backlog);
            assert!((0..fit).all(|_| peer.write([&message])));
            assert_eq!((peer.is_slow(), backlog.bytes()), (false, fit * message.len()));
            peer.write([&Bytes::from_static(b"x")]);
            assert_eq!((peer.is_slow(), peer.is_ended(), backlog.bytes()), (true, true, 0));
        }
    }

    #[tokio::test]
    async fn who_falls_behind_is_cut_where_too_much_waits_for_all() {
        let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; QUEUE_BYTES_MAX]));
        let peers: Vec<_> = (0..BACKLOG_BYTES_MAX / QUEUE_BYTES_MAX).map(|_| stream(&backlog)).collect();
        assert!(peers.iter().all(|peer| peer.write([&message])));
        let late = stream(&backlog);
        // The first message is never refused: it may be all that is wanted.
        late.write([&Bytes::from_static(b"x")]);
        assert!(!late.is_slow());
        late.write([&Bytes::from_static(b"y")]);
        assert!(late.is_slow());
        assert_eq!(peers[0].next().await, Some(message));
        drop((peers, late));
        assert_eq!(backlog.bytes(), 0);
    }

    #[tokio::test]
    async fn a_large_answer_on_its_way_cuts_nobody() {
        let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; 2 * QUEUE_BYTES_MAX]));
        let peer = stream(&backlog);
        peer.answer(&message).await;
        // As much as ever may be told beside it, and nothing at all.
        assert!(peer.write([&message.slice(..QUEUE_BYTES_MAX)]) && peer.write([&Bytes::new()]));
        assert!(!peer.write([&message.slice(..1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_begins_when_there_is_room_for_its_reply_and_an_answer_waits_for_its_client_alone() {
        let (backlog, all) = (Backlog::default(), Bytes::from(vec![b'x'; BACKLOG_BYTES_MAX]));
        let (full, other) = (stream(&backlog), stream(&backlog));
        full.write([&all]);
        let soon = Duration::from_secs(1);
        assert!(timeout(soon, other.room_for_a_reply()).await.is_err(), "others left too much");
        let answer = all.slice(..QUEUE_BYTES_MAX / 2 + 1);
        assert!(
            timeout(soon, other.answer(&answer)).await.is_ok() && timeout(soon, other.answer(&answer)).await.is_err()
        );
        assert!(full.next().await.is_some());
        assert!(timeout(soon, other.room_for_a_reply()).await.is_err(), "it left too much itself");
        assert!(other.next().await.is_some());
        let mut rooms = Vec::new();
        while let Ok(Some(room)) = timeout(soon, other.room_for_a_reply()).await {
            rooms.push(room);
        }
        assert_eq!(rooms.len(), BACKLOG_BYTES_MAX / REPLY_BYTES_RESERVED);
        rooms[0].grow_to(2 * REPLY_BYTES_RESERVED);
        drop(rooms);
        assert_eq!(backlog.bytes(), 0);
        other.end();
        assert!(other.room_for_a_reply().await.is_none());
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = |epoch: &str, offset| Place { epoch: epoch.to_owned(), offset };
        let places = BTreeMap::from([("drop:A".to_owned(), place("3f", 4)), ("orders".to_owned(), place("x", 0))]);
        assert_eq!(places_of(&places), "drop:A=3f.4 orders=x.0");
        assert_eq!(read_places(&places_of(&places)), places);
        assert!(read_places("nonsense drop:A=3f drop:B=a.x").is_empty());
    }
}
