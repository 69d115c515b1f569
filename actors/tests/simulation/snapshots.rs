//! Snapshots that cannot be read, and snapshots that need not be written.

use std::time::Duration;

use actors::{AskError, CommandMeta, Commerce, Node, NodeError};
use bytes::Bytes;
use engine::{
    RULES_VERSION,
    fault_injection::break_encoding,
    flash_drop::{DropCommand, DropReply, FlashDrop},
    id::{EntityKey, Sku},
    stock::{StockChange, StockCommand, StockItem},
};
use futures::future::join_all;
use persistence::snapshots::{Checkpoint, Snapshot, SnapshotStore};
use streaming::{Batch, Entry, Journal, ShardId};

use crate::directed::{Scene, ask, claim, live, named};
use crate::faults::{Spoilt, accepted_everywhere};

/// More bytes than a scene ever appends: the only checkpoints are those of orderly stops.
const NO_CHECKPOINT: u64 = 1 << 30;
/// Long enough for idle entities to leave memory.
const IDLE: Duration = Duration::from_secs(1_000);
const STOP: Duration = Duration::from_secs(600);

fn sku() -> Sku {
    Sku::new("ONE").unwrap()
}

impl Scene {
    fn shelf(&self) -> EntityKey {
        sku().key(&self.tenant)
    }

    /// Adds or removes units.
    async fn adjust(&self, commerce: &Commerce, delta: i64, name: u128) {
        let change = StockCommand::Adjust { change: StockChange::By(delta), reason: "count".into() };
        ask::<StockItem>(commerce, &self.shelf(), change, name).await;
    }

    async fn on_hand(&self, node: &Node) -> u64 {
        self.levels(&node.commerce(), &sku()).await.on_hand
    }

    /// The snapshots of the stock item, the newest last.
    fn rows(&self) -> Vec<Snapshot> {
        let key = self.shelf();
        self.snapshots.rows.snapshots().into_iter().filter(|row| row.key == key.as_bytes()).collect()
    }

    /// Leaves a snapshot of a stock item with 7 units, and one with 2 units. The node is stopped in order each time.
    async fn seven_then_two(&self) {
        let node = self.start().await;
        self.stock(&node.commerce(), &sku(), 7, 10).await;
        node.stop(STOP).await;
        let node = self.start().await;
        self.adjust(&node.commerce(), -5, 20).await;
        node.stop(STOP).await;
        assert_eq!(self.rows().len(), 2);
    }
}

/// Whether the entity is reported to an operator, and if so, whether as quarantined.
fn reported(node: &Node, key: &EntityKey) -> Option<bool> {
    let failing = node.commerce().failing();
    failing.iter().filter(|failing| failing.key == *key).map(|failing| failing.quarantined).max()
}

#[test]
fn a_snapshot_that_does_not_read_never_gives_an_older_state() {
    for how in Spoilt::ALL {
        live(async {
            let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
            scene.seven_then_two().await;
            scene.snapshots.spoil(&scene.rows()[1], how);
            let node = scene.start().await;
            assert_eq!(scene.on_hand(&node).await, 2, "{how:?}");
            assert_eq!(reported(&node, &scene.shelf()), Some(false), "an operator is notified: {how:?}");
            // The loaded state is written as a new snapshot, which is read the next time.
            node.stop(STOP).await;
            let node = scene.start().await;
            scene.adjust(&node.commerce(), 1, 30).await;
            node.stop(STOP).await;
            let node = scene.start().await;
            assert_eq!(scene.on_hand(&node).await, 3, "{how:?}");
            assert_eq!(reported(&node, &scene.shelf()), None, "{how:?}");
            node.kill().await;
        });
    }
}

#[test]
fn the_only_snapshot_that_does_not_read_never_gives_an_empty_state() {
    for how in Spoilt::ALL {
        live(async {
            let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
            let node = scene.start().await;
            scene.stock(&node.commerce(), &sku(), 7, 10).await;
            node.stop(STOP).await;
            let [only] = &scene.rows()[..] else { panic!() };
            scene.snapshots.spoil(only, how);
            let node = scene.start().await;
            assert_eq!(scene.on_hand(&node).await, 7, "{how:?}");
            assert_eq!(reported(&node, &scene.shelf()), Some(false), "{how:?}");
            node.kill().await;
        });
    }
}

