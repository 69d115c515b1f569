//! The read side is projected shard by shard: an entry that cannot be projected, or a shard whose journal cannot be
//! read, delays no other shard.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{
    Clock, Node, NodeOptions,
    clock::TokioClock,
    node::Tuning,
    projector::{Accepted, Projection, ProjectionError, Reached},
};
use engine::{
    id::{ProductId, Sku, TenantId, VariantId},
    stock::{StockCommand, StockItem},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use streaming::{
    Journal, Position, ShardId,
    journal::JournalError,
    memory::{Faults, MemoryJournal},
};

use crate::{
    bank::Bank,
    directed::{ask, live},
    faults::{Dice, Snapshots, Trouble},
    world::BEGIN,
};

const SHARDS: u16 = 3;

/// A read side that cannot project one entry.
#[derive(Clone, Default)]
struct Lists {
    rows: Arc<Mutex<BTreeMap<u16, Vec<u64>>>>,
    next: Arc<Mutex<BTreeMap<u16, u64>>>,
    refuses: Option<(u16, u64)>,
}

impl Projection for Lists {
    fn reached(&self) -> BoxFuture<'_, Result<Vec<Reached>, String>> {
        async { Ok(self.next.lock().iter().map(|(&shard, &next)| Reached { shard, next }).collect()) }.boxed()
    }

    fn project(&self, records: Vec<Accepted>, reached: Vec<Reached>) -> BoxFuture<'_, Result<(), ProjectionError>> {
        async move {
            let refused = records.iter().find(|one| Some((one.shard, one.position)) == self.refuses);
            if refused.is_some() {
                return Err(ProjectionError { entry: self.refuses, why: "does not decode".into() });
            }
            for one in records {
                self.rows.lock().entry(one.shard).or_default().push(one.position);
            }
            self.next.lock().extend(reached.iter().map(|reached| (reached.shard, reached.next)));
            Ok(())
        }
        .boxed()
    }
}

/// A journal of which one shard cannot be read while the switch is on.
struct Unreadable(u16, Arc<AtomicBool>);

impl Faults for Unreadable {
    fn on_read(&self, shard: ShardId, _: Position) -> Option<JournalError> {
        (shard.0 == self.0 && self.1.load(Ordering::Acquire)).then(|| JournalError::Store("does not read".into()))
    }
}

async fn node(journal: &MemoryJournal, lists: &Lists) -> Node {
    let trouble = Trouble { dice: Dice::new(7), on: Arc::new(AtomicBool::new(false)), appends: 0 };
    let options = NodeOptions {
        name: "lists".into(),
        journal: Arc::new(journal.clone()) as Arc<dyn Journal>,
        snapshots: Arc::new(Snapshots::new(trouble.clone())),
        external_services: Arc::new(Bank { books: Arc::default(), trouble }),
        clock: Arc::new(TokioClock::starting_at(BEGIN)) as Arc<dyn Clock>,
        projection: Some(Arc::new(lists.clone())),
        tuning: Tuning { inline: true, ..Tuning::default() },
    };
    Node::start(options).await.unwrap()
}

/// Creates some stock items, and returns the number of entries in each shard.
async fn stock(node: &Node, first: u128) -> BTreeMap<u16, usize> {
    let (tenant, mut entries) = (TenantId::new("lists").unwrap(), BTreeMap::new());
    for number in first..first + 30 {
        let sku = Sku::new(&format!("SKU-{number}")).unwrap();
        let key = sku.key(&tenant);
        *entries.entry(key.shard(SHARDS)).or_default() += 1;
        let (product, variant) = (ProductId(number), VariantId(number));
        let adopt = StockCommand::Adopt { tenant: tenant.clone(), sku, product, variant };
        ask::<StockItem>(&node.commerce(), &key, adopt, number).await;
    }
    entries
}

#[test]
fn an_entry_that_cannot_be_projected_stops_its_own_shard_alone() {
    live(async {
        let journal = MemoryJournal::new(SHARDS);
        // Shard 1 has its Lead at 0, and an entry at each position from 1 on.
        let lists = Lists { refuses: Some((1, 4)), ..Lists::default() };
        let node = node(&journal, &lists).await;
        let entries = stock(&node, 1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let rows = lists.rows.lock().clone();
        assert_eq!(rows[&0].len(), entries[&0], "shard 0 waits for shard 1");
        assert_eq!(rows[&2].len(), entries[&2], "shard 2 waits for shard 1");
        assert_eq!(rows[&1], [1, 2, 3], "what comes before the entry is there, and nothing after it");
        let failing = node.commerce().failing();
        assert_eq!(failing.len(), 1, "reported once: {failing:?}");
        assert!(failing[0].why.contains("position 4"), "{failing:?}");
        node.kill().await;
    });
}

#[test]
fn a_shard_whose_journal_does_not_read_holds_up_no_other() {
    live(async {
        let broken = Arc::new(AtomicBool::new(false));
        let journal = MemoryJournal::with_faults(SHARDS, 7, Unreadable(0, broken.clone()));
        let lists = Lists::default();
        let node = node(&journal, &lists).await;
        broken.store(true, Ordering::Release);
        let entries = stock(&node, 1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let rows = lists.rows.lock().clone();
        assert_eq!(rows.get(&0), None);
        assert_eq!((rows[&1].len(), rows[&2].len()), (entries[&1], entries[&2]));
        broken.store(false, Ordering::Release);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(lists.rows.lock()[&0].len(), entries[&0], "the shard is not projected once its journal reads");
        node.kill().await;
    });
}
