//! Replies to callers, and the commands that buyers may send in the meantime.

use super::*;
use crate::aggregate::KeyReused;

fn challenged(shop: &mut Shop) {
    let paying = consent_until(shop, "Payment Authorise");
    let Request::Payment(payment, _) = paying.request else { panic!() };
    shop.answer(paying.id, &pays(payment, challenge()));
}

fn challenge() -> PaymentState {
    PaymentState::RequiresAction { url: "https://bank.test/3ds".into(), expires_at: Timestamp(1_600_000) }
}

fn requires_action() -> CheckoutState {
    CheckoutState::RequiresAction { url: "https://bank.test/3ds".into(), expires_at: Timestamp(1_600_000) }
}

#[test]
fn the_caller_gets_an_immediate_answer_if_it_is_known() {
    let mut shop = given(of_claims());
    finish(&mut shop);
    assert!(matches!(told_state(settled(&shop, START)), CheckoutState::Completed { .. }));
}

#[test]
fn a_checkout_is_pending_after_two_seconds_and_a_repetition_too() {
    let mut shop = given(of_claims());
    assert_eq!(shop.state.wake_at(), Some(Timestamp(1_000_000).plus_ms(ANSWER_WITHIN_MS)));
    wake(&mut shop, ANSWER_WITHIN_MS);
    let first = settled(&shop, START);
    assert_eq!(told_state(first.clone()), CheckoutState::Pending);
    finish(&mut shop);
    shop.reload();
    assert!(view(&shop).order().is_some(), "it has gone on");
    assert_eq!(settled(&shop, START), first, "but a repetition gets the first answer, lines and totals included");
    shop.repeat_all();
}

#[test]
fn a_pending_checkout_fails_instead_of_being_refused() {
    let mut shop = given(of_claims());
    wake(&mut shop, ANSWER_WITHIN_MS);
    answer(&mut shop, "Drop LockClaim", &Outcome::Drop(Err(crate::flash_drop::DropRejection::AlreadyReleased)));
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::ClaimReleased { claim: claim(11) }));
    assert_eq!(told_state(begin(&mut shop, of_claims())), CheckoutState::Pending, "the acceptance binds");
    shop.repeat_all();
}

#[test]
fn the_same_key_with_another_command_is_refused() {
    let mut shop = given(of_claims());
    let other = crate::aggregate::Context {
        now: shop.now,
        command_id: START,
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: crate::id::Fingerprint(9),
    };
    let refused = shop.state.decide(&CheckoutCommand::Start(Box::new(of_cart())), &other);
    assert_eq!(refused, Err(CheckoutRejection::KeyReused(KeyReused)));
    consent_all(&mut shop);
}

#[test]
fn a_challenge_is_passed_by_the_buyer() {
    let mut shop = given(of_claims());
    assert!(matches!(
        shop.ask(CheckoutCommand::Confirm { buyer: buyer() }),
        Some(Err(CheckoutRejection::NotAllowed { .. }))
    ));
    challenged(&mut shop);
    assert_eq!(told_state(settled(&shop, START)), requires_action());
    assert!(!shop.state.has_outstanding(), "it is the buyer's turn");
    let stranger = Buyer { subject: SubjectId(50), former: Vec::new(), customer: false };
    assert_eq!(shop.ask(CheckoutCommand::Confirm { buyer: stranger }), Some(Err(CheckoutRejection::NotFound)));
    let guest_before = Buyer { subject: SubjectId(60), former: vec![SubjectId(1)], customer: true };
    assert_eq!(shop.ask(CheckoutCommand::Confirm { buyer: guest_before }), None);
    assert_eq!(asks(&shop), ["Payment Confirm"]);
    finish(&mut shop);
    assert!(matches!(told_state(shop.told()), CheckoutState::Completed { .. }));
    assert_eq!(told_state(settled(&shop, START)), requires_action(), "the caller gets the first answer");
    shop.repeat_all();
}

#[test]
fn a_challenge_that_is_not_passed_yet_may_be_confirmed_again() {
    let mut shop = given(of_claims());
    challenged(&mut shop);
    for _ in 0..CONFIRMS_MAX {
        assert_eq!(shop.ask(CheckoutCommand::Confirm { buyer: buyer() }), None);
        let asked = consent_until(&mut shop, "Payment Confirm");
        shop.answer(asked.id, &pays(PaymentId(0), challenge()));
        assert_eq!(told_state(shop.told()), requires_action());
    }
    assert!(matches!(
        shop.ask(CheckoutCommand::Confirm { buyer: buyer() }),
        Some(Err(CheckoutRejection::NotAllowed { .. }))
    ));
    shop.repeat_all();
}

