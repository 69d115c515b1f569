//! What a connection is doing, and since when: how long it may idle, and how long the head of a request may take.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the head of a request may take from its first byte on. Browsers send it at once; on the worst lines its 2 KB
/// take some seconds.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// What a connection is doing. Clones are of the same connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(Arc<Mutex<Doing>>);

#[derive(Debug, Clone, Copy)]
enum Doing {
    /// A request is being answered.
    Request,
    /// Nothing: neither asked nor told anything since then.
    Nothing { since: Instant },
    /// A head is arriving.
    Head { since: Instant },
}

impl Default for Doing {
    fn default() -> Self {
        Self::Nothing { since: Instant::now() }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.0.lock() = Doing::default();
    }
}

impl Activity {
    /// A head is whole, and its request is being answered.
    pub(super) fn begin(&self) -> Busy {
        *self.0.lock() = Doing::Request;
        Busy(self.clone())
    }

    /// Bytes have come. Those of a head do not put off its end.
    pub(super) fn heard(&self) {
        let mut doing = self.0.lock();
        if let Doing::Nothing { .. } = *doing {
            *doing = Doing::Head { since: Instant::now() };
        }
    }

    /// The peer took something of an answer.
    pub(super) fn told(&self) {
        let mut doing = self.0.lock();
        if let Doing::Nothing { since } = &mut *doing {
            *since = Instant::now();
        }
    }

    /// Ends when nothing was asked or told for `idle_timeout`, or a head takes too long.
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
            // A head may begin at any time, and is looked at within its own timeout.
            tokio::time::sleep_until(ends_at.min(now + head_timeout)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(75);

    /// How long it takes until the connection is idle, if `meanwhile` happens every second.
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
    async fn a_head_that_trickles_has_one_timeout_and_no_second() {
        let activity = Activity::default();
        let took = idles_after(&activity, Activity::heard).await;
        assert!(took >= HEAD_TIMEOUT && took <= 2 * HEAD_TIMEOUT + Duration::from_secs(2), "{took:?}");
        let began = Instant::now();
        activity.idled(IDLE).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "whoever looks again does not wait again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_is_not_idle_and_silence_is() {
        let activity = Activity::default();
        assert!(idles_after(&activity, Activity::told).await >= 4 * IDLE);
        let took = idles_after(&Activity::default(), |_| {}).await;
        assert!(took >= IDLE && took <= IDLE + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_answered_is_not_idle_and_begins_a_new_wait() {
        let activity = Activity::default();
        let busy = activity.begin();
        assert!(idles_after(&activity, Activity::heard).await >= 4 * IDLE);
        drop(busy);
        assert!(idles_after(&activity, |_| {}).await >= IDLE);
    }
}
