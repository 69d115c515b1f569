//! Durable reservations, side by side: `fusion`, Redis and PostgreSQL in turns, closed loop and open loop.

use std::{net::SocketAddr, time::Duration};

use crate::{
    claims::Claims,
    driver::{Driver, Window},
    error::{BenchError, Result},
    http::Http,
    options::{Contestant, Options, ReserveOptions},
    pace::{Pace, Plan},
    peers::Peers,
    postgres::Postgres,
    redis::Redis,
    scratch::Scratch,
    server::Server,
    shop::{Guests, Shop},
};

/// The maximum number of units of one drop for one buyer. The engine's limit on claims of one buyer is the same.
pub(crate) const UNITS_PER_BUYER_MAX: u64 = 100;
/// The units of each drop: more than any window can take.
pub(crate) const UNITS_PER_DROP: u64 = 3_000_000;
/// The SKU on sale.
pub(crate) const SKU: &str = "BENCH-HOT";
/// The pause between windows, so that the last writes of one do not fall into the next.
const PAUSE: Duration = Duration::from_secs(1);
const GUESTS_RAN_OUT: &str = "the window ended early: the guests have used their caps; raise --guests";

/// A server that takes reservations.
pub(crate) trait Contender {
    /// Its name in the table.
    fn name(&self) -> String;
    /// Its version and settings, for the results.
    fn about(&self) -> String;
    /// Runs one window on a new drop, and checks the server's own records against what it acknowledged.
    fn window(&mut self, plan: &Plan, clients: usize) -> Result<Window>;
}

/// The results of one contender in one loop.
#[derive(Debug)]
pub(crate) struct Row {
    /// The contender.
    pub(crate) name: String,
    /// The rate of the open loop. `None`: closed loop.
    pub(crate) rate: Option<f64>,
    /// The rounds, in the order in which they were run.
    pub(crate) rounds: Vec<Window>,
}

impl Row {
    /// The median over the rounds.
    pub(crate) fn median(&self, value: impl Fn(&Window) -> f64) -> f64 {
        median(&self.rounds.iter().map(value).collect::<Vec<_>>())
    }

    /// Operations per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.median(Window::per_second)
    }
}

/// The median of the values; for an even number of them, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// The results.
#[derive(Debug)]
pub(crate) struct Reservations {
    /// The number of connections to each contender.
    pub(crate) clients: usize,
    /// The length of a window, in seconds.
    pub(crate) seconds: f64,
    /// The closed-loop rows, then the open-loop rows.
    pub(crate) rows: Vec<Row>,
    /// The description of each contender.
    pub(crate) about: Vec<String>,
}

/// Measures the reservations.
pub(crate) fn reserve(options: &Options, wanted: &ReserveOptions) -> Result<Reservations> {
    let takes_part = |contestant| wanted.only.contains(&contestant);
    let mut names = Vec::new();
    if takes_part(Contestant::Redis) {
        names.push("redis");
    }
    if takes_part(Contestant::Postgres) || takes_part(Contestant::PostgresPooled) {
        names.push("postgres");
    }
    let peers = match names.is_empty() {
        true => None,
        false => Some(Peers::start(&options.peers_script(), &names, &options.work_dir, options.clients)?),
    };
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    for contestant in &wanted.only {
        let peer = |name: &str| match &peers {
            Some(peers) => peers.peer(name),
            None => Err(BenchError::Setup(format!("{name} was not started"))),
        };
        contenders.push(match contestant {
            Contestant::Fusion => Box::new(Fusion::prepare(options)?),
            Contestant::Redis => Box::new(Redis::prepare(&peer("redis")?, options.guests)?),
            Contestant::Postgres => Box::new(Postgres::prepare(&peer("postgres")?, options.guests, false)?),
            Contestant::PostgresPooled => Box::new(Postgres::prepare(&peer("postgres")?, options.guests, true)?),
        });
    }
    let closed: Vec<Pace> = contenders.iter().map(|_| Pace::Closed).collect();
    let mut rows = rounds(options, &mut contenders, &closed)?;
    let open: Vec<Pace> = rows
        .iter()
        .map(|row| Pace::Open { per_second: wanted.open_rate.unwrap_or(row.per_second() * wanted.open_share) })
        .collect();
    rows.extend(rounds(options, &mut contenders, &open)?);
    let about = contenders.iter().map(|contender| contender.about()).collect();
    Ok(Reservations { clients: options.clients, seconds: options.seconds.as_secs_f64(), rows, about })
}

