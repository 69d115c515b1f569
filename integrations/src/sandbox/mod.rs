//! The built-in payment provider: it moves no money, and can produce every outcome of a payment.
//!
//! | token | what happens |
//! |---|---|
//! | `tok_approve` | approved |
//! | `tok_decline` | declined |
//! | `tok_slow` | approved after 5 s |
//! | `tok_unknown` | approved, but the first answer is lost; a repetition or a look-up finds it |
//! | `tok_challenge` | the buyer has to pass a challenge page first, then approved |
//! | any other | declined |
//!
//! Like a real provider it remembers its answers by idempotency key, even if the process is killed: an answer is in the
//! ledger file before it is returned.

mod books;
mod ledger;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use actors::{clock::Clock, external_services::OutcomeUnknown};
use engine::{
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    payment::ProviderAnswer,
    time::Timestamp,
};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use self::{
    books::{Books, Noted, Operation},
    ledger::Ledger,
};
pub use self::{
    books::{CHALLENGE_MS, Challenge, ChallengeState, PAYMENTS_MAX, SLOW_MS},
    ledger::LedgerError,
};
use crate::payments::{Answer, Charge, PaymentProvider};

/// The name of the provider in checkouts.
pub const NAME: &str = "sandbox";
/// The path of its challenge page: GET shows it, POST answers it.
pub const CHALLENGE_PATH: &str = "/sandbox/challenge";

/// The sandbox provider.
pub struct Sandbox {
    books: Mutex<Books>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    challenge_url: String,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("challenge_url", &self.challenge_url).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens the ledger, and creates it if it does not exist. `public_url` is where buyers reach this installation, for
    /// the challenge page. Blocks while the ledger is read.
    pub fn open(ledger: &Path, public_url: &str, clock: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        let mut books = Books::default();
        let ledger = Ledger::open(ledger, |line| books.note(line))?;
        Ok(Self::with(books, ledger, public_url, clock))
    }

    /// Creates a sandbox that keeps everything in memory: for tests and simulations.
    pub fn in_memory(public_url: &str, clock: Arc<dyn Clock>) -> Self {
        Self::with(Books::default(), Ledger::in_memory(), public_url, clock)
    }

    fn with(books: Books, ledger: Ledger, public_url: &str, clock: Arc<dyn Clock>) -> Self {
        let challenge_url = format!("{}{CHALLENGE_PATH}", public_url.trim_end_matches('/'));
        Self { books: Mutex::new(books), ledger, clock, challenge_url }
    }

    /// The content of a payment's challenge page. `None`: the payment has no challenge.
    pub fn challenge(&self, tenant: &TenantId, payment: PaymentId) -> Option<Challenge> {
        self.books.lock().challenge(tenant, payment, self.clock.now())
    }

    /// Records the buyer's answer to the challenge page. A payment that does not wait for an answer is declined.
    pub async fn answer_challenge(&self, tenant: &TenantId, payment: PaymentId, passes: bool) -> Answer {
        let charge = Charge { tenant: tenant.clone(), payment, key: format!("{payment}-page-{passes}") };
        self.perform(&charge, Operation::Page { passes }).await
    }

    /// Carries out an operation once, and stores its answer before returning it.
    async fn perform(&self, charge: &Charge, operation: Operation) -> Answer {
        let noted = self.books.lock().perform(charge, operation, self.clock.now());
        let written = match &noted {
            Noted::New(line) => self.ledger.write(line).await,
            // The first copy may still be on its way to the disk.
            Noted::Again(_) => self.ledger.settled().await,
        };
        written.map_err(|error| OutcomeUnknown(error.to_string()))?;
        if matches!(&noted, Noted::New(line) if line.answer_is_lost()) {
            return Err(OutcomeUnknown("the answer was lost".into()));
        }
        Ok(self.give(charge, noted.answer()).await)
    }

    /// Returns an answer when it is due.
    async fn give(&self, charge: &Charge, answer: &books::Answer) -> ProviderAnswer {
        match answer {
            books::Answer::ApprovesAt { at_ms } => {
                let left_ms = Timestamp(*at_ms).ms_since(self.clock.now());
                tokio::time::sleep(Duration::from_millis(left_ms)).await;
                ProviderAnswer::Authorised
            }
            books::Answer::RequiresAction { expires_ms } => ProviderAnswer::RequiresAction {
                url: format!("{}/{}/{}", self.challenge_url, charge.tenant, charge.payment),
                expires_at: Timestamp(*expires_ms),
            },
            books::Answer::Authorised => ProviderAnswer::Authorised,
            books::Answer::Declined { code } => ProviderAnswer::Declined { code: code.clone() },
            books::Answer::Captured => ProviderAnswer::Captured,
            books::Answer::CaptureFailed { code } => ProviderAnswer::CaptureFailed { code: code.clone() },
            books::Answer::Voided => ProviderAnswer::Voided,
            books::Answer::Refunded => ProviderAnswer::Refunded,
            books::Answer::RefundFailed { code } => ProviderAnswer::RefundFailed { code: code.clone() },
        }
    }
}

impl PaymentProvider for Sandbox {
    fn authorise<'a>(&'a self, charge: &'a Charge, token: &'a str, amount: Money) -> BoxFuture<'a, Answer> {
        // A token that is not one of the sandbox's may be a real payment method, and must not be stored in the
        // ledger.
        let token = if books::is_sandbox_token(token) { token } else { "unknown" };
        Box::pin(self.perform(charge, Operation::Authorise { token: token.to_owned(), amount }))
    }

    fn confirm<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Answer> {
        Box::pin(self.perform(charge, Operation::Confirm))
    }

    fn capture<'a>(&'a self, charge: &'a Charge, amount: Money) -> BoxFuture<'a, Answer> {
        Box::pin(self.perform(charge, Operation::Capture { amount }))
    }

    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Answer> {
        Box::pin(self.perform(charge, Operation::Void))
    }

    fn refund<'a>(&'a self, charge: &'a Charge, refund: RefundId, amount: Money) -> BoxFuture<'a, Answer> {
        Box::pin(self.perform(charge, Operation::Refund { refund, amount }))
    }

    fn look_up<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<ProviderAnswer>, OutcomeUnknown>> {
        Box::pin(async {
            let Some(answer) = self.books.lock().answer(charge) else { return Ok(None) };
            self.ledger.settled().await.map_err(|error| OutcomeUnknown(error.to_string()))?;
            Ok(Some(self.give(charge, &answer).await))
        })
    }
}
