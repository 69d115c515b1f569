//! The read side's file, and the witness that notices when it has lost something.
//!
//! SQLite reads its log (`-wal`) up to the first frame that is not whole and takes what follows for never written, as it
//! takes a log that is gone for an empty one. Lists can be made again from the journal; accounts and addresses are
//! nowhere else. Transactions are lost from the newest on, and those of the projections say how far the lists reach:
//!
//! ```text
//!  accounts, addresses ──┐
//!                        ├──► fusion.sqlite-wal ──► fusion.sqlite
//!  projections ──────────┘
//!        └─ positions ──► fusion.sqlite.witness      at the next start the read side must have reached these
//! ```
//!
//! What was written after the newest projection is not guarded: at a sale, some tens of milliseconds.

use std::path::{Path, PathBuf};

use persistence::sql::{OpenError as SqlError, ReadSide, StoreError};
use streaming::{
    Journal, JournalError, Position, ShardId,
    embedded::{EmbeddedJournal, Witness, WitnessError},
};

/// Its file in the data folder.
pub(crate) const READ_SIDE_FILE: &str = "fusion.sqlite";
/// The witness beside it.
const WITNESS_FILE: &str = "fusion.sqlite.witness";

/// A read side that cannot be opened, or should not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadSideError {
    /// The journal has a history, and the file is not there.
    #[error("{} is missing or empty in a folder that was in use", .0.display())]
    Missing(PathBuf),
    /// It was further than it is.
    #[error(
        "{} ends at position {found} of shard {shard}, but had reached {expected}: its newest transactions are missing",
        .path.display()
    )]
    Lost {
        /// Which file.
        path: PathBuf,
        /// Of which shard.
        shard: ShardId,
        /// How far it reaches.
        found: Position,
        /// How far it was seen to reach.
        expected: Position,
    },
    /// The journal ends before what it has seen.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It does not open.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// It does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The witness cannot be read or written.
    #[error("{}: {why}", .path.display())]
    Witness {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
}

/// What is expected of the read side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MustBe {
    /// All of it: the folder was in use.
    Whole,
    /// Nothing: the folder is new, or an operator has looked and takes what is there.
    AsItIs,
}

/// Opens and migrates the read side. The journal must have all that it has seen.
pub(crate) async fn open(
    data_dir: &Path,
    journal: &EmbeddedJournal,
    must_be: MustBe,
) -> Result<ReadSide, ReadSideError> {
    let path = data_dir.join(READ_SIDE_FILE);
    let witnessed = match must_be {
        MustBe::AsItIs => Vec::new(),
        // Opening would make an empty one, and throw the log of the old one away.
        MustBe::Whole if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 => {
            return Err(ReadSideError::Missing(path));
        }
        MustBe::Whole => witnessed(&data_dir.join(WITNESS_FILE))?,
    };
    let read_side = ReadSide::open(&path).await?;
    let positions = read_side.positions().await?;
    let shards = journal.shards();
    for (shard, expected) in (0..shards).map(ShardId).zip(witnessed) {
        let found = Position(positions.get(&shard.0).copied().unwrap_or_default());
        if found < expected {
            // Closing it would fold what is left of the log into the file: the evidence stays as it is.
            std::mem::forget(read_side);
            return Err(ReadSideError::Lost { path, shard, found, expected });
        }
    }
    let seen = positions.iter().map(|(&shard, &next)| (ShardId(shard), Position(next), "the read side"));
    journal.check_reaches(&seen.filter(|(shard, ..)| shard.0 < shards).collect::<Vec<_>>())?;
    Ok(read_side)
}

/// The positions that it was seen to reach. Without a readable witness nobody knows, and nothing is refused: it guards
/// against a loss, and is none.
fn witnessed(path: &Path) -> Result<Vec<Position>, ReadSideError> {
    match Witness::read(path) {
        Ok(said) => Ok(said.map(|said| said.positions).unwrap_or_default()),
        Err(WitnessError::Io(why)) => Err(ReadSideError::Witness { path: path.to_owned(), why }),
        Err(error @ WitnessError::Damaged) => {
            tracing::warn!(path = %path.display(), %error, "whether the read side lost something cannot be told");
            Ok(Vec::new())
        }
    }
}

/// Keeps the witness of an open read side.
#[derive(Debug)]
pub(crate) struct ReadSideWitness {
    witness: Witness,
    positions: Vec<Position>,
}

impl ReadSideWitness {
    /// Takes the old witness away: the projections may be emptied now, to be made again.
    pub(crate) fn retire(data_dir: &Path) -> Result<(), ReadSideError> {
        let path = data_dir.join(WITNESS_FILE);
        match std::fs::remove_file(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(ReadSideError::Witness { path, why }),
            _ => Ok(()),
        }
    }

    /// Begins a new one from where the read side is.
    pub(crate) async fn begin(data_dir: &Path, read_side: &ReadSide, shards: u16) -> Result<Self, ReadSideError> {
        let path = data_dir.join(WITNESS_FILE);
        let mut positions = vec![Position(0); usize::from(shards)];
        for (shard, next) in read_side.positions().await? {
            if let Some(position) = positions.get_mut(usize::from(shard)) {
                *position = Position(next);
            }
        }
        let witness = Witness::begin(&path, &positions).map_err(|why| ReadSideError::Witness { path, why })?;
        Ok(Self { witness, positions })
    }

    /// A transaction was committed that took a shard this far. Call [`write`](Self::write) after the last of it.
    pub(crate) fn note(&mut self, shard: u16, next: u64) {
        if let Some(position) = self.positions.get_mut(usize::from(shard)) {
            *position = Position(next);
        }
    }

    /// Writes down what was noted. It is not synced: what the machine loses with its power it loses of the guard.
    pub(crate) fn write(&mut self) {
        if let Err(error) = self.witness.write_unsynced(&self.positions) {
            tracing::warn!(%error, "witness of the read side could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use streaming::embedded::{DataFolder, EmbeddedOptions};

    use super::*;

    /// A folder whose journal was led, and whose read side is said to have reached `witnessed`.
    async fn used(witnessed: u64) -> (tempfile::TempDir, EmbeddedJournal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = EmbeddedJournal::open(DataFolder::lock(folder.path()).unwrap(), EmbeddedOptions::new(1)).unwrap();
        let read_side = open(folder.path(), &journal, MustBe::AsItIs).await.unwrap();
        let mut witness = ReadSideWitness::begin(folder.path(), &read_side, 1).await.unwrap();
        witness.note(0, witnessed);
        witness.write();
        read_side.close().await;
        journal.lead(ShardId(0), "a").await.unwrap();
        (folder, journal)
    }

    #[tokio::test]
    async fn a_read_side_that_was_further_is_refused_until_someone_says_so() {
        let (folder, journal) = used(7).await;
        let refused = open(folder.path(), &journal, MustBe::Whole).await.unwrap_err();
        assert!(matches!(refused, ReadSideError::Lost { found: Position(0), expected: Position(7), .. }), "{refused}");
        open(folder.path(), &journal, MustBe::AsItIs).await.unwrap().close().await;
        ReadSideWitness::retire(folder.path()).unwrap();
        open(folder.path(), &journal, MustBe::Whole).await.unwrap();
    }

    #[tokio::test]
    async fn a_read_side_that_is_gone_is_not_made_anew() {
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
