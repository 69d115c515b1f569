//! When to wake whom.

use std::collections::{BTreeMap, BTreeSet};

use engine::{id::EntityKey, time::Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The wakes of a shard: a function of its accepted entries.
///
/// A wake stays on the agenda until the entity says when it wants to be woken next, so that a checkpoint written while
/// it is under way still holds it.
#[derive(Debug, Default)]
pub struct Agenda {
    wakes: Mutex<Wakes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wakes {
    by_key: BTreeMap<EntityKey, Wake>,
    /// Exactly the wakes of `by_key` that are `due` at some time.
    pending: BTreeSet<(Timestamp, EntityKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Wake {
    /// When the entity wants to be woken.
    at: Timestamp,
    /// When it is woken: at `at`, later if an attempt failed. `None` while a wake is under way.
    due: Option<Timestamp>,
}

impl Wakes {
    fn schedule(&mut self, key: &EntityKey, wake: Option<Wake>) {
        let old = match wake {
            Some(wake) => self.by_key.insert(key.clone(), wake),
            None => self.by_key.remove(key),
        };
        if let Some(due) = old.and_then(|old| old.due) {
            self.pending.remove(&(due, key.clone()));
        }
        if let Some(due) = wake.and_then(|wake| wake.due) {
            self.pending.insert((due, key.clone()));
        }
    }
}

impl Agenda {
    /// Says when `key` wants to be woken next.
    pub fn set(&self, key: &EntityKey, at: Option<Timestamp>) {
        self.schedule(&mut self.wakes.lock(), key, at.map(|at| Wake { at, due: Some(at) }));
    }

    /// Puts a wake that was taken and did not reach its entity back, to be taken again at `due`. What the entity asked
    /// for stays as it is, for checkpoints. Does nothing if the entity has said since when it wants to be woken, or
    /// wants no wake.
    pub fn retry(&self, key: &EntityKey, due: Timestamp) {
        let mut wakes = self.wakes.lock();
        let under_way = wakes.by_key.get(key).copied().filter(|wake| wake.due.is_none());
        if let Some(wake) = under_way {
            self.schedule(&mut wakes, key, Some(Wake { due: Some(due), ..wake }));
        }
    }

    fn schedule(&self, wakes: &mut Wakes, key: &EntityKey, wake: Option<Wake>) {
        let first = wakes.pending.first().map(|(first, _)| *first);
        wakes.schedule(key, wake);
        if wake.and_then(|wake| wake.due).is_some_and(|due| first.is_none_or(|first| due < first)) {
            self.changed.notify_one();
        }
    }

    /// Takes those that are due, `at_most` of them, and says when the next is.
    pub fn due(&self, now: Timestamp, at_most: usize) -> (Vec<EntityKey>, Option<Timestamp>) {
        let mut wakes = self.wakes.lock();
        let mut due = Vec::new();
        while due.len() < at_most {
            match wakes.pending.first() {
                Some((at, _)) if *at <= now => due.extend(wakes.pending.pop_first().map(|(_, key)| key)),
                _ => break,
            }
        }
        for key in &due {
            if let Some(wake) = wakes.by_key.get_mut(key) {
                wake.due = None;
            }
        }
        (due, wakes.pending.first().map(|(at, _)| *at))
    }

    /// Ends when an earlier wake than all others was set.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything on it, for a checkpoint.
    pub fn to_list(&self) -> Vec<(EntityKey, Timestamp)> {
        self.wakes.lock().by_key.iter().map(|(key, wake)| (key.clone(), wake.at)).collect()
    }

    /// When `key` is to be woken.
    pub fn get(&self, key: &EntityKey) -> Option<Timestamp> {
        self.wakes.lock().by_key.get(key).map(|wake| wake.at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use engine::id::{DropId, TenantId};

    fn key(n: u128) -> EntityKey {
        DropId(n).key(&TenantId::new("t").unwrap())
    }

    #[test]
    fn a_wake_under_way_stays_on_the_agenda() {
        let agenda = Agenda::default();
        agenda.set(&key(1), Some(Timestamp(10)));
        agenda.set(&key(2), Some(Timestamp(20)));
        assert_eq!(agenda.due(Timestamp(10), 9), (vec![key(1)], Some(Timestamp(20))));
        assert_eq!(agenda.due(Timestamp(10), 9).0, vec![]);
        assert_eq!(agenda.to_list().len(), 2);
        agenda.set(&key(1), None);
        assert_eq!(agenda.to_list(), [(key(2), Timestamp(20))]);
    }

    #[test]
    fn a_wake_that_did_not_arrive_is_taken_again_and_checkpoints_keep_its_time() {
        let agenda = Agenda::default();
        agenda.set(&key(1), Some(Timestamp(10)));
        agenda.due(Timestamp(10), 9);
        agenda.retry(&key(1), Timestamp(15));
        assert_eq!(agenda.to_list(), [(key(1), Timestamp(10))]);
        assert_eq!(agenda.due(Timestamp(14), 9), (vec![], Some(Timestamp(15))));
        assert_eq!(agenda.due(Timestamp(15), 9).0, [key(1)]);
    }

    #[test]
    fn a_wake_that_is_not_under_way_is_not_retried() {
        let agenda = Agenda::default();
        agenda.set(&key(1), Some(Timestamp(10)));
        agenda.retry(&key(1), Timestamp(5));
        agenda.retry(&key(2), Timestamp(5));
        assert_eq!(agenda.due(Timestamp(9), 9), (vec![], Some(Timestamp(10))));
        assert_eq!(agenda.due(Timestamp(10), 9).0, [key(1)]);
        agenda.set(&key(1), None);
        agenda.retry(&key(1), Timestamp(5));
        assert_eq!(agenda.due(Timestamp(99), 9), (vec![], None));
    }
}
