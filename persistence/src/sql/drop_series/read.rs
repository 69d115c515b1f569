//! Reads the series of a drop, for its dashboard.

use std::collections::BTreeMap;

use engine::{
    id::{DropId, TenantId},
    time::Timestamp,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::interval::Intervals;
use crate::sql::{ReadSide, RowExt, StoreError, blob, number};

/// The maximum number of points in one response: a busy quarter of an hour by second, in some 200 KB of JSON.
pub const SERIES_POINTS_MAX: usize = 1_000;

/// A part of a drop's series, oldest point first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DropSeries {
    /// Intervals with at least one event, at most [`SERIES_POINTS_MAX`]. They do not overlap.
    pub points: Vec<SeriesPoint>,
    /// The newest event of the drop that the series includes, along with everything before it. `None` if there is none
    /// yet.
    pub as_of: Option<Timestamp>,
    /// The beginning of the next part; `None` at the end.
    pub next: Option<Timestamp>,
}

/// The events of an interval, and the state at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPoint {
    /// The beginning of the interval.
    pub at: Timestamp,
    /// The length of the interval in seconds: 1, 60, 3,600 or 86,400.
    pub seconds: u64,
    /// Units claimed in the interval.
    pub claims: u64,
    /// Units released or expired in the interval.
    pub released: u64,
    /// Units sold in the interval, less those whose sale was reversed.
    pub sold: i64,
    /// Revenue from these units, in minor units of the drop's currency.
    pub revenue: i64,
    /// Units held at the end of the interval.
    pub held: u64,
    /// Units sold up to the end of the interval.
    pub sold_total: u64,
    /// Revenue up to the end of the interval, in minor units.
    pub revenue_total: i64,
    /// The number of viewers at the end of the interval. `None` if it was not counted.
    pub viewers: Option<u64>,
}

impl SeriesPoint {
    fn empty(second: u64, seconds: u64) -> Self {
        let at = Timestamp(second.saturating_mul(1_000));
        Self {
            at,
            seconds,
            claims: 0,
            released: 0,
            sold: 0,
            revenue: 0,
            held: 0,
            sold_total: 0,
            revenue_total: 0,
            viewers: None,
        }
    }

    /// Adds the sums of a row of `drop_series`.
    fn add(&mut self, row: &SqliteRow) -> sqlx::Result<()> {
        self.claims += row.count("claims")?;
        self.released += row.count("released")?;
        self.sold += row.try_get::<i64, _>("sold")?;
        self.revenue = self.revenue.saturating_add(row.try_get("revenue")?);
        self.end_as(row)
    }

    /// Takes over the end state of a row of `drop_series`.
    fn end_as(&mut self, row: &SqliteRow) -> sqlx::Result<()> {
        self.held = row.count("held")?;
        self.sold_total = row.count("sold_total")?;
        self.revenue_total = row.try_get("revenue_total")?;
        Ok(())
    }
}

impl ReadSide {
    /// Reads a drop's series from the interval that contains `from`, or from its beginning. The first point may begin
    /// before `from`. Reads the rows of one drop from there on: a series has a few thousand.
    pub async fn drop_series(
        &self,
        tenant: &TenantId,
        drop: DropId,
        from: Option<Timestamp>,
    ) -> Result<DropSeries, StoreError> {
        // One transaction: otherwise a merge between two statements would show its rows twice, or not at all.
        let mut tx = self.readers.begin().await?;
        let sql = "SELECT (SELECT as_of FROM drop_series_ends WHERE tenant = ?1 AND drop_id = ?2) AS as_of,
                       (SELECT max(at) FROM drop_series WHERE tenant = ?1 AND drop_id = ?2) AS counted,
                       (SELECT max(at) FROM drop_viewers WHERE tenant = ?1 AND drop_id = ?2) AS viewed";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(drop.0));
        let row = query.fetch_one(&mut *tx).await?;
        let as_of = row.opt_time("as_of")?;
        let newest = row.opt_time("counted")?.max(row.opt_time("viewed")?);
        let Some(Timestamp(newest)) = newest else { return Ok(DropSeries { as_of, ..DropSeries::default() }) };
        let intervals = Intervals::of(newest);
        let first = from.map_or(0, |from| intervals.around(from.0 / 1_000).0);
        let counts = rows_of(&mut tx, "drop_series", tenant, drop, first).await?;
        let viewers = rows_of(&mut tx, "drop_viewers", tenant, drop, first).await?;

        let mut points: BTreeMap<u64, SeriesPoint> = BTreeMap::new();
        let point_at = |points: &mut BTreeMap<u64, SeriesPoint>, second| {
            let (start, seconds) = intervals.around(second);
            points.entry(start).or_insert_with(|| SeriesPoint::empty(start, seconds));
            start
        };
        for row in counts.iter().chain(&viewers) {
            let second = row.count("at")?;
            if second >= first {
                point_at(&mut points, second);
            }
        }
        let (mut counts, mut viewers) = (counts.iter().peekable(), viewers.iter().peekable());
        let mut before = SeriesPoint::empty(0, 1);
        for (start, point) in &mut points {
            let end = start.saturating_add(point.seconds);
            point.held = before.held;
            point.sold_total = before.sold_total;
            point.revenue_total = before.revenue_total;
            point.viewers = before.viewers;
            while let Some(row) = counts.peek() {
                let second = row.count("at")?;
                if second >= end {
                    break;
                }
                if second < first {
                    point.end_as(row)?
                } else {
                    point.add(row)?
                }
                counts.next();
            }
            while let Some(row) = viewers.peek() {
                if row.count("at")? >= end {
                    break;
                }
                point.viewers = row.try_get::<Option<i64>, _>("viewers")?.and_then(|count| u64::try_from(count).ok());
                viewers.next();
            }
            before = point.clone();
        }
        let mut points: Vec<_> = points.into_values().collect();
        let next = points.get(SERIES_POINTS_MAX).map(|point| point.at);
        points.truncate(SERIES_POINTS_MAX);
        Ok(DropSeries { points, as_of, next })
    }
}

/// Reads the rows of a table from a second on, and the last row before, which holds the state at that time.
async fn rows_of(
    connection: &mut SqliteConnection,
    table: &str,
    tenant: &TenantId,
    drop: DropId,
    first: u64,
) -> sqlx::Result<Vec<SqliteRow>> {
    let sql = format!(
        "SELECT * FROM {table} WHERE tenant = ?1 AND drop_id = ?2 AND at >= coalesce(
             (SELECT max(at) FROM {table} WHERE tenant = ?1 AND drop_id = ?2 AND at < ?3), ?3) ORDER BY at",
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tenant.as_str()).bind(blob(drop.0)).bind(number(first));
    query.fetch_all(connection).await
}
