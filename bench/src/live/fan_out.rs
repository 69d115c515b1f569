//! The cost for a server to deliver a fact to one more subscriber, in bursts.
//!
//! Every subscriber has to receive every fact once and in order, or the run ends. There is a gap between bursts, so
//! that no server can combine facts of different bursts.

use std::time::{Duration, Instant};

use super::{
    broadcast::{self, Broadcaster, ServerMessage},
    crowd::{Crowd, MessageHandler, Unending},
};
use crate::{
    error::{BenchError, Result},
    options::{LiveOptions, Options},
    process::Threads,
    reserve::median,
};

/// The numbers of facts in a burst.
pub(crate) const BURSTS: [usize; 3] = [1, 10, 100];
/// The gap between the last delivery of a burst and the next burst: longer than a server may wait for more facts.
const GAP: Duration = Duration::from_millis(100);
/// The maximum time until every subscriber has received a burst.
const BURST_MAX: Duration = Duration::from_secs(30);
/// The maximum time for connecting.
const JOIN_MAX: Duration = Duration::from_secs(60);
/// The number of facts that are broadcast before anything is measured.
const WARM_UP: usize = 100;

/// The results of one server with one size of burst.
#[derive(Debug)]
pub(crate) struct FanOutRow {
    /// The server.
    pub(crate) name: &'static str,
    /// The number of facts in a burst.
    pub(crate) burst: usize,
    /// The size of a fact's message, in bytes.
    pub(crate) payload_bytes: f64,
    /// The number of deliveries in a round.
    pub(crate) deliveries: u64,
    /// The server's CPU time for each delivery in µs, including the making of the facts; for each round.
    pub(crate) gross_us: Vec<f64>,
    /// The server's CPU time for the same facts without subscribers, in µs and divided by the same deliveries; for each
    /// round.
    pub(crate) making_us: Vec<f64>,
    /// From the request to the last delivery of a burst, p50 in milliseconds; for each round.
    pub(crate) burst_ms: Vec<f64>,
    /// The generator's CPU time for each delivery, in µs; for each round.
    pub(crate) generator_us: Vec<f64>,
}

impl FanOutRow {
    /// The cost of a delivery without the cost of making the facts.
    pub(crate) fn net_us(&self) -> f64 {
        median(&self.gross_us) - median(&self.making_us)
    }
}

/// The results.
#[derive(Debug)]
pub(crate) struct FanOut {
    /// The number of subscribers.
    pub(crate) listeners: usize,
    /// Each server with each size of burst.
    pub(crate) rows: Vec<FanOutRow>,
    /// The description of each server.
    pub(crate) about: Vec<String>,
}

/// Measures the broadcasts.
pub(crate) fn fan_out(options: &Options, wanted: &LiveOptions) -> Result<FanOut> {
    let listeners = wanted.listeners.unwrap_or(options.either(1_000, 200)) as usize;
    let bursts: [usize; 3] = options.either([100, 40, 10], [20, 5, 2]);
    let mut servers: Vec<Box<dyn Broadcaster>> =
        wanted.broadcasters.iter().map(|which| broadcast::start(options, *which)).collect::<Result<_>>()?;
    let round: usize = BURSTS.iter().zip(bursts).map(|(burst, count)| burst * count).sum();
    let facts = (2 * round + WARM_UP) * options.rounds as usize + WARM_UP;
    let mut rows: Vec<FanOutRow> = Vec::new();
    for server in &mut servers {
        server.prepare(facts)?;
        rows.extend(BURSTS.map(|burst| FanOutRow {
            name: server.name(),
            burst,
            payload_bytes: 0.0,
            deliveries: 0,
            gross_us: Vec::new(),
            making_us: Vec::new(),
            burst_ms: Vec::new(),
            generator_us: Vec::new(),
        }));
    }
    // The cost of making the facts is measured before anyone has subscribed: a server may keep facts for subscribers
    // that come back.
    for _ in 0..options.rounds {
        for (server, rows) in servers.iter_mut().zip(rows.chunks_mut(BURSTS.len())) {
            let mut stage = Stage::new(&mut **server, 0)?;
            stage.broadcast(1, WARM_UP / 10)?;
            for (row, count) in rows.iter_mut().zip(bursts) {
                let sent = stage.broadcast(row.burst, count)?;
                let deliveries = (listeners * row.burst * count) as f64;
                row.making_us.push(sent.server * 1e6 / deliveries);
            }
        }
    }
    for number in 1..=options.rounds {
        for (server, rows) in servers.iter_mut().zip(rows.chunks_mut(BURSTS.len())) {
            let mut stage = Stage::new(&mut **server, listeners)?;
            stage.broadcast(1, WARM_UP / 10)?;
            for (row, count) in rows.iter_mut().zip(bursts) {
                let sent = stage.broadcast(row.burst, count)?;
                let each = |seconds: f64| seconds * 1e6 / sent.deliveries as f64;
                row.gross_us.push(each(sent.server));
                row.generator_us.push(each(sent.generator));
                row.burst_ms.push(median(&sent.burst_ms));
                row.payload_bytes = sent.bytes as f64 / sent.deliveries as f64;
                row.deliveries = sent.deliveries;
                eprintln!(
                    "round {number} of {}: {}, {} × {}: {:.2} µs a delivery, {:.1} ms a burst, {} deliveries",
                    options.rounds,
                    row.name,
                    count,
                    row.burst,
                    each(sent.server),
                    median(&sent.burst_ms),
                    sent.deliveries,
                );
            }
        }
    }
    let about = servers.iter().map(|server| server.about().to_owned()).collect();
    Ok(FanOut { listeners, rows, about })
}

