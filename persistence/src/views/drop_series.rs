//! Projects the course of each drop, second by second.
//!
//! An event states how many units it moves, so a row is a sum and no claim needs to be kept. In journals of earlier
//! versions the event that ends a claim does not state its units: those claims are kept in their own table until they
//! end.

use std::collections::BTreeMap;

use engine::{
    flash_drop::{DropEvent, Sale},
    id::{ClaimId, DropId, EntityKey, TenantId},
    money::AMOUNT_MAX,
    quantity::Quantity,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::Record;
use crate::sql::{
    Cell, Column, RowExt, Table, blob, cells, damaged,
    drop_series::{COUNTS, roll_up},
};

const ROWS: Table = Table {
    name: COUNTS.name,
    columns: &[
        Column::Plain("tenant"),
        Column::Id("drop_id"),
        Column::Plain("at"),
        Column::Plain("seconds"),
        Column::Plain("claims"),
        Column::Plain("released"),
        Column::Plain("sold"),
        Column::Plain("revenue"),
        Column::Plain("held"),
        Column::Plain("sold_total"),
        Column::Plain("revenue_total"),
    ],
    key: 3,
};

const ENDS: Table = Table {
    name: "drop_series_ends",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("drop_id"),
        Column::Plain("as_of"),
        Column::Plain("second"),
        Column::Plain("claims_made"),
        Column::Plain("held"),
        Column::Plain("sold"),
        Column::Plain("revenue"),
    ],
    key: 2,
};

const EARLIER_CLAIMS: Table = Table {
    name: "drop_series_claims",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("drop_id"),
        Column::Id("claim"),
        Column::Plain("number"),
        Column::Plain("units"),
        Column::Plain("price"),
    ],
    key: 3,
};

/// The tables, in an order in which they can be emptied.
pub(super) const TABLES: [&str; 3] = [ROWS.name, ENDS.name, EARLIER_CLAIMS.name];

/// The steps of drops, to be written to rows.
#[derive(Debug, Default)]
pub(super) struct Series {
    gathered: BTreeMap<EntityKey, Vec<Step>>,
}

#[derive(Debug)]
enum Step {
    /// Units moved, as stated by the event.
    Moved(Moves),
    /// A claim was made, in an event of an earlier version.
    Made(Moves, ClaimId, Sale),
    /// A claim ended or was sold, in an event of an earlier version that does not state its units.
    Ended(u64, Ended),
}

#[derive(Debug)]
enum Ended {
    Released(ClaimId),
    Expired(Vec<u32>),
    Sold(ClaimId),
    Unsold(ClaimId),
}

/// The units that moved at an instant, or within a second.
#[derive(Debug, Clone, Copy, Default)]
struct Moves {
    at_ms: u64,
    claims_made: u64,
    claims: u64,
    released: u64,
    sold: i64,
    revenue: i64,
    held: i64,
}

impl Moves {
    fn at(at_ms: u64) -> Self {
        Self { at_ms, ..Self::default() }
    }

    fn claimed(at_ms: u64, quantity: Quantity) -> Self {
        let units = quantity.units();
        Self { claims_made: 1, claims: units, held: units as i64, ..Self::at(at_ms) }
    }

    fn released(at_ms: u64, units: u64) -> Self {
        Self { released: units, held: -(units as i64), ..Self::at(at_ms) }
    }

    fn sold(at_ms: u64, sale: Sale) -> Self {
        let units = sale.quantity.units() as i64;
        Self { sold: units, revenue: sale.amount(), held: -units, ..Self::at(at_ms) }
    }

    fn unsold(at_ms: u64, sale: Sale) -> Self {
        Self { sold: -(sale.quantity.units() as i64), revenue: -sale.amount(), ..Self::at(at_ms) }
    }

    fn second(&self) -> u64 {
        self.at_ms / 1_000
    }

    fn add(&mut self, other: &Moves) {
        self.at_ms = self.at_ms.max(other.at_ms);
        self.claims_made += other.claims_made;
        self.claims += other.claims;
        self.released += other.released;
        self.sold += other.sold;
        self.revenue = self.revenue.saturating_add(other.revenue).clamp(-AMOUNT_MAX, AMOUNT_MAX);
        self.held += other.held;
    }
}

/// The state of a drop at the end of its series.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    as_of_ms: u64,
    second: u64,
    claims_made: u64,
    held: u64,
    sold: u64,
    revenue: i64,
}

/// A row while events are folded into it.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    moves: Moves,
    end: End,
}

