//! Outcomes of effects, and the events that follow from them.
//!
//! Only the step that requested an effect takes its outcome, and only once: an outcome of an older generation or a
//! second copy changes nothing. When the step has its last outcome, the next step begins in the same batch of events.

use super::{
    Checkout, CheckoutEvent, CheckoutOutcome,
    effect_ids::{self, CheckoutEffect},
    phase::{Attempt, Phase},
};
use crate::{
    effect::{Effect, EffectId},
    time::Timestamp,
};

impl Checkout {
    pub(super) fn take_outcome(
        &self,
        effect: EffectId,
        outcome: CheckoutOutcome,
        now: Timestamp,
    ) -> Vec<CheckoutEvent> {
        if let CheckoutOutcome::Sweep(key, _) = outcome {
            return self.take_sweep(key, effect.slot).into_iter().collect();
        }
        let Some(attempt) = self.attempt.as_ref().filter(|_| effect.generation == self.generation) else {
            return Vec::new();
        };
        let slot = effect.slot;
        let event = match &attempt.phase {
            Phase::Preparing { step, .. } => attempt.prepared(step, slot, outcome),
            Phase::Paying { step, .. } => attempt.paid(step, outcome, now),
            Phase::Selling { lines, number, .. } => attempt.sold(lines, number, slot, outcome),
            Phase::Placing { .. } => attempt.placed(outcome, now),
            Phase::Capturing { .. } => attempt.captured(outcome, now),
            Phase::Finishing { order_told, cart_told, .. } => attempt.told(*order_told, *cart_told, slot, outcome),
            Phase::Compensation(compensation) => compensation.undone(slot, &outcome),
            Phase::Completed { .. } | Phase::Failed { .. } | Phase::Refused { .. } => None,
        };
        event.map(|event| self.with_what_follows(event, now)).unwrap_or_default()
    }

    /// The event, followed by the start of the next step if the event ends the current step.
    pub(super) fn with_what_follows(&self, event: CheckoutEvent, now: Timestamp) -> Vec<CheckoutEvent> {
        let mut events = vec![event];
        // The step waits for more answers. Checked first to avoid the clone below.
        if self.attempt.as_ref().is_some_and(|attempt| attempt.open_answers() > 1) {
            return events;
        }
        let mut next = self.clone();
        next.fold(&events[0]);
        // A step without requests ends immediately. At most three such steps follow each other.
        while let Some(event) = next.attempt.as_ref().and_then(|attempt| attempt.next_step(now)) {
            next.fold(&event);
            events.push(event);
        }
        events
    }

    /// The requests of the current step that have no answer yet.
    pub(super) fn asked_now(&self) -> Vec<Effect> {
        let Some(attempt) = &self.attempt else { return Vec::new() };
        let effects: Vec<CheckoutEffect> = match &attempt.phase {
            Phase::Preparing { step, .. } => attempt.to_prepare(step),
            Phase::Paying { goods, step } => attempt.to_pay(goods, step).into_iter().collect(),
            Phase::Selling { goods, lines, number } => attempt.to_sell(goods, lines, number),
            Phase::Placing { goods, number } => vec![attempt.to_place(goods, *number)],
            Phase::Capturing { .. } => vec![attempt.to_capture()],
            Phase::Finishing { order_told, cart_told, .. } => attempt.to_tell(*order_told, *cart_told),
            Phase::Compensation(compensation) => compensation.to_ask(&attempt.details),
            Phase::Completed { .. } | Phase::Failed { .. } | Phase::Refused { .. } => Vec::new(),
        };
        effects.into_iter().map(|effect| effect.with(self.generation)).collect()
    }

    pub(super) fn effects_of(&self, event: &CheckoutEvent) -> Vec<Effect> {
        match event {
            CheckoutEvent::SweepAsked { attempt, .. } => self.to_sweep(Some(*attempt)),
            CheckoutEvent::Stopped { .. } => {
                let compensation =
                    self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.phase, Phase::Compensation(_)));
                if compensation { self.asked_now() } else { Vec::new() }
            }
            _ if effect_ids::begins_step(event) => self.asked_now(),
            _ => Vec::new(),
        }
    }

    pub(super) fn is_anything_outstanding(&self) -> bool {
        self.sweeps.iter().any(|sweep| sweep.asked) || self.attempt.as_ref().is_some_and(|attempt| attempt.is_waiting())
    }
}

impl Attempt {
    /// The number of answers that the current step waits for.
    fn open_answers(&self) -> usize {
        match &self.phase {
            Phase::Preparing { step, .. } => step.open_answers(),
            Phase::Selling { lines, number, .. } => {
                lines.iter().filter(|line| line.is_open()).count() + usize::from(number.is_open())
            }
            Phase::Finishing { order_told, cart_told, .. } => usize::from(!order_told) + usize::from(!cart_told),
            Phase::Compensation(compensation) => compensation.steps.iter().filter(|step| !step.done).count(),
            _ => usize::from(self.is_waiting()),
        }
    }

    /// Whether the current step waits for answers. Such a step ends with its last answer.
    fn is_waiting(&self) -> bool {
        match &self.phase {
            Phase::Preparing { .. }
            | Phase::Selling { .. }
            | Phase::Placing { .. }
            | Phase::Capturing { .. }
            | Phase::Finishing { .. }
            | Phase::Compensation(_) => true,
            Phase::Paying { step, .. } => !matches!(step, super::phase::Paying::Challenged { .. }),
            Phase::Completed { .. } | Phase::Failed { .. } | Phase::Refused { .. } => false,
        }
    }

    /// The event that follows when the current step has all its answers.
    fn next_step(&self, now: Timestamp) -> Option<CheckoutEvent> {
        if self.open_answers() > 0 {
            return None;
        }
        match &self.phase {
            Phase::Preparing { step, stop } => Some(self.after_preparation(step, stop.as_ref(), now)),
            Phase::Selling { lines, number, .. } => Some(self.after_sale(lines, number, now)),
            Phase::Finishing { .. } => Some(CheckoutEvent::Completed { order: self.details.order(), at: now }),
            Phase::Compensation(compensation) => Some(self.after_undoing(compensation, now)),
            _ => None,
        }
    }
}
