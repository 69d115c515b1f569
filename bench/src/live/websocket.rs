//! A minimal WebSocket client (RFC 6455): the handshake, masked frames to the server, frames from the server. It is
//! enough for the servers under test; a fragmented message, which none of them sends, is reported and not reassembled.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    driver::{Dialect, Verdict},
    error::{BenchError, Doing, Result},
};

/// A text message.
pub(crate) const TEXT: u8 = 0x1;
/// A binary message.
pub(crate) const BINARY: u8 = 0x2;
/// The end of the connection, with a reason.
pub(crate) const CLOSE: u8 = 0x8;
/// A ping.
pub(crate) const PING: u8 = 0x9;
/// The answer to a ping.
pub(crate) const PONG: u8 = 0xA;

/// The RFC's own example (section 1.3): the client's key, and the answer that proves that the server understood it. It
/// guards against caches in between, of which there are none here.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The maximum duration of a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(60);
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head of a server's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The opcode: [`TEXT`], [`CLOSE`] …
    pub(crate) opcode: u8,
    /// The number of bytes before the payload.
    pub(crate) head_bytes: usize,
    /// The number of bytes of the payload.
    pub(crate) body_bytes: usize,
}

/// Reads the frame at the front of `input`. Returns `None` while it is incomplete.
pub(crate) fn parse_frame(input: &[u8]) -> Result<Option<Frame>> {
    let [first, second, ..] = *input else { return Ok(None) };
    // Final fragment, no extensions, no mask: the servers under test send no other frames.
    if first & 0xF0 != 0x80 || second & 0x80 != 0 {
        let shown = &input[..input.len().min(64)];
        return Err(BenchError::unexpected(format!("a frame that begins {first:#04x} {second:#04x}"), 0, shown));
    }
    let (head_bytes, body_bytes) = match second {
        126 => match input.get(2..4) {
            Some(length) => (4, u64::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Ok(None),
        },
        127 => match input.get(2..10) {
            Some(length) => (10, length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            None => return Ok(None),
        },
        length => (2, u64::from(length)),
    };
    let whole = usize::try_from(body_bytes).ok().filter(|bytes| input.len().saturating_sub(head_bytes) >= *bytes);
    Ok(whole.map(|body_bytes| Frame { opcode: first & 0x0F, head_bytes, body_bytes }))
}

/// Appends a client's frame. `mask` may have any value; the server unmasks with it.
pub(crate) fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: u32) {
    const MASKED: u8 = 0x80;
    out.push(0x80 | opcode);
    match payload.len() {
        length @ ..126 => out.push(MASKED | length as u8),
        length @ ..0x1_0000 => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = mask.to_ne_bytes();
    out.extend_from_slice(&mask);
    let from = out.len();
    out.extend_from_slice(payload);
    let mut words = out[from..].chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    words.into_remainder().iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

/// A sequence of different masks. They need to be unpredictable only for browsers; the work of masking is done all the
/// same.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    made: u32,
}

impl Masks {
    /// The next mask.
    pub(crate) fn next(&mut self) -> u32 {
        self.made = self.made.wrapping_add(1);
        self.made.wrapping_mul(0x9E37_79B9)
    }
}

/// Connects and performs the handshake. Returns the connection, and the bytes that the server sent after its answer.
pub(crate) fn open(address: SocketAddr, path: &str, protocol: Option<&str>) -> Result<(TcpStream, Vec<u8>)> {
    let what = format!("the handshake with {address}");
    let mut stream = TcpStream::connect(address).doing(format!("connecting to {address}"))?;
    stream.set_nodelay(true).doing("setting nodelay")?;
    stream.set_read_timeout(Some(HANDSHAKE_MAX)).doing("setting a timeout")?;
    let offer = protocol.map_or(String::new(), |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{offer}\r\n"
    );
    stream.write_all(request.as_bytes()).doing(what.clone())?;
    let mut input = Vec::new();
    loop {
        if let Some(length) = accepted(&input)? {
            return Ok((stream, input.split_off(length)));
        }
        let mut chunk = [0; 2_048];
        let read = stream.read(&mut chunk).doing(what.clone())?;
        if read == 0 || input.len() > HEAD_BYTES_MAX {
            return Err(BenchError::unexpected(what, 0, &input));
        }
        input.extend_from_slice(&chunk[..read]);
    }
}

/// The length of the answer to a handshake, or `None` while it is incomplete.
fn accepted(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&input[..end]);
    let mut lines = head.lines();
    let switched = lines.next().is_some_and(|line| line.starts_with("HTTP/1.1 101"));
    let understood = lines.any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
    });
    match switched && understood {
        true => Ok(Some(end + 4)),
        false => Err(BenchError::unexpected("the answer to a WebSocket handshake", 0, input)),
    }
}

