//! The actor that owns a shard: acquires leadership, steps down or recovers when leadership is lost, and quarantines
//! entities that keep failing.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use engine::{id::EntityKey, time::Timestamp};
use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use streaming::{Leadership, ShardId};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

use super::{
    agenda_keeper::keep_agenda,
    leadership::{Current, LeaderState},
    message::{Ended, ShardMessage, TailRead},
    recovery::{LeadershipError, recover},
    writer::{self, Outlets},
};
use crate::{
    change_feed::ChangeFeed,
    effects::Effects,
    leader::{CommitOutcome, Leader, Proposal},
    resources::Resources,
};

/// The number of failures of one entity within [`QUARANTINE_WINDOW_MS`] after which it is quarantined.
const FAILURES_MAX: usize = 3;
/// See [`FAILURES_MAX`].
const QUARANTINE_WINDOW_MS: u64 = 60_000;
/// The pause before leadership is acquired again after a failure.
const LEADERSHIP_RETRY: Duration = Duration::from_millis(100);
/// How long a shard stays a follower after a newer leader fenced it, whatever its callers need. Twice as long each time,
/// up to [`STANDBY_MAX`]: two nodes that both have callers for a shard take it from each other ever more seldom.
const STANDBY_MIN: Duration = Duration::from_secs(1);
/// See [`STANDBY_MIN`].
const STANDBY_MAX: Duration = Duration::from_secs(300);
/// A leadership that lasts so long shows that no other node wants the shard. Longer than [`STANDBY_MAX`], which is how
/// long the leadership of a node lasts whose rival waits.
const UNDISPUTED: Duration = Duration::from_secs(2 * STANDBY_MAX.as_secs());
/// The interval between two searches for idle entities.
const TICK: Duration = Duration::from_secs(5);

/// A shard as the rest of the node sees it.
#[derive(Clone)]
pub(crate) struct ShardHandle {
    /// The present leadership, if any.
    pub(crate) current: Arc<Current>,
    /// The shard's actor.
    pub(crate) actor: ActorRef<ShardMessage>,
}

impl ShardHandle {
    /// Waits for a leadership that has not ended. Returns `None` as soon as the node does not try to lead the shard:
    /// another node leads it, or this node stops.
    pub(crate) async fn leader(&self) -> Option<Arc<Leader>> {
        // Without its actor the shard has failed, and the process ends.
        self.current.leader(|| drop(self.actor.cast(ShardMessage::AcquireLeadership))).await
    }
}

/// The behaviour of a shard's actor.
pub(crate) struct Shard;

/// The state of a shard's actor.
pub(crate) struct ShardState {
    shard: ShardId,
    resources: Arc<Resources>,
    change_feed: Arc<ChangeFeed>,
    effects: Effects,
    /// The size of the snapshots of the last checkpoint, in bytes.
    snapshot_bytes: Arc<AtomicU64>,
    /// The number of the last candidature, and of the leadership that came of it.
    term: u64,
    state: LeaderState,
    current: Arc<Current>,
    /// How long the shard stays a follower the next times that it is fenced.
    standbys: ExponentialBackoff,
    failures: BTreeMap<EntityKey, VecDeque<Timestamp>>,
    quarantined: BTreeMap<EntityKey, String>,
    fatal: mpsc::UnboundedSender<LeadershipError>,
}

/// The arguments with which a shard starts.
pub(crate) struct ShardArguments {
    /// The shard.
    pub(crate) shard: ShardId,
    /// What it shares with the other parts of the node.
    pub(crate) resources: Arc<Resources>,
    /// Where accepted changes are announced.
    pub(crate) change_feed: Arc<ChangeFeed>,
    /// What carries out the effects of its entities.
    pub(crate) effects: Effects,
    /// Where it publishes its present leadership.
    pub(crate) current: Arc<Current>,
    /// Where it reports an error after which it cannot lead and waiting does not help.
    pub(crate) fatal: mpsc::UnboundedSender<LeadershipError>,
}

fn standbys() -> ExponentialBackoff {
    let standbys = ExponentialBuilder::default().with_min_delay(STANDBY_MIN).with_max_delay(STANDBY_MAX);
    standbys.without_max_times().build()
}

