#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    PaymentCommand, PaymentEvent, PaymentRejection, PaymentReply, PaymentState, ProviderAnswer, ProviderOperation,
    ProviderRequest,
};
use crate::{
    effect::{EffectId, Outcome, Request},
    id::{CommandId, PaymentId, RefundId, TenantId},
    money::{Currency, Money},
    testing::History,
    time::Timestamp,
};

type Payment = History<super::Payment>;

fn dollars(amount: i64) -> Money {
    Money { amount, currency: Currency::USD }
}

fn authorise(amount: i64) -> PaymentCommand {
    PaymentCommand::Authorise {
        tenant: TenantId::new("demo").unwrap(),
        payment: PaymentId(7),
        provider: "sandbox".to_owned(),
        token: "tok_approve".to_owned(),
        amount: dollars(amount),
    }
}

fn refund(id: u128, amount: i64) -> PaymentCommand {
    PaymentCommand::Refund { refund: RefundId(id), amount: dollars(amount) }
}

fn says(answer: ProviderAnswer) -> Outcome {
    Outcome::Provider(answer)
}

fn declined() -> Outcome {
    says(ProviderAnswer::Declined { code: "card_declined".to_owned() })
}

fn challenge() -> ProviderAnswer {
    ProviderAnswer::RequiresAction { url: "https://bank.test/3ds".to_owned(), expires_at: Timestamp(2_000_000) }
}

fn given_asked() -> Payment {
    let mut payment = Payment::default();
    assert_eq!(payment.ask(authorise(1_000)), None, "the provider has to answer first");
    payment
}

fn given_authorised() -> Payment {
    let mut payment = given_asked();
    payment.answer_open(&says(ProviderAnswer::Authorised));
    payment
}

fn given_captured() -> Payment {
    let mut payment = given_authorised();
    payment.ask(PaymentCommand::Capture);
    payment.answer_open(&says(ProviderAnswer::Captured));
    payment
}

fn state(told: Option<Result<PaymentReply, PaymentRejection>>) -> PaymentState {
    match told {
        Some(Ok(PaymentReply::Payment(view))) => view.state,
        other => panic!("no view: {other:?}"),
    }
}

fn request(payment: &Payment, slot: u64) -> &ProviderRequest {
    match &payment.open[&slot].request {
        Request::Provider(request) => request,
        other => panic!("not for a provider: {other:?}"),
    }
}

fn asked_now(payment: &mut Payment, command: PaymentCommand) -> Result<PaymentReply, PaymentRejection> {
    payment.ask(command).expect("an answer at once")
}

#[test]
fn money_is_set_aside_and_taken() {
    let mut payment = given_asked();
    assert_eq!(
        request(&payment, 0).operation,
        ProviderOperation::Authorise { token: "tok_approve".to_owned(), amount: dollars(1_000) }
    );
    payment.answer_open(&says(ProviderAnswer::Authorised));
    assert_eq!(state(payment.told()), PaymentState::Authorised);

    assert_eq!(payment.ask(PaymentCommand::Capture), None);
    assert_eq!(request(&payment, 0).operation, ProviderOperation::Capture { amount: dollars(1_000) });
    payment.answer_open(&says(ProviderAnswer::Captured));
    assert_eq!(state(payment.told()), PaymentState::Captured);
}

#[test]
fn each_operation_has_its_own_key_at_the_provider() {
    let mut payment = given_asked();
    let mut keys = vec![request(&payment, 0).key.clone()];
    for answer in [challenge(), challenge(), ProviderAnswer::Authorised] {
        payment.answer_open(&says(answer));
        let next = if keys.len() < 3 { PaymentCommand::Confirm } else { PaymentCommand::Capture };
        payment.ask(next);
        keys.push(request(&payment, 0).key.clone());
    }
    payment.answer_open(&says(ProviderAnswer::Captured));
    payment.ask(refund(1, 10));
    payment.ask(refund(2, 10));
    keys.extend([request(&payment, 1).key.clone(), request(&payment, 2).key.clone()]);
    let mut different = keys.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 6, "{keys:?}");
}

#[test]
fn a_declined_card_is_an_answer() {
    let mut payment = given_asked();
    payment.answer_open(&declined());
    assert_eq!(state(payment.told()), PaymentState::Declined { code: "card_declined".to_owned() });
    assert!(matches!(asked_now(&mut payment, PaymentCommand::Capture), Err(PaymentRejection::NotAllowed { .. })));
}

