//! The caller's side of a command: how it is named, and what can come back.

use std::time::Duration;

use engine::id::{CommandId, Fingerprint};

/// How long a caller waits for an answer unless it says otherwise. The door's own limit is longer.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A command's name and what comes with it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The command's name: of tenant, subject, operation, target and idempotency key.
    pub command_id: CommandId,
    /// The names that it would have had under the caller's former guest subjects.
    pub former_ids: Vec<CommandId>,
    /// What it says.
    pub fingerprint: Fingerprint,
    /// What versions before this one would have written for it, if that differs.
    pub former_fingerprint: Option<Fingerprint>,
    /// The request that it came with, for logs and the journal.
    pub request_id: u128,
    /// How long to wait before the outcome is called unknown.
    pub timeout: Duration,
}

impl Call {
    /// A call that changes nothing, or names what it changes by itself.
    pub fn read() -> Self {
        Self::effect(CommandId(0))
    }

    /// The call of an effect.
    pub fn effect(command_id: CommandId) -> Self {
        Self {
            command_id,
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(0),
            request_id: 0,
            timeout: ASK_TIMEOUT,
        }
    }
}

/// An answer. It rests on nothing that is not durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<R> {
    /// What the entity says.
    pub reply: R,
    /// Whether it said so to an earlier copy of this command.
    pub again: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AskError<J> {
    /// The entity refuses. Durable like an acceptance: it rests on nothing that may still fail.
    #[error("{0}")]
    Rejected(J),
    /// Too much is queued. Nothing happened; ask again after the given time.
    #[error("overloaded")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// It may have happened or not: ask again with the same name.
    #[error("outcome unknown")]
    Unknown,
    /// The entity failed repeatedly and is put aside until someone looks at it. Nothing happened.
    #[error("parked after repeated failures")]
    Parked,
    /// The node starts, stops, or does not lead the entity's shard. Nothing happened.
    #[error("unavailable")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}
