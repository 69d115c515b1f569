//! How events change a checkout. Applying an event cannot fail.

use minicbor::{Decode, Encode};

use super::{
    CheckoutEvent, CheckoutProblem, Grip, Source, Totals, effect_ids,
    phase::{Asked, Attempt, Caller, DropSeen, Goods, LockedClaim, Paying, Phase, Preparation, Sweep, open},
};
use crate::{checkout::CheckoutLine, id::ClaimRef, time::Timestamp};

/// A checkout. `Default` is a checkout that does not exist yet.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Checkout {
    /// The newest attempt.
    #[n(0)]
    pub(super) attempt: Option<Attempt>,
    /// The number of steps so far, over all attempts: the generation of the current step's effects.
    #[n(1)]
    pub(super) generation: u64,
    /// Claims of ended attempts that must be unlocked once more.
    #[n(2)]
    pub(super) sweeps: Vec<Sweep>,
}

impl Checkout {
    pub(super) fn fold(&mut self, event: &CheckoutEvent) {
        // First, so that the new step's effects carry its generation and late outcomes of the old step are ignored.
        if effect_ids::begins_step(event) {
            self.generation += 1;
        }
        match event {
            CheckoutEvent::Started { details } => {
                let step = match &details.source {
                    Source::Claims(claims) => Preparation::LockingClaims {
                        claim_locks: open(claims.len()),
                        drops: open(effect_ids::drops_of(claims).len()),
                    },
                    Source::Cart(_) => Preparation::Locking { cart: Asked::Open },
                };
                self.attempt = Some(Attempt {
                    details: (**details).clone(),
                    callers: vec![Caller { processed: details.processed, heard: None }],
                    payment: None,
                    phase: Phase::Preparing { step, stop: None },
                });
            }
            CheckoutEvent::SweepAsked { attempt, .. } => {
                for sweep in self.sweeps.iter_mut().filter(|sweep| sweep.attempt == *attempt) {
                    sweep.asked = true;
                }
            }
            CheckoutEvent::Swept { slot } => self.swept(*slot),
            CheckoutEvent::Stopped { .. } if !self.can_still_prepare() => {
                // The payment is voided immediately, which ends the current step.
                self.generation += 1;
                self.change_attempt(event);
            }
            _ => self.change_attempt(event),
        }
        self.tell_callers(event);
        #[cfg(debug_assertions)]
        self.assert_status(event);
    }

    fn can_still_prepare(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.phase, Phase::Preparing { .. }))
    }

    fn change_attempt(&mut self, event: &CheckoutEvent) {
        let Some(attempt) = &mut self.attempt else { return };
        match event {
            CheckoutEvent::ClaimLocked { .. }
            | CheckoutEvent::DropSeen { .. }
            | CheckoutEvent::Locked { .. }
            | CheckoutEvent::Quoted { .. }
            | CheckoutEvent::Done { .. }
            | CheckoutEvent::Denied { .. }
            | CheckoutEvent::Numbered { .. } => attempt.take_answer(event),
            CheckoutEvent::Completed { order, .. } => {
                if let Some(goods) = attempt.goods().cloned() {
                    attempt.phase = Phase::Completed { goods, order: *order };
                }
            }
            CheckoutEvent::Failed { problem, .. } => {
                self.sweeps.extend(attempt.sweep());
                attempt.phase = Phase::Failed { goods: attempt.goods().cloned(), problem: problem.clone() };
            }
            CheckoutEvent::Refused { problem, .. } => {
                self.sweeps.extend(attempt.sweep());
                attempt.phase = Phase::Refused { problem: problem.clone() };
            }
            _ => attempt.begin_step(event),
        }
    }

    fn swept(&mut self, slot: u64) {
        let Some((attempt, index)) = effect_ids::swept_slot(slot) else { return };
        for sweep in self.sweeps.iter_mut().filter(|sweep| sweep.attempt == attempt) {
            if let Some((_, done)) = sweep.claims.get_mut(index) {
                *done = true;
            }
        }
        self.sweeps.retain(|sweep| sweep.claims.iter().any(|(_, done)| !done));
    }
}

