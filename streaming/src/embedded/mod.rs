//! The embedded journal: a fjall database in the data folder, for the one process that owns the folder.
//!
//! ```text
//!  <data>/LOCK               the id of the process that owns the folder
//!  <data>/journal/           the fjall database: rows of (shard, position, count) → batch
//!  <data>/journal.witness    the durable watermark: the accepted position of every shard, at most 100 ms old
//!  <data>/journal.before-open/   a copy of the database from before an opening that was refused
//! ```
//!
//! The *durable watermark* keeps its original name on disk: the file is `journal.witness`, and the option that replaces
//! it is called `rewitness`.
//!
//! An append is accepted once the appender thread has written and synced the group that contains it. Only batches that
//! count are ever written, so the database is the history itself.
//!
//! # Which damage is detected
//!
//! Opening refuses a gap, a batch that differs from what was written, a batch that does not count, and a log that ends
//! before the durable watermark. [`EmbeddedJournal::check_reaches`] also refuses a log that ends before a position that
//! a checkpoint or a projection recorded. One loss cannot be distinguished from a torn last write: a log cut after the
//! position of the durable watermark. It covers at most the appends of the last `watermark_every`, so nothing that was
//! accepted longer ago than that can disappear unnoticed.

mod appender;
mod durable_watermark;
mod files;
mod folder;
mod leadership;
mod options;
mod preserve;
mod queue;
mod reader;
mod scan;
mod spare;
mod store;
#[cfg(test)]
mod tests;
mod torn;
mod verify;
mod watermark_keeper;

use std::{hash::BuildHasher, sync::Arc, thread::JoinHandle, time::Instant};

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream,
};
use tokio::sync::oneshot;

pub use durable_watermark::{DurableWatermark, RecordedWatermarks, WatermarkError};
pub use files::{FilesError, check_files};
pub use folder::{DataFolder, FolderError, LOCK_FILE};
pub use options::{EmbeddedOptions, NoProbe, SyncProbe};
pub use scan::{JournalReport, PROBLEMS_MAX, ShardReport, scan};

use self::{
    appender::{Appender, Watermarks},
    leadership::EmbeddedLeadership,
    preserve::Preserved,
    queue::{Queue, Request},
    spare::Spare,
    store::Store,
    watermark_keeper::WatermarkKeeper,
};
use crate::{
    batch::{self, Batch, BatchError, Nonce, Position, ShardId},
    fencing::{FencingState, Verdict},
    journal::{BatchStream, Journal, JournalError, Leadership},
};

/// The name of the database's folder in the data folder.
pub const JOURNAL_FOLDER: &str = "journal";
/// The name of the durable watermark's file in the data folder.
pub const WATERMARK_FILE: &str = "journal.witness";
const WATERMARK: &str = "the witness file";

/// The journal in the data folder. Dropping it writes and syncs the queued appends. The files close once the last
/// stream that reads from the journal is dropped too.
pub struct EmbeddedJournal {
    store: Store,
    queue: Arc<Queue>,
    watermarks: Arc<Watermarks>,
    appender: Option<JoinHandle<()>>,
    watermark_keeper: Option<WatermarkKeeper>,
}

impl std::fmt::Debug for EmbeddedJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedJournal").field("shards", &self.watermarks.shards()).finish_non_exhaustive()
    }
}

