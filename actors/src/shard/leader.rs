//! The state that one leadership of a shard holds in memory.
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
use engine::{
    aggregate::SnapshotError,
    effect::{Effect, EffectId, Outcome},
    id::{EntityKey, TenantId},
    kinds::Entity,
    time::Timestamp,
    with_kind,
};
use parking_lot::Mutex;
use persistence::snapshots::{Snapshot, SnapshotAt, SnapshotStoreError};
use ractor::{ActorCell, ActorId, ActorRef};
use streaming::{Accepted, Entry, ShardId};
use tokio::sync::{OnceCell, mpsc};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::{loading::LoadError, message::ShardMessage};
use crate::{
    agenda::Agenda,
    effects::{EffectsUnderWay, dispatch},
    entity::{DeferredAnswer, start},
    mailbox::{Live, Mailbox},
    node::NodeShared,
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

/// The leadership ended before the request was carried out. The next leadership can carry it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shard's leadership ended")]
pub struct LeadershipEnded;

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

/// What the snapshot store has of an entity that is in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredState {
    /// The newest snapshot that can be read.
    pub newest: Option<SnapshotAt>,
    /// The version that can be loaded again without a new snapshot: that of the newest snapshot, or the one that the
    /// tail of the log, as read at the start of the leadership, leads to.
    pub restorable_version: Option<u64>,
}

/// The entries of an entity that no snapshot of a checkpoint covers yet: the newest version, and the size in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dirty {
    pub(super) version: u64,
    pub(super) bytes: u64,
}

/// One leadership of a shard.
pub struct Leader {
    pub(super) shard: ShardId,
    /// The number of this leadership among those of the same shard in this process.
    pub(super) term: u64,
    /// Whether the leadership has ended. Never reset.
    over: AtomicBool,
    pub(super) queue: mpsc::UnboundedSender<Proposal>,
    pub(super) live: DashMap<EntityKey, Arc<dyn Live>, Xxh3DefaultBuilder>,
    pub(super) actors: DashMap<ActorId, EntityKey, Xxh3DefaultBuilder>,
    /// Loads under way, so that an entity is loaded once for all callers that wait for it.
    loading: Mutex<BTreeMap<EntityKey, Arc<OnceCell<()>>>>,
    /// The wake times of its entities.
    pub agenda: Agenda,
    /// The newest time that was given out, or that recovery found: time never goes back before it.
    floor_ms: AtomicU64,
    /// The position after the newest accepted batch.
    pub(super) accepted: AtomicU64,
    /// Entries between the checkpoint and the Lead, until a checkpoint covers them. Entities are loaded with them.
    pub(super) recovered: Mutex<BTreeMap<EntityKey, Vec<Entry>>>,
    pub(super) dirty: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// The entities that were dirty when the checkpoint under way began. Until it is stored, only the log has their
    /// entries.
    pub(super) covering: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// Held while a checkpoint is taken.
    pub(super) checkpointing: tokio::sync::Mutex<()>,
    pub(super) tail_bytes: AtomicU64,
    /// The position of the newest checkpoint, where the tail begins. An entity is completed from here if the entries in
    /// memory are not enough.
    pub(super) tail_from: AtomicU64,
    /// Entities that left memory since the checkpoint, with the version that their snapshot must have.
    pub(super) passivated: Mutex<HashMap<EntityKey, u64>>,
    /// Entities whose state cannot be written, and that were reported to an operator.
    unwritable: Mutex<BTreeSet<EntityKey>>,
    /// The effects that its entities asked for and that have no definite outcome yet.
    pub(crate) effects: EffectsUnderWay,
    pub(crate) node: Arc<NodeShared>,
    pub(super) owner: ActorRef<ShardMessage>,
    pub(super) quarantined: Mutex<BTreeMap<EntityKey, String>>,
}

/// The state that a leadership starts with.
pub(crate) struct Recovered {
    pub(super) agenda: Vec<(EntityKey, Timestamp)>,
    pub(super) newest_ms: u64,
    pub(super) accepted: u64,
    pub(super) tail_from: u64,
    pub(super) tail_bytes: u64,
    pub(super) recovered: BTreeMap<EntityKey, Vec<Entry>>,
    /// Entities that the checkpoint does not cover, with the version that each has reached.
    pub(super) uncovered: Vec<(EntityKey, u64)>,
    pub(super) quarantined: BTreeMap<EntityKey, String>,
}

