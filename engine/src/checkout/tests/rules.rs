//! The successful path, and the problems that stop it.

use super::*;
use crate::{
    cart::{CartCommand, CartRejection},
    flash_drop::{DropCommand, DropRejection},
    order::{LineSource, OrderCommand, OrderLine, OrderRejection},
    payment::{PaymentCommand, PaymentRejection},
    product::ProductRejection,
    stock::{StockCommand, StockLevels, StockRejection},
};

#[test]
fn claims_are_pinned_paid_sold_and_ordered() {
    let mut shop = given(of_claims());
    assert_eq!(asks(&shop), ["Drop LockClaim", "Drop LockClaim", "Drop View"], "one drop, asked once");
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Payment Authorise"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["OrderNumbers Assign", "Drop Confirm", "Drop Confirm"]);
    consent_all(&mut shop);
    let place = consent_until(&mut shop, "Order Place");
    let Request::Order(order, OrderCommand::Place { number, lines, totals, payment, .. }) = place.request else {
        panic!()
    };
    assert_eq!((number, totals.total, lines.len()), (42, dollars(4_000), 2));
    assert_eq!(lines[0].source, LineSource::Claim(claim(11)));
    assert_eq!((lines[0].title.as_str(), lines[0].product), ("Friday", Some(ProductId(8))));
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Payment Capture"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Order MarkPaid"], "claims have no cart to be emptied");
    consent_all(&mut shop);
    assert_eq!(view(&shop).state, CheckoutState::Completed { order });
    assert_eq!(view(&shop).payment, Some(payment));
    assert_eq!(shop.state.wake_at(), None, "nothing is left to be done");
    shop.repeat_all();
}

/// The lines of the placed order.
fn ordered(start: StartCheckout) -> Vec<OrderLine> {
    let mut shop = given(start);
    let place = consent_until(&mut shop, "Order Place");
    let Request::Order(_, OrderCommand::Place { lines, .. }) = place.request else { panic!() };
    lines
}

#[test]
fn an_order_has_the_titles_and_options_of_the_catalogue() {
    let shirt = ClaimedVariant { product: ProductId(21), title: "Shirt".to_owned(), options: vec![size("M")] };
    let mug = ClaimedVariant { product: ProductId(22), title: "Mug".to_owned(), options: Vec::new() };
    let lines = ordered(StartCheckout { variants: vec![Some(shirt), Some(mug)], ..of_claims() });
    let told = |line: &OrderLine| (line.title.clone(), line.product, line.options.clone());
    assert_eq!(told(&lines[0]), ("Shirt".to_owned(), Some(ProductId(21)), Some(vec![size("M")])));
    assert_eq!(told(&lines[1]), ("Mug".to_owned(), Some(ProductId(22)), None));
    // A SKU that is not in the catalogue gets the title of its drop.
    let shirt = ClaimedVariant { product: ProductId(21), title: "Shirt".to_owned(), options: vec![size("M")] };
    let lines = ordered(StartCheckout { variants: vec![None, Some(shirt)], ..of_claims() });
    assert_eq!(told(&lines[0]), ("Friday".to_owned(), Some(ProductId(8)), None));
    assert_eq!(told(&lines[1]), ("Shirt".to_owned(), Some(ProductId(21)), Some(vec![size("M")])));

    let lines = ordered(of_cart());
    let options: Vec<_> = lines.into_iter().map(|line| line.options).collect();
    assert_eq!(options, [Some(vec![size("SHIRT")]), Some(vec![size("SOCKS")])]);
}