impl EmbeddedJournal {
    /// Opens the journal in `folder`, or creates it, and checks its contents. This call blocks for as long as it takes
    /// to read the newest `verify_bytes_max` bytes.
    ///
    /// If the journal is refused, a copy of its files from before the opening is kept in `journal.before-open`.
    pub fn open(folder: DataFolder, options: EmbeddedOptions) -> Result<Self, JournalError> {
        let began = Instant::now();
        let path = folder.path().join(JOURNAL_FOLDER);
        let options = naming_the_folder(options, &path);
        let watermark_path = folder.path().join(WATERMARK_FILE);
        // The order matters. Files are copied before fjall opens them, because opening repairs them, and the copy is
        // removed only after every check has passed. The durable watermark is rewritten last: a refused opening must
        // not destroy the record of how far the journal reached.
        let recorded = recorded(&watermark_path, &options)?;
        let nothing_accepted = recorded.as_ref().is_none_or(|said| said.positions.iter().all(|at| at.0 == 0));
        store::clear_unfinished(&path, nothing_accepted)?;
        let preserved = Preserved::take(&path);
        let note = |error| kept(error, &preserved);
        check_files(&path, options.verify_bytes_max).map_err(|error| note(error.into()))?;
        let store = Store::open(&path, Some(folder), &options).map_err(note)?;
        let tails = check(&store, recorded.as_ref(), &watermark_path, &options).map_err(note)?;
        preserved.release();

        let positions: Vec<Position> = tails.iter().map(|tail| tail.next).collect();
        let io = |error: std::io::Error| JournalError::Store(format!("{}: {error}", watermark_path.display()));
        let durable_watermark = DurableWatermark::begin(&watermark_path, &positions).map_err(io)?;
        let watermarks = Arc::new(Watermarks::new(positions.into_iter()));
        let queue = Arc::<Queue>::default();
        let spare = Arc::new(Spare::take());
        let watermark_keeper =
            WatermarkKeeper::start(durable_watermark, Arc::clone(&watermarks), Arc::clone(&spare), &options);
        let watermark_keeper = watermark_keeper.map_err(io)?;
        let (appended, raised) = (Arc::clone(&queue), Arc::clone(&watermarks));
        let appender = Appender::new(store.clone(), appended, raised, spare, tails, &options);
        let appender = std::thread::Builder::new().name("journal-appender".into()).spawn(|| appender.run());
        let appender = Some(appender.map_err(io)?);
        let elapsed_ms = began.elapsed().as_millis() as u64;
        tracing::info!(path = %path.display(), shards = options.shards, elapsed_ms, "journal open");
        Ok(Self { store, queue, watermarks, appender, watermark_keeper: Some(watermark_keeper) })
    }

    /// Refuses a journal that ends before a position that another component has recorded, such as a checkpoint or a
    /// projection. Each item of `expected` is the shard, the position that it must have reached, and the source of that
    /// position.
    pub fn check_reaches(&self, expected: &[(ShardId, Position, &'static str)]) -> Result<(), JournalError> {
        for &(shard, expected, durable_watermark) in expected {
            let end = self.accepted_now(shard)?;
            if end < expected {
                return Err(JournalError::Truncated { shard, end, expected, recorded_by: durable_watermark });
            }
        }
        Ok(())
    }

    /// Returns the position after the newest accepted batch.
    pub fn accepted_now(&self, shard: ShardId) -> Result<Position, JournalError> {
        let shards = self.watermarks.shards();
        self.watermarks.get(shard).ok_or_else(|| JournalError::Store(format!("no shard {shard} among {shards}")))
    }

    /// Returns the size of the journal on disk, in bytes.
    pub fn on_disk_bytes(&self) -> Result<u64, JournalError> {
        self.store.db.disk_space().map_err(|error| self.store.failed(&error))
    }

    /// Submits a record as if another process had written it, and returns the verdict. The record is stored only if it
    /// counts. For tests: in production no other process writes.
    pub async fn inject(&self, shard: ShardId, bytes: Bytes) -> Result<Verdict, InjectError> {
        let batch = Batch::decode(&bytes)?;
        self.accepted_now(shard)?;
        let (answer, verdict) = oneshot::channel();
        let request = Request::Foreign { shard, bytes, batch, answer };
        self.queue.push(request).map_err(|refused| JournalError::Store(refused.to_string()))?;
        Ok(verdict.await.map_err(|_| stopped())?)
    }
}

impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        // The appender ends first, so that the last write of the durable watermark includes everything that it
        // accepted.
        self.queue.close();
        if let Some(appender) = self.appender.take() {
            // A panic was reported by the thread that panicked.
            let _ = appender.join();
        }
        if let Some(watermark_keeper) = self.watermark_keeper.take() {
            watermark_keeper.stop();
        }
    }
}

impl Journal for EmbeddedJournal {
    fn shards(&self) -> u16 {
        self.watermarks.shards()
    }

    fn acquire_leadership(
        &self,
        shard: ShardId,
        node: &str,
    ) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>> {
        let node = node.to_owned();
        async move {
            self.accepted_now(shard)?;
            batch::check_node(&node).map_err(JournalError::Store)?;
            let (answer, lead) = oneshot::channel();
            let request = Request::Lead { shard, node, nonce: fresh_nonce(), answer };
            self.queue.push(request).map_err(|refused| JournalError::Store(refused.to_string()))?;
            let lead = lead.await.map_err(|_| stopped())?;
            Ok(Box::new(EmbeddedLeadership::new(shard, lead, Arc::clone(&self.queue))) as Box<dyn Leadership>)
        }
        .boxed()
    }

