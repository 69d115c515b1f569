//! What the runtime asks of the outside world. `integrations` implements these.

use futures::future::BoxFuture;

use engine::effect::Outcome;
use engine::{effect::Request, id::TenantId};

/// An effect whose outcome is not known: it is asked for again, under the same name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct OutcomeUnknown(pub String);

/// The outside world: payment providers, mail. Each request carries its own idempotency key.
pub trait Outside: Send + Sync + 'static {
    /// Does what is asked, and says what came of it once that is definite. May be asked for the same thing again.
    fn perform(&self, tenant: &TenantId, request: &Request) -> BoxFuture<'_, Result<Outcome, OutcomeUnknown>>;
}
