//! Snapshots: how the state of an aggregate is written and read.
//!
//! A snapshot is a cache of the journal in a format of its own for each kind, with a number. A changed format takes the
//! next number, and the program continues to read the older formats.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    aggregate::{Aggregate, Codec},
    fault_injection::is_encoding_broken,
};

/// Decodes a snapshot in one older format.
pub type Upcaster<A> = fn(&[u8]) -> Result<A, SnapshotError>;

/// Writes and reads the state of an aggregate. [`PersistWhole`] implements it for small aggregates.
pub trait Persist: Aggregate {
    /// The state in the form that is written to a snapshot. Taking it is fast; encoding it may be slow.
    type Frozen: Send + 'static;

    /// The decoders of all older formats, from format 1 on. A changed format adds a decoder of the format before, which
    /// makes the current format the next number: a format without a decoder cannot come about.
    const UPCASTERS: &'static [Upcaster<Self>] = &[];

    /// The snapshot format that this version of the program writes: 1 if the format has never changed.
    const SNAPSHOT_FORMAT: u8 = Self::UPCASTERS.len() as u8 + 1;

    /// Takes the state for a snapshot, in well under 5 ms at any size of the state.
    ///
    /// An error means that there is no new snapshot: the caller keeps the previous one, and the entity stays in memory.
    fn freeze(&self) -> Result<Self::Frozen, SnapshotError>;

    /// Encodes a frozen state in the format [`SNAPSHOT_FORMAT`](Persist::SNAPSHOT_FORMAT). Runs concurrently with the
    /// entity, which continues to process commands. An error has the same meaning as an error of
    /// [`freeze`](Persist::freeze).
    fn encode_frozen(frozen: &Self::Frozen) -> Result<Vec<u8>, SnapshotError>;

    /// Decodes a snapshot in the format [`SNAPSHOT_FORMAT`](Persist::SNAPSHOT_FORMAT).
    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError>;

    /// Freezes and encodes the state.
    fn to_snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        Self::encode_frozen(&self.freeze()?)
    }

    /// Decodes a snapshot in any format that this version of the program knows. After an error, the caller falls back
    /// to an older snapshot and the journal.
    fn from_snapshot(format: u8, bytes: &[u8]) -> Result<Self, SnapshotError> {
        if format == Self::SNAPSHOT_FORMAT {
            return Self::thaw(bytes);
        }
        match usize::from(format).checked_sub(1).and_then(|index| Self::UPCASTERS.get(index)) {
            Some(upcast) => upcast(bytes),
            None => Err(SnapshotError(format!(
                "format {format} is unknown: this program knows 1 to {}",
                Self::SNAPSHOT_FORMAT
            ))),
        }
    }
}

/// Derives [`Persist`] for an aggregate whose snapshot is its whole state in the encoding of events, in one line:
/// `impl PersistWhole for Cart {}`.
///
/// The state must be small, because [`freeze`](Persist::freeze) encodes it. New fields of the state that are optional do
/// not change the format.
pub trait PersistWhole: Aggregate + Codec {
    /// See [`Persist::UPCASTERS`].
    const UPCASTERS: &'static [Upcaster<Self>] = &[];
}

/// A whole state in the encoding of events, for aggregates most of whose state comes from events.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct EncodedState {
    state: Vec<u8>,
}

impl EncodedState {
    /// Encodes a state.
    pub fn of<T: Encode<()>>(state: &T) -> Result<Self, SnapshotError> {
        Ok(Self { state: write_part(state)? })
    }

    /// Decodes the state.
    pub fn decode<T: for<'b> Decode<'b, ()>>(&self) -> Result<T, SnapshotError> {
        read_part(&self.state)
    }
}

impl<A: PersistWhole> Persist for A {
    type Frozen = EncodedState;
    const UPCASTERS: &'static [Upcaster<Self>] = <Self as PersistWhole>::UPCASTERS;

    fn freeze(&self) -> Result<EncodedState, SnapshotError> {
        EncodedState::of(self)
    }

    fn encode_frozen(frozen: &EncodedState) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        read_snapshot::<EncodedState>(bytes)?.decode()
    }
}

/// A snapshot could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SnapshotError(pub String);

/// The maximum size of one decoded collection in a snapshot, in bytes of memory. Bounds the allocation that a corrupted
/// length can cause.
pub const SNAPSHOT_COLLECTION_BYTES_MAX: usize = 4 << 30;
/// The same maximum for a snapshot of at most [`SMALL_SNAPSHOT_BYTES_MAX`], which most snapshots are. No value takes
/// more than about ten times its encoded size in memory.
pub const SMALL_SNAPSHOT_COLLECTION_BYTES_MAX: usize = 64 << 20;
/// The maximum size of a small snapshot, in bytes.
pub const SMALL_SNAPSHOT_BYTES_MAX: usize = 1 << 20;

/// bincode's wire format with the limit for large snapshots.
pub type SnapshotConfig = wincode::config::Configuration<true, SNAPSHOT_COLLECTION_BYTES_MAX>;
/// bincode's wire format with the limit for small snapshots.
pub type SmallSnapshotConfig = wincode::config::Configuration<true, SMALL_SNAPSHOT_COLLECTION_BYTES_MAX>;

/// Encodes a state in bincode's format.
pub fn write_snapshot<T>(state: &T) -> Result<Vec<u8>, SnapshotError>
where
    T: SchemaWrite<SnapshotConfig, Src = T>,
{
    if is_encoding_broken() {
        return Err(SnapshotError("encoding is made to fail".to_owned()));
    }
    wincode::config::serialize(state, SnapshotConfig::new()).map_err(|error| SnapshotError(error.to_string()))
}

/// Encodes a part of a state in the encoding of events.
pub fn write_part<T: Encode<()>>(part: &T) -> Result<Vec<u8>, SnapshotError> {
    minicbor::to_vec(part).map_err(|error| SnapshotError(error.to_string()))
}

/// Decodes the output of [`write_part`].
pub fn read_part<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, SnapshotError> {
    minicbor::decode(bytes).map_err(|error| SnapshotError(error.to_string()))
}

/// Decodes the output of [`write_snapshot`]. Trailing bytes are an error.
pub fn read_snapshot<T>(bytes: &[u8]) -> Result<T, SnapshotError>
where
    T: for<'b> SchemaRead<'b, SnapshotConfig, Dst = T> + for<'b> SchemaRead<'b, SmallSnapshotConfig, Dst = T>,
{
    let read = match bytes.len() <= SMALL_SNAPSHOT_BYTES_MAX {
        true => wincode::config::deserialize_exact(bytes, SmallSnapshotConfig::new()),
        false => wincode::config::deserialize_exact(bytes, SnapshotConfig::new()),
    };
    read.map_err(|error| SnapshotError(error.to_string()))
}
