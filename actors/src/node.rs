//! A node: all shards that this process leads, and what they share.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::id::{EntityKey, Kind};
use futures::FutureExt;
use parking_lot::Mutex;
use persistence::snapshots::SnapshotStore;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use streaming::{Journal, ShardId};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    ask::{Answered, AskError},
    changes::Changes,
    clock::Clock,
    commerce::Commerce,
    effects::Effects,
    gate::Gate,
    ports::Outside,
    projector::{Projection, keep_projected},
    shard::{Current, LeadError, Shard, ShardArguments, ShardHandle, ShardMessage},
    views::Views,
};

/// What a node is made of.
pub struct NodeOptions {
    /// Its name in the journal, for people.
    pub name: String,
    /// Where changes become durable.
    pub journal: Arc<dyn Journal>,
    /// Where snapshots and checkpoints are.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Payment providers, mail.
    pub outside: Arc<dyn Outside>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The SQL read side, if it has one.
    pub projection: Option<Arc<dyn Projection>>,
    /// Its numbers.
    pub tuning: Tuning,
}

/// Numbers that an operator may change.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Bytes that a shard's tail may always have before a checkpoint is due: what a start reads of each shard.
    pub checkpoint_tail_bytes: u64,
    /// Entities that may be in memory, at some 8 KB each besides their state.
    pub entities_max: usize,
    /// How long an entity may be idle in memory.
    pub idle_after: Duration,
    /// Everything runs on one thread, in a simulation: nothing is moved to another.
    pub inline: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            checkpoint_tail_bytes: 16 << 20,
            entities_max: 50_000,
            idle_after: Duration::from_secs(300),
            inline: false,
        }
    }
}

/// A node that does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A shard cannot be led, and waiting will not help.
    #[error(transparent)]
    Lead(#[from] LeadError),
    /// An actor did not start.
    #[error("actor did not start: {0}")]
    Spawn(#[from] ractor::SpawnErr),
    /// The node took too long to lead its shards.
    #[error("not all shards are led after {0:?}")]
    TooSlow(Duration),
}

/// What the shards of a node share.
pub struct NodeShared {
    pub(crate) name: String,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
    pub(crate) effects: Effects,
    pub(crate) views: Views,
    pub(crate) changes: Arc<Changes>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) counters: Counters,
    pub(crate) accepted: Notify,
    handles: OnceLock<Vec<ShardHandle>>,
    snapshot_bytes: Vec<AtomicU64>,
    stopping: AtomicBool,
    stopped: AtomicBool,
    dead_letters: Mutex<std::collections::VecDeque<(EntityKey, String)>>,
}

/// An entity that needs somebody's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailing {
    /// Which.
    pub key: EntityKey,
    /// What happened to it.
    pub why: String,
    /// Whether it is put aside, and answers nobody until the process starts anew. If not, it failed once and went on.
    pub parked: bool,
}

/// Dead letters that are kept for an operator to look at.
const DEAD_LETTERS_MAX: usize = 1_000;

