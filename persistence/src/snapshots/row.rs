//! The encoding of snapshots and checkpoints as immutable rows, in the order in which they are queried.
//!
//! ```text
//!  snapshot    key    's' | len(key) u16 | key | version u64 | position u64      big-endian
//!              value  1 | rules u16 | format u8 | crc32c u32 | state             little-endian
//!  checkpoint  key    'c' | shard u16 | position u64                             big-endian
//!              value  1 | rules u16 | format u8 | crc32c u32 | bytes             little-endian
//! ```
//!
//! The checksum covers the row's key and every byte of its value except the checksum: a row under a wrong key is
//! detected as damage too.

use std::ops::Bound;

use bytes::Bytes;
use data_encoding::HEXLOWER;

use super::{Checkpoint, Snapshot, SnapshotAt, SnapshotStoreError};

const FORMAT: u8 = 1;
const CHECKSUM_AT: usize = 4;
const HEADER_BYTES: usize = 8;

/// The maximum length of an entity key, in bytes: that of the journal. An entity whose key only the journal accepts could
/// never be written to a snapshot: it would stay in memory, and no checkpoint of its shard would be complete.
pub const KEY_BYTES_MAX: usize = 1_100;
pub(super) const BYTES_MAX: usize = 1 << 30;

/// Returns the prefix that exactly the snapshot rows of an entity share.
pub(super) fn snapshots_of(key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(3 + key.len() + 16);
    row.push(b's');
    row.extend_from_slice(&(key.len() as u16).to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// Returns the key of a snapshot's row.
pub(super) fn snapshot_key(key: &[u8], version: u64, position: u64) -> Vec<u8> {
    let mut row = snapshots_of(key);
    row.extend_from_slice(&version.to_be_bytes());
    row.extend_from_slice(&position.to_be_bytes());
    row
}

/// Returns the range of an entity's snapshots, or of those before a given place.
pub(super) fn snapshots_before(key: &[u8], before: Option<SnapshotAt>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let end = match before {
        Some(SnapshotAt { version, position }) => Bound::Excluded(snapshot_key(key, version, position)),
        None => Bound::Included(snapshot_key(key, u64::MAX, u64::MAX)),
    };
    (Bound::Included(snapshot_key(key, 0, 0)), end)
}

/// Returns the range of a shard's checkpoints, or of those before a given position.
pub(super) fn checkpoints_before(shard: u16, before: Option<u64>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let end = match before {
        Some(position) => Bound::Excluded(checkpoint_key(shard, position)),
        None => Bound::Included(checkpoint_key(shard, u64::MAX)),
    };
    (Bound::Included(checkpoint_key(shard, 0)), end)
}

/// Returns the prefix that exactly the checkpoint rows of a shard share.
pub(super) fn checkpoints_of(shard: u16) -> Vec<u8> {
    let mut row = vec![b'c'];
    row.extend_from_slice(&shard.to_be_bytes());
    row
}

/// Returns the key of a checkpoint's row.
pub(super) fn checkpoint_key(shard: u16, position: u64) -> Vec<u8> {
    let mut row = checkpoints_of(shard);
    row.extend_from_slice(&position.to_be_bytes());
    row
}

/// Encodes a snapshot as the key and the value of its row.
pub(super) fn encode_snapshot(snapshot: &Snapshot) -> Result<(Vec<u8>, Vec<u8>), SnapshotStoreError> {
    let Snapshot { key, version, position, rules, format, bytes } = snapshot;
    if key.len() > KEY_BYTES_MAX {
        let why = format!("a key has {} bytes, at most {KEY_BYTES_MAX} are allowed", key.len());
        return Err(SnapshotStoreError::Store(why));
    }
    let row = snapshot_key(key, *version, *position);
    let value = seal(&row, *rules, *format, bytes)?;
    Ok((row, value))
}

/// Encodes a checkpoint as the key and the value of its row.
pub(super) fn encode_checkpoint(shard: u16, checkpoint: &Checkpoint) -> Result<(Vec<u8>, Vec<u8>), SnapshotStoreError> {
    let row = checkpoint_key(shard, checkpoint.position);
    let value = seal(&row, checkpoint.rules, checkpoint.format, &checkpoint.bytes)?;
    Ok((row, value))
}

/// Decodes the snapshot of a row. It shares the memory of the value.
pub(super) fn decode_snapshot(row: &[u8], value: &Bytes) -> Result<Snapshot, SnapshotStoreError> {
    let misplaced = || damaged(row, "its place cannot be read");
    let (prefix, position) = row.split_last_chunk::<8>().ok_or_else(misplaced)?;
    let (prefix, version) = prefix.split_last_chunk::<8>().ok_or_else(misplaced)?;
    let key = prefix.get(3..).ok_or_else(misplaced)?;
    let (rules, format, bytes) = open(row, value)?;
    let (version, position) = (u64::from_be_bytes(*version), u64::from_be_bytes(*position));
    Ok(Snapshot { key: Bytes::copy_from_slice(key), version, position, rules, format, bytes })
}

/// Decodes the checkpoint of a row. It shares the memory of the value.
pub(super) fn decode_checkpoint(row: &[u8], value: &Bytes) -> Result<Checkpoint, SnapshotStoreError> {
    let (_, position) = row.split_last_chunk::<8>().ok_or_else(|| damaged(row, "its place cannot be read"))?;
    let (rules, format, bytes) = open(row, value)?;
    Ok(Checkpoint { position: u64::from_be_bytes(*position), rules, format, bytes })
}

/// Returns the error for a row that differs from what was written.
pub(super) fn damaged(row: &[u8], why: impl ToString) -> SnapshotStoreError {
    let why = why.to_string();
    match row {
        [b's', high, low, rest @ ..] => {
            let (key, place) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
            SnapshotStoreError::Damaged { key: HEXLOWER.encode(key), at: place_of(place), why }
        }
        [b'c', high, low, position @ ..] => {
            let position = position.try_into().ok().map(u64::from_be_bytes);
            SnapshotStoreError::DamagedCheckpoint { shard: u16::from_be_bytes([*high, *low]), position, why }
        }
        _ => SnapshotStoreError::Damaged { key: HEXLOWER.encode(row), at: None, why },
    }
}

fn place_of(bytes: &[u8]) -> Option<SnapshotAt> {
    let (version, position) = bytes.split_first_chunk::<8>()?;
    let position = u64::from_be_bytes(position.try_into().ok()?);
    Some(SnapshotAt { version: u64::from_be_bytes(*version), position })
}

fn seal(row: &[u8], rules: u16, format: u8, bytes: &[u8]) -> Result<Vec<u8>, SnapshotStoreError> {
    if bytes.len() > BYTES_MAX {
        let why = format!("a snapshot has {} bytes, at most {BYTES_MAX} are allowed", bytes.len());
        return Err(SnapshotStoreError::Store(why));
    }
    let mut value = Vec::with_capacity(HEADER_BYTES + bytes.len());
    value.push(FORMAT);
    value.extend_from_slice(&rules.to_le_bytes());
    value.push(format);
    value.extend_from_slice(&[0; 4]);
    value.extend_from_slice(bytes);
    let checksum = checksum(row, &value);
    value[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(value)
}

fn open(row: &[u8], value: &Bytes) -> Result<(u16, u8, Bytes), SnapshotStoreError> {
    let Some(&[made, low, high, format, c0, c1, c2, c3]) = value.first_chunk::<HEADER_BYTES>() else {
        return Err(damaged(row, "the row is cut short"));
    };
    let (expected, found) = (u32::from_le_bytes([c0, c1, c2, c3]), checksum(row, value));
    if found != expected {
        return Err(damaged(row, format!("checksum {found:#010x}, expected {expected:#010x}")));
    }
    if made != FORMAT {
        return Err(damaged(row, format!("the row has format {made}, which this program does not know")));
    }
    Ok((u16::from_le_bytes([low, high]), format, value.slice(HEADER_BYTES..)))
}

fn checksum(row: &[u8], value: &[u8]) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(row), &value[..CHECKSUM_AT]);
    crc32c::crc32c_append(sum, &value[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn snapshot() -> Snapshot {
        let (key, bytes) = (Bytes::from_static(b"cart"), Bytes::from_static(b"state"));
        Snapshot { key, version: 3, position: 900, rules: 7, format: 2, bytes }
    }

    #[test]
    fn rows_read_back() {
        let (row, value) = encode_snapshot(&snapshot()).unwrap();
        assert_eq!(decode_snapshot(&row, &value.into()).unwrap(), snapshot());
        let checkpoint = Checkpoint { position: 5, rules: 3, format: 9, bytes: Bytes::from_static(b"agenda") };
        let (row, value) = encode_checkpoint(3, &checkpoint).unwrap();
        assert_eq!(decode_checkpoint(&row, &value.into()).unwrap(), checkpoint);
    }

    #[test]
    fn every_flip_and_cut_is_noticed_and_names_the_entity() {
        let (row, value) = encode_snapshot(&snapshot()).unwrap();
        for at in 0..value.len() {
            let mut flipped = value.clone();
            flipped[at] ^= 0x10;
            for wrong in [flipped, value[..at].to_vec()] {
                let error = decode_snapshot(&row, &wrong.into()).unwrap_err();
                let place = Some(snapshot().at());
                let named =
                    matches!(&error, SnapshotStoreError::Damaged { key, at, .. } if key == "63617274" && *at == place);
                assert!(named, "at {at}: {error:?}");
            }
        }
        let elsewhere = snapshot_key(b"cart", 4, 900);
        assert!(decode_snapshot(&elsewhere, &value.into()).is_err(), "another version's row");
    }

    #[test]
    fn a_damaged_checkpoint_is_reported_with_its_position() {
        let checkpoint = Checkpoint { position: 5, rules: 1, format: 0, bytes: Bytes::from_static(b"agenda") };
        let (row, value) = encode_checkpoint(3, &checkpoint).unwrap();
        let error = decode_checkpoint(&row, &value[..9].to_vec().into()).unwrap_err();
        let SnapshotStoreError::DamagedCheckpoint { shard, position, .. } = error else { panic!("{error}") };
        assert_eq!((shard, position), (3, Some(5)));
    }
}