/// The results of a series of bursts.
struct Burst {
    /// CPU of the server and of the generator, in seconds.
    server: f64,
    generator: f64,
    deliveries: u64,
    bytes: u64,
    burst_ms: Vec<f64>,
}

/// A server with its subscribers, and the connection that requests bursts, which is the last.
struct Stage<'a> {
    server: &'a mut dyn Broadcaster,
    crowd: Crowd,
    audience: Audience,
}

impl<'a> Stage<'a> {
    fn new(server: &'a mut dyn Broadcaster, listeners: usize) -> Result<Self> {
        let mut crowd = Crowd::new()?;
        let mut audience = Audience::new(listeners);
        let mut handler = AudienceHandler { server: &*server, audience: &mut audience };
        crowd.join(server.endpoint(), listeners, |_| server.greeting(), &mut handler)?;
        if !crowd.pump(&mut handler, Instant::now() + JOIN_MAX)? {
            return Err(BenchError::Setup(format!("{}: not everyone could subscribe", server.name())));
        }
        let (endpoint, hello) = server.control();
        crowd.join(endpoint, 1, |_| hello.clone(), &mut handler)?;
        crowd.pump(&mut Unending(&mut handler), Instant::now() + GAP)?;
        Ok(Self { server, crowd, audience })
    }

    /// Requests `count` bursts of `burst` facts, and waits for every delivery of each.
    fn broadcast(&mut self, burst: usize, count: usize) -> Result<Burst> {
        let control = self.crowd.len() - 1;
        let mut burst_ms = Vec::with_capacity(count);
        (self.audience.delivered, self.audience.bytes) = (0, 0);
        let processes = [self.server.pid(), std::process::id()];
        let before = processes.map(Threads::read);
        for _ in 0..count {
            let message = self.server.burst(burst)?;
            self.audience.expect(burst as u64);
            let asked = Instant::now();
            self.crowd.send_text(control, &message)?;
            let mut handler = AudienceHandler { server: &*self.server, audience: &mut self.audience };
            let all = self.crowd.pump(&mut handler, asked + BURST_MAX)?;
            burst_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            if !all {
                let (peer, unanswered) = (self.server.name().to_owned(), self.audience.missing());
                return Err(BenchError::Unanswered { peer, unanswered, seconds: BURST_MAX.as_secs() });
            }
            let mut handler = AudienceHandler { server: &*self.server, audience: &mut self.audience };
            self.crowd.pump(&mut Unending(&mut handler), Instant::now() + GAP)?;
        }
        let [server, generator] = [0, 1].map(|which| before[which].until(&Threads::read(processes[which])));
        let deliveries = (self.audience.listeners * burst * count) as u64;
        if self.audience.delivered != deliveries {
            let peer = self.server.name().to_owned();
            return Err(BenchError::Mislaid { peer, acknowledged: deliveries, recorded: self.audience.delivered });
        }
        Ok(Burst { server, generator, deliveries, bytes: self.audience.bytes, burst_ms })
    }
}

