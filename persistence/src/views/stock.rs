//! Projects the stock levels of each SKU.
//!
//! Holds, allocations and restocks have rows too: an event that ends one contains its id, but not its units.

use std::collections::{BTreeMap, HashMap};

use engine::{
    flash_drop::Totals,
    id::{DropId, EntityKey, HoldId, OrderId, ProductId, Sku, VariantId},
    stock::{HoldUnits, Movement, StockEvent, StockLevels, StockSummary},
    time::Timestamp,
};
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent},
};
use crate::sql::{Cell, Column, RowExt, Table, cells};

const STOCK: Table = Table {
    name: "stock",
    columns: &[
        Column::Plain("tenant"),
        Column::Plain("sku"),
        Column::Id("product"),
        Column::Id("variant"),
        Column::Plain("counted"),
        Column::Plain("on_hand"),
        Column::Plain("available"),
        Column::Plain("held"),
        Column::Plain("allocated"),
        Column::Plain("sold"),
        Column::Plain("updated_at"),
    ],
    key: 2,
};

const HOLDS: Table = Table {
    name: "stock_holds",
    columns: &[
        Column::Plain("tenant"),
        Column::Plain("sku"),
        Column::Id("hold"),
        Column::Plain("units"),
        Column::Plain("sold"),
    ],
    key: 3,
};

const ALLOCATIONS: Table = Table {
    name: "stock_allocations",
    columns: &[
        Column::Plain("tenant"),
        Column::Plain("sku"),
        Column::Id("drop_id"),
        Column::Plain("total"),
        Column::Plain("sold"),
        Column::Plain("unsold"),
        Column::Plain("returned"),
    ],
    key: 3,
};

const RESTOCKS: Table = Table {
    name: "stock_restocks",
    columns: &[Column::Plain("tenant"), Column::Plain("sku"), Column::Id("order_id"), Column::Plain("total")],
    key: 3,
};

const UNBALANCED: &str = "units of the SKU do not add up";

/// Projects stock items.
#[derive(Debug, Default)]
pub(super) struct Stock {
    gathered: EventsByEntity<StockEvent>,
}

/// The rows of one SKU while events are folded into them.
#[derive(Debug, Default)]
struct StockRows {
    summary: StockSummary,
    updated_at: Timestamp,
    /// The holds that were read or created; `None` once a hold has ended.
    holds: HashMap<HoldId, Option<HoldUnits>>,
    /// For each drop, the units that it has received in total, and its recorded totals.
    allocations: HashMap<DropId, (u64, Totals)>,
    /// For each order, the units that have come back in total.
    restocked: HashMap<OrderId, u64>,
}

/// The rows that events refer to, by the cells of their keys.
#[derive(Debug, Default)]
struct ReferencedRows {
    holds: Vec<Vec<Cell>>,
    allocations: Vec<Vec<Cell>>,
    restocks: Vec<Vec<Cell>>,
}

impl Projection for Stock {
    const TABLES: &'static [&'static str] = &[STOCK.name, HOLDS.name, ALLOCATIONS.name, RESTOCKS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        self.gathered.gather(position, record)
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let mut items = read_rows(connection, &gathered).await?;
        for (key, events) in &gathered {
            let item = items.entry(key.clone()).or_default();
            for journaled in events {
                item.fold(journaled).ok_or_else(|| journaled.position.impossible(UNBALANCED))?;
            }
        }
        write_rows(connection, &items).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.gathered.clear();
    }
}

/// Returns the tenant and the SKU of a stock item.
fn name(key: &EntityKey) -> (String, String) {
    (key.tenant().as_str().to_owned(), String::from_utf8_lossy(key.id()).into_owned())
}

impl ReferencedRows {
    fn of(gathered: &BTreeMap<EntityKey, Vec<JournalEvent<StockEvent>>>) -> Self {
        let mut referenced = Self::default();
        for (key, events) in gathered {
            let (tenant, sku) = name(key);
            let row = |id: u128| cells![tenant.as_str(), sku.as_str(), id];
            for journaled in events {
                match &journaled.event {
                    StockEvent::Reserved { hold, .. }
                    | StockEvent::Confirmed { hold, .. }
                    | StockEvent::Released { hold, .. }
                    | StockEvent::Unsold { hold, .. } => referenced.holds.push(row(hold.0)),
                    StockEvent::Expired { holds, .. } => {
                        referenced.holds.extend(holds.iter().map(|hold| row(hold.0)));
                    }
                    StockEvent::Allocated { drop, .. } | StockEvent::Settled { drop, .. } => {
                        referenced.allocations.push(row(drop.0));
                    }
                    StockEvent::Restocked { order, .. } => referenced.restocks.push(row(order.0)),
                    StockEvent::Adopted { .. } | StockEvent::Disowned | StockEvent::Adjusted { .. } => {}
                }
            }
        }
        referenced
    }
}