#[test]
fn no_snapshot_that_reads_and_an_entry_since_give_the_whole_state() {
    for how in Spoilt::ALL {
        live(async {
            let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
            scene.seven_then_two().await;
            let node = scene.start().await;
            scene.adjust(&node.commerce(), 10, 30).await;
            node.kill().await;
            for row in scene.rows() {
                scene.snapshots.spoil(&row, how);
            }
            let node = scene.start().await;
            assert_eq!(scene.on_hand(&node).await, 12, "{how:?}");
            node.kill().await;
        });
    }
}

#[test]
fn of_two_snapshots_of_one_version_the_other_is_taken() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let newest = scene.rows()[1].clone();
        let later = Snapshot { position: newest.position + 1, bytes: Bytes::new(), ..newest };
        scene.snapshots.rows.replace(&later).unwrap();
        // There is no journal that the state could come from instead.
        let found = scene.snapshots.newest(later.key.clone(), Some(later.at())).await.unwrap().unwrap();
        assert_eq!(found.version, later.version);
        let node = scene.start().await;
        assert_eq!(scene.on_hand(&node).await, 2);
        node.kill().await;
    });
}

#[test]
fn a_position_that_comes_too_late_is_noticed() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let [old, newest] = &scene.rows()[..] else { panic!() };
        // As an earlier program version wrote it: the position at some time at which the state was accepted.
        scene.snapshots.rows.prune(old.key.clone(), newest.at()).await.unwrap();
        let late = Snapshot { position: newest.position + 100, ..old.clone() };
        scene.snapshots.rows.replace(&late).unwrap();
        scene.snapshots.spoil(newest, Spoilt::Truncated);
        let node = scene.start().await;
        assert_eq!(scene.on_hand(&node).await, 2);
        node.kill().await;
    });
}

#[test]
fn a_snapshot_of_newer_rules_puts_its_entity_aside() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let newest = scene.rows()[1].clone();
        scene.snapshots.rows.replace(&Snapshot { rules: RULES_VERSION + 1, ..newest.clone() }).unwrap();
        let node = scene.start().await;
        let asked = node.commerce().ask::<StockItem>(&scene.shelf(), StockCommand::View, CommandMeta::read()).await;
        assert!(matches!(asked, Err(AskError::Quarantined)), "{asked:?}");
        assert_eq!(reported(&node, &scene.shelf()), Some(true));
        node.kill().await;
        // The newer program version is back: nothing was lost.
        scene.snapshots.rows.replace(&newest).unwrap();
        let node = scene.start().await;
        assert_eq!(scene.on_hand(&node).await, 2);
        node.kill().await;
    });
}

#[test]
fn going_back_behind_newer_rules_is_noticed_without_a_tail() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let newest = scene.snapshots.rows.checkpoints(0).pop().unwrap();
        assert_eq!(newest.rules, RULES_VERSION);
        let newer = Checkpoint { rules: RULES_VERSION + 1, ..newest };
        scene.snapshots.rows.replace_checkpoint(0, &newer).unwrap();
        let Err(NodeError::Lead(error)) = scene.try_start(scene.bank()).await else { panic!("it leads") };
        assert!(error.to_string().contains("written by a newer one"), "{error}");
    });
}

#[test]
fn an_entry_of_newer_rules_behind_a_snapshot_that_does_not_read_puts_its_entity_aside() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        // A newer program version changes the stock item, and takes a checkpoint without a rules version.
        let last = entries(&scene).into_iter().rfind(|entry| entry.key == scene.shelf().as_bytes()).unwrap();
        let next = Entry { version: last.version + 1, ..last };
        let mut leadership = scene.journal.acquire_leadership(ShardId(0), "newer").await.unwrap();
        let end = leadership.append(RULES_VERSION + 1, vec![next.clone()]).await.unwrap().end;
        std::mem::drop(leadership);
        let newest = scene.rows()[1].clone();
        let later = Snapshot { version: next.version, position: end.0, bytes: Bytes::new(), ..newest };
        scene.snapshots.rows.replace(&later).unwrap();
        let checkpoint = scene.snapshots.rows.checkpoints(0).pop().unwrap();
        // The first field is the position.
        let bytes = [&end.0.to_le_bytes()[..], &checkpoint.bytes[8..]].concat();
        let unnoted = Checkpoint { position: end.0, rules: 0, bytes: bytes.into(), ..checkpoint };
        scene.snapshots.rows.replace_checkpoint(0, &unnoted).unwrap();
        let node = scene.start().await;
        let asked = node.commerce().ask::<StockItem>(&scene.shelf(), StockCommand::View, CommandMeta::read()).await;
        assert!(matches!(asked, Err(AskError::Quarantined)), "{asked:?}");
        let failing = node.commerce().failing();
        assert!(failing[0].why.contains("written by a newer one"), "{failing:?}");
        node.kill().await;
    });
}