impl Series {
    /// Records the units that an event moves.
    pub(super) fn note(&mut self, record: &Record<'_>, event: &DropEvent) {
        let at_ms = record.at.0;
        let step = match event {
            DropEvent::Created { .. } => Step::Moved(Moves::at(at_ms)),
            DropEvent::Claimed { quantity, number: Some(_), .. } => Step::Moved(Moves::claimed(at_ms, *quantity)),
            DropEvent::Claimed { claim, quantity, price, number: None, .. } => {
                Step::Made(Moves::claimed(at_ms, *quantity), *claim, Sale { quantity: *quantity, price: *price })
            }
            DropEvent::Released { quantity: Some(quantity), .. } => {
                Step::Moved(Moves::released(at_ms, quantity.units()))
            }
            DropEvent::Released { claim, quantity: None, .. } => Step::Ended(at_ms, Ended::Released(*claim)),
            DropEvent::Expired { units: Some(units), .. } => Step::Moved(Moves::released(at_ms, *units)),
            DropEvent::Expired { claims, units: None, .. } => Step::Ended(at_ms, Ended::Expired(claims.clone())),
            DropEvent::Sold { sale: Some(sale), .. } => Step::Moved(Moves::sold(at_ms, *sale)),
            DropEvent::Sold { claim, sale: None, .. } => Step::Ended(at_ms, Ended::Sold(*claim)),
            DropEvent::Unsold { sale: Some(sale), .. } => Step::Moved(Moves::unsold(at_ms, *sale)),
            DropEvent::Unsold { claim, sale: None, .. } => Step::Ended(at_ms, Ended::Unsold(*claim)),
            _ => return,
        };
        let steps = match self.gathered.get_mut(&record.key) {
            Some(steps) => steps,
            None => self.gathered.entry(record.key.clone()).or_default(),
        };
        match (steps.last_mut(), &step) {
            // The claims of one second in a rush become one step.
            (Some(Step::Moved(last)), Step::Moved(moves)) if last.second() == moves.second() => last.add(moves),
            _ => steps.push(step),
        }
    }

    /// Writes the recorded steps.
    pub(super) async fn write(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return Ok(());
        }
        let keys = gathered.keys().map(|key| cells![key.tenant().as_str(), key.id128().unwrap_or_default()]);
        let mut ends = BTreeMap::new();
        for row in ENDS.read(connection, keys.collect()).await? {
            ends.insert(DropId(row.id("drop_id")?).key(&row.parsed("tenant")?), read_end(&row)?);
        }
        let newest = ends.iter().map(|(key, end): (&EntityKey, &End)| row_key(key, end.second)).collect();
        let mut newest_rows = BTreeMap::new();
        for row in ROWS.read(connection, newest).await? {
            newest_rows.insert(DropId(row.id("drop_id")?).key(&row.parsed("tenant")?), read_moves(&row)?);
        }
        for (key, steps) in gathered {
            let (tenant, drop) = (key.tenant(), DropId(key.id128().unwrap_or_default()));
            let before = ends.get(&key).copied();
            let mut course = Course { end: before.unwrap_or_default(), points: BTreeMap::new() };
            if let Some(moves) = newest_rows.get(&key) {
                course.points.insert(course.end.second, Point { moves: *moves, end: course.end });
            }
            course.fold(connection, &tenant, drop, steps).await?;
            let rows = course.points.iter().map(|(second, point)| point.cells(&key, *second));
            ROWS.put(connection, rows.collect()).await?;
            ENDS.put(connection, vec![course.end.cells(&key)]).await?;
            let newest_before = before.map_or(0, |before| before.second);
            roll_up(connection, &COUNTS, (&tenant, drop), newest_before, course.end.second).await?;
        }
        Ok(())
    }

    /// Discards the recorded steps.
    pub(super) fn discard(&mut self) {
        self.gathered.clear();
    }
}

/// One drop's series from its end on.
struct Course {
    end: End,
    /// The rows to write, by second.
    points: BTreeMap<u64, Point>,
}

impl Course {
    async fn fold(
        &mut self,
        connection: &mut SqliteConnection,
        tenant: &TenantId,
        drop: DropId,
        steps: Vec<Step>,
    ) -> sqlx::Result<()> {
        // Claims of earlier versions that are not in their table yet.
        let mut made: Vec<Vec<Cell>> = Vec::new();
        for step in steps {
            match step {
                Step::Moved(moves) => self.add(&moves),
                Step::Made(moves, claim, sale) => {
                    let (number, units) = (self.end.claims_made, sale.quantity.units());
                    made.push(cells![tenant.as_str(), drop.0, claim.0, number, units, sale.price]);
                    self.add(&moves);
                }
                Step::Ended(at_ms, ended) => {
                    EARLIER_CLAIMS.put(connection, std::mem::take(&mut made)).await?;
                    let moves = look_up(connection, tenant, drop, at_ms, ended).await?;
                    self.add(&moves);
                }
            }
        }
        EARLIER_CLAIMS.put(connection, made).await
    }