#[test]
fn a_challenge_is_given_up_when_it_expires() {
    let mut shop = given(of_claims());
    challenged(&mut shop);
    assert_eq!(shop.state.wake_at(), Some(Timestamp(1_600_000)), "the bank's time is shorter than ours");
    wake(&mut shop, 600_000);
    assert_eq!(asks(&shop), ["Payment Void", "Drop UnlockClaim", "Drop UnlockClaim"]);
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::Expired));
}

#[test]
fn a_buyer_may_cancel_until_the_payment_is_authorised() {
    let mut shop = given(of_cart());
    challenged(&mut shop);
    assert_eq!(shop.ask(CheckoutCommand::Cancel { buyer: buyer() }), None);
    assert_eq!(asks(&shop), ["Cart EndCheckout", "Payment Void", "Stock Release", "Stock Release"]);
    finish(&mut shop);
    assert_eq!(told_state(shop.told()), failed(CheckoutProblem::Cancelled));
    let again = shop.ask(CheckoutCommand::Cancel { buyer: buyer() });
    assert_eq!(told_state(again), failed(CheckoutProblem::Cancelled), "cancelling what is over says so");
    shop.repeat_all();
}

#[test]
fn a_buyer_cannot_cancel_an_authorised_checkout() {
    let mut shop = given(of_claims());
    for asked in ["Drop Confirm", "Order Place", "Payment Capture", "Order MarkPaid"] {
        consent_until(&mut shop, asked);
        let refused = shop.ask(CheckoutCommand::Cancel { buyer: buyer() });
        assert!(matches!(refused, Some(Err(CheckoutRejection::NotAllowed { .. }))), "while it asks for {asked}");
    }
    finish(&mut shop);
    assert!(matches!(
        shop.ask(CheckoutCommand::Cancel { buyer: buyer() }),
        Some(Err(CheckoutRejection::NotAllowed { .. }))
    ));
}

#[test]
fn a_cancellation_waits_for_a_running_refund() {
    let mut shop = given(of_claims());
    let claim_locks: Vec<_> = shop.open.values().cloned().collect();
    assert_eq!(shop.ask(CheckoutCommand::Cancel { buyer: buyer() }), None);
    assert_eq!(
        asks(&shop),
        ["Drop LockClaim", "Drop LockClaim", "Drop View"],
        "it must be known whether they were pinned"
    );
    shop.answer(claim_locks[0].id, &consent(&claim_locks[0].request));
    shop.answer(claim_locks[1].id, &Outcome::Drop(Err(crate::flash_drop::DropRejection::AlreadySold)));
    shop.answer(claim_locks[2].id, &consent(&claim_locks[2].request));
    assert_eq!(asks(&shop), ["Drop UnlockClaim"]);
    finish(&mut shop);
    assert_eq!(told_state(settled(&shop, START)), failed(CheckoutProblem::Cancelled), "accepted, not refused");
}

#[test]
fn a_checkout_that_cannot_get_on_is_given_up() {
    let mut shop = given(of_claims());
    wake(&mut shop, ANSWER_WITHIN_MS);
    wake(&mut shop, GIVE_UP_MS - ANSWER_WITHIN_MS);
    assert_eq!(asks(&shop), ["Drop LockClaim", "Drop LockClaim", "Drop View"]);
    shop.reload();
    finish(&mut shop);
    assert_eq!(view(&shop).state, failed(CheckoutProblem::Expired));
    assert_eq!(shop.state.wake_at(), None, "its late copies are out of time already");
}

#[test]
fn a_strange_request_is_refused() {
    let mut shop = Shop::default();
    let twice = start(Source::Claims(vec![claim(1), claim(1)]));
    let none = start(Source::Claims(Vec::new()));
    let many = start(Source::Claims((1..22).map(claim).collect()));
    let no_token = StartCheckout { token: String::new(), ..of_cart() };
    let long_token = StartCheckout { token: "x".repeat(crate::payment::SEALED_TOKEN_BYTES_MAX + 1), ..of_cart() };
    let mut taxed = of_cart();
    taxed.terms.tax_basis_points = 10_001;
    for strange in [twice, none, many, no_token, long_token, taxed] {
        assert!(matches!(begin(&mut shop, strange), Some(Err(CheckoutRejection::Invalid { .. }))));
    }
    assert!(shop.events.is_empty());
}
