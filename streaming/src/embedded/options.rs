//! What can be chosen about the embedded journal.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use crate::batch::{Position, ShardId};

/// What the process ends with when its journal cannot go on (`EX_SOFTWARE` of sysexits.h).
const EXIT_FATAL: i32 = 70;

/// How an embedded journal is opened.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// How many shards it has; fixed when it is made.
    pub shards: u16,
    /// How late at most the accepted positions are written aside. 100 ms.
    pub witness_every: Duration,
    /// How many of the newest bytes are read and checked entry by entry when it is opened; of older batches only the
    /// positions are. 4 GiB.
    pub verify_bytes_max: u64,
    /// Whether to open a journal whose witness file is missing, or says that it reached further, and to begin a new
    /// witness from what is there. Only for an operator who has looked: what is missing is given up.
    pub rewitness: bool,
    /// Bytes kept in memory before they are sorted into tables. 32 MiB; fixed when the journal is made.
    pub memtable_bytes: u64,
    /// How long a write may hang before the process is given up. 60 s.
    pub stall_max: Duration,
    /// What to do when a write or a sync failed, so that memory and disk disagree. It must not return in production:
    /// the default prints why, and in which folder, to stderr and ends the process with exit code 70.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    /// Looks at each write and sync: for tests.
    pub probe: Arc<dyn SyncProbe>,
}

impl EmbeddedOptions {
    /// The defaults, for so many shards.
    pub fn new(shards: u16) -> Self {
        Self {
            shards,
            witness_every: Duration::from_millis(100),
            verify_bytes_max: 4 << 30,
            rewitness: false,
            memtable_bytes: 32 << 20,
            stall_max: Duration::from_secs(60),
            on_fatal: Arc::new(stop_at_once),
            probe: Arc::new(NoProbe),
        }
    }
}

impl std::fmt::Debug for EmbeddedOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedOptions")
            .field("shards", &self.shards)
            .field("witness_every", &self.witness_every)
            .field("verify_bytes_max", &self.verify_bytes_max)
            .field("rewitness", &self.rewitness)
            .finish_non_exhaustive()
    }
}

/// After a failed write or sync nobody can say what is on the disk: stop at once, and find out by reopening.
fn stop_at_once(why: &str) {
    // Standard error may be a file on the same full disk: what cannot be said must not keep the process.
    let _ = writeln!(
        io::stderr(),
        "fusion: the journal cannot go on: {why}\n\
         fusion: stopping at once; nothing that was answered is lost. If the disk is full make room on it, if it fails \
         replace it; then start again."
    );
    std::process::exit(EXIT_FATAL);
}

/// Sees each step of a group of appends, in this order, and may make one fail. It runs on the journal's own thread.
pub trait SyncProbe: Send + Sync {
    /// Before a group is written.
    fn before_commit(&self) -> io::Result<()> {
        Ok(())
    }

    /// After it is written, before it is synced.
    fn before_sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// After it is synced: each shard in it is durable up to its position.
    fn after_sync(&self, _durable: &[(ShardId, Position)]) {}

    /// Before an append that ends at this position is answered as accepted.
    fn before_answer(&self, _shard: ShardId, _end: Position) {}
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl SyncProbe for NoProbe {}
