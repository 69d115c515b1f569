//! The sending side of a connection.

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
    encoding::{Encoding, Shared, closing},
    frames::{Frame, Place},
    send_queue::{Backlog, Charge, SendQueue},
};

/// The interval at which a waiting reply checks whether other connections have freed memory.
const ROOM_EVERY: Duration = Duration::from_millis(50);

/// The writing end of a connection. The caller writes directly to the socket as much as fits; only when the socket
/// would block is the rest queued, and the connection's task flushes it. An event stream is always written from its
/// queue.
pub(super) struct Connection {
    pub(super) encoding: Encoding,
    socket: Option<OwnedWriteHalf>,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Notified when the client has taken some of the queue.
    drained: Notify,
    /// Whether the client is staff of the shop, which is not counted as a viewer.
    is_staff: AtomicBool,
}

struct Queue {
    waiting: SendQueue,
    /// The time since which the client has taken less than [`STALL_BYTES`] of the queue.
    untaken_since: Option<Instant>,
    taken: usize,
    /// Nothing more is sent: a close frame was the last, or the socket is broken.
    ended: bool,
    slow: bool,
    /// The position of an event stream in each of its topics, to resume from.
    places: Option<BTreeMap<String, Place>>,
}

impl Connection {
    /// A connection over the writing half of a WebSocket.
    pub(super) fn socket(write: OwnedWriteHalf, encoding: Encoding, backlog: Backlog) -> Self {
        Self::new(encoding, Some(write), None, backlog)
    }

    /// A connection that is a stream of server-sent events.
    pub(super) fn events(backlog: Backlog) -> Self {
        Self::new(Encoding::Events, None, Some(BTreeMap::new()), backlog)
    }

    fn new(
        encoding: Encoding,
        socket: Option<OwnedWriteHalf>,
        places: Option<BTreeMap<String, Place>>,
        backlog: Backlog,
    ) -> Self {
        let waiting = SendQueue::in_backlog(backlog);
        let queue = Mutex::new(Queue { waiting, untaken_since: None, taken: 0, ended: false, slow: false, places });
        Self { encoding, socket, queue, wake: Notify::new(), drained: Notify::new(), is_staff: AtomicBool::new(false) }
    }

    /// Sets whether the client is staff of the shop, before it subscribes to anything.
    pub(super) fn set_staff(&self, is_staff: bool) {
        self.is_staff.store(is_staff, Ordering::Release);
    }

    /// Whether the client is staff of the shop.
    pub(super) fn is_staff(&self) -> bool {
        self.is_staff.load(Ordering::Acquire)
    }

    /// Sends a frame.
    pub(super) fn say(&self, frame: Frame<'_>) {
        self.write([&self.encoding.encode(frame)]);
    }

    /// Sends a broadcast frame, after which the client is at `offset` of a topic's `epoch`. Returns false when the
    /// connection has ended.
    pub(super) fn send_fact(&self, shared: &Shared, topic: &str, epoch: &str, offset: u64) -> bool {
        let bytes = shared.get(self.encoding);
        let mut queue = self.queue.lock();
        let Some(places) = &mut queue.places else { return self.write_to(&mut queue, [bytes]) };
        places.insert(topic.to_owned(), Place { epoch: epoch.to_owned(), offset });
        let id = Bytes::from(format!("id: {}\n", places_of(places)));
        self.write_to(&mut queue, [&id, bytes])
    }

    /// Sends whole messages, joined into one write. A client that is behind by more than
    /// [`QUEUE_BYTES_MAX`](super::QUEUE_BYTES_MAX) or [`QUEUE_MESSAGES_MAX`](super::QUEUE_MESSAGES_MAX) is disconnected
    /// with [`Close::Slow`]. Returns false when the connection has ended.
    pub(super) fn write<const N: usize>(&self, messages: [&Bytes; N]) -> bool {
        self.write_to(&mut self.queue.lock(), messages)
    }

    /// Sends a reply once the client has taken enough of what was sent before.
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

    /// Waits until this client's queue is short enough and the bytes of all connections leave room, and reserves memory
    /// for a reply. `None`: the connection has ended.
    pub(super) async fn room_for_a_reply(&self) -> Option<Charge> {
        let mut channel = None;
        self.until(|queue| {
            channel = queue.waiting.try_reserve(REPLY_BYTES_RESERVED);
            queue.ended || channel.is_some()
        })
        .await;
        channel.filter(|_| !self.is_ended())
    }

