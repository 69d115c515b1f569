//! Who has claimed in which drop.
//!
//! A rush brings tens of thousands of new pairs a second, spread over all subjects. In one big tree nearly every pair
//! would dirty a page of its own; so new pairs go to a *generation*, whose few pages take them side by side, and a new
//! generation begins when one is full. A reader looks into each generation.

use std::collections::{HashMap, HashSet};

use engine::id::{EntityKey, SubjectId, TenantId};
use sqlx::SqliteConnection;

use crate::sql::number;

/// Pairs of one generation: some 2 MB of pages, half of what a batch would otherwise dirty in a large tree, and a
/// hundred generations for three million buyers.
const GENERATION_PAIRS: u64 = 32_768;
/// Pairs that are remembered, so that a buyer's further claims cost nothing: some 10 MB.
pub const BUYERS_REMEMBERED_MAX: usize = 200_000;

/// The tables, in an order in which they can be emptied.
pub(super) const TABLES: [&str; 2] = ["drop_buyers", "drop_buyer_generations"];

type Pairs = HashMap<EntityKey, HashSet<SubjectId>>;

/// Pairs on their way into rows, and those that are known to be there.
#[derive(Debug, Default)]
pub(super) struct Members {
    fresh: Pairs,
    written: Pairs,
    known: Known,
}

/// A bounded memory: when the younger half is full it becomes the older one, whose pairs are forgotten. One that is
/// forgotten is written once more, into a later generation, which does no harm.
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

impl Members {
    /// Notes that `subject` claimed in a drop.
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

    /// Writes what was noted.
    pub(super) async fn write(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.written = std::mem::take(&mut self.fresh);
        for (drop, subjects) in &self.written {
            let mut subjects: Vec<SubjectId> = subjects.iter().copied().collect();
            // In the tree's order: neighbours share a page.
            subjects.sort_unstable();
            let tenant = drop.tenant();
            let generation = take_room(connection, &tenant, subjects.len() as u64).await?;
            insert(connection, &tenant, generation, drop.id(), &subjects).await?;
        }
        Ok(())
    }

    /// What was written is there.
    pub(super) fn committed(&mut self) {
        let written = std::mem::take(&mut self.written);
        self.known.add(written);
    }

    /// Forgets what was noted, and what was written and not committed.
    pub(super) fn abandon(&mut self) {
        self.fresh.clear();
        self.written.clear();
    }
}

/// The generation that takes these pairs.
async fn take_room(connection: &mut SqliteConnection, tenant: &TenantId, pairs: u64) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO drop_buyer_generations (tenant, generation, pairs) VALUES (?1, 0, ?2)
         ON CONFLICT (tenant) DO UPDATE SET
             generation = generation + (pairs >= ?3),
             pairs = CASE WHEN pairs >= ?3 THEN ?2 ELSE pairs + ?2 END
         RETURNING generation",
    )
    .bind(tenant.as_str())
    .bind(number(pairs))
    .bind(number(GENERATION_PAIRS))
    .fetch_one(connection)
    .await
}

/// Inserts pairs out of one value that holds all the subjects, 16 bytes each: one statement for any number of them.
async fn insert(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    generation: i64,
    drop: &[u8],
    subjects: &[SubjectId],
) -> sqlx::Result<()> {
    let bytes: Vec<u8> = subjects.iter().flat_map(|subject| subject.to_bytes()).collect();
    sqlx::query(
        "WITH RECURSIVE at (place) AS (SELECT 1 UNION ALL SELECT place + 16 FROM at WHERE place + 16 < ?5)
         INSERT INTO drop_buyers (tenant, generation, subject, drop_id)
         SELECT ?1, ?2, substr(?3, place, 16), ?4 FROM at WHERE TRUE ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(generation)
    .bind(bytes)
    .bind(drop)
    .bind(number(subjects.len() as u64 * 16))
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use engine::id::DropId;

    use super::*;

    fn subject(n: usize) -> SubjectId {
        SubjectId(n as u128)
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let drop = DropId(1).key(&TenantId::new("acme").unwrap());
        let mut members = Members::default();
        let batch = BUYERS_REMEMBERED_MAX / 8;
        for n in 0..20 {
            (n * batch..(n + 1) * batch).for_each(|n| members.note(&drop, subject(n)));
            members.written = std::mem::take(&mut members.fresh);
            members.committed();
            let size = |pairs: &Pairs| pairs.values().map(HashSet::len).sum::<usize>();
            assert!(size(&members.known.younger) + size(&members.known.older) <= BUYERS_REMEMBERED_MAX);
        }
        members.note(&drop, subject(20 * batch - 1));
        assert!(members.fresh.is_empty(), "known");
        members.note(&drop, subject(0));
        assert_eq!(members.fresh[&drop].len(), 1, "forgotten, and written again");
    }

    #[test]
    fn what_was_not_committed_is_not_known() {
        let drop = DropId(1).key(&TenantId::new("acme").unwrap());
        let mut members = Members::default();
        members.note(&drop, subject(1));
        members.written = std::mem::take(&mut members.fresh);
        members.abandon();
        members.note(&drop, subject(1));
        assert_eq!(members.fresh[&drop].len(), 1);
    }
}
