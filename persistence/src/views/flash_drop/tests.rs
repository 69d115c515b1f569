#![allow(clippy::unwrap_used)]

use engine::{
    aggregate::{Answer, Context, Decision},
    effect::{Effect, Outcome, Request},
    flash_drop::{
        Audience, DropCommand, DropEdit, DropReply, DropState, DropView, FlashDrop, ItemEdit, ItemTerms, Phase, Terms,
    },
    id::{ClaimId, CommandId, Fingerprint, OrderId, Sku, SubjectId},
    money::Currency,
    order::OrderEvent,
    quantity::Quantity,
    stock::{StockCommand, StockLevels, StockRejection, StockReply},
};

use super::{
    super::testing::{Actor, Journal, World},
    *,
};
use crate::sql::{
    Limit, PageRequest,
    lists::{DropFilter, ListedDrop},
    testing::{subject, tenant},
};

fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

fn terms(title: &str) -> Terms {
    Terms {
        title: title.to_owned(),
        product: Some(engine::id::ProductId(5)),
        per_buyer_max: Quantity::new(2).unwrap(),
        hold_seconds: 300,
        starts_at: None,
        ends_at: Timestamp(1_000_000),
        audience: Audience::Customers,
        currency: Currency::USD,
        network_limit: None,
    }
}

fn items(names: &[&str]) -> Vec<ItemTerms> {
    let item = |name: &&str| ItemTerms {
        sku: sku(name),
        quantity: Quantity::new(100).unwrap(),
        price: 1_500,
        compare_at: None,
    };
    names.iter().map(item).collect()
}

/// An inventory that has all units.
fn rich(effect: &Effect) -> Option<Outcome> {
    match &effect.request {
        Request::Stock(_, StockCommand::Settle { totals, .. }) => {
            Some(Outcome::Stock(Ok(StockReply::Settled(*totals))))
        }
        _ => Some(Outcome::Stock(Ok(StockReply::Done))),
    }
}

/// An inventory that has no units.
fn poor(effect: &Effect) -> Option<Outcome> {
    match &effect.request {
        Request::Stock(_, StockCommand::Settle { .. }) => rich(effect),
        _ => {
            let levels = StockLevels::default();
            Some(Outcome::Stock(Err(StockRejection::InsufficientAvailable { available: 0, levels })))
        }
    }
}

fn create_command(tenant_name: &str, drop: DropId, title: &str, draft: bool) -> DropCommand {
    DropCommand::Create { tenant: tenant(tenant_name), drop, terms: terms(title), items: items(&["tea", "cup"]), draft }
}

fn create(journal: &mut Journal, tenant_name: &str, id: u128, title: &str, at: u64) -> Actor<FlashDrop> {
    let mut actor = Actor::new(DropId(id).key(&tenant(tenant_name)));
    let command = create_command(tenant_name, DropId(id), title, false);
    actor.ask(journal, Timestamp(at), &command, rich).unwrap();
    actor
}

fn claimed(n: u128, buyer: SubjectId) -> DropEvent {
    DropEvent::Claimed {
        network: None,
        number: Some(n as u32),
        claim: ClaimId(n),
        buyer,
        item: 0,
        quantity: Quantity::ONE,
        price: 1_500,
        fingerprint: Fingerprint(1),
        at: Timestamp(50),
        until: Timestamp(90),
    }
}

/// Returns the view of the drop from the aggregate itself.
fn view(actor: &Actor<FlashDrop>, now: Timestamp) -> Option<DropView> {
    use engine::aggregate::Aggregate;
    let context = Context {
        now,
        command_id: CommandId(0),
        former_ids: vec![],
        former_fingerprint: None,
        fingerprint: Fingerprint(0),
    };
    match actor.state.decide(&DropCommand::View, &context).ok()? {
        Decision { answer: Answer::Now(DropReply::Drop(view)), .. } => Some(*view),
        other => panic!("{other:?}"),
    }
}

