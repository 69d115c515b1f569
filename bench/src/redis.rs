//! The peer Redis: one Lua script decides a reservation, `appendfsync always` makes it durable.
//!
//! It has less to do than the server under test: no authentication, no idempotency, no expiry, no public numbers, and a
//! hold is one string. What it has in common is the decision (stock and cap), the record, and an answer only after the
//! sync.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{
    driver::{Dialect, Driver, Verdict, Window},
    error::{BenchError, Doing, Result},
    guests::Walk,
    pace::Plan,
    peers::Peer,
    reserve::{Contender, UNITS_PER_BUYER_MAX, UNITS_PER_DROP},
};

/// Checks stock and cap, decrements, writes the hold. Returns 1 if held, 0 if sold out, -1 if over the cap.
const SCRIPT: &str = "\
local quantity = tonumber(ARGV[2])
if tonumber(redis.call('GET', KEYS[1]) or '0') < quantity then return 0 end
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0') + quantity > tonumber(ARGV[3]) then return -1 end
redis.call('DECRBY', KEYS[1], quantity)
redis.call('HINCRBY', KEYS[2], ARGV[1], quantity)
redis.call('SET', KEYS[3], ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[4])
return 1";

/// The units of a window with many reservations in each write.
const UNITS_AFRESH: u64 = 20_000_000;

/// Redis as a contender.
#[derive(Debug)]
pub(crate) struct Redis {
    address: SocketAddr,
    pid: u32,
    version: String,
    script: String,
    guests: usize,
    /// The number of reservations in one write.
    batch: usize,
    /// Whether each window starts on an empty database.
    afresh: bool,
    drops: u32,
}

impl Redis {
    /// Loads the script into the server that the peer script started.
    pub(crate) fn prepare(peer: &Peer, guests: usize) -> Result<Self> {
        let mut control = Control::connect(peer.address)?;
        for (setting, wanted) in [("appendonly", "yes"), ("appendfsync", "always")] {
            let found = control.ask(&["CONFIG", "GET", setting])?;
            if found != format!("{setting} {wanted}") {
                return Err(BenchError::Setup(format!("redis has {found}, and the comparison needs {wanted}")));
            }
        }
        let script = control.ask(&["SCRIPT", "LOAD", SCRIPT])?;
        let info = control.ask(&["INFO", "server"])?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("?").to_owned();
        Ok(Self { address: peer.address, pid: peer.pid, version, script, guests, batch: 1, afresh: false, drops: 0 })
    }

    /// Prepares a contender with `batch` reservations in one write (pipelining), and an empty database for each window.
    pub(crate) fn prepare_afresh(peer: &Peer, guests: usize, batch: usize) -> Result<Self> {
        Ok(Self { batch, afresh: true, ..Self::prepare(peer, guests)? })
    }
}

impl Contender for Redis {
    fn name(&self) -> String {
        if self.batch > 1 { format!("Redis × {}", self.batch) } else { "Redis".to_owned() }
    }

    fn about(&self) -> String {
        let (name, version) = (self.name(), &self.version);
        let many = if self.batch > 1 { format!(", {} of them in one write", self.batch) } else { String::new() };
        format!("{name}: version {version}, appendonly yes, appendfsync always, one Lua script by EVALSHA{many}")
    }

    fn window(&mut self, plan: &Plan, clients: usize) -> Result<Window> {
        self.drops += 1;
        let stock = format!("stock:{}", self.drops);
        let units = if self.afresh { UNITS_AFRESH } else { UNITS_PER_DROP };
        let mut control = Control::connect(self.address)?;
        if self.afresh {
            control.ask(&["FLUSHALL"])?;
        }
        control.ask(&["SET", &stock, &units.to_string()])?;
        let mut driver = Driver::connect(self.address, clients)?;
        let mut reservations = Reservations::new(&self.script, self.drops, self.guests, clients, self.batch);
        let mut window = driver.run(&mut reservations, plan, self.pid)?;
        window.weigh(self.batch as u64);
        let left: u64 = Control::connect(self.address)?.ask(&["GET", &stock])?.parse().unwrap_or(0);
        let recorded = units - left;
        if recorded != window.done_in_all {
            return Err(BenchError::Mislaid { peer: self.name(), acknowledged: window.done_in_all, recorded });
        }
        Ok(window)
    }
}

/// The reservations of one window: `EVALSHA` in RESP, with the constant parts built once.
struct Reservations {
    front: Vec<u8>,
    back: Vec<u8>,
    drop: u32,
    made: u64,
    walk: Walk,
    batch: usize,
    /// For each connection's write: the number of outstanding answers, and whether one was a refusal.
    waiting: Vec<(usize, bool)>,
}

impl Reservations {
    fn new(script: &str, drop: u32, guests: usize, clients: usize, batch: usize) -> Self {
        let mut front = b"*10\r\n".to_vec();
        for argument in ["EVALSHA", script, "3", &format!("stock:{drop}"), &format!("buyers:{drop}")] {
            bulk(&mut front, argument.as_bytes());
        }
        let mut back = Vec::new();
        for argument in ["1", &UNITS_PER_BUYER_MAX.to_string(), "1893456000000"] {
            bulk(&mut back, argument.as_bytes());
        }
        let walk = Walk::new(guests, clients, UNITS_PER_BUYER_MAX);
        Self { front, back, drop, made: 0, walk, batch, waiting: vec![(0, false); clients] }
    }
}

