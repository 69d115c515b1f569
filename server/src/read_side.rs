//! The read side's file, and the durable watermark that detects lost transactions.
//!
//! SQLite reads its log (`-wal`) up to the first incomplete frame and ignores the rest. A missing log counts as an
//! empty one. Lists can be rebuilt from the journal, but accounts and addresses are stored nowhere else. Transactions
//! are lost from the newest on, and the transactions of the projections record how far the lists reach:
//!
//! ```text
//!  accounts, addresses ──┐
//!                        ├──► fusion.sqlite-wal ──► fusion.sqlite
//!  projections ──────────┘
//!        └─ positions ──► fusion.sqlite.witness      at the next start the read side must have reached these
//! ```
//!
//! Transactions after the newest projection are not guarded: during a sale, those of some tens of milliseconds.

use std::path::{Path, PathBuf};

use persistence::sql::{OpenError as SqlError, ReadSide, StoreError};
use streaming::{
    Journal, JournalError, Position, ShardId,
    embedded::{DurableWatermark, EmbeddedJournal, WatermarkError},
};

/// The read side's file in the data folder.
pub(crate) const READ_SIDE_FILE: &str = "fusion.sqlite";
/// The file of the durable watermark, in the same folder.
const WATERMARK_FILE: &str = "fusion.sqlite.witness";

/// A read side that cannot be opened, or must not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadSideError {
    /// The journal has entries, but the file is missing or empty.
    #[error("{} is missing or empty in a data folder that was in use", .0.display())]
    Missing(PathBuf),
    /// The file reaches less far than the durable watermark: its newest transactions are lost.
    #[error(
        "{} ends at position {found} of shard {shard}, but had reached {expected}: its newest transactions are missing",
        .path.display()
    )]
    Lost {
        /// The file.
        path: PathBuf,
        /// The shard whose position is too low.
        shard: ShardId,
        /// The position that the file reaches.
        found: Position,
        /// The position of the durable watermark.
        expected: Position,
    },
    /// The journal ends before a position that the read side has seen.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The file cannot be opened.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A query failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The durable watermark cannot be read or written.
    #[error("{}: {why}", .path.display())]
    DurableWatermark {
        /// Its file.
        path: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
}

/// What the read side is required to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MustBe {
    /// Everything that the durable watermark recorded: the folder was in use.
    Whole,
    /// Nothing: the folder is new, or an operator has decided to accept its present content.
    AsItIs,
}

/// Opens and migrates the read side, and checks that the journal has every entry that the read side has seen.
pub(crate) async fn open(
    data_dir: &Path,
    journal: &EmbeddedJournal,
    must_be: MustBe,
) -> Result<ReadSide, ReadSideError> {
    let path = data_dir.join(READ_SIDE_FILE);
    let recorded_at = match must_be {
        MustBe::AsItIs => Vec::new(),
        // Opening would create an empty file and discard the log of the old one.
        MustBe::Whole if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 => {
            return Err(ReadSideError::Missing(path));
        }
        MustBe::Whole => recorded_at(&data_dir.join(WATERMARK_FILE))?,
    };
    let read_side = ReadSide::open(&path).await?;
    let positions = read_side.positions().await?;
    let shards = journal.shards();
    for (shard, expected) in (0..shards).map(ShardId).zip(recorded_at) {
        let found = Position(positions.get(&shard.0).copied().unwrap_or_default());
        if found < expected {
            // Closing it would fold the rest of the log into the file. The evidence must stay as it is.
            std::mem::forget(read_side);
            return Err(ReadSideError::Lost { path, shard, found, expected });
        }
    }
    let seen = positions.iter().map(|(&shard, &next)| (ShardId(shard), Position(next), "the read side"));
    journal.check_reaches(&seen.filter(|(shard, ..)| shard.0 < shards).collect::<Vec<_>>())?;
    Ok(read_side)
}

/// Returns the positions of the durable watermark, or none if it is missing or damaged. A damaged watermark is no
/// reason to refuse the read side: it only helps to detect a loss.
fn recorded_at(path: &Path) -> Result<Vec<Position>, ReadSideError> {
    match DurableWatermark::read(path) {
        Ok(watermark) => Ok(watermark.map(|watermark| watermark.positions).unwrap_or_default()),
        Err(WatermarkError::Io(why)) => Err(ReadSideError::DurableWatermark { path: path.to_owned(), why }),
        Err(error @ WatermarkError::Damaged) => {
            tracing::warn!(path = %path.display(), %error, "cannot determine whether the read side has lost transactions");
            Ok(Vec::new())
        }
    }
}