#[test]
fn a_repeated_command_gets_the_first_answer() {
    let mut payment = given_captured();
    assert_eq!(state(payment.ask(authorise(1_000))), PaymentState::Authorised, "under another command id");
    assert!(matches!(asked_now(&mut payment, authorise(999)), Err(PaymentRejection::KeyReused(_))));
    payment.repeat_all();
}

#[test]
fn a_concurrent_repetition_waits_for_the_same_answer() {
    let mut payment = given_asked();
    assert_eq!(payment.ask(authorise(1_000)), None);
    assert_eq!(payment.events.len(), 1);
}

#[test]
fn a_challenge_is_passed_or_not() {
    let mut payment = given_asked();
    payment.answer_open(&says(challenge()));
    assert!(matches!(state(payment.told()), PaymentState::RequiresAction { .. }));
    assert_eq!(payment.ask(PaymentCommand::Confirm), None);
    payment.answer_open(&says(challenge()));
    assert!(matches!(state(payment.told()), PaymentState::RequiresAction { .. }), "the buyer was too fast");
    assert_eq!(payment.ask(PaymentCommand::Confirm), None);
    payment.answer_open(&says(ProviderAnswer::Authorised));
    assert_eq!(state(payment.told()), PaymentState::Authorised);
    payment.repeat_all();
}

#[test]
fn a_capture_that_fails_stays_failed() {
    let mut payment = given_authorised();
    payment.ask(PaymentCommand::Capture);
    payment.answer_open(&says(ProviderAnswer::CaptureFailed { code: "expired".to_owned() }));
    let failed = PaymentRejection::CaptureFailed { code: "expired".to_owned() };
    assert_eq!(payment.told(), Some(Err(failed.clone())));
    assert_eq!(payment.ask(PaymentCommand::Capture), Some(Err(failed)));
    assert!(matches!(asked_now(&mut payment, refund(1, 1)), Err(PaymentRejection::NotAllowed { .. })));

    assert_eq!(payment.ask(PaymentCommand::Void), None, "the rest of the authorisation can be voided");
    payment.answer_open(&says(ProviderAnswer::Voided));
    assert_eq!(payment.told(), Some(Ok(PaymentReply::Voided)));
}

#[test]
fn a_void_that_overtakes_its_authorisation_refuses_it() {
    let mut payment = Payment::default();
    assert_eq!(payment.ask(PaymentCommand::Void), Some(Ok(PaymentReply::Voided)));
    assert_eq!(payment.ask(authorise(1_000)), Some(Err(PaymentRejection::Voided)));
    assert_eq!(payment.ask(PaymentCommand::Void), Some(Ok(PaymentReply::Voided)));
    assert!(payment.open.is_empty(), "no provider was asked");
}

#[test]
fn a_void_waits_for_an_unknown_authorisation() {
    let mut payment = given_asked();
    assert_eq!(payment.ask(PaymentCommand::Void), None);
    assert!(matches!(request(&payment, 0).operation, ProviderOperation::Authorise { .. }), "it is still open");
    payment.answer_open(&says(ProviderAnswer::Authorised));
    assert_eq!(request(&payment, 0).operation, ProviderOperation::Void);
    assert_eq!(payment.told(), None);
    assert_eq!(payment.ask(PaymentCommand::Capture), Some(Err(PaymentRejection::Voided)));
    payment.answer_open(&says(ProviderAnswer::Voided));
    assert_eq!(payment.told(), Some(Ok(PaymentReply::Voided)));
}

#[test]
fn of_a_declined_authorisation_there_is_nothing_to_give_up() {
    let mut payment = given_asked();
    payment.ask(PaymentCommand::Void);
    payment.answer_open(&declined());
    assert_eq!(payment.told(), Some(Ok(PaymentReply::Voided)));
    assert!(payment.open.is_empty());
}

