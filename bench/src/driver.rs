//! The load generator: one thread, one `epoll`, many connections with one request in flight on each.
//!
//! It shares the machine with the server that it measures, so it does as little as possible for each request: one
//! `write`, one `read`, and the parsing that the protocol requires. Its own CPU use is measured and printed beside
//! every figure.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::{
    error::{BenchError, Doing, Result},
    pace::{Alarm, Pace, Plan, Schedule},
    process::{CpuUse, Ticks},
};

/// How long to wait for answers after the last request: far above any stall that is still worth a figure.
const DRAIN: Duration = Duration::from_secs(30);
/// The maximum size of one answer in memory.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Longer latencies are recorded as this one.
const LATENCY_MAX: Duration = Duration::from_secs(120);
const EVENTS_AT_ONCE: usize = 256;
const ALARM: u64 = u64::MAX;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The operation is done.
    Done,
    /// The server refused it for now (overloaded, rate limited, sold out): counted separately, never as throughput.
    Refused,
    /// One request of several: the operation continues on the same connection, and its latency is still running.
    Step,
    /// A part of the answer, or an unsolicited message: the rest is still expected.
    Aside,
}

/// A protocol, with the work to be done in it.
pub(crate) trait Dialect {
    /// The name of the server in error messages.
    fn peer(&self) -> &str;
    /// Appends the connection's next request to `out`. Returns `false` if there is no work left.
    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool;
    /// Reads one answer from the front of `input`: its length and its meaning, or `None` while it is incomplete.
    fn answered(&mut self, connection: usize, input: &[u8]) -> Result<Option<(usize, Verdict)>>;
}

/// The measurements of one window.
#[derive(Debug)]
pub(crate) struct Window {
    /// Nanoseconds from the time an operation was due (open loop) or sent (closed loop) to its answer.
    pub(crate) latency: Histogram<u64>,
    /// Open loop: nanoseconds from the time a request was due to the time it was sent.
    pub(crate) lateness: Histogram<u64>,
    /// Operations done within the window.
    pub(crate) operations: u64,
    /// The length of the window.
    pub(crate) seconds: f64,
    /// All operations done, including those before and after the window.
    pub(crate) done_in_all: u64,
    /// All operations that the server refused for now.
    pub(crate) refused: u64,
    /// CPU used during the window.
    pub(crate) cpu: CpuUse,
    /// Whether the work ran out before the window ended.
    pub(crate) ran_out: bool,
}

impl Window {
    /// A window without measurements.
    pub(crate) fn new() -> Self {
        Self {
            latency: latency_histogram(),
            lateness: latency_histogram(),
            operations: 0,
            seconds: 0.0,
            done_in_all: 0,
            refused: 0,
            cpu: CpuUse::default(),
            ran_out: false,
        }
    }

    /// Operations per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.seconds.max(1e-9)
    }

    /// A percentile of the latency, in milliseconds.
    pub(crate) fn latency_ms(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e6
    }

    /// Counts every operation as `each` operations: a message that carries several. The latency remains that of a
    /// message.
    pub(crate) fn weigh(&mut self, each: u64) {
        for count in [&mut self.operations, &mut self.done_in_all, &mut self.refused] {
            *count *= each;
        }
    }

    /// The server's CPU time for each operation, in microseconds.
    pub(crate) fn server_us(&self) -> f64 {
        self.cpu.server_seconds * 1e6 / self.operations.max(1) as f64
    }

    /// The generator's CPU time for each operation, in microseconds.
    pub(crate) fn generator_us(&self) -> f64 {
        self.cpu.generator_seconds * 1e6 / self.operations.max(1) as f64
    }
}

/// A histogram of nanoseconds with three significant digits, from one microsecond on.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    // The bounds are constants that the crate accepts: low ≥ 1, high ≥ 2 × low, at most 5 digits.
    #[allow(clippy::unwrap_used)]
    Histogram::new_with_bounds(1_000, LATENCY_MAX.as_nanos() as u64, 3).unwrap()
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    due: Option<Instant>,
    /// The socket was full: the kernel reports when the rest of the request fits.
    blocked: bool,
}

/// The connections to one server. They are open for one window only, so that no server's idle timeout falls into the
/// next.
pub(crate) struct Driver {
    epoll: std::os::fd::OwnedFd,
    alarm: Alarm,
    connections: Vec<Connection>,
}

impl Driver {
    /// Opens `clients` connections.
    pub(crate) fn connect(address: SocketAddr, clients: usize) -> Result<Self> {
        let connect = |_| TcpStream::connect(address).doing(format!("connecting to {address}"));
        Self::over((0..clients).map(connect).collect::<Result<_>>()?)
    }