#[test]
fn a_cart_is_locked_checked_held_paid_and_emptied() {
    let mut shop = given(of_cart());
    assert_eq!(asks(&shop), ["Cart BeginCheckout"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Product Quote", "Product Quote"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Stock Reserve", "Stock Reserve"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["Payment Authorise"]);
    consent_all(&mut shop);
    assert_eq!(asks(&shop), ["OrderNumbers Assign", "Stock Confirm", "Stock Confirm"]);
    let end = consent_until(&mut shop, "Cart EndCheckout");
    assert!(matches!(end.request, Request::Cart(CART, CartCommand::EndCheckout { sold: true, .. })));
    finish(&mut shop);
    assert!(view(&shop).order().is_some());
    assert_eq!(view(&shop).totals.unwrap().total, dollars(3_500));
}

#[test]
fn shipping_and_tax_are_added() {
    let mut order = of_cart();
    order.terms = CheckoutTerms { shipping_flat: 499, tax_basis_points: 1_900, currency: Some(Currency::USD) };
    order.expected_total = Some(dollars(3_500 + 499 + 665));
    let mut shop = given(order);
    finish(&mut shop);
    let totals = view(&shop).totals.unwrap();
    assert_eq!((totals.shipping, totals.tax, totals.total), (dollars(499), dollars(665), dollars(4_664)));
}

#[test]
fn a_free_checkout_needs_no_payment() {
    let mut shop = given(start(Source::Claims(vec![claim(11)])));
    let claim_lock = consent_until(&mut shop, "Drop LockClaim");
    let Outcome::Drop(Ok(DropReply::Claim(mut free))) = consent(&claim_lock.request) else { panic!() };
    free.unit_price = dollars(0);
    shop.answer(claim_lock.id, &Outcome::Drop(Ok(DropReply::Claim(free))));
    finish(&mut shop);
    assert_eq!(view(&shop).totals.unwrap().total, dollars(0));
    assert!(view(&shop).order().is_some());
}

#[test]
fn a_refused_pin_refuses_the_checkout_and_lets_go_of_the_others() {
    let mut shop = given(of_claims());
    let [first, second, seen] = &shop.open.values().cloned().collect::<Vec<_>>()[..] else { panic!() };
    let other = CheckoutId(99);
    shop.answer(second.id, &Outcome::Drop(Err(DropRejection::CheckoutInProgress { checkout: other })));
    assert_eq!(asks(&shop), ["Drop LockClaim", "Drop View"], "nothing is undone before all have answered");
    shop.answer(seen.id, &consent(&seen.request));
    shop.answer(first.id, &consent(&first.request));
    assert_eq!(asks(&shop), ["Drop UnlockClaim"], "only what was pinned");
    assert_eq!(settled(&shop, START), None, "the caller is answered after the compensation");
    consent_all(&mut shop);
    let refused = CheckoutRejection::Refused(CheckoutProblem::CheckoutInProgress { checkout: other });
    assert_eq!(settled(&shop, START), Some(Err(refused)));
    assert_eq!(shop.ask(CheckoutCommand::View { buyer: None }), Some(Err(CheckoutRejection::NotFound)));
}

#[test]
fn a_refused_checkout_may_be_tried_again_under_its_key() {
    let mut shop = given(of_claims());
    let claim_lock = shop.open.values().next().unwrap().clone();
    answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(DropRejection::AlreadyReleased)));
    finish(&mut shop);
    assert!(matches!(
        settled(&shop, START),
        Some(Err(CheckoutRejection::Refused(CheckoutProblem::ClaimReleased { .. })))
    ));
    assert_eq!(begin(&mut shop, start(Source::Claims(vec![claim(12)]))), None, "decided afresh");
    let again = consent_until(&mut shop, "Drop LockClaim");
    let Request::Drop(_, DropCommand::LockClaim { lock: grip, .. }) = &again.request else { panic!() };
    assert_eq!(grip.attempt, 2, "another grip than the first attempt's");
    shop.answer(claim_lock.id, &consent(&claim_lock.request));
    assert_eq!(asks(&shop), ["Drop LockClaim", "Drop View"], "an answer to the first attempt counts for nothing");
    finish(&mut shop);
    assert!(view(&shop).order().is_some());
    shop.repeat_all();
}

#[test]
fn a_pin_that_could_come_late_is_swept_away() {
    let mut shop = given(of_claims());
    answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(DropRejection::LimitReached { remaining: 0 })));
    finish(&mut shop);
    let due = shop.state.wake_at().unwrap();
    assert_eq!(due.ms_since(Timestamp(1_000_000)), ARRIVE_WITHIN_MS + CLOCKS_DIFFER_MS_MAX);
    let later_ms = due.ms_since(shop.now);
    wake(&mut shop, later_ms);
    assert_eq!(asks(&shop), ["Drop UnlockClaim", "Drop UnlockClaim"], "also the one that was rejected");
    shop.reload();
    finish(&mut shop);
    assert_eq!((shop.state.wake_at(), shop.state.sweeps.len()), (None, 0));
}

#[test]
fn a_late_refused_lock_is_compensated_with_the_others() {
    let mut shop = given(of_claims());
    wake(&mut shop, ARRIVE_WITHIN_MS + CLOCKS_DIFFER_MS_MAX + 1);
    let other = CheckoutId(99);
    answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(DropRejection::CheckoutInProgress { checkout: other })));
    assert_eq!(
        asks(&shop),
        ["Drop UnlockClaim", "Drop UnlockClaim"],
        "a copy of it may have been accepted after the refusal"
    );
    finish(&mut shop);
    assert_eq!(shop.state.wake_at(), None, "no copy can come any more");
}

#[test]
fn a_claim_that_can_never_be_pinned_is_not_swept() {
    let mut shop = given(start(Source::Claims(vec![claim(11)])));
    answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(DropRejection::AlreadySold)));
    assert!(matches!(settled(&shop, START), Some(Err(_))), "there is nothing to undo: refused at once");
    assert_eq!(shop.state.wake_at(), None);
}

