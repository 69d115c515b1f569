//! What the parts of a node use in common: its stores, its clock, its limits, and its records for operators. It refers to
//! none of these parts.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use engine::id::EntityKey;
use parking_lot::Mutex;
use persistence::snapshots::SnapshotStore;
use streaming::Journal;
use tokio::sync::Notify;

use crate::{clock::Clock, counters::Counters};

/// Limits and intervals that an operator may change.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// The size of a shard's tail, in bytes, below which no checkpoint is due: what a start has to read of each shard.
    pub checkpoint_tail_bytes: u64,
    /// The maximum number of entities in memory, at some 8 KB each besides their state.
    pub entities_max: usize,
    /// How long an entity may be idle in memory.
    pub idle_after: Duration,
    /// Whether everything runs on one thread, as in a simulation: no work is moved to another thread.
    pub inline: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            checkpoint_tail_bytes: 16 << 20,
            entities_max: 50_000,
            idle_after: Duration::from_secs(300),
            inline: false,
        }
    }
}

/// The common resources of a node.
pub(crate) struct Resources {
    /// The name of the node in the journal, for operators.
    pub(crate) name: String,
    /// The journal, where changes become durable.
    pub(crate) journal: Arc<dyn Journal>,
    /// The store of snapshots and checkpoints.
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    /// The source of time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Limits and intervals.
    pub(crate) tuning: Tuning,
    /// Counters of what happens.
    pub(crate) counters: Counters,
    /// Failures for an operator to look at.
    pub(crate) dead_letters: DeadLetters,
    /// Notified when a shard has accepted entries: the read side has something to project.
    pub(crate) accepted: Notify,
    /// Whether the node stops: it finishes what it accepted, and begins nothing new.
    stopping: AtomicBool,
}

impl Resources {
    pub(crate) fn new(
        name: String,
        journal: Arc<dyn Journal>,
        snapshots: Arc<dyn SnapshotStore>,
        clock: Arc<dyn Clock>,
        tuning: Tuning,
    ) -> Self {
        Self {
            name,
            journal,
            snapshots,
            clock,
            tuning,
            counters: Counters::default(),
            dead_letters: DeadLetters::default(),
            accepted: Notify::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Whether the node stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Records that the node stops. Never taken back.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }
}

/// The maximum number of dead letters that are kept for an operator.
const DEAD_LETTERS_MAX: usize = 1_000;

/// The newest failures: the entity, and what happened to it.
#[derive(Default)]
pub(crate) struct DeadLetters(Mutex<VecDeque<(EntityKey, String)>>);

impl DeadLetters {
    /// Records a failure. The oldest one is dropped if there are too many.
    pub(crate) fn add(&self, key: &EntityKey, error: &str) {
        let mut letters = self.0.lock();
        if letters.len() == DEAD_LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back((key.clone(), error.to_owned()));
    }

    /// All recorded failures, the newest last.
    pub(crate) fn to_list(&self) -> Vec<(EntityKey, String)> {
        self.0.lock().iter().cloned().collect()
    }
}
