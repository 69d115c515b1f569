//! Positions, crashes and rebuilds, for every kind of entity.

#![allow(clippy::unwrap_used)]

use engine::{
    id::{EntityKey, PaymentId, ProductId, Sku, VariantId},
    processed_commands::ProcessedCommand,
    stock::StockEvent,
    time::Timestamp,
};

use super::{
    testing::{Journal, World},
    *,
};
use crate::sql::{
    Limit,
    testing::{Shop, tenant},
};

const AT: Timestamp = Timestamp(1_000);

fn adopted(sku: &str) -> (EntityKey, StockEvent) {
    let (tenant, sku) = (tenant("acme"), Sku::new(sku).unwrap());
    let key = sku.key(&tenant);
    (key, StockEvent::Adopted { tenant, sku, product: ProductId(1), variant: VariantId(2) })
}

fn adjusted(delta: i64) -> StockEvent {
    let processed =
        ProcessedCommand { command_id: engine::id::CommandId(1), fingerprint: engine::id::Fingerprint(1), at: AT };
    StockEvent::Adjusted { delta, reason: "delivery".to_owned(), processed }
}

/// Returns a journal in which `sku` gains one unit with each of `entries` entries.
fn deliveries(shard: u16, sku: &str, entries: u64) -> Journal {
    let mut journal = Journal::new(shard);
    let (key, adopted) = adopted(sku);
    journal.append(&key, AT, &[adopted, adjusted(1)]);
    for _ in 1..entries {
        journal.append(&key, AT, &[adjusted(1)]);
    }
    journal
}

async fn on_hand(shop: &Shop, sku: &str) -> Option<u64> {
    let row = shop.read_side.stock(&tenant("acme"), &Sku::new(sku).unwrap()).await.unwrap();
    row.map(|row| row.levels.on_hand)
}

#[tokio::test]
async fn shards_are_applied_together_and_each_has_its_position() {
    let mut world = World::new().await;
    let (one, two) = (deliveries(1, "tea", 3), deliveries(2, "cup", 5));
    let applied = world.projector.apply(&[one.all(), two.all()]).await.unwrap();
    assert_eq!(applied, Applied { records: 8, skipped: 0 });
    assert_eq!(world.projector.positions().await.unwrap(), BTreeMap::from([(1, 3), (2, 5)]));
    assert_eq!((on_hand(&world.shop, "tea").await, on_hand(&world.shop, "cup").await), (Some(3), Some(5)));
}

#[tokio::test]
async fn records_that_were_applied_are_skipped() {
    let mut world = World::new().await;
    let journal = deliveries(1, "tea", 6);
    world.projector.apply(&[journal.range(0, 4)]).await.unwrap();
    let again = world.projector.apply(&[journal.range(0, 4)]).await.unwrap();
    assert_eq!(again, Applied { records: 0, skipped: 4 });
    let overlapping = world.projector.apply(&[journal.range(2, 6)]).await.unwrap();
    assert_eq!(overlapping, Applied { records: 2, skipped: 2 });
    assert_eq!(on_hand(&world.shop, "tea").await, Some(6));
}

#[tokio::test]
async fn a_gap_is_refused_and_changes_nothing() {
    let mut world = World::new().await;
    let (journal, other) = (deliveries(1, "tea", 6), deliveries(2, "cup", 1));
    world.projector.apply(&[journal.range(0, 2)]).await.unwrap();
    let gap = world.projector.apply(&[other.all(), journal.range(3, 6)]).await;
    assert!(matches!(gap, Err(ProjectError::Gap { shard: 1, expected: 2, found: 3 })));
    assert_eq!(world.projector.positions().await.unwrap(), BTreeMap::from([(1, 2)]));
    assert_eq!(on_hand(&world.shop, "cup").await, None);
}

