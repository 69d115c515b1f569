#![allow(clippy::unwrap_used)]

use engine::{
    aggregate::Aggregate,
    id::{TenantId, digest128},
    quantity::Quantity,
    stock::{StockChange, StockCommand, StockItem, StockReply},
};

use super::{
    super::{
        decode::each_event,
        testing::{Actor, World, no_outcome},
    },
    *,
};
use crate::sql::{Limit, testing::tenant};

fn sku(n: u64) -> Sku {
    Sku::new(&format!("sku-{n}")).unwrap()
}

/// A random number generator that repeats its numbers for a given seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 += 1;
        digest128(&[b"dice", &self.0.to_be_bytes()]) as u64 % below
    }
}

/// The earlier commands on one SKU.
#[derive(Default)]
struct Past {
    holds: u64,
    reports: HashMap<u64, Totals>,
}

/// Returns a plausible next command for a shop: mostly sensible, sometimes repeated or late.
fn command(dice: &mut Dice, tenant: &TenantId, n: u64, now: Timestamp, past: &mut Past) -> StockCommand {
    let hold = HoldId(u128::from(past.holds.saturating_sub(dice.roll(4))));
    let drop = dice.roll(4);
    match dice.roll(14) {
        0 => StockCommand::Adopt {
            tenant: tenant.clone(),
            sku: sku(n),
            product: ProductId(1),
            variant: VariantId(u128::from(n)),
        },
        1 => StockCommand::Disown { variant: VariantId(u128::from(n)) },
        2 | 3 => StockCommand::Adjust { change: StockChange::By(dice.roll(40) as i64 - 8), reason: "count".to_owned() },
        4 => StockCommand::Allocate { drop: DropId(u128::from(drop)), total: dice.roll(60) },
        5 => {
            let totals = past.reports.entry(drop).or_default();
            match dice.roll(3) {
                0 => totals.sold += dice.roll(5),
                1 => totals.unsold += dice.roll(5),
                _ => totals.returned = (totals.returned + 1).min(totals.sold),
            }
            StockCommand::Settle { drop: DropId(u128::from(drop)), totals: *totals }
        }
        6..=8 => {
            past.holds += 1;
            StockCommand::Reserve {
                hold: HoldId(u128::from(past.holds)),
                quantity: Quantity::new(1 + dice.roll(4) as i64).unwrap(),
                expires_at: now.plus_ms(1 + dice.roll(2_000)),
                deadline: now.plus_ms(dice.roll(100)),
            }
        }
        9 | 10 => StockCommand::Confirm { hold },
        11 => StockCommand::Release { hold },
        12 => StockCommand::Unsell { hold, quantity: Quantity::new(1 + dice.roll(4) as i64).unwrap() },
        _ => StockCommand::Restock { order: OrderId(u128::from(dice.roll(5))), total: dice.roll(20) },
    }
}

/// Counts the events of each kind in a journal.
fn kinds_of_events(world: &World) -> HashMap<std::mem::Discriminant<StockEvent>, u32> {
    let mut kinds = HashMap::new();
    for record in &world.journal.all().records {
        let count = |event| *kinds.entry(std::mem::discriminant(&event)).or_default() += 1;
        each_event(JournalPosition { shard: 0, position: record.position }, record, count).unwrap();
    }
    kinds
}

fn levels_of(actor: &mut Actor<StockItem>) -> Option<StockLevels> {
    let context = engine::aggregate::Context {
        now: Timestamp(0),
        command_id: engine::id::CommandId(0),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: engine::id::Fingerprint(0),
    };
    match actor.state.decide(&StockCommand::View, &context).ok()?.answer {
        engine::aggregate::Answer::Now(StockReply::Levels(levels)) => Some(levels),
        _ => None,
    }
}

#[tokio::test]
async fn rows_equal_the_views_of_the_stock_items() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let mut dice = Dice(0);
    let mut actors: Vec<_> = (0..4).map(|n| Actor::<StockItem>::new(sku(n).key(&acme))).collect();
    let mut pasts: Vec<_> = actors.iter().map(|_| Past::default()).collect();
    let mut now = Timestamp(1_000);
    for round in 0..60 {
        for _ in 0..=dice.roll(60) {
            now = now.plus_ms(dice.roll(40));
            let n = dice.roll(actors.len() as u64);
            let next = command(&mut dice, &acme, n, now, &mut pasts[n as usize]);
            actors[n as usize].ask(&mut world.journal, now, &next, no_outcome);
            actors.iter_mut().for_each(|actor| actor.wake(&mut world.journal, now));
        }
        world.project().await.unwrap();
        for (n, actor) in actors.iter_mut().enumerate() {
            let row = world.read_side().stock(&acme, &sku(n as u64)).await.unwrap();
            assert_eq!(row.map(|row| row.levels), levels_of(actor), "round {round}, sku {n}");
        }
    }
    let kinds = kinds_of_events(&world);
    assert!(kinds.len() == 11 && kinds.values().all(|&count| count >= 5), "the life was a rich one: {kinds:?}");

    // Applied in one call after a rebuild, the journal gives the same rows.
    let before = world.read_side().stock_after(&acme, None, Limit::default()).await.unwrap();
    world.projector.clear_for_rebuild().await.unwrap();
    world.project().await.unwrap();
    assert_eq!(world.read_side().stock_after(&acme, None, Limit::default()).await.unwrap(), before);
}

#[tokio::test]
async fn stock_is_read_page_by_page_and_tenant_by_tenant() {
    let mut world = World::new().await;
    let (acme, bolt) = (tenant("acme"), tenant("bolt"));
    for (tenant, units) in [(&acme, 5), (&bolt, 9)] {
        for n in 0..5 {
            let mut actor = Actor::<StockItem>::new(sku(n).key(tenant));
            let first = StockCommand::Adopt {
                tenant: tenant.clone(),
                sku: sku(n),
                product: ProductId(1),
                variant: VariantId(2),
            };
            actor.ask(&mut world.journal, Timestamp(1), &first, no_outcome);
            let change = StockCommand::Adjust { change: StockChange::By(units), reason: "delivery".to_owned() };
            actor.ask(&mut world.journal, Timestamp(2), &change, no_outcome);
        }
    }
    world.project().await.unwrap();
    let read_side = world.read_side();
    let limit = Limit::new(3).unwrap();
    let first = read_side.stock_after(&acme, None, limit).await.unwrap();
    let second = read_side.stock_after(&acme, first.last().map(|row| &row.sku), limit).await.unwrap();
    let skus: Vec<_> = first.iter().chain(&second).map(|row| row.sku.clone()).collect();
    assert_eq!(skus, (0..5).map(sku).collect::<Vec<_>>());
    assert!(first.iter().all(|row| row.levels.available == 5 && row.owner == Some((ProductId(1), VariantId(2)))));

    let available = read_side.available_units(&bolt, &[sku(1), sku(7)]).await.unwrap();
    assert_eq!(available, HashMap::from([(sku(1), 9)]));
    assert_eq!(read_side.stock(&tenant("none"), &sku(1)).await.unwrap(), None);
}
