//! Projects orders, for lists and export.

use std::collections::BTreeMap;

use engine::{
    id::{EntityKey, OrderId},
    order::{OrderEvent, OrderView, Status},
};
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{read_order, search_of, variant_name, write_lines},
};

const ORDERS: Table = Table {
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

/// Projects orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    gathered: EventsByEntity<OrderEvent>,
}

impl Projection for Orders {
    const TABLES: &'static [&'static str] = &[ORDERS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        self.gathered.gather(position, record)
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let is_new = |events: &Vec<JournalEvent<OrderEvent>>| {
            matches!(events.first(), Some(JournalEvent { event: OrderEvent::Placed { .. }, .. }))
        };
        let known = gathered.iter().filter(|(_, events)| !is_new(events));
        let known = known.map(|(key, _)| cells![key.tenant().as_str(), key.id128().unwrap_or_default()]);
        let mut orders = BTreeMap::new();
        for row in ORDERS.read(connection, known.collect()).await? {
            orders.insert(OrderId(row.id("order_id")?).key(&row.parsed("tenant")?), read_order(&row)?);
        }
        for (key, events) in gathered {
            for journaled in events {
                fold(&mut orders, &key, journaled)?;
            }
        }
        let rows = orders.iter().map(|(key, order)| cells_of(key, order));
        ORDERS.put(connection, rows.collect()).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.gathered.clear();
    }
}

/// Creates an order, or changes it with the aggregate's own code.
fn fold(
    orders: &mut BTreeMap<EntityKey, OrderView>,
    key: &EntityKey,
    journaled: JournalEvent<OrderEvent>,
) -> Result<(), ProjectError> {
    if let OrderEvent::Placed { details } = journaled.event {
        let refunded = engine::money::Money::zero(details.totals.total.currency);
        let order = OrderView {
            id: details.order,
            number: details.number,
            buyer: details.buyer,
            contact: details.contact,
            checkout: details.checkout,
            payment: details.payment,
            lines: details.lines,
            totals: details.totals,
            refunded,
            placed_at: details.at,
            status: Status::default(),
            changes: Vec::new(),
        };
        orders.insert(key.clone(), order);
        return Ok(());
    }
    let order = orders.get_mut(key);
    let order = order.ok_or_else(|| journaled.position.impossible("event of an order that was not placed"))?;
    order.apply(&journaled.event);
    Ok(())
}

fn cells_of(key: &EntityKey, order: &OrderView) -> Vec<Cell> {
    let (totals, status) = (&order.totals, &order.status);
    cells![
        key.tenant().as_str(),
        order.id.0,
        order.number,
        order.buyer.0,
        order.contact.0,
        order.checkout.0,
        order.payment.0,
        write_lines(&order.lines),
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
        order.placed_at.0,
        status.paid_at.map(|at| at.0),
        status.fulfilled_at.map(|at| at.0),
        status.cancelled_at.map(|at| at.0),
        search_of(&order.lines),
        serde_json::json!(order.changes).to_string(),
    ]
}

#[cfg(test)]
mod tests;
