//! A batch: the records that are appended together, encoded as one value.
//!
//! ```text
//!  0      4       6       8       16        32        40     44      48
//!  ┌──────┬───────┬───────┬───────┬─────────┬─────────┬──────┬───────┬─────────────────────────────┐
//!  │magic │format │rules  │ epoch │  nonce  │  first  │count │ crc32c│ entries, or the Lead's name │
//!  └──────┴───────┴───────┴───────┴─────────┴─────────┴──────┴───────┴─────────────────────────────┘
//! ```
//!
//! Integers are little-endian. The checksum covers every byte except its own four. The body of a Lead is the name of
//! its node. The body of a batch of entries is the number of entries (u32), followed by each entry as `len(key) u16 |
//! key | version u64 | at u64 | wake_at u64 (0: none) | command id 16 | request id 16 | len(events) u32 | events`.

use bytes::{BufMut, Bytes, BytesMut};

/// The number of a shard. A journal is divided into shards, each of which has one writer at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// A position in a shard's log, counted from 0 without gaps, independent of the offsets of the underlying store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// The number of a leadership of a shard. 0: the shard has had no leader yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Distinguishes two leaderships that both claim the same epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Nonce(pub u128);

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown!(ShardId, Position, Epoch);

/// The maximum length of an entry's key, in bytes.
pub const KEY_BYTES_MAX: usize = 1_100;
/// The maximum size of a batch, in bytes. It is below the value limit of every store (Kafka's default is 1 MiB
/// compressed; ours is set with the topic), and writing it takes a tenth of a second on a slow disk.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// The maximum number of entries in one batch.
pub const BATCH_ENTRIES_MAX: usize = 65_536;

const MAGIC: u32 = u32::from_le_bytes(*b"FCJB");
const FORMAT_ENTRIES: u16 = 1;
const FORMAT_LEAD: u16 = 2;
/// The length of a header, in bytes.
pub const HEADER_BYTES: usize = 48;
const CHECKSUM_AT: usize = 44;

/// The fixed-size header that precedes the body of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the rules that the events follow. A reader that does not know the version stops.
    pub rules: u16,
    /// The epoch of the leadership that wrote the batch.
    pub epoch: Epoch,
    /// The nonce of the leadership that wrote the batch.
    pub nonce: Nonce,
    /// The position of the first entry.
    pub first: Position,
    /// The number of positions that the batch takes: one for each entry; one for a Lead or for a batch without entries.
    pub count: u32,
}

impl Header {
    /// Returns the position after the batch.
    pub fn end(&self) -> Position {
        Position(self.first.0.saturating_add(u64::from(self.count)))
    }
}

/// The effect of one command on one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key of the entity.
    pub key: Bytes,
    /// The number of entries that the entity has, including this one. The first entry has version 1.
    pub version: u64,
    /// The time of the decision, in milliseconds since 1970.
    pub at_ms: u64,
    /// The time at which the entity is to be woken next, in milliseconds since 1970.
    pub wake_at_ms: Option<u64>,
    /// The id of the command that produced the entry.
    pub command_id: u128,
    /// The id of the public request that led to the entry, as it appears in the logs. 0: a timer or an effect caused
    /// it.
    pub request_id: u128,
    /// The encoded events, opaque to this crate.
    pub events: Bytes,
}

/// The body of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The claim of a new owner to the leadership, with its name and address.
    Lead {
        /// The node and its address, for operators and for hints to clients.
        node: String,
    },
    /// Entries, in order. If empty, the batch only proves that its writer still leads.
    Entries(Vec<Entry>),
}

/// A decoded batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The header of the batch.
    pub header: Header,
    /// The body of the batch.
    pub content: Content,
}

/// A fault in the bytes of a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the header or the entries do, or continue after the last entry.
    #[error("batch is cut short at byte {at}")]
    CutShort {
        /// The offset at which decoding stopped.
        at: usize,
    },
    /// The bytes do not begin with the magic number of a batch.
    #[error("not a batch: wrong magic")]
    NotABatch,
    /// The bytes differ from those that were written.
    #[error("batch is damaged: checksum {found:#010x}, expected {expected:#010x}")]
    Damaged {
        /// The checksum computed from the bytes.
        found: u32,
        /// The checksum in the header.
        expected: u32,
    },
    /// The number of positions in the header does not match the number of entries.
    #[error("batch takes {count} positions for {entries} entries")]
    WrongCount {
        /// The number of positions in the header.
        count: u32,
        /// The number of positions that the body requires.
        entries: usize,
    },
    /// The batch extends beyond the last possible position.
    #[error("batch takes {count} positions from {first} on, which is beyond the last")]
    BeyondPositions {
        /// The position of the first entry.
        first: Position,
        /// The number of positions that the batch takes.
        count: u32,
    },
    /// The batch was written by a newer version of the program. Upgrade this one before reading it.
    #[error("batch has format {0}, which this program does not know")]
    UnknownFormat(u16),
}

