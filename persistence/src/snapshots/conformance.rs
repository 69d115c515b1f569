//! What every snapshot store must do: one suite, run by each provider.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;

use super::{Checkpoint, Snapshot, SnapshotStore, SnapshotStoreError};

/// What the suite needs from a provider besides the store itself.
pub trait Harness {
    /// Opens the store: empty at first, then with all that was put. The suite has dropped the one before.
    fn open(&mut self) -> impl Future<Output = Arc<dyn SnapshotStore>>;

    /// Opens the store as the machine's crash at this moment would leave it, while the one before is still open.
    /// What was not durable may or may not be there.
    fn crash(&mut self) -> impl Future<Output = Arc<dyn SnapshotStore>>;

    /// Damages the snapshot of an entity that has this version, in the store that is open.
    fn damage(&mut self, key: &[u8], version: u64) -> impl Future<Output = ()>;
}

/// Runs the whole suite; panics, naming the case, at the first promise that is broken.
pub async fn run<H: Harness>(make: impl AsyncFn() -> H) {
    an_empty_store_has_nothing(make().await).await;
    a_snapshot_reads_back_as_it_was_put(make().await).await;
    the_newest_has_the_highest_version_then_position(make().await).await;
    an_older_one_can_be_asked_for(make().await).await;
    putting_again_changes_nothing(make().await).await;
    entities_are_apart(make().await).await;
    a_key_that_is_too_long_is_refused(make().await).await;
    a_damaged_snapshot_is_an_error_and_the_one_before_is_there(make().await).await;
    pruning_keeps_the_newest(make().await).await;
    checkpoints_come_newest_first(make().await).await;
    a_checkpoint_is_durable_with_all_that_was_put_before(make().await).await;
    sync_makes_snapshots_durable(make().await).await;
    reopening_keeps_everything(make().await).await;
}

async fn an_empty_store_has_nothing(mut house: impl Harness) {
    let store = house.open().await;
    assert!(versions(&store, b"cart").await.is_empty());
    assert_eq!(store.newest_checkpoints(0, 5).await.unwrap(), []);
    store.prune(Bytes::from_static(b"cart"), 1).await.unwrap();
    store.sync().await.unwrap();
}

