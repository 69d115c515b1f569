//! How many watch a drop, as the live connections counted it.

use engine::{
    id::{DropId, TenantId},
    time::Timestamp,
};

use super::interval::{VIEWERS, roll_up};
use crate::sql::{ReadSide, RowExt, StoreError, blob, number};

/// The most samples of one write: a transaction of some milliseconds, so that a projection never waits for long.
pub const VIEWER_SAMPLES_MAX: usize = 500;

/// How many watched a drop from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerSample {
    /// Whose drop.
    pub tenant: TenantId,
    /// Which drop.
    pub drop: DropId,
    /// When.
    pub at: Timestamp,
    /// How many. `None`: from then on nobody counted.
    pub viewers: Option<u32>,
}

impl ReadSide {
    /// Records samples, at most [`VIEWER_SAMPLES_MAX`], in one transaction. The last sample of a second counts; one from
    /// before the newest sample of its drop counts for the second of that one.
    pub async fn record_viewers(&self, samples: &[ViewerSample]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for ViewerSample { tenant, drop, at, viewers } in samples.iter().take(VIEWER_SAMPLES_MAX) {
            let newest: Option<i64> =
                sqlx::query_scalar("SELECT max(at) FROM drop_viewers WHERE tenant = ?1 AND drop_id = ?2")
                    .bind(tenant.as_str())
                    .bind(blob(drop.0))
                    .fetch_one(&mut *tx)
                    .await?;
            let newest = newest.and_then(|second| u64::try_from(second).ok());
            let second = (at.0 / 1_000).max(newest.unwrap_or(0));
            sqlx::query(
                "INSERT INTO drop_viewers (tenant, drop_id, at, seconds, viewers) VALUES (?1, ?2, ?3, 1, ?4)
                 ON CONFLICT (tenant, drop_id, at) DO UPDATE SET viewers = excluded.viewers",
            )
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .bind(number(second))
            .bind(viewers)
            .execute(&mut *tx)
            .await?;
            roll_up(&mut tx, &VIEWERS, (tenant, *drop), newest.unwrap_or(second), second).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Says of every drop that nobody counts its viewers from `at` on: a server that has just started knows of none that
    /// the last one counted.
    pub async fn end_viewer_counts(&self, at: Timestamp) -> Result<(), StoreError> {
        let sql = "SELECT tenant, drop_id FROM (SELECT tenant, drop_id, max(at), viewers FROM drop_viewers
                       GROUP BY tenant, drop_id) WHERE viewers IS NOT NULL";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await?;
        let sample = |row: &sqlx::sqlite::SqliteRow| {
            Ok(ViewerSample { tenant: row.parsed("tenant")?, drop: DropId(row.id("drop_id")?), at, viewers: None })
        };
        let samples: Vec<_> = rows.iter().map(sample).collect::<sqlx::Result<_>>()?;
        for samples in samples.chunks(VIEWER_SAMPLES_MAX) {
            self.record_viewers(samples).await?;
        }
        Ok(())
    }
}