    async fn until(&self, mut done: impl FnMut(&mut Queue) -> bool) {
        loop {
            // Created before the check, so that a notification in between is not lost.
            let drained = self.drained.notified();
            if done(&mut self.queue.lock()) {
                return;
            }
            // Other connections free memory without notifying this one, hence the timeout.
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

    /// Writes as much as the socket takes, and queues the rest.
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

    /// Ends the connection of a client that reads too slowly.
    fn cut(&self, queue: &mut Queue) {
        if queue.ended {
            return;
        }
        Close::Slow.count();
        match self.socket {
            Some(_) => queue.waiting.push(closing(Close::Slow)),
            // The task of an event stream may not run for long: free its queue at once.
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

    /// Closes a WebSocket with a reason.
    pub(super) fn close(&self, why: Close) {
        why.count();
        let mut queue = self.queue.lock();
        self.take(&mut queue, [&closing(why)]);
        self.end_now(&mut queue);
    }

    /// Ends the connection without a close frame.
    pub(super) fn end(&self) {
        self.end_now(&mut self.queue.lock());
    }

    /// Whether the connection ended because the client was too slow.
    pub(super) fn is_slow(&self) -> bool {
        self.queue.lock().slow
    }

    /// Whether the connection has ended.
    pub(super) fn is_ended(&self) -> bool {
        self.queue.lock().ended
    }

    /// Returns the next queued message of an event stream, waiting for one; `None` at its end.
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

    /// Writes the queue as the socket takes it. Returns when everything is written and nothing more will be sent, or
    /// when the socket is broken.
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
                // The client has `CLOSE_TIMEOUT` to take the close frame.
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

    /// Writes some of the queue. Returns false when nothing is left to do.
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
                // Free the memory that a slow moment took.
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

/// Writes messages at once, as far as the socket takes them. It calls the system directly: the runtime's readiness
/// state of the socket is elsewhere in memory and only needed when the socket would block.
fn write_now<const N: usize>(socket: &OwnedWriteHalf, messages: [&Bytes; N]) -> io::Result<usize> {
    let socket = SockRef::from(socket.as_ref());
    match messages[..] {
        [message] => socket.send(message),
        _ => socket.send_vectored(&messages.map(|message| IoSlice::new(message))),
    }
}

/// Formats all positions as one line: `drop:6SK…=3f9a.4 orders=77.12`.
fn places_of(places: &BTreeMap<String, Place>) -> String {
    let all: Vec<_> = places.iter().map(|(topic, at)| format!("{topic}={}.{}", at.epoch, at.offset)).collect();
    all.join(" ")
}

/// Parses what [`places_of`] wrote, as a client sends it back. Skips what is not a position.
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

    fn stream(backlog: &Backlog) -> Connection {
        Connection::events(backlog.clone())
    }

    #[test]
    fn a_client_that_does_not_read_is_disconnected_at_the_queue_limits() {
        for (message, fit) in [(1, QUEUE_MESSAGES_MAX), (1 << 12, QUEUE_BYTES_MAX >> 12)] {
            let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; message]));
            let connection = stream(&backlog);
            assert!((0..fit).all(|_| connection.write([&message])));
            assert_eq!((connection.is_slow(), backlog.bytes()), (false, fit * message.len()));
            connection.write([&Bytes::from_static(b"x")]);
            assert_eq!((connection.is_slow(), connection.is_ended(), backlog.bytes()), (true, true, 0));
        }
    }

    #[tokio::test]
    async fn a_slow_client_is_disconnected_at_the_total_limit() {
        let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; QUEUE_BYTES_MAX]));
        let peers: Vec<_> = (0..BACKLOG_BYTES_MAX / QUEUE_BYTES_MAX).map(|_| stream(&backlog)).collect();
        assert!(peers.iter().all(|connection| connection.write([&message])));
        let late = stream(&backlog);
        // The first message is never refused: it may be the only one that the client needs.
        late.write([&Bytes::from_static(b"x")]);
        assert!(!late.is_slow());
        late.write([&Bytes::from_static(b"y")]);
        assert!(late.is_slow());
        assert_eq!(peers[0].next().await, Some(message));
        drop((peers, late));
        assert_eq!(backlog.bytes(), 0);
    }

    #[tokio::test]
    async fn a_large_response_disconnects_no_other_client() {
        let (backlog, message) = (Backlog::default(), Bytes::from(vec![b'x'; 2 * QUEUE_BYTES_MAX]));
        let connection = stream(&backlog);
        connection.answer(&message).await;
        // Besides a reply of any size, the usual number of bytes may be queued; an empty message is always accepted.
        assert!(connection.write([&message.slice(..QUEUE_BYTES_MAX)]) && connection.write([&Bytes::new()]));
        assert!(!connection.write([&message.slice(..1)]));
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
        let mut hub = Vec::new();
        while let Ok(Some(channel)) = timeout(soon, other.room_for_a_reply()).await {
            hub.push(channel);
        }
        assert_eq!(hub.len(), BACKLOG_BYTES_MAX / REPLY_BYTES_RESERVED);
        hub[0].grow_to(2 * REPLY_BYTES_RESERVED);
        drop(hub);
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
