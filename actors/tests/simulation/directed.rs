//! Histories that chance seldom tells: each is of one situation.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{
    AskError, Call, Clock, Commerce, Node, NodeError, NodeOptions, clock::TokioClock, node::Tuning, ports::Outside,
};
use engine::{
    aggregate::Aggregate,
    drop::{Audience, Buyer, Drop, DropCommand, DropReply, ItemTerms, Terms},
    id::{ClaimId, CommandId, DropId, EntityKey, Fingerprint, ProductId, Sku, SubjectId, TenantId, VariantId},
    inventory::{Inventory, InventoryCommand, InventoryReply, StockChange, StockLevels},
    money::Currency,
    quantity::Quantity,
    sabotage::{break_rule, panic_every},
};
use futures::future::join_all;
use streaming::{
    Header, Journal, Position, ShardId,
    journal::JournalError,
    memory::{Fault, Faults, MemoryJournal},
};

use crate::{
    bank::Bank,
    faults::{Dice, Snapshots, Trouble, accepted_everywhere},
    world::BEGIN,
};

/// A journal that takes so long for each batch.
struct Slow(Duration);

impl Faults for Slow {
    fn on_append(&self, _: ShardId, _: &Header) -> Fault {
        Fault::Delay(self.0)
    }

    fn on_lead(&self, _: ShardId, _: &Header) -> Fault {
        Fault::None
    }

    fn on_read(&self, _: ShardId, _: Position) -> Option<JournalError> {
        None
    }
}

/// A node of one shard, and what outlives it.
pub struct Scene {
    pub journal: MemoryJournal,
    pub snapshots: Snapshots,
    pub clock: Arc<dyn Clock>,
    pub trouble: Trouble,
    pub tenant: TenantId,
    tail_bytes: u64,
}

impl Scene {
    pub fn new(append: Duration, tail_bytes: u64) -> Self {
        Self::with_faults(Slow(append), tail_bytes)
    }

    pub fn with_faults(faults: impl Faults + 'static, tail_bytes: u64) -> Self {
        break_rule(None);
        panic_every(0, 0);
        let trouble = Trouble { dice: Dice::new(7), on: Arc::new(AtomicBool::new(false)), appends: 0 };
        Self {
            journal: MemoryJournal::with_faults(1, 7, faults),
            snapshots: Snapshots::new(trouble.clone()),
            clock: Arc::new(TokioClock::starting_at(BEGIN)),
            trouble,
            tenant: TenantId::new("scene").unwrap(),
            tail_bytes,
        }
    }

    pub async fn start(&self) -> Node {
        self.start_with(self.bank()).await
    }

    pub fn bank(&self) -> Bank {
        Bank { books: Arc::default(), trouble: self.trouble.clone() }
    }

    /// A node whose providers are `outside`.
    pub async fn start_with(&self, outside: impl Outside) -> Node {
        self.try_start(outside).await.unwrap()
    }

    /// The same, which may not start.
    pub async fn try_start(&self, outside: impl Outside) -> Result<Node, NodeError> {
        let options = NodeOptions {
            name: "scene".into(),
            journal: Arc::new(self.journal.clone()) as Arc<dyn Journal>,
            snapshots: Arc::new(self.snapshots.clone()),
            outside: Arc::new(outside),
            clock: self.clock.clone(),
            projection: None,
            tuning: Tuning { checkpoint_tail_bytes: self.tail_bytes, inline: true, ..Tuning::default() },
        };
        Node::start(options).await
    }

    /// A shelf with units on it.
    pub async fn stock(&self, commerce: &Commerce, sku: &Sku, units: u64, name: u128) {
        let (tenant, key) = (self.tenant.clone(), sku.key(&self.tenant));
        let adopt =
            InventoryCommand::Adopt { tenant, sku: sku.clone(), product: ProductId(1), variant: VariantId(name) };
        ask::<Inventory>(commerce, &key, adopt, name).await;
        let change = InventoryCommand::Adjust { change: StockChange::First(units), reason: "first".into() };
        ask::<Inventory>(commerce, &key, change, name + 1).await;
    }

    pub async fn levels(&self, commerce: &Commerce, sku: &Sku) -> StockLevels {
        match ask::<Inventory>(commerce, &sku.key(&self.tenant), InventoryCommand::View, 0).await {
            InventoryReply::Levels(levels) => levels,
            other => panic!("{other:?}"),
        }
    }

    /// An open drop of all units of a shelf.
    pub async fn drop_of(&self, commerce: &Commerce, sku: &Sku, units: i64) -> DropId {
        let drop = DropId(9);
        let terms = Terms {
            title: "Scene".into(),
            product: None,
            per_buyer_max: Quantity::new(5).unwrap(),
            hold_seconds: 600,
            starts_at: None,
            ends_at: BEGIN.plus_seconds(3_600),
            audience: Audience::Anyone,
            currency: Currency::USD,
            network_limit: None,
        };
        let quantity = Quantity::new(units).unwrap();
        let items = vec![ItemTerms { sku: sku.clone(), quantity, price: 1_000, compare_at: None }];
        let create = DropCommand::Create { tenant: self.tenant.clone(), drop, terms, items, draft: false };
        ask::<Drop>(commerce, &drop.key(&self.tenant), create, 2_000).await;
        drop
    }
}