/// Runs the contenders in turns (A, B, C, A, B, C, …), so that changes of the machine affect all of them.
pub(crate) fn rounds(options: &Options, contenders: &mut [Box<dyn Contender>], paces: &[Pace]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = contenders
        .iter()
        .zip(paces)
        .map(|(contender, pace)| {
            let rate = if let Pace::Open { per_second } = pace { Some(*per_second) } else { None };
            Row { name: contender.name(), rate, rounds: Vec::new() }
        })
        .collect();
    for round in 1..=options.rounds {
        for ((contender, pace), row) in contenders.iter_mut().zip(paces).zip(&mut rows) {
            let plan = Plan { pace: *pace, warm_up: options.warm_up(), measure: Some(options.seconds) };
            let window = contender.window(&plan, options.clients)?;
            eprintln!(
                "round {round} of {}: {} {}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.1} ms, {} refused",
                options.rounds,
                row.name,
                row.rate.map_or("closed loop".to_owned(), |rate| format!("open loop at {rate:.0}/s")),
                window.per_second(),
                window.latency_ms(50.0),
                window.latency_ms(99.0),
                window.latency_ms(99.9),
                window.latency.max() as f64 / 1e6,
                window.refused,
            );
            if window.ran_out {
                eprintln!("{}: {GUESTS_RAN_OUT}", row.name);
            }
            row.rounds.push(window);
            std::thread::sleep(PAUSE);
        }
    }
    Ok(rows)
}

/// The server under test, as a contender.
struct Fusion {
    shop: Shop,
    guests: Guests,
    guests_wanted: usize,
    drops: u16,
    binary: String,
    _server: Server,
    _scratch: Scratch,
}

impl Fusion {
    fn prepare(options: &Options) -> Result<Self> {
        let scratch = Scratch::new(&options.work_dir)?;
        let server = Server::start(&options.binary, &scratch.path().join("data"))?;
        let mut shop = Shop::open(&server)?;
        shop.product(SKU)?;
        let guests = shop.guests(options.guests, options.clients)?;
        let (guests_wanted, binary) = (options.guests, options.binary_named());
        Ok(Self { shop, guests, guests_wanted, drops: 0, binary, _server: server, _scratch: scratch })
    }
}

impl Contender for Fusion {
    fn name(&self) -> String {
        "fusion REST".to_owned()
    }

    fn about(&self) -> String {
        format!("fusion REST: {}, embedded journal on disk, POST /v1/drops/{{id}}/claims", self.binary)
    }

    fn window(&mut self, plan: &Plan, clients: usize) -> Result<Window> {
        if !self.guests.last() {
            self.guests = self.shop.guests(self.guests_wanted, clients)?;
        }
        self.drops += 1;
        self.shop.stock(SKU, UNITS_PER_DROP)?;
        let drop = self.shop.open_drop(SKU, UNITS_PER_DROP, UNITS_PER_BUYER_MAX)?;
        let mut claims = Claims::new(&drop, SKU, &self.guests, clients, self.drops, None);
        let window = load(self.shop.address(), self.shop.pid(), &mut claims, plan, clients)?;
        self.shop.expect_held(&drop, window.done_in_all)?;
        Ok(window)
    }
}

/// Runs one window of claims over `clients` connections.
pub(crate) fn load(
    address: SocketAddr,
    pid: u32,
    claims: &mut Claims<'_>,
    plan: &Plan,
    clients: usize,
) -> Result<Window> {
    Driver::connect(address, clients)?.run(&mut Http { work: claims }, plan, pid)
}
