//! Snapshots of entities, and the checkpoints that depend on them.
//!
//! A snapshot is a cache of the journal and can be rebuilt. A checkpoint is a promise that durable snapshots cover
//! every entry before its position.
//!
//! Every provider passes the suite in [`conformance`].

pub mod conformance;
pub mod embedded;
pub mod memory;
mod row;

pub use embedded::EmbeddedSnapshots;
pub use memory::MemorySnapshots;
pub use row::KEY_BYTES_MAX;

use bytes::Bytes;
use futures::future::BoxFuture;

/// The state of an entity at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The key of the entity.
    pub key: Bytes,
    /// The number of entries that led to this state.
    pub version: u64,
    /// A position of the shard up to which the state is complete: it includes every entry of this entity before the
    /// position. Recovery applies the entity's entries from here on and skips those that the state already includes.
    pub position: u64,
    /// The version of the rules that wrote the snapshot.
    pub rules: u16,
    /// The format of `bytes`.
    pub format: u8,
    /// The encoded state.
    pub bytes: Bytes,
}

impl Snapshot {
    /// Returns the place of the snapshot among those of its entity.
    pub fn at(&self) -> SnapshotAt {
        SnapshotAt { version: self.version, position: self.position }
    }
}

/// The place of a snapshot among those of its entity. The newest has the greatest place.
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
    /// The position up to which durable snapshots cover every entry.
    pub position: u64,
    /// The version of the rules that wrote the checkpoint. 0: it was not recorded.
    pub rules: u16,
    /// The format of `bytes`.
    pub format: u8,
    /// Data of the runtime, opaque to the store.
    pub bytes: Bytes,
}

/// An error of a snapshot store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SnapshotStoreError {
    /// The stored bytes of a snapshot differ from what was written.
    #[error("snapshot of {key} is damaged: {why}")]
    Damaged {
        /// The key of the entity, in hexadecimal.
        key: String,
        /// The place of the snapshot. Earlier snapshots may be intact. `None` if the place cannot be read.
        at: Option<SnapshotAt>,
        /// A description of the damage.
        why: String,
    },
    /// The stored bytes of a checkpoint differ from what was written.
    #[error("checkpoint of shard {shard} is damaged: {why}")]
    DamagedCheckpoint {
        /// The shard.
        shard: u16,
        /// The position of the checkpoint. Earlier checkpoints may be intact. `None` if the position cannot be read.
        position: Option<u64>,
        /// A description of the damage.
        why: String,
    },
    /// The store does not respond or refuses the call. The caller may retry later.
    #[error("snapshot store: {0}")]
    Store(String),
}

impl SnapshotStoreError {
    /// Whether a retry may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// Stores snapshots as immutable rows, ordered by entity, version and position, each with a checksum.
pub trait SnapshotStore: Send + Sync + 'static {
    /// Stores a snapshot. It is readable at once, and durable after [`sync`](SnapshotStore::sync) or the next
    /// checkpoint.
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Returns the newest snapshot of an entity, or the newest before a given place. A damaged snapshot is never
    /// skipped: it results in an error that contains its place.
    fn newest(
        &self,
        key: Bytes,
        before: Option<SnapshotAt>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>>;

    /// Makes every snapshot put so far durable.
    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Stores a checkpoint. On return the checkpoint is durable, and so is every snapshot put before it.
    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Returns the newest checkpoint of a shard, or the newest before a given position. A damaged checkpoint is never
    /// skipped: it results in an error that contains its position.
    fn newest_checkpoint(
        &self,
        shard: u16,
        before: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SnapshotStoreError>>;

    /// Removes the snapshots of an entity before a place. A removal never becomes durable before the snapshots that
    /// were put earlier: a crash cannot lose both a snapshot and its successor.
    fn prune(&self, key: Bytes, before: SnapshotAt) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Removes the checkpoints of a shard before a position, with the same guarantee.
    fn prune_checkpoints(&self, shard: u16, before: u64) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;
}
