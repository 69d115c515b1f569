//! Tests of parcels, their tracking, refunds of lines, and the e-mails about them.

use super::*;
use crate::{
    id::{Fingerprint, FulfillmentId, OrderLineId},
    order::{FULFILLMENTS_MAX, LineUnits, OrderEvent, TRACKING_CHANGES_MAX, line_id, progress::fulfillment_id},
    processed_commands::ProcessedCommand,
};

const ORDER: OrderId = OrderId(7);
/// The lines of the order: two claimed shirts, one shirt from ordinary stock, a mug.
const CLAIMED: usize = 0;
const SHIRT: usize = 1;
const MUG: usize = 2;

fn id(line: usize) -> OrderLineId {
    line_id(ORDER, line)
}

fn units(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

pub(super) fn send(lines: &[(usize, i64)]) -> OrderCommand {
    let lines = lines.iter().map(|(line, count)| (id(*line), units(*count))).collect();
    OrderCommand::Fulfil { lines: Some(lines), tracking: Some("1Z1".to_owned()) }
}

pub(super) fn refund(lines: &[(usize, i64, bool)]) -> OrderCommand {
    let lines = lines.iter().map(|(line, count, restock)| (id(*line), units(*count), *restock)).collect();
    OrderCommand::RefundLines { lines, reason: "a scratch".to_owned() }
}

pub(super) fn track(parcel: usize, tracking: Option<&str>) -> OrderCommand {
    OrderCommand::ChangeTracking { fulfillment: parcel_id(parcel), tracking: tracking.map(str::to_owned) }
}

/// Returns the id of the parcel that was the order's `number`th change.
fn parcel_id(number: usize) -> FulfillmentId {
    fulfillment_id(ORDER, number)
}

/// Refunds these lines, and returns the order afterwards.
fn give_lines_back(order: &mut Order, lines: &[(usize, i64, bool)]) -> OrderView {
    assert_eq!(order.ask(refund(lines)), None, "the money has to be back first");
    give_back(order, &refunded());
    view(order.told())
}

fn subjects(order: &Order) -> Vec<MailKind> {
    let kind = |effect: crate::effect::Effect| match effect.request {
        Request::Mail(mail) => mail.kind,
        other => panic!("{other:?}"),
    };
    mails(order).into_iter().map(kind).collect()
}

#[test]
fn an_order_goes_out_in_several_parcels() {
    let mut order = given_paid();
    let first = view(order.ask(send(&[(CLAIMED, 1), (MUG, 1)])));
    assert_eq!(states(&first), (OrderPaymentState::Paid, FulfillmentState::PartiallyFulfilled));
    assert_eq!(first.status.fulfilled_at, None);
    let second = view(order.ask(OrderCommand::Fulfil { lines: None, tracking: None }));
    assert_eq!(second.fulfillment_state(), FulfillmentState::Fulfilled, "what was left is sent");
    assert_eq!(second.status.fulfilled_at, Some(order.now));
    let parcels = second.fulfillments();
    let sent = |line: usize, units| LineUnits { line: line as u16, units };
    assert_eq!(parcels[0].lines, [sent(CLAIMED, 1), sent(MUG, 1)]);
    assert_eq!(parcels[1].lines, [sent(CLAIMED, 1), sent(SHIRT, 1)]);
    assert_eq!([&parcels[0].tracking, &parcels[1].tracking], [&Some("1Z1".to_owned()), &None]);
    assert_ne!(parcels[0].id, parcels[1].id);
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }));
    order.repeat_all();
    order.reload();
    order.repeat_all();
}

