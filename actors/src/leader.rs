//! One leadership of a shard: the state that it holds in memory, and what its entities propose to it.
//!
//! Everything here ends with the leadership. Entities and tasks hold an `Arc` of it, so they may outlive it for a
//! moment; they check [`Leader::has_ended`], and the writer accepts nothing more from them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use engine::{effect::Effect, id::EntityKey, kinds::Entity, snapshot::SnapshotError, time::Timestamp};
use parking_lot::Mutex;
use persistence::snapshots::{Snapshot, SnapshotStoreError};
use ractor::{ActorCell, ActorId};
use streaming::{Accepted, Entry, ShardId};
use tokio::sync::{OnceCell, mpsc};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{
    agenda::Agenda,
    effects_under_way::EffectsUnderWay,
    mailbox::{Live, Mailbox, StoredState},
    resources::Resources,
};

/// The outcome of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The proposal is accepted, in the batch that ends at this position. A proposal without an entry: everything that
    /// was proposed before it is accepted.
    Committed(u64),
    /// The proposal is not known to be accepted, and its entity was dropped. The append may still have landed.
    Unknown,
}

/// What is done with the outcome of a proposal.
pub type DeferredAnswer = Box<dyn FnOnce(CommitOutcome) + Send>;

/// A proposal of an entity to the writer. All of its parts take effect when the journal has accepted it, and none
/// before.
#[derive(Default)]
pub struct Proposal {
    /// The entry to append. `None`: nothing is appended, and the other parts wait for what was proposed before.
    pub entry: Option<Entry>,
    /// The key of the entity.
    pub key: Option<EntityKey>,
    /// Where the writer stores the accepted version for the entity.
    pub accepted: Option<Arc<AtomicU64>>,
    /// The entity's next wake time, if it changed.
    pub wake: Option<Option<Timestamp>>,
    /// The answers that wait for the outcome.
    pub answers: Vec<DeferredAnswer>,
    /// The effects to start once the proposal is accepted.
    pub effects: Vec<Effect>,
}

impl Proposal {
    /// Creates a proposal that consists only of an answer. It is given once everything proposed before it is accepted.
    pub fn barrier(answer: DeferredAnswer) -> Self {
        Self { answers: vec![answer], ..Self::default() }
    }
}

/// The entries of an entity that no snapshot of a checkpoint covers yet: the newest version, and the size in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dirty {
    pub(crate) version: u64,
    pub(crate) bytes: u64,
}

/// One leadership of a shard.
pub struct Leader {
    pub(crate) shard: ShardId,
    /// The number of this leadership among those of the same shard in this process.
    pub(crate) term: u64,
    /// Whether the leadership has ended. Never reset.
    over: AtomicBool,
    pub(crate) queue: mpsc::UnboundedSender<Proposal>,
    pub(crate) live: DashMap<EntityKey, Arc<dyn Live>, Xxh3DefaultBuilder>,
    pub(crate) actors: DashMap<ActorId, EntityKey, Xxh3DefaultBuilder>,
    /// Loads under way, so that an entity is loaded once for all callers that wait for it.
    pub(crate) loading: Mutex<BTreeMap<EntityKey, Arc<OnceCell<()>>>>,
    /// The wake times of its entities.
    pub agenda: Agenda,
    /// The newest time that was given out, or that recovery found: time never goes back before it.
    floor_ms: AtomicU64,
    /// The position after the newest accepted batch.
    pub(crate) accepted: AtomicU64,
    /// Entries between the checkpoint and the Lead, until a checkpoint covers them. Entities are loaded with them.
    pub(crate) recovered: Mutex<BTreeMap<EntityKey, Vec<Entry>>>,
    pub(crate) dirty: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// The entities that were dirty when the checkpoint under way began. Until it is stored, only the log has their
    /// entries.
    pub(crate) covering: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// Held while a checkpoint is taken.
    pub(crate) checkpointing: tokio::sync::Mutex<()>,
    pub(crate) tail_bytes: AtomicU64,
    /// The position of the newest checkpoint, where the tail begins. An entity is completed from here if the entries in
    /// memory are not enough.
    pub(crate) tail_from: AtomicU64,
    /// Entities that left memory since the checkpoint, with the version that their snapshot must have.
    pub(crate) passivated: Mutex<HashMap<EntityKey, u64>>,
    /// Entities whose state cannot be written, and that were reported to an operator.
    unwritable: Mutex<BTreeSet<EntityKey>>,
    /// The effects that its entities asked for and that have no definite outcome yet.
    pub(crate) effects: EffectsUnderWay,
    pub(crate) resources: Arc<Resources>,
    /// The size of the snapshots of the shard's last checkpoint, in bytes. It outlives the leadership.
    pub(crate) snapshot_bytes: Arc<AtomicU64>,
    /// The actor that supervises the entities.
    supervisor: ActorCell,
    pub(crate) quarantined: Mutex<BTreeMap<EntityKey, String>>,
}

