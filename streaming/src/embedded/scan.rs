//! What is in the journal of a stopped process, without changing it: for `fusion doctor`.

use std::path::Path;

use super::{
    JOURNAL_FOLDER, WITNESS_FILE, check_files, options::EmbeddedOptions, preserve, store::RowKey, store::Store, verify,
    witness::Witness,
};
use crate::{
    batch::{Position, ShardId},
    counting::{Counting, Verdict},
    journal::JournalError,
};

/// How many problems of a shard are told; more say no more.
pub const PROBLEMS_MAX: usize = 100;

/// What a journal holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// Each shard.
    pub shards: Vec<ShardReport>,
    /// What is wrong with the journal as a whole.
    pub problems: Vec<String>,
}

/// What one shard's log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardReport {
    /// The position of its first batch.
    pub first: Position,
    /// The position after its last.
    pub end: Position,
    /// How many batches it has, Leads included.
    pub batches: u64,
    /// How many entries they have.
    pub entries: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// What the witness file says that it reached.
    pub witnessed: Option<Position>,
    /// What is wrong, oldest first, at most [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
}

impl JournalReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.shards.iter().all(|shard| shard.problems.is_empty())
    }
}

/// Reads the journal in the data folder `data`, which nobody may be using, from a copy in `scratch`: opening repairs,
/// and a doctor only looks. `scratch` must not exist, is best on the same disk, and is removed. It blocks.
pub fn scan(data: &Path, scratch: &Path) -> Result<JournalReport, JournalError> {
    let io = |error: std::io::Error| JournalError::Store(format!("{}: {error}", scratch.display()));
    std::fs::create_dir(scratch).map_err(io)?;
    let copied = preserve::copy_store(&data.join(JOURNAL_FOLDER), &scratch.join(JOURNAL_FOLDER)).map_err(io);
    let report = copied.and_then(|()| scan_copy(data, &scratch.join(JOURNAL_FOLDER)));
    std::fs::remove_dir_all(scratch).map_err(io)?;
    report
}

fn scan_copy(data: &Path, copy: &Path) -> Result<JournalReport, JournalError> {
    let mut report = JournalReport::default();
    let witness = Witness::read(&data.join(WITNESS_FILE)).unwrap_or_else(|error| {
        report.problems.push(format!("{WITNESS_FILE}: {error}"));
        None
    });
    check_files(copy, u64::MAX)?;
    let store = Store::open(copy, None, &EmbeddedOptions::new(1))?;
    let Some(shards) = store.made_with()? else {
        report.problems.push("its making was never finished".into());
        return Ok(report);
    };
    if let Err(error) = store.strays(shards) {
        report.problems.push(error.to_string());
    }
    for shard in (0..shards).map(ShardId) {
        let mut scanned = scan_shard(&store, shard);
        scanned.witnessed = witness.as_ref().and_then(|said| said.positions.get(usize::from(shard.0)).copied());
        if let Some(witnessed) = scanned.witnessed.filter(|witnessed| scanned.end < *witnessed) {
            scanned.problem(format!("ends at position {}, but the witness file shows {witnessed}", scanned.end));
        }
        report.shards.push(scanned);
    }
    Ok(report)
}

fn scan_shard(store: &Store, shard: ShardId) -> ShardReport {
    let mut report = ShardReport::default();
    let mut counting = Counting::default();
    let rows = store.rows.range(RowKey::from(shard, Position(0))..=RowKey::upto(shard, Position(u64::MAX)));
    for guard in rows {
        let (key, value) = match guard.into_inner() {
            Ok(row) => row,
            Err(error) => {
                report.problem(format!("after position {}: {}", report.end, super::store::words(&error)));
                continue;
            }
        };
        let Some(key) = RowKey::decode(&key) else {
            report.problem(format!("after position {}: a row without a readable place", report.end));
            continue;
        };
        if report.batches == 0 {
            report.first = key.first;
        }
        report.batches += 1;
        report.bytes += value.len() as u64;
        if key.first != report.end {
            report.problem(format!("positions {} to {} are missing", report.end, key.first));
        }
        report.end = report.end.max(key.end());
        match verify::decode(key, value.into()) {
            Err(error) => report.problem(format!("position {}: {error}", key.first)),
            Ok(batch) => {
                report.entries += batch.entries().count() as u64;
                let verdict = counting.judge(&batch.header, &batch.content);
                if verdict != Verdict::Counts {
                    report.problem(format!("position {}: the batch does not count: {verdict:?}", key.first));
                }
                // Go on from what is there, so that one fault is told once.
                let nonce = batch.header.nonce;
                counting = Counting { epoch: batch.header.epoch, nonce, next: batch.header.end() };
            }
        }
    }
    report
}

impl ShardReport {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}
