#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    FulfillmentState, LineSource, OrderCommand, OrderLine, OrderPaymentState, OrderRejection, OrderReply, OrderTotals,
    OrderView,
};
use crate::{
    effect::{EffectId, Outcome, Request},
    flash_drop::Buyer,
    id::{
        CheckoutId, ClaimId, ClaimRef, CommandId, ContactId, DropId, HoldId, OrderId, PaymentId, Sku, SubjectId,
        TenantId,
    },
    mail::{MailKind, MailRequest},
    money::{Currency, Money},
    payment::{PaymentCommand, PaymentRejection, PaymentReply, PaymentState, PaymentView},
    quantity::Quantity,
    stock::{StockCommand, StockRejection, StockReply},
    testing::History,
    time::Timestamp,
};

mod parcels;
mod restocking;

type Order = History<super::Order>;
type Told = Option<Result<OrderReply, OrderRejection>>;

const REFUND: u64 = 1;

fn dollars(amount: i64) -> Money {
    Money { amount, currency: Currency::USD }
}

fn line(sku: &str, units: i64, source: LineSource) -> OrderLine {
    OrderLine {
        sku: Sku::new(sku).unwrap(),
        product: None,
        title: sku.to_owned(),
        quantity: Quantity::new(units).unwrap(),
        unit_price: dollars(100),
        source,
        options: None,
    }
}

/// Places an order of two claimed shirts, and one shirt and a mug from ordinary stock: 400, plus 50 for shipping and
/// tax.
fn place() -> OrderCommand {
    let claim = LineSource::Claim(ClaimRef { drop: DropId(1), claim: ClaimId(2) });
    OrderCommand::Place {
        tenant: TenantId::new("demo").unwrap(),
        order: OrderId(7),
        number: 42,
        buyer: SubjectId(3),
        contact: ContactId(4),
        checkout: CheckoutId(5),
        payment: PaymentId(6),
        lines: vec![
            line("SHIRT", 2, claim),
            line("SHIRT", 1, LineSource::Hold(HoldId(8))),
            line("MUG", 1, LineSource::Hold(HoldId(9))),
        ],
        totals: OrderTotals { subtotal: dollars(400), shipping: dollars(30), tax: dollars(20), total: dollars(450) },
    }
}

fn place_free() -> OrderCommand {
    let mut command = place();
    if let OrderCommand::Place { lines, totals, .. } = &mut command {
        lines.iter_mut().for_each(|line| line.unit_price = dollars(0));
        *totals = OrderTotals { subtotal: dollars(0), shipping: dollars(0), tax: dollars(0), total: dollars(0) };
    }
    command
}

fn cancel(restock: bool) -> OrderCommand {
    OrderCommand::Cancel { reason: "out of paint".to_owned(), restock }
}

fn refund(amount: i64, restock: bool) -> OrderCommand {
    OrderCommand::Refund { amount: dollars(amount), reason: "a scratch".to_owned(), restock }
}

fn fulfil() -> OrderCommand {
    OrderCommand::Fulfil { lines: None, tracking: Some("1Z999".to_owned()) }
}

fn given_placed() -> Order {
    let mut order = Order::default();
    view(order.ask(place()));
    order
}

/// Returns a paid order whose receipt is mailed.
fn given_paid() -> Order {
    let mut order = given_placed();
    view(order.ask(OrderCommand::MarkPaid));
    order.answer_open(&Outcome::Mail);
    order
}

fn refunded() -> Outcome {
    let view = PaymentView {
        id: PaymentId(6),
        provider: "sandbox".to_owned(),
        state: PaymentState::Captured,
        amount: dollars(450),
        captured: dollars(450),
        refunded: dollars(1),
    };
    Outcome::Payment(Ok(PaymentReply::Payment(view)))
}

fn refund_failed() -> Outcome {
    Outcome::Payment(Err(PaymentRejection::RefundFailed { code: "no_funds".to_owned() }))
}