/// The state that a leadership starts with.
pub(crate) struct Recovered {
    pub(crate) agenda: Vec<(EntityKey, Timestamp)>,
    pub(crate) newest_ms: u64,
    pub(crate) accepted: u64,
    pub(crate) tail_from: u64,
    pub(crate) tail_bytes: u64,
    pub(crate) recovered: BTreeMap<EntityKey, Vec<Entry>>,
    /// Entities that the checkpoint does not cover, with the version that each has reached.
    pub(crate) uncovered: Vec<(EntityKey, u64)>,
    pub(crate) quarantined: BTreeMap<EntityKey, String>,
}

impl Leader {
    pub(crate) fn new(
        shard: ShardId,
        term: u64,
        recovered_state: Recovered,
        queue: mpsc::UnboundedSender<Proposal>,
        resources: Arc<Resources>,
        snapshot_bytes: Arc<AtomicU64>,
        supervisor: ActorCell,
    ) -> Self {
        let agenda = Agenda::default();
        for (key, at) in &recovered_state.agenda {
            agenda.set(key, Some(*at));
        }
        // The tail of the log, and what the checkpoint did not cover, is dirty from the start: the next checkpoint
        // begins after it, so it must cover it.
        let mut dirty: BTreeMap<EntityKey, Dirty> = recovered_state
            .recovered
            .iter()
            .map(|(key, entries)| {
                let bytes = entries.iter().map(|entry| entry.events.len() as u64).sum();
                (key.clone(), Dirty { version: entries.last().map_or(0, |entry| entry.version), bytes })
            })
            .collect();
        for (key, version) in recovered_state.uncovered {
            let noted = dirty.entry(key).or_default();
            noted.version = noted.version.max(version);
        }
        Self {
            shard,
            term,
            over: AtomicBool::new(false),
            queue,
            live: DashMap::with_hasher_and_shard_amount(Xxh3DefaultBuilder, 64),
            actors: DashMap::with_hasher_and_shard_amount(Xxh3DefaultBuilder, 16),
            loading: Mutex::default(),
            agenda,
            floor_ms: AtomicU64::new(recovered_state.newest_ms),
            accepted: AtomicU64::new(recovered_state.accepted),
            dirty: Mutex::new(dirty),
            covering: Mutex::default(),
            checkpointing: tokio::sync::Mutex::default(),
            recovered: Mutex::new(recovered_state.recovered),
            tail_bytes: AtomicU64::new(recovered_state.tail_bytes),
            tail_from: AtomicU64::new(recovered_state.tail_from),
            passivated: Mutex::default(),
            unwritable: Mutex::default(),
            effects: EffectsUnderWay::default(),
            resources,
            snapshot_bytes,
            supervisor,
            quarantined: Mutex::new(recovered_state.quarantined),
        }
    }

