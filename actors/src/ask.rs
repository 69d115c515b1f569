//! The caller's side of a command: its identity, and the answers and errors that it can produce.

use std::time::Duration;

use engine::id::{CommandId, Fingerprint};
use minicbor::{Decode, Encode};

/// The default time that a caller waits for an answer. The limit of the public interface is longer.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The identity of a command, and what accompanies it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CommandMeta {
    /// The id of the command, derived from tenant, subject, operation, target and idempotency key.
    #[n(0)]
    pub command_id: CommandId,
    /// The ids that the command would have had under the caller's former guest subjects.
    #[n(1)]
    pub former_ids: Vec<CommandId>,
    /// The fingerprint of the command's content.
    #[n(2)]
    pub fingerprint: Fingerprint,
    /// The fingerprint that earlier program versions would have computed for this content, if it differs.
    #[n(3)]
    pub former_fingerprint: Option<Fingerprint>,
    /// The id of the request that carried the command, for logs and the journal.
    #[n(4)]
    pub request_id: u128,
    /// How long to wait before the outcome is reported as unknown.
    #[n(5)]
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
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Answered<R> {
    /// The reply of the entity.
    #[n(0)]
    pub reply: R,
    /// Whether the command is a duplicate: the entity gave this reply to an earlier copy of it.
    #[n(1)]
    pub duplicate: bool,
}

/// The reason why there is no answer.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error)]
pub enum AskError<J> {
    /// The entity rejected the command. A rejection is as durable as an acceptance: everything that it was decided from
    /// is accepted by the journal.
    #[error("{0}")]
    #[n(0)]
    Rejected(#[n(0)] J),
    /// Too much is queued. Nothing happened; the caller should repeat the command after the given time.
    #[error("overloaded")]
    #[n(1)]
    Overloaded {
        /// The time to wait before the next attempt.
        #[n(0)]
        retry_after: Duration,
    },
    /// The command may or may not have taken effect. The caller should repeat it with the same command id.
    #[error("outcome unknown")]
    #[n(2)]
    Unknown,
    /// The entity failed repeatedly and is quarantined until the process restarts. Nothing happened. An operator should
    /// look at it.
    #[error("parked after repeated failures")]
    #[n(3)]
    Quarantined,
    /// The node is starting or stopping, or does not lead the entity's shard. Nothing happened.
    #[error("unavailable")]
    #[n(4)]
    Unavailable {
        /// The time to wait before the next attempt.
        #[n(0)]
        retry_after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_accompanies_a_command_reads_as_it_was_written() {
        let meta = CommandMeta {
            command_id: CommandId(1),
            former_ids: vec![CommandId(2), CommandId(3)],
            fingerprint: Fingerprint(4),
            former_fingerprint: Some(Fingerprint(5)),
            request_id: u128::MAX,
            timeout: Duration::from_millis(2_500),
        };
        assert_eq!(minicbor::decode::<CommandMeta>(&minicbor::to_vec(&meta).unwrap()).unwrap(), meta);
        let answered = Answered { reply: 7_u64, duplicate: true };
        assert_eq!(minicbor::decode::<Answered<u64>>(&minicbor::to_vec(&answered).unwrap()).unwrap(), answered);
        let retry_after = Duration::from_secs(1);
        for error in [
            AskError::Rejected(9_u64),
            AskError::Overloaded { retry_after },
            AskError::Unknown,
            AskError::Quarantined,
            AskError::Unavailable { retry_after },
        ] {
            assert_eq!(minicbor::decode::<AskError<u64>>(&minicbor::to_vec(&error).unwrap()).unwrap(), error);
        }
    }
}