    /// Uses connections on which everything before the first request is done.
    pub(crate) fn over(streams: Vec<TcpStream>) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).doing("creating an epoll")?;
        let alarm = Alarm::new()?;
        epoll::add(&epoll, &alarm, EventData::new_u64(ALARM), EventFlags::IN).doing("watching the timer")?;
        let mut connections = Vec::with_capacity(streams.len());
        for (index, stream) in streams.into_iter().enumerate() {
            stream.set_nodelay(true).doing("setting nodelay")?;
            stream.set_nonblocking(true).doing("setting nonblocking")?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN).doing("watching a socket")?;
            let (out, input) = (Vec::with_capacity(2_048), vec![0; 4_096]);
            connections.push(Connection { stream, out, written: 0, input, filled: 0, due: None, blocked: false });
        }
        Ok(Self { epoll, alarm, connections })
    }

    /// Runs `plan` and waits for every answer. `server` is the process whose CPU is counted.
    pub(crate) fn run(&mut self, dialect: &mut dyn Dialect, plan: &Plan, server: u32) -> Result<Window> {
        let start = Instant::now();
        let from = start + plan.warm_up;
        let until = plan.measure.map(|measure| from + measure);
        let mut run = Run {
            dialect,
            window: Window::new(),
            schedule: match plan.pace {
                Pace::Closed => None,
                Pace::Open { per_second } => Some(Schedule::new(start, per_second)),
            },
            from,
            until,
            idle: (0..self.connections.len()).collect(),
            asking: true,
        };
        let mut before: Option<Ticks> = None;
        let mut after: Option<(Ticks, Instant)> = None;
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let now = Instant::now();
            if before.is_none() && now >= from {
                before = Some(Ticks::read(server));
            }
            let over = until.is_some_and(|until| now >= until);
            // An open loop still sends what was due, however late; in a closed loop nothing is due.
            run.asking &= !over || run.schedule.is_some();
            self.ask_what_is_due(&mut run)?;
            if after.is_none() && (over || run.window.ran_out) {
                after = Some((Ticks::read(server), now));
            }
            let waiting = self.connections.len() - run.idle.len();
            if !run.asking && waiting == 0 {
                break;
            }
            let give_up = after.map(|(_, at)| at + DRAIN);
            if give_up.is_some_and(|at| now >= at) {
                let unanswered = waiting + run.owed();
                let peer = run.dialect.peer().to_owned();
                return Err(BenchError::Unanswered { peer, unanswered, seconds: DRAIN.as_secs() });
            }
            self.set_alarm(&run, give_up)?;
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).doing("waiting for answers"),
            }
            for event in &events {
                match event.data.u64() {
                    ALARM => self.alarm.quiet(),
                    index => self.serve(index as usize, event.flags, &mut run)?,
                }
            }
        }
        let (after, ended) = after.unwrap_or_else(|| (Ticks::read(server), Instant::now()));
        let whole = plan.measure.filter(|_| !run.window.ran_out);
        let seconds = whole.unwrap_or_else(|| ended.saturating_duration_since(from));
        run.window.seconds = seconds.as_secs_f64();
        run.window.cpu = before.map_or(CpuUse::default(), |before| before.until(&after));
        Ok(run.window)
    }

    fn ask_what_is_due(&mut self, run: &mut Run<'_>) -> Result<()> {
        while run.asking && !run.idle.is_empty() {
            let due = match &mut run.schedule {
                None => Instant::now(),
                Some(schedule) if run.until.is_some_and(|until| schedule.due() >= until) => {
                    run.asking = false;
                    return Ok(());
                }
                Some(schedule) if schedule.due() <= Instant::now() => schedule.take(),
                Some(_) => return Ok(()),
            };
            let Some(index) = run.idle.pop_front() else { return Ok(()) };
            if !self.ask(index, due, run)? {
                run.idle.push_back(index);
            }
        }
        Ok(())
    }

    /// Sends a request on a free connection. Returns `false` if there is no work left.
    fn ask(&mut self, index: usize, due: Instant, run: &mut Run<'_>) -> Result<bool> {
        let connection = &mut self.connections[index];
        connection.out.clear();
        connection.written = 0;
        if !run.dialect.ask(index, &mut connection.out) {
            run.window.ran_out = run.until.is_some();
            run.asking = false;
            return Ok(false);
        }
        if run.schedule.is_some() && due >= run.from {
            run.window.lateness.saturating_record(due.elapsed().as_nanos() as u64);
        }
        connection.due = Some(due);
        self.flush(index, run)?;
        Ok(true)
    }

    fn flush(&mut self, index: usize, run: &Run<'_>) -> Result<()> {
        let connection = &mut self.connections[index];
        while connection.written < connection.out.len() {
            match connection.stream.write(&connection.out[connection.written..]) {
                Ok(0) => return Err(run.hung_up(index)),
                Ok(written) => connection.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.blocked = true;
                    return self.watch(index, EventFlags::IN | EventFlags::OUT);
                }
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(run.hung_up(index)),
                Err(error) => return Err(error).doing(format!("writing to {}", run.dialect.peer())),
            }
        }
        if std::mem::take(&mut connection.blocked) { self.watch(index, EventFlags::IN) } else { Ok(()) }
    }

    fn watch(&self, index: usize, flags: EventFlags) -> Result<()> {
        let stream = &self.connections[index].stream;
        epoll::modify(&self.epoll, stream, EventData::new_u64(index as u64), flags).doing("watching a socket")
    }

    /// Does what a socket's readiness allows: sends the rest of a request, reads an answer, sends the next request.
    fn serve(&mut self, index: usize, flags: EventFlags, run: &mut Run<'_>) -> Result<()> {
        if flags.contains(EventFlags::OUT) {
            self.flush(index, run)?;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        if connection.filled == connection.input.len() {
            if connection.input.len() >= ANSWER_BYTES_MAX {
                return Err(BenchError::Setup(format!("{} sent an endless answer", run.dialect.peer())));
            }
            connection.input.resize(connection.input.len() * 2, 0);
        }
        match connection.stream.read(&mut connection.input[connection.filled..]) {
            Ok(0) => return Err(run.hung_up(index)),
            Ok(read) => connection.filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(run.hung_up(index)),
            Err(error) => return Err(error).doing(format!("reading from {}", run.dialect.peer())),
        }
        loop {
            let connection = &mut self.connections[index];
            let input = &connection.input[..connection.filled];
            if input.is_empty() {
                return Ok(());
            }
            let Some((length, verdict)) = run.dialect.answered(index, input)? else { return Ok(()) };
            connection.input.copy_within(length..connection.filled, 0);
            connection.filled -= length;
            if verdict != Verdict::Aside {
                self.go_on(index, verdict, run)?;
            }
        }
    }

    /// Continues after a whole answer: with the operation's next request, or with the next operation.
    fn go_on(&mut self, index: usize, verdict: Verdict, run: &mut Run<'_>) -> Result<()> {
        let connection = &mut self.connections[index];
        let Some(due) = connection.due.take() else {
            return Err(BenchError::Setup(format!("{} sent an unexpected answer", run.dialect.peer())));
        };
        if verdict == Verdict::Step {
            // The operation continues even after the end of the window: half an operation is not a result.
            connection.out.clear();
            connection.written = 0;
            run.dialect.ask(index, &mut connection.out);
            connection.due = Some(due);
            return self.flush(index, run);
        }
        run.settle(due, verdict);
        if run.schedule.is_none() && run.asking && self.ask(index, Instant::now(), run)? {
            return Ok(());
        }
        run.idle.push_back(index);
        Ok(())
    }

    fn set_alarm(&mut self, run: &Run<'_>, give_up: Option<Instant>) -> Result<()> {
        let next_request = match &run.schedule {
            Some(schedule) if run.asking && !run.idle.is_empty() => Some(schedule.due()),
            _ => None,
        };
        let now = Instant::now();
        let turns = [Some(run.from), run.until, give_up].into_iter().flatten().find(|at| *at > now);
        match [next_request, turns].into_iter().flatten().min() {
            Some(at) => self.alarm.set(at),
            None => Ok(()),
        }
    }
}