pub fn named(name: u128) -> Call {
    Call {
        command_id: CommandId(name),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(name),
        request_id: name,
        timeout: Duration::from_secs(30),
    }
}

pub async fn ask<A: Aggregate>(commerce: &Commerce, key: &EntityKey, command: A::Command, name: u128) -> A::Reply {
    match commerce.ask::<A>(key, command, named(name)).await {
        Ok(answered) => answered.reply,
        Err(error) => panic!("{error:?}"),
    }
}

pub fn claim(name: u128) -> DropCommand {
    let buyer = Buyer { subject: SubjectId(name), former: Vec::new(), customer: false };
    DropCommand::Claim { claim: ClaimId(name), buyer, sku: None, quantity: Quantity::new(1).unwrap(), network: None }
}

pub fn live<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(scene)
}

#[test]
fn an_entity_that_panics_is_loaded_when_its_last_entry_is_accepted() {
    live(async {
        let scene = Scene::new(Duration::from_millis(50), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("ONE").unwrap());
        scene.stock(&commerce, &sku, 1, 10).await;
        let key = scene.drop_of(&commerce, &sku, 1).await.key(&scene.tenant);
        panic_every(1, 1);
        // The first takes the last unit and is on its way to the journal when its drop panics; others come meanwhile.
        let asked = (1..20).map(|name| {
            let (commerce, key) = (commerce.clone(), key.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(name as u64)).await;
                commerce.ask::<Drop>(&key, claim(name), named(name)).await
            }
        });
        let answers = join_all(asked).await;
        assert!(answers[0].is_ok(), "{:?}", answers[0]);
        for answer in &answers[1..] {
            assert!(matches!(answer, Err(AskError::Rejected(_))), "the last unit was sold twice: {answer:?}");
        }
        let mut version = 0;
        for (_, entry) in accepted_everywhere(&scene.journal).iter().flatten().flat_map(streaming::Batch::entries) {
            if entry.key == key.as_bytes() {
                version += 1;
                assert_eq!(entry.version, version);
            }
        }
        node.kill().await;
    });
}

#[test]
fn an_orderly_stop_waits_for_the_checkpoint_under_way() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1_000);
        // What the first checkpoint writes down takes long; what comes after it does not.
        scene.snapshots.pause_max_us.store(20_000_000, Ordering::Release);
        let node = scene.start().await;
        let commerce = node.commerce();
        let skus: Vec<Sku> = (0..40).map(|number| Sku::new(&format!("SKU-{number}")).unwrap()).collect();
        for (number, sku) in skus.iter().enumerate() {
            scene.stock(&commerce, sku, 7, 100 + 2 * number as u128).await;
        }
        scene.snapshots.pause_max_us.store(0, Ordering::Release);
        node.stop(Duration::from_secs(600)).await;
        let node = scene.start().await;
        for sku in &skus {
            assert_eq!(scene.levels(&node.commerce(), sku).await.on_hand, 7, "{sku} after the stop");
        }
        node.kill().await;
    });
}

#[test]
fn a_drop_that_is_called_off_gives_every_hold_back() {
    const HOLDS: i64 = 2_500;
    live(async {
        let scene = Scene::new(Duration::from_micros(300), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("MANY").unwrap());
        scene.stock(&commerce, &sku, HOLDS as u64, 10).await;
        let key = scene.drop_of(&commerce, &sku, HOLDS).await.key(&scene.tenant);
        join_all((1..=HOLDS as u128).map(|name| ask::<Drop>(&commerce, &key, claim(10_000 + name), 10_000 + name)))
            .await;
        ask::<Drop>(&commerce, &key, DropCommand::Cancel, 3_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let DropReply::Drop(view) = ask::<Drop>(&commerce, &key, DropCommand::View, 0).await else { panic!() };
        assert_eq!((view.items[0].held, view.items[0].available), (0, 0));
        let levels = scene.levels(&commerce, &sku).await;
        assert_eq!((levels.allocated, levels.available), (0, HOLDS as u64));
        node.kill().await;
    });
}

#[test]
fn who_only_looks_leaves_nothing_behind() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1 << 20);
        let node = scene.start().await;
        for number in 0..50 {
            let (commerce, key) = (node.commerce(), DropId(number).key(&scene.tenant));
            let asked = commerce.ask::<Drop>(&key, DropCommand::View, Call::read()).await;
            assert!(matches!(asked, Err(AskError::Rejected(_))));
        }
        // Long enough for the idle to leave memory.
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert_eq!(scene.snapshots.len(), 0);
        node.kill().await;
    });
}
