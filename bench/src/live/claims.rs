//! Reservations over WebSocket, one or many in a message, side by side with Redis, one or many in a write.
//!
//! A connection belongs to one guest, and a guest may have a hundred units of a drop. So each connection claims its
//! hundred of one drop, then a hundred of the next, and all connections are on the same drop at nearly the same time.
//! The server limits the claims that may wait for one drop, so many claims in a message need two or three such
//! sequences of drops. Each window has a new server: at these rates the holds of a whole run would fill the memory.

use super::{
    encoding::{ClaimWriter, Encoding},
    websocket::{self, WebSocket, Workload},
};
use crate::{
    driver::{Driver, Verdict, Window},
    error::{BenchError, Result},
    options::{LiveOptions, Options},
    pace::{Pace, Plan},
    peers::Peers,
    redis::Redis,
    reserve::{Contender, Row, SKU, UNITS_PER_BUYER_MAX, rounds},
    scratch::Scratch,
    server::Server,
    shop::Shop,
};

/// The number of guests with Redis, where a guest costs nothing: they do not run out.
const REDIS_GUESTS: usize = 200_000;
/// More claims per second than any window reaches: it determines how many units are provided.
const CLAIMS_PER_SECOND_MAX: f64 = 800_000.0;
const DROPS_MAX: usize = 2_000;
/// The maximum number of claims in flight on one drop. The server refuses those beyond 8,192, and returns a permit a
/// moment after its answer.
const WAITING_MAX: usize = 6_000;

/// The results.
#[derive(Debug)]
pub(crate) struct LiveClaims {
    /// The number of connections to each contender.
    pub(crate) clients: usize,
    /// The length of a window, in seconds.
    pub(crate) seconds: f64,
    /// Each contender, with its number of claims in a message.
    pub(crate) rows: Vec<(Row, usize)>,
    /// The description of each contender.
    pub(crate) about: Vec<String>,
}

/// Measures the reservations.
pub(crate) fn claims(options: &Options, wanted: &LiveOptions) -> Result<LiveClaims> {
    let batch = usize::from(wanted.batch);
    let peers = Peers::start(&options.peers_script(), &["redis"], &options.work_dir, options.clients)?;
    let redis = |batch| Redis::prepare_afresh(&peers.peer("redis")?, REDIS_GUESTS, batch);
    let fusion = |encoding, batch| Fusion { options: options.clone(), encoding, batch };
    let batches = [1, 1, 1, batch, batch, batch];
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(fusion(Encoding::Json, 1)),
        Box::new(fusion(Encoding::Protobuf, 1)),
        Box::new(redis(1)?),
        Box::new(fusion(Encoding::Json, batch)),
        Box::new(fusion(Encoding::Protobuf, batch)),
        Box::new(redis(batch)?),
    ];
    let closed = vec![Pace::Closed; contenders.len()];
    let rows = rounds(options, &mut contenders, &closed)?;
    let about = contenders.iter().map(|contender| contender.about()).collect();
    let seconds = options.seconds.as_secs_f64();
    Ok(LiveClaims { clients: options.clients, seconds, rows: rows.into_iter().zip(batches).collect(), about })
}

/// The server under test.
struct Fusion {
    options: Options,
    encoding: Encoding,
    batch: usize,
}

impl Contender for Fusion {
    fn name(&self) -> String {
        let many = if self.batch > 1 { format!(" × {}", self.batch) } else { String::new() };
        format!("fusion {}{many}", self.encoding.name())
    }

    fn about(&self) -> String {
        format!(
            "{}: {}, GET /v1/ws, {}, {} create_claim in a message, one message in flight on each connection",
            self.name(),
            self.options.binary_named(),
            self.encoding.protocol(),
            self.batch
        )
    }

