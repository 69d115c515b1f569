//! The replies to callers, and when they are sent.

use super::{
    ANSWER_WITHIN_MS, Checkout, CheckoutEvent, CheckoutRejection, CheckoutReply, CheckoutState, CheckoutView,
    phase::{Attempt, Caller, Heard, Paying, Phase},
};
use crate::{aggregate::DeferredReply, time::Timestamp};

impl Checkout {
    /// The attempt, unless it was refused: a refused checkout does not exist.
    pub(super) fn existing(&self) -> Option<&Attempt> {
        self.attempt.as_ref().filter(|attempt| !matches!(attempt.phase, Phase::Refused { .. }))
    }

    /// Records the replies that callers get after this event.
    pub(super) fn tell_callers(&mut self, event: &CheckoutEvent) {
        let Some(attempt) = &mut self.attempt else { return };
        let heard = attempt.to_hear();
        let pending = matches!(heard.state, CheckoutState::Pending);
        let waited_since = match event {
            CheckoutEvent::StillPending { at } => Some(*at),
            _ if pending => return,
            _ => None,
        };
        if matches!(attempt.phase, Phase::Refused { .. }) {
            return;
        }
        for caller in attempt.callers.iter_mut().filter(|caller| caller.heard.is_none()) {
            if !pending || waited_since.is_some_and(|at| caller.hears_by() <= at) {
                caller.heard = Some(heard.clone());
            }
        }
    }

    /// The reply to an accepted command, once it is known.
    pub(super) fn answer(&self, deferred: &DeferredReply) -> Option<Result<CheckoutReply, CheckoutRejection>> {
        let attempt = self.attempt.as_ref()?;
        let caller = attempt.callers.iter().find(|caller| caller.processed.command_id == deferred.command_id)?;
        match (&attempt.phase, &caller.heard) {
            (Phase::Refused { problem }, _) => Some(Err(problem.clone().into())),
            (_, Some(heard)) => Some(Ok(CheckoutReply::Checkout(Box::new(attempt.view_as(heard))))),
            (_, None) => None,
        }
    }

    /// The next time at which a waiting caller must get a reply.
    pub(super) fn answer_due(&self) -> Option<Timestamp> {
        let waiting = self.existing()?.callers.iter().filter(|caller| caller.heard.is_none());
        waiting.map(Caller::hears_by).min()
    }
}

impl Caller {
    fn hears_by(&self) -> Timestamp {
        self.processed.at.plus_ms(ANSWER_WITHIN_MS)
    }
}

impl Attempt {
    fn to_hear(&self) -> Heard {
        let state = match &self.phase {
            Phase::Paying { step: Paying::Challenged { url, expires_at }, .. } => CheckoutState::RequiresAction {
                url: url.clone(),
                expires_at: (*expires_at).min(self.details.gives_up_at()),
            },
            Phase::Completed { order, .. } => CheckoutState::Completed { order: *order },
            Phase::Failed { problem, .. } | Phase::Refused { problem } => {
                CheckoutState::Failed { problem: problem.clone() }
            }
            _ => CheckoutState::Pending,
        };
        Heard { state, goods_known: self.goods().is_some(), payment_known: self.payment.is_some() }
    }

    fn view_as(&self, heard: &Heard) -> CheckoutView {
        let goods = self.goods().filter(|_| heard.goods_known);
        CheckoutView {
            id: self.details.checkout,
            buyer: self.details.buyer,
            state: heard.state.clone(),
            lines: goods.map(|goods| goods.lines.clone()).unwrap_or_default(),
            totals: goods.map(|goods| goods.totals),
            payment: self.payment.filter(|_| heard.payment_known),
            started_at: self.details.started_at(),
            expires_at: self.details.gives_up_at(),
        }
    }

    /// The current checkout.
    pub(super) fn view(&self) -> CheckoutView {
        self.view_as(&self.to_hear())
    }
}
