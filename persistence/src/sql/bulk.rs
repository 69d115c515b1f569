//! Bulk statements for SQLite, based on `json_each`.
//!
//! One bound document contains all the rows, so the text of the statement is the same for any number of rows and stays
//! prepared. With PostgreSQL this would be `unnest` over arrays, without a change for callers.

use serde_json::Value;
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteRow};

/// The maximum number of rows in one statement: some hundred kilobytes of JSON.
const ROWS_PER_STATEMENT: usize = 2_000;

/// The columns of a table that are written or read in bulk.
#[derive(Debug)]
pub(crate) struct Table {
    /// The name of the table.
    pub(crate) name: &'static str,
    /// The columns to write, those of the key first.
    pub(crate) columns: &'static [Column],
    /// The number of columns in the key.
    pub(crate) key: usize,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Text or a number, represented directly in JSON.
    Plain(&'static str),
    /// A 128-bit id, represented in hexadecimal.
    Id(&'static str),
    /// Like `Plain`, but written only when the row is created.
    Kept(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Column::Plain(name) | Column::Id(name) | Column::Kept(name) => name,
        }
    }

    /// Returns the SQL of the column's value in the current row of `json_each`, where it is the cell with this index.
    fn value(self, index: usize) -> String {
        match self {
            Column::Id(_) => format!("unhex(j.value ->> {index})"),
            _ => format!("j.value ->> {index}"),
        }
    }

    /// Returns the SQL of the column's value in the single row that is bound as a JSON list, where it is the cell with
    /// this index.
    fn bound(self, index: usize) -> String {
        match self {
            Column::Id(_) => format!("unhex(?1 ->> {index})"),
            _ => format!("?1 ->> {index}"),
        }
    }
}

/// A value to be written to a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell(Value);

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self(super::number(value).into())
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self(i64::from(value).into())
    }
}

impl From<u128> for Cell {
    fn from(id: u128) -> Self {
        Self(format!("{id:032x}").into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Value::Null), Into::into)
    }
}

/// Makes the cells of a row, in the order of the table's columns.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Cell::from($value)),*] };
}
pub(crate) use cells;

impl Table {
    /// Inserts rows, or updates those whose key exists.
    pub(crate) async fn put(&self, connection: &mut SqliteConnection, rows: Vec<Vec<Cell>>) -> sqlx::Result<()> {
        let changes: Vec<_> = self.columns[self.key..]
            .iter()
            .filter(|column| !matches!(column, Column::Kept(_)))
            .map(|column| format!("{0} = excluded.{0}", column.name()))
            .collect();
        let conflict =
            if changes.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", changes.join(", ")) };
        // Without `WHERE TRUE`, SQLite parses ON CONFLICT as the ON of a join.
        let sql = format!(
            "INSERT INTO {} ({}) SELECT {} FROM json_each(?1) j WHERE TRUE ON CONFLICT ({}) DO {conflict}",
            self.name,
            names(self.columns),
            values(self.columns),
            names(&self.columns[..self.key]),
        );
        run(connection, sql, rows).await
    }

    /// Removes the rows whose key begins with one of `keys`, which must all have the same number of cells.
    pub(crate) async fn remove(&self, connection: &mut SqliteConnection, keys: Vec<Vec<Cell>>) -> sqlx::Result<()> {
        // Separate statements: `WHERE (a, b) IN (SELECT …)` would use the index on `a` alone and scan all rows of a
        // tenant.
        let key = self.key_prefix(&keys).iter().enumerate();
        let same: Vec<_> = key.map(|(index, column)| format!("{} = {}", column.name(), column.bound(index))).collect();
        let sql = format!("DELETE FROM {} WHERE {}", self.name, same.join(" AND "));
        for cells in keys {
            let row = Value::Array(cells.into_iter().map(|cell| cell.0).collect()).to_string();
            sqlx::query(AssertSqlSafe(sql.clone())).bind(row).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Reads the rows whose key begins with one of `keys`, which must all have the same number of cells.
    pub(crate) async fn read(
        &self,
        connection: &mut SqliteConnection,
        keys: Vec<Vec<Cell>>,
    ) -> sqlx::Result<Vec<SqliteRow>> {
        let key = self.key_prefix(&keys).iter().enumerate();
        let same: Vec<_> =
            key.map(|(index, column)| format!("t.{} = {}", column.name(), column.value(index))).collect();
        let sql = format!("SELECT t.* FROM json_each(?1) j CROSS JOIN {} t ON {}", self.name, same.join(" AND "));
        let mut rows = Vec::new();
        for chunk in keys.chunks(ROWS_PER_STATEMENT) {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(document(chunk));
            rows.append(&mut query.fetch_all(&mut *connection).await?);
        }
        Ok(rows)
    }

    fn key_prefix(&self, keys: &[Vec<Cell>]) -> &[Column] {
        let cells = keys.first().map_or(self.key, Vec::len);
        &self.columns[..cells.min(self.key)]
    }
}

async fn run(connection: &mut SqliteConnection, sql: String, rows: Vec<Vec<Cell>>) -> sqlx::Result<()> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        sqlx::query(AssertSqlSafe(sql.clone())).bind(document(chunk)).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(super) fn document(rows: &[Vec<Cell>]) -> String {
    let rows = rows.iter().map(|row| row.iter().map(|cell| cell.0.clone()).collect());
    Value::Array(rows.map(Value::Array).collect()).to_string()
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ")
}

fn values(columns: &[Column]) -> String {
    columns.iter().enumerate().map(|(index, column)| column.value(index)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::{RowExt, testing::Shop};

    const PAIRS: Table = Table {
        name: "pairs",
        columns: &[Column::Plain("tenant"), Column::Id("id"), Column::Plain("units"), Column::Kept("first")],
        key: 2,
    };

    #[tokio::test]
    async fn many_rows_are_written_read_and_removed_at_once() {
        let shop = Shop::open().await;
        let mut tx = shop.read_side.begin().await.unwrap();
        let table =
            "CREATE TABLE pairs (tenant TEXT, id BLOB, units INTEGER, first INTEGER, PRIMARY KEY (tenant, id)) STRICT";
        sqlx::query(table).execute(&mut *tx).await.unwrap();

        let rows = |units: u64| (0..5_000u128).map(|id| cells!["it's \"acme\"", id, units, units]).collect();
        PAIRS.put(&mut tx, rows(1)).await.unwrap();
        PAIRS.put(&mut tx, rows(2)).await.unwrap();
        let found = PAIRS.read(&mut tx, vec![cells!["it's \"acme\"", 7u128], cells!["bolt", 7u128]]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id("id").unwrap(), 7);
        assert_eq!((found[0].count("units").unwrap(), found[0].count("first").unwrap()), (2, 1));

        assert_eq!(PAIRS.read(&mut tx, vec![cells!["it's \"acme\""]]).await.unwrap().len(), 5_000);
        PAIRS.remove(&mut tx, (0..4_999u128).map(|id| cells!["it's \"acme\"", id]).collect()).await.unwrap();
        assert_eq!(PAIRS.read(&mut tx, vec![cells!["it's \"acme\""]]).await.unwrap().len(), 1);
    }
}
