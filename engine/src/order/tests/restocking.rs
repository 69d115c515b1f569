//! Tests of restocking: when units are for sale again, and that such units are not sent.

use super::*;
use crate::{
    id::{Fingerprint, RefundId},
    order::OrderEvent,
    processed_commands::ProcessedCommand,
};

/// Returns an order with a refund of a part of the money that restocked all units: older journals have such histories.
fn given_restocked_in_part() -> Order {
    let mut order = given_paid();
    let (refund, amount, at) = (RefundId(1), dollars(100), order.now);
    let processed = ProcessedCommand { command_id: CommandId(77), fingerprint: Fingerprint(77), at };
    let reason = "a scratch".to_owned();
    order.given(OrderEvent::RefundAsked {
        refund,
        amount,
        reason,
        restock: true,
        cancel: false,
        processed,
        lines: None,
    });
    give_back(&mut order, &refunded());
    for effect in order.open.clone().values() {
        order.answer(effect.id, &booked());
    }
    order
}

#[test]
fn a_cancellation_refunds_the_remaining_amount() {
    let mut order = given_restocked_in_part();
    assert_eq!(seen(&mut order).payment_state(), OrderPaymentState::PartiallyRefunded);

    order.ask(cancel(true));
    let Request::Payment(_, PaymentCommand::Refund { amount, .. }) = order.open[&REFUND].request else { panic!() };
    assert_eq!(amount, dollars(350));
    give_back(&mut order, &refunded());
    assert!(coming_back(&order).is_empty(), "each line comes back once");
}

#[test]
fn units_come_back_with_a_refund_of_all_that_is_left_alone() {
    let mut order = given_paid();
    let refused = refusal(order.ask(refund(100, true)));
    assert!(
        matches!(&refused, OrderRejection::NotAllowed { why } if why.contains("restock requires a refund of lines")),
        "{refused:?}"
    );
    assert!(order.open.is_empty(), "nothing is asked for");

    order.ask(refund(100, false));
    give_back(&mut order, &refunded());
    assert!(order.open.is_empty(), "the units stay with the order");
    order.ask(refund(350, true));
    give_back(&mut order, &refunded());
    assert_eq!(coming_back(&order), BTreeMap::from([("MUG".to_owned(), 1), ("SHIRT".to_owned(), 3)]));
    assert!(matches!(refusal(order.ask(fulfil())), OrderRejection::NotAllowed { .. }));
}

#[test]
fn goods_that_were_sent_and_came_back_go_on_sale_with_the_whole_refund() {
    let mut order = given_paid();
    order.ask(fulfil());
    assert!(matches!(refusal(order.ask(refund(449, true))), OrderRejection::NotAllowed { .. }));
    order.ask(refund(450, true));
    give_back(&mut order, &refunded());
    assert_eq!(coming_back(&order).len(), 2);
}

#[test]
fn an_order_whose_units_are_on_sale_again_is_not_sent() {
    let mut order = given_restocked_in_part();
    let refused = refusal(order.ask(fulfil()));
    assert_eq!(
        refused,
        OrderRejection::NotAllowed { why: "the units of the order were returned to the inventory".into() }
    );
    assert_eq!(seen(&mut order).fulfillment_state(), FulfillmentState::Unfulfilled);
}

#[test]
fn an_order_is_not_sent_while_a_refund_takes_its_units_back() {
    let mut order = given_paid();
    order.ask(refund(450, true));
    assert_eq!(refusal(order.ask(fulfil())), OrderRejection::RefundInProgress);
    give_back(&mut order, &refund_failed());
    assert_eq!(view(order.ask(fulfil())).fulfillment_state(), FulfillmentState::Fulfilled, "its units have stayed");
}

#[test]
fn an_order_is_sent_while_a_part_of_its_money_goes_back_without_units() {
    let mut order = given_paid();
    order.ask(refund(100, false));
    assert_eq!(view(order.ask(fulfil())).fulfillment_state(), FulfillmentState::Fulfilled);
}