    /// The owner's clock, never before the newest entry of the shard. One atomic step gives the time and raises the
    /// floor, so that no later caller gets an earlier time.
    pub fn now(&self) -> Timestamp {
        let now = self.resources.clock.now().0;
        Timestamp(self.floor_ms.fetch_max(now, Ordering::AcqRel).max(now))
    }

    /// Whether this leadership has ended. Nothing that is decided under it counts any more.
    pub fn has_ended(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Marks the leadership as ended, and ends its effects.
    pub(crate) fn mark_ended(&self) {
        // Marked first, so that an outcome that is being delivered at this moment changes nothing any more.
        self.over.store(true, Ordering::Release);
        self.effects.cancel();
    }

    /// Whether an answer without events has to wait for a batch that proves that this owner still leads. Not needed
    /// with a journal that has one owner by construction.
    pub fn proves_leadership(&self) -> bool {
        false
    }

    /// Whether everything runs on one thread, as in a simulation.
    pub fn inline(&self) -> bool {
        self.resources.tuning.inline
    }

    /// The actor that supervises the entities.
    pub fn supervisor(&self) -> ActorCell {
        self.supervisor.clone()
    }

    /// The position after the newest accepted batch.
    pub fn accepted_position(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Ends the leadership as a crash would, and waits until its entities have stopped.
    pub async fn end(&self) {
        self.mark_ended();
        for live in self.stop_entities() {
            live.ended().await;
        }
    }

    /// The highest version of an entity that the log is known to have since the checkpoint.
    pub(crate) fn version_in_tail(&self, key: &EntityKey) -> u64 {
        // Both locks at once, `dirty` first as everywhere: an entry that moves from one list to the other between two
        // separate looks would be seen in neither.
        let (dirty, covering) = (self.dirty.lock(), self.covering.lock());
        let version = |list: &BTreeMap<EntityKey, Dirty>| list.get(key).map_or(0, |dirty| dirty.version);
        version(&dirty).max(version(&covering))
    }

    /// Records which entity an actor belongs to: when the actor fails, only its id is known.
    pub fn note_actor(&self, actor: ActorId, key: &EntityKey) {
        self.actors.insert(actor, key.clone());
    }

    /// Hands a proposal to the writer. Once the leadership is over, its answers get the outcome unknown at once.
    pub fn propose(&self, proposal: Proposal) {
        if let Err(mpsc::error::SendError(proposal)) = self.queue.send(proposal) {
            for answer in proposal.answers {
                answer(CommitOutcome::Unknown);
            }
        }
    }

    /// The mailbox of an entity, if the entity is in memory.
    pub fn mailbox_in_memory<A: Entity>(&self, key: &EntityKey) -> Option<Result<Arc<Mailbox<A>>, MailboxError>> {
        let live = self.live.get(key).map(|live| live.value().clone())?;
        Some(live.as_any().downcast().map_err(|_| MailboxError::Quarantined("of another kind".into())))
    }

    /// The quarantined entities, with the reasons.
    pub(crate) fn quarantined(&self) -> Vec<(EntityKey, String)> {
        self.quarantined.lock().iter().map(|(key, why)| (key.clone(), why.clone())).collect()
    }

    /// Takes an entity whose state is in `snapshot` out of memory. Returns false if the snapshot could not be stored:
    /// the entity then stays in memory.
    pub async fn passivated(&self, key: &EntityKey, kept: &Mutex<StoredState>, snapshot: Snapshot) -> bool {
        let (version, bytes) = (snapshot.version, snapshot.bytes.len());
        if let Err(error) = self.keep(kept, snapshot).await {
            tracing::warn!(%key, %error, "snapshot not kept; the entity stays in memory");
            return false;
        }
        // Before the removal: a load that begins right after it must know the version that the stores have to give
        // back.
        self.passivated.lock().insert(key.clone(), version);
        self.remove_live(key);
        tracing::debug!(%key, version, bytes, "entity retired");
        true
    }

    /// Takes an entity out of memory whose present state can be loaded again without a new snapshot.
    pub fn passivated_unchanged(&self, key: &EntityKey, kept: StoredState) {
        // Only if its snapshot has this version. If the state also needs entries of the tail, a checkpoint still has to
        // take a snapshot of it.
        let snapshot = kept.newest.map(|at| at.version).filter(|&version| kept.restorable_version == Some(version));
        if let Some(version) = snapshot {
            self.passivated.lock().insert(key.clone(), version);
        }
        self.remove_live(key);
        tracing::debug!(%key, version = kept.restorable_version, "entity retired, unchanged");
    }

    /// Stores a snapshot and removes those that it supersedes, except for the last one that can be read: that one is
    /// the fallback if the new one cannot be read.
    pub(crate) async fn keep(
        &self,
        kept: &Mutex<StoredState>,
        snapshot: Snapshot,
    ) -> Result<usize, SnapshotStoreError> {
        let (at, key, size) = (snapshot.at(), snapshot.key.clone(), snapshot.bytes.len());
        self.resources.snapshots.put(snapshot).await?;
        self.resources.counters.snapshot_written(size);
        // After the snapshot is stored, and before anything is removed. The store never makes a removal durable before
        // the snapshot that supersedes the removed ones, so at every moment at least one survives a crash.
        let former = {
            let mut kept = kept.lock();
            let former = kept.newest;
            if former.is_none_or(|former| former <= at) {
                *kept = StoredState { newest: Some(at), restorable_version: Some(at.version) };
            }
            former
        };
        if let Some(former) = former.filter(|former| *former < at)
            && let Err(error) = self.resources.snapshots.prune(key, former).await
        {
            tracing::warn!(%error, "superseded snapshots not removed; the next one removes them");
        }
        Ok(size)
    }

    /// Reports to an operator, once, that an entity's state cannot be written. The entity stays in memory, its former
    /// snapshot and the checkpoint before remain in force, and the log keeps what neither has.
    pub fn tell_unwritable(&self, key: &EntityKey, error: &SnapshotError) {
        if self.unwritable.lock().insert(key.clone()) {
            tracing::error!(%key, %error, "state cannot be written; the former snapshot stands");
            self.resources.dead_letters.add(key, &format!("its state cannot be written: {error}"));
        }
    }

    /// The number of entities in memory.
    pub(crate) fn entities(&self) -> usize {
        self.live.len()
    }

    /// Takes an entity without history out of memory: a caller used its id, but nothing was ever stored under it.
    pub fn forget(&self, key: &EntityKey) {
        self.remove_live(key);
        tracing::debug!(%key, "entity forgotten");
    }

    pub(crate) fn remove_live(&self, key: &EntityKey) {
        if self.live.remove(key).is_some() {
            metrics::gauge!("fusion_live_entities", "kind" => key.kind().name()).decrement(1.0);
        }
    }

    /// Stops every entity, in the order of the keys, so that a simulation can be replayed. What they had not proposed
    /// is lost.
    pub(crate) fn stop_entities(&self) -> Vec<Arc<dyn Live>> {
        let mut keys: Vec<EntityKey> = self.live.iter().map(|live| live.key().clone()).collect();
        keys.sort_unstable();
        let lives: Vec<_> = keys.iter().filter_map(|key| self.live.get(key).map(|live| live.value().clone())).collect();
        for (key, live) in keys.iter().zip(&lives) {
            live.stop();
            self.remove_live(key);
        }
        lives
    }
}

/// The reason why there is no mailbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The leadership ended. The caller should try again with the next one.
    #[error("the shard's leadership ended")]
    Gone,
    /// The entity is quarantined.
    #[error("entity is quarantined: {0}")]
    Quarantined(String),
    /// The stores did not return its state. The caller may try again.
    #[error("{0}")]
    Store(String),
}

/// The outcome of an accepted batch.
pub(crate) fn committed(accepted: &Accepted) -> CommitOutcome {
    CommitOutcome::Committed(accepted.end.0)
}
