//! Projects carts: for a buyer's list, and to find carts that have been unchanged for long.

use engine::{
    cart::{CartEvent, CartSummary},
    id::{CartId, EntityKey, SubjectId},
    time::Timestamp,
    view::View,
};
use sqlx::sqlite::SqliteRow;

use super::rows::Row;
use crate::sql::{Cell, Column, RowExt, Table, cells};

impl Row for CartSummary {
    type View = Self;

    const TABLE: Table = Table {
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
    const NOT_CREATED: &'static str = "event of a cart that was not created";

    fn creates(event: &CartEvent) -> bool {
        matches!(event, CartEvent::Created { .. })
    }

    fn fold(row: &mut Option<Self>, _at: Timestamp, event: &CartEvent) {
        View::fold(row, event);
    }

    fn read(row: &SqliteRow) -> sqlx::Result<(EntityKey, Self)> {
        let cart = Self {
            buyer: SubjectId(row.id("buyer")?),
            deleted: row.count("deleted")? != 0,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
        };
        Ok((CartId(row.id("cart")?).key(&row.parsed("tenant")?), cart))
    }

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
