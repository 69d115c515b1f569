//! The durable watermark: the accepted position of every shard, recorded in a file apart from the database.
//!
//! The file keeps its original name on disk, `journal.witness`.
//!
//! fjall cuts its log at the first entry that it cannot read, and cannot tell a torn last write from damage to entries
//! that were synced long ago. The journal therefore writes the accepted position of every shard to its own file, at
//! most `watermark_every` later, alternating between two slots:
//!
//! ```text
//!  slot 0, padded to whole 4 KiB pages              slot 1
//!  ┌─────┬──────┬────────┬─────────────────┬──────┐ ┌────
//!  │magic│shards│sequence│position of each │crc32c│ │ …
//!  └─────┴──────┴────────┴─────────────────┴──────┘ └────
//! ```
//!
//! A torn write damages one slot. The other still holds the positions of the write before.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use crate::batch::Position;

const MAGIC: [u8; 8] = *b"FCWITN1\n";
const POSITIONS_AT: usize = 18;
const PAGE: usize = 4096;

/// The contents of a durable watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedWatermarks {
    /// The position that each shard had reached.
    pub positions: Vec<Position>,
    sequence: u64,
}

/// A durable watermark that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WatermarkError {
    /// The operating system does not allow the file to be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Both slots are damaged, or the file is not a durable watermark.
    #[error("neither slot of the witness file can be read")]
    Damaged,
}

/// An open durable watermark. Used by the components that advance through positions: the journal and the read side.
#[derive(Debug)]
pub struct DurableWatermark {
    file: File,
    newest: RecordedWatermarks,
}

impl DurableWatermark {
    /// Reads the newest intact slot of the file. Returns `None` if the file does not exist.
    pub fn read(path: &Path) -> Result<Option<RecordedWatermarks>, WatermarkError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let halves = bytes.split_at(bytes.len() / 2);
        let slots = [halves.0, halves.1].into_iter().filter_map(decode);
        slots.max_by_key(|slot| slot.sequence).map(Some).ok_or(WatermarkError::Damaged)
    }

    /// Opens the file, or creates it. Before this call returns, both slots durably hold `positions`.
    pub fn begin(path: &Path, positions: &[Position]) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let slot = slot_bytes(positions.len());
        let sequence = Self::read(path).ok().flatten().map_or(0, |old| old.sequence);
        let mut durable_watermark = Self { file, newest: RecordedWatermarks { positions: Vec::new(), sequence } };
        durable_watermark.file.set_len(2 * slot as u64)?;
        durable_watermark.write(positions)?;
        durable_watermark.write(positions)?;
        if let Some(folder) = path.parent() {
            super::folder::sync_folder(folder)?;
        }
        Ok(durable_watermark)
    }

    /// Writes `positions` to the older of the two slots and makes them durable.
    pub fn write(&mut self, positions: &[Position]) -> io::Result<()> {
        let next = self.put(positions)?;
        self.file.sync_data()?;
        self.newest = next;
        Ok(())
    }

    /// Writes `positions` to the older of the two slots without a sync: they survive a crash of the process, but not of
    /// the machine.
    pub fn write_unsynced(&mut self, positions: &[Position]) -> io::Result<()> {
        self.newest = self.put(positions)?;
        Ok(())
    }

    fn put(&self, positions: &[Position]) -> io::Result<RecordedWatermarks> {
        let next = RecordedWatermarks { positions: positions.to_vec(), sequence: self.newest.sequence + 1 };
        let slot = slot_bytes(positions.len());
        self.file.write_all_at(&encode(&next), (next.sequence % 2) * slot as u64)?;
        Ok(next)
    }

    /// Returns the positions that were written last.
    pub(super) fn newest(&self) -> &[Position] {
        &self.newest.positions
    }
}

fn slot_bytes(shards: usize) -> usize {
    (POSITIONS_AT + 8 * shards + 4).next_multiple_of(PAGE)
}

fn encode(recorded: &RecordedWatermarks) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(slot_bytes(recorded.positions.len()));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(recorded.positions.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&recorded.sequence.to_le_bytes());
    for position in &recorded.positions {
        bytes.extend_from_slice(&position.0.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(slot: &[u8]) -> Option<RecordedWatermarks> {
    let shards = usize::from(u16::from_le_bytes(slot.get(8..10)?.try_into().ok()?));
    let end = POSITIONS_AT + 8 * shards;
    let expected = u32::from_le_bytes(slot.get(end..end + 4)?.try_into().ok()?);
    if slot[..8] != MAGIC || crc32c::crc32c(&slot[..end]) != expected {
        return None;
    }
    let sequence = u64::from_le_bytes(slot[10..POSITIONS_AT].try_into().ok()?);
    let (positions, _) = slot[POSITIONS_AT..end].as_chunks::<8>();
    let positions = positions.iter().map(|bytes| Position(u64::from_le_bytes(*bytes))).collect();
    Some(RecordedWatermarks { positions, sequence })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn positions(path: &Path) -> Option<Vec<u64>> {
        DurableWatermark::read(path)
            .unwrap()
            .map(|positions| positions.positions.iter().map(|position| position.0).collect())
    }

    #[test]
    fn it_returns_the_last_written_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        assert_eq!(positions(&path), None);
        let mut durable_watermark = DurableWatermark::begin(&path, &[Position(1), Position(2)]).unwrap();
        assert_eq!(positions(&path), Some(vec![1, 2]));
        durable_watermark.write(&[Position(3), Position(2)]).unwrap();
        durable_watermark.write(&[Position(4), Position(9)]).unwrap();
        assert_eq!(positions(&path), Some(vec![4, 9]));
        drop(durable_watermark);
        DurableWatermark::begin(&path, &[Position(5), Position(9)]).unwrap();
        assert_eq!(positions(&path), Some(vec![5, 9]));
    }

    #[test]
    fn a_flip_anywhere_costs_one_turn_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let mut durable_watermark = DurableWatermark::begin(&path, &[Position(1), Position(1)]).unwrap();
        durable_watermark.write(&[Position(2), Position(2)]).unwrap();
        durable_watermark.write(&[Position(3), Position(3)]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..64).chain(PAGE..PAGE + 64) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert!(positions(&path).unwrap()[0] >= 2, "flip at {at}");
        }
    }

    #[test]
    fn a_file_without_a_readable_slot_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        DurableWatermark::begin(&path, &[Position(1)]).unwrap();
        for len in [0, 1, 20, PAGE] {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, vec![0; len]).unwrap();
            assert!(matches!(DurableWatermark::read(&path), Err(WatermarkError::Damaged)), "{len} zeros");
            std::fs::write(&path, bytes).unwrap();
        }
    }
}
