//! The times at which requests are due: in a closed loop (each after the answer to the last) or an open loop (by the
//! clock, whatever the server does); and a timer precise enough for the latter.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::error::{Doing, Result};

/// The kind of loop that drives the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Every client sends its next request as soon as the last is answered: the maximum that the server gives.
    Closed,
    /// Requests are due at fixed instants. Latency counts from the instant at which a request was due, not from the
    /// instant at which a free connection was found, so a stalled server is charged for every request that it delayed
    /// (no coordinated omission: <https://www.youtube.com/watch?v=lJ8ydIuPFeU>).
    Open {
        /// Requests due per second.
        per_second: f64,
    },
}

/// One period of load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The kind of loop.
    pub(crate) pace: Pace,
    /// The duration of the load before anything is recorded.
    pub(crate) warm_up: Duration,
    /// The recorded duration. `None`: until the work runs out.
    pub(crate) measure: Option<Duration>,
}

impl Plan {
    /// A plan that does all of the work, as fast as possible.
    pub(crate) fn all_of_it() -> Self {
        Self { pace: Pace::Closed, warm_up: Duration::ZERO, measure: None }
    }
}

/// The instants at which an open loop's requests are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    interval_ns: f64,
    next: u64,
}

impl Schedule {
    /// A schedule with the first request at `start`, and then `per_second` requests per second at even intervals.
    pub(crate) fn new(start: Instant, per_second: f64) -> Self {
        Self { start, interval_ns: 1e9 / per_second.max(0.001), next: 0 }
    }

    /// When the next request is due.
    pub(crate) fn due(&self) -> Instant {
        self.start + Duration::from_nanos((self.next as f64 * self.interval_ns) as u64)
    }

    /// The number of requests that are due before `until` and not taken yet.
    pub(crate) fn due_before(&self, until: Instant) -> usize {
        (until.saturating_duration_since(self.due()).as_nanos() as f64 / self.interval_ns).ceil() as usize
    }

    /// Takes the next request.
    pub(crate) fn take(&mut self) -> Instant {
        let due = self.due();
        self.next += 1;
        due
    }
}

/// A timer with the kernel's own precision. `epoll_wait` and Tokio's timers count in milliseconds, and a fast server
/// answers a dozen times in one.
#[derive(Debug)]
pub(crate) struct Alarm {
    fd: OwnedFd,
    set_for: Option<Instant>,
}

impl Alarm {
    /// Creates a timer that is not set.
    pub(crate) fn new() -> Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).doing("creating a timer")?;
        Ok(Self { fd, set_for: None })
    }

    /// Sets the timer: it becomes readable at `at`.
    pub(crate) fn set(&mut self, at: Instant) -> Result<()> {
        if self.set_for == Some(at) {
            return Ok(());
        }
        let wait = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: value })
            .doing("setting a timer")?;
        self.set_for = Some(at);
        Ok(())
    }

    /// Resets a timer that has fired.
    pub(crate) fn quiet(&mut self) {
        let mut rings = [0_u8; 8];
        let _ = rustix::io::read(&self.fd, &mut rings);
        self.set_for = None;
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The descriptor never changes during the timer's lifetime.
impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_even_and_does_not_drift() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 3.0);
        for _ in 0..3_000 {
            schedule.take();
        }
        let off = schedule.due().duration_since(start).as_secs_f64() - 1_000.0;
        assert!(off.abs() < 1e-6, "drifted by {off} s");
    }
}
