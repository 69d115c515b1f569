//! Many WebSockets on one thread, most of which only receive: their messages are counted, and some are answered.
//!
//! The driver's connections send requests and receive answers, one by one; on these the server sends whenever it has
//! something. A connection that is closed is an error, whichever side closed it.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::Timespec,
};

use super::websocket::{self, BINARY, CLOSE, Masks, PING, PONG, TEXT, parse_frame, write_frame};
use crate::error::{BenchError, Doing, Result};

const EVENTS_AT_ONCE: usize = 256;
const CHUNK_BYTES: usize = 256 * 1024;
/// The number of new connections after which messages on the existing ones are read, so that no server has to wait for
/// that.
const JOIN_AT_ONCE: usize = 64;

/// A receiver of a crowd's messages.
pub(crate) trait MessageHandler {
    /// Receives a message. What is put into `answer` is sent back as one text message.
    fn on_message(&mut self, connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()>;
    /// Whether everything that was expected has arrived.
    fn is_complete(&self) -> bool;
}

/// A receiver that always expects more: it receives until the time is up.
pub(crate) struct Unending<'a>(pub(crate) &'a mut dyn MessageHandler);

impl MessageHandler for Unending<'_> {
    fn on_message(&mut self, connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
        self.0.on_message(connection, message, answer)
    }

    fn is_complete(&self) -> bool {
        false
    }
}

/// The endpoint of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    /// The name of the server in error messages.
    pub(crate) peer: &'a str,
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// The path of its WebSocket endpoint.
    pub(crate) path: &'a str,
    /// The offered subprotocol.
    pub(crate) protocol: Option<&'a str>,
}

/// The connections.
pub(crate) struct Crowd {
    epoll: OwnedFd,
    members: Vec<Member>,
    chunk: Vec<u8>,
    masks: Masks,
    answer: Vec<u8>,
    peer: String,
}

struct Member {
    stream: TcpStream,
    /// The beginning of a frame whose rest is still expected.
    partial: Vec<u8>,
    /// Bytes that the socket did not accept yet.
    unsent: Vec<u8>,
}