/// Counts the messages of the subscribers.
struct Audience {
    listeners: usize,
    /// The number of facts that each subscriber knows of. `None`: not subscribed yet.
    known: Vec<Option<u64>>,
    subscribed: usize,
    /// The number of deliveries, and their bytes.
    delivered: u64,
    bytes: u64,
    /// The outstanding deliveries of this burst, and the outstanding answers to the connection that requested it.
    due: u64,
    making: bool,
    made: u64,
    burst: u64,
}

impl Audience {
    fn new(listeners: usize) -> Self {
        let known = vec![None; listeners];
        Self { listeners, known, subscribed: 0, delivered: 0, bytes: 0, due: 0, making: false, made: 0, burst: 0 }
    }

    fn expect(&mut self, burst: u64) {
        (self.due, self.burst, self.made, self.making) = (burst * self.listeners as u64, burst, 0, true);
    }

    fn missing(&self) -> usize {
        self.due as usize + usize::from(self.making)
    }

    /// Counts a message. With `whole` one answer covers the burst, otherwise there is one for each fact.
    fn receive(
        &mut self,
        connection: usize,
        received: ServerMessage,
        bytes: usize,
        whole: bool,
    ) -> std::result::Result<(), String> {
        match (received, self.known.get_mut(connection)) {
            (ServerMessage::Fact(number), Some(Some(known))) if number == *known + 1 && self.due > 0 => {
                *known = number;
                self.delivered += 1;
                self.due -= 1;
                self.bytes += bytes as u64;
            }
            (ServerMessage::Subscribed(number), Some(known @ None)) => {
                *known = Some(number);
                self.subscribed += 1;
            }
            (ServerMessage::Made(count), None) if self.making => {
                self.made += count as u64;
                self.making = !whole && self.made < self.burst;
            }
            (ServerMessage::Ping | ServerMessage::Other, _) => {}
            (received, known) => return Err(format!("listener {connection}, with {known:?}, received {received:?}")),
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.subscribed == self.listeners && self.due == 0 && !self.making
    }
}

/// Passes the messages of one server to the audience.
struct AudienceHandler<'a> {
    server: &'a dyn Broadcaster,
    audience: &'a mut Audience,
}

impl MessageHandler for AudienceHandler<'_> {
    fn on_message(&mut self, connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
        let received = self.server.parse(message)?;
        if received == ServerMessage::Ping {
            answer.extend_from_slice(super::PONG_JSON);
        }
        let whole = self.server.name() != "fusion";
        self.audience
            .receive(connection, received, message.len(), whole)
            .map_err(|odd| BenchError::unexpected(format!("{}: {odd}", self.server.name()), 0, message))
    }

    fn is_complete(&self) -> bool {
        self.audience.is_complete()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience() -> Audience {
        let mut audience = Audience::new(2);
        audience.receive(0, ServerMessage::Subscribed(7), 9, true).expect("listens");
        assert!(!audience.is_complete());
        audience.receive(1, ServerMessage::Subscribed(7), 9, true).expect("listens");
        assert!(audience.is_complete());
        audience.expect(2);
        audience
    }

    #[test]
    fn a_burst_is_complete_when_every_event_is_delivered_and_every_answer_received() {
        let mut audience = audience();
        for (connection, number) in [(0, 8), (1, 8), (1, 9)] {
            audience.receive(connection, ServerMessage::Fact(number), 100, false).expect("next");
        }
        audience.receive(2, ServerMessage::Made(1), 0, false).expect("made");
        audience.receive(0, ServerMessage::Fact(9), 100, false).expect("the last");
        assert!(!audience.is_complete(), "one answer is still to come");
        audience.receive(2, ServerMessage::Made(1), 0, false).expect("made");
        assert!(audience.is_complete());
        assert_eq!((audience.delivered, audience.bytes), (4, 400));
    }

    #[test]
    fn duplicate_missing_and_unexpected_events_are_errors() {
        assert!(audience().receive(0, ServerMessage::Fact(9), 1, true).is_err(), "one is left out");
        let mut twice = audience();
        twice.receive(0, ServerMessage::Fact(8), 1, true).expect("next");
        assert!(twice.receive(0, ServerMessage::Fact(8), 1, true).is_err());
        let mut after = audience();
        after.due = 0;
        assert!(after.receive(0, ServerMessage::Fact(8), 1, true).is_err(), "nobody made it");
        assert!(audience().receive(1, ServerMessage::Subscribed(1), 1, true).is_err(), "listens already");
        assert!(audience().receive(2, ServerMessage::Fact(8), 1, true).is_err(), "does not listen");
    }
}