/// Returns the number of bytes that an entry takes in a batch, given the lengths of its key and its events.
pub fn entry_bytes(key: usize, events: usize) -> usize {
    2 + key + 8 + 8 + 8 + 16 + 16 + 4 + events
}

/// The maximum length of a node's name in a Lead, in bytes.
pub const NODE_BYTES_MAX: usize = 1024;

/// Returns the size of the batch that these entries make, in bytes.
pub fn batch_bytes(entries: &[Entry]) -> usize {
    let size: usize = entries.iter().map(|entry| entry_bytes(entry.key.len(), entry.events.len())).sum();
    HEADER_BYTES + 4 + size
}

/// Checks that these entries fit into one batch, and describes the excess if they do not. Providers call it before they
/// assign a position, so that a refused batch leaves no gap.
pub fn check_entries(entries: &[Entry]) -> Result<(), String> {
    if entries.len() > BATCH_ENTRIES_MAX {
        return Err(format!("batch has {} entries, at most {BATCH_ENTRIES_MAX} are allowed", entries.len()));
    }
    if let Some(entry) = entries.iter().find(|entry| entry.key.len() > KEY_BYTES_MAX) {
        return Err(format!("a key has {} bytes, at most {KEY_BYTES_MAX} are allowed", entry.key.len()));
    }
    match batch_bytes(entries) {
        bytes if bytes > BATCH_BYTES_MAX => {
            Err(format!("batch has {bytes} bytes, at most {BATCH_BYTES_MAX} are allowed"))
        }
        _ => Ok(()),
    }
}

/// Checks that a node's name fits into a Lead, and describes the excess if it does not.
pub fn check_node(node: &str) -> Result<(), String> {
    match node.len() {
        bytes if bytes > NODE_BYTES_MAX => Err(format!("node name has {bytes} bytes, at most {NODE_BYTES_MAX}")),
        _ => Ok(()),
    }
}

/// Encodes a batch of entries. `header.count` is derived from the entries.
pub fn encode_entries(header: Header, entries: &[Entry]) -> Bytes {
    assert!(entries.len() <= BATCH_ENTRIES_MAX, "a batch has at most {BATCH_ENTRIES_MAX} entries");
    let size: usize = entries.iter().map(|entry| entry_bytes(entry.key.len(), entry.events.len())).sum();
    let header = Header { count: (entries.len() as u32).max(1), ..header };
    let mut bytes = start(header, FORMAT_ENTRIES, size);
    bytes.put_u32_le(entries.len() as u32);
    for entry in entries {
        assert!(entry.key.len() <= KEY_BYTES_MAX, "a key has at most {KEY_BYTES_MAX} bytes");
        bytes.put_u16_le(entry.key.len() as u16);
        bytes.put_slice(&entry.key);
        bytes.put_u64_le(entry.version);
        bytes.put_u64_le(entry.at_ms);
        bytes.put_u64_le(entry.wake_at_ms.unwrap_or(0));
        bytes.put_u128_le(entry.command_id);
        bytes.put_u128_le(entry.request_id);
        bytes.put_u32_le(entry.events.len() as u32);
        bytes.put_slice(&entry.events);
    }
    seal(bytes)
}

/// Encodes a Lead of `node`.
pub fn encode_lead(header: Header, node: &str) -> Bytes {
    let mut bytes = start(Header { count: 1, ..header }, FORMAT_LEAD, node.len());
    bytes.put_slice(node.as_bytes());
    seal(bytes)
}

fn start(header: Header, format: u16, size: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES + 4 + size);
    bytes.put_u32_le(MAGIC);
    bytes.put_u16_le(format);
    bytes.put_u16_le(header.rules);
    bytes.put_u64_le(header.epoch.0);
    bytes.put_u128_le(header.nonce.0);
    bytes.put_u64_le(header.first.0);
    bytes.put_u32_le(header.count);
    bytes.put_u32_le(0);
    bytes
}

fn seal(mut bytes: BytesMut) -> Bytes {
    let checksum = checksum(&bytes);
    bytes[CHECKSUM_AT..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    bytes.freeze()
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKSUM_AT]), &bytes[HEADER_BYTES..])
}

/// Decodes the header alone. Checks the length and the magic number, not the checksum.
pub fn decode_header(bytes: &[u8]) -> Result<Header, BatchError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.u32()? != MAGIC {
        return Err(BatchError::NotABatch);
    }
    reader.u16()?;
    Ok(Header {
        rules: reader.u16()?,
        epoch: Epoch(reader.u64()?),
        nonce: Nonce(reader.u128()?),
        first: Position(reader.u64()?),
        count: reader.u32()?,
    })
}

