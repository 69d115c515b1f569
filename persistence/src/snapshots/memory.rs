//! The snapshot store in memory: for tests, with fault injection.
//!
//! A handle is cheap to clone, and all clones share one store. The store has no thread or clock: delays use tokio's
//! time.

use std::{
    collections::BTreeMap,
    ops::RangeBounds,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use super::{Checkpoint, Snapshot, SnapshotAt, SnapshotStore, SnapshotStoreError, row};

/// A call on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`SnapshotStore::put`].
    Put,
    /// [`SnapshotStore::newest`].
    Newest,
    /// [`SnapshotStore::sync`].
    Sync,
    /// [`SnapshotStore::put_checkpoint`].
    PutCheckpoint,
    /// [`SnapshotStore::newest_checkpoint`].
    NewestCheckpoint,
    /// [`SnapshotStore::prune`].
    Prune,
    /// [`SnapshotStore::prune_checkpoints`].
    PruneCheckpoints,
}

/// The fault that is applied to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotFault {
    /// No fault.
    None,
    /// The call is executed after this delay.
    Delay(Duration),
    /// The call is not executed. The caller receives `Store`.
    FailBefore,
    /// The call is executed, but the caller receives `Store`.
    FailAfter,
}

/// Decides which faults occur, in the order of the calls.
pub trait SnapshotFaults: Send + Sync {
    /// Called before each call on the store.
    fn on(&self, operation: Operation) -> SnapshotFault;
}

struct NoFaults;

impl SnapshotFaults for NoFaults {
    fn on(&self, _: Operation) -> SnapshotFault {
        SnapshotFault::None
    }
}

/// A snapshot store in memory. Clones share its contents.
#[derive(Clone)]
pub struct MemorySnapshots {
    rows: Arc<Mutex<Rows>>,
    faults: Arc<dyn SnapshotFaults>,
}

struct Row {
    value: Bytes,
    durable: bool,
    /// The row was removed. A crash undoes the removal until it is durable.
    removed: bool,
}

impl Row {
    fn flip(&mut self) {
        let mut value = self.value.to_vec();
        if let Some(last) = value.last_mut() {
            *last ^= 1;
        }
        self.value = value.into();
    }
}

#[derive(Default)]
struct Rows(BTreeMap<Vec<u8>, Row>);

impl Rows {
    fn put(&mut self, key: Vec<u8>, value: Bytes, durable: bool) {
        // A durable row stays durable if the same value is put again.
        let durable = durable || self.0.get(&key).is_some_and(|row| row.durable && row.value == value);
        self.0.insert(key, Row { value, durable, removed: false });
    }

    fn newest(&self, range: impl RangeBounds<Vec<u8>>) -> Option<(&Vec<u8>, &Row)> {
        self.0.range(range).rev().find(|(_, row)| !row.removed)
    }

    fn remove(&mut self, range: impl RangeBounds<Vec<u8>>) {
        self.0.range_mut(range).for_each(|(_, row)| row.removed = true);
        self.0.retain(|_, row| row.durable || !row.removed);
    }

    fn all_durable(&mut self) {
        self.0.retain(|_, row| !row.removed);
        self.0.values_mut().for_each(|row| row.durable = true);
    }
}

impl std::fmt::Debug for MemorySnapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySnapshots").field("rows", &self.rows().0.len()).finish_non_exhaustive()
    }
}

impl Default for MemorySnapshots {
    fn default() -> Self {
        Self::with_faults(NoFaults)
    }
}

impl MemorySnapshots {
    /// Returns an empty store that never fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns an empty store that fails as `faults` decide.
    pub fn with_faults(faults: impl SnapshotFaults + 'static) -> Self {
        Self { rows: Arc::default(), faults: Arc::new(faults) }
    }

    /// Drops everything that is not durable, as a power failure does.
    pub fn crash(&self) {
        let mut rows = self.rows();
        rows.0.retain(|_, row| row.durable);
        rows.0.values_mut().for_each(|row| row.removed = false);
    }

