//! A node: all shards that this process leads, and what they share.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use persistence::snapshots::SnapshotStore;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use streaming::{Journal, ShardId};
use tokio::sync::{mpsc, oneshot};

pub use crate::resources::Tuning;
use crate::{
    change_feed::ChangeFeed,
    clock::Clock,
    commerce::Commerce,
    effects::Effects,
    external_services::ExternalServices,
    projector::{Projection, keep_projected},
    resources::Resources,
    shard::{Current, LeadershipError, Shard, ShardArguments, ShardHandle, ShardMessage, ShardTable},
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

/// A running node.
pub struct Node {
    resources: Arc<Resources>,
    shards: Arc<ShardTable>,
    commerce: Commerce,
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
        let NodeOptions { name, journal, snapshots, external_services, clock, projection, tuning } = options;
        let count = journal.shards();
        let resources = Arc::new(Resources::new(name, journal, snapshots, clock, tuning));
        let shards = Arc::new(ShardTable::default());
        let change_feed = Arc::new(ChangeFeed::default());
        let commerce = Commerce::new(shards.clone(), resources.clone(), change_feed.clone());
        let effects = Effects::new(commerce.clone(), external_services);
        let (fatal_sender, mut fatal) = mpsc::unbounded_channel();
        let (supervisor, _) = Actor::spawn(None, Supervisor, fatal_sender.clone()).await?;
        let mut handles = Vec::new();
        for shard in (0..count).map(ShardId) {
            let current = Arc::new(Current::default());
            let arguments = ShardArguments {
                shard,
                resources: resources.clone(),
                change_feed: change_feed.clone(),
                effects: effects.clone(),
                current: current.clone(),
                fatal: fatal_sender.clone(),
            };
            let (actor, _) = Actor::spawn_linked(None, Shard, arguments, supervisor.get_cell()).await?;
            handles.push(ShardHandle { current, actor });
        }
        // All shards are known before the first of them leads: a leader resumes effects, which target other shards.
        shards.fill(handles);
        for shard in shards.shards() {
            // A shard whose actor is gone has reported its error to `fatal`.
            let _ = shard.actor.cast(ShardMessage::AcquireLeadership);
        }
        let all_led = async {
            for shard in shards.shards() {
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
        let projector =
            projection.map(|projection| tokio::spawn(projecting(resources.clone(), shards.clone(), projection)));
        Ok(Self { resources, shards, commerce, supervisor, projector, fatal })
    }

    /// A handle with which callers send commands to the node's entities.
    pub fn commerce(&self) -> Commerce {
        self.commerce.clone()
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
        self.resources.stop();
        let drained = async {
            // Callers that were admitted are answered first; effects continue until then. Only then are the shards
            // drained: a deferred reply may need another shard.
            while self.commerce.waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for shard in self.shards.shards() {
                let (done, drained) = oneshot::channel();
                if shard.actor.cast(ShardMessage::Drain(done)).is_ok() {
                    let _ = drained.await;
                }
            }
        };
        if tokio::time::timeout(within, drained).await.is_err() {
            tracing::warn!(
                waiting = self.commerce.waiting(),
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
        self.resources.stop();
        if let Some(projector) = self.projector.take() {
            projector.abort();
        }
        for shard in self.shards.shards() {
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
async fn projecting(resources: Arc<Resources>, shards: Arc<ShardTable>, projection: Arc<dyn Projection>) {
    while AssertUnwindSafe(keep_projected(resources.clone(), shards.clone(), projection.clone()))
        .catch_unwind()
        .await
        .is_err()
    {
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
