//! Why records cannot be taken in.

use std::fmt;

use engine::id::Kind;

use crate::sql::StoreError;

/// Where in the journal something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: u16,
    /// The position in it.
    pub position: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} position {}", self.shard, self.position)
    }
}

/// Why records cannot be taken in. Nothing of them has been.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Positions between those that were taken in and those that were handed in are missing. Hand them in first.
    #[error("shard {shard}: position {expected} is next, but records begin at {found}")]
    Gap {
        /// The shard.
        shard: u16,
        /// The next position.
        expected: u64,
        /// The first that was handed in.
        found: u64,
    },
    /// A record is outside its stretch, or not after the one before it: the caller is at fault.
    #[error("{place}: record is out of order")]
    Disordered {
        /// Which record.
        place: Place,
    },
    /// Another projector has moved a shard's position at the same time. Only one may run.
    #[error("shard {shard}: another projector moved its position")]
    Moved {
        /// The shard.
        shard: u16,
    },
    /// Events that this program does not know: they were written by a newer one.
    #[error("{place}: events of kind {} do not decode: {why}", kind.name())]
    Undecodable {
        /// Where.
        place: Place,
        /// Of which kind.
        kind: Kind,
        /// What is wrong.
        why: String,
    },
    /// An event that does not fit what went before it. Rebuild; if it stays, the journal or this program is wrong.
    #[error("{place}: {why}")]
    Impossible {
        /// Where.
        place: Place,
        /// What does not fit.
        why: &'static str,
    },
    /// The database failed. Nothing was taken in, or all of it: hand it in again.
    #[error(transparent)]
    Store(#[from] StoreError),
}
crate::sql::store_errors!(ProjectError);

impl ProjectError {
    /// The entry that can never be taken in, if that is what is wrong: handing it in again does not help.
    pub fn entry(&self) -> Option<Place> {
        match self {
            Self::Undecodable { place, .. } | Self::Impossible { place, .. } => Some(*place),
            Self::Gap { .. } | Self::Disordered { .. } | Self::Moved { .. } | Self::Store(_) => None,
        }
    }
}

impl Place {
    /// The error for an event here that does not fit.
    pub(super) fn impossible(self, why: &'static str) -> ProjectError {
        ProjectError::Impossible { place: self, why }
    }
}
