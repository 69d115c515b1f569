//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures the built `fusion` over loopback, side by side with Redis and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The measurements.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All measurements; writes bench/RESULTS.md
    Run {
        #[command(flatten)]
        reserve: ReserveOptions,
        #[command(flatten)]
        cold_start: ColdStartOptions,
        #[command(flatten)]
        footprint: FootprintOptions,
        #[command(flatten)]
        live: Box<LiveOptions>,
        /// The file for the results (a --quick run writes none unless this is given)
        #[arg(long)]
        results: Option<PathBuf>,
    },
    /// Durable reservations per second and their latency, compared with Redis and PostgreSQL
    Reserve(ReserveOptions),
    /// Restart with many live holds on one drop, and the longest stall during its snapshot
    ColdStart(ColdStartOptions),
    /// Memory per idle cart, journal bytes per reservation
    Footprint(FootprintOptions),
    /// Added cart lines and whole checkouts per second
    Checkout,
    /// Over WebSocket: reservations, broadcasts, idle connections, a rush with many onlookers
    Live(Box<LiveOptions>),
    /// The drop page in Chromium: time until it is interactive, and from the tap to the hold
    Page,
    /// Well-behaved clients beside hostile ones
    Faults,
}

/// Options of every measurement.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server's binary [default: target/release/fusion in this repository]
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
    /// Connections, with one request in flight on each
    #[arg(long, global = true, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    clients: u16,
    /// Seconds measured in each window [default: 10, quick: 2]
    #[arg(long, global = true)]
    seconds: Option<f64>,
    /// Rounds; the median is reported [default: 3, quick: 1]
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Guests that take turns; each may claim 100 units of a drop [default: 12000, quick: 3000]
    #[arg(long, global = true)]
    guests: Option<u32>,
    /// A smoke run: short windows, one round, small numbers
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// Measure even if the machine is busy; the results mention it
    #[arg(long, global = true)]
    pub(crate) force: bool,
    /// How long to wait for the load average to fall, in seconds
    #[arg(long, global = true, default_value_t = 180)]
    pub(crate) calm_seconds_max: u64,
    /// Folder for the data folders, not in memory [default: $TMPDIR, /tmp or /var/tmp]
    #[arg(long, global = true)]
    pub(crate) work_dir: Option<PathBuf>,
}

/// A server that takes part in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// The server under test, over REST.
    Fusion,
    /// Debian's Redis.
    Redis,
    /// Debian's PostgreSQL.
    Postgres,
    /// PostgreSQL with few connections, as behind a pool: many connections that queue for one row only slow it down.
    PostgresPooled,
}

/// Options of the reservations.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReserveOptions {
    /// The servers that take part
    #[arg(long, value_delimiter = ',', default_value = "fusion,redis,postgres,postgres-pooled")]
    pub(crate) only: Vec<Contestant>,
    /// The rate of the open loop, as a share of each server's own closed-loop throughput
    #[arg(long, default_value_t = 0.5)]
    pub(crate) open_share: f64,
    /// The rate of the open loop in requests per second, the same for all servers, instead of a share
    #[arg(long)]
    pub(crate) open_rate: Option<f64>,
}

/// Options of the cold start.
#[derive(Debug, Clone, Args)]
pub(crate) struct ColdStartOptions {
    /// Live holds on the drop [default: 1000000, quick: 20000]
    #[arg(long)]
    pub(crate) holds: Option<u64>,
    /// Claims per second, open loop, while waiting for a snapshot
    #[arg(long, default_value_t = 10_000.0)]
    pub(crate) stall_rate: f64,
    /// How long to wait for a snapshot, in seconds [default: 150, quick: 10]
    #[arg(long)]
    pub(crate) stall_seconds_max: Option<u64>,
}

/// Options of the footprint.
#[derive(Debug, Clone, Args)]
pub(crate) struct FootprintOptions {
    /// Carts [default: 20000, quick: 2000]
    #[arg(long)]
    pub(crate) carts: Option<u32>,
    /// Reservations [default: 200000, quick: 20000]
    #[arg(long)]
    pub(crate) reservations: Option<u32>,
}

