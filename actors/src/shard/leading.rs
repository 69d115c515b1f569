//! What one leadership of a shard holds in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use engine::{
    aggregate::{Aggregate, SnapshotError},
    effect::{Effect, EffectId, Outcome},
    id::{EntityKey, TenantId},
    time::Timestamp,
};
use parking_lot::Mutex;
use persistence::snapshots::{Snapshot, SnapshotAt, SnapshotStoreError};
use ractor::{ActorCell, ActorId, ActorRef};
use streaming::{Accepted, Entry, ShardId};
use tokio::sync::{OnceCell, mpsc};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::{loading::LoadError, supervisor::ShardMessage};
use crate::{
    agenda::Agenda,
    entity::{Whenever, start},
    kinds::with_kind,
    mailbox::{Live, Mailbox},
    node::NodeShared,
};

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is accepted, in the batch that ends at this position, or rested on what was.
    Accepted(u64),
    /// It is not known to be accepted, and its entity is gone.
    Undone,
}

/// The leadership ended before what was asked could be done; a newer one will do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shard's leadership ended")]
pub struct LeadGone;

/// What an entity hands to the writer.
#[derive(Default)]
pub struct Proposal {
    /// What happened. `None`: nothing; the answers wait for what was proposed before.
    pub entry: Option<Entry>,
    /// The entity.
    pub key: Option<EntityKey>,
    /// Where the entity learns that this version is accepted.
    pub accepted: Option<Arc<AtomicU64>>,
    /// The entity's next wake, if it changed.
    pub wake: Option<Option<Timestamp>>,
    /// Who waits.
    pub answers: Vec<Whenever>,
    /// What is to be done once it is accepted.
    pub effects: Vec<Effect>,
}

impl Proposal {
    /// Nothing but an answer.
    pub fn barrier(answer: Whenever) -> Self {
        Self { answers: vec![answer], ..Self::default() }
    }
}

/// What the store has of an entity that is in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Its newest snapshot that reads.
    pub newest: Option<SnapshotAt>,
    /// The version that is loaded again without a new snapshot: that of the newest one, or what the tail of the log that
    /// was read at the beginning makes of it.
    pub loads_again: Option<u64>,
}

/// Entries that no snapshot covers, by entity.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dirty {
    pub(super) version: u64,
    pub(super) bytes: u64,
}

/// One leadership of a shard.
pub struct Leading {
    pub(super) shard: ShardId,
    /// Tells this leadership from others of the same shard in this process.
    pub(super) term: u64,
    over: AtomicBool,
    pub(super) queue: mpsc::UnboundedSender<Proposal>,
    pub(super) live: DashMap<EntityKey, Arc<dyn Live>, Xxh3DefaultBuilder>,
    pub(super) actors: DashMap<ActorId, EntityKey, Xxh3DefaultBuilder>,
    loading: Mutex<BTreeMap<EntityKey, Arc<OnceCell<()>>>>,
    /// The wakes of its entities.
    pub agenda: Agenda,
    floor_ms: AtomicU64,
    /// The position after the newest accepted batch.
    pub(super) accepted: AtomicU64,
    /// Entries between the checkpoint and the Lead, until a checkpoint covers them: entities are loaded with them.
    pub(super) recovered: Mutex<BTreeMap<EntityKey, Vec<Entry>>>,
    pub(super) dirty: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// What was dirty when the checkpoint under way began; until it stands, the log alone has it.
    pub(super) covering: Mutex<BTreeMap<EntityKey, Dirty>>,
    /// Held while a checkpoint is taken.
    pub(super) checkpointing: tokio::sync::Mutex<()>,
    pub(super) tail_bytes: AtomicU64,
    /// The position from which the tail is read when an entity has to be loaded without its actor's own snapshot.
    pub(super) tail_from: AtomicU64,
    /// Entities that left memory since the checkpoint, with the version that their snapshot must have.
    pub(super) retired: Mutex<HashMap<EntityKey, u64>>,
    /// Entities whose state cannot be written, as an operator has been told.
    unwritable: Mutex<BTreeSet<EntityKey>>,
    pub(super) node: Arc<NodeShared>,
    pub(super) owner: ActorRef<ShardMessage>,
    pub(super) parked: Mutex<BTreeMap<EntityKey, String>>,
}

/// What a leadership starts with.
pub(super) struct Beginning {
    pub(super) agenda: Vec<(EntityKey, Timestamp)>,
    pub(super) newest_ms: u64,
    pub(super) accepted: u64,
    pub(super) tail_from: u64,
    pub(super) tail_bytes: u64,
    pub(super) recovered: BTreeMap<EntityKey, Vec<Entry>>,
    /// Entities that the checkpoint does not cover, with the version that each has reached.
    pub(super) uncovered: Vec<(EntityKey, u64)>,
    pub(super) parked: BTreeMap<EntityKey, String>,
}

