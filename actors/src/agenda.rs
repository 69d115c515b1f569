//! The agenda: when each entity has to be woken.

use std::collections::{BTreeMap, BTreeSet};

use engine::{id::EntityKey, time::Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The wakes of a shard, which are a function of its accepted entries.
///
/// A wake stays on the agenda until the entity sets its next wake time, so that a checkpoint taken while the wake is
/// under way still contains it.
#[derive(Debug, Default)]
pub struct Agenda {
    wakes: Mutex<Wakes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wakes {
    by_key: BTreeMap<EntityKey, Wake>,
    /// Exactly the wakes of `by_key` that have a `due` time.
    pending: BTreeSet<(Timestamp, EntityKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Wake {
    /// The time at which the entity wants to be woken.
    at: Timestamp,
    /// The time at which it is woken: `at`, or later if an attempt failed. `None` while a wake is under way.
    due: Option<Timestamp>,
}

impl Wakes {
    fn schedule(&mut self, key: &EntityKey, wake: Option<Wake>) {
        let old = match wake {
            Some(wake) => self.by_key.insert(key.clone(), wake),
            None => self.by_key.remove(key),
        };
        if let Some(due) = old.and_then(|old| old.due) {
            let removed = self.pending.remove(&(due, key.clone()));
            debug_assert!(removed, "{key:?} is not pending at the time that its wake names");
        }
        if let Some(due) = wake.and_then(|wake| wake.due) {
            self.pending.insert((due, key.clone()));
        }
    }
}

impl Agenda {
    /// Sets the next wake time of `key`.
    pub fn set(&self, key: &EntityKey, at: Option<Timestamp>) {
        self.schedule(&mut self.wakes.lock(), key, at.map(|at| Wake { at, due: Some(at) }));
    }

    /// Returns a wake that was taken but did not reach its entity, to be taken again at `due`. The time that the entity
    /// asked for is kept, for checkpoints. Does nothing if the entity has set its wake time since, or wants no wake.
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

    /// Takes up to `at_most` wakes that are due, and returns them with the time of the next one.
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

    /// Waits until a wake was set that is earlier than all others.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns every wake, for a checkpoint.
    pub fn to_list(&self) -> Vec<(EntityKey, Timestamp)> {
        self.wakes.lock().by_key.iter().map(|(key, wake)| (key.clone(), wake.at)).collect()
    }

    /// The wake time of `key`.
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