#[tokio::test]
async fn leadership_changes_take_positions_and_have_no_records() {
    let mut world = World::new().await;
    let mut journal = Journal::new(3);
    let (key, adopted) = adopted("tea");
    journal.append_nothing();
    journal.append(&key, AT, &[adopted, adjusted(2)]);
    journal.append_nothing();
    world.projector.apply(&[journal.range(0, 1)]).await.unwrap();
    assert_eq!(world.projector.positions().await.unwrap(), BTreeMap::from([(3, 1)]));
    world.projector.apply(&[journal.range(1, 3)]).await.unwrap();
    assert_eq!(world.projector.positions().await.unwrap(), BTreeMap::from([(3, 3)]));
    assert_eq!(on_hand(&world.shop, "tea").await, Some(2));
}

#[tokio::test]
async fn several_ranges_of_a_shard_follow_each_other() {
    let mut world = World::new().await;
    let journal = deliveries(1, "tea", 6);
    let ranges = [journal.range(0, 2), journal.range(2, 5), journal.range(5, 6)];
    assert_eq!(world.projector.apply(&ranges).await.unwrap().records, 6);
    assert_eq!(on_hand(&world.shop, "tea").await, Some(6));
}

#[tokio::test]
async fn records_out_of_order_are_refused() {
    let mut world = World::new().await;
    let journal = deliveries(1, "tea", 3);
    let mut turned = journal.all();
    turned.records.reverse();
    let mut outside = journal.all();
    outside.end = 2;
    for range in [turned, outside] {
        let refused = world.projector.apply(&[range]).await;
        assert!(matches!(refused, Err(ProjectError::Disordered { .. })));
    }
    assert!(world.projector.positions().await.unwrap().is_empty());
}

#[tokio::test]
async fn of_two_projectors_one_moves_on() {
    let mut world = World::new().await;
    let mut second = Projector::open(world.shop.read_side.clone()).await.unwrap();
    let journal = deliveries(1, "tea", 4);
    world.projector.apply(&[journal.all()]).await.unwrap();
    assert_eq!(second.apply(&[journal.all()]).await.unwrap(), Applied { records: 0, skipped: 4 });
    assert_eq!(on_hand(&world.shop, "tea").await, Some(4));

    // The same with positions that were read before:
    let mut tx = world.shop.read_side.begin().await.unwrap();
    let stale = position::move_positions(&mut tx, &BTreeMap::from([(1, 2)]), &BTreeMap::from([(1, 9)])).await;
    assert!(matches!(stale, Err(ProjectError::Moved { shard: 1 })));
    let stale = position::move_positions(&mut tx, &BTreeMap::new(), &BTreeMap::from([(1, 9)])).await;
    assert!(matches!(stale, Err(ProjectError::Moved { shard: 1 })));
}

#[tokio::test]
async fn a_crash_before_the_commit_loses_nothing_and_counts_nothing_twice() {
    let mut world = World::new().await;
    let journal = deliveries(1, "tea", 4);
    world.projector.apply(&[journal.range(0, 2)]).await.unwrap();
    {
        // Everything but the commit, as a process that crashes leaves it.
        let mut tx = world.shop.read_side.begin().await.unwrap();
        for record in &journal.range(2, 4).records {
            let position = JournalPosition { shard: 1, position: record.position };
            world.projector.projections.gather(position, record).unwrap();
        }
        world.projector.projections.write(&mut tx).await.unwrap();
    }
    assert_eq!(on_hand(&world.shop, "tea").await, Some(2));
    let path = world.shop.path();
    world.shop.read_side.close().await;

    let read_side = ReadSide::open(&path).await.unwrap();
    let mut projector = Projector::open(read_side.clone()).await.unwrap();
    assert_eq!(projector.positions().await.unwrap(), BTreeMap::from([(1, 2)]));
    projector.apply(&[journal.all()]).await.unwrap();
    let row = read_side.stock(&tenant("acme"), &Sku::new("tea").unwrap()).await.unwrap().unwrap();
    assert_eq!(row.levels.on_hand, 4);
}

