//! Tracks what a connection is doing and since when, for the idle timeout and the timeout of a request's head.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The maximum time for the head of a request from its first byte. Browsers send it at once; on the slowest networks
/// its 2 KB take some seconds.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The activity of a connection. Clones share the state of the same connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Mutex<Doing>>);

#[derive(Debug, Clone, Copy)]
enum Doing {
    /// A request is being answered.
    Request,
    /// The connection is idle: nothing was received or sent since then.
    Nothing { since: Instant },
    /// The head of a request is arriving.
    Head { since: Instant },
}

impl Default for Doing {
    fn default() -> Self {
        Self::Nothing { since: Instant::now() }
    }
}

/// A request in progress. Dropping it makes the connection idle.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.0.lock() = Doing::default();
    }
}

impl Activity {
    /// Marks that a head is complete and its request is being answered.
    pub(super) fn begin(&self) -> Busy {
        *self.0.lock() = Doing::Request;
        Busy(self.clone())
    }

    /// Marks that bytes have arrived. More bytes of a head do not extend its timeout.
    pub(super) fn received(&self) {
        let mut doing = self.0.lock();
        if let Doing::Nothing { .. } = *doing {
            *doing = Doing::Head { since: Instant::now() };
        }
    }

    /// Marks that the client took some of a response.
    pub(super) fn sent(&self) {
        let mut doing = self.0.lock();
        if let Doing::Nothing { since } = &mut *doing {
            *since = Instant::now();
        }
    }

    /// Returns when the connection was idle for `idle_timeout`, or a head takes too long.
    pub(super) async fn idled(&self, idle_timeout: Duration) {
        let head_timeout = HEAD_TIMEOUT.min(idle_timeout);
        loop {
            let doing = *self.0.lock();
            let ends_at = match doing {
                Doing::Request => Instant::now() + idle_timeout,
                Doing::Nothing { since } => since + idle_timeout,
                Doing::Head { since } => since + head_timeout,
            };
            let now = Instant::now();
            if ends_at <= now {
                return;
            }
            // A head may begin at any time, and its timeout is shorter: run again within it.
            tokio::time::sleep_until(ends_at.min(now + head_timeout)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(75);

    /// The time until the connection counts as idle, if `meanwhile` happens every second.
    async fn idles_after(activity: &Activity, meanwhile: impl Fn(&Activity)) -> Duration {
        let began = Instant::now();
        let mut idled = std::pin::pin!(activity.idled(IDLE));
        while began.elapsed() < 4 * IDLE {
            if tokio::time::timeout(Duration::from_secs(1), &mut idled).await.is_ok() {
                break;
            }
            meanwhile(activity);
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_head_has_a_single_timeout() {
        let activity = Activity::default();
        let took = idles_after(&activity, Activity::received).await;
        assert!(took >= HEAD_TIMEOUT && took <= 2 * HEAD_TIMEOUT + Duration::from_secs(2), "{took:?}");
        let began = Instant::now();
        activity.idled(IDLE).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "a repeated check does not wait again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_is_not_idle_and_silence_is() {
        let activity = Activity::default();
        assert!(idles_after(&activity, Activity::sent).await >= 4 * IDLE);
        let took = idles_after(&Activity::default(), |_| {}).await;
        assert!(took >= IDLE && took <= IDLE + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_answered_is_not_idle_and_begins_a_new_wait() {
        let activity = Activity::default();
        let busy = activity.begin();
        assert!(idles_after(&activity, Activity::received).await >= 4 * IDLE);
        drop(busy);
        assert!(idles_after(&activity, |_| {}).await >= IDLE);
    }
}