/// A measurement over WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LivePart {
    /// Reservations, compared with Redis.
    Claims,
    /// CPU for each delivery of a fact, compared with Bun and ws.
    FanOut,
    /// Memory for each idle connection, compared with Bun and ws.
    Idle,
    /// Buyers that claim while many onlookers are subscribed.
    Rush,
}

/// A server that broadcasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broadcasting {
    /// The server under test.
    Fusion,
    /// Bun's built-in WebSocket server.
    Bun,
    /// The package ws on Node.
    Ws,
}

/// Options of the measurements of the real-time API.
#[derive(Debug, Clone, Args)]
pub(crate) struct LiveOptions {
    /// The measurements over WebSocket
    #[arg(long, value_delimiter = ',', default_value = "claims,fan-out,idle,rush")]
    pub(crate) parts: Vec<LivePart>,
    /// The servers that broadcast and hold idle connections
    #[arg(long, value_delimiter = ',', default_value = "fusion,bun,ws")]
    pub(crate) broadcasters: Vec<Broadcasting>,
    /// Claims per message, where a message carries several
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub(crate) batch: u16,
    /// Connections that receive every fact [default: 1000, quick: 200]
    #[arg(long)]
    pub(crate) listeners: Option<u32>,
    /// Idle connections [default: 10000, quick: 1000]
    #[arg(long)]
    pub(crate) idle_connections: Option<u32>,
    /// Connections that are subscribed to the drop in the rush [default: 10000, quick: 1000]
    #[arg(long)]
    pub(crate) onlookers: Option<u32>,
    /// Buyers in the rush [default: 2000, quick: 200]
    #[arg(long)]
    pub(crate) buyers: Option<u32>,
    /// Units that a buyer in the rush may have, claimed one by one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) claims_each: u32,
}

/// The options of every measurement, with the defaults applied.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The repository.
    pub(crate) repository: PathBuf,
    /// The server's binary.
    pub(crate) binary: PathBuf,
    /// The number of connections.
    pub(crate) clients: usize,
    /// The measured length of each window.
    pub(crate) seconds: Duration,
    /// The number of rounds.
    pub(crate) rounds: u32,
    /// The number of guests that take turns.
    pub(crate) guests: usize,
    /// The folder in which data folders are created.
    pub(crate) work_dir: PathBuf,
    /// Whether this is a smoke run.
    pub(crate) quick: bool,
}

impl Options {
    /// The name of the binary in results: its path relative to the repository, if it is inside.
    pub(crate) fn binary_named(&self) -> String {
        self.binary.strip_prefix(&self.repository).unwrap_or(&self.binary).display().to_string()
    }

    /// Applies the defaults.
    pub(crate) fn new(common: &Common, work_dir: PathBuf) -> Self {
        let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let repository = repository.canonicalize().unwrap_or(repository);
        let seconds = common.seconds.unwrap_or(if common.quick { 2.0 } else { 10.0 });
        Self {
            binary: common.binary.clone().unwrap_or_else(|| repository.join("target/release/fusion")),
            clients: common.clients.into(),
            seconds: Duration::from_secs_f64(seconds.clamp(0.1, 3_600.0)),
            rounds: common.rounds.unwrap_or(if common.quick { 1 } else { 3 }),
            guests: common.guests.unwrap_or(if common.quick { 3_000 } else { 12_000 }).clamp(1, 1_000_000) as usize,
            work_dir,
            quick: common.quick,
            repository,
        }
    }

    /// The duration of the load before each window, which is not recorded.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.seconds / 4).min(Duration::from_secs(2))
    }

    /// The script that starts the peers.
    pub(crate) fn peers_script(&self) -> PathBuf {
        self.repository.join("bench/peers.sh")
    }

    /// Returns `quick` in a smoke run, otherwise `full`.
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
