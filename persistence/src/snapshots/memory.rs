//! Snapshots in memory: for tests, with faults on demand.
//!
//! A handle is cheap to clone, and all clones are one store. It has no thread and no clock of its own: what waits
//! waits on tokio's time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use super::{Checkpoint, Snapshot, SnapshotStore, SnapshotStoreError, row};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To keep a snapshot.
    Put,
    /// To give the newest snapshot.
    Newest,
    /// To make what was put durable.
    Sync,
    /// To keep a checkpoint.
    PutCheckpoint,
    /// To give the newest checkpoints.
    NewestCheckpoints,
    /// To remove old snapshots.
    Prune,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotFault {
    /// Nothing.
    None,
    /// It is done this much later.
    Delay(Duration),
    /// It is not done; the caller hears `Store`.
    FailBefore,
    /// It is done, but the caller hears `Store`.
    FailAfter,
}

/// Decides what goes wrong, in the order of the calls.
pub trait SnapshotFaults: Send + Sync {
    /// Before each call.
    fn on(&self, asked: Asked) -> SnapshotFault;
}

struct NoFaults;

impl SnapshotFaults for NoFaults {
    fn on(&self, _: Asked) -> SnapshotFault {
        SnapshotFault::None
    }
}

/// A snapshot store in memory. Clones share it.
#[derive(Clone)]
pub struct MemorySnapshots {
    rows: Arc<Mutex<BTreeMap<Vec<u8>, Row>>>,
    faults: Arc<dyn SnapshotFaults>,
}

struct Row {
    value: Bytes,
    durable: bool,
}

type Rows = BTreeMap<Vec<u8>, Row>;

impl std::fmt::Debug for MemorySnapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySnapshots").field("rows", &self.rows().len()).finish_non_exhaustive()
    }
}

impl Default for MemorySnapshots {
    fn default() -> Self {
        Self::with_faults(NoFaults)
    }
}

impl MemorySnapshots {
    /// An empty store that never fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that fails when `faults` say so.
    pub fn with_faults(faults: impl SnapshotFaults + 'static) -> Self {
        Self { rows: Arc::default(), faults: Arc::new(faults) }
    }

    /// Forgets what is not durable, as a machine that loses power does.
    pub fn crash(&self) {
        self.rows().retain(|_, row| row.durable);
    }

    /// Flips a bit of each snapshot of an entity that has this version.
    pub fn damage(&self, key: &[u8], version: u64) {
        for (_, row) in
            self.rows().range_mut(row::snapshot_key(key, version, 0)..=row::snapshot_key(key, version, u64::MAX))
        {
            let mut value = row.value.to_vec();
            if let Some(last) = value.last_mut() {
                *last ^= 1;
            }
            row.value = value.into();
        }
    }

    // A panic between two statements of a locked section leaves whole rows behind.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<'s, T: Send + 's>(
        &'s self,
        asked: Asked,
        act: impl FnOnce(&mut Rows) -> Result<T, SnapshotStoreError> + Send + 's,
    ) -> BoxFuture<'s, Result<T, SnapshotStoreError>> {
        let fault = self.faults.on(asked);
        async move {
            let failed = || SnapshotStoreError::Store(format!("injected: {asked:?} failed"));
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

fn all_durable(rows: &mut Rows) {
    rows.values_mut().for_each(|row| row.durable = true);
}

impl SnapshotStore for MemorySnapshots {
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Asked::Put, move |rows| {
            let (key, value) = row::encode_snapshot(&snapshot)?;
            rows.insert(key, Row { value: value.into(), durable: false });
            Ok(())
        })
    }

    fn newest(
        &self,
        key: Bytes,
        at_most_version: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>> {
        self.ask(Asked::Newest, move |rows| {
            let at_most = at_most_version.unwrap_or(u64::MAX);
            let range = row::snapshot_key(&key, 0, 0)..=row::snapshot_key(&key, at_most, u64::MAX);
            rows.range(range).next_back().map(|(key, row)| row::decode_snapshot(key, &row.value)).transpose()
        })
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Asked::Sync, |rows| {
            all_durable(rows);
            Ok(())
        })
    }

    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Asked::PutCheckpoint, move |rows| {
            let (key, value) = row::encode_checkpoint(shard, &checkpoint)?;
            all_durable(rows);
            rows.insert(key, Row { value: value.into(), durable: true });
            Ok(())
        })
    }

    fn newest_checkpoints(
        &self,
        shard: u16,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Checkpoint>, SnapshotStoreError>> {
        self.ask(Asked::NewestCheckpoints, move |rows| {
            let range = row::checkpoint_key(shard, 0)..=row::checkpoint_key(shard, u64::MAX);
            rows.range(range).rev().take(limit).map(|(key, row)| row::decode_checkpoint(key, &row.value)).collect()
        })
    }

    fn prune(&self, key: Bytes, keep: usize) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Asked::Prune, move |rows| {
            let range = row::snapshot_key(&key, 0, 0)..=row::snapshot_key(&key, u64::MAX, u64::MAX);
            let old: Vec<Vec<u8>> = rows.range(range).rev().skip(keep).map(|(key, _)| key.clone()).collect();
            for key in old {
                rows.remove(&key);
            }
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
    async fn it_fails_when_it_is_told_to() {
        struct Script(Mutex<Vec<SnapshotFault>>);
        impl SnapshotFaults for Script {
            fn on(&self, _: Asked) -> SnapshotFault {
                self.0.lock().unwrap().remove(0)
            }
        }
        use SnapshotFault::*;
        let script = vec![FailBefore, FailAfter, None, Delay(Duration::from_secs(3600))];
        let store = MemorySnapshots::with_faults(Script(Mutex::new(script)));
        let checkpoint = |position| Checkpoint { position, bytes: Bytes::new() };
        assert!(store.put_checkpoint(0, checkpoint(1)).await.unwrap_err().is_passing());
        assert!(store.put_checkpoint(0, checkpoint(2)).await.is_err());
        assert_eq!(store.newest_checkpoints(0, 9).await.unwrap(), [checkpoint(2)]);
        assert!(store.newest_checkpoints(0, 9).now_or_never().is_none(), "it waits");
    }
}
