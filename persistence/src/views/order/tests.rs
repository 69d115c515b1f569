#![allow(clippy::unwrap_used)]

use engine::{
    effect::{Effect, Outcome, Request},
    id::{CheckoutId, ClaimId, ClaimRef, ContactId, DropId, HoldId, PaymentId, ProductId, Sku, SubjectId},
    money::{Currency, Money},
    order::{
        FulfillmentState, LineSource, Order, OrderCommand, OrderLine, OrderPaymentState, OrderReply, OrderTotals,
        line_id,
    },
    payment::{PaymentReply, PaymentState, PaymentView},
    product::OptionValue,
    quantity::Quantity,
    stock::StockReply,
    time::Timestamp,
};

use super::{
    super::{
        ProjectError,
        testing::{Actor, World, no_outcome},
    },
    *,
};
use crate::sql::{
    Limit, PAGE_LINES_MAX, PageRequest,
    lists::{OrderFilter, OrderSearch},
    testing::{subject, tenant},
};

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::USD }
}

/// Returns the command to place an order of `buyer` for 30.00, the `n`th of its tenant.
fn place(tenant_name: &str, n: u64, buyer: SubjectId) -> OrderCommand {
    let line = |sku: &str, source| OrderLine {
        sku: Sku::new(sku).unwrap(),
        product: Some(ProductId(4)),
        title: format!("a \"fine\" {sku}"),
        quantity: Quantity::new(2).unwrap(),
        unit_price: usd(700),
        source,
        options: Some(vec![OptionValue { name: "Size".to_owned(), value: "\"L\"".to_owned() }]),
    };
    OrderCommand::Place {
        tenant: tenant(tenant_name),
        order: OrderId(u128::from(n)),
        number: n,
        buyer,
        contact: ContactId(1),
        checkout: CheckoutId(2),
        payment: PaymentId(3),
        lines: vec![
            line("tea", LineSource::Claim(ClaimRef { drop: DropId(8), claim: ClaimId(9) })),
            line("cup", LineSource::Hold(HoldId(10))),
        ],
        totals: OrderTotals { subtotal: usd(2_800), shipping: usd(100), tax: usd(100), total: usd(3_000) },
    }
}

/// A provider that refunds all money, and an inventory that accepts all units.
fn obliging(effect: &Effect) -> Option<Outcome> {
    match &effect.request {
        Request::Payment(payment, _) => {
            let state = PaymentState::Captured;
            let view = PaymentView {
                id: *payment,
                provider: "sandbox".to_owned(),
                state,
                amount: usd(3_000),
                captured: usd(3_000),
                refunded: usd(0),
            };
            Some(Outcome::Payment(Ok(PaymentReply::Payment(view))))
        }
        Request::Stock(..) => Some(Outcome::Stock(Ok(StockReply::Done))),
        Request::Mail(_) => Some(Outcome::Mail),
        _ => None,
    }
}

fn actor(tenant_name: &str, n: u64) -> Actor<Order> {
    Actor::new(OrderId(u128::from(n)).key(&tenant(tenant_name)))
}

async fn numbers(world: &World, tenant_name: &str, filter: &OrderFilter) -> Vec<u64> {
    let page = world.read_side().orders(&tenant(tenant_name), filter, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|order| order.number).collect()
}

#[tokio::test]
async fn a_row_equals_the_orders_view_after_every_event() {
    let line = |index, units| (line_id(OrderId(1), index), Quantity::new(units).unwrap());
    let lives: [&[OrderCommand]; 4] = [
        &[
            OrderCommand::MarkPaid,
            OrderCommand::Fulfil { lines: Some(vec![line(0, 1)]), tracking: Some("track-1".to_owned()) },
            OrderCommand::RefundLines { lines: vec![(line(0, 2).0, line(0, 2).1, true)], reason: "lost".to_owned() },
            OrderCommand::Fulfil { lines: None, tracking: None },
            OrderCommand::RefundLines { lines: vec![(line(1, 1).0, line(1, 1).1, false)], reason: "bent".to_owned() },
        ],
        &[
            OrderCommand::MarkPaid,
            OrderCommand::Fulfil { lines: None, tracking: Some("track-1".to_owned()) },
            OrderCommand::Refund { amount: usd(1_000), reason: "late".to_owned(), restock: false },
            OrderCommand::Refund { amount: usd(2_000), reason: "lost".to_owned(), restock: true },
        ],
        &[OrderCommand::CaptureFailed],
        &[OrderCommand::MarkPaid, OrderCommand::Cancel { reason: "changed".to_owned(), restock: true }],
    ];
    for life in lives {
        let mut world = World::new().await;
        let (acme, id) = (tenant("acme"), OrderId(1));
        let mut order = actor("acme", 1);
        let placing = [place("acme", 1, subject("ada"))];
        for (at, command) in (100u64..).zip(placing.iter().chain(life)) {
            order.ask(&mut world.journal, Timestamp(at), command, obliging).unwrap();
            world.project().await.unwrap();
            let reply = order.ask(&mut world.journal, Timestamp(at), &OrderCommand::View { viewer: None }, no_outcome);
            let Some(OrderReply::Order(truth)) = reply else { panic!("{reply:?}") };
            let row = world.read_side().order(&acme, id).await.unwrap();
            assert_eq!(row.as_ref(), Some(&*truth), "after {command:?}");
        }
        let before = world.read_side().order(&acme, id).await.unwrap();
        world.projector.clear_for_rebuild().await.unwrap();
        world.project().await.unwrap();
        assert_eq!(world.read_side().order(&acme, id).await.unwrap(), before);
    }
}