impl Attempt {
    /// Records the answer to a request of the current step.
    fn take_answer(&mut self, event: &CheckoutEvent) {
        match (&mut self.phase, event) {
            (Phase::Preparing { step, .. }, _) => step.take_answer(event),
            (Phase::Selling { lines, .. }, CheckoutEvent::Done { slot }) => {
                put(lines, effect_ids::line_index(*slot), Asked::Yes(()));
            }
            (Phase::Selling { number, .. }, CheckoutEvent::Denied { slot: effect_ids::NUMBER, problem }) => {
                *number = Asked::No(problem.clone());
            }
            (Phase::Selling { lines, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(lines, effect_ids::line_index(*slot), Asked::No(problem.clone()));
            }
            (Phase::Selling { number, .. }, CheckoutEvent::Numbered { number: assigned }) => {
                *number = Asked::Yes(*assigned);
            }
            (Phase::Finishing { order_told, .. }, CheckoutEvent::Done { slot: effect_ids::ORDER }) => {
                *order_told = true
            }
            (Phase::Finishing { cart_told, .. }, CheckoutEvent::Done { slot: effect_ids::CART }) => *cart_told = true,
            (Phase::Compensation(compensation), CheckoutEvent::Done { slot }) => {
                for step in compensation.steps.iter_mut().filter(|step| step.slot == *slot) {
                    step.done = true;
                }
            }
            _ => {}
        }
    }

    /// Begins the next step or the compensation.
    fn begin_step(&mut self, event: &CheckoutEvent) {
        let phase = match event {
            CheckoutEvent::QuotesAsked => {
                let Phase::Preparing { step: Preparation::Locking { cart: Asked::Yes(lines) }, .. } = &self.phase
                else {
                    return;
                };
                let step = Preparation::Quoting { lines: lines.clone(), quotes: open(lines.len()) };
                Phase::Preparing { step, stop: None }
            }
            CheckoutEvent::HoldsAsked { totals, at } => {
                let goods = self.goods_at(totals);
                let holds = open(goods.lines.len());
                Phase::Preparing { step: Preparation::Holding { goods, holds, asked_at: *at }, stop: None }
            }
            CheckoutEvent::AuthorisationAsked { totals, .. } => {
                self.payment = Some(self.details.payment());
                Phase::Paying { goods: self.goods_at(totals), step: Paying::Authorising }
            }
            CheckoutEvent::ActionRequired { url, expires_at, .. } => {
                let Some(goods) = self.goods().cloned() else { return };
                Phase::Paying { goods, step: Paying::Challenged { url: url.clone(), expires_at: *expires_at } }
            }
            CheckoutEvent::ConfirmationAsked { processed } => {
                let Some(goods) = self.goods().cloned() else { return };
                self.callers.push(Caller { processed: *processed, heard: None });
                Phase::Paying { goods, step: Paying::Confirming }
            }
            CheckoutEvent::SaleAsked { .. } => {
                let Some(goods) = self.goods().cloned() else { return };
                Phase::Selling { lines: open(goods.lines.len()), number: Asked::Open, goods }
            }
            CheckoutEvent::OrderAsked { .. } => {
                let Phase::Selling { goods, number: Asked::Yes(number), .. } = &self.phase else { return };
                Phase::Placing { goods: goods.clone(), number: *number }
            }
            CheckoutEvent::CaptureAsked { .. } => {
                let Some(goods) = self.goods().cloned() else { return };
                Phase::Capturing { goods }
            }
            CheckoutEvent::FinishAsked { .. } => {
                let Some(goods) = self.goods().cloned() else { return };
                let cart_told = !matches!(self.details.source, Source::Cart(_));
                Phase::Finishing { goods, order_told: false, cart_told }
            }
            CheckoutEvent::Stopped { problem, processed, at } => {
                self.callers.extend(processed.map(|processed| Caller { processed, heard: None }));
                match &mut self.phase {
                    Phase::Preparing { stop, .. } => {
                        *stop = Some(problem.clone());
                        return;
                    }
                    _ => self.compensation(problem, *at),
                }
            }
            CheckoutEvent::UndoAsked { problem, at } => self.compensation(problem, *at),
            _ => return,
        };
        self.phase = phase;
    }

    fn compensation(&self, problem: &CheckoutProblem, at: Timestamp) -> Phase {
        Phase::Compensation(self.to_undo(problem, at))
    }

    /// The lines found by the preparation, with these totals.
    fn goods_at(&self, totals: &Totals) -> Goods {
        Goods { lines: self.lines(), totals: *totals }
    }

    /// The lines of the checkout, as far as the preparation knows them.
    pub(super) fn lines(&self) -> Vec<CheckoutLine> {
        let details = &self.details;
        match &self.phase {
            Phase::Preparing { step: Preparation::LockingClaims { claim_locks, drops }, .. } => {
                let claims = effect_ids::claims_of(&details.source);
                let seen = effect_ids::drops_of(claims);
                let line = |(index, (claim, locked_claim)): (usize, (&ClaimRef, &Asked<LockedClaim>))| {
                    let locked_claim = locked_claim.yes()?;
                    let variant = details.variants.as_ref().and_then(|variants| variants.get(index)?.as_ref());
                    let drop =
                        seen.iter().position(|drop| *drop == claim.drop).and_then(|index| drops.get(index)?.yes());
                    let title = variant.map(|variant| variant.title.clone());
                    // A SKU that is not in the catalogue gets the title of its drop.
                    let title = title.or_else(|| drop.map(|drop| drop.title.clone()).filter(|title| !title.is_empty()));
                    let options = variant.map(|variant| variant.options.clone());
                    Some(CheckoutLine {
                        sku: locked_claim.sku.clone(),
                        product: variant.map(|variant| variant.product).or_else(|| drop.and_then(|drop| drop.product)),
                        title: title.unwrap_or_else(|| locked_claim.sku.to_string()),
                        quantity: locked_claim.quantity,
                        unit_price: locked_claim.price,
                        grip: Grip::Claim(*claim),
                        options: options.filter(|options| !options.is_empty()),
                    })
                };
                claims.iter().zip(claim_locks).enumerate().filter_map(line).collect()
            }
            Phase::Preparing { step: Preparation::Quoting { lines, quotes }, .. } => lines
                .iter()
                .zip(quotes)
                .map(|(line, quote)| CheckoutLine {
                    sku: line.sku.clone(),
                    product: Some(line.product),
                    title: line.title.clone(),
                    quantity: line.quantity,
                    unit_price: quote.yes().copied().unwrap_or(line.price),
                    grip: Grip::Hold(effect_ids::hold_id(details.checkout, details.attempt, &line.sku)),
                    options: line.options.clone(),
                })
                .collect(),
            _ => self.goods().map(|goods| goods.lines.clone()).unwrap_or_default(),
        }
    }

    /// The claims that a delayed copy of this attempt's lock commands could still lock.
    fn sweep(&self) -> Option<Sweep> {
        let Phase::Compensation(compensation) = &self.phase else { return None };
        let due = self.details.sweep_due();
        // After this instant no delayed copy is accepted, so the compensation itself is final.
        if compensation.sweep.is_empty() || compensation.asked_at > due {
            return None;
        }
        Some(Sweep {
            attempt: self.details.attempt,
            started_at: self.details.started_at(),
            due,
            asked: false,
            claims: compensation.sweep.iter().map(|claim| (*claim, false)).collect(),
        })
    }
}

impl Preparation {
    fn take_answer(&mut self, event: &CheckoutEvent) {
        match (self, event) {
            (
                Preparation::LockingClaims { claim_locks, .. },
                CheckoutEvent::ClaimLocked { slot, sku, quantity, price },
            ) => {
                let locked_claim = LockedClaim { sku: sku.clone(), quantity: *quantity, price: *price };
                put(claim_locks, effect_ids::line_index(*slot), Asked::Yes(locked_claim));
            }
            (Preparation::LockingClaims { drops, .. }, CheckoutEvent::DropSeen { slot, title, product }) => {
                let seen = DropSeen { title: title.clone(), product: *product };
                put(drops, effect_ids::drop_index(*slot), Asked::Yes(seen));
            }
            (Preparation::LockingClaims { claim_locks, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(claim_locks, effect_ids::line_index(*slot), Asked::No(problem.clone()));
            }
            (Preparation::Locking { cart }, CheckoutEvent::Locked { lines }) => *cart = Asked::Yes(lines.clone()),
            (Preparation::Locking { cart }, CheckoutEvent::Denied { problem, .. }) => {
                *cart = Asked::No(problem.clone())
            }
            (Preparation::Quoting { quotes, .. }, CheckoutEvent::Quoted { slot, price }) => {
                put(quotes, effect_ids::line_index(*slot), Asked::Yes(*price));
            }
            (Preparation::Quoting { quotes, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(quotes, effect_ids::line_index(*slot), Asked::No(problem.clone()));
            }
            (Preparation::Holding { holds, .. }, CheckoutEvent::Done { slot }) => {
                put(holds, effect_ids::line_index(*slot), Asked::Yes(()));
            }
            (Preparation::Holding { holds, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(holds, effect_ids::line_index(*slot), Asked::No(problem.clone()));
            }
            _ => {}
        }
    }
}

fn put<T>(answers: &mut [Asked<T>], index: Option<usize>, answer: Asked<T>) {
    if let Some(place) = index.and_then(|index| answers.get_mut(index)) {
        *place = answer;
    }
}