/// Answers the open refund with this outcome, and lets the mailer accept the e-mails that follow.
fn give_back(order: &mut Order, outcome: &Outcome) {
    let refund = order.open[&REFUND].id;
    order.answer(refund, outcome);
    hand_over_mails(order);
}

fn hand_over_mails(order: &mut Order) {
    for effect in mails(order) {
        order.answer(effect.id, &Outcome::Mail);
    }
}

/// Returns the e-mails that the mailer has not accepted yet.
fn mails(order: &Order) -> Vec<crate::effect::Effect> {
    let open = order.open.values().filter(|effect| matches!(effect.request, Request::Mail(_)));
    open.cloned().collect()
}

fn booked() -> Outcome {
    Outcome::Stock(Ok(StockReply::Done))
}

fn view(told: Told) -> OrderView {
    match told {
        Some(Ok(OrderReply::Order(view))) => *view,
        other => panic!("no view: {other:?}"),
    }
}

fn refusal(told: Told) -> OrderRejection {
    told.unwrap().unwrap_err()
}

fn seen(order: &mut Order) -> OrderView {
    view(order.ask(OrderCommand::View { viewer: None }))
}

fn states(view: &OrderView) -> (OrderPaymentState, FulfillmentState) {
    (view.payment_state(), view.fulfillment_state())
}

/// Returns the open restocks: the total number of restocked units of each SKU.
fn coming_back(order: &Order) -> BTreeMap<String, u64> {
    let restock = |request: &Request| match request {
        Request::Stock(sku, StockCommand::Restock { order: OrderId(7), total }) => Some((sku.to_string(), *total)),
        _ => None,
    };
    order.open.values().filter_map(|effect| restock(&effect.request)).collect()
}

#[test]
fn an_order_is_placed_and_paid() {
    let mut order = given_placed();
    assert_eq!(states(&seen(&mut order)), (OrderPaymentState::Authorized, FulfillmentState::Unfulfilled));
    assert!(order.open.is_empty(), "no receipt before it is paid");

    let paid = view(order.ask(OrderCommand::MarkPaid));
    assert_eq!((paid.payment_state(), paid.number, paid.refunded), (OrderPaymentState::Paid, 42, dollars(0)));
    let [effect] = &order.open.values().collect::<Vec<_>>()[..] else { panic!("one letter") };
    let expected = MailRequest { contact: ContactId(4), kind: MailKind::Receipt { order: OrderId(7) } };
    assert!(matches!(&effect.request, Request::Mail(request) if *request == expected));
    order.answer_open(&Outcome::Mail);

    order.ask(OrderCommand::MarkPaid);
    assert!(order.open.is_empty(), "the receipt goes out once");
    order.repeat_all();
}

#[test]
fn a_repeated_placement_gets_the_same_answer_and_another_order_is_refused() {
    let mut order = given_placed();
    let placed = seen(&mut order);
    order.ask(OrderCommand::MarkPaid);
    assert_eq!(view(order.ask(place())), placed);
    assert!(matches!(refusal(order.ask(place_free())), OrderRejection::KeyReused(_)));
}

#[test]
fn an_order_that_does_not_add_up_is_refused() {
    let spoil = |change: fn(&mut Vec<OrderLine>, &mut OrderTotals)| {
        let mut command = place();
        if let OrderCommand::Place { lines, totals, .. } = &mut command {
            change(lines, totals);
        }
        refusal(Order::default().ask(command))
    };
    for rejection in [
        spoil(|lines, _| lines.clear()),
        spoil(|_, totals| totals.total.amount += 1),
        spoil(|_, totals| totals.tax.currency = Currency::new("EUR").unwrap()),
        spoil(|lines, _| lines[0].unit_price.currency = Currency::new("EUR").unwrap()),
        spoil(|lines, _| *lines = vec![lines[0].clone(); super::LINES_MAX + 1]),
    ] {
        assert!(matches!(rejection, OrderRejection::Invalid { .. }), "{rejection:?}");
    }
}

