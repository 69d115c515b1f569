//! A connection as those see it who have something to say on it.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, ErrorKind, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::{
    BACKLOG_BYTES_MAX, CLOSE_TIMEOUT, Close, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, STALL_BYTES, STALL_TIMEOUT,
    frames::{Frame, Place},
    wire::{Shared, Wire, closing},
};

/// Pieces of one write: as many as the system takes well at once.
const PIECES_MAX: usize = 64;

/// An answer of so many bytes is given whatever waits for others.
const ANSWER_BYTES_FREE: usize = 64 * 1024;
/// How often it is looked whether others have made room.
const ROOM_EVERY: Duration = Duration::from_millis(50);

/// The bytes that wait for all connections together.
#[derive(Clone, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Whether `more` may wait too. What is larger than all the room there is has to find it empty.
    fn has_room_for(&self, more: usize) -> bool {
        let waiting = self.0.load(Ordering::Relaxed);
        waiting == 0 || waiting + more <= BACKLOG_BYTES_MAX
    }
}

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

/// Messages that wait, shared with everyone for whom the same ones wait.
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
    backlog: Backlog,
}

impl Waiting {
    fn in_backlog(backlog: Backlog) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, backlog }
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether `more` may wait too, for this connection and for all of them.
    fn has_room_for(&self, more: usize) -> bool {
        let fits = self.bytes + more <= QUEUE_BYTES_MAX && self.messages.len() < QUEUE_MESSAGES_MAX;
        fits && self.backlog.has_room_for(more)
    }

    /// Whether a client has taken so much that it may be answered.
    fn is_low(&self) -> bool {
        self.bytes <= QUEUE_BYTES_MAX / 2 && self.messages.len() <= QUEUE_MESSAGES_MAX / 2
    }

    /// Whether an answer may be said now. A small one always, to a client that has taken everything: a full backlog is
    /// the fault of others.
    fn takes_answer(&self, bytes: usize) -> bool {
        self.is_low() && (self.backlog.has_room_for(bytes) || (self.is_empty() && bytes <= ANSWER_BYTES_FREE))
    }

    fn push(&mut self, message: Bytes) {
        if message.is_empty() {
            return;
        }
        self.bytes += message.len();
        self.backlog.0.fetch_add(message.len(), Ordering::Relaxed);
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        self.took(message.len());
        Some(message)
    }

    /// Lets go of everything, and of the room that it took.
    fn clear(&mut self) {
        self.took(self.bytes);
        self.messages = VecDeque::new();
    }

    fn took(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.backlog.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Lets go of what was written.
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

    /// Writes what a socket takes of it.
    fn write_to(&mut self, socket: &OwnedWriteHalf) -> io::Result<()> {
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

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clear();
    }
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
        Self { wire, socket, queue, wake: Notify::new(), drained: Notify::new() }
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

    /// Says whole messages, joined into one write. A client that is behind by more than [`QUEUE_BYTES_MAX`] or
    /// [`QUEUE_MESSAGES_MAX`] is told so, and hears no more. False: it hears no more.
    pub(super) fn write<const N: usize>(&self, messages: [&Bytes; N]) -> bool {
        self.write_to(&mut self.queue.lock(), messages)
    }

    /// Says what was asked for, once the client has taken enough of what was said before.
    pub(super) async fn answer(&self, message: &Bytes) {
        self.until(|queue| {
            let fits = queue.ended || queue.waiting.takes_answer(message.len());
            if fits {
                self.take(queue, [message]);
            }
            fits
        })
        .await;
    }

    /// Waits until the client has taken enough that it is worth finding out what it asked for.
    pub(super) async fn ready(&self) {
        self.until(|queue| queue.ended || queue.waiting.is_low()).await;
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
        if !queue.waiting.is_empty() && !queue.waiting.has_room_for(bytes) {
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
        self.write([&closing(why)]);
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
        let before = queue.waiting.bytes;
        let outcome = queue.waiting.write_to(socket);
        queue.taken += before - queue.waiting.bytes;
        if queue.taken >= STALL_BYTES {
            (queue.untaken_since, queue.taken) = (Some(Instant::now()), 0);
        }
        if queue.waiting.bytes < before {
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
    use super::*;

    fn stream(backlog: &Backlog) -> Peer {
        Peer::events(backlog.clone())
    }

    #[test]
    fn who_does_not_read_is_cut_with_one_message_or_one_byte_too_many() {
        for (message, fit) in [(1, QUEUE_MESSAGES_MAX), (1 << 12, QUEUE_BYTES_MAX >> 12)] {
            let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; message]));
            let peer = stream(&backlog);
            assert!((0..fit).all(|_| peer.write([&message])));
            assert_eq!((peer.is_slow(), backlog.0.load(Ordering::Relaxed)), (false, fit * message.len()));
            peer.write([&Bytes::from_static(b"x")]);
            assert_eq!((peer.is_slow(), peer.is_ended(), backlog.0.load(Ordering::Relaxed)), (true, true, 0));
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
        assert_eq!(backlog.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_room_and_a_small_one_only_for_its_own_client() {
        let (backlog, all) = (Backlog::default(), Bytes::from(vec![b'x'; BACKLOG_BYTES_MAX]));
        let (full, other) = (stream(&backlog), stream(&backlog));
        full.write([&all]);
        let (small, large) = (all.slice(..ANSWER_BYTES_FREE), all.slice(..ANSWER_BYTES_FREE + 1));
        let is_said = async |answer: &Bytes| timeout(Duration::from_secs(1), other.answer(answer)).await.is_ok();
        assert!(!is_said(&large).await && is_said(&small).await && !is_said(&small).await);
        assert!(full.next().await.is_some() && is_said(&large).await);
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
