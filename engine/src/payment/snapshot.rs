//! Snapshots of a payment, and its implementation of [`Aggregate`].

use wincode::{SchemaRead, SchemaWrite};

use super::{
    Payment, PaymentCommand, PaymentEvent, PaymentRejection, PaymentReply, PaymentState,
    fold::{Capture, Confirm, Line, Refund},
};
use crate::{
    aggregate::{
        Aggregate, Context, Decision, DeferredReply, SnapshotError, read_snapshot, write_part, write_snapshot,
    },
    effect::{Effect, EffectId, Outcome},
    id::CommandId,
    time::Timestamp,
};

/// A copy of a payment's state at one version, for a snapshot.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenPayment {
    /// The details, encoded as in events.
    details: Option<Vec<u8>>,
    state: Option<PaymentState>,
    open: Option<Line>,
    generation: u64,
    first_answer: Option<PaymentState>,
    confirms: Vec<Confirm>,
    capture: Option<Capture>,
    void: Option<CommandId>,
    refunds: Vec<Refund>,
}

impl Aggregate for Payment {
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Reply = PaymentReply;
    type Rejection = PaymentRejection;
    type Frozen = FrozenPayment;

    fn decide(
        &self,
        command: &PaymentCommand,
        context: &Context,
    ) -> Result<Decision<PaymentEvent, PaymentReply>, PaymentRejection> {
        self.decide_command(command, context)
    }

    fn deferred_reply(
        &self,
        deferred: &DeferredReply,
        _now: Timestamp,
    ) -> Option<Result<PaymentReply, PaymentRejection>> {
        self.answer(deferred.command_id)
    }

    fn on_outcome(&self, effect: EffectId, outcome: &Outcome, now: Timestamp) -> Vec<PaymentEvent> {
        match outcome {
            Outcome::Provider(answer) => self.answered(effect, answer, now),
            _ => Vec::new(),
        }
    }

    fn apply(&mut self, event: &PaymentEvent) {
        self.fold(event);
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

    fn freeze(&self) -> Result<FrozenPayment, SnapshotError> {
        Ok(FrozenPayment {
            details: self.details.as_ref().map(write_part).transpose()?,
            state: self.state.clone(),
            open: self.open,
            generation: self.generation,
            first_answer: self.first_answer.clone(),
            confirms: self.confirms.clone(),
            capture: self.capture.clone(),
            void: self.void,
            refunds: self.refunds.clone(),
        })
    }

    fn encode_frozen(frozen: &FrozenPayment) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenPayment = read_snapshot(bytes)?;
        let details = frozen.details.map(|bytes| minicbor::decode(&bytes)).transpose();
        let mut payment = Payment {
            details: details.map_err(|error| SnapshotError(error.to_string()))?,
            state: frozen.state,
            open: frozen.open,
            generation: frozen.generation,
            first_answer: frozen.first_answer,
            confirms: frozen.confirms,
            capture: frozen.capture,
            void: frozen.void,
            ..Payment::default()
        };
        for refund in frozen.refunds {
            payment.index_refund(refund);
        }
        Ok(payment)
    }
}