#[test]
fn no_more_is_sent_than_was_bought() {
    let mut order = given_paid();
    order.ask(send(&[(CLAIMED, 1)]));
    let too_many = refusal(order.ask(send(&[(CLAIMED, 2)])));
    assert_eq!(too_many, OrderRejection::TooManyUnits { line: id(CLAIMED), remaining: 1 });
    let unknown = OrderCommand::Fulfil { lines: Some(vec![(OrderLineId(1), units(1))]), tracking: None };
    for command in [send(&[]), send(&[(MUG, 1), (MUG, 1)]), unknown] {
        assert!(matches!(refusal(order.ask(command)), OrderRejection::Invalid { pointer, .. } if pointer == "/lines"));
    }
    let long = OrderCommand::Fulfil { lines: None, tracking: Some("x".repeat(super::super::TRACKING_CHARS_MAX + 1)) };
    assert!(matches!(refusal(order.ask(long)), OrderRejection::Invalid { pointer, .. } if pointer == "/tracking"));
}

#[test]
fn tracking_is_corrected_parcel_by_parcel() {
    let mut order = given_paid();
    let first = view(order.ask(send(&[(CLAIMED, 2)])));
    order.ask(send(&[(MUG, 1)]));
    let corrected = view(order.ask(track(1, Some("1Z2"))));
    let tracking: Vec<_> = corrected.fulfillments().into_iter().map(|parcel| parcel.tracking.unwrap()).collect();
    assert_eq!(tracking, ["1Z2", "1Z1"]);
    assert_eq!(first.fulfillments()[0].tracking.as_deref(), Some("1Z1"), "what was answered stays what it was");
    assert_eq!(corrected.status.tracking.as_deref(), Some("1Z1"), "that of the newest parcel");
    assert_eq!(view(order.ask(track(2, None))).status.tracking, None);
    assert_eq!(refusal(order.ask(track(9, None))), OrderRejection::FulfillmentNotFound);
    order.repeat_all();
}

#[test]
fn tracking_that_is_right_already_is_not_mailed_again() {
    let mut order = given_paid();
    order.ask(send(&[(MUG, 1)]));
    hand_over_mails(&mut order);
    view(order.ask(track(1, Some("1Z1"))));
    assert!(mails(&order).is_empty());
}

#[test]
fn an_order_that_was_sent_before_there_were_parcels_shows_one() {
    let mut order = given_paid();
    let processed = ProcessedCommand { command_id: CommandId(77), fingerprint: Fingerprint(77), at: order.now };
    order.given(OrderEvent::Fulfilled { tracking: Some("1Z0".to_owned()), processed });
    assert!(order.open.is_empty(), "nobody is written to about what happened long ago");
    let parcels = seen(&mut order).fulfillments();
    assert_eq!((parcels.len(), parcels[0].lines.len(), parcels[0].tracking.as_deref()), (1, 3, Some("1Z0")));
    let corrected = view(order.ask(track(0, Some("1Z9"))));
    assert_eq!(corrected.fulfillments()[0].tracking.as_deref(), Some("1Z9"));
    order.reload();
    assert_eq!(seen(&mut order), corrected);
}

#[test]
fn lines_are_refunded_with_their_share_of_the_tax_and_shipping_comes_last() {
    let mut order = given_paid();
    // Goods 400, tax 20, shipping 30.
    assert_eq!(give_lines_back(&mut order, &[(CLAIMED, 1, true)]).refunded, dollars(105));
    assert_eq!(give_lines_back(&mut order, &[(CLAIMED, 1, false), (MUG, 1, true)]).refunded, dollars(315));
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1), ("SHIRT".to_owned(), 1)]));
    let all = give_lines_back(&mut order, &[(SHIRT, 1, true)]);
    assert_eq!((all.refunded, all.payment_state()), (dollars(450), OrderPaymentState::Refunded));
    assert_eq!(coming_back(&order)["SHIRT"], 2, "in all; the one without restock stays away");
    for effect in order.open.clone().values() {
        order.answer(effect.id, &booked());
    }
    order.repeat_all();
}

#[test]
fn tax_shares_add_up_to_the_tax_however_lines_are_divided() {
    for tax in [0, 1, 7, 19, 99] {
        let mut order = Order::default();
        let mut command = place();
        if let OrderCommand::Place { totals, .. } = &mut command {
            totals.tax = dollars(tax);
            totals.total = dollars(430 + tax);
        }
        order.ask(command);
        order.ask(OrderCommand::MarkPaid);
        for line in [(CLAIMED, 1), (MUG, 1), (SHIRT, 1), (CLAIMED, 1)] {
            give_lines_back(&mut order, &[(line.0, line.1, false)]);
        }
        assert_eq!(seen(&mut order).refunded, dollars(430 + tax));
    }
}