impl Leader {
    pub(super) fn new(
        shard: ShardId,
        term: u64,
        recovered_state: Recovered,
        queue: mpsc::UnboundedSender<Proposal>,
        node: Arc<NodeShared>,
        owner: ActorRef<ShardMessage>,
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
            node,
            owner,
            quarantined: Mutex::new(recovered_state.quarantined),
        }
    }

    /// The owner's clock, never before the newest entry of the shard. One atomic step gives the time and raises the
    /// floor, so that no later caller gets an earlier time.
    pub fn now(&self) -> Timestamp {
        let now = self.node.clock.now().0;
        Timestamp(self.floor_ms.fetch_max(now, Ordering::AcqRel).max(now))
    }

    /// Whether this leadership has ended. Nothing that is decided under it counts any more.
    pub fn has_ended(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Marks the leadership as ended, and ends its effects.
    pub(super) fn mark_ended(&self) {
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
        self.node.tuning.inline
    }

    /// The actor that supervises the entities.
    pub fn supervisor(&self) -> ActorCell {
        self.owner.get_cell()
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
    pub(super) fn version_in_tail(&self, key: &EntityKey) -> u64 {
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

    /// Starts an effect, unless it is already under way.
    pub fn dispatch(self: &Arc<Self>, tenant: &TenantId, source: &EntityKey, effect: Effect) {
        dispatch(self, tenant, source, effect);
    }

    /// The mailbox of an entity, which is loaded if necessary.
    pub async fn mailbox<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<Mailbox<A>>, MailboxError> {
        loop {
            if let Some(mailbox) = self.mailbox_in_memory(key) {
                return mailbox;
            }
            self.load::<A>(key).await?;
        }
    }

    /// The mailbox of an entity, if the entity is in memory.
    pub fn mailbox_in_memory<A: Entity>(&self, key: &EntityKey) -> Option<Result<Arc<Mailbox<A>>, MailboxError>> {
        let live = self.live.get(key).map(|live| live.value().clone())?;
        Some(live.as_any().downcast().map_err(|_| MailboxError::Quarantined("of another kind".into())))
    }

    /// The entity with this key, of whatever kind, which is loaded if necessary.
    pub async fn any(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<dyn Live>, MailboxError> {
        loop {
            if let Some(live) = self.live.get(key).map(|live| live.value().clone()) {
                return Ok(live);
            }
            with_kind!(key.kind(), A => self.load::<A>(key).await?);
        }
    }

    /// Loads an entity once, even if many callers request it at the same time.
    async fn load<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        if self.has_ended() {
            return Err(MailboxError::Gone);
        }
        if let Some(why) = self.quarantined.lock().get(key) {
            return Err(MailboxError::Quarantined(why.clone()));
        }
        let cell = self.loading.lock().entry(key.clone()).or_default().clone();
        let loaded = cell.get_or_try_init(|| self.load_now::<A>(key)).await;
        let mut loading = self.loading.lock();
        // After a failure the next waiting caller tries again in the same cell, so the cell may be removed only with
        // the last of them. Two references are left then: the one in the map, and this one.
        let last = Arc::strong_count(&cell) <= 2;
        if (loaded.is_ok() || last) && loading.get(key).is_some_and(|known| Arc::ptr_eq(known, &cell)) {
            loading.remove(key);
        }
        loaded.map(|_| ())
    }

    async fn load_now<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        // A load that ended just before this one began may have removed its cell already.
        if self.live.contains_key(key) {
            return Ok(());
        }
        let loaded = match self.read_entity::<A>(key).await {
            Ok(loaded) => loaded,
            Err(LoadError::Store(why)) => return Err(MailboxError::Store(why)),
            Err(error) => {
                let why = error.to_string();
                tracing::error!(%key, why, "entity parked: it does not load");
                self.quarantined.lock().insert(key.clone(), why.clone());
                return Err(MailboxError::Quarantined(why));
            }
        };
        tracing::debug!(%key, version = loaded.version, from_snapshot = loaded.from_snapshot, "entity loaded");
        let mailbox = start::<A>(self, key, loaded).await.map_err(|_| MailboxError::Gone)?;
        // Inserted first, checked afterwards. The leadership may have ended since the check in `load`, and whoever
        // ended it stops only the entities that are in the map at that time: one of the two sides sees this entity in
        // any case.
        let former = self.live.insert(key.clone(), mailbox);
        assert!(former.is_none(), "two actors own the entity {key}");
        metrics::gauge!("fusion_live_entities", "kind" => A::KIND.name()).increment(1.0);
        if self.has_ended() {
            self.stop_entities();
            return Err(MailboxError::Gone);
        }
        Ok(())
    }

    /// The quarantined entities, with the reasons.
    pub(crate) fn quarantined(&self) -> Vec<(EntityKey, String)> {
        self.quarantined.lock().iter().map(|(key, why)| (key.clone(), why.clone())).collect()
    }

    /// Delivers the outcome of an effect to the entity that asked for it.
    pub async fn deliver(
        self: &Arc<Self>,
        key: &EntityKey,
        effect: EffectId,
        outcome: Outcome,
    ) -> Result<(), MailboxError> {
        self.any(key).await?.outcome(effect, outcome).map_err(|_| MailboxError::Gone)
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
    pub(super) async fn keep(
        &self,
        kept: &Mutex<StoredState>,
        snapshot: Snapshot,
    ) -> Result<usize, SnapshotStoreError> {
        let (at, key, size) = (snapshot.at(), snapshot.key.clone(), snapshot.bytes.len());
        self.node.snapshots.put(snapshot).await?;
        self.node.counters.snapshot_written(size);
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
            && let Err(error) = self.node.snapshots.prune(key, former).await
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
            self.node.dead_letter(key, &format!("its state cannot be written: {error}"));
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

    pub(super) fn remove_live(&self, key: &EntityKey) {
        if self.live.remove(key).is_some() {
            metrics::gauge!("fusion_live_entities", "kind" => key.kind().name()).decrement(1.0);
        }
    }

    /// Stops every entity, in the order of the keys, so that a simulation can be replayed. What they had not proposed
    /// is lost.
    pub(super) fn stop_entities(&self) -> Vec<Arc<dyn Live>> {
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
    #[error("entity is parked: {0}")]
    Quarantined(String),
    /// The stores did not return its state. The caller may try again.
    #[error("{0}")]
    Store(String),
}

/// The outcome of an accepted batch.
pub(super) fn committed(accepted: &Accepted) -> CommitOutcome {
    CommitOutcome::Committed(accepted.end.0)
}
