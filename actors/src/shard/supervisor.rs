//! The actor that owns a shard: acquires leadership, recovers when it is lost, and quarantines entities that keep
//! failing.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use engine::{id::EntityKey, time::Timestamp};
use futures::FutureExt;
use parking_lot::RwLock;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use streaming::ShardId;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    leader::{CommitOutcome, Leader, MailboxError, Proposal},
    recovery::{LeadershipError, lead},
    writer,
};
use crate::node::NodeShared;

/// The number of failures of one entity within [`QUARANTINE_WINDOW_MS`] after which it is quarantined.
const FAILURES_MAX: usize = 3;
/// See [`FAILURES_MAX`].
const QUARANTINE_WINDOW_MS: u64 = 60_000;
/// The pause before leadership is acquired again after a failure.
const LEADERSHIP_RETRY: Duration = Duration::from_millis(100);
/// The interval between two searches for idle entities.
const TICK: Duration = Duration::from_secs(5);
/// The pause before a wake that did not reach its entity is tried again.
const WAKE_RETRY_MS: u64 = 100;
/// The maximum number of wakes delivered at once; more wait for the next round.
const WAKES_AT_ONCE: usize = 1_024;

/// A message to a shard's actor.
pub enum ShardMessage {
    /// Acquire leadership. First sent when all shards of the node are known: a leader sends requests to other shards.
    AcquireLeadership,
    /// The leadership of this term ended.
    LeadershipEnded(u64),
    /// The tail has grown, and a checkpoint is due.
    CheckpointDue(u64),
    /// The checkpoint of this term is done, or failed.
    CheckpointDone(u64),
    /// Look for idle entities.
    Tick,
    /// Finish: answer everything that was proposed, take a checkpoint, and end the leadership. Answers when done.
    Drain(oneshot::Sender<()>),
}

/// The present leadership of a shard, if there is one.
///
/// A `watch` channel would do, but it wakes the waiting tasks in random order, so that no simulation could be replayed.
#[derive(Default)]
pub struct Current {
    leader: RwLock<Option<Arc<Leader>>>,
    changed: Notify,
}

impl Current {
    /// The present leadership, if any.
    pub fn get(&self) -> Option<Arc<Leader>> {
        self.leader.read().clone()
    }

    /// The present leadership, unless it has ended.
    pub fn get_active(&self) -> Option<Arc<Leader>> {
        self.get().filter(|leader| !leader.has_ended())
    }

    fn set(&self, leader: Option<Arc<Leader>>) -> Option<Arc<Leader>> {
        let old = std::mem::replace(&mut *self.leader.write(), leader);
        self.changed.notify_waiters();
        old
    }

    /// Waits for a leadership that has not ended.
    pub async fn wait_for_leader(&self) -> Arc<Leader> {
        loop {
            // Registered before the check, so that a leadership set between the two is not missed.
            let changed = self.changed.notified();
            if let Some(leader) = self.get_active() {
                return leader;
            }
            changed.await;
        }
    }
}

/// A shard as the rest of the node sees it.
#[derive(Clone)]
pub struct ShardHandle {
    /// The present leadership, if any.
    pub current: Arc<Current>,
    /// The shard's actor.
    pub actor: ActorRef<ShardMessage>,
}

/// The behaviour of a shard's actor.
pub struct Shard;

/// The state of a shard's actor.
pub struct ShardState {
    shard: ShardId,
    node: Arc<NodeShared>,
    term: u64,
    current: Arc<Current>,
    tasks: Vec<JoinHandle<()>>,
    checkpointing: bool,
    failures: BTreeMap<EntityKey, VecDeque<Timestamp>>,
    quarantined: BTreeMap<EntityKey, String>,
    fatal: mpsc::UnboundedSender<LeadershipError>,
}

