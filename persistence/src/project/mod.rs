//! Projections: accepted events, folded into the rows that lists read.
//!
//! ```text
//!   shard 0  ──┬── 41 ── 42 ── L ── 44 ──►        L: a Lead, or a batch without entries; it takes a position too
//!   shard 1  ──┴── 17 ── 18 ──►
//!                    │
//!                 apply(stretches)       one transaction: rows, and the position of each shard
//!                    ▼
//!      products · drops · stock · checkouts · orders        projection_positions: 0 → 45, 1 → 19
//! ```
//!
//! Each shard's records come in the order of their positions, and no order is assumed between shards. Rows and
//! positions change together, so a crash loses nothing and counts nothing twice: what is not committed is handed in
//! again, and what is handed in twice is skipped. A projection never guesses: an event that it does not know, or that
//! does not fit what went before, stops it with an error.
//!
//! **A new kind** is one file with a `Projection`, and one line in `projections!` below.

mod cart;
mod checkout;
mod decode;
mod drop;
mod error;
mod inventory;
mod members;
mod order;
mod position;
mod product;
mod series;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use engine::{
    id::{EntityKey, Kind},
    time::Timestamp,
};
use sqlx::SqliteConnection;

pub(crate) use self::position::read_positions;
pub use self::{
    error::{Place, ProjectError},
    members::BUYERS_REMEMBERED_MAX,
};
use crate::sql::ReadSide;

/// The layout of the projected rows. Raise it when a table or the meaning of a column changes: a program that finds
/// another one empties the tables, and the journal is read again.
pub const LAYOUT: u32 = 6;

/// The most positions that should be handed in at once: one transaction of some tens of milliseconds, and what is
/// held in memory for it.
pub const POSITIONS_PER_APPLY_MAX: usize = 16_384;

/// An accepted entry: what happened to one entity by one command.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Its position in the shard.
    pub position: u64,
    /// The entity.
    pub key: EntityKey,
    /// When it was decided.
    pub at: Timestamp,
    /// Its events, one after the other in CBOR.
    pub events: &'a [u8],
}

/// Accepted positions of one shard, from `first` to before `end`, and the records among them. Leads and batches without
/// entries take positions and have no record.
#[derive(Debug, Clone)]
pub struct Stretch<'a> {
    /// The shard.
    pub shard: u16,
    /// The first position.
    pub first: u64,
    /// The position after the last.
    pub end: u64,
    /// The records, in the order of their positions.
    pub records: Vec<Record<'a>>,
}

/// What one call of [`Projector::apply`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Records that were taken in.
    pub records: usize,
    /// Records that had been taken in before.
    pub skipped: usize,
}

/// How one kind of entity becomes rows. Records are gathered first, for all shards, and written together.
trait Projection: Default {
    /// Its tables, in an order in which they can be emptied.
    const TABLES: &'static [&'static str];

    /// Decodes a record and keeps what matters. Neither reads nor writes rows.
    fn gather(&mut self, place: Place, record: &Record<'_>) -> Result<(), ProjectError>;

    /// Changes the rows by all that was gathered since the last write.
    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError>;

    /// What was written is committed.
    fn committed(&mut self) {}

    /// Forgets what was gathered, or written and not committed.
    fn abandon(&mut self);
}

