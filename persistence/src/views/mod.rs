//! Projections: fold accepted events into the rows that lists read.
//!
//! ```text
//!   shard 0  ──┬── 41 ── 42 ── L ── 44 ──►        L: a new leadership, or a batch without entries; it takes a position too
//!   shard 1  ──┴── 17 ── 18 ──►
//!                    │
//!                 apply(ranges)       one transaction: rows, and the position of each shard
//!                    ▼
//!      products · drops · stock · checkouts · orders        projection_positions: 0 → 45, 1 → 19
//! ```
//!
//! The records of each shard arrive in the order of their positions; no order is assumed between shards. Rows and
//! positions change in the same transaction, so a crash neither loses a record nor applies it twice: records that were
//! not committed are applied again, and records that were committed are skipped. A projection never guesses: an event
//! that it does not know, or that does not fit the events before it, stops the projection with an error.
//!
//! **To add a kind of entity**, write one file with a `Projection` and add one line to `projections!` below. A kind
//! that no list shows needs neither.
//!
//! How an event changes the public view of an entity is defined once, in `engine/src/<kind>/view.rs`: a projection here
//! reads that view from rows, applies events with the same code as the aggregate, and writes the rows.

mod cart;
mod checkout;
mod decode;
mod drop_buyers;
mod drop_series;
mod error;
mod flash_drop;
mod order;
mod position;
mod product;
mod rows;
mod stock;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use engine::{id::EntityKey, kinds::Kind, time::Timestamp};
use sqlx::SqliteConnection;

pub(crate) use self::position::read_positions;
pub use self::{
    drop_buyers::BUYERS_REMEMBERED_MAX,
    error::{JournalPosition, ProjectError},
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

/// The accepted positions of one shard from `first` to before `end`, with their records. Leadership changes and batches
/// without entries take positions and have no record.
#[derive(Debug, Clone)]
pub struct RecordRange<'a> {
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
    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError>;

    /// Applies everything gathered since the last write to the rows.
    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError>;

    /// Called after the written rows are committed.
    fn committed(&mut self) {}

    /// Discards everything that was gathered, or written and not committed.
    fn discard(&mut self);
}

/// Maps kinds of entities to their projections. The records of all other kinds only move the position.
macro_rules! projections {
    ($($kind:ident => $field:ident: $type:ty,)*) => {
        #[derive(Debug, Default)]
        struct Projections { $($field: $type,)* }

        impl Projections {
            fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
                match record.key.kind() {
                    $(Kind::$kind => self.$field.gather(position, record),)*
                    _ => Ok(()),
                }
            }

            async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
                $(self.$field.write(connection).await?;)*
                Ok(())
            }

            fn committed(&mut self) {
                $(self.$field.committed();)*
            }

            fn discard(&mut self) {
                $(self.$field.discard();)*
            }
        }

        /// Returns the tables of each projection.
        pub(crate) fn tables() -> [(&'static str, &'static [&'static str]); [$(Kind::$kind),*].len()] {
            [$((Kind::$kind.name(), <$type as Projection>::TABLES)),*]
        }
    };
}

projections! {
    Product => products: product::Products,
    Stock => stock: stock::Stock,
    Drop => drops: flash_drop::Drops,
    Cart => carts: rows::Rows<engine::cart::CartSummary>,
    Checkout => checkouts: rows::Rows<checkout::CheckoutRow>,
    Order => orders: rows::Rows<engine::order::OrderView>,
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

    /// Applies ranges of any shards, all of them or none. Several ranges of one shard must be in order. Positions
    /// that were applied before are skipped; a range that begins after the next position is refused.
    ///
    /// After [`ProjectError::Store`], apply the same ranges again. Any other error means a fault in the events or in
    /// this program, and a retry does not help.
    pub async fn apply(&mut self, ranges: &[RecordRange<'_>]) -> Result<Applied, ProjectError> {
        let outcome = self.apply_all(ranges).await;
        match &outcome {
            Ok(_) => self.projections.committed(),
            Err(_) => self.projections.discard(),
        }
        outcome
    }

    async fn apply_all(&mut self, ranges: &[RecordRange<'_>]) -> Result<Applied, ProjectError> {
        // A call that was cancelled halfway may have left gathered records.
        self.projections.discard();
        let mut tx = self.read_side.begin().await?;
        let before = position::read_positions(&mut tx).await?;
        let mut after = before.clone();
        let mut applied = Applied::default();
        for range in ranges {
            let next = after.entry(range.shard).or_default();
            range.check(*next)?;
            for record in &range.records {
                if record.position < *next {
                    applied.skipped += 1;
                    continue;
                }
                let position = JournalPosition { shard: range.shard, position: record.position };
                self.projections.gather(position, record)?;
                applied.records += 1;
            }
            *next = range.end.max(*next);
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

impl RecordRange<'_> {
    /// Checks that the range can be applied to a shard whose next position is `next`.
    fn check(&self, next: u64) -> Result<(), ProjectError> {
        if self.first > next {
            return Err(ProjectError::Gap { shard: self.shard, expected: next, found: self.first });
        }
        let mut lowest = self.first;
        for record in &self.records {
            if record.position < lowest || record.position >= self.end {
                return Err(ProjectError::Disordered {
                    position: JournalPosition { shard: self.shard, position: record.position },
                });
            }
            lowest = record.position + 1;
        }
        Ok(())
    }
}
