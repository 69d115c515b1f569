//! Measures how much disk space the embedded snapshot store takes when idle entities are read again and again.

use std::{sync::Arc, time::Duration};

use actors::{Commerce, Node, NodeOptions, node::Tuning};
use engine::{
    flash_drop::{DropCommand, FlashDrop},
    id::Sku,
    stock::{StockCommand, StockItem},
};
use futures::future::join_all;
use persistence::snapshots::EmbeddedSnapshots;
use streaming::Journal;

use crate::directed::{Scene, ask, claim, live};

/// The number of entities that are read.
const SHELVES: u64 = 1_000;
/// How often each is read. It leaves memory in between.
const ROUNDS: u64 = 1_000;
/// The number of claims of the cancelled drop: some 490 KB of state.
const CLAIMS: u64 = 6_000;

/// Run it with:
/// `cargo test -p actors --features fault-injection --test simulation -- --ignored --nocapture a_million_reads`
#[test]
#[ignore = "a measurement of some minutes"]
fn a_million_reads_of_idle_entities_leave_the_disk_as_it_is() {
    live(async {
        let data = tempfile::tempdir().unwrap();
        let snapshots = EmbeddedSnapshots::open(data.path()).unwrap();
        let scene = Scene::new(Duration::from_micros(300), 1 << 30);
        let options = NodeOptions {
            name: "disk".into(),
            journal: Arc::new(scene.journal.clone()) as Arc<dyn Journal>,
            snapshots: Arc::new(snapshots.clone()),
            external_services: Arc::new(scene.bank()),
            clock: scene.clock.clone(),
            projection: None,
            tuning: Tuning {
                checkpoint_tail_bytes: 1 << 30,
                idle_after: Duration::from_secs(1),
                inline: true,
                ..Tuning::default()
            },
        };
        let node = Node::start(options).await.unwrap();
        let commerce = node.commerce();
        let skus: Vec<Sku> = (0..SHELVES).map(|number| Sku::new(&format!("SKU-{number}")).unwrap()).collect();
        for (number, sku) in skus.iter().enumerate() {
            scene.stock(&commerce, sku, 10_000, 1_000_000 + 2 * number as u128).await;
        }
        let drop = scene.drop_of(&commerce, &skus[0], CLAIMS as i64).await.key(&scene.tenant);
        join_all(
            (1..=u128::from(CLAIMS))
                .map(|name| ask::<FlashDrop>(&commerce, &drop, claim(10_000 + name), 10_000 + name)),
        )
        .await;
        ask::<FlashDrop>(&commerce, &drop, DropCommand::Cancel, 3_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let before = snapshots.on_disk_bytes().unwrap();
        println!("{SHELVES} shelves and a drop of {CLAIMS} claims: {before} bytes on disk");
        for round in 1..=ROUNDS {
            look(&scene, &commerce, &skus).await;
            ask::<FlashDrop>(&commerce, &drop, DropCommand::View, 0).await;
            // All entities leave memory.
            tokio::time::sleep(Duration::from_secs(20)).await;
            if round % 100 == 0 {
                println!("after {} reads: {} bytes", round * (SHELVES + 1), snapshots.on_disk_bytes().unwrap());
            }
        }
        assert_eq!(snapshots.on_disk_bytes().unwrap(), before);
        node.stop(Duration::from_secs(600)).await;
    });
}

async fn look(scene: &Scene, commerce: &Commerce, skus: &[Sku]) {
    for sku in skus {
        ask::<StockItem>(commerce, &sku.key(&scene.tenant), StockCommand::View, 0).await;
    }
}
