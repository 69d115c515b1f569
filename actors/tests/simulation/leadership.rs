//! Directed histories of two nodes on one journal: a node that a newer leader fenced does not fight.

use std::time::Duration;

use actors::{Answered, AskError, Commerce};
use engine::{
    id::Sku,
    stock::{StockChange, StockCommand, StockItem, StockRejection, StockReply},
};
use streaming::{ShardId, fencing::Verdict};
use tokio::time::Instant;

use crate::directed::{Scene, live, named};

/// The maximum time until a caller of a node that does not lead is refused.
const PROMPTLY: Duration = Duration::from_millis(10);

/// The number of Leads that count.
fn leads(scene: &Scene) -> usize {
    let log = scene.journal.accepted_log(ShardId(0));
    log.iter().filter(|batch| matches!(batch.content, streaming::Content::Lead { .. })).count()
}

/// Adds one unit to a stock item.
async fn add(
    scene: &Scene,
    commerce: &Commerce,
    sku: &Sku,
    name: u128,
) -> Result<Answered<StockReply>, AskError<StockRejection>> {
    let adjust = StockCommand::Adjust { change: StockChange::By(1), reason: "found".into() };
    commerce.ask::<StockItem>(&sku.key(&scene.tenant), adjust, named(name)).await
}

#[test]
fn a_fenced_node_refuses_its_callers_and_leads_again_when_it_is_needed_later() {
    live(async {
        let (scene, sku) = (Scene::new(Duration::from_millis(1), 1 << 20), Sku::new("ONE").unwrap());
        let first = scene.start().await;
        scene.stock(&first.commerce(), &sku, 7, 10).await;
        let second = scene.start().await;
        assert_eq!(leads(&scene), 2);

        // The first node does not know yet that it was fenced. Its next append fails.
        let fenced = add(&scene, &first.commerce(), &sku, 20).await;
        assert_eq!(fenced, Err(AskError::Unknown));
        let (asked_at, refused) = (Instant::now(), add(&scene, &first.commerce(), &sku, 20).await);
        assert!(matches!(refused, Err(AskError::Unavailable { .. })), "{refused:?}");
        assert!(asked_at.elapsed() < PROMPTLY, "refused after {:?}", asked_at.elapsed());
        assert!(!first.commerce().is_ready() && second.commerce().is_ready());

        // Nobody needs the shard on the first node: it leaves the leadership to the second, however long that is.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(leads(&scene), 2, "the fenced node fights");
        add(&scene, &second.commerce(), &sku, 21).await.unwrap();

        // The second node is gone. The next caller of the first node makes it the leader, of what the second left.
        second.kill().await;
        add(&scene, &first.commerce(), &sku, 22).await.unwrap();
        assert_eq!(leads(&scene), 3);
        assert_eq!(scene.levels(&first.commerce(), &sku).await.on_hand, 9);
        first.kill().await;
    });
}

#[test]
fn two_nodes_that_both_have_callers_take_the_shard_from_each_other_ever_more_seldom() {
    live(async {
        let (scene, sku) = (Scene::new(Duration::from_millis(1), 1 << 20), Sku::new("ONE").unwrap());
        let first = scene.start().await;
        scene.stock(&first.commerce(), &sku, 7, 10).await;
        let second = scene.start().await;
        let (begin, mut accepted, mut refused) = (Instant::now(), 0, 0);
        for name in 100.. {
            for (node, name) in [(&first, 2 * name), (&second, 2 * name + 1)] {
                let asked_at = Instant::now();
                match add(&scene, &node.commerce(), &sku, name).await {
                    Ok(_) => accepted += 1,
                    Err(AskError::Unknown) => {}
                    Err(AskError::Unavailable { .. }) => {
                        refused += 1;
                        assert!(asked_at.elapsed() < PROMPTLY, "refused after {:?}", asked_at.elapsed());
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            if begin.elapsed() > Duration::from_secs(3_600) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // Each node waits 1, 2, 4 … 256 seconds, then 300 seconds each time.
        let (leads, fenced) = (leads(&scene), scene.journal.raw_log(ShardId(0)));
        let fenced = fenced.iter().filter(|(_, verdict)| *verdict == Verdict::Fenced).count();
        assert!((10..=40).contains(&leads), "{leads} Leads in an hour");
        // Each Lead but the first two follows an append that was fenced. The last of these may have no Lead yet.
        assert!((leads - 2..leads).contains(&fenced), "{leads} Leads and {fenced} fenced appends");
        assert!(accepted > 6_000 && refused > 6_000, "{accepted} accepted, {refused} refused");
        first.kill().await;
        second.kill().await;
    });
}
