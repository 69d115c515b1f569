//! A read-only inspection of the journal of a stopped process, for `fusion doctor`.

use std::path::Path;

use super::{
    JOURNAL_FOLDER, WATERMARK_FILE, check_files, durable_watermark::DurableWatermark, options::EmbeddedOptions,
    preserve, store::RowKey, store::Store, verify,
};
use crate::{
    batch::{Position, ShardId},
    fencing::{FencingState, Verdict},
    journal::JournalError,
};

/// The maximum number of problems reported for a shard. More of them add no information.
pub const PROBLEMS_MAX: usize = 100;

/// The contents of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// One report for each shard.
    pub shards: Vec<ShardReport>,
    /// Problems of the journal as a whole.
    pub problems: Vec<String>,
}

/// The contents of one shard's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardReport {
    /// The position of the first batch.
    pub first: Position,
    /// The position after the last batch.
    pub end: Position,
    /// The number of batches, Leads included.
    pub batches: u64,
    /// The number of entries in the batches.
    pub entries: u64,
    /// The size of the batches, in bytes.
    pub bytes: u64,
    /// The position in the durable watermark (`journal.witness`).
    pub recorded_at: Option<Position>,
    /// Problems, oldest first, at most [`PROBLEMS_MAX`].
    pub problems: Vec<String>,
}

impl JournalReport {
    /// Whether the journal has no problems.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.shards.iter().all(|shard| shard.problems.is_empty())
    }
}

/// Reads the journal in the data folder `data`, which no process may be using. Opening a journal repairs it, so this
/// function reads a copy in `scratch` and leaves the original unchanged. `scratch` must not exist, should be on the
/// same disk, and is removed afterwards. This call blocks.
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
    let durable_watermark = DurableWatermark::read(&data.join(WATERMARK_FILE)).unwrap_or_else(|error| {
        report.problems.push(format!("{WATERMARK_FILE}: {error}"));
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
        scanned.recorded_at =
            durable_watermark.as_ref().and_then(|said| said.positions.get(usize::from(shard.0)).copied());
        if let Some(recorded_at) = scanned.recorded_at.filter(|recorded_at| scanned.end < *recorded_at) {
            scanned.problem(format!("ends at position {}, but the witness file shows {recorded_at}", scanned.end));
        }
        report.shards.push(scanned);
    }
    Ok(report)
}

fn scan_shard(store: &Store, shard: ShardId) -> ShardReport {
    let mut report = ShardReport::default();
    let mut fencing = FencingState::default();
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
                let verdict = fencing.judge(&batch.header, &batch.content);
                if verdict != Verdict::Counts {
                    report.problem(format!("position {}: the batch does not count: {verdict:?}", key.first));
                }
                // Continue from the batch that is there, so that one fault is reported once.
                let nonce = batch.header.nonce;
                fencing = FencingState { epoch: batch.header.epoch, nonce, next: batch.header.end() };
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
