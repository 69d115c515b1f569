//! Errors of the store itself.

/// The database failed: it is full, damaged or busy for too long, or a row cannot be decoded.
///
/// The operation had no effect, unless only the response to a commit was lost. Every operation of this crate may be
/// repeated.
#[derive(Debug, thiserror::Error)]
#[error("sql read side: {0}")]
pub struct StoreError(#[from] sqlx::Error);

impl StoreError {
    /// Whether the disk is full: every write fails until an operator frees space.
    pub fn is_full(&self) -> bool {
        self.has_primary_code(13)
    }

    /// Whether another process locked the database for longer than the busy timeout. The caller may retry later.
    pub fn is_busy(&self) -> bool {
        self.has_primary_code(5) || matches!(self.0, sqlx::Error::PoolTimedOut)
    }

    /// Compares SQLite's result code. The primary code is the low byte of the extended one:
    /// <https://sqlite.org/rescode.html>.
    fn has_primary_code(&self, primary: i32) -> bool {
        let code = self.0.as_database_error().and_then(|error| error.code());
        code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == primary)
    }
}

/// Lets `?` convert database errors to the `Store` variant of an error enum.
macro_rules! store_errors {
    ($($error:ty),* $(,)?) => {$(
        impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                Self::Store(error.into())
            }
        }
    )*};
}
pub(crate) use store_errors;

/// Whether a statement failed because a row with the same key exists.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Whether a statement failed because a row that it refers to does not exist.
pub(crate) fn is_orphan(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}