/// The arguments with which a shard starts.
pub struct ShardArguments {
    /// The shard.
    pub shard: ShardId,
    /// What it shares with the other shards of the node.
    pub node: Arc<NodeShared>,
    /// Where it publishes its present leadership.
    pub current: Arc<Current>,
    /// Where it reports an error after which it cannot lead and waiting does not help.
    pub fatal: mpsc::UnboundedSender<LeadershipError>,
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
        let ShardArguments { shard, node, current, fatal } = arguments;
        Ok(ShardState {
            shard,
            node,
            term: 0,
            current,
            tasks: Vec::new(),
            checkpointing: false,
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
        match message {
            ShardMessage::AcquireLeadership => state.lead(&myself).await,
            ShardMessage::LeadershipEnded(term) if term == state.term => {
                state.end_term();
                myself.cast(ShardMessage::AcquireLeadership)?;
            }
            ShardMessage::CheckpointDue(term) if term == state.term && !state.checkpointing => {
                state.checkpoint(&myself)
            }
            ShardMessage::CheckpointDone(term) if term == state.term => state.checkpointing = false,
            ShardMessage::LeadershipEnded(_) | ShardMessage::CheckpointDue(_) | ShardMessage::CheckpointDone(_) => {}
            ShardMessage::Tick => state.passivate_idle(),
            ShardMessage::Drain(done) => {
                state.drain().await;
                let _ = done.send(());
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<ShardMessage>, state: &mut ShardState) -> Result<(), ActorProcessingErr> {
        state.end_term();
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
                if let Some(leader) = state.current.get() {
                    leader.actors.remove(&actor.get_id());
                }
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl ShardState {
    async fn lead(&mut self, myself: &ActorRef<ShardMessage>) {
        if self.current.get().is_some() || self.node.is_stopping() {
            return;
        }
        self.term += 1;
        match lead(&self.node, self.shard).await {
            Ok((leadership, mut recovered_state)) => {
                // Quarantine outlives a leadership: an entity that keeps failing would otherwise fail again under the
                // next one.
                recovered_state.quarantined = self.quarantined.clone();
                let (sender, receiver) = mpsc::unbounded_channel();
                let leader = Arc::new(Leader::new(
                    self.shard,
                    self.term,
                    recovered_state,
                    sender,
                    self.node.clone(),
                    myself.clone(),
                ));
                self.watch(writer::run(leader.clone(), leadership, receiver), "writer");
                self.watch(keep_agenda(leader.clone()), "agenda");
                self.checkpointing = false;
                self.node.accepted_changed(self.shard);
                // Last: from here on callers reach the shard, so its writer and its agenda must be running.
                self.current.set(Some(leader));
            }
            Err(error) if error.is_passing() => {
                tracing::warn!(shard = %self.shard, %error, "cannot lead now; trying again");
                myself.send_after(LEADERSHIP_RETRY, || ShardMessage::AcquireLeadership);
            }
            Err(error) => {
                tracing::error!(shard = %self.shard, %error, "cannot lead");
                let _ = self.fatal.send(error);
            }
        }
    }

    /// Runs a task of the leadership. The shard cannot work without it: if the task panics, the process is asked to
    /// end.
    fn watch(&mut self, task: impl Future<Output = ()> + Send + 'static, what: &'static str) {
        let (shard, fatal) = (self.shard, self.fatal.clone());
        self.tasks.push(tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                let _ = fatal.send(LeadershipError::Panicked { shard, what });
            }
        }));
    }

    fn end_term(&mut self) {
        // Withdrawn first, so that callers wait for the next leadership instead of reaching this one.
        if let Some(leader) = self.current.set(None) {
            leader.mark_ended();
            leader.stop_entities();
        }
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.checkpointing = false;
    }

    fn checkpoint(&mut self, myself: &ActorRef<ShardMessage>) {
        let Some(leader) = self.current.get() else { return };
        self.checkpointing = true;
        let (myself, term) = (myself.clone(), self.term);
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = leader.checkpoint().await {
                tracing::warn!(shard = %leader.shard, %error, "the checkpoint before still stands");
            }
            let _ = myself.cast(ShardMessage::CheckpointDone(term));
        }));
        self.tasks.retain(|task| !task.is_finished());
    }

    /// Requests that idle entities leave memory, the longest idle first, if there are too many or if they have been
    /// idle for too long.
    fn passivate_idle(&self) {
        let Some(leader) = self.current.get() else { return };
        let (now, tuning) = (leader.now().0, &self.node.tuning);
        let idle_ms = u64::try_from(tuning.idle_after.as_millis()).unwrap_or(u64::MAX);
        let mut idle: Vec<(u64, EntityKey)> =
            leader.live.iter().map(|live| (live.value().permits().touched_ms(), live.key().clone())).collect();
        idle.sort_unstable();
        let cap = tuning.entities_max / usize::from(self.node.journal.shards()).max(1);
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
        let Some(leader) = self.current.get() else { return };
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
        self.node.dead_letter(&key, error);
        if failures.len() >= FAILURES_MAX {
            let why = format!("failed {FAILURES_MAX} times within a minute, last: {error}");
            tracing::error!(%key, why, "entity parked");
            leader.quarantined.lock().insert(key.clone(), why.clone());
            self.quarantined.insert(key, why);
        }
    }

    async fn drain(&mut self) {
        let Some(leader) = self.current.get() else { return };
        let (sender, receiver) = oneshot::channel();
        // A proposal without an entry, so that its answer comes after everything that was proposed before it.
        leader.propose(Proposal::barrier(Box::new(move |outcome| {
            let _ = sender.send(matches!(outcome, CommitOutcome::Committed(_)));
        })));
        if receiver.await.unwrap_or(false)
            && let Err(error) = leader.checkpoint().await
        {
            tracing::warn!(shard = %self.shard, %error, "stopping without a checkpoint; the next start reads the log");
        }
        self.end_term();
    }
}

/// Wakes entities when their wake times have come.
async fn keep_agenda(leader: Arc<Leader>) {
    while !leader.has_ended() {
        let (due, next) = leader.agenda.due(leader.now(), WAKES_AT_ONCE);
        for key in &due {
            let woken = match leader.any(key).await {
                Ok(live) => live.wake().is_ok(),
                // A quarantined entity answers nothing until the process restarts. Its wake stays on the agenda for
                // then.
                Err(MailboxError::Quarantined(_)) => continue,
                Err(MailboxError::Gone | MailboxError::Store(_)) => false,
            };
            if !woken && !leader.has_ended() {
                // The entity is leaving memory, or the stores do not answer.
                leader.agenda.retry(key, leader.now().plus_ms(WAKE_RETRY_MS));
            }
        }
        if due.len() == WAKES_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        match next {
            Some(next) => {
                let pause = Duration::from_millis(next.ms_since(leader.now()).max(1));
                tokio::select! {
                    biased;
                    () = leader.agenda.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            None => leader.agenda.changed().await,
        }
    }
}
