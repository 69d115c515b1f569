//! The witness: what was accepted, written aside.
//!
//! fjall cuts its log at the first entry that it cannot read, and cannot tell a torn last write from damage to what
//! was synced long ago. So the accepted position of every shard is written, at most `witness_every` later, to a file
//! of our own, in turn to one of two slots:
//!
//! ```text
//!  slot 0, padded to whole 4 KiB pages              slot 1
//!  ┌─────┬──────┬────────┬─────────────────┬──────┐ ┌────
//!  │magic│shards│sequence│position of each │crc32c│ │ …
//!  └─────┴──────┴────────┴─────────────────┴──────┘ └────
//! ```
//!
//! A torn write costs one slot; the other holds what was true one turn before.

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

/// What a witness file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// The position that each shard had reached.
    pub positions: Vec<Position>,
    sequence: u64,
}

/// A witness file that does not speak.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The system does not let it be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Both slots are damaged, or it is something else.
    #[error("neither slot of the witness file can be read")]
    Damaged,
}

/// The open witness file of whoever reaches positions: the journal, the read side.
#[derive(Debug)]
pub struct Witness {
    file: File,
    newest: Testimony,
}

impl Witness {
    /// What the file says; None when there is none.
    pub fn read(path: &Path) -> Result<Option<Testimony>, WitnessError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let halves = bytes.split_at(bytes.len() / 2);
        let slots = [halves.0, halves.1].into_iter().filter_map(decode);
        slots.max_by_key(|slot| slot.sequence).map(Some).ok_or(WitnessError::Damaged)
    }

    /// Opens the file, or makes it: both slots say `positions`, durably, before it returns.
    pub fn begin(path: &Path, positions: &[Position]) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let slot = slot_bytes(positions.len());
        let sequence = Self::read(path).ok().flatten().map_or(0, |old| old.sequence);
        let mut witness = Self { file, newest: Testimony { positions: Vec::new(), sequence } };
        witness.file.set_len(2 * slot as u64)?;
        witness.write(positions)?;
        witness.write(positions)?;
        if let Some(folder) = path.parent() {
            super::folder::sync_folder(folder)?;
        }
        Ok(witness)
    }

    /// Makes `positions` durable, over the older of the two slots.
    pub fn write(&mut self, positions: &[Position]) -> io::Result<()> {
        let next = self.put(positions)?;
        self.file.sync_data()?;
        self.newest = next;
        Ok(())
    }

    /// Writes `positions` over the older of the two slots: there after a crash of the process, not of the machine.
    pub fn write_unsynced(&mut self, positions: &[Position]) -> io::Result<()> {
        self.newest = self.put(positions)?;
        Ok(())
    }

    fn put(&self, positions: &[Position]) -> io::Result<Testimony> {
        let next = Testimony { positions: positions.to_vec(), sequence: self.newest.sequence + 1 };
        let slot = slot_bytes(positions.len());
        self.file.write_all_at(&encode(&next), (next.sequence % 2) * slot as u64)?;
        Ok(next)
    }

    /// What was written last.
    pub(super) fn newest(&self) -> &[Position] {
        &self.newest.positions
    }
}

fn slot_bytes(shards: usize) -> usize {
    (POSITIONS_AT + 8 * shards + 4).next_multiple_of(PAGE)
}

fn encode(testimony: &Testimony) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(slot_bytes(testimony.positions.len()));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(testimony.positions.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&testimony.sequence.to_le_bytes());
    for position in &testimony.positions {
        bytes.extend_from_slice(&position.0.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(slot: &[u8]) -> Option<Testimony> {
    let shards = usize::from(u16::from_le_bytes(slot.get(8..10)?.try_into().ok()?));
    let end = POSITIONS_AT + 8 * shards;
    let expected = u32::from_le_bytes(slot.get(end..end + 4)?.try_into().ok()?);
    if slot[..8] != MAGIC || crc32c::crc32c(&slot[..end]) != expected {
        return None;
    }
    let sequence = u64::from_le_bytes(slot[10..POSITIONS_AT].try_into().ok()?);
    let (positions, _) = slot[POSITIONS_AT..end].as_chunks::<8>();
    let positions = positions.iter().map(|bytes| Position(u64::from_le_bytes(*bytes))).collect();
    Some(Testimony { positions, sequence })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(path: &Path) -> Option<Vec<u64>> {
        Witness::read(path).unwrap().map(|said| said.positions.iter().map(|position| position.0).collect())
    }

    #[test]
    fn it_says_what_was_written_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        assert_eq!(said(&path), None);
        let mut witness = Witness::begin(&path, &[Position(1), Position(2)]).unwrap();
        assert_eq!(said(&path), Some(vec![1, 2]));
        witness.write(&[Position(3), Position(2)]).unwrap();
        witness.write(&[Position(4), Position(9)]).unwrap();
        assert_eq!(said(&path), Some(vec![4, 9]));
        drop(witness);
        Witness::begin(&path, &[Position(5), Position(9)]).unwrap();
        assert_eq!(said(&path), Some(vec![5, 9]));
    }

    #[test]
    fn a_flip_anywhere_costs_one_turn_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let mut witness = Witness::begin(&path, &[Position(1), Position(1)]).unwrap();
        witness.write(&[Position(2), Position(2)]).unwrap();
        witness.write(&[Position(3), Position(3)]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..64).chain(PAGE..PAGE + 64) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert!(said(&path).unwrap()[0] >= 2, "flip at {at}");
        }
    }

    #[test]
    fn a_file_without_a_readable_slot_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        Witness::begin(&path, &[Position(1)]).unwrap();
        for len in [0, 1, 20, PAGE] {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, vec![0; len]).unwrap();
            assert!(matches!(Witness::read(&path), Err(WitnessError::Damaged)), "{len} zeros");
            std::fs::write(&path, bytes).unwrap();
        }
    }
}
