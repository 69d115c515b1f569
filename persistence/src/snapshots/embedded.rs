//! The snapshot store in the data folder: a fjall database separate from the journal's.
//!
//! Snapshots are a cache of the journal, so the one invariant is that a checkpoint never exists without the snapshots
//! that it covers. fjall cuts its log at the first entry that it cannot read, so rows that are only in the log can
//! disappear without an error. A checkpoint therefore first has everything before it written to tables, which carry
//! checksums and are listed in a manifest: a missing or damaged table is an error, never an older state.
//!
//! ```text
//!  put ─ put ─ put ──► put_checkpoint: memtable to tables ──► row of the checkpoint ──► sync
//! ```
//!
//! Snapshots and checkpoints share one keyspace: if the snapshots are lost, the checkpoints are lost too, and the
//! journal is replayed from its start.

use std::{
    cell::RefCell,
    io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use futures::{FutureExt, future::BoxFuture};

use super::{Checkpoint, Snapshot, SnapshotAt, SnapshotStore, SnapshotStoreError, row};

/// The name of the database's folder in the data folder.
pub const SNAPSHOTS_FOLDER: &str = "snapshots";

const KEYSPACE: &str = "snapshots";
const CACHE_BYTES: u64 = 16 << 20;
/// The number of files that fjall keeps open for reading. These descriptors are not available to connections.
const CACHED_FILES_MAX: usize = 32;
const LOG_BYTES_MAX: u64 = 128 << 20;
const MEMTABLE_BYTES: u64 = 32 << 20;
/// The size in bytes from which a state is stored apart from its key, so that compactions do not rewrite it.
const SEPARATED_BYTES_MIN: u32 = 4096;
/// How long a checkpoint waits for a memtable to be written to tables before it fails.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(60);
const FLUSH_POLL: Duration = Duration::from_millis(2);

/// The snapshot store in the data folder. Clones share it; its files are closed with the last clone.
#[derive(Clone)]
pub struct EmbeddedSnapshots {
    store: Arc<Store>,
}

type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

struct Store {
    db: Database,
    rows: Keyspace,
}

impl std::fmt::Debug for EmbeddedSnapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedSnapshots").finish_non_exhaustive()
    }
}

impl EmbeddedSnapshots {
    /// Opens the store in the folder `data`, which this process must own, or creates it. This call blocks.
    ///
    /// A log that cannot be read is moved aside, because everything that checkpoints cover is in tables. If the database
    /// still does not open, the error is `Damaged`: call [`set_aside`](Self::set_aside) and replay the journal from its
    /// start.
    pub fn open(data: &Path) -> Result<Self, SnapshotStoreError> {
        let path = data.join(SNAPSHOTS_FOLDER);
        let io = |error: io::Error| SnapshotStoreError::Store(format!("{}: {error}", path.display()));
        prepare(&path).map_err(io)?;
        let opened = match open_database(&path) {
            Err(Refusal::Log(why)) => {
                let aside = set_logs_aside(&path).map_err(io)?;
                tracing::error!(why, aside = %aside.display(), "log of the snapshots is damaged; moved aside");
                open_database(&path)
            }
            opened => opened,
        };
        match opened {
            Ok(store) => Ok(Self { store: Arc::new(store) }),
            Err(Refusal::Passing(why)) => Err(SnapshotStoreError::Store(format!("{}: {why}", path.display()))),
            Err(Refusal::Log(why) | Refusal::Damaged(why)) => {
                Err(SnapshotStoreError::Damaged { key: format!("all ({})", path.display()), at: None, why })
            }
        }
    }

    /// Renames the store's folder in `data` so that the next opening creates an empty store, and returns the new path.
    /// Use it if the store is damaged beyond repair: everything in it can be rebuilt from the journal.
    pub fn set_aside(data: &Path) -> io::Result<PathBuf> {
        let aside = free_name(data, "snapshots.damaged")?;
        std::fs::rename(data.join(SNAPSHOTS_FOLDER), &aside)?;
        Ok(aside)
    }

    /// Returns the size of the store on disk, in bytes.
    pub fn on_disk_bytes(&self) -> Result<u64, SnapshotStoreError> {
        self.store.db.disk_space().map_err(|error| failed(&error))
    }

