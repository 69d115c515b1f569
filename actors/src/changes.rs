//! Who wants to hear at once of what is accepted.

use std::{
    hash::Hash,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest {
    /// One entity.
    Entity(EntityKey),
    /// All of a tenant's entities of a kind.
    Kind(TenantId, Kind),
}

/// Hears a change, in the order of the entity's entries, before whoever caused it is answered. It holds up the shard, so
/// it only notes down what it heard.
pub type Ear = Arc<dyn Fn(&Change) + Send + Sync>;

/// Those who listen to each `K`.
struct Ears<K>(DashMap<K, Vec<(usize, Ear)>, Xxh3DefaultBuilder>);

impl<K: Eq + Hash> Default for Ears<K> {
    fn default() -> Self {
        Self(DashMap::default())
    }
}

impl<K: Eq + Hash> Ears<K> {
    fn add(&self, to: K, number: usize, ear: Ear) {
        self.0.entry(to).or_default().push((number, ear));
    }

    fn remove(&self, to: &K, number: usize) {
        if let Some(mut ears) = self.0.get_mut(to) {
            ears.retain(|(known, _)| *known != number);
        }
        self.0.remove_if(to, |_, ears| ears.is_empty());
    }

    fn tell(&self, to: &K, change: impl FnOnce() -> Change) {
        if let Some(ears) = self.0.get(to) {
            let change = change();
            ears.iter().for_each(|(_, ear)| ear(&change));
        }
    }
}

/// Everyone who listens. Most entries concern nobody: for them nothing is copied.
#[derive(Default)]
pub struct Changes {
    entities: Ears<EntityKey>,
    kinds: Ears<(TenantId, Kind)>,
    /// How many listen, and how many of them to a kind.
    listening: AtomicUsize,
    to_kinds: AtomicUsize,
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
        match interest.clone() {
            Interest::Entity(key) => self.entities.add(key, number, ear),
            Interest::Kind(tenant, kind) => {
                self.kinds.add((tenant, kind), number, ear);
                self.to_kinds.fetch_add(1, Ordering::AcqRel);
            }
        }
        self.listening.fetch_add(1, Ordering::AcqRel);
        Listening { changes: Arc::downgrade(self), interest, number }
    }

    /// Tells everyone whom it concerns.
    pub(crate) fn tell(&self, key: &EntityKey, version: u64, at: Timestamp, events: &Bytes) {
        if self.listening.load(Ordering::Acquire) == 0 {
            return;
        }
        let change = || Change { key: key.clone(), version, at, events: events.clone() };
        self.entities.tell(key, change);
        if self.to_kinds.load(Ordering::Acquire) > 0 {
            self.kinds.tell(&(key.tenant(), key.kind()), change);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(changes) = self.changes.upgrade() else { return };
        match &self.interest {
            Interest::Entity(key) => changes.entities.remove(key, self.number),
            Interest::Kind(tenant, kind) => {
                changes.kinds.remove(&(tenant.clone(), *kind), self.number);
                changes.to_kinds.fetch_sub(1, Ordering::AcqRel);
            }
        }
        changes.listening.fetch_sub(1, Ordering::AcqRel);
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
        assert!(changes.entities.0.is_empty() && changes.kinds.0.is_empty());
    }
}