#[test]
fn a_void_during_the_capture_is_refused_as_too_late() {
    let mut payment = given_authorised();
    payment.ask(PaymentCommand::Capture);
    assert_eq!(payment.ask(PaymentCommand::Void), None);
    payment.answer_open(&says(ProviderAnswer::Captured));
    assert_eq!(payment.told(), Some(Err(PaymentRejection::AlreadyCaptured)));
    assert_eq!(payment.ask(PaymentCommand::Void), Some(Err(PaymentRejection::AlreadyCaptured)));
    assert_eq!(payment.ask(refund(1, 1_000)), None, "it can be refunded");
}

#[test]
fn never_more_is_given_back_than_was_taken() {
    let mut payment = given_captured();
    assert_eq!(payment.ask(refund(1, 600)), None);
    let too_large = PaymentRejection::RefundTooLarge { refundable: dollars(400) };
    assert_eq!(payment.ask(refund(2, 401)), Some(Err(too_large)), "the open refund counts");
    payment.answer_open(&says(ProviderAnswer::RefundFailed { code: "try_later".to_owned() }));
    assert_eq!(payment.told(), Some(Err(PaymentRejection::RefundFailed { code: "try_later".to_owned() })));
    assert_eq!(payment.ask(refund(3, 1_000)), None, "what failed is free again");
    payment.answer_open(&says(ProviderAnswer::Refunded));
    let Some(Ok(PaymentReply::Payment(view))) = payment.told() else { panic!("no view") };
    assert_eq!((view.captured, view.refunded), (dollars(1_000), dollars(1_000)));
    let nothing = PaymentRejection::RefundTooLarge { refundable: dollars(0) };
    assert_eq!(payment.ask(refund(4, 1)), Some(Err(nothing)));
}

#[test]
fn the_same_refund_is_made_once() {
    let mut payment = given_captured();
    payment.ask(refund(1, 600));
    assert_eq!(payment.ask(refund(1, 600)), None);
    assert!(matches!(asked_now(&mut payment, refund(1, 500)), Err(PaymentRejection::KeyReused(_))));
    payment.answer_open(&says(ProviderAnswer::Refunded));
    let first = payment.told();
    payment.ask(refund(2, 100));
    payment.answer_open(&says(ProviderAnswer::Refunded));
    assert_eq!(payment.ask(refund(1, 600)), first, "as answered the first time");
    payment.repeat_all();
}

#[test]
fn a_refund_has_edges() {
    let mut payment = given_captured();
    let euros = Money { amount: 1, currency: Currency::new("EUR").unwrap() };
    let command = PaymentCommand::Refund { refund: RefundId(1), amount: euros };
    assert!(matches!(
        asked_now(&mut payment, command),
        Err(PaymentRejection::Invalid { pointer, .. }) if pointer == "/amount/currency"
    ));
    assert!(matches!(asked_now(&mut payment, refund(1, 0)), Err(PaymentRejection::Invalid { .. })));
    assert!(matches!(asked_now(&mut payment, refund(1, -1)), Err(PaymentRejection::Invalid { .. })));
    assert!(matches!(asked_now(&mut payment, refund(1, i64::MAX)), Err(PaymentRejection::RefundTooLarge { .. })));
}

#[test]
fn an_amount_of_zero_needs_no_provider() {
    let mut payment = Payment::default();
    assert_eq!(state(payment.ask(authorise(0))), PaymentState::Authorised);
    assert_eq!(state(payment.ask(PaymentCommand::Capture)), PaymentState::Captured);
    assert!(payment.asked.is_empty());

    let mut voided = Payment::default();
    voided.ask(authorise(0));
    assert_eq!(voided.ask(PaymentCommand::Void), Some(Ok(PaymentReply::Voided)));
    assert!(voided.asked.is_empty());
}

#[test]
fn an_unused_verification_is_not_found() {
    let mut payment = Payment::default();
    for command in [PaymentCommand::Capture, PaymentCommand::Confirm, PaymentCommand::View, refund(1, 1)] {
        assert_eq!(payment.ask(command), Some(Err(PaymentRejection::NotFound)));
    }
    assert!(matches!(asked_now(&mut payment, authorise(-1)), Err(PaymentRejection::Invalid { .. })));
}

#[test]
fn a_code_of_any_length_is_kept_short() {
    let mut payment = given_asked();
    payment.answer_open(&says(ProviderAnswer::Declined { code: "ü".repeat(1_000) }));
    let Some(PaymentEvent::Declined { code, .. }) = payment.events.last() else { panic!("not declined") };
    assert_eq!(code.len(), super::CODE_BYTES_MAX);
}