    fn window(&mut self, plan: &Plan, clients: usize) -> Result<Window> {
        let scratch = Scratch::new(&self.options.work_dir)?;
        let server = Server::start(&self.options.binary, &scratch.path().join("data"))?;
        let mut shop = Shop::open(&server)?;
        let seconds = (plan.warm_up + plan.measure.unwrap_or_default()).as_secs_f64();
        let lanes = (clients * self.batch).div_ceil(WAITING_MAX);
        let units = clients.div_ceil(lanes) as u64 * UNITS_PER_BUYER_MAX;
        let count = (seconds * CLAIMS_PER_SECOND_MAX / units as f64).ceil() as usize + 2 * lanes;
        shop.product(SKU)?;
        shop.stock(SKU, units * count as u64)?;
        let open = |_| shop.open_drop(SKU, units, UNITS_PER_BUYER_MAX);
        let drops = (0..count.min(DROPS_MAX)).map(open).collect::<Result<Vec<_>>>()?;
        let guests = shop.guests(clients, clients)?;

        let mut streams = Vec::with_capacity(clients);
        for token in &guests.tokens {
            let (mut stream, _) = websocket::open(server.address(), "/v1/ws", Some(self.encoding.protocol()))?;
            let welcome = websocket::exchange(&mut stream, self.encoding.opcode(), &self.encoding.hello(token))?;
            if !self.encoding.is_welcome(&welcome) {
                return Err(BenchError::unexpected("the answer to hello", 0, &welcome));
            }
            streams.push(stream);
        }
        let mut claims = Claims::new(self.encoding, &drops, clients, self.batch, lanes);
        let mut window = Driver::over(streams)?.run(&mut WebSocket::new(&mut claims), plan, server.pid())?;
        // By the server's own count each drop has exactly the claims that were acknowledged.
        for (drop, taken) in drops.iter().zip(&claims.taken) {
            shop.expect_held(drop, *taken)?;
        }
        let acknowledged: u64 = claims.taken.iter().sum();
        window.weigh(self.batch as u64);
        // A message with a refused claim does not count as throughput; only its refused claims count as refused.
        window.refused = claims.refused;
        if let Some(first) = &claims.first_refusal {
            eprintln!("{}: {} claims were refused, the first with {first}", self.name(), claims.refused);
        }
        if acknowledged < window.done_in_all || (claims.refused == 0 && acknowledged != window.done_in_all) {
            return Err(BenchError::Mislaid { peer: self.name(), acknowledged, recorded: window.done_in_all });
        }
        Ok(window)
    }
}

/// The claims of each connection: a hundred of each drop, one drop after the other, `batch` in a message.
struct Claims<'a> {
    encoding: Encoding,
    writer: ClaimWriter,
    drops: &'a [String],
    batch: usize,
    /// The number of sequences of drops, over which the connections are distributed.
    lanes: usize,
    talks: Vec<Conversation>,
    /// The acknowledged claims of each drop.
    taken: Vec<u64>,
    /// The number of claims that were refused for now, and the first refusal.
    refused: u64,
    first_refusal: Option<String>,
}

/// The progress of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Conversation {
    /// Claims sent.
    asked: u64,
    /// Claims of the message in flight that are not answered yet.
    waiting: usize,
    /// Whether one of them was refused for now.
    refused: bool,
}

impl<'a> Claims<'a> {
    fn new(encoding: Encoding, drops: &'a [String], connections: usize, batch: usize, lanes: usize) -> Self {
        Self {
            encoding,
            writer: ClaimWriter::new(encoding, SKU, 1),
            drops,
            batch,
            lanes,
            talks: vec![Conversation::default(); connections],
            taken: vec![0; drops.len()],
            refused: 0,
            first_refusal: None,
        }
    }
}

/// The index of the drop that a connection's claim is on.
fn drop_of(connection: usize, claim: u64, lanes: usize) -> usize {
    (claim / UNITS_PER_BUYER_MAX) as usize * lanes + connection % lanes
}

