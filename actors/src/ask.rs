//! The caller's side of a command: its identity, and the answers and errors that it can produce.

use std::time::Duration;

use engine::id::{CommandId, Fingerprint};

/// The default time that a caller waits for an answer. The limit of the public interface is longer.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The identity of a command, and what accompanies it.
#[derive(Debug, Clone)]
pub struct CommandMeta {
    /// The id of the command, derived from tenant, subject, operation, target and idempotency key.
    pub command_id: CommandId,
    /// The ids that the command would have had under the caller's former guest subjects.
    pub former_ids: Vec<CommandId>,
    /// The fingerprint of the command's content.
    pub fingerprint: Fingerprint,
    /// The fingerprint that earlier program versions would have computed for this content, if it differs.
    pub former_fingerprint: Option<Fingerprint>,
    /// The id of the request that carried the command, for logs and the journal.
    pub request_id: u128,
    /// How long to wait before the outcome is reported as unknown.
    pub timeout: Duration,
}

impl CommandMeta {
    /// Metadata for a command that changes nothing, or that carries its own natural id.
    pub fn read() -> Self {
        Self::effect(CommandId(0))
    }

    /// Metadata for the command of an effect.
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

/// An answer. Everything that it was decided from is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<R> {
    /// The reply of the entity.
    pub reply: R,
    /// Whether the command is a duplicate: the entity gave this reply to an earlier copy of it.
    pub duplicate: bool,
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AskError<J> {
    /// The entity rejected the command. A rejection is as durable as an acceptance: everything that it was decided from
    /// is accepted by the journal.
    #[error("{0}")]
    Rejected(J),
    /// Too much is queued. Nothing happened; the caller should repeat the command after the given time.
    #[error("overloaded")]
    Overloaded {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
    /// The command may or may not have taken effect. The caller should repeat it with the same command id.
    #[error("outcome unknown")]
    Unknown,
    /// The entity failed repeatedly and is quarantined until the process restarts. Nothing happened. An operator should
    /// look at it.
    #[error("parked after repeated failures")]
    Quarantined,
    /// The node is starting or stopping, or does not lead the entity's shard. Nothing happened.
    #[error("unavailable")]
    Unavailable {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
}