#[test]
fn no_unit_is_refunded_twice() {
    let mut order = given_paid();
    give_lines_back(&mut order, &[(CLAIMED, 1, true)]);
    let again = refusal(order.ask(refund(&[(CLAIMED, 2, true)])));
    assert_eq!(again, OrderRejection::TooManyUnits { line: id(CLAIMED), remaining: 1 });
    order.ask(super::refund(345, true));
    give_back(&mut order, &refunded());
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1), ("SHIRT".to_owned(), 3)]), "the rest");
    assert!(matches!(refusal(order.ask(refund(&[(MUG, 1, true)]))), OrderRejection::NotAllowed { .. }));
    assert!(matches!(refusal(order.ask(refund(&[(MUG, 1, false)]))), OrderRejection::RefundTooLarge { .. }));
}

#[test]
fn units_refunded_before_they_were_sent_are_not_sent() {
    let mut order = given_paid();
    give_lines_back(&mut order, &[(CLAIMED, 1, true), (MUG, 1, false)]);
    let too_many = refusal(order.ask(send(&[(CLAIMED, 2)])));
    assert_eq!(too_many, OrderRejection::TooManyUnits { line: id(CLAIMED), remaining: 1 });
    let sent = view(order.ask(OrderCommand::Fulfil { lines: None, tracking: None }));
    assert_eq!(sent.fulfillment_state(), FulfillmentState::Fulfilled);
    let parcel = &sent.fulfillments()[0].lines;
    assert_eq!(parcel.iter().map(|line| line.units).collect::<Vec<_>>(), [1, 1], "a shirt of each line");
}

#[test]
fn an_order_is_fulfilled_once_what_was_not_sent_is_refunded() {
    let mut order = given_paid();
    order.ask(send(&[(CLAIMED, 2), (SHIRT, 1)]));
    let done = give_lines_back(&mut order, &[(MUG, 1, true)]);
    assert_eq!(states(&done), (OrderPaymentState::PartiallyRefunded, FulfillmentState::Fulfilled));
    let returned = give_lines_back(&mut order, &[(SHIRT, 1, true)]);
    assert_eq!(returned.line_progress()[SHIRT].returned, 1);
    assert_eq!(returned.fulfillment_state(), FulfillmentState::Fulfilled);
}

#[test]
fn units_in_a_refund_are_not_sent_and_others_are() {
    let mut order = given_paid();
    order.ask(refund(&[(CLAIMED, 1, true)]));
    assert_eq!(refusal(order.ask(fulfil())), OrderRejection::RefundInProgress);
    assert_eq!(refusal(order.ask(send(&[(CLAIMED, 2)]))), OrderRejection::RefundInProgress);
    view(order.ask(send(&[(CLAIMED, 1), (MUG, 1)])));
    hand_over_mails(&mut order);
    give_back(&mut order, &refunded());
    assert_eq!(view(order.ask(fulfil())).fulfillment_state(), FulfillmentState::Fulfilled);
}

#[test]
fn a_refund_of_lines_that_fails_changes_nothing() {
    let mut order = given_paid();
    order.ask(refund(&[(CLAIMED, 2, true)]));
    give_back(&mut order, &refund_failed());
    assert!(matches!(refusal(order.told()), OrderRejection::RefundFailed { .. }));
    assert!(order.open.is_empty(), "nothing comes back, nobody is written to");
    assert_eq!(give_lines_back(&mut order, &[(CLAIMED, 2, true)]).refunded, dollars(210));
}

