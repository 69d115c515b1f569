//! Carries out effects, each until its outcome is definite.
//!
//! An effect arrives here only through the writer, after the journal has accepted the event that asks for it. It is
//! carried out at least once, under a command id derived from its source and its [`EffectId`], so that its target
//! recognises a repeat.
//!
//! The effects under way belong to the leadership that sent them, and end with it: a node that no longer leads a shard
//! requests nothing in its name. The list of them is an optimisation, not a record: it only keeps the same effect from
//! running twice at once. The next leadership starts with an empty list, and each of its entities asks again for what
//! its state has outstanding.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use backon::BackoffBuilder;
use engine::{
    effect::{Effect, EffectId},
    id::{EntityKey, TenantId},
};
use futures::FutureExt;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{ask::CommandMeta, commerce::Commerce, requests::perform, shard::Leader};

/// The first and the longest pause before an effect is tried again.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// An effect's name on its shard: the entity that asked for it, and its id there.
type EffectName = (EntityKey, EffectId);

/// The effects under way of one leadership. Their number is bounded by the states that ask for them: an entity has one
/// effect for each slot.
#[derive(Debug)]
pub(crate) struct EffectsUnderWay {
    /// The task of each effect. `None` once the leadership has ended: no effect starts any more.
    tasks: Mutex<Option<BTreeMap<EffectName, AbortHandle>>>,
}

impl Default for EffectsUnderWay {
    fn default() -> Self {
        Self { tasks: Mutex::new(Some(BTreeMap::new())) }
    }
}

impl EffectsUnderWay {
    /// The number of effects under way.
    pub(crate) fn len(&self) -> usize {
        self.tasks.lock().as_ref().map_or(0, BTreeMap::len)
    }

    /// Ends every effect under way. None starts later.
    ///
    /// An attempt may be in flight at a provider at this time. It may or may not be carried out there, and nobody waits
    /// for its outcome any more. That is safe: the next leadership repeats it under the same command id, by which the
    /// provider recognises it, because the state still has the effect outstanding.
    pub(crate) fn cancel(&self) {
        let tasks = self.tasks.lock().take();
        // In the order of their names, so that a simulation can be replayed.
        tasks.iter().flat_map(BTreeMap::values).for_each(AbortHandle::abort);
    }

    /// Starts an effect's task, unless the effect is already under way or the leadership has ended.
    fn start(&self, name: EffectName, task: impl Future<Output = ()> + Send + 'static) {
        // Locked until the task is on the list: a task that ends at once removes itself only afterwards, and a
        // leadership that ends meanwhile cancels it.
        let mut tasks = self.tasks.lock();
        if let Some(Entry::Vacant(vacant)) = tasks.as_mut().map(|tasks| tasks.entry(name)) {
            vacant.insert(tokio::spawn(task).abort_handle());
        }
    }

    fn remove(&self, name: &EffectName) {
        if let Some(tasks) = self.tasks.lock().as_mut() {
            tasks.remove(name);
        }
    }
}

/// Starts an effect of `source`, unless it is already under way.
///
/// It takes no permit here. A permit of the target is taken for each attempt, from the reserved ones, and returned with
/// the target's answer: an effect that waits between two attempts blocks no entity.
pub(crate) fn dispatch(leader: &Arc<Leader>, tenant: &TenantId, source: &EntityKey, effect: Effect) {
    let name = (source.clone(), effect.id);
    let (leader, tenant, task_name) = (leader.clone(), tenant.clone(), name.clone());
    let under_way = leader.clone();
    under_way.effects.start(name, async move {
        let (name, mut is_reported) = (task_name, false);
        // A panic of the code that carries the effect out must not leave it under way forever: its outcome counts as
        // unknown, like that of any other failed attempt.
        while AssertUnwindSafe(carry_out(&leader, &tenant, &name.0, &effect)).catch_unwind().await.is_err() {
            tracing::error!(source = %name.0, slot = effect.id.slot, "effect panicked; it is tried again");
            // Reported once: an effect that panics at each attempt would push all other dead letters out of the list.
            if !std::mem::replace(&mut is_reported, true) {
                leader.node.dead_letter(&name.0, "what it asked for panicked, and is tried again");
            }
            tokio::time::sleep(RETRY_MAX).await;
        }
        // Removed only after the outcome was delivered. Removed earlier, an entity that asks for its outstanding effects
        // in between would start the same effect a second time.
        leader.effects.remove(&name);
    });
}

async fn carry_out(leader: &Arc<Leader>, tenant: &TenantId, source: &EntityKey, effect: &Effect) {
    let commerce = Commerce::new(leader.node.clone());
    let command_id = effect.id.command_id(source);
    let pauses = backon::ExponentialBuilder::default().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX);
    let mut outcome = None;
    for pause in pauses.without_max_times().build() {
        // A definite outcome is kept while its delivery fails (the source is loading, or the stores do not answer), so
        // that a delivery is repeated without asking the provider again. The source's state decides whether it still
        // expects this outcome.
        if outcome.is_none() {
            match perform(&commerce, tenant, &effect.request, CommandMeta::effect(command_id)).await {
                Ok(definite) => outcome = Some(definite),
                Err(unknown) => tracing::debug!(%source, slot = effect.id.slot, %unknown, "effect has no outcome yet"),
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
