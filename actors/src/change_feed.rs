//! The change feed: notifies subscribers of accepted changes.

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
    id::{EntityKey, TenantId},
    kinds::Kind,
    time::Timestamp,
};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// An accepted entry of an entity.
#[derive(Debug, Clone)]
pub struct Change {
    /// The entity.
    pub key: EntityKey,
    /// The number of entries that the entity has, this one included.
    pub version: u64,
    /// The time at which it was decided.
    pub at: Timestamp,
    /// Its encoded events, one after the other.
    pub events: Bytes,
}

/// The changes that a subscription covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest {
    /// The changes of one entity.
    Entity(EntityKey),
    /// The changes of all entities of one kind that belong to a tenant.
    Kind(TenantId, Kind),
}

/// Receives each change, in the order of the entity's entries, before the caller that caused it is answered. It runs on
/// the writer of the shard and delays it, so it must only record the change and return.
pub type Subscriber = Arc<dyn Fn(&Change) + Send + Sync>;

/// The subscribers of each `K`.
struct Subscribers<K>(DashMap<K, Vec<(usize, Subscriber)>, Xxh3DefaultBuilder>);

impl<K: Eq + Hash> Default for Subscribers<K> {
    fn default() -> Self {
        Self(DashMap::default())
    }
}

impl<K: Eq + Hash> Subscribers<K> {
    fn add(&self, to: K, number: usize, subscriber: Subscriber) {
        self.0.entry(to).or_default().push((number, subscriber));
    }

    fn remove(&self, to: &K, number: usize) {
        if let Some(mut subscribers) = self.0.get_mut(to) {
            subscribers.retain(|(known, _)| *known != number);
        }
        self.0.remove_if(to, |_, subscribers| subscribers.is_empty());
    }

    fn notify(&self, to: &K, change: impl FnOnce() -> Change) {
        if let Some(subscribers) = self.0.get(to) {
            let change = change();
            subscribers.iter().for_each(|(_, subscriber)| subscriber(&change));
        }
    }
}

/// All subscriptions of a node. Most entries have no subscriber: for them nothing is copied.
#[derive(Default)]
pub struct ChangeFeed {
    entities: Subscribers<EntityKey>,
    kinds: Subscribers<(TenantId, Kind)>,
    /// The number of subscriptions, and the number of those that cover a kind: checked first, because most entries have
    /// no subscriber and the writer pays for each look-up.
    subscriptions: AtomicUsize,
    to_kinds: AtomicUsize,
    next: AtomicUsize,
}

/// A subscription, which ends when it is dropped.
pub struct Subscription {
    change_feed: Weak<ChangeFeed>,
    interest: Interest,
    number: usize,
}

impl ChangeFeed {
    /// Starts a subscription to changes from now on.
    pub(crate) fn subscribe(self: &Arc<Self>, interest: Interest, subscriber: Subscriber) -> Subscription {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match interest.clone() {
            Interest::Entity(key) => self.entities.add(key, number, subscriber),
            Interest::Kind(tenant, kind) => {
                self.kinds.add((tenant, kind), number, subscriber);
                self.to_kinds.fetch_add(1, Ordering::AcqRel);
            }
        }
        self.subscriptions.fetch_add(1, Ordering::AcqRel);
        Subscription { change_feed: Arc::downgrade(self), interest, number }
    }

    /// Notifies every subscriber that the change concerns.
    pub(crate) fn notify(&self, key: &EntityKey, version: u64, at: Timestamp, events: &Bytes) {
        if self.subscriptions.load(Ordering::Acquire) == 0 {
            return;
        }
        let change = || Change { key: key.clone(), version, at, events: events.clone() };
        self.entities.notify(key, change);
        if self.to_kinds.load(Ordering::Acquire) > 0 {
            self.kinds.notify(&(key.tenant(), key.kind()), change);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(change_feed) = self.change_feed.upgrade() else { return };
        match &self.interest {
            Interest::Entity(key) => change_feed.entities.remove(key, self.number),
            Interest::Kind(tenant, kind) => {
                change_feed.kinds.remove(&(tenant.clone(), *kind), self.number);
                change_feed.to_kinds.fetch_sub(1, Ordering::AcqRel);
            }
        }
        change_feed.subscriptions.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use engine::id::DropId;
    use parking_lot::Mutex;

    #[test]
    fn a_subscriber_receives_its_changes_until_it_is_dropped() {
        let (change_feed, received) = (Arc::new(ChangeFeed::default()), Arc::new(Mutex::new(Vec::new())));
        let tenant = TenantId::new("t").unwrap();
        let (mine, other) = (DropId(1).key(&tenant), DropId(2).key(&tenant));
        let subscriber = |name: &'static str| -> Subscriber {
            let received = received.clone();
            Arc::new(move |change: &Change| received.lock().push((name, change.version)))
        };
        let one = change_feed.subscribe(Interest::Entity(mine.clone()), subscriber("one"));
        let all = change_feed.subscribe(Interest::Kind(tenant, Kind::Drop), subscriber("all"));
        change_feed.notify(&mine, 1, Timestamp(1), &Bytes::new());
        change_feed.notify(&other, 7, Timestamp(1), &Bytes::new());
        drop(all);
        change_feed.notify(&mine, 2, Timestamp(2), &Bytes::new());
        drop(one);
        change_feed.notify(&mine, 3, Timestamp(3), &Bytes::new());
        assert_eq!(*received.lock(), [("one", 1), ("all", 1), ("all", 7), ("one", 2)]);
        assert!(change_feed.entities.0.is_empty() && change_feed.kinds.0.is_empty());
    }
}
