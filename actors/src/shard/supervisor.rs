//! The actor that owns a shard: takes the lead, starts over when it is lost, and judges entities that fail.

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
    leading::{Fate, Leading, MailboxError, Proposal},
    recovery::{LeadError, lead},
    writer,
};
use crate::{kinds::with_kind, node::NodeShared};

/// Failures of one entity within [`PARK_WITHIN_MS`] after which it is parked.
const FAILURES_MAX: usize = 3;
/// See [`FAILURES_MAX`].
const PARK_WITHIN_MS: u64 = 60_000;
/// The pause before a lead is taken again after it failed.
const LEAD_AGAIN: Duration = Duration::from_millis(100);
/// How often idle entities are looked for.
const TICK: Duration = Duration::from_secs(5);
/// The pause before a wake that did not reach its entity is tried again.
const WAKE_RETRY_MS: u64 = 100;
/// Wakes delivered in one go; more wait for the next.
const WAKES_AT_ONCE: usize = 1_024;

/// What reaches a shard's actor.
pub enum ShardMessage {
    /// Take the lead. First sent when all shards of the node are known: who leads asks them.
    Lead,
    /// The leadership of this term ended.
    LeadEnded(u64),
    /// The tail has grown: a checkpoint is due.
    CheckpointDue(u64),
    /// The checkpoint of this term is done, or failed.
    CheckpointDone(u64),
    /// Look for idle entities.
    Tick,
    /// Finish: everything accepted is answered, a checkpoint stands. Answers when done.
    Drain(oneshot::Sender<()>),
}

/// The leadership that a shard has at present, if any.
///
/// A `watch` channel would do, but wakes those who wait in a random order, and then no simulation replays.
#[derive(Default)]
pub struct Current {
    leading: RwLock<Option<Arc<Leading>>>,
    changed: Notify,
}

impl Current {
    /// The leadership there is.
    pub fn get(&self) -> Option<Arc<Leading>> {
        self.leading.read().clone()
    }

    /// The leadership there is, unless it has ended.
    pub fn get_going(&self) -> Option<Arc<Leading>> {
        self.get().filter(|leading| !leading.is_over())
    }

    fn set(&self, leading: Option<Arc<Leading>>) -> Option<Arc<Leading>> {
        let old = std::mem::replace(&mut *self.leading.write(), leading);
        self.changed.notify_waiters();
        old
    }

    /// Waits for a leadership that has not ended.
    pub async fn led(&self) -> Arc<Leading> {
        loop {
            let changed = self.changed.notified();
            if let Some(leading) = self.get_going() {
                return leading;
            }
            changed.await;
        }
    }
}

/// A shard as the rest of the node sees it.
#[derive(Clone)]
pub struct ShardHandle {
    /// The leadership there is, if any.
    pub current: Arc<Current>,
    /// Its actor.
    pub actor: ActorRef<ShardMessage>,
}

/// The actor's behaviour.
pub struct Shard;

/// The actor's state.
pub struct ShardState {
    shard: ShardId,
    node: Arc<NodeShared>,
    term: u64,
    current: Arc<Current>,
    tasks: Vec<JoinHandle<()>>,
    checkpointing: bool,
    failures: BTreeMap<EntityKey, VecDeque<Timestamp>>,
    parked: BTreeMap<EntityKey, String>,
    fatal: mpsc::UnboundedSender<LeadError>,
}