    /// Runs `act` on a blocking thread.
    fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Store) -> Result<T, SnapshotStoreError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, SnapshotStoreError>> {
        let store = Arc::clone(&self.store);
        async move {
            let done = tokio::task::spawn_blocking(move || act(&store)).await;
            done.unwrap_or_else(|error| Err(SnapshotStoreError::Store(error.to_string())))
        }
        .boxed()
    }
}

impl Store {
    fn insert(&self, key: Vec<u8>, value: Vec<u8>) -> Result<(), SnapshotStoreError> {
        let mut batch = self.db.batch();
        batch.insert(&self.rows, key, value);
        batch.commit().map_err(|error| failed(&error))
    }

    fn sync(&self) -> Result<(), SnapshotStoreError> {
        self.db.persist(PersistMode::SyncData).map_err(|error| failed(&error))
    }

    /// Writes everything that was put so far to tables, durably.
    fn to_tables(&self) -> Result<(), SnapshotStoreError> {
        self.rows.rotate_memtable().map_err(|error| failed(&error))?;
        let began = Instant::now();
        while self.rows.sealed_memtable_count() > 0 {
            if began.elapsed() > FLUSH_WAIT_MAX {
                let why = format!("tables were not written within {} s", FLUSH_WAIT_MAX.as_secs());
                return Err(SnapshotStoreError::Store(why));
            }
            std::thread::sleep(FLUSH_POLL);
        }
        Ok(())
    }

    /// Returns the last row of a range. `anywhere` identifies the range in an error if not even the key can be read.
    fn last(&self, range: Range, anywhere: &[u8]) -> Result<Option<(Vec<u8>, Bytes)>, SnapshotStoreError> {
        let Some(guard) = self.rows.range(range).next_back() else {
            return Ok(None);
        };
        // States are stored apart from their keys, so the key of a row is known even if its state cannot be read.
        let row = RefCell::new(anywhere.to_vec());
        let read = guard.into_inner_if(|key| {
            row.replace(key.to_vec());
            true
        });
        match read {
            Ok((key, value)) => Ok(Some((key.to_vec(), value.map(Bytes::from_owner).unwrap_or_default()))),
            Err(error) => Err(unreadable(&row.borrow(), &error)),
        }
    }

    fn newest(&self, key: &[u8], before: Option<SnapshotAt>) -> Result<Option<Snapshot>, SnapshotStoreError> {
        let found = self.last(row::snapshots_before(key, before), &row::snapshots_of(key))?;
        found.map(|(key, value)| row::decode_snapshot(&key, &value)).transpose()
    }

    fn newest_checkpoint(&self, shard: u16, before: Option<u64>) -> Result<Option<Checkpoint>, SnapshotStoreError> {
        let found = self.last(row::checkpoints_before(shard, before), &row::checkpoints_of(shard))?;
        found.map(|(key, value)| row::decode_checkpoint(&key, &value)).transpose()
    }

    /// Removes the rows of a range. In the log the removal follows everything that was put before it.
    fn remove(&self, range: Range, anywhere: &[u8]) -> Result<(), SnapshotStoreError> {
        let mut batch = self.db.batch();
        let mut any = false;
        for guard in self.rows.range(range) {
            batch.remove(&self.rows, guard.key().map_err(|error| unreadable(anywhere, &error))?);
            any = true;
        }
        if !any {
            return Ok(());
        }
        batch.commit().map_err(|error| failed(&error))
    }
}

impl SnapshotStore for EmbeddedSnapshots {
    fn put(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(move |store| {
            let (key, value) = row::encode_snapshot(&snapshot)?;
            store.insert(key, value)
        })
    }

    fn newest(
        &self,
        key: Bytes,
        before: Option<SnapshotAt>,
    ) -> BoxFuture<'_, Result<Option<Snapshot>, SnapshotStoreError>> {
        self.ask(move |store| store.newest(&key, before))
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(Store::sync)
    }

    fn put_checkpoint(&self, shard: u16, checkpoint: Checkpoint) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(move |store| {
            let (key, value) = row::encode_checkpoint(shard, &checkpoint)?;
            // The order matters: the checkpoint's row may become durable only after everything that it covers is in
            // tables.
            store.to_tables()?;
            store.insert(key, value)?;
            store.sync()
        })
    }

    fn newest_checkpoint(
        &self,
        shard: u16,
        before: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<Checkpoint>, SnapshotStoreError>> {
        self.ask(move |store| store.newest_checkpoint(shard, before))
    }

    fn prune(&self, key: Bytes, before: SnapshotAt) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(move |store| store.remove(row::snapshots_before(&key, Some(before)), &row::snapshots_of(&key)))
    }

    fn prune_checkpoints(&self, shard: u16, before: u64) -> BoxFuture<'_, Result<(), SnapshotStoreError>> {
        self.ask(move |store| store.remove(row::checkpoints_before(shard, Some(before)), &row::checkpoints_of(shard)))
    }
}

