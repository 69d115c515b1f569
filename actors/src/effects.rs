//! Carries out effects, each until its outcome is definite.
//!
//! An effect arrives here only through the writer, after the journal has accepted the event that asks for it. It is
//! carried out at least once, under a command id derived from its source and its [`EffectId`], so that its target
//! recognises a repeat.
//!
//! The list of effects under way is an optimisation, not a record: it only keeps the same effect from running twice at
//! once. After a crash it is empty, and each entity asks again for what its state has outstanding.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use backon::BackoffBuilder;
use engine::{
    effect::{Effect, EffectId},
    id::{EntityKey, TenantId},
};
use futures::FutureExt;
use parking_lot::Mutex;

use crate::{ask::CommandMeta, commerce::Commerce, kinds::perform, node::NodeShared};

/// The first and the longest pause before an effect is tried again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The effects under way on this node. Their number is bounded by the states that ask for them: an entity has one
/// effect for each slot.
#[derive(Debug, Default)]
pub struct Effects {
    under_way: Mutex<BTreeSet<(EntityKey, EffectId)>>,
}

impl Effects {
    /// The number of effects under way.
    pub fn len(&self) -> usize {
        self.under_way.lock().len()
    }

    /// Whether no effect is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts an effect of `source`, unless it is already under way.
    ///
    /// It takes no permit here. A permit of the target is taken for each attempt, from the reserved ones, and returned
    /// with the target's answer: an effect that waits between two attempts blocks no entity.
    pub(crate) fn dispatch(&self, node: &Arc<NodeShared>, tenant: &TenantId, source: &EntityKey, effect: Effect) {
        let name = (source.clone(), effect.id);
        if !self.under_way.lock().insert(name.clone()) {
            return;
        }
        let (node, tenant) = (node.clone(), tenant.clone());
        tokio::spawn(async move {
            // A panic of the code that carries the effect out must not leave it under way forever: its outcome counts
            // as unknown, like that of any other failed attempt.
            let mut is_told = false;
            while AssertUnwindSafe(carry_out(&node, &tenant, &name.0, &effect)).catch_unwind().await.is_err() {
                tracing::error!(source = %name.0, slot = effect.id.slot, "effect panicked; it is tried again");
                // Reported once: an effect that panics at each attempt would push all other dead letters out of the
                // list.
                if !std::mem::replace(&mut is_told, true) {
                    node.dead_letter(&name.0, "what it asked for panicked, and is tried again");
                }
                tokio::time::sleep(RETRY_MAX).await;
            }
            // Removed only after the outcome was delivered. Removed earlier, an entity that asks for its outstanding
            // effects in between would start the same effect a second time.
            node.effects.under_way.lock().remove(&name);
        });
    }
}

async fn carry_out(node: &Arc<NodeShared>, tenant: &TenantId, source: &EntityKey, effect: &Effect) {
    let commerce = Commerce::new(node.clone());
    let command_id = effect.id.command_id(source);
    let pauses = backon::ExponentialBuilder::default().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX);
    let mut outcome = None;
    for pause in pauses.without_max_times().build() {
        if node.is_stopped() {
            return;
        }
        // A definite outcome is kept while its delivery fails (the source is loading, or its shard has no leader), so
        // that a delivery is repeated without asking the provider again. The shard may have a newer leader by then: the
        // source's state decides whether it still expects this outcome.
        if outcome.is_none() {
            match perform(&commerce, tenant, &effect.request, CommandMeta::effect(command_id)).await {
                Ok(definite) => outcome = Some(definite),
                Err(unknown) => tracing::debug!(%source, slot = effect.id.slot, %unknown, "effect has no outcome yet"),
            }
        }
        if let Some(definite) = outcome.clone()
            && commerce.deliver(source, effect.id, definite).await
        {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}