#[tokio::test]
async fn orders_are_listed_for_their_buyer_and_for_the_vendor() {
    let mut world = World::new().await;
    let (ada, guest, eve) = (subject("ada"), subject("guest"), subject("eve"));
    for (n, buyer) in [(1, ada), (2, eve), (3, guest), (4, ada)] {
        actor("acme", n).ask(&mut world.journal, Timestamp(100 + n), &place("acme", n, buyer), no_outcome).unwrap();
    }
    let mut paid = actor("bolt", 5);
    paid.ask(&mut world.journal, Timestamp(100), &place("bolt", 5, ada), no_outcome).unwrap();
    paid.ask(&mut world.journal, Timestamp(100), &OrderCommand::MarkPaid, no_outcome).unwrap();
    world.project().await.unwrap();

    let of = |buyers: &[SubjectId]| OrderFilter { buyer: Some(buyers.to_vec()), ..OrderFilter::default() };
    assert_eq!(numbers(&world, "acme", &OrderFilter::default()).await, [4, 3, 2, 1]);
    assert_eq!(numbers(&world, "acme", &of(&[ada, guest])).await, [4, 3, 1]);
    assert_eq!(numbers(&world, "acme", &of(&[])).await, [0; 0]);
    assert_eq!(numbers(&world, "bolt", &of(&[ada, eve])).await, [5]);
    let between = OrderFilter {
        placed_from: Some(Timestamp(102)),
        placed_before: Some(Timestamp(104)),
        ..OrderFilter::default()
    };
    assert_eq!(numbers(&world, "acme", &between).await, [3, 2]);
    let paid = OrderFilter { payment_state: Some(OrderPaymentState::Paid), ..OrderFilter::default() };
    assert_eq!(numbers(&world, "acme", &paid).await, [0; 0]);
    assert_eq!(numbers(&world, "bolt", &paid).await, [5]);
    let here = OrderFilter { fulfillment_state: Some(FulfillmentState::Unfulfilled), ..paid };
    assert_eq!(numbers(&world, "bolt", &here).await, [5]);
}

#[tokio::test]
async fn pages_of_orders_follow_each_other() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    for n in 1..=7 {
        let at = Timestamp(100 + n / 3);
        actor("acme", n).ask(&mut world.journal, at, &place("acme", n, subject("ada")), no_outcome).unwrap();
    }
    world.project().await.unwrap();
    let mut page = PageRequest { limit: Limit::new(2).unwrap(), after: None };
    let mut seen = Vec::new();
    loop {
        let found = world.read_side().orders(&acme, &OrderFilter::default(), page).await.unwrap();
        seen.extend(found.items.into_iter().map(|order| order.number));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_page_of_orders_has_a_bound_of_lines_and_goes_on() {
    let mut world = World::new().await;
    let acme = tenant("acme");
    let count = (PAGE_LINES_MAX / 100 + 1) as u64;
    for n in 1..=count {
        let mut command = place("acme", n, subject("ada"));
        let OrderCommand::Place { lines, .. } = &mut command else { panic!("{command:?}") };
        let line = OrderLine { quantity: Quantity::new(1).unwrap(), unit_price: usd(28), ..lines[1].clone() };
        *lines = vec![line; 100];
        actor("acme", n).ask(&mut world.journal, Timestamp(100 + n), &command, no_outcome).unwrap();
    }
    world.project().await.unwrap();
    let page = |after| PageRequest { limit: Limit::new(200).unwrap(), after };
    let first = world.read_side().orders(&acme, &OrderFilter::default(), page(None)).await.unwrap();
    assert_eq!(first.items.len() * 100, PAGE_LINES_MAX);
    assert!(first.next.is_some());
    let rest = world.read_side().orders(&acme, &OrderFilter::default(), page(first.next)).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].number, rest.next), (1, 1, None));
}

#[tokio::test]
async fn orders_are_found_by_number_and_by_what_was_bought() {
    let mut world = World::new().await;
    for n in [7, 12] {
        actor("acme", n).ask(&mut world.journal, Timestamp(n), &place("acme", n, subject("ada")), no_outcome).unwrap();
    }
    world.project().await.unwrap();
    let search = |words: &str, number| OrderFilter {
        search: Some(OrderSearch { words: words.to_owned(), number }),
        ..OrderFilter::default()
    };
    assert_eq!(numbers(&world, "acme", &search("ANY", Some(12))).await, [12]);
    assert_eq!(numbers(&world, "acme", &search("A \"Fine\" TEA", None)).await, [12, 7]);
    for none in ["unit_price", "%", "_ea"] {
        assert!(numbers(&world, "acme", &search(none, None)).await.is_empty(), "{none}");
    }
    assert!(numbers(&world, "bolt", &search("tea", Some(12))).await.is_empty());
}

#[tokio::test]
async fn an_order_is_found_by_its_number_within_its_tenant() {
    let mut world = World::new().await;
    actor("acme", 12).ask(&mut world.journal, Timestamp(1), &place("acme", 12, subject("ada")), no_outcome).unwrap();
    world.project().await.unwrap();
    let found = world.read_side().order_by_number(&tenant("acme"), 12).await.unwrap();
    assert_eq!(found.map(|order| order.id), Some(OrderId(12)));
    assert_eq!(world.read_side().order_by_number(&tenant("bolt"), 12).await.unwrap(), None);
    assert_eq!(world.read_side().order(&tenant("bolt"), OrderId(12)).await.unwrap(), None);
}

#[tokio::test]
async fn an_order_that_was_never_placed_stops_the_projection() {
    let mut world = World::new().await;
    let key = OrderId(1).key(&tenant("acme"));
    world.journal.append(&key, Timestamp(1), &[OrderEvent::Paid { at: Timestamp(1) }]);
    assert!(matches!(world.project().await, Err(ProjectError::Impossible { .. })));
}
