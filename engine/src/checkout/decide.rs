//! What a buyer can ask of a checkout, and what time asks.

use super::{
    CLAIMS_MAX, CONFIRMS_MAX, Checkout, CheckoutCommand, CheckoutEvent, CheckoutProblem, CheckoutRejection,
    CheckoutReply, SWEEPS_MAX, Sheet, Source, StartCheckout,
    phase::{Attempt, Paying, Phase},
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    drop::Buyer,
    money::AMOUNT_MAX,
    payment::{PROVIDER_CHARS_MAX, SEALED_TOKEN_BYTES_MAX},
    receipts::Receipt,
    time::Timestamp,
};

pub(super) type Decided = Result<Decision<CheckoutEvent, CheckoutReply>, CheckoutRejection>;

/// The highest tax, in hundredths of a percent: the price over again.
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
        self.existing().filter(|attempt| buyer.is(attempt.sheet.buyer)).ok_or(CheckoutRejection::NotFound)
    }

    fn start(&self, start: &StartCheckout, context: &Context) -> Decided {
        if let Some(attempt) = self.existing() {
            let receipt = attempt.sheet.receipt;
            if !context.says(receipt.fingerprint, receipt.at) {
                return Err(KeyReused.into());
            }
            return Ok(Decision::later_again(receipt.command_id));
        }
        check(start)?;
        if self.sweeps.len() >= SWEEPS_MAX {
            let retry_at = self.sweeps.iter().map(|sweep| sweep.due).min().unwrap_or(context.now);
            return Err(CheckoutRejection::TooManyAttempts { retry_at });
        }
        let attempt = self.attempt.as_ref().map_or(0, |attempt| attempt.sheet.attempt).saturating_add(1);
        let sheet = Sheet {
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
            receipt: Receipt::of(context),
            variants: start.variants.iter().any(Option::is_some).then(|| start.variants.clone()),
        };
        let started = CheckoutEvent::Started { sheet: Box::new(sheet) };
        Ok(Decision::later(vec![started], context.command_id))
    }

    fn confirm(&self, attempt: &Attempt, context: &Context) -> Decided {
        if let Some(again) = repeat(attempt, context)? {
            return Ok(again);
        }
        match &attempt.phase {
            Phase::Paying { step: Paying::Challenged { .. }, .. }
                if self.stop_due().is_some_and(|due| due <= context.now) =>
            {
                Err(CheckoutRejection::NotAllowed { why: "the checkout has expired" })
            }
            Phase::Paying { step: Paying::Challenged { .. }, .. } if attempt.callers.len() > CONFIRMS_MAX => {
                Err(CheckoutRejection::NotAllowed { why: "confirmed too often" })
            }
            Phase::Paying { step: Paying::Challenged { .. }, .. } => {
                let asked = CheckoutEvent::ConfirmationAsked { receipt: Receipt::of(context) };
                Ok(Decision::later(vec![asked], context.command_id))
            }
            _ => Err(CheckoutRejection::NotAllowed { why: "the checkout does not wait for a confirmation" }),
        }
    }

    fn cancel(&self, attempt: &Attempt, context: &Context) -> Decided {
        if let Some(again) = repeat(attempt, context)? {
            return Ok(again);
        }
        match &attempt.phase {
            Phase::Preparing { stop: None, .. } | Phase::Paying { .. } => {
                let receipt = Some(Receipt::of(context));
                let stopped = CheckoutEvent::Stopped { problem: CheckoutProblem::Cancelled, receipt, at: context.now };
                Ok(Decision::later(vec![stopped], context.command_id))
            }
            // It ends anyhow, or has ended.
            Phase::Preparing { stop: Some(_), .. } | Phase::Undoing(_) | Phase::Failed { .. } => Ok(read(attempt)),
            Phase::Selling { .. }
            | Phase::Placing { .. }
            | Phase::Capturing { .. }
            | Phase::Finishing { .. }
            | Phase::Completed { .. } => {
                Err(CheckoutRejection::NotAllowed { why: "the payment is authorised already" })
            }
            Phase::Refused { .. } => Err(CheckoutRejection::NotFound),
        }
    }

    /// When it is given up.
    fn stop_due(&self) -> Option<Timestamp> {
        let attempt = self.existing()?;
        let due = attempt.sheet.gives_up_at();
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
            events.push(CheckoutEvent::Stopped { problem: CheckoutProblem::Expired, receipt: None, at: now });
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

/// Whether the command was accepted before.
fn repeat(attempt: &Attempt, context: &Context) -> Result<Option<Decision<CheckoutEvent, CheckoutReply>>, KeyReused> {
    let known = attempt.callers.iter().find(|caller| context.ids().any(|id| id == caller.receipt.command_id));
    match known {
        None => Ok(None),
        Some(caller) if !context.says(caller.receipt.fingerprint, caller.receipt.at) => Err(KeyReused),
        Some(caller) => Ok(Some(Decision::later_again(caller.receipt.command_id))),
    }
}

fn check(start: &StartCheckout) -> Result<(), CheckoutRejection> {
    let invalid = |pointer, why| Err(CheckoutRejection::Invalid { pointer, why });
    if let Source::Claims(claims) = &start.source {
        if claims.is_empty() || claims.len() > CLAIMS_MAX {
            return invalid("/claims", "has from 1 to 20 claims");
        }
        if (1..claims.len()).any(|index| claims[..index].contains(&claims[index])) {
            return invalid("/claims", "names a claim twice");
        }
    }
    if start.provider.is_empty() || start.provider.chars().count() > PROVIDER_CHARS_MAX {
        return invalid("/payment/provider", "is empty or too long");
    }
    if start.token.is_empty() || start.token.len() > SEALED_TOKEN_BYTES_MAX {
        return invalid("/payment/token", "is empty or too long");
    }
    if start.expected_total.is_some_and(|total| !(0..=AMOUNT_MAX).contains(&total.amount)) {
        return invalid("/expected_total/amount", "lies from 0 to 2^53 - 1");
    }
    let terms = &start.terms;
    if !(0..=AMOUNT_MAX).contains(&terms.shipping_flat) || terms.tax_basis_points > TAX_BASIS_POINTS_MAX {
        return invalid("", "shipping or tax is out of its range");
    }
    Ok(())
}