impl Workload for Claims<'_> {
    fn opcode(&self) -> u8 {
        self.encoding.opcode()
    }

    fn ask(&mut self, connection: usize, message: &mut Vec<u8>) -> bool {
        let workload = &mut self.talks[connection];
        let lanes = self.lanes;
        let drop_of = |claim| drop_of(connection, claim, lanes);
        if drop_of(workload.asked + self.batch as u64 - 1) >= self.drops.len() {
            return false;
        }
        let first = workload.asked;
        let claims = (0..self.batch).map(|index| first + index as u64);
        self.writer.write(claims.map(|claim| (claim, &self.drops[drop_of(claim)][..])), message);
        *workload = Conversation { asked: first + self.batch as u64, waiting: self.batch, refused: false };
        true
    }

    fn on_message(&mut self, connection: usize, message: &[u8]) -> Result<Verdict> {
        let (workload, taken, lanes) = (&mut self.talks[connection], &mut self.taken, self.lanes);
        let mut refused = 0;
        let count = self.encoding.replies(message, |claim, status| {
            match (status, taken.get_mut(drop_of(connection, claim, lanes))) {
                (201, Some(taken)) if claim < workload.asked => *taken += 1,
                (429 | 503, _) => refused += 1,
                _ => return Err(BenchError::unexpected("create_claim over WebSocket", status, message)),
            }
            Ok(())
        })?;
        if count > workload.waiting {
            return Err(BenchError::unexpected("more answers than commands", 0, message));
        }
        workload.waiting -= count;
        workload.refused |= refused > 0;
        self.refused += refused;
        if refused > 0 && self.first_refusal.is_none() {
            let at = memchr::memmem::find(message, b"\"code\":").unwrap_or(0);
            let shown = &message[at..message.len().min(at + 120)];
            self.first_refusal = Some(String::from_utf8_lossy(shown).into_owned());
        }
        Ok(match (count, workload.waiting, workload.refused) {
            (0, ..) | (_, 1.., _) => Verdict::Aside,
            (_, 0, true) => Verdict::Refused,
            (_, 0, false) => Verdict::Done,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(ids: std::ops::Range<u64>, status: u16) -> Vec<u8> {
        let all: Vec<String> =
            ids.map(|id| format!(r#"{{"op":"reply","id":{id},"status":{status},"body":{{}}}}"#)).collect();
        format!("[{}]", all.join(",")).into_bytes()
    }

    #[test]
    fn a_message_completes_with_its_last_answer() {
        let drops = ["A".to_owned(), "B".to_owned()];
        let mut claims = Claims::new(Encoding::Json, &drops, 1, 64, 1);
        let mut message = Vec::new();
        assert!(claims.ask(0, &mut message));
        assert_eq!(claims.on_message(0, &replies(0..40, 201)).expect("some"), Verdict::Aside);
        assert_eq!(claims.on_message(0, br#"{"op":"ping"}"#).expect("a ping"), Verdict::Aside);
        assert_eq!(claims.on_message(0, &replies(40..64, 201)).expect("the rest"), Verdict::Done);
        assert_eq!(claims.taken, [64, 0]);
        assert!(claims.ask(0, &mut message));
        assert_eq!(claims.on_message(0, &replies(64..128, 201)).expect("all"), Verdict::Done);
        assert_eq!(claims.taken, [100, 28], "each drop's own");
    }

    #[test]
    fn no_guest_claims_beyond_a_hundred_of_a_drop_or_beyond_the_last_drop() {
        let drops = ["A".to_owned(), "B".to_owned(), "C".to_owned()];
        for batch in [1, 7, 64] {
            let mut claims = Claims::new(Encoding::Json, &drops, 2, batch, 1);
            let mut each = [0_usize; 3];
            let mut message = Vec::new();
            while claims.ask(1, &mut message) {
                let text = String::from_utf8(std::mem::take(&mut message)).expect("text");
                for (drop, count) in drops.iter().zip(&mut each) {
                    *count += text.matches(&format!("\"params\":{{\"id\":\"{drop}\"}}")).count();
                }
            }
            assert!(each.iter().all(|count| *count <= 100), "{batch}: {each:?}");
            assert_eq!(each.iter().sum::<usize>(), 300 / batch * batch);
        }
    }

    #[test]
    fn neighbours_go_along_drops_of_their_own() {
        let walk =
            |connection| (0..300).step_by(100).map(move |claim| drop_of(connection, claim, 3)).collect::<Vec<_>>();
        assert_eq!([walk(0), walk(1), walk(2), walk(3)], [[0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 3, 6]]);
    }

    #[test]
    fn refused_claims_are_no_reservations_and_unexpected_answers_are_errors() {
        let drops = ["A".to_owned()];
        let mut claims = Claims::new(Encoding::Json, &drops, 1, 2, 1);
        claims.ask(0, &mut Vec::new());
        assert_eq!(claims.on_message(0, &replies(0..1, 503)).expect("refused"), Verdict::Aside);
        assert_eq!(claims.on_message(0, &replies(1..2, 201)).expect("held"), Verdict::Refused);
        assert_eq!((&claims.taken[..], claims.refused), (&[1][..], 1));
        assert!(claims.on_message(0, &replies(0..1, 201)).is_err(), "one too many");
        claims.ask(0, &mut Vec::new());
        assert!(claims.on_message(0, &replies(4..5, 201)).is_err(), "not asked");
        assert!(claims.on_message(0, &replies(2..3, 409)).is_err(), "sold out");
    }
}
