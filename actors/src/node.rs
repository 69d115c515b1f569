//! A node: all shards that this process leads, and what they share.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use engine::{id::EntityKey, kinds::Kind};
use futures::FutureExt;
use parking_lot::Mutex;
use persistence::snapshots::SnapshotStore;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use streaming::{Journal, ShardId};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    ask::{Answered, AskError},
    change_feed::ChangeFeed,
    clock::Clock,
    commerce::Commerce,
    external_services::ExternalServices,
    permits::Permits,
    projector::{Projection, keep_projected},
    shard::{Current, LeadershipError, Shard, ShardArguments, ShardHandle, ShardMessage},
    views::Views,
};

/// The parts that a node is made of.
pub struct NodeOptions {
    /// The name of the node in the journal, for operators.
    pub name: String,
    /// The journal, where changes become durable.
    pub journal: Arc<dyn Journal>,
    /// The store of snapshots and checkpoints.
    pub snapshots: Arc<dyn SnapshotStore>,
    /// Payment providers and mail.
    pub external_services: Arc<dyn ExternalServices>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The SQL read side, if there is one.
    pub projection: Option<Arc<dyn Projection>>,
    /// Limits and intervals.
    pub tuning: Tuning,
}

/// Limits and intervals that an operator may change.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// The size of a shard's tail, in bytes, below which no checkpoint is due: what a start has to read of each shard.
    pub checkpoint_tail_bytes: u64,
    /// The maximum number of entities in memory, at some 8 KB each besides their state.
    pub entities_max: usize,
    /// How long an entity may be idle in memory.
    pub idle_after: Duration,
    /// Whether everything runs on one thread, as in a simulation: no work is moved to another thread.
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

/// A node that cannot start or cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A shard cannot be led, and waiting does not help.
    #[error(transparent)]
    Lead(#[from] LeadershipError),
    /// An actor did not start.
    #[error("actor did not start: {0}")]
    Spawn(#[from] ractor::SpawnErr),
    /// The node did not become the leader of all its shards in time.
    #[error("not all shards are led after {0:?}")]
    TooSlow(Duration),
}

/// The state that the shards of a node share.
pub struct NodeShared {
    pub(crate) name: String,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    pub(crate) external_services: Arc<dyn ExternalServices>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
    pub(crate) views: Views,
    pub(crate) change_feed: Arc<ChangeFeed>,
    pub(crate) permits: Arc<Permits>,
    pub(crate) counters: Counters,
    pub(crate) accepted: Notify,
    handles: OnceLock<Vec<ShardHandle>>,
    snapshot_bytes: Vec<AtomicU64>,
    stopping: AtomicBool,
    dead_letters: Mutex<std::collections::VecDeque<(EntityKey, String)>>,
}

/// An entity that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The key of the entity.
    pub key: EntityKey,
    /// What happened to it.
    pub why: String,
    /// Whether it is quarantined and answers nothing until the process restarts. If not, it failed once and continued.
    pub quarantined: bool,
}

/// The maximum number of dead letters that are kept for an operator.
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

    pub(crate) fn accepted_changed(&self, _: ShardId) {
        self.accepted.notify_one();
    }

    pub(crate) fn snapshot_bytes_last(&self, shard: ShardId) -> u64 {
        self.snapshot_bytes[usize::from(shard.0)].load(Ordering::Acquire)
    }

    pub(crate) fn set_snapshot_bytes(&self, shard: ShardId, bytes: u64) {
        self.snapshot_bytes[usize::from(shard.0)].store(bytes, Ordering::Release);
    }

    /// Entities that an operator should look at: the quarantined ones, then failures, the newest last.
    pub(crate) fn failing(&self) -> Vec<Failing> {
        let leader = self.shards().iter().filter_map(|shard| shard.current.get());
        let quarantined =
            leader.flat_map(|leader| leader.quarantined()).map(|(key, why)| Failing { key, why, quarantined: true });
        let failed = self.dead_letters.lock().iter().cloned().collect::<Vec<_>>();
        quarantined.chain(failed.into_iter().map(|(key, why)| Failing { key, why, quarantined: false })).collect()
    }

    pub(crate) fn dead_letter(&self, key: &EntityKey, error: &str) {
        let mut letters = self.dead_letters.lock();
        if letters.len() == DEAD_LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back((key.clone(), error.to_owned()));
    }
}

/// Counters of command outcomes by kind, and of written bytes. The handles are looked up once, not for each command.
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
            Ok(answered) => usize::from(answered.duplicate),
            Err(AskError::Rejected(_)) => 2,
            Err(AskError::Overloaded { .. }) => 3,
            Err(AskError::Unknown) => 4,
            Err(AskError::Quarantined | AskError::Unavailable { .. }) => 5,
        };
        self.by_kind[kind.index()][outcome].increment(1);
    }

    /// Counts a snapshot that was stored.
    pub(crate) fn snapshot_written(&self, bytes: usize) {
        self.snapshot_bytes.increment(bytes as u64);
    }
}

