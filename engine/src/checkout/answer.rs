//! What callers hear, and when.

use super::{
    ANSWER_WITHIN_MS, Checkout, CheckoutEvent, CheckoutRejection, CheckoutReply, CheckoutState, CheckoutView,
    phase::{Attempt, Caller, Heard, Paying, Phase},
};
use crate::{aggregate::Ticket, time::Timestamp};

impl Checkout {
    /// The attempt, unless it was refused: then there is no checkout.
    pub(super) fn existing(&self) -> Option<&Attempt> {
        self.attempt.as_ref().filter(|attempt| !matches!(attempt.phase, Phase::Refused { .. }))
    }

    /// After an event: whoever waits hears what there is to hear.
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

    /// The answer to a command that was accepted, once there is one.
    pub(super) fn answer(&self, ticket: &Ticket) -> Option<Result<CheckoutReply, CheckoutRejection>> {
        let attempt = self.attempt.as_ref()?;
        let caller = attempt.callers.iter().find(|caller| caller.receipt.command_id == ticket.command_id)?;
        match (&attempt.phase, &caller.heard) {
            (Phase::Refused { problem }, _) => Some(Err(problem.clone().into())),
            (_, Some(heard)) => Some(Ok(CheckoutReply::Checkout(Box::new(attempt.view_as(heard))))),
            (_, None) => None,
        }
    }

    /// When someone has waited long enough.
    pub(super) fn answer_due(&self) -> Option<Timestamp> {
        let waiting = self.existing()?.callers.iter().filter(|caller| caller.heard.is_none());
        waiting.map(Caller::hears_by).min()
    }
}

impl Caller {
    fn hears_by(&self) -> Timestamp {
        self.receipt.at.plus_ms(ANSWER_WITHIN_MS)
    }
}

impl Attempt {
    fn to_hear(&self) -> Heard {
        let state = match &self.phase {
            Phase::Paying { step: Paying::Challenged { url, expires_at }, .. } => CheckoutState::RequiresAction {
                url: url.clone(),
                expires_at: (*expires_at).min(self.sheet.gives_up_at()),
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
            id: self.sheet.checkout,
            buyer: self.sheet.buyer,
            state: heard.state.clone(),
            lines: goods.map(|goods| goods.lines.clone()).unwrap_or_default(),
            totals: goods.map(|goods| goods.totals),
            payment: self.payment.filter(|_| heard.payment_known),
            started_at: self.sheet.started_at(),
            expires_at: self.sheet.gives_up_at(),
        }
    }

    /// The checkout as it stands.
    pub(super) fn view(&self) -> CheckoutView {
        self.view_as(&self.to_hear())
    }
}
