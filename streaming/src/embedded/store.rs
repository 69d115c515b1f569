//! The fjall database that holds the batches, and the handling of its failures to open.
//!
//! The database has one keyspace with one row for each batch that counts. The key is `shard u16 | first position u64 |
//! count u32`, big-endian: rows are in the order of the log, and positions can be checked without reading values.
//! Values are stored apart from the keys, in blob files. Rows never change, so each value is written exactly twice, to
//! the log and to a blob file, and is not rewritten by compactions.

use std::{
    fs::OpenOptions,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, config::FilterPolicy,
};

use super::{folder::DataFolder, options::EmbeddedOptions, spare::CACHED_FILES_MAX, torn};
use crate::{
    batch::{Header, Position, ShardId},
    journal::JournalError,
};

const KEYSPACE: &str = "batches";
/// A key after the rows of every shard: no shard has the number 0xffff.
const MADE_KEY: [u8; 6] = *b"\xff\xffmade";
const FORMAT: u8 = 1;
/// The size in bytes below which a value is stored with its key.
const SEPARATED_BYTES_MIN: u32 = 1024;
const BLOB_FILE_BYTES: u64 = 256 << 20;
const CACHE_BYTES: u64 = 8 << 20;
/// The maximum size of fjall's own log, in bytes. fjall keeps the log until its tables hold the data, and reads it when
/// it opens, so this bounds the time that opening takes.
const LOG_BYTES_MAX: u64 = 128 << 20;

/// The open database. Every clone keeps the data folder locked.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) db: Database,
    pub(super) rows: Keyspace,
    path: PathBuf,
    _folder: Option<DataFolder>,
}

/// The key of a row: the shard and the positions of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowKey {
    pub(super) shard: ShardId,
    pub(super) first: Position,
    pub(super) count: u32,
}

impl RowKey {
    const BYTES: usize = 14;

    pub(super) fn of(shard: ShardId, header: &Header) -> Self {
        Self { shard, first: header.first, count: header.count }
    }

    pub(super) fn encode(self) -> [u8; Self::BYTES] {
        let mut key = [0; Self::BYTES];
        key[..2].copy_from_slice(&self.shard.0.to_be_bytes());
        key[2..10].copy_from_slice(&self.first.0.to_be_bytes());
        key[10..].copy_from_slice(&self.count.to_be_bytes());
        key
    }

    pub(super) fn decode(key: &[u8]) -> Option<Self> {
        let key: [u8; Self::BYTES] = key.try_into().ok()?;
        let [s0, s1, rest @ ..] = key;
        let [f0, f1, f2, f3, f4, f5, f6, f7, count @ ..] = rest;
        Some(Self {
            shard: ShardId(u16::from_be_bytes([s0, s1])),
            first: Position(u64::from_be_bytes([f0, f1, f2, f3, f4, f5, f6, f7])),
            count: u32::from_be_bytes(count),
        })
    }

    pub(super) fn end(self) -> Position {
        Position(self.first.0.saturating_add(u64::from(self.count)))
    }

    /// Returns the smallest key that a row at this position can have.
    pub(super) fn from(shard: ShardId, first: Position) -> [u8; Self::BYTES] {
        Self { shard, first, count: 0 }.encode()
    }

    /// Returns the largest key that a row at this position can have.
    pub(super) fn upto(shard: ShardId, first: Position) -> [u8; Self::BYTES] {
        Self { shard, first, count: u32::MAX }.encode()
    }
}

impl Store {
    /// Opens the database at `path`, or creates it. `folder` stays locked while the database is open.
    pub(super) fn open(
        path: &Path,
        folder: Option<DataFolder>,
        options: &EmbeddedOptions,
    ) -> Result<Self, JournalError> {
        // fjall requires a lock file in every folder that is not new, and a copy has none.
        if path.join("version").exists() {
            let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path.join("lock"));
            lock.map_err(|error| JournalError::Store(format!("{}: {error}", path.display())))?;
        }
        let attempt = || open_database(path, options);
        let (db, rows) = match attempt() {
            Err(refusal) if cut_torn_tail(path, &refusal)? => attempt(),
            result => result,
        }
        .map_err(|refusal| explain(path, &refusal))?;
        Ok(Self { db, rows, path: path.to_path_buf(), _folder: folder })
    }

    /// Returns the number of shards that the journal was created with, or `None` if its creation was never finished.
    pub(super) fn made_with(&self) -> Result<Option<u16>, JournalError> {
        match self.rows.get(MADE_KEY).map_err(|error| self.failed(&error))? {
            None => Ok(None),
            Some(made) => match *made {
                [FORMAT, low, high] => Ok(Some(u16::from_le_bytes([low, high]))),
                _ => Err(self.damaged(format!("it has format {:?}, which this program does not know", made.first()))),
            },
        }
    }

    /// Completes the creation of the journal by recording its number of shards.
    pub(super) fn make(&self, shards: u16) -> Result<(), JournalError> {
        let [low, high] = shards.to_le_bytes();
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.rows, MADE_KEY, [FORMAT, low, high]);
        batch.commit().map_err(|error| self.failed(&error))
    }

    /// Refuses rows of shards that do not exist, and keys that are no rows.
    pub(super) fn strays(&self, shards: u16) -> Result<(), JournalError> {
        let beyond = RowKey::from(ShardId(shards), Position(0)).to_vec();
        match self.rows.range(beyond..MADE_KEY.to_vec()).next() {
            None => Ok(()),
            Some(_) => Err(self.damaged(format!("it holds rows of shards from {shards} on"))),
        }
    }

    /// Returns the error for a read or write that the database refused.
    pub(super) fn failed(&self, error: &fjall::Error) -> JournalError {
        JournalError::Store(format!("{}: {}", self.path.display(), words(error)))
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::DamagedStore { path: self.path.display().to_string(), why }
    }
}

