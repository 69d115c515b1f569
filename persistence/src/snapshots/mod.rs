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

use bytes::Bytes;
use futures::future::BoxFuture;

/// An entity's state at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The entity.
    pub key: Bytes,
    /// How many entries led to this state.
    pub version: u64,
    /// A position of the shard at which the state was accepted.
    pub position: u64,
    /// The version of the rules that wrote it.
    pub rules: u16,
    /// The format of `bytes`.
    pub format: u8,
    /// The state.
    pub bytes: Bytes,
}

/// A checkpoint of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every entry before it is covered.
    pub position: u64,
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

    /// The newest snapshot of an entity, of at most this version if one is named.
    fn newest(
        &self,
        key: Bytes,
        at_most_version: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>>;

    /// Makes every snapshot put so far durable.
    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// Keeps a checkpoint: durable on return, and only after every snapshot put before.
    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;

    /// The newest checkpoints of a shard, newest first.
    fn newest_checkpoints(
        &self,
        shard: u16,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Checkpoint>, SnapshotStoreError>>;

    /// Removes all but the newest `keep` snapshots of an entity.
    fn prune(&self, key: Bytes, keep: usize) -> BoxFuture<'_, Result<(), SnapshotStoreError>>;
}
