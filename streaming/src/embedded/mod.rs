//! The embedded journal: fjall in the data folder, for one process that owns it.
//!
//! ```text
//!  <data>/LOCK               who has the folder
//!  <data>/journal/           the fjall database: rows of (shard, position, count) → batch
//!  <data>/journal.witness    the accepted position of every shard, at most 100 ms old
//!  <data>/journal.before-open/   the files as they were before an opening that was refused
//! ```
//!
//! An append is accepted when the one appender thread has written and synced the group that it is in. Only batches
//! that count are ever written, so the database is the history itself.
//!
//! # What a damaged disk can do
//!
//! Opening refuses a gap, a batch that is not what was written, one that does not count, and an end before what the
//! witness, or [`EmbeddedJournal::check_reaches`], knows of. What it cannot tell from a torn last write is a cut
//! within the moments since the witness was last written: at most `witness_every` of appends, which nobody can have
//! relied on for longer than that.

mod appender;
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
mod witness;
mod witnessing;

use std::{hash::BuildHasher, sync::Arc, thread::JoinHandle, time::Instant};

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream,
};
use tokio::sync::oneshot;

pub use files::{FilesError, check_files};
pub use folder::{DataFolder, FolderError, LOCK_FILE};
pub use options::{EmbeddedOptions, NoProbe, SyncProbe};
pub use scan::{JournalReport, PROBLEMS_MAX, ShardReport, scan};
pub use witness::{Testimony, Witness, WitnessError};

use self::{
    appender::{Appender, Watermarks},
    leadership::EmbeddedLeadership,
    preserve::Preserved,
    queue::{Queue, Request},
    spare::Spare,
    store::Store,
    witnessing::Witnessing,
};
use crate::{
    batch::{self, Batch, BatchError, Nonce, Position, ShardId},
    counting::{Counting, Verdict},
    journal::{BatchStream, Journal, JournalError, Leadership},
};

/// The database's folder in the data folder.
pub const JOURNAL_FOLDER: &str = "journal";
/// The witness file in the data folder.
pub const WITNESS_FILE: &str = "journal.witness";
const WITNESS: &str = "the witness file";

/// The journal in the data folder. Dropping it writes and syncs what has queued, and closes the files once the last
/// stream that reads from it is gone.
pub struct EmbeddedJournal {
    store: Store,
    queue: Arc<Queue>,
    watermarks: Arc<Watermarks>,
    appender: Option<JoinHandle<()>>,
    witnessing: Option<Witnessing>,
}

impl std::fmt::Debug for EmbeddedJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedJournal").field("shards", &self.watermarks.shards()).finish_non_exhaustive()
    }
}

impl EmbeddedJournal {
    /// Opens the journal in `folder`, or makes it, and checks what is in it. It blocks, for as long as reading the
    /// newest `verify_bytes_max` bytes takes.
    ///
    /// After a refusal the files as they were before are kept in `journal.before-open`.
    pub fn open(folder: DataFolder, options: EmbeddedOptions) -> Result<Self, JournalError> {
        let began = Instant::now();
        let path = folder.path().join(JOURNAL_FOLDER);
        let options = naming_the_folder(options, &path);
        let witness_path = folder.path().join(WITNESS_FILE);
        let testimony = testimony(&witness_path, &options)?;
        let nothing_accepted = testimony.as_ref().is_none_or(|said| said.positions.iter().all(|at| at.0 == 0));
        store::clear_unfinished(&path, nothing_accepted)?;
        let preserved = Preserved::take(&path);
        let note = |error| kept(error, &preserved);
        check_files(&path, options.verify_bytes_max).map_err(|error| note(error.into()))?;
        let store = Store::open(&path, Some(folder), &options).map_err(note)?;
        let tails = check(&store, testimony.as_ref(), &witness_path, &options).map_err(note)?;
        preserved.release();

        let positions: Vec<Position> = tails.iter().map(|tail| tail.next).collect();
        let io = |error: std::io::Error| JournalError::Store(format!("{}: {error}", witness_path.display()));
        let witness = Witness::begin(&witness_path, &positions).map_err(io)?;
        let watermarks = Arc::new(Watermarks::new(positions.into_iter()));
        let queue = Arc::<Queue>::default();
        let spare = Arc::new(Spare::take());
        let witnessing = Witnessing::start(witness, Arc::clone(&watermarks), Arc::clone(&spare), &options);
        let witnessing = witnessing.map_err(io)?;
        let (appended, raised) = (Arc::clone(&queue), Arc::clone(&watermarks));
        let appender = Appender::new(store.clone(), appended, raised, spare, tails, &options);
        let appender = std::thread::Builder::new().name("journal-appender".into()).spawn(|| appender.run());
        let appender = Some(appender.map_err(io)?);
        let elapsed_ms = began.elapsed().as_millis() as u64;
        tracing::info!(path = %path.display(), shards = options.shards, elapsed_ms, "journal open");
        Ok(Self { store, queue, watermarks, appender, witnessing: Some(witnessing) })
    }