impl Leading {
    pub(super) fn new(
        shard: ShardId,
        term: u64,
        beginning: Beginning,
        queue: mpsc::UnboundedSender<Proposal>,
        node: Arc<NodeShared>,
        owner: ActorRef<ShardMessage>,
    ) -> Self {
        let agenda = Agenda::default();
        for (key, at) in &beginning.agenda {
            agenda.set(key, Some(*at));
        }
        let mut dirty: BTreeMap<EntityKey, Dirty> = beginning
            .recovered
            .iter()
            .map(|(key, entries)| {
                let bytes = entries.iter().map(|entry| entry.events.len() as u64).sum();
                (key.clone(), Dirty { version: entries.last().map_or(0, |entry| entry.version), bytes })
            })
            .collect();
        for (key, version) in beginning.uncovered {
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
            floor_ms: AtomicU64::new(beginning.newest_ms),
            accepted: AtomicU64::new(beginning.accepted),
            dirty: Mutex::new(dirty),
            covering: Mutex::default(),
            checkpointing: tokio::sync::Mutex::default(),
            recovered: Mutex::new(beginning.recovered),
            tail_bytes: AtomicU64::new(beginning.tail_bytes),
            tail_from: AtomicU64::new(beginning.tail_from),
            retired: Mutex::default(),
            unwritable: Mutex::default(),
            node,
            owner,
            parked: Mutex::new(beginning.parked),
        }
    }

    /// The owner's clock, never before the newest entry of the shard.
    pub fn now(&self) -> Timestamp {
        let now = self.node.clock.now().0;
        Timestamp(self.floor_ms.fetch_max(now, Ordering::AcqRel).max(now))
    }

    /// Whether this leadership has ended: nothing that it decides counts any more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub(super) fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether an answer without events has to be preceded by a batch that shows that this owner still leads. Not with
    /// a journal that has one owner by construction.
    pub fn proves_lead(&self) -> bool {
        false
    }

    /// Whether everything runs on one thread, in a simulation.
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

    /// Ends it as a crash would, and waits until its entities are gone.
    pub async fn end(&self) {
        self.set_over();
        for live in self.stop_entities() {
            live.ended().await;
        }
    }

    /// The highest version of an entity that the log is known to have since the checkpoint.
    pub(super) fn version_in_tail(&self, key: &EntityKey) -> u64 {
        // Both at once: an entry that moves from one list to the other between two looks would be in neither.
        let (dirty, covering) = (self.dirty.lock(), self.covering.lock());
        let version = |list: &BTreeMap<EntityKey, Dirty>| list.get(key).map_or(0, |dirty| dirty.version);
        version(&dirty).max(version(&covering))
    }

    /// Notes which entity an actor is, for the day it fails.
    pub fn note_actor(&self, actor: ActorId, key: &EntityKey) {
        self.actors.insert(actor, key.clone());
    }

    /// Hands a proposal to the writer. Once the leadership is over, its answers are undone at once.
    pub fn propose(&self, proposal: Proposal) {
        if let Err(mpsc::error::SendError(proposal)) = self.queue.send(proposal) {
            for answer in proposal.answers {
                answer(Fate::Undone);
            }
        }
    }

    /// Starts an effect, unless it is under way.
    pub fn dispatch(&self, tenant: &TenantId, source: &EntityKey, effect: Effect) {
        self.node.effects.dispatch(&self.node, tenant, source, effect);
    }

    /// The mailbox of an entity, loaded if need be. `Err(Some(why))`: it is parked.
    pub async fn mailbox<A: Aggregate>(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<Mailbox<A>>, MailboxError> {
        loop {
            if let Some(mailbox) = self.mailbox_in_memory(key) {
                return mailbox;
            }
            self.load::<A>(key).await?;
        }
    }

    /// The mailbox of an entity that is in memory.
    pub fn mailbox_in_memory<A: Aggregate>(&self, key: &EntityKey) -> Option<Result<Arc<Mailbox<A>>, MailboxError>> {
        let live = self.live.get(key).map(|live| live.value().clone())?;
        Some(live.as_any().downcast().map_err(|_| MailboxError::Parked("of another kind".into())))
    }

    /// An entity of whatever kind its key says, loaded if need be.
    pub async fn any(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<dyn Live>, MailboxError> {
        loop {
            if let Some(live) = self.live.get(key).map(|live| live.value().clone()) {
                return Ok(live);
            }
            with_kind!(key.kind(), A => self.load::<A>(key).await?);
        }
    }

    /// Loads an entity once, however many ask for it at the same time.
    async fn load<A: Aggregate>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        if self.is_over() {
            return Err(MailboxError::Gone);
        }
        if let Some(why) = self.parked.lock().get(key) {
            return Err(MailboxError::Parked(why.clone()));
        }
        let cell = self.loading.lock().entry(key.clone()).or_default().clone();
        let loaded = cell.get_or_try_init(|| self.load_now::<A>(key)).await;
        let mut loading = self.loading.lock();
        // After a failure the next who waits tries, in the same cell: it may go only with the last of them.
        let last = Arc::strong_count(&cell) <= 2;
        if (loaded.is_ok() || last) && loading.get(key).is_some_and(|known| Arc::ptr_eq(known, &cell)) {
            loading.remove(key);
        }
        loaded.map(|_| ())
    }

    async fn load_now<A: Aggregate>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        if self.live.contains_key(key) {
            return Ok(());
        }
        let loaded = match self.read_entity::<A>(key).await {
            Ok(loaded) => loaded,
            Err(LoadError::Store(why)) => return Err(MailboxError::Store(why)),
            Err(error) => {
                let why = error.to_string();
                tracing::error!(%key, why, "entity parked: it does not load");
                self.parked.lock().insert(key.clone(), why.clone());
                return Err(MailboxError::Parked(why));
            }
        };
        tracing::debug!(%key, version = loaded.version, from_snapshot = loaded.from_snapshot, "entity loaded");
        let mailbox = start::<A>(self, key, loaded).await.map_err(|_| MailboxError::Gone)?;
        self.live.insert(key.clone(), mailbox);
        metrics::gauge!("fusion_live_entities", "kind" => A::KIND.name()).increment(1.0);
        if self.is_over() {
            self.stop_entities();
            return Err(MailboxError::Gone);
        }
        Ok(())
    }

