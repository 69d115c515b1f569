//! The intervals of a series, and how older ones are merged.

use engine::{
    id::{DropId, TenantId},
    money::AMOUNT_MAX,
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::sql::{blob, number};

/// The age up to which a series has a row for each second, counted back from its newest row: an hour, the longest span
/// that the dashboard draws, and at most 3,660 rows (some 200 KB) per drop.
pub const SECONDS_KEPT_SECONDS: u64 = 3_600;
/// The age up to which a series has a row for each minute: a day, at most 1,440 + 60 rows.
pub const MINUTES_KEPT_SECONDS: u64 = 86_400;
/// The age up to which a series has a row for each hour: a year, at most 8,784 + 24 rows. Few drops last for days.
pub const HOURS_KEPT_SECONDS: u64 = 366 * 86_400;
/// The widest interval: a day. Rows for days are kept as long as the drop, 366 for each of its years.
pub const DAYS_SECONDS: u64 = 86_400;

/// Each width in seconds, the age up to which it is kept, and the next width.
const STEPS: [(u64, u64, u64); 3] =
    [(1, SECONDS_KEPT_SECONDS, 60), (60, MINUTES_KEPT_SECONDS, 3_600), (3_600, HOURS_KEPT_SECONDS, DAYS_SECONDS)];

/// The intervals of a series whose newest row is for a given second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// Rows of each width of [`STEPS`] are for this second or a later one.
    firsts: [u64; STEPS.len()],
}

impl Intervals {
    /// Returns the intervals of a series whose newest row is for the second `newest`.
    pub(crate) fn of(newest: u64) -> Self {
        // Whole intervals of the next width are merged at once, so that no interval is ever merged twice.
        Self { firsts: STEPS.map(|(_, kept, next)| newest.saturating_sub(kept) / next * next) }
    }

    /// Returns the first second and the length of the interval that contains a second.
    pub(crate) fn around(self, second: u64) -> (u64, u64) {
        let wider = STEPS.iter().zip(self.firsts).rev().find(|(_, first)| second < *first);
        let width = wider.map_or(1, |((_, _, next), _)| *next);
        (second / width * width, width)
    }
}

/// A table with a row for each interval.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    pub(crate) name: &'static str,
    /// The columns that are added up.
    pub(crate) sums: &'static [&'static str],
    /// The columns that hold the state at the end of the interval.
    pub(crate) ends: &'static [&'static str],
}

/// The table of claims, sales and revenue, derived from the journal.
pub(crate) const COUNTS: SeriesTable = SeriesTable {
    name: "drop_series",
    sums: &["claims", "released", "sold", "revenue"],
    ends: &["held", "sold_total", "revenue_total"],
};

/// The table of viewers.
pub(super) const VIEWERS: SeriesTable = SeriesTable { name: "drop_viewers", sums: &[], ends: &["viewers"] };

