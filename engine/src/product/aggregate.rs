//! How a product decides, applies events and requests effects.

use super::{Product, ProductCommand, ProductEvent, ProductOutcome, ProductRejection, ProductReply};
use crate::{
    aggregate::{Aggregate, Context, Decision, DeferredReply, Saga},
    effect::{Effect, EffectId},
    time::Timestamp,
};

impl Aggregate for Product {
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Reply = ProductReply;
    type Rejection = ProductRejection;

    fn decide(
        &self,
        command: &ProductCommand,
        context: &Context,
    ) -> Result<Decision<ProductEvent, ProductReply>, ProductRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &ProductEvent) {
        self.fold(event);
    }
}

impl Saga for Product {
    type Outcome = ProductOutcome;

    fn deferred_reply(&self, deferred: &DeferredReply, _: Timestamp) -> Option<Result<ProductReply, ProductRejection>> {
        self.answer(deferred)
    }

    fn on_outcome(&self, effect: EffectId, outcome: ProductOutcome, _: Timestamp) -> Vec<ProductEvent> {
        self.on_inventory(effect.generation, outcome)
    }

    fn effects(&self, event: &ProductEvent) -> Vec<Effect> {
        self.effects_of(event)
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.outstanding_effects()
    }

    fn has_outstanding(&self) -> bool {
        !self.open.is_empty()
    }
}
