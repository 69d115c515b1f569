//! What the SQL read side could not do, as a problem.

use std::time::Duration;

use persistence::sql::StoreError;

use super::{Code, Problem};

/// When to ask a busy database again.
const BUSY_WAIT: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_full() || error.is_busy() {
            tracing::warn!(%error, "the read side is not available");
            return Problem::new(Code::Unavailable).retry_after(BUSY_WAIT);
        }
        Problem::internal("read side", &error)
    }
}