/// Merges the rows of a drop that have become too old for their width, after its newest row has moved from the second
/// `before` to `newest`.
pub(crate) async fn roll_up(
    connection: &mut SqliteConnection,
    table: &SeriesTable,
    (tenant, drop): (&TenantId, DropId),
    before: u64,
    newest: u64,
) -> sqlx::Result<()> {
    let (before, after) = (Intervals::of(before), Intervals::of(newest));
    if before == after {
        return Ok(());
    }
    let SeriesTable { name, sums, ends } = table;
    let columns: Vec<_> = sums.iter().chain(*ends).copied().collect();
    // Each row is within ±AMOUNT_MAX, so that no sum of a day's rows overflows.
    let sum = |column: &&str| format!(", max(min(sum({column}), {AMOUNT_MAX}), -{AMOUNT_MAX}) AS {column}");
    let sums = sums.iter().map(sum).collect::<String>();
    let ends = ends.iter().map(|column| format!(", {column}")).collect::<String>();
    let rows = "tenant = ?1 AND drop_id = ?2 AND seconds = ?3 AND at < ?4";
    // With max() the bare columns are those of the row with the maximum: <https://sqlite.org/lang_select.html#bareagg>.
    let join = format!(
        "SELECT json_group_array(json_array(start, {})) FROM (
             SELECT at / ?5 * ?5 AS start, max(at){sums}{ends} FROM {name} WHERE {rows} GROUP BY start)",
        columns.join(", "),
    );
    let remove = format!("DELETE FROM {name} WHERE {rows}");
    let values = (1..=columns.len()).map(|index| format!(", j.value ->> {index}")).collect::<String>();
    let add = format!(
        "INSERT INTO {name} (tenant, drop_id, seconds, at, {}) SELECT ?1, ?2, ?3, j.value ->> 0{values} FROM json_each(?4) j",
        columns.join(", "),
    );
    for ((width, _, next), first) in STEPS.into_iter().zip(after.firsts) {
        let joined: String = sqlx::query_scalar(AssertSqlSafe(join.clone()))
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .bind(number(width))
            .bind(number(first))
            .bind(number(next))
            .fetch_one(&mut *connection)
            .await?;
        if joined == "[]" {
            continue;
        }
        sqlx::query(AssertSqlSafe(remove.clone()))
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .bind(number(width))
            .bind(number(first))
            .execute(&mut *connection)
            .await?;
        sqlx::query(AssertSqlSafe(add.clone()))
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .bind(number(next))
            .bind(joined)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    #[test]
    fn an_interval_is_as_wide_as_its_age_says() {
        let newest = 400 * 86_400 + 5_000;
        let width = |second| Intervals::of(newest).around(second).1;
        let minute = (newest - SECONDS_KEPT_SECONDS) / 60 * 60;
        assert_eq!((width(newest), width(newest + 10), width(minute), width(minute - 1)), (1, 1, 1, 60));
        let hour = (newest - MINUTES_KEPT_SECONDS) / 3_600 * 3_600;
        assert_eq!((width(hour), width(hour - 1)), (60, 3_600));
        let day = (newest - HOURS_KEPT_SECONDS) / 86_400 * 86_400;
        assert_eq!((width(day), width(day - 1), width(0)), (3_600, 86_400, 86_400));
    }

    #[test]
    fn intervals_neither_overlap_nor_leave_gaps() {
        for newest in [0, 59, 3_599, 3_600, 3_661, 90_000, 100_000_123] {
            let intervals = Intervals::of(newest);
            let mut second = newest.saturating_sub(200_000);
            second = intervals.around(second).0;
            while second <= newest {
                let (start, width) = intervals.around(second);
                assert_eq!(start, second, "newest {newest}");
                assert_eq!(intervals.around(start + width - 1), (start, width));
                second += width;
            }
        }
    }

    #[tokio::test]
    async fn amounts_beyond_what_a_total_can_be_do_not_stop_the_series() {
        let shop = Shop::open().await;
        let (acme, id) = (tenant("acme"), DropId(7));
        let mut connection = shop.read_side.writer.acquire().await.unwrap();
        for second in 0..120 {
            let sql = "INSERT INTO drop_series VALUES (?1, ?2, ?3, 1, 1, 0, 1, ?4, 0, 1, 1)";
            let row = sqlx::query(sql).bind(acme.as_str()).bind(blob(id.0)).bind(second).bind(AMOUNT_MAX);
            row.execute(&mut *connection).await.unwrap();
        }
        for (before, newest) in [(119, 10_000), (10_000, 1_000_000), (1_000_000, 100_000_000)] {
            roll_up(&mut connection, &COUNTS, (&acme, id), before, newest).await.unwrap();
            let rows: Vec<(i64, i64)> =
                sqlx::query_as("SELECT claims, revenue FROM drop_series").fetch_all(&mut *connection).await.unwrap();
            assert_eq!(rows.iter().map(|(claims, _)| claims).sum::<i64>(), 120);
            assert!(rows.iter().all(|(_, revenue)| *revenue == AMOUNT_MAX), "{rows:?}");
        }
    }
}
