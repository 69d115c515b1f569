//! The number of viewers of a drop, as counted by the real-time connections.

use engine::{
    id::{DropId, TenantId},
    time::Timestamp,
};

use super::interval::{VIEWERS, roll_up};
use crate::sql::{ReadSide, RowExt, StoreError, blob, number};

/// The maximum number of samples in one write. It bounds the transaction to some milliseconds, so that a projection
/// never waits for long.
pub const VIEWER_SAMPLES_MAX: usize = 500;

/// The number of viewers of a drop from an instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerSample {
    /// The tenant of the drop.
    pub tenant: TenantId,
    /// The drop.
    pub drop: DropId,
    /// The time of the sample.
    pub at: Timestamp,
    /// The number of viewers. `None` if it is not counted from then on.
    pub viewers: Option<u32>,
}

impl ReadSide {
    /// Records samples, at most [`VIEWER_SAMPLES_MAX`], in one transaction. The last sample of a second replaces the
    /// earlier ones. A sample older than the newest one of its drop is recorded for the second of the newest.
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

    /// Records for every drop that its viewers are not counted from `at` on: a server that has just started does not
    /// know the viewers that its predecessor counted.
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
