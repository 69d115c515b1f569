//! Projects which subjects have claimed in which drop.
//!
//! A rush brings tens of thousands of new pairs of drop and subject per second, spread over all subjects. In a B-tree
//! of pairs each would need its own descent and nearly its own page: a batch of 10,000 took 33 ms on 2 busy cores,
//! including decoding and commit. A crowd is therefore written in bulk, with one row for each of `CROWD_BUCKETS` groups
//! of subjects, and a lookup of a subject scans the rows of its bucket: the same batch takes 11 ms. Pairs that arrive
//! in small numbers go to a B-tree.

use std::collections::{HashMap, HashSet};

use engine::id::{EntityKey, SubjectId};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::sql::{Column, Table, cells, lists::crowd_bucket};

/// The number of new pairs of one drop in one write that make a crowd: some eight per bucket, so that rows stay few.
const CROWD_MIN: usize = 1_024;
/// The maximum number of pairs kept in memory, so that further claims of a buyer cost nothing: some 10 MB.
pub const BUYERS_REMEMBERED_MAX: usize = 200_000;

/// The tables, in an order in which they can be emptied.
pub(super) const TABLES: [&str; 2] = ["drop_buyers", "drop_crowds"];

const BUYERS: Table = Table {
    name: "drop_buyers",
    columns: &[Column::Plain("tenant"), Column::Id("subject"), Column::Id("drop_id")],
    key: 3,
};

type Pairs = HashMap<EntityKey, HashSet<SubjectId>>;

/// The pairs to be written, and those that are known to be written already.
#[derive(Debug, Default)]
pub(super) struct DropBuyers {
    fresh: Pairs,
    written: Pairs,
    known: Known,
}

/// A bounded set of pairs. When the younger half is full it replaces the older half, whose pairs are forgotten. A
/// forgotten pair is written once more if it occurs again, which is harmless.
#[derive(Debug, Default)]
struct Known {
    younger: Pairs,
    younger_pairs: usize,
    older: Pairs,
}

impl Known {
    fn has(&self, drop: &EntityKey, subject: SubjectId) -> bool {
        let has = |pairs: &Pairs| pairs.get(drop).is_some_and(|subjects| subjects.contains(&subject));
        has(&self.younger) || has(&self.older)
    }

    fn add(&mut self, pairs: Pairs) {
        for (drop, subjects) in pairs {
            if self.younger_pairs + subjects.len() > BUYERS_REMEMBERED_MAX / 2 {
                self.older = std::mem::take(&mut self.younger);
                self.younger_pairs = 0;
            }
            self.younger_pairs += subjects.len();
            self.younger.entry(drop).or_default().extend(subjects);
        }
    }
}

impl DropBuyers {
    /// Records that `subject` claimed in a drop.
    pub(super) fn note(&mut self, drop: &EntityKey, subject: SubjectId) {
        if self.known.has(drop, subject) {
            return;
        }
        match self.fresh.get_mut(drop) {
            Some(subjects) => {
                subjects.insert(subject);
            }
            None => {
                self.fresh.insert(drop.clone(), HashSet::from([subject]));
            }
        }
    }

    /// Writes the recorded pairs.
    pub(super) async fn write(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.written = std::mem::take(&mut self.fresh);
        let mut one_by_one = Vec::new();
        for (drop, subjects) in &self.written {
            if subjects.len() >= CROWD_MIN {
                write_crowd(connection, drop, subjects).await?;
                continue;
            }
            let (tenant, id) = (drop.tenant(), drop.id128().unwrap_or_default());
            one_by_one.extend(subjects.iter().map(|subject| cells![tenant.as_str(), subject.0, id]));
        }
        if one_by_one.is_empty() { Ok(()) } else { BUYERS.put(connection, one_by_one).await }
    }

    /// Remembers the written pairs, which are now committed.
    pub(super) fn committed(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.known.add(written);
    }

    /// Discards the pairs that were recorded, or written and not committed.
    pub(super) fn discard(&mut self) {
        self.fresh.clear();
        self.written.clear();
    }
}

async fn write_crowd(
    connection: &mut SqliteConnection,
    drop: &EntityKey,
    subjects: &HashSet<SubjectId>,
) -> sqlx::Result<()> {
    let mut buckets: HashMap<i64, Vec<u8>> = HashMap::new();
    for subject in subjects {
        buckets.entry(crowd_bucket(*subject)).or_default().extend_from_slice(&subject.to_bytes());
    }
    let tenant = drop.tenant();
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO drop_crowds (tenant, bucket, drop_id, subjects) ");
    query.push_values(buckets, |mut row, (bucket, subjects)| {
        row.push_bind(tenant.as_str()).push_bind(bucket).push_bind(drop.id()).push_bind(subjects);
    });
    query.build().execute(connection).await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use engine::id::{DropId, TenantId};

    use super::*;

    fn subject(n: usize) -> SubjectId {
        SubjectId(n as u128)
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let drop = DropId(1).key(&TenantId::new("acme").unwrap());
        let mut drop_buyers = DropBuyers::default();
        let batch = BUYERS_REMEMBERED_MAX / 8;
        for n in 0..20 {
            (n * batch..(n + 1) * batch).for_each(|n| drop_buyers.note(&drop, subject(n)));
            drop_buyers.written = std::mem::take(&mut drop_buyers.fresh);
            drop_buyers.committed();
            let size = |pairs: &Pairs| pairs.values().map(HashSet::len).sum::<usize>();
            assert!(size(&drop_buyers.known.younger) + size(&drop_buyers.known.older) <= BUYERS_REMEMBERED_MAX);
        }
        drop_buyers.note(&drop, subject(20 * batch - 1));
        assert!(drop_buyers.fresh.is_empty(), "known");
        drop_buyers.note(&drop, subject(0));
        assert_eq!(drop_buyers.fresh[&drop].len(), 1, "forgotten, and written again");
    }

    #[test]
    fn uncommitted_data_is_not_visible() {
        let drop = DropId(1).key(&TenantId::new("acme").unwrap());
        let mut drop_buyers = DropBuyers::default();
        drop_buyers.note(&drop, subject(1));
        drop_buyers.written = std::mem::take(&mut drop_buyers.fresh);
        drop_buyers.discard();
        drop_buyers.note(&drop, subject(1));
        assert_eq!(drop_buyers.fresh[&drop].len(), 1);
    }
}