    /// Refuses a journal that ends before what others have recorded of it: a checkpoint, a projection. Each names
    /// the shard, the position that it must have reached, and who says so.
    pub fn check_reaches(&self, expected: &[(ShardId, Position, &'static str)]) -> Result<(), JournalError> {
        for &(shard, expected, witness) in expected {
            let end = self.accepted_now(shard)?;
            if end < expected {
                return Err(JournalError::Truncated { shard, end, expected, witness });
            }
        }
        Ok(())
    }

    /// The position after the newest accepted batch.
    pub fn accepted_now(&self, shard: ShardId) -> Result<Position, JournalError> {
        let shards = self.watermarks.shards();
        self.watermarks.get(shard).ok_or_else(|| JournalError::Store(format!("no shard {shard} among {shards}")))
    }

    /// Bytes that the journal takes on the disk.
    pub fn on_disk_bytes(&self) -> Result<u64, JournalError> {
        self.store.db.disk_space().map_err(|error| self.store.failed(&error))
    }

    /// Offers a record as another process might have written it, and says whether it counts; only then is it kept.
    /// For tests: in production nobody else writes.
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
        self.queue.close();
        if let Some(appender) = self.appender.take() {
            // A panic was reported where it happened.
            let _ = appender.join();
        }
        if let Some(witnessing) = self.witnessing.take() {
            witnessing.stop();
        }
    }
}

impl Journal for EmbeddedJournal {
    fn shards(&self) -> u16 {
        self.watermarks.shards()
    }

    fn lead(&self, shard: ShardId, node: &str) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>> {
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

/// A record that could not be offered.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// It is not a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The journal does not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn stopped() -> JournalError {
    JournalError::Store("the journal stopped".into())
}

/// Unlike any other of this process or one before it: the standard library's per-process random keys, and the time.
fn fresh_nonce() -> Nonce {
    let random = std::hash::RandomState::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Nonce((u128::from(random.hash_one(now)) << 64) | u128::from(random.hash_one((now, std::process::id()))))
}

/// Whoever is told of the end of the journal is told where it is.
fn naming_the_folder(options: EmbeddedOptions, path: &std::path::Path) -> EmbeddedOptions {
    let (told, path) = (options.on_fatal, path.display().to_string());
    EmbeddedOptions { on_fatal: Arc::new(move |why| told(&format!("{path}: {why}"))), ..options }
}

/// What the witness says, unless an operator has decided to begin a new one.
fn testimony(path: &std::path::Path, options: &EmbeddedOptions) -> Result<Option<Testimony>, JournalError> {
    if options.rewitness {
        return Ok(None);
    }
    Witness::read(path).map_err(|error| match error {
        WitnessError::Io(error) => JournalError::Store(format!("{}: {error}", path.display())),
        WitnessError::Damaged => {
            JournalError::DamagedStore { path: path.display().to_string(), why: error.to_string() }
        }
    })
}

/// Everything that must hold before the journal may be used; the state of each shard's log if it does.
fn check(
    store: &Store,
    testimony: Option<&Testimony>,
    witness_path: &std::path::Path,
    options: &EmbeddedOptions,
) -> Result<Vec<Counting>, JournalError> {
    let asked = options.shards;
    let witnessed = |shard: u16| testimony.and_then(|said| said.positions.get(usize::from(shard)).copied());
    match store.made_with()? {
        Some(made) if made != asked => return Err(JournalError::WrongShards { made, asked }),
        Some(_) => {}
        None => {
            if let Some(shard) = (0..u16::MAX).find(|shard| witnessed(*shard).is_some_and(|at| at.0 > 0)) {
                let expected = witnessed(shard).unwrap_or_default();
                let (shard, end) = (ShardId(shard), Position(0));
                return Err(JournalError::Truncated { shard, end, expected, witness: WITNESS });
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
            let (end, expected) = (verified.tail.next, witnessed(shard.0).unwrap_or_default());
            match end < expected {
                true => Err(JournalError::Truncated { shard, end, expected, witness: WITNESS }),
                false => Ok(verified.tail),
            }
        })
        .collect();
    let tails = tails?;
    if testimony.is_none() && !options.rewitness && tails.iter().any(|tail| tail.next.0 > 0) {
        let why = "it is missing, so nobody knows how far the journal reached; if that is right, open it once with \
                   `rewitness`";
        return Err(JournalError::DamagedStore { path: witness_path.display().to_string(), why: why.into() });
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

/// Tells whoever reads the refusal where the files are as they were.
fn kept(error: JournalError, preserved: &Preserved) -> JournalError {
    if let Some(path) = preserved.path() {
        tracing::error!(%error, kept = %path.display(), "journal refused; its files from before opening are kept");
    }
    error
}