    fn read(&self, shard: ShardId, from: Position) -> BatchStream {
        match self.accepted_now(shard) {
            Ok(end) => reader::read(self.store.clone(), shard, from, end),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn accepted(&self, shard: ShardId) -> BoxFuture<'_, Result<Position, JournalError>> {
        ready(self.accepted_now(shard)).boxed()
    }
}

/// A record that could not be injected.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The bytes are not a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The journal refuses the record.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn stopped() -> JournalError {
    JournalError::Store("the journal stopped".into())
}

/// Returns a nonce that differs from every other of this process and of those before it. It is made of the standard
/// library's per-process random keys and the time.
fn fresh_nonce() -> Nonce {
    let random = std::hash::RandomState::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Nonce((u128::from(random.hash_one(now)) << 64) | u128::from(random.hash_one((now, std::process::id()))))
}

/// Adds the path of the journal to the message that `on_fatal` receives.
fn naming_the_folder(options: EmbeddedOptions, path: &std::path::Path) -> EmbeddedOptions {
    let (told, path) = (options.on_fatal, path.display().to_string());
    EmbeddedOptions { on_fatal: Arc::new(move |why| told(&format!("{path}: {why}"))), ..options }
}

/// Reads the durable watermark, unless an operator has set the option to replace it (`rewitness`).
fn recorded(path: &std::path::Path, options: &EmbeddedOptions) -> Result<Option<RecordedWatermarks>, JournalError> {
    if options.reset_watermark {
        return Ok(None);
    }
    DurableWatermark::read(path).map_err(|error| match error {
        WatermarkError::Io(error) => JournalError::Store(format!("{}: {error}", path.display())),
        WatermarkError::Damaged => {
            JournalError::DamagedStore { path: path.display().to_string(), why: error.to_string() }
        }
    })
}

/// Checks everything that must hold before the journal may be used, and returns the state of each shard's log.
fn check(
    store: &Store,
    recorded: Option<&RecordedWatermarks>,
    watermark_path: &std::path::Path,
    options: &EmbeddedOptions,
) -> Result<Vec<FencingState>, JournalError> {
    let asked = options.shards;
    let recorded_at = |shard: u16| recorded.and_then(|said| said.positions.get(usize::from(shard)).copied());
    match store.made_with()? {
        Some(made) if made != asked => return Err(JournalError::WrongShards { made, asked }),
        Some(_) => {}
        None => {
            if let Some(shard) = (0..u16::MAX).find(|shard| recorded_at(*shard).is_some_and(|at| at.0 > 0)) {
                let expected = recorded_at(shard).unwrap_or_default();
                let (shard, end) = (ShardId(shard), Position(0));
                return Err(JournalError::Truncated { shard, end, expected, recorded_by: WATERMARK });
            }
            store.strays(0)?;
            store.make(asked)?;
        }
    }
    store.strays(asked)?;
    let bytes_max = options.verify_bytes_max / u64::from(asked.max(1));
    let tails: Result<Vec<_>, _> = (0..asked)
        .map(|shard| {
            let shard = ShardId(shard);
            let verified = verify::verify(store, shard, bytes_max)?;
            let (end, expected) = (verified.tail.next, recorded_at(shard.0).unwrap_or_default());
            match end < expected {
                true => Err(JournalError::Truncated { shard, end, expected, recorded_by: WATERMARK }),
                false => Ok(verified.tail),
            }
        })
        .collect();
    let tails = tails?;
    if recorded.is_none() && !options.reset_watermark && tails.iter().any(|tail| tail.next.0 > 0) {
        let why = "it is missing, so nobody knows how far the journal reached; if that is right, open it once with \
                   `rewitness`";
        return Err(JournalError::DamagedStore { path: watermark_path.display().to_string(), why: why.into() });
    }
    Ok(tails)
}

impl From<FilesError> for JournalError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Damaged { path, why } => Self::DamagedStore { path: path.display().to_string(), why },
            FilesError::Unreadable { .. } => Self::Store(error.to_string()),
        }
    }
}

/// Logs the path of the copy that was made before the journal was opened, so that an operator can find it.
fn kept(error: JournalError, preserved: &Preserved) -> JournalError {
    if let Some(path) = preserved.path() {
        tracing::error!(%error, kept = %path.display(), "journal refused; its files from before opening are kept");
    }
    error
}
