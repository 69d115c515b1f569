//! A rush with many onlookers: buyers claim over their own connections, as fast as they are answered, while the state
//! of the drop is sent to thousands of others.
//!
//! The buyers have their own thread, so that they do not wait until the generator has read the messages of all the
//! others. Both threads share the cores.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde_json::Value;

use super::{
    PONG_JSON,
    broadcast::{ServerMessage, parse_fusion},
    crowd::{Crowd, Endpoint, MessageHandler, Unending},
    encoding::{ClaimWriter, Encoding, field},
};
use crate::{
    driver::latency_histogram,
    error::{BenchError, Result},
    options::{LiveOptions, Options},
    process::{CpuUse, Ticks},
    reserve::SKU,
    scratch::Scratch,
    server::Server,
    shop::Shop,
};

/// The maximum duration of connecting, and of the rush.
const JOIN_MAX: Duration = Duration::from_secs(120);
const RUSH_MAX: Duration = Duration::from_secs(120);
/// How long messages are read after the end, so that late and surplus ones are noticed.
const AFTER: Duration = Duration::from_secs(1);
/// There are units for three of four buyers.
const UNITS_SHARE: (u64, u64) = (3, 4);

/// The results.
#[derive(Debug)]
pub(crate) struct Rush {
    /// The number of onlookers.
    pub(crate) onlookers: usize,
    /// Whether they are fewer than requested.
    pub(crate) limited: bool,
    /// The number of buyers, each with a connection.
    pub(crate) buyers: usize,
    /// The units of the drop.
    pub(crate) units: u64,
    /// Claims that were accepted.
    pub(crate) taken: u64,
    /// Claims that were rejected as `sold_out`.
    pub(crate) sold_out: u64,
    /// Answers 429 and 503, after which the buyer repeated its claim.
    pub(crate) refused: u64,
    /// Nanoseconds from a claim to its answer.
    pub(crate) latency: Histogram<u64>,
    /// Seconds from the first claim to the last answer.
    pub(crate) seconds: f64,
    /// States that a connection received from the first claim on: the minimum, the median, the maximum.
    pub(crate) states: [u64; 3],
    /// Nanoseconds from the answer to the last accepted claim until each onlooker received the final state.
    pub(crate) seen: Histogram<u64>,
    /// Seconds from the first claim until the last onlooker received the final state.
    pub(crate) seen_seconds: f64,
    /// CPU used from the first claim until the last onlooker received the final state.
    pub(crate) cpu: CpuUse,
}

