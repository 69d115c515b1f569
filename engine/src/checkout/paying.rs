//! Authorising and capturing the payment.

use super::{
    CheckoutEvent, CheckoutOutcome, CheckoutProblem,
    effect_ids::CheckoutEffect,
    phase::{Attempt, Goods, Paying},
};
use crate::{
    payment::{PaymentCommand, PaymentRejection, PaymentReply, PaymentState},
    time::Timestamp,
};

impl Attempt {
    /// The request to the payment. `None` while the buyer has to pass the challenge.
    pub(super) fn to_pay(&self, goods: &Goods, step: &Paying) -> Option<CheckoutEffect> {
        let details = &self.details;
        let command = match step {
            Paying::Authorising => PaymentCommand::Authorise {
                tenant: details.tenant.clone(),
                payment: details.payment(),
                provider: details.provider.clone(),
                token: details.token.clone(),
                amount: goods.totals.total,
            },
            Paying::Confirming => PaymentCommand::Confirm,
            Paying::Challenged { .. } => return None,
        };
        Some(CheckoutEffect::Payment((details.payment(), command)))
    }

    pub(super) fn to_capture(&self) -> CheckoutEffect {
        CheckoutEffect::Payment((self.details.payment(), PaymentCommand::Capture))
    }

    /// The event that follows from the outcome of an authorisation or a confirmation.
    pub(super) fn paid(&self, step: &Paying, outcome: CheckoutOutcome, at: Timestamp) -> Option<CheckoutEvent> {
        // The step has no other request.
        let CheckoutOutcome::Payment(answer) = outcome else { return None };
        if matches!(step, Paying::Challenged { .. }) {
            return None;
        }
        let undo = |problem| Some(CheckoutEvent::UndoAsked { problem, at });
        let view = match answer {
            Ok(PaymentReply::Payment(view)) => view,
            Ok(_) => return None,
            Err(_) => return undo(CheckoutProblem::Unavailable),
        };
        match view.state {
            PaymentState::Pending => None,
            PaymentState::RequiresAction { url, expires_at } => {
                Some(CheckoutEvent::ActionRequired { url, expires_at, at })
            }
            PaymentState::Authorised => Some(CheckoutEvent::SaleAsked { at }),
            PaymentState::Declined { code } => undo(CheckoutProblem::PaymentDeclined { code }),
            PaymentState::Captured | PaymentState::Voided | PaymentState::Failed { .. } => {
                undo(CheckoutProblem::Unavailable)
            }
        }
    }

    /// The event that follows from the outcome of a capture.
    pub(super) fn captured(&self, outcome: CheckoutOutcome, at: Timestamp) -> Option<CheckoutEvent> {
        // The step has no other request.
        let CheckoutOutcome::Payment(answer) = outcome else { return None };
        let problem = match answer {
            Ok(PaymentReply::Payment(view)) => match view.state {
                PaymentState::Captured => return Some(CheckoutEvent::FinishAsked { at }),
                PaymentState::Failed { code } => CheckoutProblem::CaptureFailed { code },
                PaymentState::Voided | PaymentState::Declined { .. } => CheckoutProblem::Unavailable,
                PaymentState::Pending | PaymentState::Authorised | PaymentState::RequiresAction { .. } => return None,
            },
            Ok(_) => return None,
            Err(PaymentRejection::CaptureFailed { code }) => CheckoutProblem::CaptureFailed { code },
            Err(_) => CheckoutProblem::Unavailable,
        };
        Some(CheckoutEvent::UndoAsked { problem, at })
    }
}
