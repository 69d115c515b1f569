//! Carries out effects, each until its outcome is definite.

use std::{collections::BTreeSet, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use backon::BackoffBuilder;
use engine::{
    effect::{Effect, EffectId},
    id::{EntityKey, TenantId},
};
use futures::FutureExt;
use parking_lot::Mutex;

use crate::{ask::Call, commerce::Commerce, kinds::perform, node::NodeShared};

/// The first and the longest pause before an effect is tried again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The effects under way on this node. Each is bounded by the state that asks for it: an entity has one effect a slot.
#[derive(Debug, Default)]
pub struct Effects {
    under_way: Mutex<BTreeSet<(EntityKey, EffectId)>>,
}

impl Effects {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.under_way.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts an effect of `source`, unless it is under way.
    pub(crate) fn dispatch(&self, node: &Arc<NodeShared>, tenant: &TenantId, source: &EntityKey, effect: Effect) {
        let name = (source.clone(), effect.id);
        if !self.under_way.lock().insert(name.clone()) {
            return;
        }
        let (node, tenant) = (node.clone(), tenant.clone());
        tokio::spawn(async move {
            // A fault of who carries it out must not leave it under way for ever: its outcome is unknown, as any other.
            let mut is_told = false;
            while AssertUnwindSafe(carry_out(&node, &tenant, &name.0, &effect)).catch_unwind().await.is_err() {
                tracing::error!(source = %name.0, slot = effect.id.slot, "effect panicked; it is tried again");
                // Once: one that panics each time would push out all that others have to tell.
                if !std::mem::replace(&mut is_told, true) {
                    node.dead_letter(&name.0, "what it asked for panicked, and is tried again");
                }
                tokio::time::sleep(RETRY_MAX).await;
            }
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
        if outcome.is_none() {
            match perform(&commerce, tenant, &effect.request, Call::effect(command_id)).await {
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