impl NodeShared {
    pub(crate) fn shards(&self) -> &[ShardHandle] {
        self.handles.get().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn shard_of(&self, key: &EntityKey) -> &ShardHandle {
        &self.shards()[usize::from(key.shard(self.journal.shards()))]
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn accepted_changed(&self, _: ShardId) {
        self.accepted.notify_one();
    }

    pub(crate) fn snapshot_bytes_last(&self, shard: ShardId) -> u64 {
        self.snapshot_bytes[usize::from(shard.0)].load(Ordering::Acquire)
    }

    pub(crate) fn set_snapshot_bytes(&self, shard: ShardId, bytes: u64) {
        self.snapshot_bytes[usize::from(shard.0)].store(bytes, Ordering::Release);
    }

    /// What an operator should look at: entities that are put aside, and failures, the newest last.
    pub(crate) fn ailing(&self) -> Vec<Ailing> {
        let leading = self.shards().iter().filter_map(|shard| shard.current.get());
        let parked = leading.flat_map(|leading| leading.parked()).map(|(key, why)| Ailing { key, why, parked: true });
        let failed = self.dead_letters.lock().iter().cloned().collect::<Vec<_>>();
        parked.chain(failed.into_iter().map(|(key, why)| Ailing { key, why, parked: false })).collect()
    }

    pub(crate) fn dead_letter(&self, key: &EntityKey, error: &str) {
        let mut letters = self.dead_letters.lock();
        if letters.len() == DEAD_LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back((key.clone(), error.to_owned()));
    }
}

/// How commands came out, by kind, and what was written: handles that are looked up once.
pub(crate) struct Counters {
    by_kind: Vec<[metrics::Counter; 6]>,
    snapshot_bytes: metrics::Counter,
}

impl Default for Counters {
    fn default() -> Self {
        let outcomes = ["accepted", "again", "rejected", "overloaded", "unknown", "unavailable"];
        let handles = |kind: Kind| {
            outcomes
                .map(|outcome| metrics::counter!("fusion_commands_total", "kind" => kind.name(), "outcome" => outcome))
        };
        let by_kind = Kind::ALL.into_iter().map(handles).collect();
        Self { by_kind, snapshot_bytes: metrics::counter!("fusion_snapshot_bytes_total") }
    }
}

impl Counters {
    pub(crate) fn count<R, J>(&self, kind: Kind, asked: &Result<Answered<R>, AskError<J>>) {
        let outcome = match asked {
            Ok(answered) => usize::from(answered.again),
            Err(AskError::Rejected(_)) => 2,
            Err(AskError::Overloaded { .. }) => 3,
            Err(AskError::Unknown) => 4,
            Err(AskError::Parked | AskError::Unavailable { .. }) => 5,
        };
        self.by_kind[kind as usize - 1][outcome].increment(1);
    }

    /// Counts a snapshot that is durable.
    pub(crate) fn snapshot_written(&self, bytes: usize) {
        self.snapshot_bytes.increment(bytes as u64);
    }
}

/// A running node.
pub struct Node {
    shared: Arc<NodeShared>,
    supervisor: ActorRef<()>,
    projector: Option<tokio::task::JoinHandle<()>>,
    fatal: mpsc::UnboundedReceiver<LeadError>,
}

/// The pause before a projector that panicked starts again.
const PROJECTOR_PAUSE: Duration = Duration::from_secs(5);
/// How long a start may take. A log of gigabytes is read in seconds; more is a fault that someone should see.
const START_MAX: Duration = Duration::from_secs(600);

impl Node {
    /// Starts a node and leads every shard of its journal. Returns when all are led.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let shards = options.journal.shards();
        let shared = Arc::new(NodeShared {
            name: options.name,
            journal: options.journal,
            snapshots: options.snapshots,
            outside: options.outside,
            clock: options.clock,
            tuning: options.tuning,
            effects: Effects::default(),
            views: Views::default(),
            changes: Arc::default(),
            gate: Arc::default(),
            counters: Counters::default(),
            accepted: Notify::new(),
            handles: OnceLock::new(),
            snapshot_bytes: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            stopping: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            dead_letters: Mutex::default(),
        });
        let (fatal_sender, mut fatal) = mpsc::unbounded_channel();
        let (supervisor, _) = Actor::spawn(None, Supervisor, fatal_sender.clone()).await?;
        let mut handles = Vec::new();
        for shard in (0..shards).map(ShardId) {
            let current = Arc::new(Current::default());
            let arguments =
                ShardArguments { shard, node: shared.clone(), current: current.clone(), fatal: fatal_sender.clone() };
            let (actor, _) = Actor::spawn_linked(None, Shard, arguments, supervisor.get_cell()).await?;
            handles.push(ShardHandle { current, actor });
        }
        let handles = shared.handles.get_or_init(|| handles);
        for shard in handles {
            // One that is gone has told `fatal`.
            let _ = shard.actor.cast(ShardMessage::Lead);
        }
        let all_led = async {
            for shard in handles {
                shard.current.led().await;
            }
        };
        tokio::select! {
            biased;
            Some(error) = fatal.recv() => return Err(error.into()),
            () = all_led => {}
            () = tokio::time::sleep(START_MAX) => return Err(NodeError::TooSlow(START_MAX)),
        }
        let projector = options.projection.map(|projection| tokio::spawn(projecting(shared.clone(), projection)));
        Ok(Self { shared, supervisor, projector, fatal })
    }

    /// The way to ask its entities.
    pub fn commerce(&self) -> Commerce {
        Commerce::new(self.shared.clone())
    }

    /// Waits until a shard cannot go on, and says why.
    pub async fn failed(&mut self) -> LeadError {
        match self.fatal.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops: takes no more commands, finishes those it took, checkpoints, and ends its actors.
    pub async fn stop(mut self, within: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        let drained = async {
            // Those who were let in are answered; effects under way go on until then.
            while self.shared.gate.inside() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for shard in self.shared.shards() {
                let (done, drained) = oneshot::channel();
                if shard.actor.cast(ShardMessage::Drain(done)).is_ok() {
                    let _ = drained.await;
                }
            }
        };
        if tokio::time::timeout(within, drained).await.is_err() {
            tracing::warn!(
                waiting = self.shared.gate.inside(),
                "stopping before everything was finished; nothing accepted is lost"
            );
        }
        self.end().await;
    }

    /// Ends at once, as a crash would: nothing is finished.
    pub async fn kill(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stopped.store(true, Ordering::Release);
        if let Some(projector) = self.projector.take() {
            projector.abort();
        }
        for shard in self.shared.shards() {
            let leading = shard.current.get();
            if let Some(leading) = leading {
                leading.end().await;
            }
            let _ = shard.actor.stop_and_wait(None, None).await;
        }
        let _ = self.supervisor.stop_and_wait(None, None).await;
    }
}

/// Keeps the read side up to date, also after a panic.
async fn projecting(shared: Arc<NodeShared>, projection: Arc<dyn Projection>) {
    while AssertUnwindSafe(keep_projected(shared.clone(), projection.clone())).catch_unwind().await.is_err() {
        tracing::error!("projector panicked; it starts again");
        tokio::time::sleep(PROJECTOR_PAUSE).await;
    }
}

/// Supervises the shards. A shard's actor has no reason to fail; when one does, the process is told to end.
struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = mpsc::UnboundedSender<LeadError>;
    type Arguments = mpsc::UnboundedSender<LeadError>;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        fatal: mpsc::UnboundedSender<LeadError>,
    ) -> Result<mpsc::UnboundedSender<LeadError>, ActorProcessingErr> {
        Ok(fatal)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        fatal: &mut mpsc::UnboundedSender<LeadError>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, error) = event {
            let actor = actor.get_id().to_string();
            tracing::error!(actor, %error, "shard failed");
            let _ = fatal.send(LeadError::Actor(actor));
        }
        Ok(())
    }
}
