//! Snapshots of entities, and the checkpoints that rest on them.
//!
//! A snapshot is a cache of the journal: it can be made again. A checkpoint is a promise that everything before its
//! position is covered by snapshots that are durable.
//!
//! Every provider passes [`conformance`].

pub mod conformance;
pub mod embedded;
pub mod memory;
mod row;

pub use embedded::EmbeddedSnapshots;
pub use memory::MemorySnapshots;
pub use row::KEY_BYTES_MAX;

use bytes::Bytes;
use futures::future::BoxFuture;

/// An entity's state at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The entity.
    pub key: Bytes,
    /// How many entries led to this state.
    pub version: u64,
    /// A position of the shard before which nothing of this entity is missing from the state: whoever applies what the
    /// journal has of the entity from here on, less what the state already has, has everything.
    pub position: u64,
    /// The version of the rules that wrote it.
    pub rules: u16,
    /// The format of `bytes`.
    pub format: u8,
    /// The state.
    pub bytes: Bytes,
}

impl Snapshot {
    /// Its place among the snapshots of its entity.
    pub fn at(&self) -> SnapshotAt {
        SnapshotAt { version: self.version, position: self.position }
    }
}

/// The place of a snapshot among those of its entity; that of the newest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotAt {
    /// See [`Snapshot::version`].
    pub version: u64,
    /// See [`Snapshot::position`].
    pub position: u64,
}

/// A checkpoint of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every entry before it is covered.
    pub position: u64,
    /// The version of the rules that wrote it. 0: it was not noted.
    pub rules: u16,
    /// The format of `bytes`.
    pub format: u8,
    /// What the runtime keeps with it, opaque here.
    pub bytes: Bytes,
}

/// A snapshot store that does not give or take what it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SnapshotStoreError {
    /// Bytes in the store are not what was written.
    #[error("snapshot of {key} is damaged: {why}")]
    Damaged {
        /// The entity, as bytes in hexadecimal.
        key: String,
        /// The place of the snapshot: the ones before it may be sound. `None`: not even that can be read.
        at: Option<SnapshotAt>,
        /// What is wrong.
        why: String,
    },
    /// Bytes of a checkpoint are not what was written.
    #[error("checkpoint of shard {shard} is damaged: {why}")]
    DamagedCheckpoint {
        /// The shard.
        shard: u16,
        /// Its position: the ones before it may be sound. `None`: not even that can be read.
        position: Option<u64>,
        /// What is wrong.
        why: String,
    },
    /// The store does not answer, or refuses. Try again later.
    #[error("snapshot store: {0}")]
    Store(String),
}

impl SnapshotStoreError {
    /// Whether waiting may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// Keeps snapshots as immutable rows, by entity, version and position, each with a checksum.
pub trait SnapshotStore: Send + Sync + 'static {
    /// Keeps a snapshot. Readable at once; durable after [`sync`](SnapshotStore::sync) or a checkpoint.
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// The newest snapshot of an entity, of those before a place if one is named. A snapshot that is damaged is an error
    /// that says its place, never passed over.
    fn newest(
        &self,
        key: Bytes,
        before: Option<SnapshotAt>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>>;

    /// Makes every snapshot put so far durable.
    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Keeps a checkpoint: durable on return, and only after every snapshot put before.
    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// The newest checkpoint of a shard, of those before a position if one is named. One that is damaged is an error that
    /// says its position, never passed over.
    fn newest_checkpoint(
        &self,
        shard: u16,
        before: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SnapshotStoreError>>;

    /// Removes the snapshots of an entity that stand before a place. A removal never outlives a crash that a snapshot put
    /// before it does not: what supersedes them is durable first.
    fn prune(&self, key: Bytes, before: SnapshotAt) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Removes the checkpoints of a shard that stand before a position, with the same promise.
    fn prune_checkpoints(&self, shard: u16, before: u64) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;
}
