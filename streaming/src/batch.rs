//! A batch: what is appended at once, as one value.
//!
//! ```text
//!  0      4       6       8       16        32        40     44      48
//!  ┌──────┬───────┬───────┬───────┬─────────┬─────────┬──────┬───────┬─────────────────────────────┐
//!  │magic │format │rules  │ epoch │  nonce  │  first  │count │ crc32c│ entries, or the Lead's name │
//!  └──────┴───────┴───────┴───────┴─────────┴─────────┴──────┴───────┴─────────────────────────────┘
//! ```
//!
//! Integers are little-endian. The checksum covers everything but itself. An entry is
//! `len(key) u16 | key | version u64 | at u64 | wake_at u64 (0: none) | command id 16 | request id 16 |
//! len(events) u32 | events`.

use bytes::{BufMut, Bytes, BytesMut};

/// One of the parts that a journal is divided into; each has one writer at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

/// A place in a shard's log, counted from 0 without gaps, whatever the store's own offsets are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// The number of a leadership of a shard. 0: nobody has led yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Tells two leaderships apart that both believe to have an epoch.
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

/// The longest key of an entry, in bytes.
pub const KEY_BYTES_MAX: usize = 1_100;
/// The largest batch, in bytes: below every store's limit for one value (Kafka's default is 1 MiB compressed, ours is
/// set with the topic), and a tenth of a second on a slow disk.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// The most entries of one batch.
pub const BATCH_ENTRIES_MAX: usize = 65_536;

const MAGIC: u32 = u32::from_le_bytes(*b"FCJB");
const FORMAT_ENTRIES: u16 = 1;
const FORMAT_LEAD: u16 = 2;
/// The length of a header, in bytes.
pub const HEADER_BYTES: usize = 48;
const CHECKSUM_AT: usize = 44;

/// What stands before the entries of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the rules that the events follow. A reader that does not know it stops.
    pub rules: u16,
    /// The leadership that wrote the batch.
    pub epoch: Epoch,
    /// Which holder of that epoch wrote it.
    pub nonce: Nonce,
    /// The position of its first entry.
    pub first: Position,
    /// How many positions it takes: one for each entry; one for a Lead or a batch without entries.
    pub count: u32,
}

impl Header {
    /// The position after the batch.
    pub fn end(&self) -> Position {
        Position(self.first.0.saturating_add(u64::from(self.count)))
    }
}

/// What happened to one entity by one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entity.
    pub key: Bytes,
    /// How many entries the entity has with this one: the first has version 1.
    pub version: u64,
    /// When it was decided, in milliseconds since 1970.
    pub at_ms: u64,
    /// When the entity wants to be woken next, in milliseconds since 1970.
    pub wake_at_ms: Option<u64>,
    /// The command that it answers.
    pub command_id: u128,
    /// The request at the door that led to it, as the logs name it. 0: time or an effect did.
    pub request_id: u128,
    /// The events, opaque here.
    pub events: Bytes,
}

/// What a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A new owner's claim to the lead: who it is, and where it is reached.
    Lead {
        /// The node and its address, for people and hints.
        node: String,
    },
    /// Entries, in order. None: a batch that only shows that its writer still leads.
    Entries(Vec<Entry>),
}

/// A batch as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its header.
    pub header: Header,
    /// What it holds.
    pub content: Content,
}

/// What is wrong with the bytes of a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or an entry says.
    #[error("batch is cut short at byte {at}")]
    CutShort {
        /// Where the bytes end.
        at: usize,
    },
    /// Not a batch at all.
    #[error("not a batch: wrong magic")]
    NotABatch,
    /// The bytes are not those that were written.
    #[error("batch is damaged: checksum {found:#010x}, expected {expected:#010x}")]
    Damaged {
        /// What the bytes come to.
        found: u32,
        /// What the header says.
        expected: u32,
    },
    /// It does not take as many positions as it has entries.
    #[error("batch takes {count} positions for {entries} entries")]
    WrongCount {
        /// What the header says.
        count: u32,
        /// How many there are.
        entries: usize,
    },
    /// It takes positions that there are not.
    #[error("batch takes {count} positions from {first} on, which is beyond the last")]
    BeyondPositions {
        /// The position of its first entry.
        first: Position,
        /// How many it takes.
        count: u32,
    },
    /// Written by a newer program.
    #[error("batch has format {0}, which this program does not know")]
    UnknownFormat(u16),
}

/// Bytes that an entry of this key and these events takes in a batch.
pub fn entry_bytes(key: usize, events: usize) -> usize {
    2 + key + 8 + 8 + 8 + 16 + 16 + 4 + events
}

/// The longest name of a node in a Lead, in bytes.
pub const NODE_BYTES_MAX: usize = 1024;

/// Bytes of the batch that these entries make.
pub fn batch_bytes(entries: &[Entry]) -> usize {
    let size: usize = entries.iter().map(|entry| entry_bytes(entry.key.len(), entry.events.len())).sum();
    HEADER_BYTES + 4 + size
}

/// Whether these entries fit into one batch; if not, why. Providers refuse what does not, before it takes a place.
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

/// Whether a node's name fits into a Lead; if not, why.
pub fn check_node(node: &str) -> Result<(), String> {
    match node.len() {
        bytes if bytes > NODE_BYTES_MAX => Err(format!("node name has {bytes} bytes, at most {NODE_BYTES_MAX}")),
        _ => Ok(()),
    }
}

/// Writes a batch of entries. `header.count` is set from them.
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

/// Writes the Lead of `node`.
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

/// Reads the header alone, and checks nothing but that it is one.
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
    /// Reads a batch; its entries share the memory of `bytes`.
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

    /// Its entries with their positions; a Lead has none.
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