/// Names each kind with its projection, or among those that no list shows.
macro_rules! projections {
    (shown { $($kind:ident => $field:ident: $type:ty,)* } hidden { $($hidden:ident),* }) => {
        #[derive(Debug, Default)]
        struct Projections { $($field: $type,)* }

        impl Projections {
            fn gather(&mut self, place: Place, record: &Record<'_>) -> Result<(), ProjectError> {
                match record.key.kind() {
                    $(Kind::$kind => self.$field.gather(place, record),)*
                    $(Kind::$hidden)|* => Ok(()),
                }
            }

            async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
                $(self.$field.write(connection).await?;)*
                Ok(())
            }

            fn committed(&mut self) {
                $(self.$field.committed();)*
            }

            fn abandon(&mut self) {
                $(self.$field.abandon();)*
            }
        }

        /// The tables of each projection.
        pub(crate) fn tables() -> [(&'static str, &'static [&'static str]); [$(Kind::$kind),*].len()] {
            [$((Kind::$kind.name(), <$type as Projection>::TABLES)),*]
        }
    };
}

projections! {
    shown {
        Product => products: product::Products,
        Inventory => stock: inventory::Stock,
        Drop => drops: drop::Drops,
        Cart => carts: cart::Carts,
        Checkout => checkouts: checkout::Checkouts,
        Order => orders: order::Orders,
    }
    hidden { Payment, OrderNumbers }
}

/// Takes accepted records in. There is one for each database: a second one would only find its positions moved.
#[derive(Debug)]
pub struct Projector {
    read_side: ReadSide,
    projections: Projections,
}

impl Projector {
    /// A projector for this database. Rows of another [`LAYOUT`] are emptied, so that positions begin at 0 again.
    pub async fn open(read_side: ReadSide) -> Result<Self, ProjectError> {
        let mut projector = Self { read_side, projections: Projections::default() };
        let mut connection = projector.read_side.begin().await?;
        let found = position::read_layout(&mut connection).await?;
        drop(connection);
        if found != Some(LAYOUT) {
            tracing::info!(found, layout = LAYOUT, "projections are rebuilt");
            projector.clear_for_rebuild().await?;
        }
        Ok(projector)
    }

    /// The next position of each shard; a shard that is not there is at 0. Hand in records from there on.
    pub async fn positions(&self) -> Result<BTreeMap<u16, u64>, ProjectError> {
        Ok(self.read_side.positions().await?)
    }

    /// Takes stretches of any shards in, all of them or none. Several of one shard come in their order. Positions that
    /// were taken in before are skipped; a stretch that begins after the next one is refused.
    ///
    /// After [`ProjectError::Store`] hand the same in again. After any other error something is wrong with the events
    /// or with this program, and handing in again will not help.
    pub async fn apply(&mut self, stretches: &[Stretch<'_>]) -> Result<Applied, ProjectError> {
        let outcome = self.apply_all(stretches).await;
        match &outcome {
            Ok(_) => self.projections.committed(),
            Err(_) => self.projections.abandon(),
        }
        outcome
    }

    async fn apply_all(&mut self, stretches: &[Stretch<'_>]) -> Result<Applied, ProjectError> {
        // A call that was cancelled halfway left what it had gathered.
        self.projections.abandon();
        let mut tx = self.read_side.begin().await?;
        let before = position::read_positions(&mut tx).await?;
        let mut after = before.clone();
        let mut applied = Applied::default();
        for stretch in stretches {
            let next = after.entry(stretch.shard).or_default();
            stretch.check(*next)?;
            for record in &stretch.records {
                if record.position < *next {
                    applied.skipped += 1;
                    continue;
                }
                let place = Place { shard: stretch.shard, position: record.position };
                self.projections.gather(place, record)?;
                applied.records += 1;
            }
            *next = stretch.end.max(*next);
        }
        if after != before {
            self.projections.write(&mut tx).await?;
            position::move_positions(&mut tx, &before, &after).await?;
            tx.commit().await?;
        }
        Ok(applied)
    }

    /// Empties every projected table and takes all positions back to 0. Accounts, contacts and all else that the
    /// journal does not have are left alone. Lists are empty until the journal has been handed in again.
    pub async fn clear_for_rebuild(&mut self) -> Result<(), ProjectError> {
        // Remembered rows are about to go.
        self.projections = Projections::default();
        let mut tx = self.read_side.begin().await?;
        for table in tables().iter().flat_map(|(_, tables)| *tables) {
            sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {table}"))).execute(&mut *tx).await?;
        }
        position::clear(&mut tx, LAYOUT).await?;
        Ok(tx.commit().await?)
    }
}

impl Stretch<'_> {
    /// Whether it can be taken in by a shard whose next position is `next`.
    fn check(&self, next: u64) -> Result<(), ProjectError> {
        if self.first > next {
            return Err(ProjectError::Gap { shard: self.shard, expected: next, found: self.first });
        }
        let mut lowest = self.first;
        for record in &self.records {
            if record.position < lowest || record.position >= self.end {
                return Err(ProjectError::Disordered { place: Place { shard: self.shard, position: record.position } });
            }
            lowest = record.position + 1;
        }
        Ok(())
    }
}
