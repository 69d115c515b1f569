//! The peer PostgreSQL: one hot row and one hold for each reservation, in one statement and so in one transaction.
//!
//! Like Redis it has less to do than the server under test: no cap, no idempotency, no foreign key. `fsync` and
//! `synchronous_commit` are on, as by default.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Runtime,
    task::LocalSet,
};
use tokio_postgres::{Client, NoTls, Statement};

use crate::{
    driver::Window,
    error::{BenchError, Doing, Result},
    pace::{Alarm, Pace, Plan, Schedule},
    peers::Peer,
    process::Ticks,
    reserve::{Contender, UNITS_PER_DROP},
};

const TABLES: &str = "\
CREATE TABLE IF NOT EXISTS drops (id bigint PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0));
CREATE TABLE IF NOT EXISTS holds (id bigint PRIMARY KEY, drop_id bigint NOT NULL, buyer bigint NOT NULL, quantity int NOT NULL,
    expires_at timestamptz NOT NULL);";

const RESERVE: &str = "\
WITH taken AS (UPDATE drops SET available = available - 1 WHERE id = $1 AND available > 0 RETURNING id)
INSERT INTO holds (id, drop_id, buyer, quantity, expires_at)
SELECT $2, id, $3, 1, now() + interval '1 hour' FROM taken";

/// The number of connections of the pooled contender: what a pool in front of a server with few cores would have.
const POOL_CLIENTS: usize = 16;
/// The first id of the pooled contender: both contenders use the same tables.
const POOL_IDS: i64 = 1 << 40;

/// PostgreSQL as a contender.
#[derive(Debug)]
pub(crate) struct Postgres {
    runtime: Runtime,
    peer: Peer,
    version: String,
    clients: Vec<Rc<Session>>,
    pooled: bool,
    guests: usize,
    drops: i64,
    holds: Rc<Cell<i64>>,
}

/// A connection with its prepared statement.
struct Session {
    client: Client,
    reserve: Statement,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Postgres {
    /// Creates the tables, and checks that the server is as durable as the comparison requires. With `pooled` it uses
    /// few connections, as behind a pool, whatever the number of clients.
    pub(crate) fn prepare(peer: &Peer, guests: usize, pooled: bool) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting a runtime")?;
        let version = runtime.block_on(async {
            let client = connect(peer).await?;
            for setting in ["fsync", "synchronous_commit"] {
                let on: String = client.query_one(&format!("SHOW {setting}"), &[]).await?.get(0);
                if on != "on" {
                    return Err(BenchError::Setup(format!("postgresql has {setting} {on}, the comparison needs on")));
                }
            }
            client.batch_execute(TABLES).await?;
            Ok::<String, BenchError>(client.query_one("SHOW server_version", &[]).await?.get(0))
        })?;
        let ids = if pooled { POOL_IDS } else { 0 };
        let (clients, holds, peer) = (Vec::new(), Rc::new(Cell::new(ids)), peer.clone());
        Ok(Self { runtime, peer, version, clients, pooled, guests, drops: ids, holds })
    }

    /// Opens the missing connections. They stay open between windows: each is a process of its own and slow to create.
    fn connect_all(&mut self, clients: usize) -> Result<()> {
        while self.clients.len() < clients {
            let session = self.runtime.block_on(async {
                let client = connect(&self.peer).await?;
                let reserve = client.prepare(RESERVE).await?;
                Ok::<Session, BenchError>(Session { client, reserve })
            })?;
            self.clients.push(Rc::new(session));
        }
        Ok(())
    }
}

