//! Who wants to hear at once of what is accepted.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use dashmap::DashMap;
use engine::{
    id::{EntityKey, Kind, TenantId},
    time::Timestamp,
};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// An accepted entry of an entity.
#[derive(Debug, Clone)]
pub struct Change {
    /// The entity.
    pub key: EntityKey,
    /// How many entries it has with this one.
    pub version: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Its events, one after the other.
    pub events: Bytes,
}

/// What one may listen to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Interest {
    /// One entity.
    Entity(EntityKey),
    /// All of a tenant's entities of a kind.
    Kind(TenantId, Kind),
}

/// Hears a change, in the order of the entity's entries, before whoever caused it is answered. It holds up the shard, so
/// it only notes down what it heard.
pub type Ear = Arc<dyn Fn(&Change) + Send + Sync>;

type Ears = DashMap<Interest, Vec<(usize, Ear)>, Xxh3DefaultBuilder>;

/// Everyone who listens.
#[derive(Default)]
pub struct Changes {
    ears: Ears,
    count: AtomicUsize,
    next: AtomicUsize,
}

/// Listens until it is dropped.
pub struct Listening {
    changes: Weak<Changes>,
    interest: Interest,
    number: usize,
}

impl Changes {
    /// Listens from now on.
    pub(crate) fn listen(self: &Arc<Self>, interest: Interest, ear: Ear) -> Listening {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.ears.entry(interest.clone()).or_default().push((number, ear));
        self.count.fetch_add(1, Ordering::AcqRel);
        Listening { changes: Arc::downgrade(self), interest, number }
    }

    /// Tells everyone whom it concerns.
    pub(crate) fn tell(&self, key: &EntityKey, version: u64, at: Timestamp, events: &Bytes) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut change = None;
        for interest in [Interest::Entity(key.clone()), Interest::Kind(key.tenant(), key.kind())] {
            if let Some(ears) = self.ears.get(&interest) {
                let change =
                    change.get_or_insert_with(|| Change { key: key.clone(), version, at, events: events.clone() });
                ears.iter().for_each(|(_, ear)| ear(change));
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(changes) = self.changes.upgrade() else { return };
        if let Some(mut ears) = changes.ears.get_mut(&self.interest) {
            ears.retain(|(number, _)| *number != self.number);
        }
        changes.ears.remove_if(&self.interest, |_, ears| ears.is_empty());
        changes.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use engine::id::DropId;
    use parking_lot::Mutex;

    #[test]
    fn who_listens_hears_of_its_own_until_it_goes() {
        let (changes, heard) = (Arc::new(Changes::default()), Arc::new(Mutex::new(Vec::new())));
        let tenant = TenantId::new("t").unwrap();
        let (mine, other) = (DropId(1).key(&tenant), DropId(2).key(&tenant));
        let ear = |name: &'static str| -> Ear {
            let heard = heard.clone();
            Arc::new(move |change: &Change| heard.lock().push((name, change.version)))
        };
        let one = changes.listen(Interest::Entity(mine.clone()), ear("one"));
        let all = changes.listen(Interest::Kind(tenant, Kind::Drop), ear("all"));
        changes.tell(&mine, 1, Timestamp(1), &Bytes::new());
        changes.tell(&other, 7, Timestamp(1), &Bytes::new());
        drop(all);
        changes.tell(&mine, 2, Timestamp(2), &Bytes::new());
        drop(one);
        changes.tell(&mine, 3, Timestamp(3), &Bytes::new());
        assert_eq!(*heard.lock(), [("one", 1), ("all", 1), ("all", 7), ("one", 2)]);
        assert!(changes.ears.is_empty());
    }
}
