//! Memory for each connection that is subscribed and receives nothing.

use std::time::{Duration, Instant};

use super::{
    broadcast::{self, Broadcaster, ServerMessage, parse_fusion},
    crowd::{Crowd, Endpoint, MessageHandler, Unending},
    encoding::Encoding,
};
use crate::{
    error::{BenchError, Result},
    options::{Broadcasting, LiveOptions, Options},
    process::resident_bytes,
    reserve::{SKU, median},
    scratch::Scratch,
    server::Server,
    shop::Shop,
};

/// The time without messages before the memory is read.
const REST: Duration = Duration::from_secs(10);
/// The number of connections that are opened and closed before the first reading, so that pools and arenas exist
/// already.
const WARM_UP: usize = 200;
/// The time that a server then has to release memory that it does not need.
const SETTLE: Duration = REST;
/// The maximum time for subscribing.
const JOIN_MAX: Duration = Duration::from_secs(120);

/// The results of one server.
#[derive(Debug)]
pub(crate) struct Silent {
    /// The server, and how it is used.
    pub(crate) name: String,
    /// The server's memory before the connections, in bytes; for each round.
    pub(crate) base_bytes: Vec<f64>,
    /// The additional memory for each connection, in bytes; for each round.
    pub(crate) each_bytes: Vec<f64>,
}

/// The results.
#[derive(Debug)]
pub(crate) struct Idle {
    /// The number of connections to each server.
    pub(crate) connections: usize,
    /// Whether they are fewer than requested.
    pub(crate) limited: bool,
    /// Each server.
    pub(crate) rows: Vec<Silent>,
}

impl Silent {
    /// The additional memory for each connection: the median of the rounds.
    pub(crate) fn each(&self) -> f64 {
        median(&self.each_bytes)
    }
}

/// Measures the idle connections. A server's memory does not shrink as it grew, so each round has a new server.
pub(crate) fn idle(options: &Options, wanted: &LiveOptions, connections_max: usize) -> Result<Idle> {
    let asked = wanted.idle_connections.unwrap_or(options.either(10_000, 1_000)) as usize;
    let connections = super::within(asked, connections_max);
    let mut rows: Vec<Silent> = Vec::new();
    for number in 1..=options.rounds {
        for which in &wanted.broadcasters {
            let ways: &[bool] = if *which == Broadcasting::Fusion { &[false, true] } else { &[false] };
            for as_guests in ways {
                let (name, base, each) = match which {
                    Broadcasting::Fusion => fusion(options, connections, *as_guests)?,
                    which => peer(options, connections, *which)?,
                };
                eprintln!("round {number} of {}: {name}: {each:.0} B for each of {connections}", options.rounds);
                let row = match rows.iter().position(|row| row.name == name) {
                    Some(known) => &mut rows[known],
                    None => {
                        rows.push(Silent { name, base_bytes: Vec::new(), each_bytes: Vec::new() });
                        let last = rows.len() - 1;
                        &mut rows[last]
                    }
                };
                row.base_bytes.push(base);
                row.each_bytes.push(each);
            }
        }
    }
    Ok(Idle { connections, limited: connections < asked, rows })
}

/// All connections have sent `hello` and are subscribed to one drop: as visitors, or each as a guest with its own
/// token.
fn fusion(options: &Options, connections: usize, as_guests: bool) -> Result<(String, f64, f64)> {
    let scratch = Scratch::new(&options.work_dir)?;
    let data_dir = scratch.path().join("data");
    let mut server = Server::start(&options.binary, &data_dir)?;
    let mut shop = Shop::open(&server)?;
    shop.product(SKU)?;
    shop.stock(SKU, 1_000)?;
    let drop = shop.open_drop(SKU, 1_000, 1)?;
    let guests = if as_guests { shop.guests(connections, options.clients)?.tokens } else { Vec::new() };
    // Restarted: memory that was needed to create the guests would be reused, and hide the growth.
    server.stop()?;
    server = Server::start(&options.binary, &data_dir)?;
    let greeting = |index: usize| {
        let hello = match guests.get(index) {
            Some(token) => String::from_utf8(Encoding::Json.hello(token)).unwrap_or_default(),
            None => "{\"op\":\"hello\"}".to_owned(),
        };
        format!("[{hello},{{\"op\":\"subscribe\",\"topic\":\"drop:{drop}\"}}]").into_bytes()
    };
    let protocol = Some(Encoding::Json.protocol());
    let endpoint = Endpoint { peer: "fusion", address: server.address(), path: "/v1/ws", protocol };
    let (base, each) = measured(endpoint, server.pid(), connections, greeting, parse_fusion)?;
    let name = if as_guests { "fusion, each with a guest's token" } else { "fusion" };
    Ok((name.to_owned(), base, each))
}

/// All connections are open and subscribed.
fn peer(options: &Options, connections: usize, which: Broadcasting) -> Result<(String, f64, f64)> {
    let server: Box<dyn Broadcaster> = broadcast::start(options, which)?;
    let (base, each) =
        measured(server.endpoint(), server.pid(), connections, |_| server.greeting(), |message| server.parse(message))?;
    Ok((server.name().to_owned(), base, each))
}

/// The memory before, and the additional memory for each connection.
fn measured(
    endpoint: Endpoint<'_>,
    pid: u32,
    connections: usize,
    greeting: impl Fn(usize) -> Vec<u8>,
    parse: impl Fn(&[u8]) -> Result<ServerMessage>,
) -> Result<(f64, f64)> {
    let listen = |count: usize, rest: Duration| {
        let mut handler = Counting { parse: &parse, subscribed: 0, wanted: count };
        let mut crowd = Crowd::new()?;
        crowd.join(endpoint, count, &greeting, &mut handler)?;
        if !crowd.pump(&mut handler, Instant::now() + JOIN_MAX)? {
            let subscribed = handler.subscribed;
            return Err(BenchError::Setup(format!("{}: only {subscribed} of {count} could subscribe", endpoint.peer)));
        }
        crowd.pump(&mut Unending(&mut handler), Instant::now() + rest)?;
        Ok(crowd)
    };
    drop(listen(WARM_UP.min(connections), Duration::ZERO)?);
    std::thread::sleep(SETTLE);
    let before = resident_bytes(pid)? as f64;
    let crowd = listen(connections, REST)?;
    let after = resident_bytes(pid)? as f64;
    drop(crowd);
    Ok((before, (after - before) / connections.max(1) as f64))
}

/// Counts subscriptions, and answers pings.
struct Counting<H> {
    parse: H,
    subscribed: usize,
    wanted: usize,
}

impl<H: Fn(&[u8]) -> Result<ServerMessage>> MessageHandler for Counting<H> {
    fn on_message(&mut self, _connection: usize, message: &[u8], answer: &mut Vec<u8>) -> Result<()> {
        match (self.parse)(message)? {
            ServerMessage::Subscribed(_) => self.subscribed += 1,
            ServerMessage::Ping => answer.extend_from_slice(super::PONG_JSON),
            _ => {}
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.subscribed >= self.wanted
    }
}
