//! Projects flash sale drops, for lists. Their counts are not stored: they change with each claim and are read from
//! memory.

use engine::{
    flash_drop::{DropEvent, DropSummary, Listing},
    id::{DropId, EntityKey},
    time::Timestamp,
    view::View,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::each_event,
    drop_buyers::{self, DropBuyers},
    drop_series::{self, Series},
    rows::{Row, Rows},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{DropPhase, read_summary, variant_name},
};

/// Projects drops, their buyers, and their series over time.
#[derive(Debug, Default)]
pub(super) struct Drops {
    rows: Rows<DropSummary>,
    buyers: DropBuyers,
    series: Series,
}

impl Projection for Drops {
    const TABLES: &'static [&'static str] = &[
        drop_buyers::TABLES[0],
        drop_buyers::TABLES[1],
        drop_series::TABLES[0],
        drop_series::TABLES[1],
        drop_series::TABLES[2],
        DropSummary::TABLE.name,
    ];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        let Self { rows, buyers, series } = self;
        each_event(position, record, |event: DropEvent| {
            series.note(record, &event);
            if let DropEvent::Claimed { buyer, .. } = &event {
                buyers.note(&record.key, *buyer);
            }
            rows.keep(position, record, event);
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        self.buyers.write(connection).await?;
        self.series.write(connection).await?;
        self.rows.write(connection).await
    }

    fn committed(&mut self) {
        self.buyers.committed();
    }

    fn discard(&mut self) {
        self.rows.discard();
        self.buyers.discard();
        self.series.discard();
    }
}

impl Row for DropSummary {
    type View = Self;

    const TABLE: Table = Table {
        name: "drops",
        columns: &[
            Column::Plain("tenant"),
            Column::Id("drop_id"),
            Column::Plain("title"),
            Column::Id("product"),
            Column::Plain("per_buyer_max"),
            Column::Plain("hold_seconds"),
            Column::Plain("starts_at"),
            Column::Plain("ends_at"),
            Column::Plain("audience"),
            Column::Plain("currency"),
            Column::Plain("items"),
            Column::Plain("phase"),
            Column::Plain("published_at"),
            Column::Plain("version"),
            Column::Plain("created_at"),
            Column::Id("created_command"),
            Column::Id("pending_command"),
        ],
        key: 2,
    };
    const NOT_CREATED: &'static str = "event of a drop that was not created";

    fn creates(_event: &DropEvent) -> bool {
        // A second creation under the same id keeps items of the first.
        false
    }

    fn fold(row: &mut Option<Self>, _at: Timestamp, event: &DropEvent) {
        View::fold(row, event);
    }

    fn read(row: &SqliteRow) -> sqlx::Result<(EntityKey, Self)> {
        Ok((DropId(row.id("drop_id")?).key(&row.parsed("tenant")?), read_summary(row)?))
    }

    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        let Listing { terms, phase, version } = &self.listing;
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            terms.title.as_str(),
            terms.product.map(|product| product.0),
            terms.per_buyer_max.units(),
            terms.hold_seconds,
            terms.starts_at.map(|at| at.0),
            terms.ends_at.0,
            variant_name(&terms.audience),
            terms.currency.code(),
            serde_json::json!(self.items).to_string(),
            variant_name(&DropPhase::from(*phase)),
            self.published_at.map(|at| at.0),
            *version,
            self.created_at.0,
            self.created.0,
            self.pending.map(|command| command.0),
        ]
    }
}

#[cfg(test)]
mod tests;
