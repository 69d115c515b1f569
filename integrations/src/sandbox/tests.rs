#![allow(clippy::unwrap_used)]
use std::io::Write;

use actors::clock::TokioClock;
use engine::{
    money::Currency,
    payment::{ProviderOperation, ProviderRequest},
};

use super::*;
use crate::payments::{ANSWER_MAX, Providers};

fn dollars(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

fn declined(code: &str) -> ProviderAnswer {
    ProviderAnswer::Declined { code: code.into() }
}

/// A client of the sandbox, for payment 7 of the tenant `demo`.
struct Till {
    sandbox: Arc<Sandbox>,
    providers: Providers,
    tenant: TenantId,
}

impl Till {
    fn new(sandbox: Sandbox) -> Self {
        let sandbox = Arc::new(sandbox);
        let providers = Providers::new(ANSWER_MAX).with(NAME, sandbox.clone());
        Self { sandbox, providers, tenant: TenantId::new("demo").unwrap() }
    }

    fn in_memory() -> Self {
        let clock = TokioClock::starting_at(Timestamp(1_000));
        Self::new(Sandbox::in_memory("http://shop.example/", Arc::new(clock)))
    }

    fn opened(path: &Path) -> Self {
        Self::new(Sandbox::open(path, "http://shop.example", Arc::new(actors::SystemClock)).unwrap())
    }

    async fn ask(&self, key: &str, operation: ProviderOperation) -> Answer {
        let request = ProviderRequest {
            provider: NAME.into(),
            tenant: self.tenant.clone(),
            payment: PaymentId(7),
            key: key.into(),
            operation,
        };
        self.providers.perform(&request).await
    }

    async fn authorise(&self, token: &str) -> Answer {
        self.ask("authorise", ProviderOperation::Authorise { token: token.into(), amount: dollars(1_000) }).await
    }

    async fn capture(&self) -> ProviderAnswer {
        self.ask("capture", ProviderOperation::Capture { amount: dollars(1_000) }).await.unwrap()
    }

    async fn refund(&self, key: &str, amount: i64) -> ProviderAnswer {
        let refund = RefundId::derive(&[key.as_bytes()]);
        self.ask(key, ProviderOperation::Refund { refund, amount: dollars(amount) }).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_have_the_documented_effects() {
    assert_eq!(Till::in_memory().authorise("tok_approve").await.unwrap(), ProviderAnswer::Authorised);
    assert_eq!(Till::in_memory().authorise("tok_decline").await.unwrap(), declined("card_declined"));
    assert_eq!(Till::in_memory().authorise("tok_whatever").await.unwrap(), declined("invalid_token"));
}

#[tokio::test(start_paused = true)]
async fn slow_approves_after_five_seconds_and_a_repetition_does_not_start_anew() {
    let till = Till::in_memory();
    let started = tokio::time::Instant::now();
    let impatient = tokio::time::timeout(Duration::from_secs(3), till.authorise("tok_slow")).await;
    assert!(impatient.is_err());
    assert_eq!(till.authorise("tok_slow").await.unwrap(), ProviderAnswer::Authorised);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(till.capture().await, ProviderAnswer::Captured);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_by_a_repetition() {
    let till = Till::in_memory();
    assert_eq!(till.authorise("tok_unknown").await.unwrap_err().0, "the answer was lost");
    assert_eq!(till.authorise("tok_unknown").await.unwrap(), ProviderAnswer::Authorised);
    assert_eq!(till.capture().await, ProviderAnswer::Captured);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_passed_by_going_on_or_on_its_page() {
    let till = Till::in_memory();
    let expires_at = Timestamp(1_000).plus_ms(CHALLENGE_MS);
    let url = format!("http://shop.example/sandbox/challenge/demo/{}", PaymentId(7));
    let action = ProviderAnswer::RequiresAction { url, expires_at };
    assert_eq!(till.authorise("tok_challenge").await.unwrap(), action);
    assert_eq!(till.capture().await, ProviderAnswer::CaptureFailed { code: "not_authorised".into() });
    let challenge = till.sandbox.challenge(&till.tenant, PaymentId(7)).unwrap();
    assert_eq!(challenge, Challenge { amount: dollars(1_000), expires_at, state: ChallengeState::Open });
    assert_eq!(till.sandbox.challenge(&TenantId::new("other").unwrap(), PaymentId(7)), None);
    assert_eq!(till.ask("confirm-1", ProviderOperation::Confirm).await.unwrap(), ProviderAnswer::Authorised);
    let state = till.sandbox.challenge(&till.tenant, PaymentId(7)).unwrap().state;
    assert_eq!(state, ChallengeState::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_is_refused_or_too_late_declines() {
    let refused = Till::in_memory();
    refused.authorise("tok_challenge").await.unwrap();
    refused.sandbox.answer_challenge(&refused.tenant, PaymentId(7), false).await.unwrap();
    let changed_mind = refused.sandbox.answer_challenge(&refused.tenant, PaymentId(7), true).await.unwrap();
    assert_eq!(changed_mind, declined("challenge_failed"));
    assert_eq!(refused.ask("confirm-1", ProviderOperation::Confirm).await.unwrap(), declined("challenge_failed"));

    let late = Till::in_memory();
    late.authorise("tok_challenge").await.unwrap();
    tokio::time::sleep(Duration::from_millis(CHALLENGE_MS)).await;
    assert_eq!(late.ask("confirm-1", ProviderOperation::Confirm).await.unwrap(), declined("challenge_expired"));
}

#[tokio::test(start_paused = true)]
async fn money_is_taken_once_and_given_back_at_most_once() {
    let till = Till::in_memory();
    till.authorise("tok_approve").await.unwrap();
    assert_eq!(till.refund("early", 1).await, ProviderAnswer::RefundFailed { code: "not_captured".into() });
    let too_much = till.ask("capture-2", ProviderOperation::Capture { amount: dollars(1_001) }).await.unwrap();
    assert_eq!(too_much, ProviderAnswer::CaptureFailed { code: "amount_too_large".into() });
    assert_eq!(till.capture().await, ProviderAnswer::Captured);
    assert_eq!(till.capture().await, ProviderAnswer::Captured);
    assert_eq!(till.refund("a", 600).await, ProviderAnswer::Refunded);
    assert_eq!(till.refund("a", 600).await, ProviderAnswer::Refunded, "the same refund");
    assert_eq!(till.refund("b", 401).await, ProviderAnswer::RefundFailed { code: "amount_too_large".into() });
    assert_eq!(till.refund("c", 400).await, ProviderAnswer::Refunded);
    assert_eq!(till.ask("void", ProviderOperation::Void).await.unwrap(), declined("already_captured"));
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_was_voided_first_is_never_authorised() {
    let till = Till::in_memory();
    assert_eq!(till.ask("void", ProviderOperation::Void).await.unwrap(), ProviderAnswer::Voided);
    assert_eq!(till.authorise("tok_approve").await.unwrap(), declined("voided"));
}

#[tokio::test(start_paused = true)]
async fn a_key_identifies_one_operation() {
    let till = Till::in_memory();
    till.authorise("tok_approve").await.unwrap();
    assert_eq!(till.authorise("tok_decline").await.unwrap(), declined("idempotency_key_reused"));
    assert_eq!(till.authorise("tok_approve").await.unwrap(), ProviderAnswer::Authorised);
}

#[tokio::test]
async fn a_restarted_process_has_its_charges() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.jsonl");
    let till = Till::opened(&path);
    assert!(till.authorise("tok_unknown").await.is_err());
    // The ledger is not closed: what was answered is on the disk by then. The crash cut off the last line.
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"tenant":"demo","pay"#).unwrap();

    let again = Till::opened(&path);
    assert_eq!(again.authorise("tok_unknown").await.unwrap(), ProviderAnswer::Authorised);
    assert_eq!(again.capture().await, ProviderAnswer::Captured);
    assert_eq!(Till::opened(&path).refund("a", 1_000).await, ProviderAnswer::Refunded);
}

#[tokio::test]
async fn a_rush_of_payments_is_all_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.jsonl");
    let till = Till::opened(&path);
    let charge = |payment: u128| {
        let (sandbox, tenant) = (till.sandbox.clone(), till.tenant.clone());
        tokio::spawn(async move {
            let charge = Charge { tenant, payment: PaymentId(payment), key: format!("{payment}-authorise") };
            sandbox.authorise(&charge, "tok_approve", dollars(100)).await
        })
    };
    for charged in (0..200).map(charge).collect::<Vec<_>>() {
        assert_eq!(charged.await.unwrap().unwrap(), ProviderAnswer::Authorised);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 200);
}

#[test]
fn a_damaged_ledger_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.jsonl");
    std::fs::write(&path, "shopping list\nmilk\n").unwrap();
    let refused = Sandbox::open(&path, "http://shop.example", Arc::new(actors::SystemClock)).unwrap_err();
    assert!(matches!(refused, LedgerError::Damaged { line: 1, .. }), "{refused}");
}