#[test]
fn a_capture_that_fails_undoes_the_order() {
    let mut order = given_placed();
    let failed = view(order.ask(OrderCommand::CaptureFailed));
    assert_eq!(states(&failed), (OrderPaymentState::Failed, FulfillmentState::Cancelled));
    assert_eq!(view(order.ask(OrderCommand::CaptureFailed)), failed);
    for command in [OrderCommand::MarkPaid, cancel(true), refund(1, true), fulfil()] {
        assert!(matches!(refusal(order.ask(command)), OrderRejection::NotAllowed { .. }));
    }
    assert!(order.asked.is_empty(), "the checkout takes its units back, not the order");
}

#[test]
fn a_paid_order_cannot_fail() {
    let mut order = given_paid();
    assert!(matches!(refusal(order.ask(OrderCommand::CaptureFailed)), OrderRejection::NotAllowed { .. }));
}

#[test]
fn an_order_is_fulfilled_once() {
    let mut order = given_placed();
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }), "not before it is paid");
    let mut order = given_paid();
    let fulfilled = view(order.ask(fulfil()));
    assert_eq!(states(&fulfilled), (OrderPaymentState::Paid, FulfillmentState::Fulfilled));
    assert_eq!(fulfilled.status.tracking.as_deref(), Some("1Z999"));
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }));
    assert!(matches!(refusal(order.ask(cancel(true))), OrderRejection::NotAllowed { .. }));
    order.repeat_all();
}

#[test]
fn a_cancelled_order_gives_its_money_and_its_units_back() {
    let mut order = given_paid();
    assert_eq!(order.ask(cancel(true)), None, "the money has to be back first");
    let Request::Payment(PaymentId(6), PaymentCommand::Refund { amount, .. }) = order.open[&REFUND].request else {
        panic!("no refund")
    };
    assert_eq!(amount, dollars(450));
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }));
    give_back(&mut order, &refunded());

    let cancelled = view(order.told());
    assert_eq!(states(&cancelled), (OrderPaymentState::Refunded, FulfillmentState::Cancelled));
    assert_eq!(cancelled.refunded, dollars(450));
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1), ("SHIRT".to_owned(), 3)]));
    for effect in order.open.clone().values() {
        order.answer(effect.id, &booked());
    }
    assert!(order.open.is_empty());
    order.repeat_all();
}

#[test]
fn a_full_inventory_is_retried() {
    let mut order = given_paid();
    order.ask(refund(450, true));
    give_back(&mut order, &refunded());
    let effect = order.open.values().next().unwrap().id;
    order.answer(effect, &Outcome::Stock(Err(StockRejection::TooMany)));
    assert_eq!(coming_back(&order).len(), 2);
}

#[test]
fn a_refund_that_fails_changes_nothing_and_can_be_tried_again() {
    let mut order = given_paid();
    let key = CommandId(99);
    assert_eq!(order.ask_as(key, cancel(true)), None);
    let first = order.open[&REFUND].clone();
    give_back(&mut order, &refund_failed());
    assert_eq!(refusal(order.told()), OrderRejection::RefundFailed { code: "no_funds".to_owned() });
    assert_eq!(states(&seen(&mut order)), (OrderPaymentState::Paid, FulfillmentState::Unfulfilled));

    assert_eq!(order.ask_as(key, cancel(true)), None, "under the same key");
    let (
        Request::Payment(_, PaymentCommand::Refund { refund: one, .. }),
        Request::Payment(_, PaymentCommand::Refund { refund: two, .. }),
    ) = (&first.request, &order.open[&REFUND].request)
    else {
        panic!("no refunds")
    };
    assert_ne!(one, two, "a refund that failed stays failed");
    order.answer(first.id, &refunded());
    assert_eq!(order.open.len(), 1, "a late answer to the first one changes nothing");
    give_back(&mut order, &refunded());
    assert_eq!(view(order.told()).payment_state(), OrderPaymentState::Refunded);
}

