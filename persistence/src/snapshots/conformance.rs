//! The conformance suite that every snapshot store must pass.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;

use super::{Checkpoint, KEY_BYTES_MAX, Snapshot, SnapshotAt, SnapshotStore, SnapshotStoreError};

/// A place after every snapshot, except one that itself has the greatest version and position.
const LAST: SnapshotAt = SnapshotAt { version: u64::MAX, position: u64::MAX };

/// The functions that the suite needs from a provider besides the store itself.
pub trait Harness {
    /// Opens the store: empty at first, later with everything that was put. The suite has dropped the previous handle.
    fn open(&mut self) -> impl Future<Output = Arc<dyn SnapshotStore>>;

    /// Opens the store as a crash of the machine at this moment would leave it, while the previous handle is still
    /// open. Rows that were not durable may or may not be present.
    fn crash(&mut self) -> impl Future<Output = Arc<dyn SnapshotStore>>;

    /// Damages the snapshot of an entity with this version in the open store.
    fn damage(&mut self, key: &[u8], version: u64) -> impl Future<Output = ()>;
}

/// Runs the whole suite. Panics with the name of the case at the first broken promise.
pub async fn run<H: Harness>(make: impl AsyncFn() -> H) {
    an_empty_store_has_nothing(make().await).await;
    a_snapshot_reads_back_as_it_was_put(make().await).await;
    the_newest_has_the_highest_version_then_position(make().await).await;
    an_older_one_can_be_asked_for(make().await).await;
    putting_again_changes_nothing(make().await).await;
    entities_are_apart(make().await).await;
    a_key_that_is_too_long_is_refused(make().await).await;
    a_damaged_snapshot_is_an_error_and_the_one_before_is_there(make().await).await;
    pruning_removes_what_stands_before(make().await).await;
    a_removal_does_not_outlive_what_superseded_it(make().await).await;
    checkpoints_come_newest_first(make().await).await;
    old_checkpoints_are_removed(make().await).await;
    a_checkpoint_is_durable_with_all_that_was_put_before(make().await).await;
    sync_makes_snapshots_durable(make().await).await;
    reopening_keeps_everything(make().await).await;
}

async fn an_empty_store_has_nothing(mut house: impl Harness) {
    let store = house.open().await;
    assert!(versions(&store, b"cart").await.is_empty());
    assert_eq!(store.newest_checkpoint(0, None).await.unwrap(), None);
    store.prune(Bytes::from_static(b"cart"), LAST).await.unwrap();
    store.prune_checkpoints(0, u64::MAX).await.unwrap();
    store.sync().await.unwrap();
}

async fn a_snapshot_reads_back_as_it_was_put(mut house: impl Harness) {
    let store = house.open().await;
    let odd = [
        snapshot(b"", 0, 0, b""),
        snapshot(b"\0\xff", u64::MAX, u64::MAX, b"\0"),
        Snapshot { rules: u16::MAX, format: u8::MAX, ..snapshot(&[0x61; KEY_BYTES_MAX], 7, 8, &vec![5; 20 << 20]) },
    ];
    for put in odd {
        store.put(put.clone()).await.unwrap();
        let found = store.newest(put.key.clone(), None).await.unwrap();
        assert!(found == Some(put), "a snapshot reads back, at once");
    }
}

async fn the_newest_has_the_highest_version_then_position(mut house: impl Harness) {
    let store = house.open().await;
    for (version, position) in [(2, 50), (256, 10), (255, 90), (256, 20), (256, 15)] {
        store.put(snapshot(b"cart", version, position, b"x")).await.unwrap();
    }
    let places = [(256, 20), (256, 15), (256, 10), (255, 90), (2, 50)];
    assert_eq!(places_of(&store, b"cart").await, places, "newest first, none left out");
}

async fn an_older_one_can_be_asked_for(mut house: impl Harness) {
    let store = house.open().await;
    for version in [3, 5, 9] {
        store.put(snapshot(b"cart", version, version * 10, b"x")).await.unwrap();
    }
    let before = [(u64::MAX, u64::MAX), (9, 91), (9, 90), (6, 0), (5, 50), (3, 31), (3, 30), (0, 0)];
    let expected = [Some(9), Some(9), Some(5), Some(5), Some(3), Some(3), None, None];
    for ((version, position), expected) in before.into_iter().zip(expected) {
        let before = SnapshotAt { version, position };
        let found = store.newest(Bytes::from_static(b"cart"), Some(before)).await.unwrap();
        assert_eq!(found.map(|found| found.version), expected, "before {before:?}");
    }
}

