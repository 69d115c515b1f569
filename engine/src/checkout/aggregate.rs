//! How a checkout decides, applies events, uses time, requests effects and is written to snapshots.

use super::{Checkout, CheckoutCommand, CheckoutEvent, CheckoutOutcome, CheckoutRejection, CheckoutReply};
use crate::{
    aggregate::{Aggregate, Context, Decision, DeferredReply, Saga, Timers},
    effect::{Effect, EffectId},
    snapshot::PersistWhole,
    time::Timestamp,
};

impl Aggregate for Checkout {
    type Command = CheckoutCommand;
    type Event = CheckoutEvent;
    type Reply = CheckoutReply;
    type Rejection = CheckoutRejection;

    fn decide(
        &self,
        command: &CheckoutCommand,
        context: &Context,
    ) -> Result<Decision<CheckoutEvent, CheckoutReply>, CheckoutRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &CheckoutEvent) {
        self.fold(event);
    }
}

impl Timers for Checkout {
    fn on_wake(&self, now: Timestamp) -> Vec<CheckoutEvent> {
        self.on_time(now)
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.next_wake()
    }
}

impl Saga for Checkout {
    type Outcome = CheckoutOutcome;

    fn deferred_reply(
        &self,
        deferred: &DeferredReply,
        _now: Timestamp,
    ) -> Option<Result<CheckoutReply, CheckoutRejection>> {
        self.answer(deferred)
    }

    fn on_outcome(&self, effect: EffectId, outcome: CheckoutOutcome, now: Timestamp) -> Vec<CheckoutEvent> {
        self.take_outcome(effect, outcome, now)
    }

    fn effects(&self, event: &CheckoutEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        let mut effects = self.asked_now();
        effects.extend(self.to_sweep(None));
        effects
    }

    fn has_outstanding(&self) -> bool {
        self.is_anything_outstanding()
    }
}

impl PersistWhole for Checkout {}
