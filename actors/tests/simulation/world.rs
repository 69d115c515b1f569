//! A simulated system: a node that crashes and restarts, a merchant, and buyers.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{Clock, Commerce, Node, NodeOptions, clock::TokioClock, node::Tuning};
use engine::{
    fault_injection::{break_encoding, panic_every},
    id::{DropId, Sku, TenantId},
    time::Timestamp,
};
use parking_lot::{Mutex, RwLock};
use streaming::memory::MemoryJournal;

use crate::{
    bank::Bank,
    buyers::{buy, run_shop},
    checker::{Heard, check, check_positions},
    faults::{Dice, Snapshots, Trouble},
};

pub const SHARDS: u16 = 3;
/// The time at which a simulation begins.
pub const BEGIN: Timestamp = Timestamp(1_800_000_000_000);
/// How long the drop is open.
pub const OPEN_SECONDS: u64 = 20;
/// How long a claim holds its units.
pub const HOLD_SECONDS: u32 = 5;

/// The state that all participants of a simulation share.
#[derive(Clone)]
pub struct World {
    pub tenant: TenantId,
    pub drop: DropId,
    pub skus: Vec<Sku>,
    pub units: u64,
    pub journal: MemoryJournal,
    pub dice: Dice,
    pub heard: Arc<Mutex<Vec<Heard>>>,
    pub bank: Bank,
    commerce: Arc<RwLock<Option<Commerce>>>,
}

impl World {
    /// The running node; waits for one while it is down.
    pub async fn commerce(&self) -> Commerce {
        loop {
            if let Some(commerce) = self.commerce.read().clone() {
                return commerce;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn observe(&self, heard: Heard) {
        self.heard.lock().push(heard);
    }
}

/// The result of a run. Two runs of one seed have the same result.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Report {
    pub answers: u64,
    pub claims: u64,
    pub sold_out: u64,
    pub unknown: u64,
    pub crashes: u64,
    pub stops: u64,
    pub checkpoints: u64,
    pub orders: u64,
    pub provider_panics: u64,
    pub spoilt: u64,
    pub entries: u64,
    pub log_digest: u64,
}

impl Report {
    pub fn add(&mut self, other: &Report) {
        self.answers += other.answers;
        self.claims += other.claims;
        self.sold_out += other.sold_out;
        self.unknown += other.unknown;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.checkpoints += other.checkpoints;
        self.orders += other.orders;
        self.provider_panics += other.provider_panics;
        self.spoilt += other.spoilt;
        self.entries += other.entries;
    }

    /// Checks that enough happened: a simulation in which nothing fails and no command is rejected proves nothing.
    pub fn assert_that_it_meant_something(&self) {
        for (what, count) in [
            ("claims", self.claims),
            ("refusals for want of units", self.sold_out),
            ("unknown outcomes", self.unknown),
            ("crashes", self.crashes),
            ("orderly stops", self.stops),
            ("checkpoints", self.checkpoints),
            ("orders", self.orders),
            ("faults of a provider", self.provider_panics),
            ("snapshots that do not read", self.spoilt),
        ] {
            assert!(count >= 100, "only {count} {what}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { answers, claims, sold_out, unknown, crashes, stops, checkpoints, orders, spoilt, entries, .. } =
            self;
        write!(
            f,
            "{answers} answers, {claims} claims, {sold_out} sold out, {unknown} unknown outcomes, {orders} orders, \
             {entries} entries, {checkpoints} checkpoints, {spoilt} spoilt rows, {crashes} crashes, {stops} stops"
        )
    }
}

/// Runs one history and checks it.
pub async fn simulate(seed: u64) -> Result<Report, String> {
    let dice = Dice::new(seed);
    let appends = [0, 5, 20, 60][dice.below(4) as usize];
    let on = Arc::new(AtomicBool::new(true));
    let trouble = Trouble { dice: dice.clone(), on: on.clone(), appends };
    let journal = MemoryJournal::with_faults(SHARDS, seed, trouble.clone());
    let snapshots = Snapshots::new(trouble.clone());
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(BEGIN));
    let commerce = Arc::new(RwLock::new(None));
    let bank = Bank { books: Arc::default(), trouble: trouble.clone() };
    let world = World {
        tenant: TenantId::new("sim").unwrap(),
        drop: DropId(u128::from(seed) + 1),
        skus: vec![Sku::new("S").unwrap(), Sku::new("M").unwrap()],
        units: 3 + dice.below(20),
        journal: journal.clone(),
        dice: dice.clone(),
        heard: Arc::default(),
        bank: bank.clone(),
        commerce: commerce.clone(),
    };
    let start = || async {
        let options = NodeOptions {
            name: "sim".into(),
            journal: Arc::new(journal.clone()),
            snapshots: Arc::new(snapshots.clone()),
            external_services: Arc::new(bank.clone()),
            clock: clock.clone(),
            projection: None,
            tuning: Tuning {
                checkpoint_tail_bytes: 1_000 + trouble.dice.below(20_000),
                entities_max: 4 + trouble.dice.below(40) as usize,
                idle_after: Duration::from_millis(500 + trouble.dice.below(5_000)),
                inline: true,
            },
        };
        Node::start(options).await.map_err(|error| error.to_string())
    };
    // At most two panics: after the third within a minute the entity would be quarantined.
    panic_every([0, 0, 40, 150][dice.below(4) as usize], 2);
    let mut node = start().await?;
    *commerce.write() = Some(node.commerce());

    let shop = tokio::spawn(run_shop(world.clone()));
    let buyers: Vec<_> = (0..20 + dice.below(40)).map(|n| tokio::spawn(buy(world.clone(), n))).collect();
    let (mut crashes, mut stops, mut spoilt) = (0, 0, 0);
    let crash_rate = [0, 3, 10][dice.below(3) as usize];
    let end = BEGIN.plus_seconds(OPEN_SECONDS + u64::from(HOLD_SECONDS) + 5);
    while clock.now() < end {
        tokio::time::sleep(dice.ms(400)).await;
        break_encoding(dice.chance(50));
        if dice.chance(crash_rate * 10) {
            *commerce.write() = None;
            if dice.chance(300) {
                stops += 1;
                node.stop(dice.ms(2_000)).await;
            } else {
                crashes += 1;
                node.kill().await;
            }
            snapshots.crash();
            spoilt += snapshots.spoil_some(SHARDS);
            tokio::time::sleep(dice.ms(200)).await;
            node = start().await?;
            *commerce.write() = Some(node.commerce());
        }
    }
    on.store(false, Ordering::Release);
    panic_every(0, 0);
    break_encoding(false);
    for buyer in buyers {
        buyer.await.map_err(|error| format!("buyer: {error}"))?;
    }
    shop.await.map_err(|error| format!("shop: {error}"))?;
    // Everything open settles: holds and checkouts expire, the stock items book the sales.
    tokio::time::sleep(Duration::from_secs(1_500)).await;
    // After an orderly stop there is no tail: an entity whose newest snapshot cannot be read has to be completed from
    // the log, starting at the position of an older snapshot.
    *commerce.write() = None;
    node.stop(Duration::from_secs(60)).await;
    spoilt += snapshots.spoil_some(SHARDS);
    node = start().await?;
    *commerce.write() = Some(node.commerce());
    check_positions(&snapshots, &journal)?;
    let checked = check(&world, &journal).await;
    node.kill().await;
    let mut report = checked?;
    report.crashes = crashes;
    report.stops = stops;
    report.checkpoints = snapshots.checkpoints();
    report.spoilt = spoilt;
    Ok(report)
}