async fn putting_again_changes_nothing(mut house: impl Harness) {
    let store = house.open().await;
    for _ in 0..3 {
        store.put(snapshot(b"cart", 1, 10, b"x")).await.unwrap();
    }
    assert_eq!(versions(&store, b"cart").await, [1]);
}

async fn entities_are_apart(mut house: impl Harness) {
    let store = house.open().await;
    let keys: [&[u8]; 5] = [b"a", b"aa", b"", b"a\0\0\0\0\0\0\0\0", b"\xff\xff"];
    for (version, key) in keys.iter().enumerate() {
        store.put(snapshot(key, version as u64, 1, key)).await.unwrap();
    }
    store.prune(Bytes::from_static(b"a"), LAST).await.unwrap();
    for (version, key) in keys.iter().enumerate() {
        let expected = if *key == b"a" { vec![] } else { vec![version as u64] };
        assert_eq!(versions(&store, key).await, expected, "{key:?}");
    }
}

async fn a_key_that_is_too_long_is_refused(mut house: impl Harness) {
    let store = house.open().await;
    assert!(store.put(snapshot(&[1; KEY_BYTES_MAX + 1], 1, 1, b"x")).await.is_err());
}

async fn a_damaged_snapshot_is_an_error_and_the_one_before_is_there(mut house: impl Harness) {
    let store = house.open().await;
    store.put(snapshot(b"cart", 1, 10, b"one")).await.unwrap();
    store.put(snapshot(b"cart", 2, 20, b"two")).await.unwrap();
    house.damage(b"cart", 2).await;
    let error = store.newest(Bytes::from_static(b"cart"), None).await.unwrap_err();
    assert!(!error.is_passing());
    let SnapshotStoreError::Damaged { key, at, .. } = error else { panic!("{error}") };
    assert_eq!((key.as_str(), at), ("63617274", Some(SnapshotAt { version: 2, position: 20 })));
    let before = store.newest(Bytes::from_static(b"cart"), at).await.unwrap();
    assert_eq!(before, Some(snapshot(b"cart", 1, 10, b"one")));
}

async fn pruning_removes_what_stands_before(mut house: impl Harness) {
    let store = house.open().await;
    for version in 1..=300 {
        store.put(snapshot(b"cart", version, 1, b"x")).await.unwrap();
        store.put(snapshot(b"drop", version, 1, b"x")).await.unwrap();
    }
    let prune = async |version, position| {
        store.prune(Bytes::from_static(b"cart"), SnapshotAt { version, position }).await.unwrap();
        versions(&store, b"cart").await
    };
    assert_eq!(prune(299, 1).await, [300, 299]);
    assert_eq!(versions(&store, b"drop").await.len(), 300);
    assert_eq!(prune(299, 0).await, [300, 299]);
    assert_eq!(prune(299, 2).await, [300]);
    assert!(prune(u64::MAX, u64::MAX).await.is_empty());
}

async fn a_removal_does_not_outlive_what_superseded_it(mut house: impl Harness) {
    let store = house.open().await;
    store.put(snapshot(b"cart", 1, 10, b"one")).await.unwrap();
    store.put_checkpoint(0, checkpoint(11, b"agenda")).await.unwrap();
    for version in [2, 3] {
        store.put(snapshot(b"cart", version, version * 10, b"later")).await.unwrap();
    }
    store.prune(Bytes::from_static(b"cart"), SnapshotAt { version: 2, position: 20 }).await.unwrap();
    assert_eq!(versions(&store, b"cart").await, [3, 2]);
    let crashed = house.crash().await;
    let kept = versions(&crashed, b"cart").await;
    assert!(!kept.is_empty(), "a crash took the new snapshots and left the old one removed");
}

async fn checkpoints_come_newest_first(mut house: impl Harness) {
    let store = house.open().await;
    for position in [256, 1, 255] {
        store.put_checkpoint(1, checkpoint(position, b"agenda")).await.unwrap();
    }
    let other = Checkpoint { rules: u16::MAX, format: u8::MAX, ..checkpoint(9, b"") };
    store.put_checkpoint(0, other.clone()).await.unwrap();
    store.put_checkpoint(u16::MAX, checkpoint(u64::MAX, b"")).await.unwrap();
    assert_eq!(positions(&store, 1).await, [256, 255, 1]);
    let only = (positions(&store, 0).await, positions(&store, 2).await, positions(&store, u16::MAX).await);
    assert_eq!(only, (vec![9], vec![], vec![u64::MAX]));
    assert_eq!(store.newest_checkpoint(1, None).await.unwrap(), Some(checkpoint(256, b"agenda")));
    assert_eq!(store.newest_checkpoint(0, None).await.unwrap(), Some(other));
}

