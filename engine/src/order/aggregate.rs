//! How an order decides, applies events and requests effects.

use super::{Order, OrderCommand, OrderEvent, OrderOutcome, OrderRejection, OrderReply};
use crate::{
    aggregate::{Aggregate, Context, Decision, DeferredReply, Saga},
    effect::{Effect, EffectId},
    time::Timestamp,
};

impl Aggregate for Order {
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Reply = OrderReply;
    type Rejection = OrderRejection;

    fn decide(
        &self,
        command: &OrderCommand,
        context: &Context,
    ) -> Result<Decision<OrderEvent, OrderReply>, OrderRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &OrderEvent) {
        self.fold(event);
    }

    fn assert_invariants(&self) {
        self.assert_balanced();
    }
}

impl Saga for Order {
    type Outcome = OrderOutcome;

    fn deferred_reply(&self, deferred: &DeferredReply, _now: Timestamp) -> Option<Result<OrderReply, OrderRejection>> {
        self.answer(deferred.command_id)
    }

    fn on_outcome(&self, effect: EffectId, outcome: OrderOutcome, now: Timestamp) -> Vec<OrderEvent> {
        self.answered(effect, outcome, now)
    }

    fn effects(&self, event: &OrderEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.outstanding_effects()
    }

    fn has_outstanding(&self) -> bool {
        self.mail_open || self.pending.is_some() || self.restocks_open > 0 || !self.notices.is_empty()
    }
}