impl Actor for Shard {
    type Msg = ShardMessage;
    type State = ShardState;
    type Arguments = ShardArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<ShardMessage>,
        arguments: ShardArguments,
    ) -> Result<ShardState, ActorProcessingErr> {
        myself.send_interval(TICK, || ShardMessage::Tick);
        let ShardArguments { shard, resources, change_feed, effects, current, fatal } = arguments;
        Ok(ShardState {
            shard,
            resources,
            change_feed,
            effects,
            snapshot_bytes: Arc::default(),
            term: 0,
            state: LeaderState::default(),
            current,
            standbys: standbys(),
            failures: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            fatal,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<ShardMessage>,
        message: ShardMessage,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        // From a candidature or a leadership that is over already.
        if message.term().is_some_and(|term| term != state.term) {
            return Ok(());
        }
        match message {
            ShardMessage::AcquireLeadership => state.acquire(&myself),
            ShardMessage::LeadAcquired(_, acquired) => state.lead_acquired(&myself, acquired),
            ShardMessage::TailRead(_, read) => state.tail_read(&myself, *read),
            ShardMessage::LeadershipEnded(_, ended) => state.leadership_ended(&myself, ended),
            ShardMessage::CheckpointDue(_) => state.checkpoint(&myself),
            ShardMessage::CheckpointDone(_) => {
                if let LeaderState::Leader { checkpointing, .. } = &mut state.state {
                    *checkpointing = false;
                }
            }
            ShardMessage::Tick => state.passivate_idle(),
            ShardMessage::Drain(done) => state.drain(&myself, done),
            ShardMessage::Drained(_) => state.enter(LeaderState::default()),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<ShardMessage>, state: &mut ShardState) -> Result<(), ActorProcessingErr> {
        // Waits for the tasks, so that nothing of the shard uses the stores after its actor has stopped.
        state.state.enter(LeaderState::default(), &state.current).shutdown().await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<ShardMessage>,
        event: SupervisionEvent,
        state: &mut ShardState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => state.entity_failed(actor.get_id(), &error.to_string()),
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                if let Some(leader) = state.state.leader() {
                    leader.actors.remove(&actor.get_id());
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl ShardState {
    /// Changes the state, and ends the tasks of the former one.
    fn enter(&mut self, next: LeaderState) {
        drop(self.state.enter(next, &self.current));
    }

    /// Runs a task of the present state. The shard cannot work without it: if the task panics, the process is asked to
    /// end.
    fn spawn(&self, tasks: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static, what: &'static str) {
        let (shard, fatal) = (self.shard, self.fatal.clone());
        tasks.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                let _ = fatal.send(LeadershipError::Panicked { shard, what });
            }
        });
    }

    fn acquire(&mut self, myself: &ActorRef<ShardMessage>) {
        if let LeaderState::Follower { .. } = self.state {
            self.become_candidate(myself, Duration::ZERO);
        }
    }

    /// Becomes a candidate, whose Lead is appended after `pause`. A node that stops acquires nothing any more.
    fn become_candidate(&mut self, myself: &ActorRef<ShardMessage>, pause: Duration) {
        if self.resources.is_stopping() {
            return self.enter(LeaderState::default());
        }
        self.term += 1;
        let (resources, shard, myself, term) = (self.resources.clone(), self.shard, myself.clone(), self.term);
        let mut tasks = JoinSet::new();
        let acquiring = async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let acquired = resources.journal.acquire_leadership(shard, &resources.name).await;
            let _ = myself.cast(ShardMessage::LeadAcquired(term, acquired.map_err(LeadershipError::from)));
        };
        self.spawn(&mut tasks, acquiring, "candidature");
        self.enter(LeaderState::Candidate { tasks, since: std::time::Instant::now() });
    }

    fn lead_acquired(
        &mut self,
        myself: &ActorRef<ShardMessage>,
        acquired: Result<Box<dyn Leadership>, LeadershipError>,
    ) {
        let LeaderState::Candidate { since, .. } = self.state else { return };
        let leadership = match acquired {
            Ok(leadership) => leadership,
            Err(error) => return self.cannot_lead(myself, error),
        };
        let (resources, shard, myself, term) = (self.resources.clone(), self.shard, myself.clone(), self.term);
        let mut tasks = JoinSet::new();
        let recovering = async move {
            let read = recover(&resources, shard, leadership.lead().clone(), leadership.next(), since).await;
            let read = read.map(|recovered| (leadership, recovered));
            let _ = myself.cast(ShardMessage::TailRead(term, Box::new(read)));
        };
        self.spawn(&mut tasks, recovering, "recovery");
        self.enter(LeaderState::Recovering { tasks });
    }

    fn tail_read(&mut self, myself: &ActorRef<ShardMessage>, read: TailRead) {
        let LeaderState::Recovering { .. } = self.state else { return };
        let (leadership, mut recovered) = match read {
            Ok(read) => read,
            Err(error) => return self.cannot_lead(myself, error),
        };
        // Quarantine outlives a leadership: an entity that keeps failing would otherwise fail again under the next one.
        recovered.quarantined = self.quarantined.clone();
        let (sender, receiver) = mpsc::unbounded_channel();
        let leader = Arc::new(Leader::new(
            self.shard,
            self.term,
            recovered,
            sender,
            self.resources.clone(),
            self.snapshot_bytes.clone(),
            myself.get_cell(),
        ));
        let outlets =
            Outlets { change_feed: self.change_feed.clone(), effects: self.effects.clone(), shard: myself.clone() };
        let mut tasks = JoinSet::new();
        self.spawn(&mut tasks, writer::run(leader.clone(), leadership, receiver, outlets), "writer");
        self.spawn(&mut tasks, keep_agenda(leader.clone()), "agenda");
        self.resources.accepted.notify_one();
        // Last: from here on callers reach the shard, so its writer and its agenda must be running.
        self.enter(LeaderState::Leader { leader, tasks, checkpointing: false, since: Instant::now() });
    }

    fn cannot_lead(&mut self, myself: &ActorRef<ShardMessage>, error: LeadershipError) {
        if error.is_passing() {
            tracing::warn!(shard = %self.shard, %error, "cannot lead now; trying again");
            return self.become_candidate(myself, LEADERSHIP_RETRY);
        }
        tracing::error!(shard = %self.shard, %error, "cannot lead");
        let _ = self.fatal.send(error);
        self.enter(LeaderState::default());
    }

    /// Reacts to the end of the leadership. If an append failed, nobody else leads the shard: the node acquires
    /// leadership again at once. If a newer leader fenced it, the node does not fight: it becomes a follower, and leads
    /// again only when a caller needs the shard after a standby.
    fn leadership_ended(&mut self, myself: &ActorRef<ShardMessage>, ended: Ended) {
        let since = match &self.state {
            LeaderState::Leader { since, .. } => *since,
            LeaderState::SteppingDown { .. } => return self.enter(LeaderState::default()),
            LeaderState::Follower { .. } | LeaderState::Candidate { .. } | LeaderState::Recovering { .. } => return,
        };
        if since.elapsed() > UNDISPUTED {
            self.standbys = standbys();
        }
        match ended {
            Ended::AppendFailed => self.become_candidate(myself, Duration::ZERO),
            Ended::Fenced => {
                let standby = self.standbys.next().unwrap_or(STANDBY_MAX);
                let standby_ms = u64::try_from(standby.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(shard = %self.shard, standby_ms, "fenced by a newer leader; follower");
                self.enter(LeaderState::Follower { candidate_from: Some(Instant::now() + standby) });
            }
        }
    }

    /// Takes a checkpoint, unless one is under way.
    fn checkpoint(&mut self, myself: &ActorRef<ShardMessage>) {
        let LeaderState::Leader { leader, tasks, checkpointing, .. } = &mut self.state else { return };
        if std::mem::replace(checkpointing, true) {
            return;
        }
        // Only the checkpoints end before the leadership does, and there is at most one: the set does not grow.
        while tasks.try_join_next().is_some() {}
        let (leader, myself, term) = (leader.clone(), myself.clone(), self.term);
        tasks.spawn(async move {
            if let Err(error) = leader.checkpoint().await {
                tracing::warn!(shard = %leader.shard, %error, "the checkpoint before still stands");
            }
            let _ = myself.cast(ShardMessage::CheckpointDone(term));
        });
    }

    /// Requests that idle entities leave memory, the longest idle first, if there are too many or if they have been
    /// idle for too long.
    fn passivate_idle(&self) {
        let Some(leader) = self.state.leader() else { return };
        let (now, tuning) = (leader.now().0, &self.resources.tuning);
        let idle_ms = u64::try_from(tuning.idle_after.as_millis()).unwrap_or(u64::MAX);
        let mut idle: Vec<(u64, EntityKey)> =
            leader.live.iter().map(|live| (live.value().permits().touched_ms(), live.key().clone())).collect();
        idle.sort_unstable();
        let cap = tuning.entities_max / usize::from(self.resources.journal.shards()).max(1);
        let surplus = idle.len().saturating_sub(cap);
        for (index, (touched, key)) in idle.into_iter().enumerate() {
            if index >= surplus && now.saturating_sub(touched) < idle_ms {
                break;
            }
            if let Some(live) = leader.live.get(&key) {
                live.passivate();
            }
        }
    }

    /// Handles the failure of an entity's actor: the entity is dropped with its speculation. After the third failure
    /// within a minute it is quarantined.
    ///
    /// What it had proposed may still be on its way to the journal. The entity is therefore removed from memory, and
    /// can be loaded again, only when all of that is accepted. Loaded earlier, it would decide from a state that is not
    /// its last.
    fn entity_failed(&mut self, actor: ractor::ActorId, error: &str) {
        let Some(leader) = self.state.leader().cloned() else { return };
        let Some((_, key)) = leader.actors.remove(&actor) else { return };
        // A wake that was in its mailbox is lost with it, and nothing else reports this to the agenda: if no message
        // ever reaches the entity again, its holds would never expire. The wake is retried after the removal, so that
        // it reaches the newly loaded entity.
        let (settled, gone) = (leader.clone(), key.clone());
        leader.propose(Proposal::barrier(Box::new(move |_| {
            settled.remove_live(&gone);
            settled.agenda.retry(&gone, settled.now());
        })));
        let now = leader.now();
        let failures = self.failures.entry(key.clone()).or_default();
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.ms_since(*first) > QUARANTINE_WINDOW_MS) {
            failures.pop_front();
        }
        metrics::counter!("fusion_entity_failures_total", "kind" => key.kind().name()).increment(1);
        tracing::error!(%key, error, failures = failures.len(), "entity failed");
        self.resources.dead_letters.add(&key, error);
        if failures.len() >= FAILURES_MAX {
            let why = format!("failed {FAILURES_MAX} times within a minute, last: {error}");
            tracing::error!(%key, why, "entity parked");
            leader.quarantined.lock().insert(key.clone(), why.clone());
            self.quarantined.insert(key, why);
        }
    }

    /// Steps down in order. A shard that does not lead is a follower at once.
    fn drain(&mut self, myself: &ActorRef<ShardMessage>, done: oneshot::Sender<()>) {
        let LeaderState::Leader { leader, tasks, .. } = &mut self.state else {
            self.enter(LeaderState::default());
            let _ = done.send(());
            return;
        };
        let (leader, mut tasks) = (leader.clone(), std::mem::take(tasks));
        let (finishing, myself, term) = (leader.clone(), myself.clone(), self.term);
        let finish = async move {
            finish(&finishing).await;
            let _ = myself.cast(ShardMessage::Drained(term));
        };
        self.spawn(&mut tasks, finish, "last checkpoint");
        self.enter(LeaderState::SteppingDown { leader, tasks, done });
    }
}

/// Waits until everything that was proposed is accepted, and takes a checkpoint of it.
async fn finish(leader: &Arc<Leader>) {
    let (sender, receiver) = oneshot::channel();
    // A proposal without an entry, so that its answer comes after everything that was proposed before it.
    leader.propose(Proposal::barrier(Box::new(move |outcome| {
        let _ = sender.send(matches!(outcome, CommitOutcome::Committed(_)));
    })));
    if receiver.await.unwrap_or(false)
        && let Err(error) = leader.checkpoint().await
    {
        tracing::warn!(shard = %leader.shard, %error, "stopping without a checkpoint; the next start reads the log");
    }
}
