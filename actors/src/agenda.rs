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
    by_key: BTreeMap<EntityKey, Timestamp>,
    pending: BTreeSet<(Timestamp, EntityKey)>,
}

impl Agenda {
    /// Says when `key` wants to be woken next.
    pub fn set(&self, key: &EntityKey, at: Option<Timestamp>) {
        let mut wakes = self.wakes.lock();
        let old = match at {
            Some(at) => wakes.by_key.insert(key.clone(), at),
            None => wakes.by_key.remove(key),
        };
        if let Some(old) = old {
            wakes.pending.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            let earliest = wakes.pending.first().is_none_or(|(first, _)| at < *first);
            wakes.pending.insert((at, key.clone()));
            if earliest {
                self.changed.notify_one();
            }
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
        (due, wakes.pending.first().map(|(at, _)| *at))
    }

    /// Ends when an earlier wake than all others was set.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Everything on it, for a checkpoint.
    pub fn to_list(&self) -> Vec<(EntityKey, Timestamp)> {
        self.wakes.lock().by_key.iter().map(|(key, at)| (key.clone(), *at)).collect()
    }

    /// When `key` is to be woken.
    pub fn get(&self, key: &EntityKey) -> Option<Timestamp> {
        self.wakes.lock().by_key.get(key).copied()
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
}
