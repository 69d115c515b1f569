//! A payment provider that remembers its answers by idempotency key, and whose answers are sometimes lost.

use std::collections::BTreeMap;

use engine::{
    id::PaymentId,
    money::Money,
    payment::{ProviderAnswer, ProviderOperation, ProviderRequest},
    time::Timestamp,
};

use super::Chance;

/// The state of one payment at the provider, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Account {
    /// The amount that is authorised, and neither captured nor voided.
    pub(crate) authorised: i64,
    /// The captured amount.
    pub(crate) captured: i64,
    /// The refunded amount.
    pub(crate) refunded: i64,
    /// The number of captures.
    pub(crate) captures: u32,
}

/// The provider. Its tokens are `tok_approve`, `tok_decline`, `tok_challenge` (a challenge, then approval),
/// `tok_refused_challenge` (a challenge, then a decline), `tok_unknown` (most answers are lost) and `tok_no_capture`
/// (authorises, but cannot capture).
#[derive(Default)]
pub(crate) struct Bank {
    /// The accounts, by payment.
    pub(crate) accounts: BTreeMap<PaymentId, Account>,
    /// Whether every answer arrives from now on.
    pub(crate) patient: bool,
    tokens: BTreeMap<PaymentId, (String, Money)>,
    answers: BTreeMap<String, ProviderAnswer>,
}

impl Bank {
    /// Returns the total captured amount less the refunds.
    pub(crate) fn taken(&self) -> i64 {
        self.accounts.values().map(|account| account.captured - account.refunded).sum()
    }

    /// Performs an operation. On `None`, the operation was performed, but its answer was lost.
    pub(super) fn ask(
        &mut self,
        asked: &ProviderRequest,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Option<ProviderAnswer> {
        let answer = match self.answers.get(&asked.key) {
            Some(answer) => answer.clone(),
            None => {
                let answer = self.act(asked, now);
                self.answers.insert(asked.key.clone(), answer.clone());
                answer
            }
        };
        let token = self.tokens.get(&asked.payment).map_or("", |(token, _)| token.as_str());
        let lost = !self.patient && token == "tok_unknown" && chance.percent(80);
        (!lost).then_some(answer)
    }

    fn act(&mut self, asked: &ProviderRequest, now: Timestamp) -> ProviderAnswer {
        if let ProviderOperation::Authorise { token, amount } = &asked.operation {
            self.tokens.insert(asked.payment, (token.clone(), *amount));
        }
        let Some((token, amount)) = self.tokens.get(&asked.payment).cloned() else {
            return declined("no_such_payment");
        };
        let account = self.accounts.entry(asked.payment).or_default();
        match &asked.operation {
            ProviderOperation::Authorise { .. } => match token.as_str() {
                "tok_decline" => declined("card_declined"),
                "tok_challenge" | "tok_refused_challenge" => ProviderAnswer::RequiresAction {
                    url: "https://bank.test/3ds".to_owned(),
                    expires_at: now.plus_seconds(3_600),
                },
                _ => {
                    account.authorised = amount.amount;
                    ProviderAnswer::Authorised
                }
            },
            ProviderOperation::Confirm if token == "tok_challenge" => {
                account.authorised = amount.amount;
                ProviderAnswer::Authorised
            }
            ProviderOperation::Confirm => declined("challenge_failed"),
            ProviderOperation::Capture { .. } if token == "tok_no_capture" => {
                ProviderAnswer::CaptureFailed { code: "insufficient_funds".to_owned() }
            }
            ProviderOperation::Capture { amount } => {
                assert_eq!(account.authorised, amount.amount, "the captured amount was authorised: {asked:?}");
                account.authorised = 0;
                account.captured += amount.amount;
                account.captures += 1;
                ProviderAnswer::Captured
            }
            ProviderOperation::Void => {
                assert_eq!(account.captured, 0, "a captured amount is not voided: {asked:?}");
                account.authorised = 0;
                ProviderAnswer::Voided
            }
            ProviderOperation::Refund { amount, .. } => {
                account.refunded += amount.amount;
                assert!(account.refunded <= account.captured, "no more is refunded than was captured: {asked:?}");
                ProviderAnswer::Refunded
            }
        }
    }
}

fn declined(code: &str) -> ProviderAnswer {
    ProviderAnswer::Declined { code: code.to_owned() }
}