/// Measures the rush, once: the server either copes or does not.
pub(crate) fn rush(options: &Options, wanted: &LiveOptions, connections_max: usize) -> Result<Rush> {
    let buyers = wanted.buyers.unwrap_or(options.either(2_000, 200)) as usize;
    let asked = wanted.onlookers.unwrap_or(options.either(10_000, 1_000)) as usize;
    let onlookers = super::within(asked, connections_max.saturating_sub(buyers));
    let each = u64::from(wanted.claims_each);
    let units = (buyers as u64 * each * UNITS_SHARE.0 / UNITS_SHARE.1).max(1);

    let scratch = Scratch::new(&options.work_dir)?;
    let places = (onlookers + buyers + 1_000).to_string();
    let settings = ["--connections-max", &places, "--live-per-address-max", &places];
    let server = Server::start_with(&options.binary, &scratch.path().join("data"), &settings)?;
    let mut shop = Shop::open(&server)?;
    shop.product(SKU)?;
    shop.stock(SKU, units)?;
    let drop = shop.open_drop(SKU, units, each)?;
    let guests = shop.guests(buyers, options.clients)?;
    let protocol = Some(Encoding::Json.protocol());
    let endpoint = Endpoint { peer: "fusion", address: server.address(), path: "/v1/ws", protocol };

    eprintln!("rush: {onlookers} look at one drop of {units} units, {buyers} buyers");
    let over = AtomicBool::new(false);
    let mut watching = Watching::new(onlookers, units, &over);
    let mut crowd = Crowd::new()?;
    let greeting = format!("[{{\"op\":\"hello\"}},{{\"op\":\"subscribe\",\"topic\":\"drop:{drop}\"}}]");
    crowd.join(endpoint, onlookers, |_| greeting.clone().into_bytes(), &mut watching)?;
    let mut buying = Buying::new(&drop, buyers, each);
    let mut queue = Crowd::new()?;
    queue.join(endpoint, buyers, |index| Encoding::Json.hello(&guests.tokens[index]), &mut buying)?;
    if !queue.pump(&mut buying, Instant::now() + JOIN_MAX)? || !crowd.pump(&mut watching, Instant::now() + JOIN_MAX)? {
        return Err(BenchError::Setup("not all connections of the rush were opened".to_owned()));
    }
    // The last arrivals change the number of viewers. That is sent before the rush, not during it.
    crowd.pump(&mut Unending(&mut watching), Instant::now() + AFTER)?;
    watching.begin();

    let before = Ticks::read(server.pid());
    let started = Instant::now();
    let (bought, seen) = std::thread::scope(|scope| {
        let bought = scope.spawn(|| {
            let bought = buying.buy(&mut queue, started + RUSH_MAX);
            if bought.is_err() {
                over.store(true, Ordering::Release);
            }
            bought
        });
        let seen = crowd.pump(&mut watching, started + RUSH_MAX);
        (bought.join(), seen)
    });
    let cpu = before.until(&Ticks::read(server.pid()));
    bought.map_err(|_| BenchError::Setup("the buyers' thread failed".to_owned()))??;
    let all = seen?;
    crowd.pump(&mut Unending(&mut watching), Instant::now() + AFTER)?;
    queue.pump(&mut Unending(&mut buying), Instant::now() + AFTER)?;

    if buying.taken != units || buying.sold_out + buying.full != buyers as u64 {
        let (acknowledged, recorded) = (buying.taken, units);
        return Err(BenchError::Mislaid { peer: "fusion, in the rush".to_owned(), acknowledged, recorded });
    }
    watching.check(buying.taken, all)?;
    shop.expect_held(&drop, buying.taken)?;
    let last_taken = buying.last_taken.unwrap_or(started);
    Ok(Rush {
        onlookers,
        limited: onlookers < asked,
        buyers,
        units,
        taken: buying.taken,
        sold_out: buying.sold_out,
        refused: buying.refused,
        latency: buying.latency,
        seconds: buying.last_answer.unwrap_or(started).duration_since(started).as_secs_f64(),
        states: watching.states(),
        seen: watching.seen_after(last_taken),
        seen_seconds: watching.seen_after(started).max() as f64 / 1e9,
        cpu,
    })
}

/// The buyers: each claims until it has its units, or until they are sold out.
struct Buying {
    writer: ClaimWriter,
    drop: String,
    each: u64,
    buyers: Vec<Buyer>,
    greeted: usize,
    begun: bool,
    /// Buyers that are not done.
    left: usize,
    taken: u64,
    sold_out: u64,
    /// Buyers that have all the units that they may have.
    full: u64,
    refused: u64,
    latency: Histogram<u64>,
    last_taken: Option<Instant>,
    last_answer: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Buyer {
    /// Claims sent, including the one in flight.
    asked: u64,
    taken: u64,
    asked_at: Option<Instant>,
}

impl Buying {
    fn new(drop: &str, buyers: usize, each: u64) -> Self {
        Self {
            writer: ClaimWriter::new(Encoding::Json, SKU, 1),
            drop: drop.to_owned(),
            each,
            buyers: vec![Buyer::default(); buyers],
            greeted: 0,
            begun: false,
            left: buyers,
            taken: 0,
            sold_out: 0,
            full: 0,
            refused: 0,
            latency: latency_histogram(),
            last_taken: None,
            last_answer: None,
        }
    }

    fn buy(&mut self, queue: &mut Crowd, until: Instant) -> Result<()> {
        self.begun = true;
        for index in 0..self.buyers.len() {
            let mut message = Vec::new();
            self.claim(index, &mut message);
            queue.send_text(index, &message)?;
        }
        if queue.pump(self, until)? {
            return Ok(());
        }
        Err(BenchError::Unanswered { peer: "fusion".to_owned(), unanswered: self.left, seconds: RUSH_MAX.as_secs() })
    }

    fn claim(&mut self, index: usize, message: &mut Vec<u8>) {
        let buyer = &mut self.buyers[index];
        buyer.asked += 1;
        buyer.asked_at = Some(Instant::now());
        self.writer.write(std::iter::once((buyer.asked, &self.drop[..])), message);
    }