/// Describes an error of fjall for operators: the cause, without the nesting.
pub(super) fn words(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        fjall::Error::InvalidVersion(_) => "its file `version` is not what this program writes".into(),
        fjall::Error::Poisoned => "an earlier write failed in the background (see the log; often a full disk)".into(),
        other => format!("{other:?}"),
    }
}

/// The reason why a database did not open.
enum Refusal {
    Fjall(fjall::Error),
    Panic(String),
}

fn open_database(path: &Path, options: &EmbeddedOptions) -> Result<(Database, Keyspace), Refusal> {
    let open = || {
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(CACHED_FILES_MAX))
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .max_journaling_size(LOG_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        let separation = KvSeparationOptions::default()
            .separation_threshold(SEPARATED_BYTES_MIN)
            .file_target_size(BLOB_FILE_BYTES)
            .compression(CompressionType::None);
        let made = || {
            KeyspaceCreateOptions::default()
                .manual_journal_persist(true)
                .max_memtable_size(options.memtable_bytes)
                .filter_policy(FilterPolicy::disabled())
                .with_kv_separation(Some(separation))
        };
        let rows = db.keyspace(KEYSPACE, made)?;
        Ok((db, rows))
    };
    // Damaged files can make fjall panic. A panic is handled like any other refusal.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(Refusal::Fjall),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            // The message of an assertion spans several lines.
            let text = text.map(|text| text.lines().map(str::trim).collect::<Vec<_>>().join(", "));
            Err(Refusal::Panic(text.unwrap_or_else(|| "no reason given".into())))
        }
    }
}

/// Cuts a torn last write if that is why the database did not open. Returns whether it did. See [`torn`].
fn cut_torn_tail(path: &Path, refusal: &Refusal) -> Result<bool, JournalError> {
    let Refusal::Fjall(fjall::Error::JournalRecovery(_)) = refusal else {
        return Ok(false);
    };
    let io = |error: io::Error| JournalError::Store(format!("{}: {error}", path.display()));
    let Some(log) = torn::newest_log(path).map_err(io)? else {
        return Ok(false);
    };
    let torn::Walk::TornTail(at) = torn::walk(&log).map_err(io)? else {
        return Ok(false);
    };
    let bytes = std::fs::metadata(&log).map_err(io)?.len();
    tracing::warn!(log = %log.display(), at, bytes, "last write reached the disk in part; cutting it off");
    torn::cut(&log, at).map_err(io)?;
    Ok(true)
}

fn explain(path: &Path, refusal: &Refusal) -> JournalError {
    let damaged = |path: &Path, why: String| JournalError::DamagedStore { path: path.display().to_string(), why };
    match refusal {
        Refusal::Fjall(fjall::Error::Locked) => {
            JournalError::InUse(format!("the journal at {} is open already", path.display()))
        }
        Refusal::Fjall(fjall::Error::JournalRecovery(error)) => {
            for log in torn::logs(path).unwrap_or_default() {
                if let Ok(torn::Walk::Damaged(at) | torn::Walk::TornTail(at)) = torn::walk(&log) {
                    return damaged(&log, format!("the write at byte {at} is damaged ({error:?})"));
                }
            }
            damaged(path, format!("{error:?}"))
        }
        Refusal::Fjall(error @ fjall::Error::Io(cause))
            if !matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) =>
        {
            JournalError::Store(format!("{}: {}", path.display(), words(error)))
        }
        Refusal::Fjall(error) => damaged(path, words(error)),
        Refusal::Panic(text) => damaged(path, text.clone()),
    }
}

/// Removes the remains of a journal whose creation was interrupted, which fjall would otherwise refuse to open. Does so
/// only if `nothing_accepted`, and if the folder contains no more than an interrupted creation leaves.
pub(super) fn clear_unfinished(path: &Path, nothing_accepted: bool) -> Result<(), JournalError> {
    let io = |error: io::Error| JournalError::Store(format!("{}: {error}", path.display()));
    if !path.try_exists().map_err(io)? {
        return Ok(());
    }
    let version = path.join("version");
    let finished = std::fs::metadata(&version).is_ok_and(|version| version.len() >= 4);
    if finished {
        return Ok(());
    }
    let damaged = |why: &str| JournalError::DamagedStore { path: version.display().to_string(), why: why.into() };
    if !nothing_accepted {
        return Err(damaged("it is missing or cut short, but the witness file shows accepted batches"));
    }
    let keyspaces = path.join("keyspaces");
    let has_keyspaces = keyspaces.is_dir() && std::fs::read_dir(&keyspaces).map_err(io)?.next().is_some();
    let more_logs = torn::logs(path).map_err(io)?.iter().any(|log| !log.ends_with("0.jnl"));
    if has_keyspaces || more_logs {
        return Err(damaged("it is missing or cut short in a folder that was in use"));
    }
    tracing::warn!(path = %path.display(), "making of the journal was cut off before anything was accepted; again");
    std::fs::remove_dir_all(path).map_err(io)
}
