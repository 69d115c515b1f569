//! The conversion between engine types and SQL columns.

use std::{error::Error, fmt::Display, str::FromStr};

use engine::time::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{Row, sqlite::SqliteRow};

/// Converts a 128-bit id to the value of a column.
pub(crate) fn blob(id: u128) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// Converts a count or an instant to the value of a column. Values of 2⁶³ and more become the largest number; no count
/// or instant of the engine comes near.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Returns the error for a column that cannot be decoded.
pub(crate) fn damaged(column: &str, why: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}

/// Typed access to columns. Every error contains the name of the column.
pub(crate) trait RowExt {
    /// Reads a 128-bit id.
    fn id(&self, column: &str) -> sqlx::Result<u128>;
    /// Reads an optional 128-bit id.
    fn opt_id(&self, column: &str) -> sqlx::Result<Option<u128>>;
    /// Reads a count that is not negative.
    fn count(&self, column: &str) -> sqlx::Result<u64>;
    /// Reads a count that fits in 32 bits.
    fn count32(&self, column: &str) -> sqlx::Result<u32>;
    /// Reads an instant.
    fn time(&self, column: &str) -> sqlx::Result<Timestamp>;
    /// Reads an optional instant.
    fn opt_time(&self, column: &str) -> sqlx::Result<Option<Timestamp>>;
    /// Reads text.
    fn text(&self, column: &str) -> sqlx::Result<String>;
    /// Reads optional text.
    fn opt_text(&self, column: &str) -> sqlx::Result<Option<String>>;
    /// Reads the serialised name of an enum's variant.
    fn named<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T>;
    /// Reads text and parses it as a name or a code.
    fn parsed<T>(&self, column: &str) -> sqlx::Result<T>
    where
        T: FromStr,
        T::Err: Display;
    /// Reads a JSON document.
    fn json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T>;
}

impl RowExt for SqliteRow {
    fn id(&self, column: &str) -> sqlx::Result<u128> {
        let bytes: &[u8] = self.try_get(column)?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| damaged(column, "id is not 16 bytes"))?;
        Ok(u128::from_be_bytes(bytes))
    }

    fn opt_id(&self, column: &str) -> sqlx::Result<Option<u128>> {
        match self.try_get::<Option<&[u8]>, _>(column)? {
            Some(_) => self.id(column).map(Some),
            None => Ok(None),
        }
    }

    fn count(&self, column: &str) -> sqlx::Result<u64> {
        u64::try_from(self.try_get::<i64, _>(column)?).map_err(|_| damaged(column, "count is negative"))
    }

    fn count32(&self, column: &str) -> sqlx::Result<u32> {
        u32::try_from(self.try_get::<i64, _>(column)?).map_err(|_| damaged(column, "count is out of range"))
    }

    fn time(&self, column: &str) -> sqlx::Result<Timestamp> {
        self.count(column).map(Timestamp)
    }

    fn opt_time(&self, column: &str) -> sqlx::Result<Option<Timestamp>> {
        match self.try_get::<Option<i64>, _>(column)? {
            Some(_) => self.time(column).map(Some),
            None => Ok(None),
        }
    }

    fn text(&self, column: &str) -> sqlx::Result<String> {
        self.try_get(column)
    }

    fn opt_text(&self, column: &str) -> sqlx::Result<Option<String>> {
        self.try_get(column)
    }

    fn named<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T> {
        serde_json::from_value(self.text(column)?.into()).map_err(|error| damaged(column, error))
    }

    fn parsed<T>(&self, column: &str) -> sqlx::Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: &str = self.try_get(column)?;
        text.parse().map_err(|error: T::Err| damaged(column, error.to_string()))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T> {
        let text: &str = self.try_get(column)?;
        serde_json::from_str(text).map_err(|error| damaged(column, error))
    }
}