#[test]
fn attempts_under_one_key_are_bounded() {
    let mut shop = Shop::default();
    for _ in 0..SWEEPS_MAX {
        assert_eq!(begin(&mut shop, of_claims()), None);
        answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(DropRejection::TooLate)));
        finish(&mut shop);
    }
    assert!(matches!(begin(&mut shop, of_claims()), Some(Err(CheckoutRejection::TooManyAttempts { .. }))));
    wake(&mut shop, ARRIVE_WITHIN_MS + CLOCKS_DIFFER_MS_MAX);
    finish(&mut shop);
    assert_eq!(begin(&mut shop, of_claims()), None);
}

#[test]
fn a_changed_price_refuses_the_checkout_and_updates_the_cart() {
    let mut shop = given(of_cart());
    let quoted = consent_until(&mut shop, "Product Quote");
    let Outcome::Product(Ok(ProductReply::Quote(mut dearer))) = consent(&quoted.request) else { panic!() };
    dearer.price = dollars(1_600);
    shop.answer(quoted.id, &Outcome::Product(Ok(ProductReply::Quote(dearer))));
    consent_all(&mut shop);
    let end = consent_until(&mut shop, "Cart EndCheckout");
    let Request::Cart(_, CartCommand::EndCheckout { sold, prices, .. }) = end.request else { panic!() };
    assert!(!sold && prices.len() == 1 && prices[0].price == dollars(1_600));
    finish(&mut shop);
    let refused = CheckoutRejection::Refused(CheckoutProblem::PriceChanged { total: dollars(3_700) });
    assert_eq!(settled(&shop, START), Some(Err(refused)));
}

#[test]
fn a_changed_price_is_accepted_if_it_was_expected() {
    let mut shop = given(StartCheckout { expected_total: Some(dollars(3_700)), ..of_cart() });
    let quoted = consent_until(&mut shop, "Product Quote");
    let Outcome::Product(Ok(ProductReply::Quote(mut dearer))) = consent(&quoted.request) else { panic!() };
    dearer.price = dollars(1_600);
    shop.answer(quoted.id, &Outcome::Product(Ok(ProductReply::Quote(dearer))));
    finish(&mut shop);
    assert_eq!(view(&shop).lines[0].unit_price, dollars(1_600));
    assert!(view(&shop).order().is_some());
}

#[test]
fn another_total_than_expected_is_refused() {
    for expected in [dollars(3_999), Money::new(4_000, Currency::new("EUR").unwrap()).unwrap()] {
        let mut shop = given(StartCheckout { expected_total: Some(expected), ..of_claims() });
        finish(&mut shop);
        let refused = CheckoutRejection::Refused(CheckoutProblem::PriceChanged { total: dollars(4_000) });
        assert_eq!(settled(&shop, START), Some(Err(refused)));
    }
}

#[test]
fn goods_of_two_currencies_are_not_paid_together() {
    let mut shop = given(of_claims());
    let claim_lock = consent_until(&mut shop, "Drop LockClaim");
    let Outcome::Drop(Ok(DropReply::Claim(mut foreign))) = consent(&claim_lock.request) else { panic!() };
    foreign.unit_price = Money::new(5, Currency::new("EUR").unwrap()).unwrap();
    shop.answer(claim_lock.id, &Outcome::Drop(Ok(DropReply::Claim(foreign))));
    finish(&mut shop);
    assert_eq!(settled(&shop, START), Some(Err(CheckoutProblem::MixedCurrencies.into())));
}

#[test]
fn a_cart_that_cannot_be_sold_is_refused_for_its_reason() {
    let levels = StockLevels::default();
    let few = StockRejection::InsufficientAvailable { available: 1, levels };
    let other = CheckoutId(3);
    let cases = [
        ("Cart BeginCheckout", Outcome::Cart(Err(CartRejection::NotFound)), CheckoutProblem::CartNotFound),
        ("Cart BeginCheckout", Outcome::Cart(Err(CartRejection::Empty)), CheckoutProblem::CartEmpty),
        (
            "Cart BeginCheckout",
            Outcome::Cart(Err(CartRejection::CheckoutInProgress { checkout: other })),
            CheckoutProblem::CheckoutInProgress { checkout: other },
        ),
        (
            "Product Quote",
            Outcome::Product(Err(ProductRejection::NotFound)),
            CheckoutProblem::NotForSale { sku: sku("SHIRT") },
        ),
        (
            "Stock Reserve",
            Outcome::Stock(Err(few)),
            CheckoutProblem::InsufficientStock { sku: sku("SHIRT"), available: 1 },
        ),
    ];
    for (asked, outcome, problem) in cases {
        let mut shop = given(of_cart());
        answer(&mut shop, asked, &outcome);
        assert!(asks(&shop).contains(&"Cart EndCheckout".to_owned()), "a late beginning must find the door closed");
        if asked == "Stock Reserve" {
            assert_eq!(asks(&shop)[1..], ["Stock Release", "Stock Release"], "also the one that was rejected");
        }
        finish(&mut shop);
        assert_eq!(settled(&shop, START), Some(Err(problem.into())));
        assert_eq!(shop.state.wake_at(), None);
    }
}