    /// Counts an answer. Returns true if the buyer continues.
    fn answered(&mut self, index: usize, name: u64, status: u16, message: &[u8]) -> Result<bool> {
        let now = Instant::now();
        let buyer = &mut self.buyers[index];
        let Some(asked_at) = buyer.asked_at.take().filter(|_| name == buyer.asked) else {
            return Err(BenchError::unexpected("an unexpected answer", status, message));
        };
        self.latency.saturating_record(now.duration_since(asked_at).as_nanos() as u64);
        self.last_answer = Some(now);
        match status {
            201 => {
                (self.taken, self.last_taken, buyer.taken) = (self.taken + 1, Some(now), buyer.taken + 1);
                self.full += u64::from(buyer.taken == self.each);
            }
            409 if memchr::memmem::find(message, b"\"code\":\"sold_out\"").is_some() => self.sold_out += 1,
            429 | 503 => self.refused += 1,
            status => return Err(BenchError::unexpected("create_claim in the rush", status, message)),
        }
        let goes_on = status != 409 && buyer.taken < self.each;
        self.left -= usize::from(!goes_on);
        Ok(goes_on)
    }
}

impl MessageHandler for Buying {
    fn on_message(&mut self, connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
        if Encoding::Json.is_welcome(message) {
            self.greeted += 1;
            return Ok(());
        }
        let mut replies = Vec::new();
        Encoding::Json.replies(message, |name, status| {
            replies.push((name, status));
            Ok(())
        })?;
        if replies.is_empty() && parse_fusion(message)? == ServerMessage::Ping {
            answer.extend_from_slice(PONG_JSON);
        }
        for (name, status) in replies {
            if self.answered(connection, name, status, message)? {
                self.claim(connection, answer);
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        if self.begun { self.left == 0 } else { self.greeted == self.buyers.len() }
    }
}

/// The onlookers.
struct Watching<'a> {
    /// The number of held units at the end.
    held_at_last: u64,
    onlookers: Vec<Onlooker>,
    subscribed: usize,
    begun: bool,
    /// Onlookers that have not received the final state.
    left: usize,
    /// Set when the buyers have failed: nothing more is expected.
    over: &'a AtomicBool,
}

#[derive(Debug, Clone, Default)]
struct Onlooker {
    states: u64,
    seen_at: Option<Instant>,
    /// The newest state, as received.
    last: Vec<u8>,
}

impl<'a> Watching<'a> {
    fn new(count: usize, held_at_last: u64, over: &'a AtomicBool) -> Self {
        let onlookers = vec![Onlooker::default(); count];
        Self { held_at_last, onlookers, subscribed: 0, begun: false, left: count, over }
    }

    fn begin(&mut self) {
        self.begun = true;
        self.onlookers.iter_mut().for_each(|onlooker| onlooker.states = 0);
    }

    fn states(&self) -> [u64; 3] {
        let mut states: Vec<u64> = self.onlookers.iter().map(|onlooker| onlooker.states).collect();
        states.sort_unstable();
        let at = |index: usize| states.get(index).copied().unwrap_or(0);
        [at(0), at(states.len() / 2), at(states.len().saturating_sub(1))]
    }

    fn seen_after(&self, since: Instant) -> Histogram<u64> {
        let mut seen = latency_histogram();
        for at in self.onlookers.iter().filter_map(|onlooker| onlooker.seen_at) {
            seen.saturating_record(at.saturating_duration_since(since).as_nanos() as u64);
        }
        seen
    }

