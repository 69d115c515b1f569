//! The snapshot format of a checkout and its implementation of [`Aggregate`].

use wincode::{SchemaRead, SchemaWrite};

use super::{Checkout, CheckoutCommand, CheckoutEvent, CheckoutRejection, CheckoutReply};
use crate::{
    aggregate::{
        Aggregate, Context, Decision, DeferredReply, SnapshotError, read_snapshot, write_part, write_snapshot,
    },
    effect::{Effect, EffectId, Outcome},
    time::Timestamp,
};

/// A frozen state of a checkout.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenCheckout {
    /// The whole state in the encoding of events, because most of it comes from events.
    state: Vec<u8>,
}

impl Aggregate for Checkout {
    type Command = CheckoutCommand;
    type Event = CheckoutEvent;
    type Reply = CheckoutReply;
    type Rejection = CheckoutRejection;
    type Frozen = FrozenCheckout;

    fn decide(
        &self,
        command: &CheckoutCommand,
        context: &Context,
    ) -> Result<Decision<CheckoutEvent, CheckoutReply>, CheckoutRejection> {
        self.decide_command(command, context)
    }

    fn deferred_reply(
        &self,
        deferred: &DeferredReply,
        _now: Timestamp,
    ) -> Option<Result<CheckoutReply, CheckoutRejection>> {
        self.answer(deferred)
    }

    fn on_wake(&self, now: Timestamp) -> Vec<CheckoutEvent> {
        self.on_time(now)
    }

    fn on_outcome(&self, effect: EffectId, outcome: &Outcome, now: Timestamp) -> Vec<CheckoutEvent> {
        self.take_outcome(effect, outcome, now)
    }

    fn apply(&mut self, event: &CheckoutEvent) {
        self.fold(event);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.next_wake()
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

    fn freeze(&self) -> Result<FrozenCheckout, SnapshotError> {
        Ok(FrozenCheckout { state: write_part(self)? })
    }

    fn encode_frozen(frozen: &FrozenCheckout) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenCheckout = read_snapshot(bytes)?;
        minicbor::decode(&frozen.state).map_err(|error| SnapshotError(error.to_string()))
    }
}
