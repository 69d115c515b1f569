//! Sends a request to its target.

use engine::{
    effect::{Outcome, Request},
    id::{EntityKey, TenantId},
    kinds::Entity,
    with_kind,
};

use crate::{
    ask::{AskError, CommandMeta},
    commerce::Commerce,
    external_services::{ExternalServices, OutcomeUnknown},
};

/// Sends a request to its target entity, or to the external services. Any answer that is not definite becomes
/// [`OutcomeUnknown`], so that the effect is tried again.
pub(crate) async fn perform(
    commerce: &Commerce,
    external_services: &dyn ExternalServices,
    tenant: &TenantId,
    request: &Request,
    meta: CommandMeta,
) -> Result<Outcome, OutcomeUnknown> {
    match request.target(tenant) {
        Some(key) => with_kind!(key.kind(), A => send::<A>(commerce, &key, request, meta).await),
        None => external_services.perform(tenant, request).await,
    }
}

async fn send<A: Entity>(
    commerce: &Commerce,
    key: &EntityKey,
    request: &Request,
    meta: CommandMeta,
) -> Result<Outcome, OutcomeUnknown> {
    // The key is that of the request's target, so that the request has a command for its kind.
    let command = A::command_of(request).expect("a request to an entity has a command of its kind");
    match commerce.ask_reserved::<A>(key, command.clone(), meta).await {
        Ok(answered) => Ok(A::outcome_of(Ok(answered.reply))),
        Err(AskError::Rejected(rejection)) => Ok(A::outcome_of(Err(rejection))),
        Err(error) => Err(OutcomeUnknown(error.to_string())),
    }
}
