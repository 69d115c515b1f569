//! A quarantined entity must not prevent checkpoints of its shard, nor lose its state.

use std::time::Duration;

use actors::{AskError, CommandMeta};
use engine::{
    fault_injection::panic_every,
    id::Sku,
    stock::{StockCommand, StockItem},
};

use persistence::snapshots::SnapshotStore;

use crate::directed::{Scene, live};

#[test]
fn a_quarantined_entity_keeps_no_other_from_a_checkpoint_and_keeps_its_state() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1_000);
        let node = scene.start().await;
        let (commerce, ill) = (node.commerce(), Sku::new("ILL").unwrap());
        scene.stock(&commerce, &ill, 7, 10).await;
        panic_every(1, 3);
        // Each of the first three fails after its answer. A command that arrives while the failed entity leaves memory
        // waits, and may get no answer.
        for _ in 0..6 {
            let view = StockCommand::View;
            let _ = commerce.ask::<StockItem>(&ill.key(&scene.tenant), view, CommandMeta::read()).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let asked = commerce.ask::<StockItem>(&ill.key(&scene.tenant), StockCommand::View, CommandMeta::read()).await;
        assert!(matches!(asked, Err(AskError::Quarantined)), "{asked:?}");
        for number in 0..200 {
            let sku = Sku::new(&format!("WELL-{number}")).unwrap();
            scene.stock(&commerce, &sku, 1, 1_000 + 2 * number).await;
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let end = scene.journal.accepted_log(streaming::ShardId(0)).last().unwrap().header.end();
        let newest = scene.snapshots.newest_checkpoint(0, None).await.unwrap().map_or(0, |newest| newest.position);
        assert!(newest > end.0 / 2, "the newest checkpoint is at {newest} of {end}: one entity holds them all up");
        // Twice: the second checkpoint after a start has to list the entity as uncovered too.
        let mut node = node;
        for round in 0..2 {
            node.kill().await;
            scene.snapshots.crash();
            node = scene.start().await;
            for number in 0..40 {
                let sku = Sku::new(&format!("MORE-{round}-{number}")).unwrap();
                scene.stock(&node.commerce(), &sku, 1, 5_000 + 100 * round + 2 * number).await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(scene.levels(&node.commerce(), &ill).await.on_hand, 7, "its entries were dropped");
        node.kill().await;
    });
}
