//! The external services that the runtime uses. `integrations` implements them.

use futures::future::BoxFuture;

use engine::effect::Outcome;
use engine::{effect::Request, id::TenantId};

/// An effect whose outcome is not known. It is tried again under the same id.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct OutcomeUnknown(pub String);

/// The external services: payment providers and mail. Each request carries its own idempotency key.
pub trait ExternalServices: Send + Sync + 'static {
    /// Carries out a request, and returns its outcome once that is definite. May be called again for the same request.
    fn perform(&self, tenant: &TenantId, request: &Request) -> BoxFuture<'_, Result<Outcome, OutcomeUnknown>>;
}
