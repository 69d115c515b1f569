//! How a payment decides, applies events and requests effects.

use super::{Payment, PaymentCommand, PaymentEvent, PaymentOutcome, PaymentRejection, PaymentReply};
use crate::{
    aggregate::{Aggregate, Context, Decision, DeferredReply, Saga},
    effect::{Effect, EffectId},
    time::Timestamp,
};

impl Aggregate for Payment {
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Reply = PaymentReply;
    type Rejection = PaymentRejection;

    fn decide(
        &self,
        command: &PaymentCommand,
        context: &Context,
    ) -> Result<Decision<PaymentEvent, PaymentReply>, PaymentRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &PaymentEvent) {
        self.fold(event);
    }

    fn assert_invariants(&self) {
        self.assert_balanced();
    }
}

impl Saga for Payment {
    type Outcome = PaymentOutcome;

    fn deferred_reply(
        &self,
        deferred: &DeferredReply,
        _now: Timestamp,
    ) -> Option<Result<PaymentReply, PaymentRejection>> {
        self.answer(deferred.command_id)
    }

    fn on_outcome(&self, effect: EffectId, outcome: PaymentOutcome, now: Timestamp) -> Vec<PaymentEvent> {
        match outcome {
            PaymentOutcome::Operation(answer) => self.answered(effect.generation, answer, now),
            PaymentOutcome::Refund(index, answer) => self.refund_answered(index, answer, now),
        }
    }

    fn effects(&self, event: &PaymentEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.outstanding_effects()
    }

    fn has_outstanding(&self) -> bool {
        self.open.is_some() || self.refunds_open > 0
    }
}