/// Maintains the durable watermark of an open read side.
#[derive(Debug)]
pub(crate) struct ReadSideWatermark {
    durable_watermark: DurableWatermark,
    positions: Vec<Position>,
}

impl ReadSideWatermark {
    /// Removes the old watermark, so that the projections may be emptied and rebuilt.
    pub(crate) fn retire(data_dir: &Path) -> Result<(), ReadSideError> {
        let path = data_dir.join(WATERMARK_FILE);
        match std::fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(ReadSideError::DurableWatermark { path, why })
            }
            _ => Ok(()),
        }
    }

    /// Starts a new watermark at the present positions of the read side.
    pub(crate) async fn begin(data_dir: &Path, read_side: &ReadSide, shards: u16) -> Result<Self, ReadSideError> {
        let path = data_dir.join(WATERMARK_FILE);
        let mut positions = vec![Position(0); usize::from(shards)];
        for (shard, next) in read_side.positions().await? {
            if let Some(position) = positions.get_mut(usize::from(shard)) {
                *position = Position(next);
            }
        }
        let durable_watermark =
            DurableWatermark::begin(&path, &positions).map_err(|why| ReadSideError::DurableWatermark { path, why })?;
        Ok(Self { durable_watermark, positions })
    }

    /// Records that a committed transaction moved a shard to `next`. Call [`write`](Self::write) after the last one.
    pub(crate) fn note(&mut self, shard: u16, next: u64) {
        if let Some(position) = self.positions.get_mut(usize::from(shard)) {
            *position = Position(next);
        }
    }

    /// Writes the recorded positions without syncing: after a power failure the watermark may be older than the file.
    pub(crate) fn write(&mut self) {
        if let Err(error) = self.durable_watermark.write_unsynced(&self.positions) {
            tracing::warn!(%error, "durable watermark of the read side could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use streaming::embedded::{DataFolder, EmbeddedOptions};

    use super::*;

    /// Returns a folder whose journal has had a leader, and whose watermark says `recorded_at`.
    async fn used(recorded_at: u64) -> (tempfile::TempDir, EmbeddedJournal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = EmbeddedJournal::open(DataFolder::lock(folder.path()).unwrap(), EmbeddedOptions::new(1)).unwrap();
        let read_side = open(folder.path(), &journal, MustBe::AsItIs).await.unwrap();
        let mut durable_watermark = ReadSideWatermark::begin(folder.path(), &read_side, 1).await.unwrap();
        durable_watermark.note(0, recorded_at);
        durable_watermark.write();
        read_side.close().await;
        journal.acquire_leadership(ShardId(0), "a").await.unwrap();
        (folder, journal)
    }

    #[tokio::test]
    async fn a_read_side_that_lost_transactions_is_refused_until_it_is_accepted() {
        let (folder, journal) = used(7).await;
        let refused = open(folder.path(), &journal, MustBe::Whole).await.unwrap_err();
        assert!(matches!(refused, ReadSideError::Lost { found: Position(0), expected: Position(7), .. }), "{refused}");
        open(folder.path(), &journal, MustBe::AsItIs).await.unwrap().close().await;
        ReadSideWatermark::retire(folder.path()).unwrap();
        open(folder.path(), &journal, MustBe::Whole).await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_read_side_is_not_recreated() {
        let (folder, journal) = used(0).await;
        open(folder.path(), &journal, MustBe::Whole).await.unwrap().close().await;
        for damage in [|path: &Path| std::fs::write(path, ""), |path: &Path| std::fs::remove_file(path)] {
            damage(&folder.path().join(READ_SIDE_FILE)).unwrap();
            let refused = open(folder.path(), &journal, MustBe::Whole).await.unwrap_err();
            assert!(matches!(refused, ReadSideError::Missing(_)), "{refused}");
        }
        open(folder.path(), &journal, MustBe::AsItIs).await.unwrap();
    }
}
