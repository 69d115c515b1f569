//! How a drop decides, applies events, uses time and requests effects.

use super::{DropCommand, DropEvent, DropOutcome, DropRejection, DropReply, FlashDrop};
use crate::{
    aggregate::{Aggregate, Context, Decision, DeferredReply, Saga, Timers},
    effect::{Effect, EffectId},
    time::Timestamp,
};

impl Aggregate for FlashDrop {
    type Command = DropCommand;
    type Event = DropEvent;
    type Reply = DropReply;
    type Rejection = DropRejection;

    fn decide(
        &self,
        command: &DropCommand,
        context: &Context,
    ) -> Result<Decision<DropEvent, DropReply>, DropRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &DropEvent) {
        self.fold(event);
    }

    fn assert_invariants(&self) {
        self.assert_balanced();
    }
}

impl Timers for FlashDrop {
    fn on_wake(&self, now: Timestamp) -> Vec<DropEvent> {
        self.on_time(now)
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.next_wake()
    }
}

impl Saga for FlashDrop {
    type Outcome = DropOutcome;

    fn deferred_reply(&self, deferred: &DeferredReply, now: Timestamp) -> Option<Result<DropReply, DropRejection>> {
        self.answer(deferred, now)
    }

    fn on_outcome(&self, effect: EffectId, outcome: DropOutcome, now: Timestamp) -> Vec<DropEvent> {
        self.on_inventory(effect, outcome, now)
    }

    fn effects(&self, event: &DropEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.outstanding_effects()
    }

    fn has_outstanding(&self) -> bool {
        self.is_anything_outstanding()
    }
}