fn assert_same(listed: &ListedDrop, truth: &DropView, now: Timestamp) {
    assert_eq!((listed.id, &listed.terms, listed.version), (truth.id, &truth.terms, truth.version));
    assert_eq!((listed.created_at, listed.starts_at()), (truth.created_at, truth.starts_at));
    assert_eq!(listed.state_at(now), truth.state);
    let listed: Vec<_> = listed.items.iter().map(|item| (&item.sku, item.price, item.compare_at)).collect();
    let item =
        |item: &engine::flash_drop::ItemView| (item.sku.clone(), item.price.amount, item.compare_at.map(|m| m.amount));
    let truth: Vec<_> = truth.items.iter().map(item).collect();
    assert_eq!(listed, truth.iter().map(|(sku, price, compare)| (sku, *price, *compare)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_row_equals_the_drops_view_after_every_event() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let drop = DropId(7);
    let mut actor = Actor::<FlashDrop>::new(drop.key(&acme));
    let add = |name: &str, price: Option<i64>| ItemEdit {
        sku: sku(name),
        add_quantity: Some(Quantity::new(5).unwrap()),
        quantity: None,
        price,
        compare_at: None,
    };
    let edit = |version: u64, edit: DropEdit| DropCommand::Edit { version, edit };
    let retitled = DropEdit {
        title: Some("Better tea".to_owned()),
        starts_at: Some(Timestamp(500)),
        per_buyer_max: Some(Quantity::new(9).unwrap()),
        ..DropEdit::default()
    };
    let new = ItemEdit { quantity: Some(5), add_quantity: None, ..add("pot", Some(9_900)) };
    let take_out = ItemEdit { sku: sku("cup"), add_quantity: None, quantity: Some(0), price: None, compare_at: None };
    let with_items = |items: Vec<ItemEdit>| DropEdit { items, ..DropEdit::default() };
    type Outcomes = fn(&Effect) -> Option<Outcome>;
    let steps: [(u64, DropCommand, Outcomes, u64); 8] = [
        (10, create_command("acme", drop, "Tea", true), rich, 1),
        (20, edit(1, retitled), rich, 2),
        (30, DropCommand::Publish, poor, 2),
        (40, DropCommand::Publish, rich, 3),
        (50, edit(3, with_items(vec![new])), poor, 3),
        (60, edit(3, with_items(vec![add("pot", None), take_out])), rich, 4),
        (600, edit(4, with_items(vec![add("tea", Some(1_000))])), rich, 5),
        (700, DropCommand::End, rich, 6),
    ];
    for (at, command, inventory, version) in steps {
        let now = Timestamp(at);
        actor.ask(&mut world.journal, now, &command, inventory);
        world.project().await.unwrap();
        let truth = view(&actor, now).unwrap();
        assert_eq!(truth.version, version, "after {command:?}");
        let listed = world.read_side().drop_details(&acme, drop).await.unwrap().unwrap();
        assert_same(&listed, &truth, now);
    }
}

#[tokio::test]
async fn a_drop_that_ends_by_its_time_has_the_same_version() {
    let mut world = World::new().await;
    let mut actor = create(&mut world.journal, "acme", 7, "Tea", 10);
    let now = Timestamp(1_000_000);
    actor.wake(&mut world.journal, now);
    world.project().await.unwrap();
    let listed = world.read_side().drop_details(&tenant("acme"), DropId(7)).await.unwrap().unwrap();
    assert_eq!((listed.phase, listed.version), (Phase::Ended, 1));
    assert_same(&listed, &view(&actor, now).unwrap(), now);
}

#[tokio::test]
async fn a_buyer_whose_claim_was_not_taken_in_is_written_the_next_time() {
    let mut world = World::new().await;
    let (acme, ada) = (tenant("acme"), subject("ada"));
    let actor = create(&mut world.journal, "acme", 7, "Tea", 10);
    world.journal.append(&actor.key, Timestamp(50), &[claimed(1, ada)]);
    let mut broken = Journal::new(1);
    broken.append(&OrderId(1).key(&acme), Timestamp(50), &[OrderEvent::Paid { at: Timestamp(50) }]);
    let stopped = world.projector.apply(&[world.journal.all(), broken.all()]).await;
    assert!(matches!(stopped, Err(ProjectError::Impossible { .. })));
    world.project().await.unwrap();
    let found = world.read_side().drops_of_buyer(&acme, &[ada], Limit::default()).await.unwrap();
    assert_eq!(found, [DropId(7)]);
}

#[tokio::test]
async fn a_drop_whose_creation_was_refused_is_not_shown_until_it_is_tried_again() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let mut actor = Actor::<FlashDrop>::new(DropId(7).key(&acme));
    let command = create_command("acme", DropId(7), "Tea", false);
    actor.ask(&mut world.journal, Timestamp(10), &command, poor);
    world.project().await.unwrap();
    assert_eq!(world.read_side().drop_details(&acme, DropId(7)).await.unwrap(), None);
    let vendors = DropFilter { with_drafts: true, ..DropFilter::default() };
    let all = world.read_side().drops(&acme, &vendors, PageRequest::default()).await.unwrap();
    assert_eq!(all.items, []);

    actor.wake(&mut world.journal, Timestamp(5_000));
    actor.ask(&mut world.journal, Timestamp(9_000), &DropCommand::View, rich);
    actor.ask(&mut world.journal, Timestamp(9_000), &command, rich).unwrap();
    world.project().await.unwrap();
    let listed = world.read_side().drop_details(&acme, DropId(7)).await.unwrap().unwrap();
    assert_same(&listed, &view(&actor, Timestamp(9_000)).unwrap(), Timestamp(9_000));
}

#[tokio::test]
async fn lists_are_newest_first_and_drafts_are_the_vendors() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    for n in 1..=4 {
        create(&mut world.journal, "acme", n, &n.to_string(), 10 + n as u64 / 2);
    }
    let mut draft = Actor::<FlashDrop>::new(DropId(9).key(&acme));
    draft.ask(&mut world.journal, Timestamp(99), &create_command("acme", DropId(9), "draft", true), rich).unwrap();
    create(&mut world.journal, "bolt", 1, "of bolt", 50);
    world.project().await.unwrap();
    let mut page = PageRequest { limit: Limit::new(2).unwrap(), after: None };
    let mut seen = Vec::new();
    loop {
        let found = world.read_side().drops(&acme, &DropFilter::default(), page).await.unwrap();
        seen.extend(found.items.into_iter().map(|drop| drop.terms.title));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["4", "3", "2", "1"]);
    let vendors = DropFilter { with_drafts: true, ..DropFilter::default() };
    let all = world.read_side().drops(&acme, &vendors, PageRequest::default()).await.unwrap();
    assert_eq!((all.items.len(), all.items[0].state_at(Timestamp(0))), (5, DropState::Draft));
    assert_eq!(world.read_side().drop_details(&tenant("bolt"), DropId(2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_buyer_finds_the_drops_that_it_claimed_in_also_as_a_former_guest() {
    let mut world = World::new().await;
    let (acme, ada, guest) = (tenant("acme"), subject("ada"), subject("guest"));
    for n in 1..=3 {
        create(&mut world.journal, "acme", n, &n.to_string(), 10 + n as u64);
    }
    create(&mut world.journal, "bolt", 1, "of bolt", 10);
    let claims =
        [("acme", 1, ada), ("acme", 1, ada), ("acme", 3, guest), ("acme", 2, subject("eve")), ("bolt", 1, ada)];
    for (n, (shop, drop, buyer)) in claims.into_iter().enumerate() {
        let key = DropId(drop).key(&tenant(shop));
        world.journal.append(&key, Timestamp(50), &[claimed(n as u128, buyer)]);
    }
    world.project().await.unwrap();
    world.journal.append(&DropId(1).key(&acme), Timestamp(60), &[claimed(77, ada)]);
    world.project().await.unwrap();

    let read_side = world.read_side();
    let limit = Limit::default();
    assert_eq!(read_side.drops_of_buyer(&acme, &[ada, guest], limit).await.unwrap(), [DropId(3), DropId(1)]);
    assert_eq!(read_side.drops_of_buyer(&acme, &[ada, guest], Limit::new(1).unwrap()).await.unwrap(), [DropId(3)]);
    assert_eq!(read_side.drops_of_buyer(&acme, &[ada], limit).await.unwrap(), [DropId(1)]);
    assert_eq!(read_side.drops_of_buyer(&acme, &[], limit).await.unwrap(), []);
    assert_eq!(read_side.drops_of_buyer(&tenant("bolt"), &[guest], limit).await.unwrap(), []);
    let rows = read_side.summary().await.unwrap();
    let drops = rows.projections.iter().find(|projection| projection.name == "drop").unwrap();
    assert_eq!(drops.rows[0], ("drop_buyers", 4), "a pair is written once");
}

#[tokio::test]
async fn buyers_of_a_rush_are_found_beside_those_who_came_one_by_one() {
    let mut world = World::new().await;
    let (acme, bolt) = (tenant("acme"), tenant("bolt"));
    let (rush, calm) =
        (create(&mut world.journal, "acme", 1, "rush", 10).key, create(&mut world.journal, "acme", 2, "calm", 20).key);
    let buyer = |n: u128| SubjectId::derive(&[&n.to_be_bytes()]);
    for batch in 0..3 {
        let claims: Vec<_> = (0..5_000).map(|n| claimed(n, buyer(batch * 5_000 + n))).collect();
        world.journal.append(&rush, Timestamp(50), &claims);
        // Buyers from an earlier batch are known and not written again.
        world.journal.append(&rush, Timestamp(50), &[claimed(0, buyer(0))]);
        world.journal.append(&calm, Timestamp(50), &[claimed(0, buyer(batch))]);
        world.project().await.unwrap();
    }
    let drops = async |tenant, buyers: &[SubjectId]| {
        world.read_side().drops_of_buyer(tenant, buyers, Limit::default()).await.unwrap()
    };
    for n in [0, 1, 2] {
        assert_eq!(drops(&acme, &[buyer(n)]).await, [DropId(2), DropId(1)], "{n}");
    }
    for n in [3, 5_000, 14_999] {
        assert_eq!(drops(&acme, &[buyer(99_999), buyer(n)]).await, [DropId(1)], "{n}");
        assert_eq!(drops(&bolt, &[buyer(n)]).await, []);
    }
    assert_eq!(drops(&acme, &[buyer(15_000)]).await, []);
    let rows: Vec<i64> = sqlx::query_scalar(
        "SELECT count(*) FROM drop_buyers UNION ALL SELECT sum(length(subjects)) / 16 FROM drop_crowds",
    )
    .fetch_all(&mut *world.read_side().begin().await.unwrap())
    .await
    .unwrap();
    assert_eq!(rows, [3, 15_000], "each pair once");
}

/// Measures the cost of a rush: `cargo test -p persistence --release -- --ignored rush --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_rush_costs_little() {
    let mut world = World::new().await;
    let actor = create(&mut world.journal, "acme", 1, "rush", 10);
    world.project().await.unwrap();
    let (batches, claims) = (100u32, 10_000u32);
    let mut elapsed = std::time::Duration::ZERO;
    for batch in 0..batches {
        for n in 0..claims {
            let id = u128::from(batch * claims + n);
            let buyer = SubjectId::derive(&[&id.to_be_bytes()]);
            world.journal.append(&actor.key, Timestamp(50), &[claimed(id, buyer)]);
        }
        let next = world.journal.end() - u64::from(claims);
        let range = world.journal.range(next, world.journal.end());
        let started = std::time::Instant::now();
        world.projector.apply(&[range]).await.unwrap();
        elapsed += started.elapsed();
        if batch % 20 == 19 {
            println!("{} claims: {:?} a batch of {claims}", (batch + 1) * claims, elapsed / (batch + 1));
        }
    }
    let started = std::time::Instant::now();
    let buyer = SubjectId::derive(&[&5u128.to_be_bytes()]);
    world.read_side().drops_of_buyer(&tenant("acme"), &[buyer], Limit::default()).await.unwrap();
    println!("one buyer's drops: {:?}", started.elapsed());
}