#[test]
fn a_checkpoint_that_does_not_read_loses_nothing() {
    for how in Spoilt::ALL {
        for all in [false, true] {
            live(async {
                let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
                let node = scene.start().await;
                scene.stock(&node.commerce(), &sku(), 9, 10).await;
                node.stop(STOP).await;
                let node = scene.start().await;
                let (commerce, key) = (node.commerce(), scene.drop_of(&node.commerce(), &sku(), 4).await);
                let key = key.key(&scene.tenant);
                ask::<FlashDrop>(&commerce, &key, claim(77), 77).await;
                node.stop(STOP).await;
                let checkpoints = scene.snapshots.rows.checkpoints(0);
                assert_eq!(checkpoints.len(), 2);
                for checkpoint in &checkpoints[usize::from(!all)..] {
                    scene.snapshots.spoil_checkpoint(0, checkpoint, how);
                }
                let node = scene.start().await;
                let commerce = node.commerce();
                assert_eq!(scene.levels(&commerce, &sku()).await.allocated, 4, "{how:?}");
                // The hold expires in time, although nothing reads the drop until then.
                tokio::time::sleep(Duration::from_secs(700)).await;
                let DropReply::Drop(view) = ask::<FlashDrop>(&commerce, &key, DropCommand::View, 0).await else {
                    panic!()
                };
                assert_eq!((view.items[0].held, view.items[0].available), (0, 4), "{how:?}");
                let wakes = entries(&scene).into_iter().filter(|entry| entry.command_id == 0);
                assert!(wakes.filter(|entry| entry.key == key.as_bytes()).count() > 0, "it was woken: {how:?}");
                node.stop(STOP).await;
                assert_eq!(scene.snapshots.rows.checkpoints(0).last().map(|newest| newest.rules), Some(RULES_VERSION));
            });
        }
    }
}

#[test]
fn looking_writes_nothing() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let node = scene.start().await;
        let before = scene.rows();
        for _ in 0..20 {
            assert_eq!(scene.on_hand(&node).await, 2);
            tokio::time::sleep(IDLE).await;
        }
        assert_eq!(scene.rows(), before);
        // After a change a snapshot is written once, and those that it supersedes are removed.
        scene.adjust(&node.commerce(), 1, 30).await;
        for _ in 0..20 {
            assert_eq!(scene.on_hand(&node).await, 3);
            tokio::time::sleep(IDLE).await;
        }
        let after = scene.rows();
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], before[1]);
        node.kill().await;
    });
}

#[test]
fn looking_writes_nothing_while_the_tail_has_the_change() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let node = scene.start().await;
        scene.adjust(&node.commerce(), 1, 30).await;
        node.kill().await;
        let before = scene.rows();
        let node = scene.start().await;
        for _ in 0..20 {
            assert_eq!(scene.on_hand(&node).await, 3);
            tokio::time::sleep(IDLE).await;
        }
        assert_eq!(scene.rows(), before);
        // The checkpoint covers the change, and the tail is dropped.
        node.stop(STOP).await;
        assert_eq!(scene.rows().last().map(|row| row.version), before.last().map(|row| row.version + 1));
        let node = scene.start().await;
        assert_eq!(scene.on_hand(&node).await, 3);
        node.kill().await;
    });
}

#[test]
fn a_change_is_written_once_however_it_leaves_memory() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        let node = scene.start().await;
        scene.stock(&node.commerce(), &sku(), 7, 10).await;
        tokio::time::sleep(IDLE).await;
        let passivated = scene.rows();
        assert_eq!(passivated.len(), 1);
        assert_eq!(scene.on_hand(&node).await, 7);
        node.stop(STOP).await;
        assert_eq!(scene.rows(), passivated, "the checkpoint takes the snapshot that there is");
    });
}

