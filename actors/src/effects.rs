//! Carries out effects, each until its outcome is definite.
//!
//! An effect arrives here only through the writer, after the journal has accepted the event that asks for it. It is
//! carried out at least once, under a command id derived from its source and its
//! [`EffectId`](engine::effect::EffectId), so that its target recognises a repeat.
//!
//! The effects under way belong to the leadership that sent them; see [`effects_under_way`](crate::effects_under_way).

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use backon::BackoffBuilder;
use engine::{
    effect::Effect,
    id::{EntityKey, TenantId},
};
use futures::FutureExt;

use crate::{
    ask::CommandMeta, commerce::Commerce, external_services::ExternalServices, leader::Leader, requests::perform,
};

/// The first and the longest pause before an effect is tried again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Carries out effects: commands to other entities, and requests to external services. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Effects {
    commerce: Commerce,
    external_services: Arc<dyn ExternalServices>,
}

impl Effects {
    pub(crate) fn new(commerce: Commerce, external_services: Arc<dyn ExternalServices>) -> Self {
        Self { commerce, external_services }
    }

    /// Starts an effect of `source`, an entity of `leader`, unless it is already under way.
    ///
    /// It takes no permit here. A permit of the target is taken for each attempt, from the reserved ones, and returned
    /// with the target's answer: an effect that waits between two attempts blocks no entity.
    pub(crate) fn dispatch(&self, leader: &Arc<Leader>, source: &EntityKey, effect: Effect) {
        let name = (source.clone(), effect.id);
        let (effects, owner, source) = (self.clone(), leader.clone(), source.clone());
        leader.effects.start(name, async move {
            let tenant = source.tenant();
            let (name, mut is_reported) = ((source, effect.id), false);
            // A panic of the code that carries the effect out must not leave it under way forever: its outcome counts as
            // unknown, like that of any other failed attempt.
            let carry_out = || AssertUnwindSafe(effects.carry_out(&owner, &tenant, &name.0, &effect)).catch_unwind();
            while carry_out().await.is_err() {
                tracing::error!(source = %name.0, slot = effect.id.slot, "effect panicked; it is tried again");
                // Reported once: an effect that panics at each attempt would push all other dead letters out of the
                // list.
                if !std::mem::replace(&mut is_reported, true) {
                    owner.resources.dead_letters.add(&name.0, "what it asked for panicked, and is tried again");
                }
                tokio::time::sleep(RETRY_MAX).await;
            }
            // Removed only after the outcome was delivered. Removed earlier, an entity that asks for its outstanding
            // effects in between would start the same effect a second time.
            owner.effects.remove(&name);
        });
    }

    async fn carry_out(&self, leader: &Arc<Leader>, tenant: &TenantId, source: &EntityKey, effect: &Effect) {
        let meta = CommandMeta::effect(effect.id.command_id(source));
        let pauses = backon::ExponentialBuilder::default().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX);
        let mut outcome = None;
        for pause in pauses.without_max_times().build() {
            // A definite outcome is kept while its delivery fails (the source is loading, or the stores do not answer),
            // so that a delivery is repeated without asking the provider again. The source's state decides whether it
            // still expects this outcome.
            if outcome.is_none() {
                let external_services = self.external_services.as_ref();
                match perform(&self.commerce, external_services, tenant, &effect.request, meta.clone()).await {
                    Ok(definite) => outcome = Some(definite),
                    Err(unknown) => {
                        tracing::debug!(%source, slot = effect.id.slot, %unknown, "effect has no outcome yet");
                    }
                }
            }
            if let Some(definite) = outcome.clone()
                && leader.deliver(source, effect.id, definite).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
