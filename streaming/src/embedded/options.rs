//! The options of the embedded journal.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use crate::batch::{Position, ShardId};

/// The exit code of a process whose journal has failed (`EX_SOFTWARE` of sysexits.h).
const EXIT_FATAL: i32 = 70;

/// The options with which an embedded journal is opened.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// The number of shards, fixed when the journal is created.
    pub shards: u16,
    /// The maximum age of the durable watermark. Default: 100 ms.
    pub watermark_every: Duration,
    /// How many of the newest bytes are read and checked entry by entry when the journal is opened. Of older batches
    /// only the positions are checked. Default: 4 GiB.
    pub verify_bytes_max: u64,
    /// Whether to open a journal whose durable watermark is missing or is ahead of the log, and to replace it with a
    /// new one that matches the log. Operators know this option as `rewitness`. Set it only after inspecting the
    /// journal: the missing batches are lost.
    pub reset_watermark: bool,
    /// The size of the memtable, in bytes. Default: 32 MiB; fixed when the journal is created.
    pub memtable_bytes: u64,
    /// How long a write may hang before the process is stopped. Default: 60 s.
    pub stall_max: Duration,
    /// Called when the journal cannot continue: a write or a sync has failed, so that memory and disk disagree, has
    /// hung for `stall_max`, or the appender has panicked. It must not return in production: the default prints the
    /// reason and the folder to stderr and ends the process with exit code 70.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    /// Observes each write and sync. For tests.
    pub probe: Arc<dyn SyncProbe>,
}

impl EmbeddedOptions {
    /// Returns the defaults for this number of shards.
    pub fn new(shards: u16) -> Self {
        Self {
            shards,
            watermark_every: Duration::from_millis(100),
            verify_bytes_max: 4 << 30,
            reset_watermark: false,
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
            .field("witness_every", &self.watermark_every)
            .field("verify_bytes_max", &self.verify_bytes_max)
            .field("rewitness", &self.reset_watermark)
            .finish_non_exhaustive()
    }
}

/// Ends the process. After a failed write or sync the contents of the disk are unknown; reopening the journal finds
/// out.
fn stop_at_once(why: &str) {
    // Standard error may be a file on the same full disk. A message that cannot be written must not keep the process
    // alive.
    let _ = writeln!(
        io::stderr(),
        "fusion: the journal cannot go on: {why}\n\
         fusion: stopping at once; nothing that was answered is lost. If the disk is full make room on it, if it fails \
         replace it; then start again."
    );
    std::process::exit(EXIT_FATAL);
}

/// Observes each step of a group of appends, in this order, and may make a step fail. Runs on the appender thread.
pub trait SyncProbe: Send + Sync {
    /// Called before a group is written.
    fn before_commit(&self) -> io::Result<()> {
        Ok(())
    }

    /// Called after a group is written and before it is synced.
    fn before_sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Called after a group is synced: each of its shards is durable up to the given position.
    fn after_sync(&self, _durable: &[(ShardId, Position)]) {}

    /// Called before the append that ends at `end` is answered as accepted.
    fn before_answer(&self, _shard: ShardId, _end: Position) {}
}

/// A probe that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl SyncProbe for NoProbe {}