#[test]
fn one_refund_goes_at_a_time_and_never_over_what_was_paid() {
    let mut order = given_paid();
    assert_eq!(order.ask(refund(300, false)), None);
    assert_eq!(refusal(order.ask(refund(1, false))), OrderRejection::RefundInProgress);
    assert_eq!(refusal(order.ask(cancel(false))), OrderRejection::RefundInProgress);
    give_back(&mut order, &refunded());
    assert_eq!(refusal(order.ask(refund(151, false))), OrderRejection::RefundTooLarge { refundable: dollars(150) });
    assert_eq!(order.ask(refund(150, false)), None);
    give_back(&mut order, &refunded());
    assert_eq!(view(order.told()).payment_state(), OrderPaymentState::Refunded);
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }));
    order.repeat_all();
}

#[test]
fn a_refund_has_edges() {
    let mut order = given_paid();
    let euros = Money { amount: 1, currency: Currency::new("EUR").unwrap() };
    let in_euros = OrderCommand::Refund { amount: euros, reason: String::new(), restock: false };
    let talkative = OrderCommand::Cancel { reason: "茶".repeat(super::REASON_CHARS_MAX + 1), restock: false };
    for command in [refund(0, false), refund(-1, false), in_euros, talkative] {
        assert!(matches!(refusal(order.ask(command)), OrderRejection::Invalid { .. }));
    }
    assert!(matches!(refusal(order.ask(refund(i64::MAX, false))), OrderRejection::RefundTooLarge { .. }));
}

#[test]
fn a_free_order_is_cancelled_at_once() {
    let mut order = Order::default();
    order.ask(place_free());
    order.ask(OrderCommand::MarkPaid);
    order.answer_open(&Outcome::Mail);
    let cancelled = view(order.ask(cancel(true)));
    hand_over_mails(&mut order);
    assert_eq!(states(&cancelled), (OrderPaymentState::Paid, FulfillmentState::Cancelled));
    assert_eq!(coming_back(&order).len(), 2);
}

#[test]
fn an_order_is_its_buyers_alone() {
    let mut order = given_placed();
    let viewer = |subject, former| OrderCommand::View { viewer: Some(Buyer { subject, former, customer: true }) };
    view(order.ask(viewer(SubjectId(3), vec![])));
    view(order.ask(viewer(SubjectId(100), vec![SubjectId(3)])));
    assert_eq!(refusal(order.ask(viewer(SubjectId(100), vec![]))), OrderRejection::NotFound);
    assert_eq!(refusal(Order::default().ask(cancel(true))), OrderRejection::NotFound);
}

#[test]
fn the_same_key_with_another_command_is_refused() {
    use crate::{
        aggregate::{Aggregate, Context},
        id::Fingerprint,
    };
    let mut order = given_paid();
    order.ask_as(CommandId(99), refund(10, false));
    let other = Context {
        now: order.now,
        command_id: CommandId(99),
        former_ids: vec![],
        former_fingerprint: None,
        fingerprint: Fingerprint(1),
    };
    assert!(
        matches!(order.state.decide(&refund(11, false), &other), Err(OrderRejection::KeyReused(_))),
        "while it waits"
    );
    give_back(&mut order, &refunded());
    assert!(matches!(order.state.decide(&fulfil(), &other), Err(OrderRejection::KeyReused(_))), "and afterwards");
}

#[derive(Debug, Clone)]
enum Step {
    Ask(OrderCommand),
    /// Repeats one of the last commands.
    Repeat(usize),
    /// Delivers an outcome for one of the effects requested so far.
    Answer(usize, bool),
    Reload,
}