async fn old_checkpoints_are_removed(mut house: impl Harness) {
    let store = house.open().await;
    for position in [1, 255, 256] {
        store.put_checkpoint(1, checkpoint(position, b"agenda")).await.unwrap();
        store.put_checkpoint(2, checkpoint(position, b"agenda")).await.unwrap();
    }
    store.prune_checkpoints(1, 255).await.unwrap();
    assert_eq!((positions(&store, 1).await, positions(&store, 2).await), (vec![256, 255], vec![256, 255, 1]));
}

async fn a_checkpoint_is_durable_with_all_that_was_put_before(mut house: impl Harness) {
    let store = house.open().await;
    for version in 1..=50 {
        store.put(snapshot(b"cart", version, version, &vec![7; 10_000])).await.unwrap();
    }
    store.put_checkpoint(3, checkpoint(51, b"agenda")).await.unwrap();
    let crashed = house.crash().await;
    assert_eq!(crashed.newest_checkpoint(3, None).await.unwrap(), Some(checkpoint(51, b"agenda")));
    assert_eq!(versions(&crashed, b"cart").await.len(), 50);
}

async fn sync_makes_snapshots_durable(mut house: impl Harness) {
    let store = house.open().await;
    store.put(snapshot(b"cart", 1, 10, b"x")).await.unwrap();
    store.sync().await.unwrap();
    store.put(snapshot(b"cart", 2, 20, b"x")).await.unwrap();
    let crashed = house.crash().await;
    let kept = versions(&crashed, b"cart").await;
    assert!(kept.ends_with(&[1]), "{kept:?}");
}

async fn reopening_keeps_everything(mut house: impl Harness) {
    let store = house.open().await;
    store.put(snapshot(b"cart", 1, 10, b"one")).await.unwrap();
    store.put_checkpoint(0, checkpoint(11, b"first")).await.unwrap();
    store.put(snapshot(b"cart", 2, 20, b"two")).await.unwrap();
    store.sync().await.unwrap();
    drop(store);
    let store = house.open().await;
    assert_eq!(versions(&store, b"cart").await, [2, 1]);
    assert_eq!(positions(&store, 0).await, [11]);
    assert_eq!(store.newest_checkpoint(0, None).await.unwrap(), Some(checkpoint(11, b"first")));
    store.put_checkpoint(0, checkpoint(21, b"second")).await.unwrap();
    assert_eq!(store.newest_checkpoint(0, None).await.unwrap(), Some(checkpoint(21, b"second")));
}

fn snapshot(key: &[u8], version: u64, position: u64, bytes: &[u8]) -> Snapshot {
    let (key, bytes) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(bytes));
    Snapshot { key, version, position, rules: 1, format: 1, bytes }
}

fn checkpoint(position: u64, bytes: &'static [u8]) -> Checkpoint {
    Checkpoint { position, rules: 1, format: 0, bytes: Bytes::from_static(bytes) }
}

/// Returns the versions of which an entity has snapshots, newest first.
async fn versions(store: &Arc<dyn SnapshotStore>, key: &[u8]) -> Vec<u64> {
    places_of(store, key).await.into_iter().map(|(version, _)| version).collect()
}

/// Returns the versions and positions of which an entity has snapshots, newest first.
async fn places_of(store: &Arc<dyn SnapshotStore>, key: &[u8]) -> Vec<(u64, u64)> {
    let (mut places, mut before) = (Vec::new(), None);
    while let Some(found) = store.newest(Bytes::copy_from_slice(key), before).await.unwrap() {
        assert_eq!(found.key, key);
        places.push((found.version, found.position));
        before = Some(found.at());
    }
    places
}

/// Returns the positions at which a shard has checkpoints, newest first.
async fn positions(store: &Arc<dyn SnapshotStore>, shard: u16) -> Vec<u64> {
    let (mut positions, mut before) = (Vec::new(), None);
    while let Some(found) = store.newest_checkpoint(shard, before).await.unwrap() {
        positions.push(found.position);
        before = Some(found.position);
    }
    positions
}
