//! Projects orders, for lists and export.

use engine::{
    id::{EntityKey, OrderId},
    order::{OrderEvent, OrderView},
    time::Timestamp,
    view::View,
};
use sqlx::sqlite::SqliteRow;

use super::rows::Row;
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{read_order, search_of, variant_name, write_lines},
};

impl Row for OrderView {
    type View = Self;

    const TABLE: Table = Table {
        name: "orders",
        columns: &[
            Column::Plain("tenant"),
            Column::Id("order_id"),
            Column::Plain("number"),
            Column::Id("buyer"),
            Column::Id("contact"),
            Column::Id("checkout"),
            Column::Id("payment"),
            Column::Plain("lines"),
            Column::Plain("currency"),
            Column::Plain("subtotal"),
            Column::Plain("shipping"),
            Column::Plain("tax"),
            Column::Plain("total"),
            Column::Plain("refunded"),
            Column::Plain("payment_state"),
            Column::Plain("fulfillment_state"),
            Column::Plain("tracking"),
            Column::Plain("restocked"),
            Column::Plain("placed_at"),
            Column::Plain("paid_at"),
            Column::Plain("fulfilled_at"),
            Column::Plain("cancelled_at"),
            Column::Plain("search"),
            Column::Plain("changes"),
        ],
        key: 2,
    };
    const NOT_CREATED: &'static str = "event of an order that was not placed";

    fn creates(event: &OrderEvent) -> bool {
        matches!(event, OrderEvent::Placed { .. })
    }

    fn fold(row: &mut Option<Self>, _at: Timestamp, event: &OrderEvent) {
        View::fold(row, event);
    }

    fn read(row: &SqliteRow) -> sqlx::Result<(EntityKey, Self)> {
        Ok((OrderId(row.id("order_id")?).key(&row.parsed("tenant")?), read_order(row)?))
    }

    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        let (totals, status) = (&self.totals, &self.status);
        cells![
            key.tenant().as_str(),
            self.id.0,
            self.number,
            self.buyer.0,
            self.contact.0,
            self.checkout.0,
            self.payment.0,
            write_lines(&self.lines),
            totals.total.currency.code(),
            totals.subtotal.amount,
            totals.shipping.amount,
            totals.tax.amount,
            totals.total.amount,
            status.refunded,
            variant_name(&status.payment_state),
            variant_name(&status.fulfillment_state),
            status.tracking.as_deref(),
            status.restocked,
            self.placed_at.0,
            status.paid_at.map(|at| at.0),
            status.fulfilled_at.map(|at| at.0),
            status.cancelled_at.map(|at| at.0),
            search_of(&self.lines),
            serde_json::json!(self.changes).to_string(),
        ]
    }
}

#[cfg(test)]
mod tests;