async fn connect(peer: &Peer) -> Result<Client> {
    let mut config = tokio_postgres::Config::new();
    config.host(peer.address.ip().to_string()).port(peer.address.port()).user("bench").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl Contender for Postgres {
    fn name(&self) -> String {
        if self.pooled { format!("PostgreSQL, {POOL_CLIENTS} clients") } else { "PostgreSQL".to_owned() }
    }

    fn about(&self) -> String {
        let work = "UPDATE of one hot row + INSERT of the hold in one statement";
        format!("{}: version {}, fsync on, {work}", self.name(), self.version)
    }

    fn window(&mut self, plan: &Plan, clients: usize) -> Result<Window> {
        let clients = if self.pooled { clients.min(POOL_CLIENTS) } else { clients };
        self.connect_all(clients)?;
        self.drops += 1;
        let load = Rc::new(Load::new(plan, self.drops, self.guests as i64, Rc::clone(&self.holds)));
        let sessions: Vec<Rc<Session>> = self.clients.iter().take(clients).map(Rc::clone).collect();
        let Some(first) = sessions.first().map(Rc::clone) else {
            return Err(BenchError::Setup("at least one client is needed".to_owned()));
        };
        let (drop, pid) = (self.drops, self.peer.pid);
        LocalSet::new().block_on(&self.runtime, async {
            let units = i64::try_from(UNITS_PER_DROP).unwrap_or(i64::MAX);
            first.client.execute("INSERT INTO drops VALUES ($1, $2)", &[&drop, &units]).await?;
            load.begin();
            let workers: Vec<_> =
                sessions.into_iter().map(|session| tokio::task::spawn_local(Rc::clone(&load).work(session))).collect();
            tokio::time::sleep_until(load.from().into()).await;
            let before = Ticks::read(pid);
            tokio::time::sleep_until(load.until().into()).await;
            let after = Ticks::read(pid);
            for worker in workers {
                worker.await.map_err(|panic| BenchError::Setup(format!("a worker panicked: {panic}")))??;
            }
            let count = "SELECT count(*) FROM holds WHERE drop_id = $1";
            let recorded: i64 = first.client.query_one(count, &[&drop]).await?.get(0);
            let mut window = load.window.replace(Window::new());
            window.cpu = before.until(&after);
            if recorded as u64 != window.done_in_all {
                let (acknowledged, recorded) = (window.done_in_all, recorded as u64);
                return Err(BenchError::Mislaid { peer: "PostgreSQL".to_owned(), acknowledged, recorded });
            }
            Ok(window)
        })
    }
}

/// The load of one window, shared by the workers on their one thread.
struct Load {
    plan: Plan,
    drop: i64,
    guests: i64,
    holds: Rc<Cell<i64>>,
    start: Cell<Instant>,
    schedule: RefCell<Option<Schedule>>,
    window: RefCell<Window>,
}

impl Load {
    fn new(plan: &Plan, drop: i64, guests: i64, holds: Rc<Cell<i64>>) -> Self {
        let (start, schedule) = (Cell::new(Instant::now()), RefCell::new(None));
        Self { plan: *plan, drop, guests, holds, start, schedule, window: RefCell::new(Window::new()) }
    }

    /// Starts the clock.
    fn begin(&self) {
        let start = Instant::now();
        self.start.set(start);
        if let Pace::Open { per_second } = self.plan.pace {
            self.schedule.replace(Some(Schedule::new(start, per_second)));
        }
        self.window.borrow_mut().seconds = self.measured().as_secs_f64();
    }

    fn measured(&self) -> Duration {
        self.plan.measure.unwrap_or(Duration::from_secs(1))
    }

    fn from(&self) -> Instant {
        self.start.get() + self.plan.warm_up
    }

    fn until(&self) -> Instant {
        self.from() + self.measured()
    }

    /// Runs one client: takes the next due request, whichever it is, and waits for its answer.
    async fn work(self: Rc<Self>, session: Rc<Session>) -> Result<()> {
        // Deprecated for types that could swap or close their descriptor while it is registered; an alarm cannot. The
        // constructor that is not deprecated differs only in being `unsafe`, which this workspace denies.
        #[allow(deprecated)]
        let mut alarm = AsyncFd::with_interest(Alarm::new()?, Interest::READABLE).doing("watching a timer")?;
        loop {
            let due = match self.schedule.borrow_mut().as_mut() {
                Some(schedule) => schedule.take(),
                None => Instant::now(),
            };
            if due >= self.until() {
                return Ok(());
            }
            if due > Instant::now() {
                alarm.get_mut().set(due)?;
                alarm.readable().await.doing("waiting for a timer")?.clear_ready();
                alarm.get_mut().quiet();
            }
            let sent = Instant::now();
            self.holds.set(self.holds.get() + 1);
            let hold = self.holds.get();
            let taken = session.client.execute(&session.reserve, &[&self.drop, &hold, &(hold % self.guests)]).await?;
            self.settle(due, sent, taken == 1);
        }
    }

    fn settle(&self, due: Instant, sent: Instant, taken: bool) {
        let now = Instant::now();
        let mut window = self.window.borrow_mut();
        if !taken {
            window.refused += 1;
            return;
        }
        window.done_in_all += 1;
        let open = self.plan.pace != Pace::Closed;
        let at = if open { due } else { now };
        if at < self.from() || at >= self.until() {
            return;
        }
        window.operations += 1;
        window.latency.saturating_record(now.duration_since(due).as_nanos() as u64);
        if open {
            window.lateness.saturating_record(sent.duration_since(due).as_nanos() as u64);
        }
    }
}