fn any_step() -> impl Strategy<Value = Step> {
    let command = prop_oneof![
        1 => Just(place()),
        1 => Just(place_free()),
        2 => Just(OrderCommand::MarkPaid),
        1 => Just(OrderCommand::CaptureFailed),
        2 => any::<bool>().prop_map(cancel),
        6 => (1..300i64, any::<bool>()).prop_map(|(amount, restock)| refund(amount, restock)),
        2 => Just(refund(450, true)),
        1 => Just(fulfil()),
        4 => (0..3usize, 1..3i64).prop_map(|(line, units)| parcels::send(&[(line, units)])),
        4 => (0..3usize, 1..3i64, any::<bool>()).prop_map(|(line, units, restock)| parcels::refund(&[(line, units, restock)])),
        2 => (1..6usize, any::<bool>()).prop_map(|(parcel, has)| parcels::track(parcel, has.then_some("2Z"))),
    ];
    prop_oneof![
        8 => command.prop_map(Step::Ask),
        2 => (0..4usize).prop_map(Step::Repeat),
        8 => (0..5usize, prop::bool::weighted(0.8)).prop_map(|(effect, good)| Step::Answer(effect, good)),
        1 => Just(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 4_000 }))]

    #[test]
    fn whatever_happens_the_promises_hold(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut order = Order::default();
        let mut commands: Vec<(CommandId, OrderCommand)> = Vec::new();
        let mut given_back: BTreeMap<EffectId, i64> = BTreeMap::new();
        let mut restocked: BTreeMap<String, u64> = BTreeMap::new();
        // Start with a paid order, so that most histories get beyond `NotFound`.
        order.ask_as(CommandId(1), if steps.len() % 5 == 0 { place_free() } else { place() });
        order.ask_as(CommandId(2), OrderCommand::MarkPaid);
        for step in steps {
            order.now = order.now.plus_ms(10);
            match step {
                Step::Ask(command) => {
                    let id = CommandId(1_000_000 + commands.len() as u128);
                    commands.push((id, command.clone()));
                    order.ask_as(id, command);
                }
                Step::Repeat(back) => if let Some((id, command)) = commands.iter().rev().nth(back).cloned() {
                    order.ask_as(id, command);
                },
                Step::Answer(back, good) => if let Some(effect) = order.asked.iter().rev().nth(back).cloned() {
                    let before = order.events.len();
                    match (effect.request, good) {
                        (Request::Mail(_), _) => order.answer(effect.id, &Outcome::Mail),
                        (Request::Payment(_, PaymentCommand::Refund { amount, .. }), true) => {
                            order.answer(effect.id, &refunded());
                            if order.events.len() > before {
                                prop_assert!(given_back.insert(effect.id, amount.amount).is_none(), "the same refund twice");
                            }
                        }
                        (Request::Payment(..), _) => order.answer(effect.id, &refund_failed()),
                        (Request::Stock(sku, StockCommand::Restock { total, .. }), true) => {
                            order.answer(effect.id, &booked());
                            let known = restocked.entry(sku.to_string()).or_default();
                            *known = total.max(*known);
                        }
                        (Request::Stock(..), _) => {
                            order.answer(effect.id, &Outcome::Stock(Err(StockRejection::TooMany)));
                        }
                        (other, _) => prop_assert!(false, "{other:?}"),
                    }
                },
                Step::Reload => order.reload(),
            }
            order.state.assert_balanced();
            let now = seen(&mut order);
            prop_assert_eq!(order.folded::<OrderView>(), Some(now.clone()), "the events alone give the view");
            prop_assert_eq!(now.refunded.amount, given_back.values().sum::<i64>());
            prop_assert!(now.refunded.amount <= now.totals.total.amount);
            prop_assert!(restocked.get("SHIRT").is_none_or(|&units| units <= 3) && restocked.get("MUG").is_none_or(|&units| units <= 1));
        }
        order.repeat_all();
        order.reload();
        order.repeat_all();
    }
}

#[test]
fn time_alone_changes_nothing() {
    use crate::aggregate::Timers;
    let order = given_paid();
    assert_eq!(order.state.wake_at(), None);
    assert!(order.state.on_wake(Timestamp(u64::MAX)).is_empty());
}
