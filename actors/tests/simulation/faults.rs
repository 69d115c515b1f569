//! What goes wrong in a simulated world: the journal, the snapshots and the outside all fail by the seed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use persistence::snapshots::{Checkpoint, Snapshot, SnapshotStore, SnapshotStoreError};
use streaming::{Header, Journal as _, JournalError, Position, ShardId, memory::Fault, memory::Faults};

/// Random numbers of one seed, in the order in which they are asked for.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<fastrand::Rng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// True `per_mille` times in a thousand.
    pub fn chance(&self, per_mille: u32) -> bool {
        self.0.lock().u32(0..1_000) < per_mille
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.0.lock().u64(0..limit.max(1))
    }

    pub fn ms(&self, at_most: u64) -> Duration {
        Duration::from_millis(self.below(at_most + 1))
    }
}

/// Switched off at the end, so that everything can settle.
#[derive(Clone)]
pub struct Trouble {
    pub dice: Dice,
    pub on: Arc<AtomicBool>,
    /// How often an append goes wrong, per mille.
    pub appends: u32,
}

impl Trouble {
    fn strikes(&self, per_mille: u32) -> bool {
        self.on.load(Ordering::Acquire) && self.dice.chance(per_mille)
    }

    fn fault(&self) -> Fault {
        if !self.strikes(self.appends) {
            return Fault::Delay(Duration::from_micros(200 + self.dice.below(3_000)));
        }
        match self.dice.below(4) {
            0 => Fault::FailBefore,
            1 => Fault::FailAfter,
            2 => Fault::LandLate(self.dice.ms(400)),
            _ => Fault::Lose,
        }
    }
}

impl Faults for Trouble {
    fn on_append(&self, _: ShardId, _: &Header) -> Fault {
        self.fault()
    }

    fn on_lead(&self, _: ShardId, _: &Header) -> Fault {
        self.fault()
    }

    fn on_read(&self, shard: ShardId, _: Position) -> Option<JournalError> {
        self.strikes(10).then(|| JournalError::Store(format!("shard {shard} does not answer")))
    }
}

/// Snapshots in memory that lose what was not synced when the node crashes.
#[derive(Clone)]
pub struct Snapshots {
    rows: Arc<Mutex<Rows>>,
    trouble: Trouble,
    /// How long it takes at the most to do anything, in microseconds.
    pub pause_max_us: Arc<AtomicU64>,
}

#[derive(Default)]
struct Rows {
    snapshots: BTreeMap<(Bytes, u64), (Snapshot, bool)>,
    checkpoints: BTreeMap<(u16, u64), Checkpoint>,
}

impl Snapshots {
    pub fn new(trouble: Trouble) -> Self {
        Self { rows: Arc::default(), trouble, pause_max_us: Arc::new(AtomicU64::new(2_000)) }
    }

    /// What a power cut leaves.
    pub fn crash(&self) {
        self.rows.lock().snapshots.retain(|_, (_, durable)| *durable);
    }

    /// How many snapshots there are.
    pub fn len(&self) -> usize {
        self.rows.lock().snapshots.len()
    }

    pub fn checkpoints(&self) -> usize {
        self.rows.lock().checkpoints.len()
    }

    async fn pause(&self) -> Result<(), SnapshotStoreError> {
        let micros = self.trouble.dice.below(self.pause_max_us.load(Ordering::Acquire));
        tokio::time::sleep(Duration::from_micros(micros)).await;
        match self.trouble.strikes(30) {
            true => Err(SnapshotStoreError::Store("does not answer".into())),
            false => Ok(()),
        }
    }

    fn sync_now(&self) {
        self.rows.lock().snapshots.values_mut().for_each(|(_, durable)| *durable = true);
    }
}

impl SnapshotStore for Snapshots {
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            // A row is immutable: putting it again does not take away that it is durable.
            let at = (snapshot.key.clone(), snapshot.version);
            self.rows.lock().snapshots.entry(at).or_insert((snapshot, false));
            Ok(())
        }
        .boxed()
    }

    fn newest(&self, key: Bytes, at_most: Option<u64>) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>> {
        async move {
            self.pause().await?;
            let rows = self.rows.lock();
            let range = (key.clone(), 0)..=(key, at_most.unwrap_or(u64::MAX));
            Ok(rows.snapshots.range(range).next_back().map(|(_, (snapshot, _))| snapshot.clone()))
        }
        .boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.sync_now();
            Ok(())
        }
        .boxed()
    }

    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.sync_now();
            self.rows.lock().checkpoints.insert((shard, checkpoint.position), checkpoint);
            Ok(())
        }
        .boxed()
    }

    fn newest_checkpoints(
        &self,
        shard: u16,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Checkpoint>, SnapshotStoreError>> {
        async move {
            self.pause().await?;
            let rows = self.rows.lock();
            let range = rows.checkpoints.range((shard, 0)..=(shard, u64::MAX));
            Ok(range.rev().take(limit).map(|(_, checkpoint)| checkpoint.clone()).collect())
        }
        .boxed()
    }

    fn prune(&self, key: Bytes, keep: usize) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            let mut rows = self.rows.lock();
            let versions: Vec<_> =
                rows.snapshots.range((key.clone(), 0)..=(key.clone(), u64::MAX)).map(|(at, _)| at.clone()).collect();
            for at in versions.iter().rev().skip(keep) {
                rows.snapshots.remove(at);
            }
            Ok(())
        }
        .boxed()
    }
}

/// Everything that the journal has accepted of every shard.
pub fn accepted_everywhere(journal: &streaming::memory::MemoryJournal) -> Vec<Vec<streaming::Batch>> {
    (0..journal.shards()).map(|shard| journal.accepted_log(ShardId(shard))).collect()
}
