//! A payment provider that answers late or not at all, and never carries out an operation twice under one key.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

use actors::external_services::{ExternalServices, OutcomeUnknown};
use engine::{
    effect::{Outcome, Request},
    id::{PaymentId, TenantId},
    payment::{ProviderAnswer, ProviderOperation},
    time::Timestamp,
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;

use crate::faults::Trouble;

/// The amounts of one payment at the bank, in minor units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    token: String,
    pub authorised: i64,
    pub captured: i64,
    pub refunded: i64,
}

/// The bank. Clones share its books.
#[derive(Clone)]
pub struct Bank {
    pub books: Arc<Mutex<Books>>,
    pub trouble: Trouble,
}

#[derive(Default)]
pub struct Books {
    answered: BTreeMap<String, ProviderAnswer>,
    pub accounts: BTreeMap<PaymentId, Account>,
    pub letters: u64,
    /// The number of panics.
    pub panics: u64,
    /// The first operation that a correct client would never request.
    pub broken: Option<String>,
}

impl Books {
    fn operate(&mut self, payment: PaymentId, key: &str, operation: &ProviderOperation) -> ProviderAnswer {
        if let Some(known) = self.answered.get(key) {
            return known.clone();
        }
        let account = self.accounts.entry(payment).or_default();
        let answer = match operation {
            ProviderOperation::Authorise { token, amount } => {
                account.token = token.clone();
                match token.as_str() {
                    "tok_decline" => ProviderAnswer::Declined { code: "declined".into() },
                    "tok_challenge" => {
                        account.authorised = -amount.amount;
                        ProviderAnswer::RequiresAction {
                            url: "https://bank".into(),
                            expires_at: Timestamp(u64::MAX >> 12),
                        }
                    }
                    _ => {
                        account.authorised = amount.amount;
                        ProviderAnswer::Authorised
                    }
                }
            }
            ProviderOperation::Confirm => {
                account.authorised = account.authorised.abs();
                ProviderAnswer::Authorised
            }
            ProviderOperation::Capture { .. } if account.token == "tok_no_capture" => {
                account.authorised = 0;
                ProviderAnswer::CaptureFailed { code: "expired".into() }
            }
            ProviderOperation::Capture { amount } => {
                if account.authorised < amount.amount {
                    self.broken.get_or_insert(format!("captured {amount} of {account:?}"));
                }
                account.authorised -= amount.amount;
                account.captured += amount.amount;
                ProviderAnswer::Captured
            }
            ProviderOperation::Void => {
                account.authorised = 0;
                ProviderAnswer::Voided
            }
            ProviderOperation::Refund { amount, .. } => {
                account.refunded += amount.amount;
                if account.refunded > account.captured {
                    self.broken.get_or_insert(format!("refunded more than was captured: {account:?}"));
                }
                ProviderAnswer::Refunded
            }
        };
        self.answered.insert(key.to_owned(), answer.clone());
        answer
    }
}

impl ExternalServices for Bank {
    fn perform(&self, _: &TenantId, request: &Request) -> BoxFuture<'_, Result<Outcome, OutcomeUnknown>> {
        let request = request.clone();
        async move {
            let lost = self.trouble.on.load(Ordering::Acquire) && self.trouble.dice.chance(200);
            let before = lost && self.trouble.dice.chance(500);
            tokio::time::sleep(self.trouble.dice.ms(50)).await;
            let unknown = || Err(OutcomeUnknown("no answer".into()));
            if before {
                return unknown();
            }
            if self.trouble.on.load(Ordering::Acquire) && self.trouble.dice.chance(30) {
                self.books.lock().panics += 1;
                // `resume_unwind` panics without a message in the output.
                std::panic::resume_unwind(Box::new("a fault of a provider's"));
            }
            let outcome = match &request {
                Request::Provider(request) => {
                    Outcome::Provider(self.books.lock().operate(request.payment, &request.key, &request.operation))
                }
                Request::Mail(_) => {
                    self.books.lock().letters += 1;
                    Outcome::Mail
                }
                other => {
                    self.books.lock().broken.get_or_insert(format!("not an external service: {other:?}"));
                    return unknown();
                }
            };
            if lost { unknown() } else { Ok(outcome) }
        }
        .boxed()
    }
}
