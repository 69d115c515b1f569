//! Projects checkouts, for a buyer's list of those in progress.

use engine::{
    checkout::{CheckoutEvent, CheckoutSummary},
    id::{CheckoutId, EntityKey, OrderId, SubjectId},
    time::Timestamp,
    view::View,
};
use sqlx::sqlite::SqliteRow;

use super::rows::Row;
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{read_total, variant_name},
};

/// The row of a checkout.
#[derive(Debug)]
pub(super) struct CheckoutRow {
    checkout: CheckoutSummary,
    /// The time of the last change of the summary.
    updated_at: Timestamp,
}

impl Row for CheckoutRow {
    type View = CheckoutSummary;

    const TABLE: Table = Table {
        name: "checkouts",
        columns: &[
            Column::Plain("tenant"),
            Column::Id("checkout"),
            Column::Id("buyer"),
            Column::Plain("state"),
            Column::Plain("problem"),
            Column::Id("order_id"),
            Column::Plain("currency"),
            Column::Plain("total"),
            Column::Plain("started_at"),
            Column::Plain("updated_at"),
        ],
        key: 2,
    };
    const NOT_CREATED: &'static str = "event of a checkout that was not started";

    fn creates(event: &CheckoutEvent) -> bool {
        matches!(event, CheckoutEvent::Started { .. })
    }

    fn fold(row: &mut Option<Self>, at: Timestamp, event: &CheckoutEvent) {
        let mut checkout = row.take().map(|row| row.checkout);
        View::fold(&mut checkout, event);
        *row = checkout.map(|checkout| Self { checkout, updated_at: at });
    }

    fn read(row: &SqliteRow) -> sqlx::Result<(EntityKey, Self)> {
        let checkout = CheckoutSummary {
            buyer: SubjectId(row.id("buyer")?),
            state: row.named("state")?,
            problem: row.opt_text("problem")?,
            order: row.opt_id("order_id")?.map(OrderId),
            total: read_total(row)?,
            started_at: row.time("started_at")?,
        };
        let key = CheckoutId(row.id("checkout")?).key(&row.parsed("tenant")?);
        Ok((key, Self { checkout, updated_at: row.time("updated_at")? }))
    }

    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        let checkout = &self.checkout;
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            checkout.buyer.0,
            variant_name(&checkout.state),
            checkout.problem.as_deref(),
            checkout.order.map(|order| order.0),
            checkout.total.as_ref().map(|total| total.currency.code()),
            checkout.total.map(|total| total.amount),
            checkout.started_at.0,
            self.updated_at.0,
        ]
    }
}

#[cfg(test)]
mod tests;