/// What a shard starts with.
pub struct ShardArguments {
    /// Which one it is.
    pub shard: ShardId,
    /// What it shares with the others.
    pub node: Arc<NodeShared>,
    /// Where it says whether it leads.
    pub current: Arc<Current>,
    /// Where it says that it cannot lead and waiting will not help.
    pub fatal: mpsc::UnboundedSender<LeadError>,
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
            parked: BTreeMap::new(),
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
            ShardMessage::Lead => state.lead(&myself).await,
            ShardMessage::LeadEnded(term) if term == state.term => {
                state.end_term();
                myself.cast(ShardMessage::Lead)?;
            }
            ShardMessage::CheckpointDue(term) if term == state.term && !state.checkpointing => {
                state.checkpoint(&myself)
            }
            ShardMessage::CheckpointDone(term) if term == state.term => state.checkpointing = false,
            ShardMessage::LeadEnded(_) | ShardMessage::CheckpointDue(_) | ShardMessage::CheckpointDone(_) => {}
            ShardMessage::Tick => state.retire_idle(),
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
                if let Some(leading) = state.current.get() {
                    leading.actors.remove(&actor.get_id());
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
            Ok((leadership, mut beginning)) => {
                beginning.parked = self.parked.clone();
                let (sender, receiver) = mpsc::unbounded_channel();
                let leading =
                    Arc::new(Leading::new(self.shard, self.term, beginning, sender, self.node.clone(), myself.clone()));
                self.watch(writer::run(leading.clone(), leadership, receiver), "writer");
                self.watch(keep_agenda(leading.clone()), "agenda");
                self.checkpointing = false;
                self.node.accepted_changed(self.shard);
                self.current.set(Some(leading));
            }
            Err(error) if error.is_passing() => {
                tracing::warn!(shard = %self.shard, %error, "cannot lead now; trying again");
                myself.send_after(LEAD_AGAIN, || ShardMessage::Lead);
            }
            Err(error) => {
                tracing::error!(shard = %self.shard, %error, "cannot lead");
                let _ = self.fatal.send(error);
            }
        }
    }

    /// Runs a task of the leadership. Without it the shard is dead: when it panics, the process is told to end.
    fn watch(&mut self, task: impl Future<Output = ()> + Send + 'static, what: &'static str) {
        let (shard, fatal) = (self.shard, self.fatal.clone());
        self.tasks.push(tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                let _ = fatal.send(LeadError::Panicked { shard, what });
            }
        }));
    }

    fn end_term(&mut self) {
        if let Some(leading) = self.current.set(None) {
            leading.set_over();
            leading.stop_entities();
        }
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.checkpointing = false;
    }

    fn checkpoint(&mut self, myself: &ActorRef<ShardMessage>) {
        let Some(leading) = self.current.get() else { return };
        self.checkpointing = true;
        let (myself, term) = (myself.clone(), self.term);
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = leading.checkpoint().await {
                tracing::warn!(shard = %leading.shard, %error, "the checkpoint before still stands");
            }
            let _ = myself.cast(ShardMessage::CheckpointDone(term));
        }));
        self.tasks.retain(|task| !task.is_finished());
    }

    /// Asks idle entities to leave memory, the longest idle first, when there are too many or they are idle for long.
    fn retire_idle(&self) {
        let Some(leading) = self.current.get() else { return };
        let (now, tuning) = (leading.now().0, &self.node.tuning);
        let idle_ms = u64::try_from(tuning.idle_after.as_millis()).unwrap_or(u64::MAX);
        let mut idle: Vec<(u64, EntityKey)> =
            leading.live.iter().map(|live| (live.value().gate().touched_ms(), live.key().clone())).collect();
        idle.sort_unstable();
        let cap = tuning.entities_max / usize::from(self.node.journal.shards()).max(1);
        let surplus = idle.len().saturating_sub(cap);
        for (index, (touched, key)) in idle.into_iter().enumerate() {
            if index >= surplus && now.saturating_sub(touched) < idle_ms {
                break;
            }
            if let Some(live) = leading.live.get(&key) {
                live.retire();
            }
        }
    }

    /// An entity's actor died: it is dropped with what it speculated. The third time in a minute it is parked.
    ///
    /// What it had proposed may still be on its way to the journal: it is out of memory, and can be loaded anew, only
    /// when all of that is accepted. Loaded before, it would decide from a state that is not its last.
    fn entity_failed(&mut self, actor: ractor::ActorId, error: &str) {
        let Some(leading) = self.current.get() else { return };
        let Some((_, key)) = leading.actors.remove(&actor) else { return };
        // A wake that was in its mailbox died with it, and nothing else tells the agenda so: the entity may not be asked
        // for anything ever again, and its holds would never end. After the removal, so that the wake finds the new one.
        let (settled, gone) = (leading.clone(), key.clone());
        leading.propose(Proposal::barrier(Box::new(move |_| {
            settled.remove_live(&gone);
            settled.agenda.retry(&gone, settled.now());
        })));
        let now = leading.now();
        let failures = self.failures.entry(key.clone()).or_default();
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.ms_since(*first) > PARK_WITHIN_MS) {
            failures.pop_front();
        }
        let kind = with_kind!(key.kind(), A => <A as engine::aggregate::Aggregate>::KIND.name());
        metrics::counter!("fusion_entity_failures_total", "kind" => kind).increment(1);
        tracing::error!(%key, error, failures = failures.len(), "entity failed");
        self.node.dead_letter(&key, error);
        if failures.len() >= FAILURES_MAX {
            let why = format!("failed {FAILURES_MAX} times within a minute, last: {error}");
            tracing::error!(%key, why, "entity parked");
            leading.parked.lock().insert(key.clone(), why.clone());
            self.parked.insert(key, why);
        }
    }

    async fn drain(&mut self) {
        let Some(leading) = self.current.get() else { return };
        let (sender, receiver) = oneshot::channel();
        leading.propose(Proposal::barrier(Box::new(move |fate| {
            let _ = sender.send(matches!(fate, Fate::Accepted(_)));
        })));
        if receiver.await.unwrap_or(false)
            && let Err(error) = leading.checkpoint().await
        {
            tracing::warn!(shard = %self.shard, %error, "stopping without a checkpoint; the next start reads the log");
        }
        self.end_term();
    }
}

/// Wakes entities when their time has come.
async fn keep_agenda(leading: Arc<Leading>) {
    while !leading.is_over() {
        let (due, next) = leading.agenda.due(leading.now(), WAKES_AT_ONCE);
        for key in &due {
            let woken = match leading.any(key).await {
                Ok(live) => live.wake().is_ok(),
                // It answers nobody until the process starts anew; its wake stays on the agenda for that start.
                Err(MailboxError::Parked(_)) => continue,
                Err(MailboxError::Gone | MailboxError::Store(_)) => false,
            };
            if !woken && !leading.is_over() {
                // It is leaving memory, or its stores do not answer.
                leading.agenda.retry(key, leading.now().plus_ms(WAKE_RETRY_MS));
            }
        }
        if due.len() == WAKES_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        match next {
            Some(next) => {
                let pause = Duration::from_millis(next.ms_since(leading.now()).max(1));
                tokio::select! {
                    biased;
                    () = leading.agenda.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            None => leading.agenda.changed().await,
        }
    }
}
