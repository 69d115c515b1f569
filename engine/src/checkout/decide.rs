//! How a checkout decides the buyer's commands and its timeouts.

use super::{
    CLAIMS_MAX, CONFIRMS_MAX, Checkout, CheckoutCommand, CheckoutEvent, CheckoutProblem, CheckoutRejection,
    CheckoutReply, Details, SWEEPS_MAX, Source, StartCheckout,
    phase::{Attempt, Paying, Phase},
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    flash_drop::Buyer,
    money::AMOUNT_MAX,
    payment::{PROVIDER_CHARS_MAX, SEALED_TOKEN_BYTES_MAX},
    processed_commands::ProcessedCommand,
    time::Timestamp,
};

pub(super) type Decided = Result<Decision<CheckoutEvent, CheckoutReply>, CheckoutRejection>;

/// The maximum tax, in hundredths of a percent: 100 % of the price.
const TAX_BASIS_POINTS_MAX: u32 = 10_000;

impl Checkout {
    pub(super) fn decide_command(&self, command: &CheckoutCommand, context: &Context) -> Decided {
        match command {
            CheckoutCommand::Start(start) => self.start(start, context),
            CheckoutCommand::Confirm { buyer } => self.confirm(self.owned_by(buyer)?, context),
            CheckoutCommand::Cancel { buyer } => self.cancel(self.owned_by(buyer)?, context),
            CheckoutCommand::View { buyer } => {
                let attempt = match buyer {
                    Some(buyer) => self.owned_by(buyer)?,
                    None => self.existing().ok_or(CheckoutRejection::NotFound)?,
                };
                Ok(read(attempt))
            }
        }
    }

    fn owned_by(&self, buyer: &Buyer) -> Result<&Attempt, CheckoutRejection> {
        self.existing().filter(|attempt| buyer.is(attempt.details.buyer)).ok_or(CheckoutRejection::NotFound)
    }

    fn start(&self, start: &StartCheckout, context: &Context) -> Decided {
        if let Some(attempt) = self.existing() {
            let processed = attempt.details.processed;
            if !context.says(processed.fingerprint, processed.at) {
                return Err(KeyReused.into());
            }
            return Ok(Decision::deferred_duplicate(processed.command_id));
        }
        check(start)?;
        if self.sweeps.len() >= SWEEPS_MAX {
            let retry_at = self.sweeps.iter().map(|sweep| sweep.due).min().unwrap_or(context.now);
            return Err(CheckoutRejection::TooManyAttempts { retry_at });
        }
        let attempt = self.attempt.as_ref().map_or(0, |attempt| attempt.details.attempt).saturating_add(1);
        let details = Details {
            tenant: start.tenant.clone(),
            checkout: start.checkout,
            attempt,
            buyer: start.buyer.subject,
            former: start.buyer.former.clone(),
            customer: start.buyer.customer,
            source: start.source.clone(),
            contact: start.contact,
            email: start.email,
            provider: start.provider.clone(),
            token: start.token.clone(),
            expected_total: start.expected_total,
            terms: start.terms,
            processed: ProcessedCommand::of(context),
            variants: start.variants.iter().any(Option::is_some).then(|| start.variants.clone()),
        };
        let started = CheckoutEvent::Started { details: Box::new(details) };
        Ok(Decision::deferred(vec![started], context.command_id))
    }

    fn confirm(&self, attempt: &Attempt, context: &Context) -> Decided {
        if let Some(again) = repeat(attempt, context)? {
            return Ok(again);
        }
        match &attempt.phase {
            Phase::Paying { step: Paying::Challenged { .. }, .. }
                if self.stop_due().is_some_and(|due| due <= context.now) =>
            {
                Err(CheckoutRejection::NotAllowed { why: "the checkout has expired".into() })
            }
            Phase::Paying { step: Paying::Challenged { .. }, .. } if attempt.callers.len() > CONFIRMS_MAX => {
                Err(CheckoutRejection::NotAllowed { why: "too many confirmations".into() })
            }
            Phase::Paying { step: Paying::Challenged { .. }, .. } => {
                let asked = CheckoutEvent::ConfirmationAsked { processed: ProcessedCommand::of(context) };
                Ok(Decision::deferred(vec![asked], context.command_id))
            }
            _ => Err(CheckoutRejection::NotAllowed { why: "the checkout does not require a confirmation".into() }),
        }
    }