/// A running node.
pub struct Node {
    shared: Arc<NodeShared>,
    supervisor: ActorRef<()>,
    projector: Option<tokio::task::JoinHandle<()>>,
    fatal: mpsc::UnboundedReceiver<LeadershipError>,
}

/// The pause before a projector that panicked starts again.
const PROJECTOR_PAUSE: Duration = Duration::from_secs(5);
/// The pause before a node that starts looks again whether a shard has a leader.
const LEADER_POLL: Duration = Duration::from_millis(100);
/// The maximum duration of a start. A log of gigabytes is read in seconds; a longer start is a fault for an operator.
const START_MAX: Duration = Duration::from_secs(600);

impl Node {
    /// Starts a node and acquires leadership of every shard of its journal. Returns when all are led.
    pub async fn start(options: NodeOptions) -> Result<Self, NodeError> {
        let shards = options.journal.shards();
        let shared = Arc::new(NodeShared {
            name: options.name,
            journal: options.journal,
            snapshots: options.snapshots,
            external_services: options.external_services,
            clock: options.clock,
            tuning: options.tuning,
            views: Views::default(),
            change_feed: Arc::default(),
            permits: Arc::default(),
            counters: Counters::default(),
            accepted: Notify::new(),
            handles: OnceLock::new(),
            snapshot_bytes: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            stopping: AtomicBool::new(false),
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
        // All handles are known before the first shard leads: a leader resumes effects, which target other shards.
        let handles = shared.handles.get_or_init(|| handles);
        for shard in handles {
            // A shard whose actor is gone has reported its error to `fatal`.
            let _ = shard.actor.cast(ShardMessage::AcquireLeadership);
        }
        let all_led = async {
            for shard in handles {
                // `None`: it cannot lead, and reports why to `fatal`; or another node has just fenced it.
                while shard.leader().await.is_none() {
                    tokio::time::sleep(LEADER_POLL).await;
                }
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

    /// A handle with which callers send commands to the node's entities.
    pub fn commerce(&self) -> Commerce {
        Commerce::new(self.shared.clone())
    }

    /// Waits until a shard cannot continue, and returns the reason.
    pub async fn failed(&mut self) -> LeadershipError {
        match self.fatal.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Stops the node: refuses new commands, finishes the accepted ones, takes checkpoints, and ends the actors.
    pub async fn stop(mut self, within: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        let drained = async {
            // Callers that were admitted are answered first; effects continue until then. Only then are the shards
            // drained: a deferred reply may need another shard.
            while self.shared.permits.inside() > 0 {
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
                waiting = self.shared.permits.inside(),
                "stopping before everything was finished; nothing accepted is lost"
            );
        }
        self.end().await;
    }

    /// Ends the node at once, as a crash would: nothing is finished.
    pub async fn kill(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        if let Some(projector) = self.projector.take() {
            projector.abort();
        }
        for shard in self.shared.shards() {
            let leader = shard.current.get();
            if let Some(leader) = leader {
                leader.end().await;
            }
            let _ = shard.actor.stop_and_wait(None, None).await;
        }
        let _ = self.supervisor.stop_and_wait(None, None).await;
    }
}

/// Keeps the read side up to date, and starts again after a panic.
async fn projecting(shared: Arc<NodeShared>, projection: Arc<dyn Projection>) {
    while AssertUnwindSafe(keep_projected(shared.clone(), projection.clone())).catch_unwind().await.is_err() {
        tracing::error!("projector panicked; it starts again");
        tokio::time::sleep(PROJECTOR_PAUSE).await;
    }
}

/// Supervises the shards. A shard's actor has no reason to fail; if one does, the process is asked to end.
struct Supervisor;

impl Actor for Supervisor {
    type Msg = ();
    type State = mpsc::UnboundedSender<LeadershipError>;
    type Arguments = mpsc::UnboundedSender<LeadershipError>;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        fatal: mpsc::UnboundedSender<LeadershipError>,
    ) -> Result<mpsc::UnboundedSender<LeadershipError>, ActorProcessingErr> {
        Ok(fatal)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        fatal: &mut mpsc::UnboundedSender<LeadershipError>,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, error) = event {
            let actor = actor.get_id().to_string();
            tracing::error!(actor, %error, "shard failed");
            let _ = fatal.send(LeadershipError::Actor(actor));
        }
        Ok(())
    }
}
