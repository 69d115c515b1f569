//! What the sandbox knows of each payment, and what it answers. No clock, no files.

use std::collections::HashMap;

use engine::{
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::payments::Charge;

/// How long `tok_slow` takes.
pub const SLOW_MS: u64 = 5_000;
/// How long a buyer has for the challenge page: as long as a checkout waits.
pub const CHALLENGE_MS: u64 = 15 * 60 * 1_000;
/// Payments that the sandbox remembers, at some 500 bytes each with their operations; then it declines new ones. It is
/// for trying things out: a new data folder has a new one.
pub const PAYMENTS_MAX: usize = 2_000_000;

/// An operation and its answer: a line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    tenant: TenantId,
    payment: PaymentId,
    key: String,
    operation: Operation,
    answer: Answer,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum Operation {
    Authorise {
        token: String,
        amount: Money,
    },
    Confirm,
    Capture {
        amount: Money,
    },
    Void,
    Refund {
        refund: RefundId,
        amount: Money,
    },
    /// The buyer answers the challenge page.
    Page {
        passes: bool,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Answer {
    Authorised,
    /// Authorised, and that is said only then.
    ApprovesAt {
        at_ms: u64,
    },
    RequiresAction {
        expires_ms: u64,
    },
    Declined {
        code: String,
    },
    Captured,
    CaptureFailed {
        code: String,
    },
    Voided,
    Refunded,
    RefundFailed {
        code: String,
    },
}

/// What came of an operation.
#[derive(Debug)]
pub(super) enum Noted {
    /// It is new, and has to be written down before it is answered.
    New(Line),
    /// An earlier copy of it was answered so.
    Again(Answer),
}

impl Noted {
    pub(super) fn answer(&self) -> &Answer {
        match self {
            Noted::New(line) => &line.answer,
            Noted::Again(answer) => answer,
        }
    }
}

impl Line {
    /// Whether the first answer gets lost on its way.
    pub(super) fn answer_is_lost(&self) -> bool {
        matches!(&self.operation, Operation::Authorise { token, .. } if token == "tok_unknown")
    }
}

/// A payment whose buyer has to pass the challenge page, as the page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// How much is to be paid.
    pub amount: Money,
    /// Until when the page can be answered.
    pub expires_at: Timestamp,
    /// What the buyer said.
    pub state: ChallengeState,
}

/// Where a challenge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeState {
    /// The buyer has said nothing yet.
    Open,
    /// The buyer approved on the page, or went on without it.
    Passed,
    /// The buyer refused on the page.
    Refused,
    /// The buyer was too late.
    Expired,
}

/// Every payment, and every operation by its key.
#[derive(Debug, Default)]
pub(super) struct Books {
    payments: HashMap<(TenantId, PaymentId), Payment>,
    operations: HashMap<(TenantId, String), (Operation, Answer)>,
}

#[derive(Debug)]
struct Payment {
    amount: Option<Money>,
    state: State,
    captured: i64,
    refunded: i64,
    /// Of one that had a challenge: until when, and what the buyer said.
    challenge: Option<(u64, Option<bool>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Challenged,
    Authorised,
    Declined,
    Captured,
    Voided,
}

impl Books {
    /// Does an operation, unless an earlier copy of it was done.
    pub(super) fn perform(&mut self, charge: &Charge, operation: Operation, now: Timestamp) -> Noted {
        if let Some((first, answer)) = self.operations.get(&(charge.tenant.clone(), charge.key.clone())) {
            let same = *first == operation;
            return Noted::Again(if same { answer.clone() } else { operation.refused("idempotency_key_reused") });
        }
        let answer = self.decide(charge, &operation, now);
        let line =
            Line { tenant: charge.tenant.clone(), payment: charge.payment, key: charge.key.clone(), operation, answer };
        self.note(line.clone());
        Noted::New(line)
    }

    /// What an operation was answered.
    pub(super) fn answer(&self, charge: &Charge) -> Option<Answer> {
        let name = (charge.tenant.clone(), charge.key.clone());
        self.operations.get(&name).map(|(_, answer)| answer.clone())
    }

    pub(super) fn challenge(&self, tenant: &TenantId, payment: PaymentId, now: Timestamp) -> Option<Challenge> {
        let payment = self.payments.get(&(tenant.clone(), payment))?;
        let ((expires_ms, said), amount) = (payment.challenge?, payment.amount?);
        let state = match (payment.state, said) {
            (_, Some(false)) => ChallengeState::Refused,
            (State::Challenged, None) if now.0 >= expires_ms => ChallengeState::Expired,
            (State::Challenged, None) => ChallengeState::Open,
            (State::Voided | State::Declined, _) => ChallengeState::Expired,
            _ => ChallengeState::Passed,
        };
        Some(Challenge { amount, expires_at: Timestamp(expires_ms), state })
    }

    fn decide(&self, charge: &Charge, operation: &Operation, now: Timestamp) -> Answer {
        let known = self.payments.get(&(charge.tenant.clone(), charge.payment));
        match (operation, known) {
            (Operation::Authorise { token, .. }, None) if self.payments.len() < PAYMENTS_MAX => by_token(token, now),
            (Operation::Authorise { .. }, None) => operation.refused("sandbox_full"),
            (Operation::Authorise { .. }, Some(payment)) if payment.state == State::Voided => {
                operation.refused("voided")
            }
            (Operation::Authorise { .. }, Some(_)) => operation.refused("payment_exists"),
            // One that never came must not come later.
            (Operation::Void, None) => Answer::Voided,
            (_, None) => operation.refused("no_such_payment"),
            (Operation::Confirm, Some(payment)) => payment.confirm(now),
            (Operation::Page { passes }, Some(payment)) => payment.answer_page(*passes, now),
            (Operation::Capture { amount }, Some(payment)) => payment.capture(*amount),
            (Operation::Void, Some(payment)) => match payment.state {
                State::Captured => operation.refused("already_captured"),
                _ => Answer::Voided,
            },
            (Operation::Refund { amount, .. }, Some(payment)) => payment.refund(*amount),
        }
    }

    /// Takes a line in: one that has just been decided, or one of the ledger.
    pub(super) fn note(&mut self, line: Line) {
        let place = (line.tenant.clone(), line.payment);
        let new = Payment { amount: None, state: State::Declined, captured: 0, refunded: 0, challenge: None };
        let payment = self.payments.entry(place).or_insert(new);
        if let Operation::Authorise { amount, .. } = &line.operation
            && payment.amount.is_none()
        {
            payment.amount = Some(*amount);
        }
        match (&line.operation, &line.answer) {
            (Operation::Page { passes }, Answer::Authorised | Answer::Declined { .. }) => {
                payment.challenge = payment.challenge.map(|(expires_ms, said)| (expires_ms, said.or(Some(*passes))));
            }
            (_, Answer::Authorised | Answer::ApprovesAt { .. }) => payment.state = State::Authorised,
            (_, Answer::RequiresAction { expires_ms }) => {
                payment.state = State::Challenged;
                payment.challenge = Some((*expires_ms, None));
            }
            (Operation::Confirm, Answer::Declined { .. }) if payment.state == State::Challenged => {
                payment.state = State::Declined;
            }
            (Operation::Capture { amount }, Answer::Captured) => {
                payment.state = State::Captured;
                payment.captured = amount.amount;
            }
            (Operation::Refund { amount, .. }, Answer::Refunded) => payment.refunded += amount.amount,
            (_, Answer::Voided) => payment.state = State::Voided,
            _ => {}
        }
        self.operations.insert((line.tenant, line.key), (line.operation, line.answer));
    }
}

/// Whether the sandbox knows a token.
pub(super) fn is_sandbox_token(token: &str) -> bool {
    !matches!(by_token(token, Timestamp(0)), Answer::Declined { code } if code == INVALID_TOKEN)
}

/// Why a token that the sandbox does not know is declined.
const INVALID_TOKEN: &str = "invalid_token";

fn by_token(token: &str, now: Timestamp) -> Answer {
    match token {
        "tok_approve" | "tok_unknown" => Answer::Authorised,
        "tok_slow" => Answer::ApprovesAt { at_ms: now.plus_ms(SLOW_MS).0 },
        "tok_challenge" => Answer::RequiresAction { expires_ms: now.plus_ms(CHALLENGE_MS).0 },
        "tok_decline" => Answer::Declined { code: "card_declined".into() },
        _ => Answer::Declined { code: INVALID_TOKEN.into() },
    }
}

impl Operation {
    fn refused(&self, code: &str) -> Answer {
        let code = code.to_owned();
        match self {
            Operation::Capture { .. } => Answer::CaptureFailed { code },
            Operation::Refund { .. } => Answer::RefundFailed { code },
            _ => Answer::Declined { code },
        }
    }
}

impl Payment {
    /// Whoever does not look at the page goes on without it: only a refusal there declines.
    fn confirm(&self, now: Timestamp) -> Answer {
        let declined = |code: &str| Answer::Declined { code: code.to_owned() };
        match (self.state, self.challenge) {
            (State::Authorised | State::Captured, _) => Answer::Authorised,
            (State::Challenged, Some((_, Some(false)))) => declined("challenge_failed"),
            (State::Challenged, Some((expires_ms, None))) if now.0 >= expires_ms => declined("challenge_expired"),
            (State::Challenged, Some(_)) => Answer::Authorised,
            (State::Voided, _) => declined("voided"),
            _ => declined("declined"),
        }
    }

    fn answer_page(&self, passes: bool, now: Timestamp) -> Answer {
        let declined = |code: &str| Answer::Declined { code: code.to_owned() };
        match (self.state, self.challenge) {
            (State::Challenged, Some((expires_ms, None))) if now.0 >= expires_ms => declined("challenge_expired"),
            (State::Challenged, Some((_, None))) if passes => Answer::Authorised,
            (State::Challenged, Some((_, Some(true)))) if passes => Answer::Authorised,
            _ => declined("challenge_failed"),
        }
    }

    fn capture(&self, amount: Money) -> Answer {
        let failed = |code: &str| Answer::CaptureFailed { code: code.to_owned() };
        match (self.state, self.amount) {
            (State::Authorised, Some(set_aside)) if set_aside.currency != amount.currency => failed("other_currency"),
            (State::Authorised, Some(set_aside)) if amount.amount > set_aside.amount => failed("amount_too_large"),
            (State::Authorised, Some(_)) => Answer::Captured,
            (State::Captured, _) => failed("already_captured"),
            (State::Voided, _) => failed("voided"),
            _ => failed("not_authorised"),
        }
    }

    fn refund(&self, amount: Money) -> Answer {
        let failed = |code: &str| Answer::RefundFailed { code: code.to_owned() };
        match self.amount {
            _ if self.state != State::Captured => failed("not_captured"),
            Some(paid) if paid.currency != amount.currency => failed("other_currency"),
            _ if amount.amount > self.captured - self.refunded => failed("amount_too_large"),
            _ => Answer::Refunded,
        }
    }
}
