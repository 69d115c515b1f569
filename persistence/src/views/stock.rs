//! Projects the stock levels of each SKU.
//!
//! Holds, allocations and restocks have rows too: an event that ends one contains its id, but not its units.

use std::collections::{BTreeMap, HashMap};

use engine::{
    flash_drop::Totals,
    id::{DropId, EntityKey, HoldId, OrderId, ProductId, Sku, VariantId},
    stock::{StockEvent, StockLevels},
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

/// The levels of one SKU while events are folded into it.
#[derive(Debug, Default)]
struct Shelf {
    owner: Option<(ProductId, VariantId)>,
    counted: bool,
    levels: StockLevels,
    updated_at: Timestamp,
    /// The holds that were read or created; `None` once a hold has ended.
    holds: HashMap<HoldId, Option<Hold>>,
    allocations: HashMap<DropId, (u64, Totals)>,
    restocked: HashMap<OrderId, u64>,
}

#[derive(Debug, Clone, Copy)]
struct Hold {
    units: u64,
    sold: bool,
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
        let mut shelves = read_shelves(connection, &gathered).await?;
        for (key, events) in &gathered {
            let shelf = shelves.entry(key.clone()).or_default();
            for journaled in events {
                shelf.fold(journaled).ok_or_else(|| journaled.position.impossible(UNBALANCED))?;
                shelf.updated_at = journaled.at;
            }
        }
        write_shelves(connection, &shelves).await?;
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
        let mut wanted = Self::default();
        for (key, events) in gathered {
            let (tenant, sku) = name(key);
            let row = |id: u128| cells![tenant.as_str(), sku.as_str(), id];
            for journaled in events {
                match &journaled.event {
                    StockEvent::Reserved { hold, .. }
                    | StockEvent::Confirmed { hold, .. }
                    | StockEvent::Released { hold, .. }
                    | StockEvent::Unsold { hold, .. } => wanted.holds.push(row(hold.0)),
                    StockEvent::Expired { holds, .. } => {
                        wanted.holds.extend(holds.iter().map(|hold| row(hold.0)));
                    }
                    StockEvent::Allocated { drop, .. } | StockEvent::Settled { drop, .. } => {
                        wanted.allocations.push(row(drop.0));
                    }
                    StockEvent::Restocked { order, .. } => wanted.restocks.push(row(order.0)),
                    StockEvent::Adopted { .. } | StockEvent::Disowned | StockEvent::Adjusted { .. } => {}
                }
            }
        }
        wanted
    }
}

async fn read_shelves(
    connection: &mut SqliteConnection,
    gathered: &BTreeMap<EntityKey, Vec<JournalEvent<StockEvent>>>,
) -> sqlx::Result<BTreeMap<EntityKey, Shelf>> {
    let keys = gathered.keys().map(name).map(|(tenant, sku)| cells![tenant, sku]).collect();
    let mut shelves: BTreeMap<EntityKey, Shelf> = BTreeMap::new();
    for row in STOCK.read(connection, keys).await? {
        let owner = row.opt_id("product")?.zip(row.opt_id("variant")?);
        let shelf = Shelf {
            owner: owner.map(|(product, variant)| (ProductId(product), VariantId(variant))),
            counted: row.count("counted")? == 1,
            levels: StockLevels {
                on_hand: row.count("on_hand")?,
                available: row.count("available")?,
                held: row.count("held")?,
                allocated: row.count("allocated")?,
                sold: row.count("sold")?,
            },
            updated_at: row.time("updated_at")?,
            ..Shelf::default()
        };
        shelves.insert(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?), shelf);
    }
    let wanted = ReferencedRows::of(gathered);
    for row in HOLDS.read(connection, wanted.holds).await? {
        let hold = Hold { units: row.count("units")?, sold: row.count("sold")? == 1 };
        let shelf = shelves.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        shelf.holds.insert(HoldId(row.id("hold")?), Some(hold));
    }
    for row in ALLOCATIONS.read(connection, wanted.allocations).await? {
        let booked =
            Totals { sold: row.count("sold")?, unsold: row.count("unsold")?, returned: row.count("returned")? };
        let shelf = shelves.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        shelf.allocations.insert(DropId(row.id("drop_id")?), (row.count("total")?, booked));
    }
    for row in RESTOCKS.read(connection, wanted.restocks).await? {
        let shelf = shelves.entry(row.parsed::<Sku>("sku")?.key(&row.parsed("tenant")?)).or_default();
        shelf.restocked.insert(OrderId(row.id("order_id")?), row.count("total")?);
    }
    Ok(shelves)
}