async fn read_rows(
    connection: &mut SqliteConnection,
    gathered: &BTreeMap<EntityKey, Vec<JournalEvent<StockEvent>>>,
) -> sqlx::Result<BTreeMap<EntityKey, StockRows>> {
    let keys = gathered.keys().map(name).map(|(tenant, sku)| cells![tenant, sku]).collect();
    let mut items: BTreeMap<EntityKey, StockRows> = BTreeMap::new();
    for row in STOCK.read(connection, keys).await? {
        let owner = row.opt_id("product")?.zip(row.opt_id("variant")?);
        let levels = StockLevels {
            on_hand: row.count("on_hand")?,
            available: row.count("available")?,
            held: row.count("held")?,
            allocated: row.count("allocated")?,
            sold: row.count("sold")?,
        };
        let summary = StockSummary {
            owner: owner.map(|(product, variant)| (ProductId(product), VariantId(variant))),
            counted: row.count("counted")? == 1,
            levels,
        };
        let item = StockRows { summary, updated_at: row.time("updated_at")?, ..StockRows::default() };
        items.insert(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?), item);
    }
    let referenced = ReferencedRows::of(gathered);
    for row in HOLDS.read(connection, referenced.holds).await? {
        let units = row.count("units")?;
        let hold = if row.count("sold")? == 1 { HoldUnits::Sold(units) } else { HoldUnits::Held(units) };
        let item = items.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        item.holds.insert(HoldId(row.id("hold")?), Some(hold));
    }
    for row in ALLOCATIONS.read(connection, referenced.allocations).await? {
        let booked =
            Totals { sold: row.count("sold")?, unsold: row.count("unsold")?, returned: row.count("returned")? };
        let item = items.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        item.allocations.insert(DropId(row.id("drop_id")?), (row.count("total")?, booked));
    }
    for row in RESTOCKS.read(connection, referenced.restocks).await? {
        let item = items.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        item.restocked.insert(OrderId(row.id("order_id")?), row.count("total")?);
    }
    Ok(items)
}

async fn write_rows(connection: &mut SqliteConnection, items: &BTreeMap<EntityKey, StockRows>) -> sqlx::Result<()> {
    let (mut stock, mut holds, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let (mut allocations, mut restocks) = (Vec::new(), Vec::new());
    for (key, rows) in items {
        let (tenant, sku) = name(key);
        let (tenant, sku, summary) = (tenant.as_str(), sku.as_str(), &rows.summary);
        let levels = &summary.levels;
        stock.push(cells![
            tenant,
            sku,
            summary.owner.map(|(product, _)| product.0),
            summary.owner.map(|(_, variant)| variant.0),
            summary.counted,
            levels.on_hand,
            levels.available,
            levels.held,
            levels.allocated,
            levels.sold,
            rows.updated_at.0,
        ]);
        for (hold, state) in &rows.holds {
            match state {
                Some(HoldUnits::Held(units)) => holds.push(cells![tenant, sku, hold.0, *units, false]),
                Some(HoldUnits::Sold(units)) => holds.push(cells![tenant, sku, hold.0, *units, true]),
                None => ended.push(cells![tenant, sku, hold.0]),
            }
        }
        for (drop, (total, booked)) in &rows.allocations {
            allocations.push(cells![tenant, sku, drop.0, *total, booked.sold, booked.unsold, booked.returned]);
        }
        restocks.extend(rows.restocked.iter().map(|(order, total)| cells![tenant, sku, order.0, *total]));
    }
    STOCK.put(connection, stock).await?;
    HOLDS.remove(connection, ended).await?;
    HOLDS.put(connection, holds).await?;
    ALLOCATIONS.put(connection, allocations).await?;
    RESTOCKS.put(connection, restocks).await
}

impl StockRows {
    /// Applies an event as the stock item itself does. Returns `None` if the units do not add up.
    fn fold(&mut self, journaled: &JournalEvent<StockEvent>) -> Option<()> {
        self.updated_at = journaled.at;
        let event = &journaled.event;
        let movement = match event {
            StockEvent::Adopted { .. } | StockEvent::Disowned | StockEvent::Adjusted { .. } => {
                self.summary.apply(event);
                None
            }
            StockEvent::Allocated { drop, total } => {
                let (known, _) = self.allocations.entry(*drop).or_default();
                Some(Movement::Allocated { known: std::mem::replace(known, *total), total: *total })
            }
            StockEvent::Settled { drop, totals } => {
                let (_, known) = self.allocations.entry(*drop).or_default();
                Some(Movement::Settled { known: std::mem::replace(known, *totals), totals: *totals })
            }
            StockEvent::Reserved { hold, quantity, .. } => {
                self.holds.insert(*hold, Some(HoldUnits::Held(quantity.units())));
                Some(Movement::Held(quantity.units()))
            }
            StockEvent::Confirmed { hold, .. } => {
                let known = self.holds.get(hold).copied().flatten();
                let movement = known.and_then(HoldUnits::confirmed);
                if let Some(Movement::Confirmed(units)) = movement {
                    self.holds.insert(*hold, Some(HoldUnits::Sold(units)));
                }
                movement
            }
            StockEvent::Released { hold, .. } => self.end_hold(*hold).and_then(HoldUnits::released),
            StockEvent::Unsold { hold, forgotten, .. } => HoldUnits::unsold(self.end_hold(*hold), *forgotten),
            StockEvent::Expired { holds, .. } => {
                for hold in holds {
                    if let Some(movement) = self.end_hold(*hold).and_then(HoldUnits::released) {
                        self.move_units(movement)?;
                    }
                }
                None
            }
            StockEvent::Restocked { order, total } => {
                let known = self.restocked.insert(*order, *total).unwrap_or_default();
                Some(Movement::Restocked { known, total: *total })
            }
        };
        movement.map_or(Some(()), |movement| self.move_units(movement))
    }

    /// Ends a hold and returns its units, unless it had ended before.
    fn end_hold(&mut self, hold: HoldId) -> Option<HoldUnits> {
        self.holds.insert(hold, None).flatten()
    }

    fn move_units(&mut self, movement: Movement) -> Option<()> {
        self.summary.levels = self.summary.levels.after(movement)?;
        Some(())
    }
}

#[cfg(test)]
mod tests;
