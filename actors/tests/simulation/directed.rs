//! Directed histories: each shows one situation that random histories seldom reach.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{
    AskError, Clock, CommandMeta, Commerce, Node, NodeError, NodeOptions, clock::TokioClock,
    external_services::ExternalServices, node::Tuning,
};
use engine::{
    fault_injection::{break_rule, panic_every},
    flash_drop::{Audience, Buyer, DropCommand, DropReply, FlashDrop, ItemTerms, Terms},
    id::{ClaimId, CommandId, DropId, EntityKey, Fingerprint, ProductId, Sku, SubjectId, TenantId, VariantId},
    kinds::Entity,
    money::Currency,
    quantity::Quantity,
    stock::{StockChange, StockCommand, StockItem, StockLevels, StockReply},
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

/// A journal with a fixed duration for each append.
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

/// A node of one shard, and everything that outlives it.
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

    /// Starts a node with `external_services`.
    pub async fn start_with(&self, external_services: impl ExternalServices) -> Node {
        self.try_start(external_services).await.unwrap()
    }

    /// Starts a node that may fail to start.
    pub async fn try_start(&self, external_services: impl ExternalServices) -> Result<Node, NodeError> {
        let options = NodeOptions {
            name: "scene".into(),
            journal: Arc::new(self.journal.clone()) as Arc<dyn Journal>,
            snapshots: Arc::new(self.snapshots.clone()),
            external_services: Arc::new(external_services),
            clock: self.clock.clone(),
            projection: None,
            tuning: Tuning { checkpoint_tail_bytes: self.tail_bytes, inline: true, ..Tuning::default() },
        };
        Node::start(options).await
    }

    /// Creates a stock item with units.
    pub async fn stock(&self, commerce: &Commerce, sku: &Sku, units: u64, name: u128) {
        let (tenant, key) = (self.tenant.clone(), sku.key(&self.tenant));
        let adopt = StockCommand::Adopt { tenant, sku: sku.clone(), product: ProductId(1), variant: VariantId(name) };
        ask::<StockItem>(commerce, &key, adopt, name).await;
        let change = StockCommand::Adjust { change: StockChange::First(units), reason: "first".into() };
        ask::<StockItem>(commerce, &key, change, name + 1).await;
    }

    pub async fn levels(&self, commerce: &Commerce, sku: &Sku) -> StockLevels {
        match ask::<StockItem>(commerce, &sku.key(&self.tenant), StockCommand::View, 0).await {
            StockReply::Levels(levels) => levels,
            other => panic!("{other:?}"),
        }
    }

    /// Creates an open drop with all units of a stock item.
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
        ask::<FlashDrop>(commerce, &drop.key(&self.tenant), create, 2_000).await;
        drop
    }
}

pub fn named(name: u128) -> CommandMeta {
    CommandMeta {
        command_id: CommandId(name),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(name),
        request_id: name,
        timeout: Duration::from_secs(30),
    }
}

pub async fn ask<A: Entity>(commerce: &Commerce, key: &EntityKey, command: A::Command, name: u128) -> A::Reply {
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
        // The first claim takes the last unit. It is on its way to the journal when its drop panics; the others arrive
        // meanwhile.
        let asked = (1..20).map(|name| {
            let (commerce, key) = (commerce.clone(), key.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(name as u64)).await;
                commerce.ask::<FlashDrop>(&key, claim(name), named(name)).await
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
        // The snapshots of the first checkpoint take long; those that follow do not.
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
        join_all(
            (1..=HOLDS as u128).map(|name| ask::<FlashDrop>(&commerce, &key, claim(10_000 + name), 10_000 + name)),
        )
        .await;
        ask::<FlashDrop>(&commerce, &key, DropCommand::Cancel, 3_000).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let DropReply::Drop(view) = ask::<FlashDrop>(&commerce, &key, DropCommand::View, 0).await else { panic!() };
        assert_eq!((view.items[0].held, view.items[0].available), (0, 0));
        let levels = scene.levels(&commerce, &sku).await;
        assert_eq!((levels.allocated, levels.available), (0, HOLDS as u64));
        node.kill().await;
    });
}

#[test]
fn reading_creates_no_entity() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1 << 20);
        let node = scene.start().await;
        for number in 0..50 {
            let (commerce, key) = (node.commerce(), DropId(number).key(&scene.tenant));
            let asked = commerce.ask::<FlashDrop>(&key, DropCommand::View, CommandMeta::read()).await;
            assert!(matches!(asked, Err(AskError::Rejected(_))));
        }
        // Long enough for idle entities to leave memory.
        tokio::time::sleep(Duration::from_secs(1_000)).await;
        assert_eq!(scene.snapshots.len(), 0);
        node.kill().await;
    });
}