/// The state of one run.
struct Run<'a> {
    dialect: &'a mut dyn Dialect,
    window: Window,
    schedule: Option<Schedule>,
    from: Instant,
    until: Option<Instant>,
    idle: VecDeque<usize>,
    asking: bool,
}

impl Run<'_> {
    /// Records a finished operation. Open loop: an operation that was due in the window counts, however late its
    /// answer. Closed loop: an operation that was answered in the window counts.
    fn settle(&mut self, due: Instant, verdict: Verdict) {
        if verdict == Verdict::Refused {
            self.window.refused += 1;
            return;
        }
        self.window.done_in_all += 1;
        let now = Instant::now();
        let at = if self.schedule.is_some() { due } else { now };
        if at >= self.from && self.until.is_none_or(|until| at < until) {
            self.window.operations += 1;
            self.window.latency.saturating_record(now.duration_since(due).as_nanos() as u64);
        }
    }

    /// Open loop: the number of requests that were due and found no free connection.
    fn owed(&self) -> usize {
        let (Some(schedule), Some(until)) = (&self.schedule, self.until) else { return 0 };
        if self.asking { schedule.due_before(until) } else { 0 }
    }

    fn hung_up(&self, connection: usize) -> BenchError {
        BenchError::HungUp { peer: self.dialect.peer().to_owned(), connection }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
