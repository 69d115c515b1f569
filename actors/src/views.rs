//! Views that many clients read: the accepted [public view](PublicView) of each entity, kept on the node.
//!
//! ```text
//!   accepted change ─► change feed ─► slot: one change more
//!   client ─► slot: unchanged ─► its view ─► client
//!                └─► changed: one read of the entity for all who wait
//! ```
//!
//! The change feed marks a view as changed; the next client has it read from the entity. Folding the accepted events into
//! the view instead would save that read, at most 20 a second for each entity. But it would be a second state machine for
//! the numbers that the entity keeps anyway, and it would have to be restored after each change of leadership.

use std::{
    any::Any,
    ops::Deref,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use engine::{id::EntityKey, public_view::PublicView, time::Timestamp};
use streaming::Position;
use tokio::{sync::Mutex, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{
    ask::AskError,
    change_feed::{Change, ChangeFeed, Interest, Subscription},
    leader::Leader,
    mailbox::AskResult,
};

/// The maximum age of a view that is returned: the eye follows 20 changes a second.
pub const VIEW_AGE_MAX: Duration = Duration::from_millis(50);
/// The oldest time at which a view may have been read that is returned now: [`VIEW_AGE_MAX`] ago.
pub fn oldest_recent() -> Instant {
    let now = Instant::now();
    now.checked_sub(VIEW_AGE_MAX).unwrap_or(now)
}

/// The maximum number of views, of a few kilobytes each.
const VIEWS_MAX: usize = 10_000;

/// An accepted view of an entity. It dereferences to the view.
#[derive(Debug, Clone)]
pub struct AcceptedView<V> {
    view: Arc<V>,
    /// The position of the shard when the entity was read: the view contains everything that was accepted before it. It
    /// may contain more.
    pub position: Position,
}

impl<V> Deref for AcceptedView<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.view
    }
}

/// The views of a node.
#[derive(Default)]
pub struct AcceptedViews {
    /// A [`Slot`] of the key's kind for each entity.
    slots: DashMap<EntityKey, Arc<dyn Any + Send + Sync>, Xxh3DefaultBuilder>,
}

/// The view of one entity.
struct Slot<A: PublicView> {
    /// Counts the accepted changes of the entity.
    changes: Arc<AtomicU64>,
    /// The newest view that was read. Locked while the entity is read, so that other clients wait for the result.
    newest: Mutex<Option<Seen<A::View>>>,
    _subscription: Subscription,
}

/// A view that was read.
struct Seen<V> {
    accepted: AcceptedView<V>,
    /// The time just before the read: the view contains everything that was accepted until then.
    read_at: Instant,
    /// The changes that were counted just before the read.
    changes: u64,
    /// The leadership under which it was read. The next one may find entries that this one never saw accepted.
    leader: Weak<Leader>,
    changes_at: Option<Timestamp>,
    /// When `as_of` of the view was set.
    as_of_set_at: Instant,
}

impl AcceptedViews {
    /// The view of an entity with everything that was accepted before `since`. `leader` finds the leadership that serves
    /// the entity, and `read` reads the view; they run only if the view that is kept will not do.
    pub(crate) async fn view<A: PublicView>(
        &self,
        change_feed: &Arc<ChangeFeed>,
        key: &EntityKey,
        since: Instant,
        leader: impl Future<Output = Result<Arc<Leader>, AskError<A::Rejection>>>,
        read: impl Future<Output = AskResult<A>>,
    ) -> Result<AcceptedView<A::View>, AskError<A::Rejection>> {
        let any = self.slot::<A>(change_feed, key);
        let slot = any.clone().downcast::<Slot<A>>().expect("a key names the kind of its entity");
        let mut newest = slot.newest.lock().await;
        if let Some(seen) = newest.as_mut()
            && (seen.refresh::<A>(&slot.changes) || seen.read_at >= since)
        {
            return Ok(seen.accepted.clone());
        }
        match slot.read(leader, read).await {
            Ok(seen) => Ok(newest.insert(seen).accepted.clone()),
            Err(error) => {
                // An entity that does not exist must not take memory.
                self.slots.remove_if(key, |_, known| Arc::ptr_eq(known, &any));
                Err(error)
            }
        }
    }

    fn slot<A: PublicView>(&self, change_feed: &Arc<ChangeFeed>, key: &EntityKey) -> Arc<dyn Any + Send + Sync> {
        if let Some(slot) = self.slots.get(key) {
            return slot.value().clone();
        }
        if self.slots.len() >= VIEWS_MAX {
            // All that no client waits for at this moment. Those that are still in use are read once more.
            self.slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        self.slots.entry(key.clone()).or_insert_with(|| Arc::new(Slot::<A>::new(change_feed, key))).value().clone()
    }
}

impl<A: PublicView> Slot<A> {
    fn new(change_feed: &Arc<ChangeFeed>, key: &EntityKey) -> Self {
        let changes = Arc::new(AtomicU64::new(0));
        let counted = changes.clone();
        let count = move |_: &Change| {
            counted.fetch_add(1, Ordering::AcqRel);
        };
        let subscription = change_feed.subscribe(Interest::Entity(key.clone()), Arc::new(count));
        Self { changes, newest: Mutex::default(), _subscription: subscription }
    }

    /// Reads the view from the entity.
    async fn read(
        &self,
        leader: impl Future<Output = Result<Arc<Leader>, AskError<A::Rejection>>>,
        read: impl Future<Output = AskResult<A>>,
    ) -> Result<Seen<A::View>, AskError<A::Rejection>> {
        let leader = leader.await?;
        // All of this before the read, not after it: what is accepted meanwhile may be missing in the view.
        let (read_at, changes) = (Instant::now(), self.changes.load(Ordering::Acquire));
        let position = Position(leader.accepted_position());
        let answered = read.await?;
        let view = A::view_in(answered.reply).ok_or(AskError::Unknown)?;
        Ok(Seen {
            changes_at: A::changes_at(&view),
            accepted: AcceptedView { view: Arc::new(view), position },
            read_at,
            changes,
            leader: Arc::downgrade(&leader),
            as_of_set_at: read_at,
        })
    }
}

impl<V: Clone> Seen<V> {
    /// Whether the view is still that of the entity. If so, its `as_of` is at most [`VIEW_AGE_MAX`] ago afterwards.
    fn refresh<A: PublicView<View = V>>(&mut self, changes: &AtomicU64) -> bool {
        let Some(leader) = self.leader.upgrade() else { return false };
        // The time before the checks: the view was correct then if they succeed.
        let (instant, now) = (Instant::now(), leader.now());
        let is_unchanged = changes.load(Ordering::Acquire) == self.changes && !leader.has_ended();
        if !is_unchanged || self.changes_at.is_some_and(|at| at <= now) {
            return false;
        }
        if instant.duration_since(self.as_of_set_at) >= VIEW_AGE_MAX {
            A::set_as_of(Arc::make_mut(&mut self.accepted.view), now);
            self.as_of_set_at = instant;
        }
        true
    }
}
