//! The position up to which each shard has been applied.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::ProjectError;
use crate::sql::{RowExt, number};

/// Returns the next position of each shard.
pub(crate) async fn read_positions(connection: &mut SqliteConnection) -> sqlx::Result<BTreeMap<u16, u64>> {
    let rows = sqlx::query("SELECT shard, next FROM projection_positions").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.count32("shard")? as u16, row.count("next")?))).collect()
}

/// Moves the positions that differ. Fails if one of them is no longer at `before`.
pub(super) async fn move_positions(
    connection: &mut SqliteConnection,
    before: &BTreeMap<u16, u64>,
    after: &BTreeMap<u16, u64>,
) -> Result<(), ProjectError> {
    for (&shard, &next) in after {
        let query = match before.get(&shard) {
            Some(&present) if present == next => continue,
            Some(&present) => sqlx::query("UPDATE projection_positions SET next = ?2 WHERE shard = ?1 AND next = ?3")
                .bind(shard)
                .bind(number(next))
                .bind(number(present)),
            None => {
                sqlx::query("INSERT INTO projection_positions (shard, next) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                    .bind(shard)
                    .bind(number(next))
            }
        };
        if query.execute(&mut *connection).await?.rows_affected() != 1 {
            return Err(ProjectError::Moved { shard });
        }
    }
    Ok(())
}

/// Returns the layout of the projected rows; `None` in a new database.
pub(super) async fn read_layout(connection: &mut SqliteConnection) -> sqlx::Result<Option<u32>> {
    let row = sqlx::query("SELECT layout FROM projection_layout").fetch_optional(connection).await?;
    row.map(|row| row.count32("layout")).transpose()
}

/// Resets every shard to position 0 and records the layout.
pub(super) async fn clear(connection: &mut SqliteConnection, layout: u32) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM projection_positions").execute(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO projection_layout (one, layout) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET layout = ?1",
    )
    .bind(layout)
    .execute(connection)
    .await?;
    Ok(())
}