/// The reason why the database did not open.
enum Refusal {
    Log(String),
    Damaged(String),
    Passing(String),
}

/// Repairs a folder that fjall itself would always refuse: one whose creation was interrupted, or a copy without its
/// lock file.
fn prepare(path: &Path) -> io::Result<()> {
    if !path.try_exists()? {
        return Ok(());
    }
    let made = std::fs::metadata(path.join("version")).is_ok_and(|version| version.len() >= 4);
    if made {
        std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path.join("lock")).map(drop)
    } else if path.join("keyspaces/0").exists() {
        let aside = free_name(path.parent().unwrap_or(path), "snapshots.damaged")?;
        tracing::error!(aside = %aside.display(), "snapshots have lost their version file; moved aside");
        std::fs::rename(path, aside)
    } else {
        std::fs::remove_dir_all(path)
    }
}

fn open_database(path: &Path) -> Result<Store, Refusal> {
    let open = || {
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(CACHED_FILES_MAX))
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .max_journaling_size(LOG_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        let separation =
            KvSeparationOptions::default().separation_threshold(SEPARATED_BYTES_MIN).compression(CompressionType::Lz4);
        let made = || {
            KeyspaceCreateOptions::default()
                .manual_journal_persist(true)
                .max_memtable_size(MEMTABLE_BYTES)
                .with_kv_separation(Some(separation))
        };
        let rows = db.keyspace(KEYSPACE, made)?;
        Ok(Store { db, rows })
    };
    // Damaged files can make fjall panic. A panic is handled like any other refusal.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(error @ (fjall::Error::JournalRecovery(_) | fjall::Error::Unrecoverable))) => {
            Err(Refusal::Log(words(&error)))
        }
        Ok(Err(error @ fjall::Error::Locked)) => Err(Refusal::Passing(words(&error))),
        Ok(Err(fjall::Error::Io(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(Refusal::Passing(error.to_string()))
        }
        Ok(Err(error)) => Err(Refusal::Damaged(words(&error))),
        Err(_) => Err(Refusal::Log("fjall panicked (see above)".into())),
    }
}

/// Moves fjall's logs out of the store's folder and returns their new folder.
fn set_logs_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path.parent().unwrap_or(path), "snapshots.logs-damaged")?;
    std::fs::create_dir(&aside)?;
    for file in std::fs::read_dir(path)? {
        let file = file?;
        if Path::new(&file.file_name()).extension().is_some_and(|extension| extension == "jnl") {
            std::fs::rename(file.path(), aside.join(file.file_name()))?;
        }
    }
    Ok(aside)
}

/// Returns the path of `name`, with the first free number appended if that path exists.
fn free_name(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let mut path = folder.join(name);
    let mut number = 1;
    while path.try_exists()? {
        number += 1;
        path = folder.join(format!("{name}-{number}"));
    }
    Ok(path)
}

/// Describes an error of fjall for operators: the cause, without the nesting.
fn words(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        fjall::Error::Poisoned => "an earlier write failed in the background (see the log; often a full disk)".into(),
        other => format!("{other:?}"),
    }
}

fn failed(error: &fjall::Error) -> SnapshotStoreError {
    SnapshotStoreError::Store(words(error))
}

/// Returns the error for a row that could not be read: damage, unless the operating system refused the read.
fn unreadable(row: &[u8], error: &fjall::Error) -> SnapshotStoreError {
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(fjall::LsmError::Io(cause))
            if cause.kind() != io::ErrorKind::UnexpectedEof =>
        {
            failed(error)
        }
        _ => row::damaged(row, words(error)),
    }
}

#[cfg(test)]
#[path = "embedded_tests.rs"]
mod tests;