async fn a_snapshot_reads_back_as_it_was_put(mut house: impl Harness) {
    let store = house.open().await;
    let odd = [
        snapshot(b"", 0, 0, b""),
        snapshot(b"\0\xff", u64::MAX, u64::MAX, b"\0"),
        Snapshot { rules: u16::MAX, format: u8::MAX, ..snapshot(&[0x61; 512], 7, 8, &vec![5; 20 << 20]) },
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
    let newest = store.newest(Bytes::from_static(b"cart"), None).await.unwrap().unwrap();
    assert_eq!((newest.version, newest.position), (256, 20));
}

async fn an_older_one_can_be_asked_for(mut house: impl Harness) {
    let store = house.open().await;
    for version in [3, 5, 9] {
        store.put(snapshot(b"cart", version, version * 10, b"x")).await.unwrap();
    }
    for (at_most, expected) in [(u64::MAX, Some(9)), (9, Some(9)), (8, Some(5)), (5, Some(5)), (3, Some(3)), (2, None)]
    {
        let found = store.newest(Bytes::from_static(b"cart"), Some(at_most)).await.unwrap();
        assert_eq!(found.map(|found| found.version), expected, "at most {at_most}");
    }
}

async fn putting_again_changes_nothing(mut house: impl Harness) {
    let store = house.open().await;
    for _ in 0..3 {
        store.put(snapshot(b"cart", 1, 10, b"x")).await.unwrap();
    }
    store.prune(Bytes::from_static(b"cart"), 1).await.unwrap();
    assert_eq!(versions(&store, b"cart").await, [1]);
}

async fn entities_are_apart(mut house: impl Harness) {
    let store = house.open().await;
    let keys: [&[u8]; 5] = [b"a", b"aa", b"", b"a\0\0\0\0\0\0\0\0", b"\xff\xff"];
    for (version, key) in keys.iter().enumerate() {
        store.put(snapshot(key, version as u64, 1, key)).await.unwrap();
    }
    store.prune(Bytes::from_static(b"a"), 0).await.unwrap();
    for (version, key) in keys.iter().enumerate() {
        let expected = if *key == b"a" { vec![] } else { vec![version as u64] };
        assert_eq!(versions(&store, key).await, expected, "{key:?}");
    }
}

async fn a_key_that_is_too_long_is_refused(mut house: impl Harness) {
    let store = house.open().await;
    assert!(store.put(snapshot(&[1; 513], 1, 1, b"x")).await.is_err());
}

async fn a_damaged_snapshot_is_an_error_and_the_one_before_is_there(mut house: impl Harness) {
    let store = house.open().await;
    store.put(snapshot(b"cart", 1, 10, b"one")).await.unwrap();
    store.put(snapshot(b"cart", 2, 20, b"two")).await.unwrap();
    house.damage(b"cart", 2).await;
    let error = store.newest(Bytes::from_static(b"cart"), None).await.unwrap_err();
    assert!(matches!(&error, SnapshotStoreError::Damaged { key, .. } if key == "63617274"), "{error}");
    assert!(!error.is_passing());
    let before = store.newest(Bytes::from_static(b"cart"), Some(1)).await.unwrap();
    assert_eq!(before, Some(snapshot(b"cart", 1, 10, b"one")));
}

async fn pruning_keeps_the_newest(mut house: impl Harness) {
    let store = house.open().await;
    for version in 1..=300 {
        store.put(snapshot(b"cart", version, 1, b"x")).await.unwrap();
        store.put(snapshot(b"drop", version, 1, b"x")).await.unwrap();
    }
    store.prune(Bytes::from_static(b"cart"), 2).await.unwrap();
    assert_eq!(versions(&store, b"cart").await, [300, 299]);
    assert_eq!(versions(&store, b"drop").await.len(), 300);
    store.prune(Bytes::from_static(b"cart"), 5).await.unwrap();
    assert_eq!(versions(&store, b"cart").await, [300, 299]);
    store.prune(Bytes::from_static(b"cart"), 0).await.unwrap();
    assert!(versions(&store, b"cart").await.is_empty());
}

async fn checkpoints_come_newest_first(mut house: impl Harness) {
    let store = house.open().await;
    for position in [256, 1, 255] {
        store.put_checkpoint(1, checkpoint(position, b"agenda")).await.unwrap();
    }
    store.put_checkpoint(0, checkpoint(9, b"")).await.unwrap();
    store.put_checkpoint(u16::MAX, checkpoint(u64::MAX, b"")).await.unwrap();
    let of = async |shard, limit| {
        let found = store.newest_checkpoints(shard, limit).await.unwrap();
        found.into_iter().map(|checkpoint| checkpoint.position).collect::<Vec<_>>()
    };
    assert_eq!(of(1, 2).await, [256, 255]);
    assert_eq!(of(1, 9).await, [256, 255, 1]);
    assert_eq!((of(0, 9).await, of(2, 9).await, of(u16::MAX, 1).await), (vec![9], vec![], vec![u64::MAX]));
    assert_eq!(store.newest_checkpoints(1, 1).await.unwrap(), [checkpoint(256, b"agenda")]);
}

async fn a_checkpoint_is_durable_with_all_that_was_put_before(mut house: impl Harness) {
    let store = house.open().await;
    for version in 1..=50 {
        store.put(snapshot(b"cart", version, version, &vec![7; 10_000])).await.unwrap();
    }
    store.put_checkpoint(3, checkpoint(51, b"agenda")).await.unwrap();
    let crashed = house.crash().await;
    assert_eq!(crashed.newest_checkpoints(3, 9).await.unwrap(), [checkpoint(51, b"agenda")]);
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
    assert_eq!(store.newest_checkpoints(0, 9).await.unwrap(), [checkpoint(11, b"first")]);
    store.put_checkpoint(0, checkpoint(21, b"second")).await.unwrap();
    assert_eq!(store.newest_checkpoints(0, 1).await.unwrap(), [checkpoint(21, b"second")]);
}

fn snapshot(key: &[u8], version: u64, position: u64, bytes: &[u8]) -> Snapshot {
    let (key, bytes) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(bytes));
    Snapshot { key, version, position, rules: 1, format: 1, bytes }
}

fn checkpoint(position: u64, bytes: &'static [u8]) -> Checkpoint {
    Checkpoint { position, bytes: Bytes::from_static(bytes) }
}

/// The versions that an entity has snapshots of, newest first.
async fn versions(store: &Arc<dyn SnapshotStore>, key: &[u8]) -> Vec<u64> {
    let (mut versions, mut at_most) = (Vec::new(), None);
    while let Some(found) = store.newest(Bytes::copy_from_slice(key), at_most).await.unwrap() {
        assert_eq!(found.key, key);
        versions.push(found.version);
        match found.version.checked_sub(1) {
            Some(before) => at_most = Some(before),
            None => break,
        }
    }
    versions
}