#[test]
fn a_declined_card_fails_the_checkout_and_lets_the_claims_go() {
    let mut shop = given(of_claims());
    let paying = consent_until(&mut shop, "Payment Authorise");
    let Request::Payment(payment, _) = paying.request else { panic!() };
    shop.answer(paying.id, &pays(payment, PaymentState::Declined { code: "card_declined".into() }));
    assert_eq!(asks(&shop), ["Drop UnlockClaim", "Drop UnlockClaim"], "nothing was set aside");
    let unlock_claim = shop.open.values().next().unwrap().request.clone();
    let Request::Drop(_, DropCommand::UnlockClaim { started_at, .. }) = unlock_claim else { panic!() };
    assert_eq!(started_at, Timestamp(1_000_000), "so that the hold lives on for a while");
    finish(&mut shop);
    let problem = CheckoutProblem::PaymentDeclined { code: "card_declined".into() };
    assert_eq!(view(&shop).state, failed(problem.clone()));
    assert_eq!(told_state(settled(&shop, START)), failed(problem), "an acceptance, not a refusal");
    assert_eq!(view(&shop).lines.len(), 2, "the buyer still sees what it was about");
    shop.repeat_all();
}

#[test]
fn goods_that_are_lost_after_the_authorisation_are_not_charged() {
    let mut shop = given(of_cart());
    answer(&mut shop, "Stock Confirm", &Outcome::Stock(Err(StockRejection::HoldEnded)));
    assert_eq!(asks(&shop), ["Cart EndCheckout", "Payment Void", "Stock Release", "Stock Unsell"]);
    let sold = view(&shop).lines[1].quantity;
    let unsells = |effect: &&Effect| matches!(effect.request, Request::Stock(_, StockCommand::Unsell { quantity, .. }) if quantity == sold);
    assert_eq!(shop.open.values().filter(unsells).count(), 1, "the stock item is notified of the sold units");
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::GoodsLost));
}

#[test]
fn an_order_that_is_not_placed_is_not_charged() {
    let mut shop = given(of_claims());
    answer(&mut shop, "Order Place", &Outcome::Order(Err(OrderRejection::NotFound)));
    assert_eq!(asks(&shop), ["Payment Void", "Drop Unsell", "Drop Unsell"]);
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::Unavailable));
}

#[test]
fn a_capture_that_fails_takes_the_sale_and_the_order_back() {
    let mut shop = given(of_cart());
    let code = "insufficient_funds".to_owned();
    let fails = Outcome::Payment(Err(PaymentRejection::CaptureFailed { code: code.clone() }));
    answer(&mut shop, "Payment Capture", &fails);
    let undone = ["Cart EndCheckout", "Payment Void", "Order CaptureFailed", "Stock Unsell", "Stock Unsell"];
    assert_eq!(asks(&shop), undone);
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::CaptureFailed { code }));
    assert_eq!(shop.state.wake_at(), None, "an unsold claim or hold can never be pinned again");
}

#[test]
fn holds_outlive_any_authorisation_that_can_still_be_found() {
    let mut shop = given(of_cart());
    let reserve = consent_until(&mut shop, "Stock Reserve");
    let Request::Stock(_, StockCommand::Reserve { expires_at, deadline, .. }) = reserve.request else { panic!() };
    assert_eq!((expires_at.ms_since(shop.now), deadline.ms_since(shop.now)), (HOLD_MS, ARRIVE_WITHIN_MS));
}

#[test]
fn an_unknown_authorisation_waits_and_is_given_up_when_the_time_is_over() {
    let mut shop = given(of_claims());
    let paying = consent_until(&mut shop, "Payment Authorise");
    wake(&mut shop, ANSWER_WITHIN_MS);
    wake(&mut shop, GIVE_UP_MS - ANSWER_WITHIN_MS - 1);
    assert_eq!(asks(&shop), ["Payment Authorise"], "it is retried, not abandoned");
    wake(&mut shop, 1);
    assert_eq!(asks(&shop), ["Payment Void", "Drop UnlockClaim", "Drop UnlockClaim"]);
    let Request::Payment(payment, PaymentCommand::Authorise { .. }) = paying.request else { panic!() };
    shop.answer(paying.id, &pays(payment, PaymentState::Authorised));
    assert_eq!(asks(&shop).len(), 3, "a late authorisation changes nothing");
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::Expired));
}
