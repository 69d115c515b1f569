//! What can go wrong with the store itself.

/// The database did not do what it was asked: it is full, damaged, busy for too long, or a row does not read.
///
/// Nothing of the operation has happened, save when a commit's own answer was lost; every operation here may be
/// repeated.
#[derive(Debug, thiserror::Error)]
#[error("sql read side: {0}")]
pub struct StoreError(#[from] sqlx::Error);

impl StoreError {
    /// Whether the disk is full: nothing will be written until someone makes room.
    pub fn is_full(&self) -> bool {
        self.has_primary_code(13)
    }

    /// Whether another process held the database for longer than the busy timeout. Ask again later.
    pub fn is_busy(&self) -> bool {
        self.has_primary_code(5) || matches!(self.0, sqlx::Error::PoolTimedOut)
    }

    /// SQLite's result codes: the primary one is the low byte of the extended one. <https://sqlite.org/rescode.html>
    fn has_primary_code(&self, primary: i32) -> bool {
        let code = self.0.as_database_error().and_then(|error| error.code());
        code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == primary)
    }
}

/// Lets `?` turn the database's errors into an error enum's `Store` variant.
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

/// Whether a statement failed because a row with the same key is there.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

/// Whether a statement failed because the row that it refers to is not there.
pub(crate) fn is_orphan(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}