/// Sends one message and waits for one, before the connection is driven.
pub(crate) fn exchange(stream: &mut TcpStream, opcode: u8, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write_frame(&mut out, opcode, message, Masks::default().next());
    stream.write_all(&out).doing("saying hello")?;
    let mut input = Vec::new();
    loop {
        if let Some(frame) = parse_frame(&input)? {
            let end = frame.head_bytes + frame.body_bytes;
            let message = input[frame.head_bytes..end].to_vec();
            return match (frame.opcode, input.len() == end) {
                (TEXT | BINARY, true) => Ok(message),
                (CLOSE, _) => Err(closed("the server", &message)),
                _ => Err(BenchError::unexpected("more than the answer to hello", 0, &input)),
            };
        }
        let mut chunk = [0; 2_048];
        match stream.read(&mut chunk).doing("waiting for the answer to hello")? {
            0 => return Err(BenchError::unexpected("the end of a connection after hello", 0, &input)),
            read => input.extend_from_slice(&chunk[..read]),
        }
    }
}

/// The error of a close frame, with its code and reason.
pub(crate) fn closed(peer: &str, payload: &[u8]) -> BenchError {
    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
    BenchError::unexpected(format!("{peer} closed a WebSocket"), code, payload.get(2..).unwrap_or_default())
}

/// Work over messages: what is sent on each connection, and how incoming messages are evaluated.
pub(crate) trait Workload {
    /// [`TEXT`] or [`BINARY`].
    fn opcode(&self) -> u8;
    /// Puts the connection's next message into `message`, which is empty. Returns `false` if there is no work left.
    fn ask(&mut self, connection: usize, message: &mut Vec<u8>) -> bool;
    /// Evaluates a message.
    fn on_message(&mut self, connection: usize, message: &[u8]) -> Result<Verdict>;
}

/// WebSocket as a protocol of the driver.
pub(crate) struct WebSocket<'a, W> {
    workload: &'a mut W,
    message: Vec<u8>,
    masks: Masks,
}

impl<'a, W: Workload> WebSocket<'a, W> {
    /// Creates the protocol for connections whose handshake is done.
    pub(crate) fn new(workload: &'a mut W) -> Self {
        Self { workload, message: Vec::new(), masks: Masks::default() }
    }
}