#[test]
fn a_cancelled_drop_is_written_once_however_often_it_is_looked_at() {
    const CLAIMS: u128 = 6_000;
    live(async {
        let scene = Scene::new(Duration::from_micros(300), NO_CHECKPOINT);
        let node = scene.start().await;
        let commerce = node.commerce();
        scene.stock(&commerce, &sku(), CLAIMS as u64, 10).await;
        let key = scene.drop_of(&commerce, &sku(), CLAIMS as i64).await.key(&scene.tenant);
        join_all((1..=CLAIMS).map(|name| ask::<FlashDrop>(&commerce, &key, claim(10_000 + name), 10_000 + name))).await;
        ask::<FlashDrop>(&commerce, &key, DropCommand::Cancel, 3_000).await;
        tokio::time::sleep(IDLE).await;
        let rows = scene.snapshots.rows.snapshots();
        for _ in 0..5 {
            ask::<FlashDrop>(&commerce, &key, DropCommand::View, 0).await;
            tokio::time::sleep(IDLE).await;
        }
        assert_eq!(scene.snapshots.rows.snapshots(), rows);
        node.kill().await;
    });
}

#[test]
fn superseded_snapshots_and_checkpoints_go() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 2_000);
        let node = scene.start().await;
        scene.stock(&node.commerce(), &sku(), 100, 10).await;
        for name in 0..60 {
            scene.adjust(&node.commerce(), 1, 100 + name).await;
            tokio::time::sleep(if name % 3 == 0 { IDLE } else { Duration::from_secs(1) }).await;
            assert!(scene.rows().len() <= 2, "{} snapshots", scene.rows().len());
            assert!(scene.snapshots.rows.checkpoints(0).len() <= 2);
        }
        assert!(scene.snapshots.checkpoints() > 3, "{} checkpoints", scene.snapshots.checkpoints());
        assert_eq!(scene.on_hand(&node).await, 160);
        node.kill().await;
    });
}

#[test]
fn a_state_that_cannot_be_written_is_no_empty_state() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), NO_CHECKPOINT);
        scene.seven_then_two().await;
        let (rows, checkpoints) = (scene.rows(), scene.snapshots.rows.checkpoints(0));
        let node = scene.start().await;
        scene.adjust(&node.commerce(), 1, 30).await;
        break_encoding(true);
        tokio::time::sleep(IDLE).await;
        assert_eq!(reported(&node, &scene.shelf()), Some(false), "an operator is notified");
        assert_eq!(scene.on_hand(&node).await, 3, "it stays in memory");
        node.stop(STOP).await;
        assert_eq!((scene.rows(), scene.snapshots.rows.checkpoints(0)), (rows, checkpoints), "the former stand");
        break_encoding(false);
        let node = scene.start().await;
        assert_eq!(scene.on_hand(&node).await, 3);
        node.kill().await;
    });
}

#[test]
fn a_snapshot_names_a_position_behind_which_nothing_is_missing() {
    live(async {
        // Slow appends: while one is under way, the stock item changes further and is frozen.
        let scene = Scene::new(Duration::from_millis(200), 1_500);
        let node = scene.start().await;
        let commerce = node.commerce();
        scene.stock(&commerce, &sku(), 1_000, 10).await;
        let asked = (0..300u64).map(|number| {
            let (commerce, key) = (commerce.clone(), scene.shelf());
            async move {
                tokio::time::sleep(Duration::from_millis(7 * number)).await;
                let change = StockCommand::Adjust { change: StockChange::By(1), reason: "count".into() };
                commerce.ask::<StockItem>(&key, change, named(1_000 + u128::from(number))).await.unwrap();
            }
        });
        join_all(asked).await;
        assert!(!scene.rows().is_empty());
        crate::checker::check_positions(&scene.snapshots, &scene.journal).unwrap();
        node.kill().await;
    });
}

fn entries(scene: &Scene) -> Vec<Entry> {
    accepted_everywhere(&scene.journal)
        .iter()
        .flatten()
        .flat_map(Batch::entries)
        .map(|(_, entry)| entry.clone())
        .collect()
}
