//! Tests of buyers, claims, carts, checkouts, payments and orders together: the real aggregates in a simulation in
//! which messages are lost, delayed and duplicated, and entities crash. The goods of a purchase are sold if and only if
//! its money is taken.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use engine::{
    checkout::{CheckoutCommand, CheckoutProblem, CheckoutRejection, CheckoutReply, CheckoutState, Source},
    effect::{Outcome, Request},
    flash_drop::{Buyer, ClaimState},
    id::CartId,
    order::OrderPaymentState,
};
use proptest::prelude::*;

use self::world::{
    Faults,
    crowd::Crowd,
    shop::{SHIRTS, Shop, buyer, cents},
};

fn state(told: &Outcome) -> CheckoutState {
    match told {
        Outcome::Checkout(Ok(CheckoutReply::Checkout(view))) => view.state.clone(),
        other => panic!("not a checkout: {other:?}"),
    }
}

fn refusal(told: &Outcome) -> CheckoutProblem {
    match told {
        Outcome::Checkout(Err(CheckoutRejection::Refused(problem))) => problem.clone(),
        other => panic!("not refused, but {other:?}"),
    }
}

fn given_shirts_in_a_cart(shop: &mut Shop, buyer: &Buyer, quantity: u64) -> CartId {
    let cart = shop.new_cart(buyer);
    shop.add_line(buyer, cart, "SHIRT", quantity).unwrap();
    cart
}

#[test]
fn a_claim_is_bought() {
    let mut shop = Shop::open(1);
    let claim = shop.claim(&buyer(1), 2).unwrap();
    let (checkout, told) = shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_approve");
    let CheckoutState::Completed { order } = state(&told) else { panic!("{told:?}") };
    let order = shop.order_view(order).unwrap();
    assert_eq!((order.checkout, order.number, order.lines[0].title.as_str()), (checkout, 1, "Friday sneakers"));
    // 2 × 49.00, 3.00 for shipping, 7 % of 98.00.
    assert_eq!(order.totals.total, cents(9_800 + 300 + 686));
    assert_eq!(order.payment_state(), OrderPaymentState::Paid);
    assert_eq!(shop.world.bank.taken(), 10_786);
    shop.settle();
    shop.assert_settled();
    assert_eq!(shop.levels("SNEAKER").sold, 2);
    assert_eq!(shop.world.mails.len(), 1, "one receipt");
}