#[test]
fn a_refund_of_lines_is_limited_by_the_remaining_amount() {
    let mut order = given_paid();
    order.ask(super::refund(400, false));
    give_back(&mut order, &refunded());
    let rest = give_lines_back(&mut order, &[(CLAIMED, 1, true)]);
    assert_eq!((rest.refunded, rest.payment_state()), (dollars(450), OrderPaymentState::Refunded));
}

#[test]
fn the_lines_of_a_free_order_are_refunded_at_once() {
    let mut order = Order::default();
    order.ask(place_free());
    order.ask(OrderCommand::MarkPaid);
    hand_over_mails(&mut order);
    let part = view(order.ask(refund(&[(MUG, 1, true)])));
    assert_eq!((part.payment_state(), part.refunded), (OrderPaymentState::PartiallyRefunded, dollars(0)));
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1)]));
    view(order.ask(fulfil()));
    order.repeat_all();
}

#[test]
fn an_order_that_is_partly_sent_is_not_cancelled() {
    let mut order = given_paid();
    order.ask(send(&[(MUG, 1)]));
    assert!(matches!(refusal(order.ask(cancel(true))), OrderRejection::NotAllowed { why } if why.contains("lines")));
}

#[test]
fn a_cancellation_returns_the_remaining_units() {
    let mut order = given_paid();
    give_lines_back(&mut order, &[(CLAIMED, 1, false), (MUG, 1, true)]);
    assert_eq!(order.ask(cancel(true)), None);
    give_back(&mut order, &refunded());
    assert_eq!(view(order.told()).refunded, dollars(450));
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1), ("SHIRT".to_owned(), 2)]));
}

#[test]
fn the_buyer_is_written_to_once_about_each_thing() {
    let mut order = given_paid();
    order.ask(send(&[(MUG, 1)]));
    order.ask(track(1, Some("1Z2")));
    let (fulfillment, change) = (parcel_id(1), 1);
    let expected = [
        MailKind::Shipped { order: ORDER, fulfillment },
        MailKind::TrackingChanged { order: ORDER, fulfillment, change },
    ];
    assert_eq!(subjects(&order), expected);
    order.reload();
    assert_eq!(subjects(&order), expected, "a restart loses none");
    hand_over_mails(&mut order);
    assert!(order.open.is_empty());

    let asked = order.asked.len();
    give_lines_back(&mut order, &[(CLAIMED, 1, false)]);
    let amount = dollars(105);
    let kinds: Vec<_> =
        order.asked[asked..].iter().filter(|effect| matches!(effect.request, Request::Mail(_))).collect();
    let expected = MailKind::Refunded { order: ORDER, notice: 2, amount };
    assert!(matches!(&kinds[..], [one] if matches!(&one.request, Request::Mail(mail) if mail.kind == expected)));
}

#[test]
fn a_cancellation_is_one_mail() {
    let mut order = given_paid();
    order.ask(cancel(false));
    let refund = order.open[&REFUND].id;
    order.answer(refund, &refunded());
    assert_eq!(subjects(&order), [MailKind::Cancelled { order: ORDER }]);
}

#[test]
fn parcels_and_corrections_have_a_limit() {
    let mut order = Order::default();
    let mut command = place();
    if let OrderCommand::Place { lines, totals, .. } = &mut command {
        lines[MUG].quantity = units(1 + FULFILLMENTS_MAX as i64);
        lines.iter_mut().for_each(|line| line.unit_price = dollars(0));
        *totals = OrderTotals { subtotal: dollars(0), shipping: dollars(30), tax: dollars(0), total: dollars(30) };
    }
    order.ask(command);
    order.ask(OrderCommand::MarkPaid);
    for _ in 0..FULFILLMENTS_MAX {
        view(order.ask(send(&[(MUG, 1)])));
    }
    assert_eq!(refusal(order.ask(send(&[(MUG, 1)]))), OrderRejection::TooManyFulfillments);
    for number in 0..TRACKING_CHANGES_MAX {
        view(order.ask(track(1, Some(&format!("2Z{number}")))));
    }
    assert_eq!(refusal(order.ask(track(1, None))), OrderRejection::TooManyFulfillments);
}
