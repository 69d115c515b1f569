//! The effects under way of one leadership.
//!
//! They end with it: a node that no longer leads a shard requests nothing in its name. The list of them is an
//! optimisation, not a record: it only keeps the same effect from running twice at once. The next leadership starts with
//! an empty list, and each of its entities asks again for what its state has outstanding.

use std::collections::{BTreeMap, btree_map::Entry};

use engine::{effect::EffectId, id::EntityKey};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// An effect's name on its shard: the entity that asked for it, and its id there.
pub(crate) type EffectName = (EntityKey, EffectId);

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
    pub(crate) fn start(&self, name: EffectName, task: impl Future<Output = ()> + Send + 'static) {
        // Locked until the task is on the list: a task that ends at once removes itself only afterwards, and a
        // leadership that ends meanwhile cancels it.
        let mut tasks = self.tasks.lock();
        if let Some(Entry::Vacant(vacant)) = tasks.as_mut().map(|tasks| tasks.entry(name)) {
            vacant.insert(tokio::spawn(task).abort_handle());
        }
    }

    /// Takes an effect off the list, once its outcome is delivered.
    pub(crate) fn remove(&self, name: &EffectName) {
        if let Some(tasks) = self.tasks.lock().as_mut() {
            tasks.remove(name);
        }
    }
}