    /// Checks that everyone's last state has exactly the acknowledged units, and counts every viewer.
    fn check(&self, acknowledged: u64, all: bool) -> Result<()> {
        for (index, onlooker) in self.onlookers.iter().enumerate() {
            let message: Value = serde_json::from_slice(&onlooker.last).unwrap_or_default();
            let state = message.get("data").or_else(|| message.get("state"));
            let count = |name: &str| state.and_then(|state| state.get(name)?.as_u64());
            let recorded = count("held").unwrap_or(0) + count("sold").unwrap_or(0);
            if recorded != acknowledged || count("viewers") != Some(self.onlookers.len() as u64) {
                let what = format!("the last state of onlooker {index}, after {acknowledged} units were claimed");
                return Err(BenchError::unexpected(what, 0, &onlooker.last));
            }
        }
        match all {
            true => Ok(()),
            false => Err(BenchError::Setup(format!("{} did not receive the final state in time", self.left))),
        }
    }
}

impl MessageHandler for Watching<'_> {
    fn on_message(&mut self, connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
        let onlooker = &mut self.onlookers[connection];
        match parse_fusion(message)? {
            ServerMessage::Ping => answer.extend_from_slice(PONG_JSON),
            ServerMessage::Other if message.starts_with(b"{\"op\":\"state\"") => onlooker.states += 1,
            ServerMessage::Subscribed(_) => self.subscribed += 1,
            ServerMessage::Other => return Ok(()),
            received => return Err(BenchError::unexpected(format!("an onlooker received {received:?}"), 0, message)),
        }
        if !answer.is_empty() {
            return Ok(());
        }
        message.clone_into(&mut onlooker.last);
        if onlooker.seen_at.is_none() && field(message, b"\"held\":") == Some(self.held_at_last) {
            onlooker.seen_at = Some(Instant::now());
            self.left -= 1;
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let all = if self.begun { self.left == 0 } else { self.subscribed == self.onlookers.len() };
        all || self.over.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(name: u64, status: u16, code: &str) -> Vec<u8> {
        format!(r#"{{"op":"reply","id":{name},"status":{status},"problem":{{"code":"{code}"}}}}"#).into_bytes()
    }

    /// The buyer's reaction to an answer.
    fn received(buying: &mut Buying, index: usize, message: &[u8]) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        buying.on_message(index, message, &mut answer).map(|()| answer)
    }

    #[test]
    fn a_buyer_claims_until_it_has_its_units_or_they_are_sold_out() {
        let mut buying = Buying::new("DROP", 2, 2);
        buying.begun = true;
        (0..2).for_each(|index| buying.claim(index, &mut Vec::new()));
        assert!(!received(&mut buying, 0, &reply(1, 201, "")).expect("one").is_empty(), "claims another");
        assert!(received(&mut buying, 0, &reply(2, 201, "")).expect("two").is_empty(), "has all");
        assert!(!received(&mut buying, 1, &reply(1, 503, "overloaded")).expect("refused").is_empty(), "asks again");
        assert!(!buying.is_complete());
        assert!(received(&mut buying, 1, &reply(2, 409, "sold_out")).expect("sold out").is_empty());
        assert!(buying.is_complete());
        assert_eq!((buying.taken, buying.sold_out, buying.full, buying.refused), (2, 1, 1, 1));
        assert_eq!(buying.latency.len(), 4);
    }

    #[test]
    fn an_answer_twice_or_of_another_kind_ends_the_rush() {
        let mut buying = Buying::new("DROP", 1, 1);
        buying.begun = true;
        buying.claim(0, &mut Vec::new());
        assert!(received(&mut buying, 0, &reply(1, 409, "buyer_limit")).is_err());
        assert!(received(&mut buying, 0, &reply(1, 201, "")).is_err(), "answered already");
    }

    #[test]
    fn every_onlooker_must_receive_the_final_state() {
        let over = AtomicBool::new(false);
        let state = |held: u64, viewers: u64| {
            format!(
                r#"{{"op":"state","topic":"drop:D","offset":0,"data":{{"held":{held},"sold":0,"viewers":{viewers}}}}}"#
            )
        };
        let subscribed =
            r#"{"op":"subscribed","topic":"drop:D","epoch":"e","offset":0,"state":{"held":0,"viewers":1}}"#;
        let mut watching = Watching::new(2, 9, &over);
        let parse = |watching: &mut Watching<'_>, index, message: &str| {
            watching.on_message(index, message.as_bytes(), &mut Vec::new()).expect("heard");
        };
        (0..2).for_each(|index| parse(&mut watching, index, subscribed));
        assert!(watching.is_complete());
        watching.begin();
        parse(&mut watching, 0, &state(4, 2));
        parse(&mut watching, 0, &state(9, 2));
        assert!(!watching.is_complete() && watching.check(9, false).is_err());
        parse(&mut watching, 1, &state(9, 2));
        assert!(watching.is_complete() && watching.check(9, true).is_ok());
        assert_eq!(watching.states(), [1, 2, 2]);
        assert!(watching.check(8, true).is_err(), "more is held than was acknowledged");
        parse(&mut watching, 1, &state(9, 1));
        assert!(watching.check(9, true).is_err(), "someone is missing");
    }
}
