//! Projections: fold accepted events into the rows that lists read.
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
//! The records of each shard arrive in the order of their positions; no order is assumed between shards. Rows and
//! positions change in the same transaction, so a crash neither loses a record nor applies it twice: records that were
//! not committed are applied again, and records that were committed are skipped. A projection never guesses: an event
//! that it does not know, or that does not fit the events before it, stops the projection with an error.
//!
//! **To add a kind of entity**, write one file with a `Projection` and add one line to `projections!` below.

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

use engine::{id::EntityKey, kinds::Kind, time::Timestamp};
use sqlx::SqliteConnection;

pub(crate) use self::position::read_positions;
pub use self::{
    error::{Place, ProjectError},
    members::BUYERS_REMEMBERED_MAX,
};
use crate::sql::ReadSide;

/// The version of the projected tables. Raise it when a table or the meaning of a column changes: a program that finds
/// another version empties the tables and reads the journal again.
pub const LAYOUT: u32 = 6;

/// The maximum number of positions to apply at once. It bounds the transaction to some tens of milliseconds, and the
/// memory that it takes.
pub const POSITIONS_PER_APPLY_MAX: usize = 16_384;

/// An accepted entry: the effect of one command on one entity.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The position in the shard.
    pub position: u64,
    /// The key of the entity.
    pub key: EntityKey,
    /// The time of the decision.
    pub at: Timestamp,
    /// The events, concatenated in CBOR.
    pub events: &'a [u8],
}

/// The accepted positions of one shard from `first` to before `end`, with their records. Leads and batches without
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

/// The result of one call of [`Projector::apply`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// The number of records that were applied.
    pub records: usize,
    /// The number of records that were skipped, because they had been applied before.
    pub skipped: usize,
}

/// Turns one kind of entity into rows. Records of all shards are gathered first and then written together.
trait Projection: Default {
    /// The tables of the projection, in an order in which they can be emptied.
    const TABLES: &'static [&'static str];

    /// Decodes a record and keeps what matters. Neither reads nor writes rows.
    fn gather(&mut self, place: Place, record: &Record<'_>) -> Result<(), ProjectError>;

    /// Applies everything gathered since the last write to the rows.
    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError>;

    /// Called after the written rows are committed.
    fn committed(&mut self) {}

    /// Discards everything that was gathered, or written and not committed.
    fn abandon(&mut self);
}

/// Maps each kind of entity to its projection, or lists it among the kinds that have none.
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

        /// Returns the tables of each projection.
        pub(crate) fn tables() -> [(&'static str, &'static [&'static str]); [$(Kind::$kind),*].len()] {
            [$((Kind::$kind.name(), <$type as Projection>::TABLES)),*]
        }
    };
}

projections! {
    shown {
        Product => products: product::Products,
        Stock => stock: inventory::Stock,
        Drop => drops: drop::Drops,
        Cart => carts: cart::Carts,
        Checkout => checkouts: checkout::Checkouts,
        Order => orders: order::Orders,
    }
    hidden { Payment, OrderNumbers }
}

/// Applies accepted records to the rows. Each database has exactly one: a second would find its positions moved.
#[derive(Debug)]
pub struct Projector {
    read_side: ReadSide,
    projections: Projections,
}

impl Projector {
    /// Opens the projector of this database. If the rows have another [`LAYOUT`], they are deleted and all positions
    /// return to 0.
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

    /// Returns the next position of each shard. A missing shard is at 0. Pass records from these positions on to
    /// `apply`.
    pub async fn positions(&self) -> Result<BTreeMap<u16, u64>, ProjectError> {
        Ok(self.read_side.positions().await?)
    }

    /// Applies stretches of any shards, all of them or none. Several stretches of one shard must be in order. Positions
    /// that were applied before are skipped; a stretch that begins after the next position is refused.
    ///
    /// After [`ProjectError::Store`], apply the same stretches again. Any other error means a fault in the events or in
    /// this program, and a retry does not help.
    pub async fn apply(&mut self, stretches: &[Stretch<'_>]) -> Result<Applied, ProjectError> {
        let outcome = self.apply_all(stretches).await;
        match &outcome {
            Ok(_) => self.projections.committed(),
            Err(_) => self.projections.abandon(),
        }
        outcome
    }

    async fn apply_all(&mut self, stretches: &[Stretch<'_>]) -> Result<Applied, ProjectError> {
        // A call that was cancelled halfway may have left gathered records.
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

    /// Empties every projected table and resets all positions to 0. Accounts, contacts and all other data that is not
    /// in the journal are kept. Lists are empty until the journal has been applied again.
    pub async fn clear_for_rebuild(&mut self) -> Result<(), ProjectError> {
        // The rows that the projections remember are about to be deleted.
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
    /// Checks that the stretch can be applied to a shard whose next position is `next`.
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
