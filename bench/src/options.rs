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

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything; writes bench/RESULTS.md
    Run {
        #[command(flatten)]
        reserve: ReserveOptions,
        #[command(flatten)]
        cold_start: ColdStartOptions,
        #[command(flatten)]
        footprint: FootprintOptions,
        #[command(flatten)]
        live: Box<LiveOptions>,
        /// Write the results here (a --quick run writes none unless this is given)
        #[arg(long)]
        results: Option<PathBuf>,
    },
    /// Durable reservations a second and their latency, beside Redis and PostgreSQL
    Reserve(ReserveOptions),
    /// Restart with many live holds on one drop, and the longest stall while it is snapshotted
    ColdStart(ColdStartOptions),
    /// Memory for each idle cart, journal bytes for each reservation
    Footprint(FootprintOptions),
    /// Lines added to carts, and whole checkouts, a second
    Checkout,
    /// Over WebSocket: reservations, telling many, idle connections, a rush that many look at
    Live(Box<LiveOptions>),
    /// The drop page in Chromium: until one can tap, and from the tap to the hold
    Page,
    /// Clients that behave, beside hostile ones
    Faults,
}

/// For every measurement.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server's binary [default: target/release/fusion beside this one's repository]
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
    /// Connections, one request in flight on each
    #[arg(long, global = true, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    clients: u16,
    /// Seconds measured in each window [default: 10, quick: 2]
    #[arg(long, global = true)]
    seconds: Option<f64>,
    /// Rounds, of which the median counts [default: 3, quick: 1]
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Guests who take turns; each may claim 100 units of a drop [default: 12000, quick: 3000]
    #[arg(long, global = true)]
    guests: Option<u32>,
    /// A smoke run: short windows, one round, small numbers
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// Measure on a busy machine too; the results say so
    #[arg(long, global = true)]
    pub(crate) force: bool,
    /// How long to wait for the load average to come down, in seconds
    #[arg(long, global = true, default_value_t = 180)]
    pub(crate) calm_seconds_max: u64,
    /// Where data folders are made; not in memory [default: $TMPDIR, /tmp or /var/tmp]
    #[arg(long, global = true)]
    pub(crate) work_dir: Option<PathBuf>,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contestant {
    /// The server under test, over REST.
    Fusion,
    /// Debian's Redis.
    Redis,
    /// Debian's PostgreSQL.
    Postgres,
    /// The same server with few connections, as behind a pool: many that queue for one row only hinder it.
    PostgresPooled,
}

/// For the reservations.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReserveOptions {
    /// Who takes part
    #[arg(long, value_delimiter = ',', default_value = "fusion,redis,postgres,postgres-pooled")]
    pub(crate) only: Vec<Contestant>,
    /// The open loop's rate as a part of each one's own closed-loop throughput
    #[arg(long, default_value_t = 0.5)]
    pub(crate) open_share: f64,
    /// The open loop's rate in requests a second, the same for all, instead
    #[arg(long)]
    pub(crate) open_rate: Option<f64>,
}

/// For the cold start.
#[derive(Debug, Clone, Args)]
pub(crate) struct ColdStartOptions {
    /// Live holds on the drop [default: 1000000, quick: 20000]
    #[arg(long)]
    pub(crate) holds: Option<u64>,
    /// Claims a second, open loop, while a snapshot is waited for
    #[arg(long, default_value_t = 10_000.0)]
    pub(crate) stall_rate: f64,
    /// How long a snapshot is waited for, in seconds [default: 150, quick: 10]
    #[arg(long)]
    pub(crate) stall_seconds_max: Option<u64>,
}

/// For the footprint.
#[derive(Debug, Clone, Args)]
pub(crate) struct FootprintOptions {
    /// Carts [default: 20000, quick: 2000]
    #[arg(long)]
    pub(crate) carts: Option<u32>,
    /// Reservations [default: 200000, quick: 20000]
    #[arg(long)]
    pub(crate) reservations: Option<u32>,
}

/// What is measured over WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LivePart {
    /// Reservations, beside Redis.
    Claims,
    /// CPU for each delivery of a fact, beside Bun and ws.
    FanOut,
    /// Memory for each idle connection, beside Bun and ws.
    Idle,
    /// Buyers who claim while many look on.
    Rush,
}

/// Who tells many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broadcasting {
    /// The server under test.
    Fusion,
    /// Bun's own WebSocket server.
    Bun,
    /// The package ws on Node.
    Ws,
}

/// For the live doors.
#[derive(Debug, Clone, Args)]
pub(crate) struct LiveOptions {
    /// What is measured over WebSocket
    #[arg(long, value_delimiter = ',', default_value = "claims,fan-out,idle,rush")]
    pub(crate) parts: Vec<LivePart>,
    /// Who tells many, and holds idle connections
    #[arg(long, value_delimiter = ',', default_value = "fusion,bun,ws")]
    pub(crate) broadcasters: Vec<Broadcasting>,
    /// Claims in a message of those that send many
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub(crate) batch: u16,
    /// Connections that hear every fact [default: 1000, quick: 200]
    #[arg(long)]
    pub(crate) listeners: Option<u32>,
    /// Connections that rest [default: 10000, quick: 1000]
    #[arg(long)]
    pub(crate) idle_connections: Option<u32>,
    /// Connections that look at the drop in the rush [default: 10000, quick: 1000]
    #[arg(long)]
    pub(crate) onlookers: Option<u32>,
    /// Buyers in the rush [default: 2000, quick: 200]
    #[arg(long)]
    pub(crate) buyers: Option<u32>,
    /// Units that a buyer in the rush may have, claimed one by one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) claims_each: u32,
}

/// The options of every measurement, worked out.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The repository.
    pub(crate) repository: PathBuf,
    /// The server's binary.
    pub(crate) binary: PathBuf,
    /// Connections.
    pub(crate) clients: usize,
    /// Measured in each window.
    pub(crate) seconds: Duration,
    /// Rounds.
    pub(crate) rounds: u32,
    /// Guests who take turns.
    pub(crate) guests: usize,
    /// Where data folders are made.
    pub(crate) work_dir: PathBuf,
    /// A smoke run.
    pub(crate) quick: bool,
}

impl Options {
    /// The binary as results name it: from the repository on, where it lies in there.
    pub(crate) fn binary_named(&self) -> String {
        self.binary.strip_prefix(&self.repository).unwrap_or(&self.binary).display().to_string()
    }

    /// Fills in what was not given.
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

    /// Load before each window that is not recorded.
    pub(crate) fn warm_up(&self) -> Duration {
        (self.seconds / 4).min(Duration::from_secs(2))
    }

    /// The script that starts the peers.
    pub(crate) fn peers_script(&self) -> PathBuf {
        self.repository.join("bench/peers.sh")
    }

    /// One of two numbers.
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
