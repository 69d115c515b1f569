//! Problems for errors of the SQL read side.

use std::time::Duration;

use persistence::sql::StoreError;

use super::{Code, Problem};

/// The `Retry-After` when the database is busy.
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
