//! Payment providers, and the rules for calling them so that money never moves twice.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actors::external_services::OutcomeUnknown;
use engine::{
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    payment::{ProviderAnswer, ProviderOperation, ProviderRequest},
};
use futures::future::BoxFuture;
use parking_lot::Mutex;

/// How long a provider may take before the outcome is reported as unknown. The sandbox's slowest token takes 5 s, and
/// the well-known providers advise their clients to wait for a minute at most.
pub const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The maximum number of operations without an outcome that are remembered, so that they are looked up before they are
/// repeated. One that is not remembered is only repeated, under the same key.
const UNSETTLED_MAX: usize = 100_000;

/// The answer of a provider, or the information that it is not known.
pub type Answer = Result<ProviderAnswer, OutcomeUnknown>;

/// An operation on a payment at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The tenant that the payment belongs to.
    pub tenant: TenantId,
    /// The payment.
    pub payment: PaymentId,
    /// The idempotency key of the operation: the same for each repetition, and unique to the operation.
    pub key: String,
}

/// A provider that moves money.
///
/// Every operation is repeated under its key until the answer is definite, and the provider carries it out once: a
/// repetition gets the answer of the first. `Err` means only that the operation may or may not have taken effect; a
/// refusal is an answer. [`ProviderOperation`] lists the answers that settle each operation.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Authorises an amount.
    fn authorise<'a>(&'a self, charge: &'a Charge, token: &'a str, amount: Money) -> BoxFuture<'a, Answer>;

    /// Continues an authorisation after the buyer reported that the challenge is passed.
    fn confirm<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Answer>;

    /// Captures an authorised amount.
    fn capture<'a>(&'a self, charge: &'a Charge, amount: Money) -> BoxFuture<'a, Answer>;

    /// Releases an authorisation, including one that may still arrive.
    fn void<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Answer>;

    /// Refunds a captured amount.
    fn refund<'a>(&'a self, charge: &'a Charge, refund: RefundId, amount: Money) -> BoxFuture<'a, Answer>;

    /// Returns the answer of the operation with this key. `None`: the provider does not know the operation, or not yet;
    /// that is not a definite outcome.
    fn look_up<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Option<ProviderAnswer>, OutcomeUnknown>>;
}

/// Decrypts a token that was sealed before it was stored. `None` if that is not possible.
pub type OpenToken = Arc<dyn Fn(&TenantId, &str) -> Option<String> + Send + Sync>;

/// The providers of this installation, by the name that a checkout uses.
pub struct Providers {
    by_name: Vec<(String, Arc<dyn PaymentProvider>)>,
    answer_max: Duration,
    unsettled: Mutex<HashSet<(TenantId, String)>>,
    open_token: Option<OpenToken>,
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Providers").field("names", &self.names().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Providers {
    /// Creates an empty list of providers.
    pub fn new(answer_max: Duration) -> Self {
        Self { by_name: Vec::new(), answer_max, unsettled: Mutex::default(), open_token: None }
    }

    /// Adds a provider. A payment keeps the name of its provider forever, so a provider may be removed only when its
    /// payments are settled: what is still open stays open until the provider is back.
    #[must_use]
    pub fn with(mut self, name: &str, provider: Arc<dyn PaymentProvider>) -> Self {
        self.by_name.retain(|(known, _)| known != name);
        self.by_name.push((name.to_owned(), provider));
        self
    }

    /// Sets how tokens, which are sealed in the journal, are decrypted. Without this they reach the provider as they
    /// are.
    #[must_use]
    pub fn opening_tokens(mut self, open: OpenToken) -> Self {
        self.open_token = Some(open);
        self
    }

