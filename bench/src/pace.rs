//! When requests are due: closed loop (the next when the last is answered) or open loop (by the clock, whatever
//! the server does), and an alarm precise enough for the second.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::error::{Doing, Result};

/// Which loop drives the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Every client asks again as soon as it is answered: the most that the server gives.
    Closed,
    /// Requests are due at fixed instants. Latency counts from the instant at which a request was due, not from
    /// the one at which a free connection was found, so a stalled server is charged for all whom it kept waiting
    /// (no coordinated omission: <https://www.youtube.com/watch?v=lJ8ydIuPFeU>).
    Open {
        /// Requests due in a second.
        per_second: f64,
    },
}

/// One stretch of load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Which loop.
    pub(crate) pace: Pace,
    /// Load before anything is recorded.
    pub(crate) warm_up: Duration,
    /// How long is recorded; `None`: until the work runs out.
    pub(crate) measure: Option<Duration>,
}

impl Plan {
    /// As much work as there is, as fast as it goes.
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
    /// Due at `start` and then `per_second` times a second, evenly.
    pub(crate) fn new(start: Instant, per_second: f64) -> Self {
        Self { start, interval_ns: 1e9 / per_second.max(0.001), next: 0 }
    }

    /// When the next request is due.
    pub(crate) fn due(&self) -> Instant {
        self.start + Duration::from_nanos((self.next as f64 * self.interval_ns) as u64)
    }

    /// How many requests that are not taken yet are due before `until`.
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

/// A timer with the kernel's own precision: `epoll_wait` and Tokio's timers count in milliseconds, in which a fast
/// server answers a dozen times.
#[derive(Debug)]
pub(crate) struct Alarm {
    fd: OwnedFd,
    set_for: Option<Instant>,
}

impl Alarm {
    /// An alarm that is not set.
    pub(crate) fn new() -> Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).doing("creating a timer")?;
        Ok(Self { fd, set_for: None })
    }

    /// Becomes readable at `at`.
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

    /// Makes a rung alarm quiet.
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

/// The one descriptor that it has as long as it lives.
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