#[derive(Debug, Clone)]
enum Step {
    Ask(PaymentCommand),
    /// Repeats one of the last commands.
    Repeat(usize),
    /// Delivers this answer to one of the effects requested so far.
    Answer(usize, ProviderAnswer),
    Reload,
}

fn any_command() -> impl Strategy<Value = PaymentCommand> {
    prop_oneof![
        2 => Just(authorise(1_000)),
        1 => prop_oneof![Just(authorise(0)), Just(authorise(999))],
        2 => Just(PaymentCommand::Confirm),
        3 => Just(PaymentCommand::Capture),
        1 => Just(PaymentCommand::Void),
        6 => (0..6u128, 1..700i64).prop_map(|(id, amount)| refund(id, amount)),
        1 => Just(PaymentCommand::View),
    ]
}

fn any_answer() -> impl Strategy<Value = ProviderAnswer> {
    let code = || "code".to_owned();
    prop_oneof![
        4 => Just(ProviderAnswer::Authorised),
        2 => Just(challenge()),
        1 => Just(ProviderAnswer::Declined { code: code() }),
        4 => Just(ProviderAnswer::Captured),
        1 => Just(ProviderAnswer::CaptureFailed { code: code() }),
        2 => Just(ProviderAnswer::Voided),
        4 => Just(ProviderAnswer::Refunded),
        2 => Just(ProviderAnswer::RefundFailed { code: code() }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_command().prop_map(Step::Ask),
        2 => (0..4usize).prop_map(Step::Repeat),
        8 => (0..4usize, any_answer()).prop_map(|(effect, answer)| Step::Answer(effect, answer)),
        1 => Just(Step::Reload),
    ]
}

/// What the provider has done, counted once per idempotency key.
#[derive(Default)]
struct Provider {
    captured: i64,
    refunds: BTreeMap<String, i64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 150 } else { 4_000 }))]

    #[test]
    fn whatever_happens_the_promises_hold(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut payment = Payment::default();
        let mut provider = Provider::default();
        let mut commands: Vec<(CommandId, PaymentCommand)> = Vec::new();
        for step in steps {
            payment.now = payment.now.plus_ms(10);
            match step {
                Step::Ask(command) => {
                    let id = CommandId(1_000_000 + commands.len() as u128);
                    commands.push((id, command.clone()));
                    payment.ask_as(id, command);
                }
                Step::Repeat(back) => if let Some((id, command)) = commands.iter().rev().nth(back).cloned() {
                    payment.ask_as(id, command);
                },
                Step::Answer(back, answer) => if let Some(effect) = payment.asked.iter().rev().nth(back).cloned() {
                    let Request::Provider(request) = &effect.request else { unreachable!() };
                    let before = payment.events.len();
                    payment.answer(effect.id, &says(answer.clone()));
                    if payment.events.len() > before {
                        match (&request.operation, &answer) {
                            (ProviderOperation::Capture { amount }, ProviderAnswer::Captured) => provider.captured += amount.amount,
                            (ProviderOperation::Refund { amount, .. }, ProviderAnswer::Refunded) => {
                                prop_assert!(provider.refunds.insert(request.key.clone(), amount.amount).is_none());
                            }
                            _ => {}
                        }
                    }
                },
                Step::Reload => payment.reload(),
            }
            payment.state.assert_balanced();
            let refunded: i64 = provider.refunds.values().sum();
            prop_assert!(provider.captured <= 1_000 && refunded <= provider.captured);
            if let Ok(PaymentReply::Payment(view)) = asked_now(&mut payment, PaymentCommand::View) {
                prop_assert_eq!(view.refunded.amount, refunded);
                if view.amount.amount > 0 {
                    prop_assert_eq!(view.captured.amount, provider.captured);
                }
            }
        }
        payment.repeat_all();
        payment.reload();
        payment.repeat_all();
    }
}

#[test]
fn an_answer_to_an_older_turn_changes_nothing() {
    let mut payment = given_authorised();
    payment.ask(PaymentCommand::Capture);
    payment.answer(EffectId { slot: 0, generation: 1 }, &says(ProviderAnswer::Captured));
    assert_eq!(payment.open.len(), 1, "the capture is still open");
}