async fn write_shelves(connection: &mut SqliteConnection, shelves: &BTreeMap<EntityKey, Shelf>) -> sqlx::Result<()> {
    let (mut stock, mut holds, mut over) = (Vec::new(), Vec::new(), Vec::new());
    let (mut allocations, mut restocks) = (Vec::new(), Vec::new());
    for (key, shelf) in shelves {
        let (tenant, sku) = name(key);
        let (tenant, sku, levels) = (tenant.as_str(), sku.as_str(), shelf.levels);
        stock.push(cells![
            tenant,
            sku,
            shelf.owner.map(|(product, _)| product.0),
            shelf.owner.map(|(_, variant)| variant.0),
            shelf.counted,
            levels.on_hand,
            levels.available,
            levels.held,
            levels.allocated,
            levels.sold,
            shelf.updated_at.0,
        ]);
        for (hold, state) in &shelf.holds {
            match state {
                Some(state) => holds.push(cells![tenant, sku, hold.0, state.units, state.sold]),
                None => over.push(cells![tenant, sku, hold.0]),
            }
        }
        for (drop, (total, booked)) in &shelf.allocations {
            allocations.push(cells![tenant, sku, drop.0, *total, booked.sold, booked.unsold, booked.returned]);
        }
        restocks.extend(shelf.restocked.iter().map(|(order, total)| cells![tenant, sku, order.0, *total]));
    }
    STOCK.put(connection, stock).await?;
    HOLDS.remove(connection, over).await?;
    HOLDS.put(connection, holds).await?;
    ALLOCATIONS.put(connection, allocations).await?;
    RESTOCKS.put(connection, restocks).await
}

impl Shelf {
    /// Applies an event as the aggregate itself would. Returns `None` if the units do not add up.
    fn fold(&mut self, journaled: &JournalEvent<StockEvent>) -> Option<()> {
        let levels = &mut self.levels;
        match &journaled.event {
            StockEvent::Adopted { product, variant, .. } => self.owner = Some((*product, *variant)),
            StockEvent::Disowned => self.owner = None,
            StockEvent::Adjusted { delta, .. } => {
                self.counted = true;
                levels.on_hand = levels.on_hand.saturating_add_signed(*delta);
                levels.available = levels.available.saturating_add_signed(*delta);
            }
            StockEvent::Allocated { drop, total } => {
                let known = self.allocations.entry(*drop).or_default();
                let more = total.checked_sub(known.0)?;
                known.0 = *total;
                move_units(&mut levels.available, &mut levels.allocated, more)?;
            }
            StockEvent::Settled { drop, totals } => self.settle(*drop, *totals)?,
            StockEvent::Reserved { hold, quantity, .. } => {
                let units = quantity.units();
                self.holds.insert(*hold, Some(Hold { units, sold: false }));
                move_units(&mut levels.available, &mut levels.held, units)?;
            }
            StockEvent::Confirmed { hold, .. } => {
                if let Some(Some(known @ Hold { sold: false, .. })) = self.holds.get_mut(hold) {
                    known.sold = true;
                    levels.on_hand = levels.on_hand.checked_sub(known.units)?;
                    move_units(&mut levels.held, &mut levels.sold, known.units)?;
                }
            }
            StockEvent::Released { hold, .. } => self.release(*hold)?,
            StockEvent::Unsold { hold, forgotten, .. } => {
                let sold = match self.holds.insert(*hold, None) {
                    Some(Some(Hold { units, sold: true })) => Some(units),
                    _ => None,
                };
                if let Some(units) = forgotten.map(|quantity| quantity.units()).or(sold) {
                    levels.on_hand = levels.on_hand.checked_add(units)?;
                    move_units(&mut levels.sold, &mut levels.available, units)?;
                }
            }
            StockEvent::Expired { holds, .. } => {
                for hold in holds {
                    self.release(*hold)?;
                }
            }
            StockEvent::Restocked { order, total } => {
                let known = self.restocked.entry(*order).or_default();
                let more = total.checked_sub(*known)?;
                *known = *total;
                levels.on_hand = levels.on_hand.checked_add(more)?;
                levels.available = levels.available.checked_add(more)?;
            }
        }
        Some(())
    }

    /// Ends a hold. A hold that is not sold returns its units; a sold one only leaves the list of holds.
    fn release(&mut self, hold: HoldId) -> Option<()> {
        if let Some(Some(Hold { units, sold: false })) = self.holds.insert(hold, None) {
            move_units(&mut self.levels.held, &mut self.levels.available, units)?;
        }
        Some(())
    }

    fn settle(&mut self, drop: DropId, totals: Totals) -> Option<()> {
        let (_, booked) = self.allocations.entry(drop).or_default();
        let sold = totals.sold.checked_sub(booked.sold)?;
        let unsold = totals.unsold.checked_sub(booked.unsold)?;
        let returned = totals.returned.checked_sub(booked.returned)?;
        *booked = totals;
        let levels = &mut self.levels;
        levels.allocated = levels.allocated.checked_add(returned)?.checked_sub(sold)?.checked_sub(unsold)?;
        levels.on_hand = levels.on_hand.checked_add(returned)?.checked_sub(sold)?;
        levels.sold = levels.sold.checked_add(sold)?.checked_sub(returned)?;
        levels.available = levels.available.checked_add(unsold)?;
        Some(())
    }
}

fn move_units(from: &mut u64, to: &mut u64, units: u64) -> Option<()> {
    *from = from.checked_sub(units)?;
    *to = to.checked_add(units)?;
    Some(())
}

#[cfg(test)]
mod tests;