impl<W: Workload> Dialect for WebSocket<'_, W> {
    fn peer(&self) -> &str {
        "fusion"
    }

    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        self.message.clear();
        let asked = self.workload.ask(connection, &mut self.message);
        if asked {
            write_frame(out, self.workload.opcode(), &self.message, self.masks.next());
        }
        asked
    }

    fn answered(&mut self, connection: usize, input: &[u8]) -> Result<Option<(usize, Verdict)>> {
        let Some(frame) = parse_frame(input)? else { return Ok(None) };
        let length = frame.head_bytes + frame.body_bytes;
        let payload = &input[frame.head_bytes..length];
        let verdict = match frame.opcode {
            TEXT | BINARY => self.workload.on_message(connection, payload)?,
            CLOSE => return Err(closed(self.peer(), payload)),
            // Pings need no answer: a window is shorter than a server's timeout.
            _ => Verdict::Aside,
        };
        Ok(Some((length, verdict)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a client's frame as a server does.
    fn unmasked(frame: &[u8]) -> (u8, Vec<u8>) {
        assert_eq!(frame[1] & 0x80, 0x80, "a client's frame is masked");
        let (at, length) = match frame[1] & 0x7F {
            126 => (4, u16::from_be_bytes([frame[2], frame[3]]) as usize),
            127 => (10, u64::from_be_bytes(frame[2..10].try_into().expect("eight bytes")) as usize),
            length => (2, length as usize),
        };
        assert_eq!(frame.len(), at + 4 + length);
        let mask = &frame[at..at + 4];
        let payload = frame[at + 4..].iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]);
        (frame[0], payload.collect())
    }

    /// Writes a frame as a server does.
    fn served(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ ..126 => frame.push(length as u8),
            length @ ..0x1_0000 => frame.extend([&[126][..], &(length as u16).to_be_bytes()].concat()),
            length => frame.extend([&[127][..], &(length as u64).to_be_bytes()].concat()),
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn masked_frames_of_every_length_can_be_read() {
        let mut masks = Masks::default();
        for length in [0, 1, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut frame = b"before".to_vec();
            write_frame(&mut frame, BINARY, &payload, masks.next());
            let (first, read) = unmasked(&frame[6..]);
            assert_eq!((first, read), (0x82, payload), "{length}");
        }
    }

    #[test]
    fn the_rfc_s_own_masked_frame() {
        let mut frame = Vec::new();
        write_frame(&mut frame, TEXT, b"Hello", u32::from_ne_bytes([0x37, 0xfa, 0x21, 0x3d]));
        assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn masks_differ() {
        let mut masks = Masks::default();
        let some: std::collections::HashSet<u32> = (0..1_000).map(|_| masks.next()).collect();
        assert_eq!(some.len(), 1_000);
    }

    #[test]
    fn a_frame_is_whole_with_its_last_byte_and_not_before() {
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let frame = served(TEXT, &vec![b'x'; length]);
            for cut in [0, 1, 2, 3, 4, 9, 10, frame.len() - 1] {
                assert_eq!(parse_frame(&frame[..cut.min(frame.len() - 1)]).expect("so far"), None, "{length} {cut}");
            }
            let read = parse_frame(&frame).expect("valid").expect("whole");
            assert_eq!((read.opcode, read.body_bytes, read.head_bytes), (TEXT, length, frame.len() - length));
            let followed = [&frame[..], &served(PING, b"")].concat();
            assert_eq!(parse_frame(&followed).expect("valid"), Some(read), "and not what follows it");
        }
    }

    #[test]
    fn fragments_masks_and_extensions_are_reported_as_errors() {
        for odd in [[0x01, 0x02], [0x80 | 0x40 | 1, 0], [0x81, 0x80]] {
            assert!(parse_frame(&odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_handshake_is_accepted_only_with_the_proof() {
        let answer = |status: &str, accept: &str| {
            format!("HTTP/1.1 {status}\r\nupgrade: websocket\r\nSec-WebSocket-Accept:  {accept}\r\n\r\nrest")
        };
        let good = answer("101 Switching Protocols", ACCEPT);
        assert_eq!(accepted(good.as_bytes()).expect("good"), Some(good.len() - 4));
        assert_eq!(accepted(&good.as_bytes()[..40]).expect("so far"), None);
        assert!(accepted(answer("101 Switching Protocols", "other").as_bytes()).is_err());
        assert!(accepted(answer("503 Busy", ACCEPT).as_bytes()).is_err());
    }

    #[test]
    fn a_close_is_shown_with_its_code_and_reason() {
        let error = closed("fusion", &[&4001_u16.to_be_bytes()[..], b"reads too slowly"].concat()).to_string();
        assert!(error.contains("4001") && error.contains("reads too slowly"), "{error}");
    }

    /// A number of messages, each with two answers.
    struct Questions {
        left: usize,
        received: Vec<Vec<u8>>,
    }

    impl Workload for Questions {
        fn opcode(&self) -> u8 {
            TEXT
        }

        fn ask(&mut self, _connection: usize, message: &mut Vec<u8>) -> bool {
            let Some(left) = self.left.checked_sub(1) else { return false };
            self.left = left;
            message.extend_from_slice(b"question");
            true
        }

        fn on_message(&mut self, _connection: usize, message: &[u8]) -> Result<Verdict> {
            self.received.push(message.to_vec());
            Ok(if message == b"second" { Verdict::Done } else { Verdict::Aside })
        }
    }

    /// Answers every question with two messages and a ping between them, one byte at a time.
    fn answer_questions(mut stream: TcpStream) {
        let mut frame = [0; 6 + b"question".len()];
        while stream.read_exact(&mut frame).is_ok() {
            assert_eq!(unmasked(&frame), (0x81, b"question".to_vec()));
            for byte in [served(TEXT, b"first"), served(PING, b""), served(TEXT, b"second")].concat() {
                stream.write_all(&[byte]).expect("written");
            }
        }
    }

    #[test]
    fn the_driver_s_closed_loop_goes_on_when_an_answer_is_whole() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let streams = (0..4)
            .map(|_| {
                let stream = TcpStream::connect(address).expect("connected");
                let (served, _) = listener.accept().expect("accepted");
                served.set_nodelay(true).expect("nodelay");
                std::thread::spawn(move || answer_questions(served));
                stream
            })
            .collect();
        let mut questions = Questions { left: 12, received: Vec::new() };
        let mut driver = crate::driver::Driver::over(streams).expect("driven");
        let plan = crate::pace::Plan::all_of_it();
        let mut window = driver.run(&mut WebSocket::new(&mut questions), &plan, std::process::id()).expect("runs");
        assert_eq!((window.operations, questions.received.len()), (12, 24));
        window.weigh(64);
        assert_eq!((window.operations, window.done_in_all, window.latency.len()), (768, 768, 12));
    }
}
