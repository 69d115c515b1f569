//! The faults of a simulation: the journal, the snapshots and the external services all fail according to the seed.

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
use persistence::snapshots::{Checkpoint, MemorySnapshots, Snapshot, SnapshotAt, SnapshotStore, SnapshotStoreError};
use streaming::{Header, Journal as _, JournalError, Position, ShardId, memory::Fault, memory::Faults};

/// Random numbers of one seed, in the order in which they are drawn.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<fastrand::Rng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Returns true `per_mille` times in a thousand.
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

/// The source of faults. It is switched off at the end, so that everything can settle.
#[derive(Clone)]
pub struct Trouble {
    pub dice: Dice,
    pub on: Arc<AtomicBool>,
    /// The share of appends that fail, in per mille.
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

/// How a stored row is spoilt, as a newer program version or a bad disk may leave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoilt {
    /// Another format.
    Format,
    /// Half of the state.
    Truncated,
    /// No state.
    Empty,
    /// Other bytes than were written.
    Damaged,
}

impl Spoilt {
    pub const ALL: [Self; 4] = [Self::Format, Self::Truncated, Self::Empty, Self::Damaged];
}

/// The snapshot store of tests, which is slow and fails according to the seed. Rows are stored as in the data folder.
#[derive(Clone)]
pub struct Snapshots {
    /// The stored rows.
    pub rows: MemorySnapshots,
    trouble: Trouble,
    /// The maximum duration of an operation, in microseconds.
    pub pause_max_us: Arc<AtomicU64>,
    checkpoints: Arc<AtomicU64>,
}

impl Snapshots {
    pub fn new(trouble: Trouble) -> Self {
        Self {
            rows: MemorySnapshots::new(),
            trouble,
            pause_max_us: Arc::new(AtomicU64::new(2_000)),
            checkpoints: Arc::default(),
        }
    }

    /// Leaves what survives a power cut.
    pub fn crash(&self) {
        self.rows.crash();
    }

    /// The number of stored snapshots.
    pub fn len(&self) -> usize {
        self.rows.snapshots().len()
    }

    /// The number of checkpoints that were taken.
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints.load(Ordering::Acquire)
    }

    /// The newest snapshot of each entity.
    pub fn newest_of_each(&self) -> Vec<Snapshot> {
        let of_each: BTreeMap<Bytes, Snapshot> =
            self.rows.snapshots().into_iter().map(|snapshot| (snapshot.key.clone(), snapshot)).collect();
        of_each.into_values().collect()
    }

    pub fn spoil(&self, snapshot: &Snapshot, how: Spoilt) {
        let half = snapshot.bytes.slice(..snapshot.bytes.len() / 2);
        let replaced = match how {
            Spoilt::Format => Snapshot { format: snapshot.format + 1, ..snapshot.clone() },
            Spoilt::Truncated => Snapshot { bytes: half, ..snapshot.clone() },
            Spoilt::Empty => Snapshot { bytes: Bytes::new(), ..snapshot.clone() },
            Spoilt::Damaged => return self.rows.damage(&snapshot.key, snapshot.version),
        };
        self.rows.replace(&replaced).unwrap();
    }

    pub fn spoil_checkpoint(&self, shard: u16, checkpoint: &Checkpoint, how: Spoilt) {
        let half = checkpoint.bytes.slice(..checkpoint.bytes.len() / 2);
        let replaced = match how {
            Spoilt::Format => Checkpoint { format: checkpoint.format + 1, ..checkpoint.clone() },
            Spoilt::Truncated => Checkpoint { bytes: half, ..checkpoint.clone() },
            Spoilt::Empty => Checkpoint { bytes: Bytes::new(), ..checkpoint.clone() },
            Spoilt::Damaged => return self.rows.damage_checkpoint(shard, checkpoint.position),
        };
        self.rows.replace_checkpoint(shard, &replaced).unwrap();
    }

    /// Spoils some of the newest snapshots and checkpoints, and returns how many.
    pub fn spoil_some(&self, shards: u16) -> u64 {
        let (dice, mut spoilt) = (&self.trouble.dice, 0);
        let how = || Spoilt::ALL[dice.below(Spoilt::ALL.len() as u64) as usize];
        for snapshot in self.newest_of_each() {
            if dice.chance(250) {
                self.spoil(&snapshot, how());
                spoilt += 1;
            }
        }
        for shard in 0..shards {
            if let Some(newest) = self.rows.checkpoints(shard).last()
                && dice.chance(150)
            {
                self.spoil_checkpoint(shard, newest, how());
                spoilt += 1;
            }
        }
        spoilt
    }

    async fn pause(&self) -> Result<(), SnapshotStoreError> {
        let micros = self.trouble.dice.below(self.pause_max_us.load(Ordering::Acquire));
        tokio::time::sleep(Duration::from_micros(micros)).await;
        match self.trouble.strikes(30) {
            true => Err(SnapshotStoreError::Store("does not answer".into())),
            false => Ok(()),
        }
    }
}

impl SnapshotStore for Snapshots {
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.put(snapshot).await
        }
        .boxed()
    }

    fn newest(
        &self,
        key: Bytes,
        before: Option<SnapshotAt>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.newest(key, before).await
        }
        .boxed()
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.sync().await
        }
        .boxed()
    }

    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.put_checkpoint(shard, checkpoint).await?;
            self.checkpoints.fetch_add(1, Ordering::AcqRel);
            Ok(())
        }
        .boxed()
    }

    fn newest_checkpoint(
        &self,
        shard: u16,
        before: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.newest_checkpoint(shard, before).await
        }
        .boxed()
    }

    fn prune(&self, key: Bytes, before: SnapshotAt) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.prune(key, before).await
        }
        .boxed()
    }

    fn prune_checkpoints(&self, shard: u16, before: u64) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        async move {
            self.pause().await?;
            self.rows.prune_checkpoints(shard, before).await
        }
        .boxed()
    }
}

/// Returns everything that the journal has accepted, by shard.
pub fn accepted_everywhere(journal: &streaming::memory::MemoryJournal) -> Vec<Vec<streaming::Batch>> {
    (0..journal.shards()).map(|shard| journal.accepted_log(ShardId(shard))).collect()
}