    /// The entities that are put aside, and why.
    pub(crate) fn parked(&self) -> Vec<(EntityKey, String)> {
        self.parked.lock().iter().map(|(key, why)| (key.clone(), why.clone())).collect()
    }

    /// Delivers what came of an effect.
    pub async fn deliver(
        self: &Arc<Self>,
        key: &EntityKey,
        effect: EffectId,
        outcome: Outcome,
    ) -> Result<(), MailboxError> {
        self.any(key).await?.outcome(effect, outcome).map_err(|_| MailboxError::Gone)
    }

    /// Takes an entity out of memory whose state is in `snapshot`. False when the snapshot could not be kept.
    pub async fn retired(&self, key: &EntityKey, kept: &Mutex<Kept>, snapshot: Snapshot) -> bool {
        let (version, bytes) = (snapshot.version, snapshot.bytes.len());
        if let Err(error) = self.keep(kept, snapshot).await {
            tracing::warn!(%key, %error, "snapshot not kept; the entity stays in memory");
            return false;
        }
        self.retired.lock().insert(key.clone(), version);
        self.remove_live(key);
        tracing::debug!(%key, version, bytes, "entity retired");
        true
    }

    /// Takes an entity out of memory whose state is loaded again from what is there.
    pub fn retired_unchanged(&self, key: &EntityKey, kept: Kept) {
        // When the tail has a part of it, a checkpoint still needs its snapshot.
        let snapshot = kept.newest.map(|at| at.version).filter(|&version| kept.loads_again == Some(version));
        if let Some(version) = snapshot {
            self.retired.lock().insert(key.clone(), version);
        }
        self.remove_live(key);
        tracing::debug!(%key, version = kept.loads_again, "entity retired, unchanged");
    }

    /// Keeps a snapshot, and removes those that it supersedes, but for the last one that reads: that is what is fallen
    /// back to when this one does not.
    pub(super) async fn keep(&self, kept: &Mutex<Kept>, snapshot: Snapshot) -> Result<usize, SnapshotStoreError> {
        let (at, key, size) = (snapshot.at(), snapshot.key.clone(), snapshot.bytes.len());
        self.node.snapshots.put(snapshot).await?;
        self.node.counters.snapshot_written(size);
        let former = {
            let mut kept = kept.lock();
            let former = kept.newest;
            if former.is_none_or(|former| former <= at) {
                *kept = Kept { newest: Some(at), loads_again: Some(at.version) };
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

    /// Tells an operator, once, that an entity's state cannot be written. It stays in memory, its former snapshot and the
    /// checkpoint before stand, and the log keeps what neither has.
    pub fn tell_unwritable(&self, key: &EntityKey, error: &SnapshotError) {
        if self.unwritable.lock().insert(key.clone()) {
            tracing::error!(%key, %error, "state cannot be written; the former snapshot stands");
            self.node.dead_letter(key, &format!("its state cannot be written: {error}"));
        }
    }

    /// How many entities are in memory.
    pub(crate) fn entities(&self) -> usize {
        self.live.len()
    }

    /// Takes an entity out of memory that has nothing to be remembered: it was asked for, and never was.
    pub fn forget(&self, key: &EntityKey) {
        self.remove_live(key);
        tracing::debug!(%key, "entity forgotten");
    }

    pub(super) fn remove_live(&self, key: &EntityKey) {
        if self.live.remove(key).is_some() {
            metrics::gauge!("fusion_live_entities", "kind" => key.kind().name()).decrement(1.0);
        }
    }

    /// Stops every entity, in the order of their keys; what they had not proposed is gone.
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

/// Why there is no mailbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The leadership ended; a newer one will have it.
    #[error("the shard's leadership ended")]
    Gone,
    /// The entity is put aside.
    #[error("entity is parked: {0}")]
    Parked(String),
    /// The stores did not give its state; it may be tried again.
    #[error("{0}")]
    Store(String),
}

/// The position and size of what was accepted.
pub(super) fn fate(accepted: &Accepted) -> Fate {
    Fate::Accepted(accepted.end.0)
}