fn bulk(out: &mut Vec<u8>, argument: &[u8]) {
    let _ = write!(out, "${}\r\n", argument.len());
    out.extend_from_slice(argument);
    out.extend_from_slice(b"\r\n");
}

impl Dialect for Reservations {
    fn peer(&self) -> &str {
        "redis"
    }

    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        for _ in 0..self.batch {
            // A write is sent whole or not at all, so that each has the same number of reservations.
            let Some(guest) = self.walk.next(connection) else {
                out.clear();
                return false;
            };
            self.made += 1;
            out.extend_from_slice(&self.front);
            // Fixed widths, so that the lengths are known: hold:00000001:000000000001 and guest-000001.
            let _ = write!(out, "$26\r\nhold:{:08}:{:012}\r\n$12\r\nguest-{guest:06}\r\n", self.drop, self.made);
            out.extend_from_slice(&self.back);
        }
        self.waiting[connection] = (self.batch, false);
        true
    }

    fn answered(&mut self, connection: usize, input: &[u8]) -> Result<Option<(usize, Verdict)>> {
        let (waiting, refused) = &mut self.waiting[connection];
        let mut length = 0;
        while let Some(end) = memchr::memchr(b'\n', &input[length..]).filter(|_| *waiting > 0) {
            match &input[length..=length + end] {
                b":1\r\n" => {}
                b":0\r\n" | b":-1\r\n" => *refused = true,
                other => return Err(BenchError::unexpected("redis EVALSHA", 0, other)),
            }
            length += end + 1;
            *waiting -= 1;
        }
        Ok(match (length, *waiting, *refused) {
            (0, ..) => None,
            (_, 1.., _) => Some((length, Verdict::Aside)),
            (_, 0, true) => Some((length, Verdict::Refused)),
            (_, 0, false) => Some((length, Verdict::Done)),
        })
    }
}

/// A blocking connection for set-up.
struct Control {
    stream: BufReader<TcpStream>,
}

impl Control {
    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).doing(format!("connecting to redis at {address}"))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    fn ask(&mut self, arguments: &[&str]) -> Result<String> {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            bulk(&mut request, argument.as_bytes());
        }
        self.stream.get_mut().write_all(&request).doing("sending a request to redis")?;
        self.reply()
    }

    /// Reads a reply as text; the elements of an array are joined with spaces.
    fn reply(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).doing("reading from redis")?;
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match (kind, rest.parse::<usize>()) {
            ("+" | ":", _) => Ok(rest.to_owned()),
            ("$", Ok(length)) => {
                let mut body = vec![0; length + 2];
                self.stream.read_exact(&mut body).doing("reading from redis")?;
                body.truncate(length);
                Ok(String::from_utf8_lossy(&body).into_owned())
            }
            ("*", Ok(elements)) => Ok((0..elements).map(|_| self.reply()).collect::<Result<Vec<_>>>()?.join(" ")),
            _ => Err(BenchError::unexpected("redis", 0, line.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_written_into_the_request_are_those_of_its_parts() {
        let mut reservations = Reservations::new(&"a".repeat(40), 7, 10, 1, 1);
        let mut out = Vec::new();
        assert!(reservations.ask(0, &mut out));
        let text = String::from_utf8(out).expect("text");
        let mut parts = text.split("\r\n");
        assert_eq!(parts.next(), Some("*10"));
        let rest: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        assert_eq!(rest.len(), 20);
        for pair in rest.chunks(2) {
            assert_eq!(pair[0], format!("${}", pair[1].len()));
        }
    }

    #[test]
    fn a_refusal_is_not_a_reservation_and_an_error_ends_the_run() {
        let mut reservations = Reservations::new("sha", 1, 10, 1, 1);
        reservations.ask(0, &mut Vec::new());
        assert_eq!(reservations.answered(0, b":1\r\n").expect("held"), Some((4, Verdict::Done)));
        reservations.ask(0, &mut Vec::new());
        assert_eq!(reservations.answered(0, b":-1\r\n").expect("cap"), Some((5, Verdict::Refused)));
        reservations.ask(0, &mut Vec::new());
        assert_eq!(reservations.answered(0, b":1").expect("incomplete"), None);
        assert!(reservations.answered(0, b"-NOSCRIPT No matching script.\r\n").is_err());
    }

    #[test]
    fn a_write_of_many_completes_with_its_last_answer() {
        let mut reservations = Reservations::new("sha", 1, 10, 1, 3);
        let mut out = Vec::new();
        assert!(reservations.ask(0, &mut out));
        assert_eq!(out.windows(7).filter(|part| part == b"EVALSHA").count(), 3);
        assert_eq!(reservations.answered(0, b":1\r\n:1\r\n:").expect("two"), Some((8, Verdict::Aside)));
        assert_eq!(reservations.answered(0, b":1\r\n").expect("the third"), Some((4, Verdict::Done)));
        reservations.ask(0, &mut out);
        assert_eq!(
            reservations.answered(0, b":1\r\n:-1\r\n:1\r\n").expect("one refused"),
            Some((13, Verdict::Refused))
        );
    }

    #[test]
    fn a_write_that_would_not_be_full_is_not_written() {
        let mut reservations = Reservations::new("sha", 1, 1, 1, 64);
        let mut out = Vec::new();
        assert!(reservations.ask(0, &mut out));
        out.clear();
        assert!(!reservations.ask(0, &mut out) && out.is_empty(), "36 of the guest's hundred are left");
    }
}