impl Crowd {
    /// A crowd without connections.
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).doing("creating an epoll")?;
        let (members, chunk, peer) = (Vec::new(), vec![0; CHUNK_BYTES], String::new());
        Ok(Self { epoll, members, chunk, masks: Masks::default(), answer: Vec::new(), peer })
    }

    /// The number of connections.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Opens `count` more connections, and sends `greeting` on each if that is not empty. Messages that arrive
    /// meanwhile go to `handler`.
    pub(crate) fn join(
        &mut self,
        endpoint: Endpoint<'_>,
        count: usize,
        mut greeting: impl FnMut(usize) -> Vec<u8>,
        handler: &mut dyn MessageHandler,
    ) -> Result<()> {
        endpoint.peer.clone_into(&mut self.peer);
        for joined in 1..=count {
            let (stream, partial) = websocket::open(endpoint.address, endpoint.path, endpoint.protocol)?;
            let index = self.members.len();
            stream.set_nonblocking(true).doing("setting nonblocking")?;
            epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)
                .doing("watching a socket")?;
            self.members.push(Member { stream, partial, unsent: Vec::new() });
            let greeting = greeting(index);
            if !greeting.is_empty() {
                self.send_text(index, &greeting)?;
            }
            self.read_frames(index, 0, handler)?;
            if joined % JOIN_AT_ONCE == 0 {
                self.pump(&mut Unending(handler), Instant::now())?;
            }
        }
        Ok(())
    }

    /// Sends a text message.
    pub(crate) fn send_text(&mut self, index: usize, message: &[u8]) -> Result<()> {
        self.send(index, TEXT, message)
    }

    fn send(&mut self, index: usize, opcode: u8, message: &[u8]) -> Result<()> {
        write_frame(&mut self.members[index].unsent, opcode, message, self.masks.next());
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<()> {
        let member = &mut self.members[index];
        let mut written = 0;
        while written < member.unsent.len() {
            match member.stream.write(&member.unsent[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(self.hung_up(index)),
            }
        }
        member.unsent.drain(..written);
        if member.unsent.is_empty() && written > 0 {
            // Everything is sent. If the socket is still watched for writing, `serve` stops that at its next event.
            return Ok(());
        }
        let flags = EventFlags::IN | EventFlags::OUT;
        epoll::modify(&self.epoll, &member.stream, EventData::new_u64(index as u64), flags).doing("watching a socket")
    }

    /// Receives messages until `handler` expects no more (true) or until `until` (false). Messages that have arrived
    /// already are received in any case.
    pub(crate) fn pump(&mut self, handler: &mut dyn MessageHandler, until: Instant) -> Result<bool> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            if handler.is_complete() {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            let wait = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(0) if left == Duration::ZERO => return Ok(false),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).doing("waiting for messages"),
            }
            for event in &events {
                self.serve(event.data.u64() as usize, event.flags, handler)?;
            }
        }
    }

    fn serve(&mut self, index: usize, flags: EventFlags, handler: &mut dyn MessageHandler) -> Result<()> {
        if flags.contains(EventFlags::OUT) {
            let member = &self.members[index];
            epoll::modify(&self.epoll, &member.stream, EventData::new_u64(index as u64), EventFlags::IN)
                .doing("watching a socket")?;
            if !member.unsent.is_empty() {
                self.flush(index)?;
            }
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(());
        }
        match self.members[index].stream.read(&mut self.chunk) {
            Ok(0) => Err(self.hung_up(index)),
            Ok(read) => self.read_frames(index, read, handler),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(self.hung_up(index)),
        }
    }

    /// Delivers every whole frame of the bytes left from before and the first `read` bytes of the chunk.
    fn read_frames(&mut self, index: usize, read: usize, handler: &mut dyn MessageHandler) -> Result<()> {
        let mut partial = std::mem::take(&mut self.members[index].partial);
        let whole_chunk = std::mem::take(&mut self.chunk);
        let input: &[u8] = if partial.is_empty() {
            &whole_chunk[..read]
        } else {
            partial.extend_from_slice(&whole_chunk[..read]);
            &partial
        };
        let mut at = 0;
        while let Some(frame) = parse_frame(&input[at..])? {
            let message = &input[at + frame.head_bytes..at + frame.head_bytes + frame.body_bytes];
            at += frame.head_bytes + frame.body_bytes;
            match frame.opcode {
                TEXT | BINARY => {
                    let mut answer = std::mem::take(&mut self.answer);
                    answer.clear();
                    handler.on_message(index, message, &mut answer)?;
                    if !answer.is_empty() {
                        self.send_text(index, &answer)?;
                    }
                    self.answer = answer;
                }
                PING => self.send(index, PONG, message)?,
                CLOSE => return Err(websocket::closed(&self.peer, message)),
                _ => {}
            }
        }
        let rest = input[at..].to_vec();
        self.members[index].partial = rest;
        self.chunk = whole_chunk;
        Ok(())
    }

    fn hung_up(&self, connection: usize) -> BenchError {
        BenchError::HungUp { peer: self.peer.clone(), connection }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    const GREETING: &[u8] = b"go";

    /// Performs the handshake with one client and continues with `then`.
    fn server(then: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            let accept =
                "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            // The first frame comes with the answer to the handshake, and in two parts.
            stream.write_all(&[accept.as_bytes(), b"\x81\x05He"].concat()).expect("written");
            // Continues only after the client's first message, which shows that it has joined.
            stream.read_exact(&mut [0; 6 + GREETING.len()]).expect("a greeting");
            then(stream);
        });
        address
    }

    #[derive(Default)]
    struct Everything {
        received: Vec<Vec<u8>>,
        wanted: usize,
    }

    impl MessageHandler for Everything {
        fn on_message(&mut self, _connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
            self.received.push(message.to_vec());
            if message == b"ask" {
                answer.extend_from_slice(b"told");
            }
            Ok(())
        }

        fn is_complete(&self) -> bool {
            self.received.len() >= self.wanted
        }
    }

    fn enter(address: SocketAddr, handler: &mut Everything) -> Crowd {
        let mut crowd = Crowd::new().expect("a crowd");
        let endpoint = Endpoint { peer: "someone", address, path: "/", protocol: None };
        crowd.join(endpoint, 1, |_| GREETING.to_vec(), handler).expect("joined");
        crowd
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn frames_are_reassembled_from_any_pieces() {
        let address = server(|mut stream| {
            let long = vec![b'x'; 70_000];
            let mut all = b"llo\x81\x03ask\x81\x7f".to_vec();
            all.extend(70_000_u64.to_be_bytes());
            all.extend_from_slice(&long);
            all.extend_from_slice(b"\x81\x00\x81\x03end");
            for piece in all.chunks(1_111) {
                stream.write_all(piece).expect("written");
                thread::sleep(Duration::from_millis(1));
            }
            let mut answer = [0; 10];
            stream.read_exact(&mut answer).expect("an answer");
            let unmasked: Vec<u8> = (6..10).map(|at| answer[at] ^ answer[at - 4]).collect();
            assert_eq!((answer[0], answer[1], &unmasked[..]), (0x81, 0x84, &b"told"[..]));
            // A ping is answered too, and then a text message follows.
            stream.write_all(b"\x89\x02hi").expect("written");
            let mut pong = [0; 8];
            stream.read_exact(&mut pong).expect("a pong");
            assert_eq!((pong[0], pong[1]), (0x8A, 0x82));
            stream.write_all(b"\x81\x04pong").expect("written");
            thread::sleep(Duration::from_secs(5));
        });
        let mut handler = Everything { wanted: 6, ..Everything::default() };
        let mut crowd = enter(address, &mut handler);
        assert!(crowd.pump(&mut handler, soon()).expect("heard"));
        let lengths: Vec<usize> = handler.received.iter().map(Vec::len).collect();
        assert_eq!(lengths, [5, 3, 70_000, 0, 3, 4]);
        assert_eq!((&handler.received[0][..], &handler.received[5][..]), (&b"Hello"[..], &b"pong"[..]));
    }

    #[test]
    fn a_connection_that_ends_is_an_error_with_its_reason() {
        let address = server(|mut stream| {
            stream.write_all(b"llo\x88\x06\x0f\xa1slow").expect("written");
            thread::sleep(Duration::from_secs(5));
        });
        let mut handler = Everything { wanted: 9, ..Everything::default() };
        let mut crowd = enter(address, &mut handler);
        let error = crowd.pump(&mut handler, soon()).expect_err("closed").to_string();
        assert!(error.contains("someone closed a WebSocket") && error.contains("4001: slow"), "{error}");

        let address = server(drop);
        let mut crowd = enter(address, &mut handler);
        let error = crowd.pump(&mut handler, soon()).expect_err("closed").to_string();
        assert!(error.contains("closed connection 0"), "{error}");
    }

    #[test]
    fn waiting_ends_when_the_time_is_up() {
        let address = server(|_stream| thread::sleep(Duration::from_secs(5)));
        let mut handler = Everything { wanted: 1, ..Everything::default() };
        let mut crowd = enter(address, &mut handler);
        let started = Instant::now();
        assert!(!crowd.pump(&mut handler, started + Duration::from_millis(50)).expect("nothing"));
        assert!((50..2_000).contains(&(started.elapsed().as_millis() as u64)));
    }
}