    /// The names of the providers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().map(|(name, _)| name.as_str())
    }

    /// Carries out an operation, and returns its outcome once that is definite.
    ///
    /// An operation whose earlier attempt had no outcome is looked up first. If it is not found, it is repeated under
    /// its key.
    pub async fn perform(&self, request: &ProviderRequest) -> Answer {
        let Some((_, provider)) = self.by_name.iter().find(|(name, _)| *name == request.provider) else {
            return unknown_provider(request);
        };
        let charge = Charge { tenant: request.tenant.clone(), payment: request.payment, key: request.key.clone() };
        let name = (charge.tenant.clone(), charge.key.clone());
        // Recorded before the provider is called: if anything prevents this call from finishing, the outcome is
        // unknown.
        let was_unsettled = self.begin(&name);
        let asked = async {
            if was_unsettled && let Some(found) = provider.look_up(&charge).await? {
                return Ok(found);
            }
            match &request.operation {
                ProviderOperation::Authorise { token, amount } => match self.opened(&charge.tenant, token) {
                    Some(token) => provider.authorise(&charge, &token, *amount).await,
                    // The key of this installation is not the one that the token was sealed with. Either the payment
                    // was authorised before the key changed, or it never can be.
                    None => match provider.look_up(&charge).await? {
                        Some(found) => Ok(found),
                        None => Ok(ProviderAnswer::Declined { code: "token_unreadable".into() }),
                    },
                },
                operation => ask(provider.as_ref(), &charge, operation).await,
            }
        };
        let answer = match tokio::time::timeout(self.answer_max, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(OutcomeUnknown(format!("{} did not answer within {:?}", request.provider, self.answer_max))),
        };
        match &answer {
            Ok(_) => {
                self.unsettled.lock().remove(&name);
            }
            Err(unknown) => {
                tracing::warn!(provider = request.provider, key = request.key, %unknown, "payment has no outcome yet");
            }
        }
        answer
    }

    /// The token as the provider knows it.
    fn opened(&self, tenant: &TenantId, token: &str) -> Option<String> {
        match &self.open_token {
            Some(open) => open(tenant, token),
            None => Some(token.to_owned()),
        }
    }

    /// Records that the operation has no outcome, and returns whether it was already recorded.
    fn begin(&self, name: &(TenantId, String)) -> bool {
        let mut unsettled = self.unsettled.lock();
        let was_unsettled = unsettled.contains(name);
        if !was_unsettled && unsettled.len() < UNSETTLED_MAX {
            unsettled.insert(name.clone());
        }
        was_unsettled
    }
}

async fn ask(provider: &dyn PaymentProvider, charge: &Charge, operation: &ProviderOperation) -> Answer {
    match operation {
        ProviderOperation::Authorise { token, amount } => provider.authorise(charge, token, *amount).await,
        ProviderOperation::Confirm => provider.confirm(charge).await,
        ProviderOperation::Capture { amount } => provider.capture(charge, *amount).await,
        ProviderOperation::Void => provider.void(charge).await,
        ProviderOperation::Refund { refund, amount } => provider.refund(charge, *refund, *amount).await,
    }
}

