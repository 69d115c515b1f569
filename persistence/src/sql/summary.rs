//! The summary of the read side for `fusion doctor`.

use std::collections::BTreeMap;

use super::{ReadSide, StoreError};
use crate::views;

/// The number of rows, and the progress of projections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The next position of each shard: the lists include everything before it.
    pub positions: BTreeMap<u16, u64>,
    /// The rows of each projection's tables, of all tenants.
    pub projections: Vec<ProjectionSummary>,
    /// The rows of the tables that are not derived, of all tenants, by table.
    pub kept: Vec<(&'static str, u64)>,
}

/// The rows of one projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionSummary {
    /// The name of the kind of entity that it projects.
    pub name: &'static str,
    /// The number of rows by table.
    pub rows: Vec<(&'static str, u64)>,
}

/// The tables whose data exists nowhere else.
const KEPT: [&str; 17] = [
    "tenants",
    "tenant_hosts",
    "accounts",
    "aliases",
    "contacts",
    "refresh_tokens",
    "password_resets",
    "email_verifications",
    "imports",
    "import_rejected_rows",
    "made_products",
    "derived_texts",
    "undelivered_mails",
    "drop_viewers",
    "ended_subjects",
    "ended_tokens",
    "sign_in_counts",
];

impl ReadSide {
    /// Counts all rows at one instant. It scans every table: for operators, not for metrics.
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        let mut tx = self.readers.begin().await?;
        let positions = views::read_positions(&mut tx).await?;
        let mut projections = Vec::new();
        for (name, tables) in views::tables() {
            projections.push(ProjectionSummary { name, rows: count_rows(&mut tx, tables).await? });
        }
        let kept = count_rows(&mut tx, &KEPT).await?;
        Ok(Summary { positions, projections, kept })
    }

    /// Returns the next position of each shard that projections have applied. The journal must reach at least there.
    pub async fn positions(&self) -> Result<BTreeMap<u16, u64>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        Ok(views::read_positions(&mut connection).await?)
    }
}

async fn count_rows(
    connection: &mut sqlx::SqliteConnection,
    tables: &[&'static str],
) -> sqlx::Result<Vec<(&'static str, u64)>> {
    let mut counts = Vec::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        counts.push((*table, rows.unsigned_abs()));
    }
    Ok(counts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::sql::testing::Shop;

    #[tokio::test]
    async fn every_table_is_counted() {
        let shop = Shop::open().await;
        let summary = shop.read_side.summary().await.unwrap();
        let mut counted: Vec<&str> = summary.kept.iter().map(|(table, _)| *table).collect();
        counted.extend(summary.projections.iter().flat_map(|projection| &projection.rows).map(|(table, _)| *table));
        counted.sort_unstable();
        let ours: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE
             '_sqlx_%' AND name NOT LIKE 'products_search_%' AND name NOT LIKE 'projection_%' ORDER BY name",
        )
        .fetch_all(&shop.read_side.readers)
        .await
        .unwrap();
        assert_eq!(counted, ours);
        assert_eq!(summary.kept[0], ("tenants", 2));
        assert!(summary.positions.is_empty());
    }
}