    fn add(&mut self, moves: &Moves) {
        let end = &mut self.end;
        end.as_of_ms = end.as_of_ms.max(moves.at_ms);
        end.claims_made += moves.claims_made;
        end.held = end.held.saturating_add_signed(moves.held);
        end.sold = end.sold.saturating_add_signed(moves.sold);
        end.revenue = end.revenue.saturating_add(moves.revenue);
        if moves.claims == 0 && moves.released == 0 && moves.sold == 0 && moves.revenue == 0 {
            return;
        }
        // Events are applied in the order of the journal. A clock that was set back does not change a past row.
        end.second = end.second.max(moves.second());
        let point = self.points.entry(end.second).or_default();
        point.moves.add(moves);
        point.end = *end;
    }
}

/// Returns the units that the end of a claim of an earlier version moves: none if the claim has ended already.
async fn look_up(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    drop: DropId,
    at_ms: u64,
    ended: Ended,
) -> sqlx::Result<Moves> {
    let (claim, stays) = match &ended {
        Ended::Expired(numbers) => {
            let mut units = 0;
            for number in numbers {
                let sql = "DELETE FROM drop_series_claims WHERE tenant = ?1 AND drop_id = ?2 AND number = ?3
                               RETURNING units";
                let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(drop.0)).bind(number);
                let row = query.fetch_optional(&mut *connection).await?;
                units += row.map(|row| row.count("units")).transpose()?.unwrap_or(0);
            }
            return Ok(Moves::released(at_ms, units));
        }
        Ended::Sold(claim) => (claim, true),
        Ended::Released(claim) | Ended::Unsold(claim) => (claim, false),
    };
    // A sold claim is kept, because its sale may be reversed.
    let sql = "SELECT units, price FROM drop_series_claims WHERE tenant = ?1 AND drop_id = ?2 AND claim = ?3";
    let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(drop.0)).bind(blob(claim.0));
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(Moves::at(at_ms)) };
    if !stays {
        EARLIER_CLAIMS.remove(connection, vec![cells![tenant.as_str(), drop.0, claim.0]]).await?;
    }
    let quantity = Quantity::new(row.try_get("units")?).map_err(|error| damaged("units", error))?;
    let sale = Sale { quantity, price: row.try_get("price")? };
    Ok(match ended {
        Ended::Sold(_) => Moves::sold(at_ms, sale),
        Ended::Unsold(_) => Moves::unsold(at_ms, sale),
        Ended::Released(_) | Ended::Expired(_) => Moves::released(at_ms, quantity.units()),
    })
}

fn row_key(key: &EntityKey, second: u64) -> Vec<Cell> {
    cells![key.tenant().as_str(), key.id128().unwrap_or_default(), second]
}

fn read_end(row: &SqliteRow) -> sqlx::Result<End> {
    Ok(End {
        as_of_ms: row.count("as_of")?,
        second: row.count("second")?,
        claims_made: row.count("claims_made")?,
        held: row.count("held")?,
        sold: row.count("sold")?,
        revenue: row.try_get("revenue")?,
    })
}

fn read_moves(row: &SqliteRow) -> sqlx::Result<Moves> {
    Ok(Moves {
        claims: row.count("claims")?,
        released: row.count("released")?,
        sold: row.try_get("sold")?,
        revenue: row.try_get("revenue")?,
        ..Moves::default()
    })
}

impl End {
    fn cells(&self, key: &EntityKey) -> Vec<Cell> {
        let Self { as_of_ms, second, claims_made, held, sold, revenue } = *self;
        let (tenant, drop) = (key.tenant(), key.id128().unwrap_or_default());
        cells![tenant.as_str(), drop, as_of_ms, second, claims_made, held, sold, revenue]
    }
}

impl Point {
    fn cells(&self, key: &EntityKey, second: u64) -> Vec<Cell> {
        let Moves { claims, released, sold, revenue, .. } = self.moves;
        let mut cells = row_key(key, second);
        cells.extend(cells![1u32, claims, released, sold, revenue, self.end.held, self.end.sold, self.end.revenue]);
        cells
    }
}

#[cfg(test)]
mod tests;