/// The answer for a provider that is not configured. An authorisation is declined. Any other operation may concern
/// money that moved while the provider was configured, and waits until it is configured again.
fn unknown_provider(request: &ProviderRequest) -> Answer {
    match request.operation {
        ProviderOperation::Authorise { .. } => Ok(ProviderAnswer::Declined { code: "unknown_provider".into() }),
        _ => Err(OutcomeUnknown(format!("unknown payment provider {:?}", request.provider))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use engine::money::Currency;

    use super::*;

    /// Carries out an authorisation without answering, as often as `silent` says; counts the calls.
    #[derive(Default)]
    struct Mute {
        silent: AtomicUsize,
        authorised: AtomicUsize,
        looked_up: AtomicUsize,
        found: bool,
    }

    impl PaymentProvider for Mute {
        fn authorise<'a>(&'a self, _: &'a Charge, _: &'a str, _: Money) -> BoxFuture<'a, Answer> {
            Box::pin(async {
                self.authorised.fetch_add(1, Ordering::SeqCst);
                let left = self.silent.load(Ordering::SeqCst);
                if left > 0 {
                    self.silent.store(left - 1, Ordering::SeqCst);
                    std::future::pending::<()>().await;
                }
                Ok(ProviderAnswer::Authorised)
            })
        }

        fn confirm<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Answer> {
            Box::pin(async { Ok(ProviderAnswer::Authorised) })
        }

        fn capture<'a>(&'a self, _: &'a Charge, _: Money) -> BoxFuture<'a, Answer> {
            Box::pin(async { Ok(ProviderAnswer::Captured) })
        }

        fn void<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Answer> {
            Box::pin(async { Ok(ProviderAnswer::Voided) })
        }

        fn refund<'a>(&'a self, _: &'a Charge, _: RefundId, _: Money) -> BoxFuture<'a, Answer> {
            Box::pin(async { Ok(ProviderAnswer::Refunded) })
        }

        fn look_up<'a>(&'a self, _: &'a Charge) -> BoxFuture<'a, Result<Option<ProviderAnswer>, OutcomeUnknown>> {
            Box::pin(async {
                self.looked_up.fetch_add(1, Ordering::SeqCst);
                Ok(self.found.then_some(ProviderAnswer::Authorised))
            })
        }
    }

    fn request(provider: &str, operation: ProviderOperation) -> ProviderRequest {
        let tenant = TenantId::new("demo").unwrap();
        ProviderRequest {
            provider: provider.into(),
            tenant,
            payment: PaymentId(7),
            key: "7-authorise".into(),
            operation,
        }
    }

    fn authorise(provider: &str) -> ProviderRequest {
        let amount = Money::new(1_000, Currency::USD).unwrap();
        request(provider, ProviderOperation::Authorise { token: "card".into(), amount })
    }

    async fn ask_twice(found: bool) -> (Arc<Mute>, Answer, Answer) {
        let mute = Arc::new(Mute { silent: AtomicUsize::new(1), found, ..Mute::default() });
        let providers = Providers::new(ANSWER_MAX).with("mute", mute.clone());
        let first = providers.perform(&authorise("mute")).await;
        let second = providers.perform(&authorise("mute")).await;
        (mute, first, second)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_an_unknown_outcome_and_is_looked_up_before_it_is_repeated() {
        let (mute, first, second) = ask_twice(true).await;
        assert!(first.unwrap_err().0.contains("did not answer within 30s"));
        assert_eq!(second.unwrap(), ProviderAnswer::Authorised);
        assert_eq!((mute.authorised.load(Ordering::SeqCst), mute.looked_up.load(Ordering::SeqCst)), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_charge_is_repeated_and_not_declined() {
        let (mute, first, second) = ask_twice(false).await;
        assert!(first.is_err());
        assert_eq!(second.unwrap(), ProviderAnswer::Authorised);
        assert_eq!(mute.authorised.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interrupted_charge_is_looked_up() {
        let mute = Arc::new(Mute { silent: AtomicUsize::new(1), found: true, ..Mute::default() });
        let providers = Providers::new(ANSWER_MAX).with("mute", mute.clone());
        let (first, second) = (authorise("mute"), authorise("mute"));
        assert!(tokio::time::timeout(ANSWER_MAX / 2, providers.perform(&first)).await.is_err());
        assert_eq!(providers.perform(&second).await.unwrap(), ProviderAnswer::Authorised);
        assert_eq!((mute.authorised.load(Ordering::SeqCst), mute.looked_up.load(Ordering::SeqCst)), (1, 1));
    }

    #[tokio::test]
    async fn an_unknown_provider_declines_and_a_removed_one_is_retried() {
        let providers = Providers::new(ANSWER_MAX);
        let declined = providers.perform(&authorise("nobody")).await.unwrap();
        assert_eq!(declined, ProviderAnswer::Declined { code: "unknown_provider".into() });
        assert!(providers.perform(&request("nobody", ProviderOperation::Void)).await.is_err());
    }
}