    /// Returns every intact snapshot, of each entity the newest last.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let rows = self.rows();
        let kept = rows.0.iter().filter(|(key, row)| key.first() == Some(&b's') && !row.removed);
        kept.filter_map(|(key, row)| row::decode_snapshot(key, &row.value).ok()).collect()
    }

    /// Returns every intact checkpoint of a shard, the newest last.
    pub fn checkpoints(&self, shard: u16) -> Vec<Checkpoint> {
        let rows = self.rows();
        let kept = rows.0.range(row::checkpoints_before(shard, None)).filter(|(_, row)| !row.removed);
        kept.filter_map(|(key, row)| row::decode_checkpoint(key, &row.value).ok()).collect()
    }

    /// Replaces a snapshot, as a program with other formats or rules would have written it.
    pub fn replace(&self, snapshot: &Snapshot) -> Result<(), SnapshotStoreError> {
        let (key, value) = row::encode_snapshot(snapshot)?;
        self.rows().put(key, value.into(), true);
        Ok(())
    }

    /// Replaces a checkpoint of a shard in the same way.
    pub fn replace_checkpoint(&self, shard: u16, checkpoint: &Checkpoint) -> Result<(), SnapshotStoreError> {
        let (key, value) = row::encode_checkpoint(shard, checkpoint)?;
        self.rows().put(key, value.into(), true);
        Ok(())
    }

    /// Flips a bit of the checkpoint of a shard at this position.
    pub fn damage_checkpoint(&self, shard: u16, position: u64) {
        if let Some(row) = self.rows().0.get_mut(&row::checkpoint_key(shard, position)) {
            row.flip();
        }
    }

    /// Flips a bit of each snapshot of an entity with this version.
    pub fn damage(&self, key: &[u8], version: u64) {
        for (_, row) in
            self.rows().0.range_mut(row::snapshot_key(key, version, 0)..=row::snapshot_key(key, version, u64::MAX))
        {
            row.flip();
        }
    }

    // A panic while the lock was held leaves only complete rows behind, so a poisoned lock is still usable.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<'s, T: Send + 's>(
        &'s self,
        operation: Operation,
        act: impl FnOnce(&mut Rows) -> Result<T, SnapshotStoreError> + Send + 's,
    ) -> BoxFuture<'s, Result<T, SnapshotStoreError>> {
        let fault = self.faults.on(operation);
        async move {
            let failed = || SnapshotStoreError::Store(format!("injected: {operation:?} failed"));
            match fault {
                SnapshotFault::None => act(&mut self.rows()),
                SnapshotFault::FailBefore => Err(failed()),
                SnapshotFault::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    act(&mut self.rows())
                }
                SnapshotFault::FailAfter => {
                    act(&mut self.rows())?;
                    Err(failed())
                }
            }
        }
        .boxed()
    }
}

impl SnapshotStore for MemorySnapshots {
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Operation::Put, move |rows| {
            let (key, value) = row::encode_snapshot(&snapshot)?;
            rows.put(key, value.into(), false);
            Ok(())
        })
    }

    fn newest(
        &self,
        key: Bytes,
        before: Option<SnapshotAt>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>> {
        self.ask(Operation::Newest, move |rows| {
            let newest = rows.newest(row::snapshots_before(&key, before));
            newest.map(|(key, row)| row::decode_snapshot(key, &row.value)).transpose()
        })
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Operation::Sync, |rows| {
            rows.all_durable();
            Ok(())
        })
    }

    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Operation::PutCheckpoint, move |rows| {
            let (key, value) = row::encode_checkpoint(shard, &checkpoint)?;
            rows.all_durable();
            rows.put(key, value.into(), true);
            Ok(())
        })
    }

    fn newest_checkpoint(
        &self,
        shard: u16,
        before: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SnapshotStoreError>> {
        self.ask(Operation::NewestCheckpoint, move |rows| {
            let newest = rows.newest(row::checkpoints_before(shard, before));
            newest.map(|(key, row)| row::decode_checkpoint(key, &row.value)).transpose()
        })
    }

    fn prune(&self, key: Bytes, before: SnapshotAt) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Operation::Prune, move |rows| {
            rows.remove(row::snapshots_before(&key, Some(before)));
            Ok(())
        })
    }

    fn prune_checkpoints(&self, shard: u16, before: u64) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Operation::PruneCheckpoints, move |rows| {
            rows.remove(row::checkpoints_before(shard, Some(before)));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::snapshots::conformance::{self, Harness};

    struct InMemory(MemorySnapshots);

    impl Harness for InMemory {
        async fn open(&mut self) -> Arc<dyn SnapshotStore> {
            Arc::new(self.0.clone())
        }

        async fn crash(&mut self) -> Arc<dyn SnapshotStore> {
            self.0.crash();
            self.open().await
        }

        async fn damage(&mut self, key: &[u8], version: u64) {
            self.0.damage(key, version);
        }
    }

    #[tokio::test]
    async fn it_conforms() {
        conformance::run(async || InMemory(MemorySnapshots::new())).await;
    }

    #[tokio::test]
    async fn injected_faults_occur() {
        struct Script(Mutex<Vec<SnapshotFault>>);
        impl SnapshotFaults for Script {
            fn on(&self, _: Operation) -> SnapshotFault {
                self.0.lock().unwrap().remove(0)
            }
        }
        use SnapshotFault::*;
        let script = vec![FailBefore, FailAfter, None, Delay(Duration::from_secs(3600))];
        let store = MemorySnapshots::with_faults(Script(Mutex::new(script)));
        let checkpoint = |position| Checkpoint { position, rules: 1, format: 0, bytes: Bytes::new() };
        assert!(store.put_checkpoint(0, checkpoint(1)).await.unwrap_err().is_passing());
        assert!(store.put_checkpoint(0, checkpoint(2)).await.is_err());
        assert_eq!(store.newest_checkpoint(0, Option::None).await.unwrap(), Some(checkpoint(2)));
        assert!(store.newest_checkpoint(0, Option::None).now_or_never().is_none(), "it waits");
    }
}
