//! Accepted views: when they are read from their entity, and what they may not show.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::views::VIEW_AGE_MAX;
use engine::{
    flash_drop::{DropState, DropView, FlashDrop},
    id::Sku,
};
use streaming::{
    Header, Position, ShardId,
    journal::JournalError,
    memory::{Fault, Faults},
};
use tokio::time::{Instant, sleep};

use crate::{
    directed::{Scene, ask, claim, live, named},
    world::BEGIN,
};

/// A journal whose next append lands, but whose caller does not learn that, once this is set.
#[derive(Clone, Default)]
struct LandsUnknown(Arc<AtomicBool>);

impl Faults for LandsUnknown {
    fn on_append(&self, _: ShardId, _: &Header) -> Fault {
        if self.0.swap(false, Ordering::AcqRel) { Fault::FailAfter } else { Fault::None }
    }

    fn on_lead(&self, _: ShardId, _: &Header) -> Fault {
        Fault::None
    }

    fn on_read(&self, _: ShardId, _: Position) -> Option<JournalError> {
        None
    }
}

#[test]
fn a_view_is_read_again_only_after_a_change_and_at_most_20_times_a_second() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("SEEN").unwrap());
        scene.stock(&commerce, &sku, 5, 10).await;
        let key = scene.drop_of(&commerce, &sku, 5).await.key(&scene.tenant);
        // The settlement of the allocation is part of the drop's history, too.
        sleep(Duration::from_secs(5)).await;
        let first = commerce.view::<FlashDrop>(&key).await.unwrap();
        // The shard goes on with other entities.
        scene.stock(&commerce, &Sku::new("OTHER").unwrap(), 1, 50).await;
        sleep(Duration::from_secs(10)).await;
        let later = commerce.view::<FlashDrop>(&key).await.unwrap();
        assert_eq!(later.position, first.position, "an unchanged view was read again");
        assert!(later.as_of >= first.as_of.plus_ms(10_000), "{} after {}", later.as_of, first.as_of);
        assert_eq!(DropView { as_of: first.as_of, ..(*later).clone() }, *first);

        ask::<FlashDrop>(&commerce, &key, claim(1), 1).await;
        let changed = commerce.view::<FlashDrop>(&key).await.unwrap();
        assert_eq!((changed.items[0].available, changed.items[0].held), (4, 1));
        assert!(changed.position > first.position);
        ask::<FlashDrop>(&commerce, &key, claim(2), 2).await;
        let lately = commerce.view::<FlashDrop>(&key).await.unwrap();
        assert_eq!((lately.items[0].available, lately.position), (4, changed.position));
        let exact = commerce.view_since::<FlashDrop>(&key, Instant::now()).await.unwrap();
        assert_eq!(exact.items[0].available, 3);
        ask::<FlashDrop>(&commerce, &key, claim(3), 3).await;
        sleep(VIEW_AGE_MAX * 2).await;
        assert_eq!(commerce.view::<FlashDrop>(&key).await.unwrap().items[0].available, 2);
        node.kill().await;
    });
}

#[test]
fn a_view_changes_by_the_clock_before_any_event_says_so() {
    live(async {
        // The event that ends the drop takes a second to be accepted.
        let scene = Scene::new(Duration::from_secs(1), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("SEEN").unwrap());
        scene.stock(&commerce, &sku, 5, 10).await;
        let key = scene.drop_of(&commerce, &sku, 5).await.key(&scene.tenant);
        let until = |at: u64| Duration::from_millis(BEGIN.plus_seconds(3_600).plus_ms(at).ms_since(scene.clock.now()));
        sleep(until(0) - Duration::from_millis(5)).await;
        assert_eq!(commerce.view::<FlashDrop>(&key).await.unwrap().state, DropState::Open);
        sleep(until(5)).await;
        let ended = commerce.view_since::<FlashDrop>(&key, Instant::now() - VIEW_AGE_MAX / 20).await.unwrap();
        assert_eq!(ended.state, DropState::Ended);
        node.kill().await;
    });
}

#[test]
fn a_view_does_not_outlive_the_leadership_that_it_was_read_under() {
    live(async {
        let lands_unknown = LandsUnknown::default();
        let scene = Scene::with_faults(lands_unknown.clone(), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("SEEN").unwrap());
        scene.stock(&commerce, &sku, 5, 10).await;
        let key = scene.drop_of(&commerce, &sku, 5).await.key(&scene.tenant);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(commerce.view::<FlashDrop>(&key).await.unwrap().items[0].available, 5);
        // The claim is accepted, but no subscriber of the change feed is notified of it.
        lands_unknown.0.store(true, Ordering::Release);
        let claimed = commerce.ask::<FlashDrop>(&key, claim(1), named(1)).await;
        assert!(claimed.is_err(), "{claimed:?}");
        // Longer than any view may be old.
        sleep(VIEW_AGE_MAX * 2).await;
        assert_eq!(commerce.view::<FlashDrop>(&key).await.unwrap().items[0].available, 4);
        node.kill().await;
    });
}
