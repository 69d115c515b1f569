//! What lists show of a checkout, folded from its events.

use serde::{Deserialize, Serialize};

use super::{
    Checkout, CheckoutEvent,
    phase::{Attempt, Paying, Phase},
};
use crate::{
    id::{OrderId, SubjectId},
    money::Money,
    time::Timestamp,
    view::View,
};

/// The status of a checkout, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStatus {
    /// In progress.
    Pending,
    /// The buyer has to pass a challenge.
    RequiresAction,
    /// Paid.
    Completed,
    /// Failed. Nothing of the checkout remains.
    Failed,
    /// Refused before it began. No list shows it.
    Refused,
}

impl CheckoutStatus {
    /// The status after an event. `None` if the event does not change the status.
    fn after(event: &CheckoutEvent) -> Option<Self> {
        match event {
            CheckoutEvent::Started { .. }
            | CheckoutEvent::ConfirmationAsked { .. }
            | CheckoutEvent::SaleAsked { .. }
            | CheckoutEvent::Stopped { .. }
            | CheckoutEvent::UndoAsked { .. } => Some(Self::Pending),
            CheckoutEvent::ActionRequired { .. } => Some(Self::RequiresAction),
            CheckoutEvent::Completed { .. } => Some(Self::Completed),
            CheckoutEvent::Failed { .. } => Some(Self::Failed),
            CheckoutEvent::Refused { .. } => Some(Self::Refused),
            CheckoutEvent::ClaimLocked { .. }
            | CheckoutEvent::DropSeen { .. }
            | CheckoutEvent::Locked { .. }
            | CheckoutEvent::Quoted { .. }
            | CheckoutEvent::Done { .. }
            | CheckoutEvent::Denied { .. }
            | CheckoutEvent::Numbered { .. }
            | CheckoutEvent::QuotesAsked
            | CheckoutEvent::HoldsAsked { .. }
            | CheckoutEvent::AuthorisationAsked { .. }
            | CheckoutEvent::OrderAsked { .. }
            | CheckoutEvent::CaptureAsked { .. }
            | CheckoutEvent::FinishAsked { .. }
            | CheckoutEvent::StillPending { .. }
            | CheckoutEvent::SweepAsked { .. }
            | CheckoutEvent::Swept { .. } => None,
        }
    }
}

/// A checkout without its lines and without the buyer's next action.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckoutSummary {
    /// The subject that pays.
    pub buyer: SubjectId,
    /// The status.
    pub state: CheckoutStatus,
    /// The recorded name of the problem of a failure.
    pub problem: Option<String>,
    /// The order, once the checkout is paid.
    pub order: Option<OrderId>,
    /// The total, once it is known.
    pub total: Option<Money>,
    /// The time of the start.
    pub started_at: Timestamp,
}

impl View for CheckoutSummary {
    type Event = CheckoutEvent;

    fn concerns(event: &CheckoutEvent) -> bool {
        let has_total = matches!(event, CheckoutEvent::HoldsAsked { .. } | CheckoutEvent::AuthorisationAsked { .. });
        has_total || CheckoutStatus::after(event).is_some()
    }

    fn fold(view: &mut Option<Self>, event: &CheckoutEvent) {
        if let CheckoutEvent::Started { details } = event {
            // A refused checkout can be tried again under the same id, which is a new attempt.
            *view = Some(Self {
                buyer: details.buyer,
                state: CheckoutStatus::Pending,
                problem: None,
                order: None,
                total: None,
                started_at: details.started_at(),
            });
            return;
        }
        let Some(checkout) = view else { return };
        checkout.state = CheckoutStatus::after(event).unwrap_or(checkout.state);
        match event {
            CheckoutEvent::HoldsAsked { totals, .. } | CheckoutEvent::AuthorisationAsked { totals, .. } => {
                checkout.total = Some(totals.total);
            }
            CheckoutEvent::Completed { order, .. } => checkout.order = Some(*order),
            CheckoutEvent::Failed { problem, .. } | CheckoutEvent::Refused { problem, .. } => {
                checkout.problem = Some(problem.recorded_name().to_owned());
            }
            _ => {}
        }
    }
}

impl Attempt {
    /// The status of the attempt, from its phase.
    pub(super) fn status(&self) -> CheckoutStatus {
        match &self.phase {
            Phase::Paying { step: Paying::Challenged { .. }, .. } => CheckoutStatus::RequiresAction,
            Phase::Completed { .. } => CheckoutStatus::Completed,
            Phase::Failed { .. } => CheckoutStatus::Failed,
            Phase::Refused { .. } => CheckoutStatus::Refused,
            _ => CheckoutStatus::Pending,
        }
    }
}

impl Checkout {
    /// Asserts that the phase after an event has the status that lists derive from the event alone.
    #[cfg(debug_assertions)]
    pub(super) fn assert_status(&self, event: &CheckoutEvent) {
        if let (Some(attempt), Some(status)) = (&self.attempt, CheckoutStatus::after(event)) {
            assert_eq!(attempt.status(), status, "the status after {event:?}");
        }
    }
}
