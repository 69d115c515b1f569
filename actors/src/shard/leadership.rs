//! The states of a shard's leadership on this node, and what callers see of them.
//!
//! ```text
//!                 acquire            the Lead counts          the tail is read
//!      Follower ──────────► Candidate ─────────────► Recovering ───────────► Leader
//!       ▲  ▲                 │  ▲  ▲                   │                     │  │ │
//!       │  │                 └──┘  └── failed, again ──┴─────────────────────┘  │ │
//!       │  │                 failed, again                                      │ │
//!       │  └────────────── fenced by a newer leader ────────────────────────────┘ │
//!       │                                                                         │ drain
//!       └─────────────────────────── SteppingDown ◄───────────────────────────────┘
//! ```
//!
//! Every state becomes `Follower` when the node ends, and when its error is one that waiting does not help.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::Instant,
};

use crate::leader::Leader;

/// The state of a shard's leadership. A state that is left ends the tasks that it has.
pub(super) enum LeaderState {
    /// The node does not lead the shard, and does not try to.
    Follower {
        /// The time from which on a caller that needs the shard makes the node a candidate. `None`: only
        /// [`AcquireLeadership`](super::ShardMessage::AcquireLeadership) does.
        candidate_from: Option<Instant>,
    },
    /// The node appends a Lead.
    Candidate {
        /// The task that acquires the leadership.
        tasks: JoinSet<()>,
        /// When it began, for the duration of the recovery.
        since: std::time::Instant,
    },
    /// The Lead counts. The node reads what the log has before it.
    Recovering {
        /// The task that reads.
        tasks: JoinSet<()>,
    },
    /// The node leads the shard.
    Leader {
        /// The leadership.
        leader: Arc<Leader>,
        /// Its writer, its agenda, and the checkpoint under way.
        tasks: JoinSet<()>,
        /// Whether a checkpoint is under way.
        checkpointing: bool,
        /// When it began.
        since: Instant,
    },
    /// The node still leads the shard, but finishes: it takes the last checkpoint.
    SteppingDown {
        /// The leadership.
        leader: Arc<Leader>,
        /// As of `Leader`, and the task that finishes.
        tasks: JoinSet<()>,
        /// Receives the information that the leadership has ended.
        done: oneshot::Sender<()>,
    },
}

impl Default for LeaderState {
    fn default() -> Self {
        Self::Follower { candidate_from: None }
    }
}

impl LeaderState {
    /// Whether `next` may follow this state.
    fn may_become(&self, next: &Self) -> bool {
        use LeaderState as S;
        match (self, next) {
            (_, S::Follower { .. }) => true,
            (S::SteppingDown { .. }, S::Candidate { .. }) => false,
            (_, S::Candidate { .. }) => true,
            (S::Candidate { .. }, S::Recovering { .. }) => true,
            (S::Recovering { .. }, S::Leader { leader, .. }) => !leader.has_ended(),
            (S::Leader { leader, .. }, S::SteppingDown { leader: same, .. }) => Arc::ptr_eq(leader, same),
            _ => false,
        }
    }

    /// The name of the state, for logs and assertions.
    pub(super) fn name(&self) -> &'static str {
        match self {
            LeaderState::Follower { .. } => "follower",
            LeaderState::Candidate { .. } => "candidate",
            LeaderState::Recovering { .. } => "recovering",
            LeaderState::Leader { .. } => "leader",
            LeaderState::SteppingDown { .. } => "stepping down",
        }
    }

    /// The leadership, if the node has it.
    pub(super) fn leader(&self) -> Option<&Arc<Leader>> {
        match self {
            LeaderState::Leader { leader, .. } | LeaderState::SteppingDown { leader, .. } => Some(leader),
            LeaderState::Follower { .. } | LeaderState::Candidate { .. } | LeaderState::Recovering { .. } => None,
        }
    }

    /// Ends the state. Returns its tasks, which end when they are dropped.
    fn end(self) -> JoinSet<()> {
        match self {
            LeaderState::Follower { .. } => JoinSet::new(),
            LeaderState::Candidate { tasks, .. }
            | LeaderState::Recovering { tasks }
            | LeaderState::Leader { tasks, .. } => tasks,
            LeaderState::SteppingDown { tasks, done, .. } => {
                // The node may have stopped waiting.
                let _ = done.send(());
                tasks
            }
        }
    }

    /// Changes the state, and publishes what callers need to know of it. No other function changes it. Returns the
    /// tasks of the former state, which end when they are dropped.
    pub(super) fn enter(&mut self, next: Self, current: &Current) -> JoinSet<()> {
        assert!(self.may_become(&next), "a shard that is {} cannot become {}", self.name(), next.name());
        // Published first, so that callers wait for the next leadership, or are refused, instead of reaching this one.
        current.publish(match &next {
            LeaderState::Follower { candidate_from } => Published::Elsewhere { candidate_from: *candidate_from },
            LeaderState::Candidate { .. } | LeaderState::Recovering { .. } => Published::Soon,
            LeaderState::Leader { leader, .. } | LeaderState::SteppingDown { leader, .. } => {
                Published::Leader(leader.clone())
            }
        });
        let former = std::mem::replace(self, next);
        if let Some(leader) = former.leader().filter(|_| self.leader().is_none()) {
            leader.mark_ended();
            leader.stop_entities();
        }
        former.end()
    }
}