#[test]
fn a_cart_is_bought_and_empty_afterwards() {
    let mut shop = Shop::open(2);
    let cart = given_shirts_in_a_cart(&mut shop, &buyer(1), 2);
    shop.add_line(&buyer(1), cart, "SOCKS", 1).unwrap();
    let (_, told) = shop.check_out(&buyer(1), Source::Cart(cart), "tok_approve");
    assert!(matches!(state(&told), CheckoutState::Completed { .. }));
    assert_eq!(shop.cart_view(cart).unwrap().lines.len(), 0);
    assert_eq!((shop.levels("SHIRT").sold, shop.levels("SOCKS").sold), (2, 1));
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_declined_card_leaves_the_claim_for_another_checkout() {
    let mut shop = Shop::open(3);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    let (_, told) = shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_decline");
    assert!(matches!(state(&told), CheckoutState::Failed { problem: CheckoutProblem::PaymentDeclined { .. } }));
    assert!(matches!(shop.claim_view(claim).state, ClaimState::Held { lock: None, .. }));
    let (_, told) = shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_approve");
    assert!(matches!(state(&told), CheckoutState::Completed { .. }));
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_claim_is_in_at_most_five_checkouts() {
    let mut shop = Shop::open(4);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    for _ in 0..5 {
        shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_decline");
    }
    let (_, told) = shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_approve");
    assert_eq!(refusal(&told), CheckoutProblem::TooManyCheckouts);
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_failed_checkout_keeps_the_claim_for_ten_minutes_from_its_start() {
    let mut shop = Shop::open(5);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    let started_at = shop.world.now;
    shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_decline");
    assert_eq!(shop.claim_view(claim).expires_at, started_at.plus_seconds(600));
}

#[test]
fn a_claim_or_cart_is_in_one_unfinished_checkout_at_a_time() {
    let mut shop = Shop::open(6);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    let cart = given_shirts_in_a_cart(&mut shop, &buyer(1), 1);
    for source in [Source::Claims(vec![claim]), Source::Cart(cart)] {
        let (first, told) = shop.check_out(&buyer(1), source.clone(), "tok_challenge");
        assert!(matches!(state(&told), CheckoutState::RequiresAction { .. }));
        let (_, told) = shop.check_out(&buyer(1), source.clone(), "tok_approve");
        assert_eq!(refusal(&told), CheckoutProblem::CheckoutInProgress { checkout: first });
        let confirmed = shop.ask(Request::Checkout(first, CheckoutCommand::Confirm { buyer: buyer(1) }));
        assert!(matches!(state(&confirmed), CheckoutState::Completed { .. }));
    }
    shop.settle();
    shop.assert_settled();
}

#[test]
fn an_unanswered_challenge_expires_after_fifteen_minutes() {
    let mut shop = Shop::open(7);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    let (checkout, _) = shop.check_out(&buyer(1), Source::Claims(vec![claim]), "tok_challenge");
    let started_at = shop.checkout_view(checkout).unwrap().started_at;
    shop.world.settle(started_at.plus_seconds(15 * 60 - 1));
    assert!(matches!(shop.claim_view(claim).state, ClaimState::Held { lock: Some(_), .. }), "pinned, past its hold");
    shop.world.settle(started_at.plus_seconds(15 * 60));
    assert_eq!(shop.checkout_view(checkout).unwrap().problem(), Some(&CheckoutProblem::Expired));
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_changed_price_is_reported_and_then_accepted() {
    let mut shop = Shop::open(8);
    let cart = given_shirts_in_a_cart(&mut shop, &buyer(1), 2);
    shop.set_price("SHIRT", 2_000);
    let (key, _, request) = shop.checkout_of(&buyer(1), Source::Cart(cart), "tok_approve");
    let total = cents(4_000 + 300 + 280);
    assert_eq!(refusal(&shop.world.ask(key, request.clone())), CheckoutProblem::PriceChanged { total });
    assert_eq!(shop.cart_view(cart).unwrap().subtotal, Some(cents(4_000)), "the cart shows it");
    assert_eq!(shop.levels("SHIRT").held, 0);
    let told = shop.world.ask(key, request);
    assert!(matches!(state(&told), CheckoutState::Completed { .. }), "decided afresh under the same key: {told:?}");
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_cart_with_more_than_there_is_holds_nothing() {
    let mut shop = Shop::open(9);
    let cart = shop.new_cart(&buyer(1));
    shop.add_line(&buyer(1), cart, "SOCKS", 1).unwrap();
    shop.add_line(&buyer(1), cart, "SHIRT", SHIRTS + 1).unwrap();
    let (_, told) = shop.check_out(&buyer(1), Source::Cart(cart), "tok_approve");
    let sku = world::shop::sku("SHIRT");
    assert_eq!(refusal(&told), CheckoutProblem::InsufficientStock { sku, available: SHIRTS });
    assert_eq!((shop.levels("SOCKS").held, shop.cart_view(cart).unwrap().checkout), (0, None));
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_capture_that_fails_brings_everything_back() {
    let mut shop = Shop::open(10);
    let claim = shop.claim(&buyer(1), 2).unwrap();
    let cart = given_shirts_in_a_cart(&mut shop, &buyer(1), 1);
    for source in [Source::Claims(vec![claim]), Source::Cart(cart)] {
        let (_, told) = shop.check_out(&buyer(1), source, "tok_no_capture");
        assert!(matches!(state(&told), CheckoutState::Failed { problem: CheckoutProblem::CaptureFailed { .. } }));
    }
    assert_eq!((shop.levels("SHIRT").available, shop.drop_view().items[0].available), (SHIRTS, 6));
    assert_eq!(shop.cart_view(cart).unwrap().lines.len(), 1, "the buyer may try another card");
    shop.settle();
    shop.assert_settled();
}

#[test]
fn a_repeated_start_is_answered_as_the_first_was() {
    let mut shop = Shop::open(11);
    let claim = shop.claim(&buyer(1), 1).unwrap();
    let (key, _, request) = shop.checkout_of(&buyer(1), Source::Claims(vec![claim]), "tok_approve");
    let first = shop.world.ask(key, request.clone());
    assert_eq!(shop.world.ask(key, request.clone()), first);
    shop.settle();
    assert_eq!(shop.world.ask(key, request), first);
    assert_eq!(shop.world.bank.taken(), 4_900 + 300 + 343, "charged once");
}

fn let_them_shop(seed: u64, faults: Faults) {
    let mut crowd = Crowd::new(seed);
    crowd.shop.world.faults = faults;
    for _ in 0..120 {
        crowd.act();
        crowd.shop.assert_sound();
    }
    crowd.shop.settle();
    crowd.assert_answers_are_the_same();
    crowd.shop.assert_settled();
}

/// Runs seeds that once found a bug.
#[test]
fn a_failed_attempt_can_succeed_later() {
    // A claim lock is refused, and a duplicate of its request is accepted before the refusal arrives.
    let_them_shop(13_119_951_806_313_911_867, Faults { copied: 18, lost: 25 });
}

/// Checks that the random buyers reach every outcome: a test that never completes a checkout would not find much.
#[test]
fn a_crowd_meets_everything() {
    let mut met = BTreeMap::<&str, u32>::new();
    for seed in 0..60 {
        let mut crowd = Crowd::new(seed);
        crowd.shop.world.faults = Faults { copied: 20, lost: 15 };
        for _ in 0..120 {
            crowd.act();
        }
        crowd.shop.settle();
        for checkout in crowd.shop.checkouts() {
            let what = checkout.problem().map_or("completed", CheckoutProblem::recorded_name);
            *met.entry(what).or_default() += 1;
        }
        for call in &crowd.shop.world.calls {
            match &call.told {
                Some(Outcome::Checkout(Err(CheckoutRejection::Refused(problem)))) => {
                    *met.entry(problem.recorded_name()).or_default() += 1;
                }
                Some(Outcome::Checkout(Ok(CheckoutReply::Checkout(view)))) => {
                    let what = match view.state {
                        CheckoutState::Pending => "heard pending",
                        CheckoutState::RequiresAction { .. } => "heard requires_action",
                        CheckoutState::Completed { .. } => "heard completed",
                        CheckoutState::Failed { .. } => "heard failed",
                    };
                    *met.entry(what).or_default() += 1;
                }
                _ => {}
            }
        }
    }
    println!("{met:#?}");
    let expected = [
        "already_sold",
        "cancelled",
        "capture_failed",
        "cart_empty",
        "checkout_in_progress",
        "claim_not_found",
        "claim_released",
        "completed",
        "expired",
        "heard completed",
        "heard failed",
        "heard pending",
        "heard requires_action",
        "insufficient_stock",
        "payment_declined",
        "price_changed",
        "unavailable",
    ];
    for what in expected {
        assert!(met.contains_key(what), "the crowd never meets {what}: {met:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_goods_and_money_go_together(seed in any::<u64>(), copied in 0..40usize, lost in 0..30usize) {
        let_them_shop(seed, Faults { copied, lost });
    }
}