#[tokio::test]
async fn an_unknown_event_stops_everything() {
    let mut world = World::new().await;
    let mut journal = deliveries(1, "tea", 1);
    let (key, _) = adopted("tea");
    // Variant 99 of a later program, and half an event.
    for bytes in [vec![0x82, 0x18, 99, 0x80], vec![0x82, 0x02]] {
        journal.append_bytes(&key, AT, bytes);
        let stopped = world.projector.apply(&[journal.all()]).await;
        assert!(
            matches!(
                &stopped,
                Err(ProjectError::Undecodable { position: JournalPosition { shard: 1, position: 1 }, .. })
            ),
            "{stopped:?}"
        );
        journal = deliveries(1, "tea", 1);
    }
    assert!(world.projector.positions().await.unwrap().is_empty());
    assert_eq!(on_hand(&world.shop, "tea").await, None);
    // The gathered events of the refused record do not return with the next call.
    world.projector.apply(&[journal.all()]).await.unwrap();
    assert_eq!(on_hand(&world.shop, "tea").await, Some(1));
}

#[tokio::test]
async fn events_that_do_not_fit_stop_everything() {
    let mut world = World::new().await;
    let mut journal = Journal::new(0);
    let allocated = StockEvent::Allocated { drop: engine::id::DropId(1), total: 5 };
    journal.append(&adopted("tea").0, AT, &[allocated]);
    let stopped = world.projector.apply(&[journal.all()]).await;
    assert!(matches!(stopped, Err(ProjectError::Impossible { .. })));
}

#[tokio::test]
async fn kinds_without_a_projection_only_move_the_position() {
    let mut world = World::new().await;
    let mut journal = Journal::new(0);
    journal.append_bytes(&PaymentId(1).key(&tenant("acme")), AT, vec![0xff]);
    assert_eq!(world.projector.apply(&[journal.all()]).await.unwrap().records, 1);
    assert_eq!(world.projector.positions().await.unwrap(), BTreeMap::from([(0, 1)]));
}

#[tokio::test]
async fn a_rebuild_empties_what_is_derived_and_nothing_else() {
    let mut world = World::new().await;
    let ada = world.shop.customer("ada").await;
    let journal = deliveries(1, "tea", 4);
    world.projector.apply(&[journal.all()]).await.unwrap();
    let before = world.shop.read_side.summary().await.unwrap();

    world.projector.clear_for_rebuild().await.unwrap();
    let cleared = world.shop.read_side.summary().await.unwrap();
    assert!(cleared.positions.is_empty());
    assert!(cleared.projections.iter().flat_map(|projection| &projection.rows).all(|(_, rows)| *rows == 0));
    assert_eq!(cleared.kept, before.kept);
    assert!(world.shop.read_side.account(&tenant("acme"), ada).await.unwrap().is_some());

    world.projector.apply(&[journal.all()]).await.unwrap();
    assert_eq!(world.shop.read_side.summary().await.unwrap(), before);
}

#[tokio::test]
async fn rows_of_another_layout_are_rebuilt() {
    let mut world = World::new().await;
    world.projector.apply(&[deliveries(1, "tea", 4).all()]).await.unwrap();
    let same = Projector::open(world.shop.read_side.clone()).await.unwrap();
    assert_eq!(same.positions().await.unwrap(), BTreeMap::from([(1, 4)]));

    let mut tx = world.shop.read_side.begin().await.unwrap();
    sqlx::query("UPDATE projection_layout SET layout = layout + 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let other = Projector::open(world.shop.read_side.clone()).await.unwrap();
    assert!(other.positions().await.unwrap().is_empty());
    assert!(world.shop.read_side.stock_after(&tenant("acme"), None, Limit::default()).await.unwrap().is_empty());
}

#[test]
fn the_names_of_projections_and_their_tables_are_known_to_operators() {
    let names: Vec<&str> = tables().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["product", "inventory", "drop", "cart", "checkout", "order"]);
    let mut all: Vec<&str> = tables().iter().flat_map(|(_, tables)| *tables).copied().collect();
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!(all.len(), count, "each table belongs to one projection");
}

/// A projector runs in a task, so its futures must be `Send`.
#[allow(dead_code)]
fn applying_is_send(projector: &'static mut Projector, ranges: &'static [RecordRange<'static>]) -> impl Send {
    projector.apply(ranges)
}
