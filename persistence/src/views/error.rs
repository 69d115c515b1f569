//! The errors of applying records.

use std::fmt;

use engine::kinds::Kind;

use crate::sql::StoreError;

/// A position in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalPosition {
    /// The shard.
    pub shard: u16,
    /// The position in the shard.
    pub position: u64,
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} position {}", self.shard, self.position)
    }
}

/// A reason why records could not be applied. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Positions are missing between the last applied one and the first passed in. Apply the missing ones first.
    #[error("shard {shard}: position {expected} is next, but records begin at {found}")]
    Gap {
        /// The shard.
        shard: u16,
        /// The next position.
        expected: u64,
        /// The first position that was passed in.
        found: u64,
    },
    /// A record is outside its range, or not after its predecessor. This is a fault of the caller.
    #[error("{position}: record is out of order")]
    Disordered {
        /// The position of the record.
        position: JournalPosition,
    },
    /// Another projector has moved the position of a shard concurrently. Only one may run.
    #[error("shard {shard}: another projector moved its position")]
    Moved {
        /// The shard.
        shard: u16,
    },
    /// Events that this program cannot decode: they were written by a newer version.
    #[error("{position}: events of kind {} do not decode: {why}", kind.name())]
    Undecodable {
        /// The position of the record.
        position: JournalPosition,
        /// The kind of the entity.
        kind: Kind,
        /// The cause.
        why: String,
    },
    /// An event that does not fit the events before it. Rebuild the projections; if the error remains, the journal or
    /// this program is wrong.
    #[error("{position}: {why}")]
    Impossible {
        /// The position of the record.
        position: JournalPosition,
        /// The contradiction.
        why: &'static str,
    },
    /// The database failed. Either none or all of the records were applied: apply them again.
    #[error(transparent)]
    Store(#[from] StoreError),
}
crate::sql::store_errors!(ProjectError);

impl ProjectError {
    /// Returns the position of an entry that can never be applied, if that is the cause. A retry does not help.
    pub fn entry(&self) -> Option<JournalPosition> {
        match self {
            Self::Undecodable { position, .. } | Self::Impossible { position, .. } => Some(*position),
            Self::Gap { .. } | Self::Disordered { .. } | Self::Moved { .. } | Self::Store(_) => None,
        }
    }
}

impl JournalPosition {
    /// Returns the error for an event at this position that does not fit.
    pub(super) fn impossible(self, why: &'static str) -> ProjectError {
        ProjectError::Impossible { position: self, why }
    }
}