    fn cancel(&self, attempt: &Attempt, context: &Context) -> Decided {
        if let Some(again) = repeat(attempt, context)? {
            return Ok(again);
        }
        match &attempt.phase {
            Phase::Preparing { stop: None, .. } | Phase::Paying { .. } => {
                let processed = Some(ProcessedCommand::of(context));
                let stopped =
                    CheckoutEvent::Stopped { problem: CheckoutProblem::Cancelled, processed, at: context.now };
                Ok(Decision::deferred(vec![stopped], context.command_id))
            }
            // The checkout is ending or has ended already.
            Phase::Preparing { stop: Some(_), .. } | Phase::Compensation(_) | Phase::Failed { .. } => Ok(read(attempt)),
            Phase::Selling { .. }
            | Phase::Placing { .. }
            | Phase::Capturing { .. }
            | Phase::Finishing { .. }
            | Phase::Completed { .. } => {
                Err(CheckoutRejection::NotAllowed { why: "the payment is authorised already".into() })
            }
            Phase::Refused { .. } => Err(CheckoutRejection::NotFound),
        }
    }

    /// When the checkout expires.
    fn stop_due(&self) -> Option<Timestamp> {
        let attempt = self.existing()?;
        let due = attempt.details.gives_up_at();
        match &attempt.phase {
            Phase::Preparing { stop: None, .. } => Some(due),
            Phase::Paying { step: Paying::Challenged { expires_at, .. }, .. } => Some(due.min(*expires_at)),
            Phase::Paying { .. } => Some(due),
            _ => None,
        }
    }

    pub(super) fn on_time(&self, now: Timestamp) -> Vec<CheckoutEvent> {
        let mut events = Vec::new();
        if self.stop_due().is_some_and(|due| due <= now) {
            events.push(CheckoutEvent::Stopped { problem: CheckoutProblem::Expired, processed: None, at: now });
        }
        if self.answer_due().is_some_and(|due| due <= now) {
            events.push(CheckoutEvent::StillPending { at: now });
        }
        for sweep in self.sweeps.iter().filter(|sweep| !sweep.asked && sweep.due <= now) {
            events.push(CheckoutEvent::SweepAsked { attempt: sweep.attempt, at: now });
        }
        events
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let sweep = self.sweeps.iter().filter(|sweep| !sweep.asked).map(|sweep| sweep.due).min();
        [self.stop_due(), self.answer_due(), sweep].into_iter().flatten().min()
    }
}

fn read(attempt: &Attempt) -> Decision<CheckoutEvent, CheckoutReply> {
    Decision::read(CheckoutReply::Checkout(Box::new(attempt.view())))
}

/// The decision for a duplicate. `None` for a new command.
fn repeat(attempt: &Attempt, context: &Context) -> Result<Option<Decision<CheckoutEvent, CheckoutReply>>, KeyReused> {
    let known = attempt.callers.iter().find(|caller| context.ids().any(|id| id == caller.processed.command_id));
    match known {
        None => Ok(None),
        Some(caller) if !context.says(caller.processed.fingerprint, caller.processed.at) => Err(KeyReused),
        Some(caller) => Ok(Some(Decision::deferred_duplicate(caller.processed.command_id))),
    }
}

fn check(start: &StartCheckout) -> Result<(), CheckoutRejection> {
    let invalid = |pointer: &'static str, why: &'static str| {
        Err(CheckoutRejection::Invalid { pointer: pointer.into(), why: why.into() })
    };
    if let Source::Claims(claims) = &start.source {
        if claims.is_empty() || claims.len() > CLAIMS_MAX {
            return invalid("/claims", "must have between 1 and 20 claims");
        }
        if (1..claims.len()).any(|index| claims[..index].contains(&claims[index])) {
            return invalid("/claims", "must not contain duplicates");
        }
    }
    if start.provider.is_empty() || start.provider.chars().count() > PROVIDER_CHARS_MAX {
        return invalid("/payment/provider", "is empty or too long");
    }
    if start.token.is_empty() || start.token.len() > SEALED_TOKEN_BYTES_MAX {
        return invalid("/payment/token", "is empty or too long");
    }
    if start.expected_total.is_some_and(|total| !(0..=AMOUNT_MAX).contains(&total.amount)) {
        return invalid("/expected_total/amount", "must be between 0 and 9007199254740991");
    }
    let terms = &start.terms;
    if !(0..=AMOUNT_MAX).contains(&terms.shipping_flat) || terms.tax_basis_points > TAX_BASIS_POINTS_MAX {
        return invalid("", "shipping or tax is out of range");
    }
    Ok(())
}