/// What callers need to know of a shard's leadership.
enum Published {
    /// The node leads the shard. The leadership may have ended without the shard having noticed yet.
    Leader(Arc<Leader>),
    /// The node is about to lead the shard. Callers wait.
    Soon,
    /// The node does not lead the shard. Callers are refused, until `candidate_from`.
    Elsewhere { candidate_from: Option<Instant> },
}

/// The present leadership of a shard, as callers see it.
///
/// A `watch` channel would do, but it wakes the waiting tasks in random order, so that no simulation could be replayed.
pub(crate) struct Current {
    published: RwLock<Published>,
    changed: Notify,
}

impl Default for Current {
    /// A shard that is about to start: callers wait for it.
    fn default() -> Self {
        Self { published: RwLock::new(Published::Soon), changed: Notify::new() }
    }
}

impl Current {
    /// The present leadership, if any.
    pub(crate) fn get(&self) -> Option<Arc<Leader>> {
        match &*self.published.read() {
            Published::Leader(leader) => Some(leader.clone()),
            Published::Soon | Published::Elsewhere { .. } => None,
        }
    }

    /// The present leadership, unless it has ended.
    pub(crate) fn get_active(&self) -> Option<Arc<Leader>> {
        self.get().filter(|leader| !leader.has_ended())
    }

    fn publish(&self, published: Published) {
        *self.published.write() = published;
        self.changed.notify_waiters();
    }

    /// Whether the caller has to request that the node become a candidate: it is a follower for long enough. Returns
    /// true to one caller only; all others wait for the result.
    fn needs_candidate(&self, now: Instant) -> bool {
        let mut published = self.published.write();
        let due = matches!(&*published, Published::Elsewhere { candidate_from: Some(from) } if *from <= now);
        if due {
            *published = Published::Soon;
        }
        due
    }

    /// Waits for a leadership that has not ended. Returns `None` as soon as the node does not try to lead the shard.
    ///
    /// `acquire` is called if the node has been a follower for long enough: it requests a candidature.
    pub(crate) async fn leader(&self, acquire: impl FnOnce()) -> Option<Arc<Leader>> {
        if self.needs_candidate(Instant::now()) {
            acquire();
        }
        loop {
            // Registered before the check, so that a leadership published between the two is not missed.
            let changed = self.changed.notified();
            if let Some(leader) = self.get_active() {
                return Some(leader);
            }
            if matches!(&*self.published.read(), Published::Elsewhere { .. }) {
                return None;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn follower() -> LeaderState {
        LeaderState::default()
    }

    fn candidate() -> LeaderState {
        LeaderState::Candidate { tasks: JoinSet::new(), since: std::time::Instant::now() }
    }

    fn recovering() -> LeaderState {
        LeaderState::Recovering { tasks: JoinSet::new() }
    }

    #[test]
    fn a_shard_reads_the_log_only_after_its_lead_and_never_without_one() {
        assert!(follower().may_become(&candidate()));
        assert!(candidate().may_become(&candidate()) && candidate().may_become(&recovering()));
        assert!(recovering().may_become(&candidate()) && recovering().may_become(&follower()));
        assert!(!follower().may_become(&recovering()), "it has no Lead");
        assert!(!recovering().may_become(&recovering()), "one Lead is recovered once");
    }

    #[test]
    #[should_panic(expected = "cannot become recovering")]
    fn a_transition_that_must_not_be_is_refused() {
        let _ = follower().enter(recovering(), &Current::default());
    }

    #[test]
    fn one_caller_makes_a_follower_a_candidate_when_its_time_has_come() {
        let (current, now) = (Current::default(), Instant::now());
        let later = now + std::time::Duration::from_secs(1);
        assert!(!current.needs_candidate(now), "it is about to start");
        let _ = follower().enter(LeaderState::Follower { candidate_from: Some(later) }, &current);
        assert!(!current.needs_candidate(now));
        assert!(current.needs_candidate(later) && !current.needs_candidate(later), "the first caller, and no other");
        let _ = follower().enter(follower(), &current);
        assert!(!current.needs_candidate(later), "a node that stops");
    }

    #[test]
    fn callers_of_a_follower_are_refused_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let current = Arc::new(Current::default());
            let waiting = tokio::spawn({
                let current = current.clone();
                async move { current.leader(|| panic!("nothing to acquire")).await.is_none() }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "the shard is about to start");
            let _ = follower().enter(follower(), &current);
            assert!(waiting.await.unwrap());
        });
    }
}