impl Batch {
    /// Decodes a batch. Its entries share the memory of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = decode_header(bytes)?;
        let mut reader = Reader { bytes, at: CHECKSUM_AT };
        let (expected, found) = (reader.u32()?, checksum(bytes));
        if found != expected {
            return Err(BatchError::Damaged { found, expected });
        }
        let content = match u16::from_le_bytes([bytes[4], bytes[5]]) {
            FORMAT_LEAD => Content::Lead { node: String::from_utf8_lossy(&bytes[HEADER_BYTES..]).into_owned() },
            FORMAT_ENTRIES => Content::Entries(read_entries(&mut reader, bytes)?),
            other => return Err(BatchError::UnknownFormat(other)),
        };
        let entries = match &content {
            Content::Lead { .. } => 1,
            Content::Entries(entries) => entries.len().max(1),
        };
        if header.count as usize != entries {
            return Err(BatchError::WrongCount { count: header.count, entries });
        }
        if header.first.0.checked_add(u64::from(header.count)).is_none() {
            return Err(BatchError::BeyondPositions { first: header.first, count: header.count });
        }
        Ok(Self { header, content })
    }

    /// Returns the entries with their positions. A Lead has none.
    pub fn entries(&self) -> impl Iterator<Item = (Position, &Entry)> {
        let entries = match &self.content {
            Content::Entries(entries) => entries.as_slice(),
            Content::Lead { .. } => &[],
        };
        entries.iter().enumerate().map(|(index, entry)| (Position(self.header.first.0 + index as u64), entry))
    }
}

fn read_entries(reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Vec<Entry>, BatchError> {
    let count = reader.u32()? as usize;
    let mut entries = Vec::with_capacity(count.min(bytes.len() / entry_bytes(0, 0) + 1));
    for _ in 0..count {
        let key_bytes = reader.u16()? as usize;
        let key = bytes.slice(reader.skip(key_bytes)?);
        let (version, at_ms, wake_at_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (command_id, request_id) = (reader.u128()?, reader.u128()?);
        let event_bytes = reader.u32()? as usize;
        let events = bytes.slice(reader.skip(event_bytes)?);
        let wake_at_ms = (wake_at_ms > 0).then_some(wake_at_ms);
        entries.push(Entry { key, version, at_ms, wake_at_ms, command_id, request_id, events });
    }
    if reader.at != bytes.len() {
        return Err(BatchError::CutShort { at: reader.at });
    }
    Ok(entries)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn skip(&mut self, count: usize) -> Result<std::ops::Range<usize>, BatchError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(BatchError::CutShort { at: self.bytes.len() })?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BatchError> {
        let range = self.skip(N)?;
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[range]);
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, BatchError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, BatchError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, BatchError> {
        self.take().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Result<u128, BatchError> {
        self.take().map(u128::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn header() -> Header {
        Header { rules: 1, epoch: Epoch(3), nonce: Nonce(7), first: Position(40), count: 0 }
    }

    fn entry(version: u64) -> Entry {
        Entry {
            key: Bytes::from_static(b"key"),
            version,
            at_ms: 5,
            wake_at_ms: (version > 1).then_some(9),
            command_id: 11,
            request_id: 12,
            events: Bytes::from_static(b"events"),
        }
    }

    #[test]
    fn a_batch_reads_back_as_it_was_written() {
        let bytes = encode_entries(header(), &[entry(1), entry(2)]);
        let batch = Batch::decode(&bytes).unwrap();
        assert_eq!(batch.header, Header { count: 2, ..header() });
        assert_eq!(batch.content, Content::Entries(vec![entry(1), entry(2)]));
        assert_eq!(batch.entries().map(|(at, _)| at.0).collect::<Vec<_>>(), [40, 41]);
    }

    #[test]
    fn a_lead_and_an_empty_batch_take_one_position() {
        let lead = Batch::decode(&encode_lead(header(), "node-a")).unwrap();
        assert_eq!((lead.header.end(), lead.content), (Position(41), Content::Lead { node: "node-a".into() }));
        let empty = Batch::decode(&encode_entries(header(), &[])).unwrap();
        assert_eq!((empty.header.end(), empty.content), (Position(41), Content::Entries(vec![])));
    }

    #[test]
    fn positions_end_somewhere() {
        let last = Header { first: Position(u64::MAX - 1), ..header() };
        assert!(Batch::decode(&encode_entries(last, &[entry(1)])).is_ok());
        let beyond = Batch::decode(&encode_entries(last, &[entry(1), entry(2)]));
        assert_eq!(beyond, Err(BatchError::BeyondPositions { first: last.first, count: 2 }));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode_entries(header(), &[entry(1), entry(2)]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x10;
            assert!(Batch::decode(&flipped.into()).is_err(), "flip at {at}");
            assert!(Batch::decode(&bytes.slice(..at)).is_err(), "cut at {at}");
        }
    }
}
