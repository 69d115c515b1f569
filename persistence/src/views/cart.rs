//! Projects carts: for a buyer's list, and to find carts that have been unchanged for long.

use std::collections::BTreeMap;

use engine::{
    cart::CartEvent,
    id::{CartId, EntityKey, SubjectId},
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent, each_event},
};
use crate::sql::{Cell, Column, RowExt, Table, cells};

const CARTS: Table = Table {
    name: "carts",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("cart"),
        Column::Id("buyer"),
        Column::Plain("deleted"),
        Column::Plain("created_at"),
        Column::Plain("updated_at"),
    ],
    key: 2,
};

/// Projects carts.
#[derive(Debug, Default)]
pub(super) struct Carts {
    gathered: EventsByEntity<CartEvent>,
}

/// A cart's row while events are folded into it.
#[derive(Debug)]
struct Row {
    buyer: SubjectId,
    deleted: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Projection for Carts {
    const TABLES: &'static [&'static str] = &[CARTS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(position, record, |event: CartEvent| match event {
            CartEvent::Created { .. }
            | CartEvent::LinePut { .. }
            | CartEvent::LineChanged { .. }
            | CartEvent::LineRemoved { .. }
            | CartEvent::Deleted { .. }
            | CartEvent::Expired { .. } => self.gathered.keep(position, record, event),
            // A checkout is not a change by the buyer.
            CartEvent::CheckoutBegan { .. } | CartEvent::CheckoutEnded { .. } => {}
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let keys = gathered.keys().map(|key| cells![key.tenant().as_str(), key.id128().unwrap_or_default()]);
        let mut rows = BTreeMap::new();
        for row in CARTS.read(connection, keys.collect()).await? {
            let known = Row {
                buyer: SubjectId(row.id("buyer")?),
                deleted: row.count("deleted")? != 0,
                created_at: row.time("created_at")?,
                updated_at: row.time("updated_at")?,
            };
            rows.insert(CartId(row.id("cart")?).key(&row.parsed("tenant")?), known);
        }
        for (key, events) in gathered {
            for journaled in events {
                fold(&mut rows, &key, journaled)?;
            }
        }
        let rows = rows.iter().map(|(key, row)| row.cells(key));
        CARTS.put(connection, rows.collect()).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.gathered.clear();
    }
}

fn fold(
    rows: &mut BTreeMap<EntityKey, Row>,
    key: &EntityKey,
    journaled: JournalEvent<CartEvent>,
) -> Result<(), ProjectError> {
    if let CartEvent::Created { buyer, processed, .. } = journaled.event {
        let row = Row { buyer, deleted: false, created_at: processed.at, updated_at: processed.at };
        rows.insert(key.clone(), row);
        return Ok(());
    }
    let row = rows.get_mut(key);
    let row = row.ok_or_else(|| journaled.position.impossible("event of a cart that was not created"))?;
    row.updated_at = journaled.at;
    row.deleted |= matches!(journaled.event, CartEvent::Deleted { .. } | CartEvent::Expired { .. });
    Ok(())
}

impl Row {
    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        cells![
            key.tenant().as_str(),
            key.id128().unwrap_or_default(),
            self.buyer.0,
            u64::from(self.deleted),
            self.created_at.0,
            self.updated_at.0,
        ]
    }
}
