//! The state of each payment in the sandbox, and the rules for its answers. Without clock and files.

use std::collections::HashMap;

use engine::{
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::payments::Charge;

/// How long `tok_slow` takes, in milliseconds.
pub const SLOW_MS: u64 = 5_000;
/// How long a buyer can answer the challenge page, in milliseconds: as long as a checkout waits.
pub const CHALLENGE_MS: u64 = 15 * 60 * 1_000;
/// The maximum number of payments that the sandbox remembers, at some 500 bytes each with their operations; further
/// ones are declined. The sandbox is for trials: a new data folder starts with an empty one.
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

/// An operation.
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

/// The answer to an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum Answer {
    Authorised,
    /// Authorised, but the answer is returned only at this time.
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

/// The result of an operation.
#[derive(Debug)]
pub(super) enum Noted {
    /// A new operation. Its line has to be stored before it is answered.
    New(Line),
    /// A repetition, with the answer of the first.
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
    /// Whether the first answer is lost, as the token requires.
    pub(super) fn answer_is_lost(&self) -> bool {
        matches!(&self.operation, Operation::Authorise { token, .. } if token == "tok_unknown")
    }
}

/// The data of a challenge page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The amount to be paid.
    pub amount: Money,
    /// The time until which the page can be answered.
    pub expires_at: Timestamp,
    /// The state of the challenge.
    pub state: ChallengeState,
}

/// The state of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeState {
    /// The buyer has not answered yet.
    Open,
    /// The buyer approved on the page, or continued without it.
    Passed,
    /// The buyer refused on the page.
    Refused,
    /// The buyer did not answer in time.
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
    /// The challenge of the payment, if it had one: its expiry, and the buyer's answer.
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
    /// Carries out an operation, unless it is a repetition.
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

    /// The answer to an operation that was carried out.
    pub(super) fn answer(&self, charge: &Charge) -> Option<Answer> {
        let name = (charge.tenant.clone(), charge.key.clone());
        self.operations.get(&name).map(|(_, answer)| answer.clone())
    }

    pub(super) fn challenge(&self, tenant: &TenantId, payment: PaymentId, now: Timestamp) -> Option<Challenge> {
        let payment = self.payments.get(&(tenant.clone(), payment))?;
        let ((expires_ms, answer), amount) = (payment.challenge?, payment.amount?);
        let state = match (payment.state, answer) {
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
            // A payment that is voided before it arrives must not be authorised later.
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

    /// Applies a line: one that was just decided, or one from the ledger.
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
                payment.challenge =
                    payment.challenge.map(|(expires_ms, answer)| (expires_ms, answer.or(Some(*passes))));
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

/// Whether a token is one of the sandbox's.
pub(super) fn is_sandbox_token(token: &str) -> bool {
    !matches!(by_token(token, Timestamp(0)), Answer::Declined { code } if code == INVALID_TOKEN)
}

/// The code with which a token that is not one of the sandbox's is declined.
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
    /// A buyer who does not open the page continues without it: only a refusal on the page declines.
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
