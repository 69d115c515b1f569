//! Problems for failed requests to entities.

use actors::AskError;

use super::{Code, Problem};

impl<J: Into<Problem>> From<AskError<J>> for Problem {
    fn from(error: AskError<J>) -> Self {
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            AskError::Overloaded { retry_after } => Problem::new(Code::Overloaded).retry_after(retry_after),
            AskError::Unknown => Problem::new(Code::OutcomeUnknown),
            AskError::Quarantined => Problem::new(Code::Parked),
            AskError::Unavailable { retry_after } => Problem::new(Code::Unavailable).retry_after(retry_after),
        }
    }
}

impl From<engine::aggregate::KeyReused> for Problem {
    fn from(_: engine::aggregate::KeyReused) -> Self {
        Problem::new(Code::IdempotencyKeyReused)
    }
}
