//! Compensation: takes back what an attempt did, and nothing else.
//!
//! When compensation begins, every request of the attempt has a definite answer, except that of the payment, which
//! resolves an unknown authorisation itself. A delayed copy of a request can still arrive. The target rejects it where
//! it remembers the compensation (a released hold, an unlocked cart). A drop does not remember a claim that was never
//! locked, so such claims are swept: unlocked once more after the deadline of the lock command.

use super::{
    Checkout, CheckoutEvent, CheckoutLine, CheckoutOutcome, CheckoutProblem, Details, Grip, Source,
    effect_ids::{self, CheckoutEffect},
    phase::{Asked, Attempt, Compensation, CompensationStep, CompensationStepForm, Goods, Phase, Preparation},
    preparing::changed_prices,
};
use crate::{
    cart::{CartCommand, NewPrice},
    effect::Effect,
    flash_drop::{ClaimLock, DropCommand},
    id::{ClaimRef, DropId},
    order::OrderCommand,
    payment::PaymentCommand,
    stock::StockCommand,
    time::Timestamp,
};

impl Attempt {
    /// The steps that compensate the current phase.
    pub(super) fn to_undo(&self, problem: &CheckoutProblem, at: Timestamp) -> Compensation {
        let mut compensation = Compensation {
            goods: self.goods().cloned(),
            steps: Vec::new(),
            sweep: Vec::new(),
            problem: problem.clone(),
            refusable: false,
            asked_at: at,
        };
        let claims = effect_ids::claims_of(&self.details.source);
        match &self.phase {
            Phase::Preparing { step, stop } => {
                compensation.refusable = stop.is_none();
                match step {
                    Preparation::LockingClaims { claim_locks, .. } => {
                        for (index, (claim, claim_lock)) in claims.iter().zip(claim_locks).enumerate() {
                            compensation.unlock_claim(index, *claim, claim_lock, at > self.details.sweep_due());
                        }
                    }
                    Preparation::Locking { .. } => compensation.unlock(&self.details, Vec::new()),
                    Preparation::Quoting { lines, quotes } => {
                        compensation.unlock(&self.details, changed_prices(lines, quotes));
                    }
                    // Includes rejected holds, so that a delayed copy of their command finds the hold released.
                    Preparation::Holding { goods, .. } => compensation.let_go(&self.details, &goods.lines),
                }
            }
            Phase::Paying { goods, .. } => {
                if !matches!(problem, CheckoutProblem::PaymentDeclined { .. }) {
                    compensation.push(effect_ids::PAYMENT, CompensationStep::Void);
                }
                compensation.let_go(&self.details, &goods.lines);
            }
            Phase::Selling { goods, lines, .. } => {
                compensation.push(effect_ids::PAYMENT, CompensationStep::Void);
                for (index, (line, sold)) in goods.lines.iter().zip(lines).enumerate() {
                    match sold {
                        Asked::Yes(()) => compensation.unsell_line(index, line),
                        Asked::Open | Asked::No(_) => compensation.let_go_line(index, line),
                    }
                }
                compensation.unlock(&self.details, Vec::new());
            }
            Phase::Placing { goods, .. } | Phase::Capturing { goods } => {
                compensation.push(effect_ids::PAYMENT, CompensationStep::Void);
                if matches!(self.phase, Phase::Capturing { .. }) {
                    compensation.push(effect_ids::ORDER, CompensationStep::FailOrder);
                }
                for (index, line) in goods.lines.iter().enumerate() {
                    compensation.unsell_line(index, line);
                }
                compensation.unlock(&self.details, Vec::new());
            }
            Phase::Finishing { .. }
            | Phase::Compensation(_)
            | Phase::Completed { .. }
            | Phase::Failed { .. }
            | Phase::Refused { .. } => {}
        }
        compensation
    }

    /// The final event of the compensation.
    pub(super) fn after_undoing(&self, compensation: &Compensation, at: Timestamp) -> CheckoutEvent {
        let problem = compensation.problem.clone();
        if compensation.refusable && !self.start_heard() {
            CheckoutEvent::Refused { problem, at }
        } else {
            CheckoutEvent::Failed { problem, at }
        }
    }
}

impl Compensation {
    fn push(&mut self, slot: u64, undo: CompensationStep) {
        self.steps.push(CompensationStepForm { slot, undo, done: false });
    }

    fn unlock_claim(
        &mut self,
        index: usize,
        claim: ClaimRef,
        claim_lock: &Asked<super::phase::LockedClaim>,
        late: bool,
    ) {
        match claim_lock {
            Asked::Yes(_) => self.push(effect_ids::line(index), CompensationStep::UnlockClaim(claim)),
            // No copy of the command can lock these claims any more.
            Asked::No(
                CheckoutProblem::ClaimReleased { .. }
                | CheckoutProblem::AlreadySold { .. }
                | CheckoutProblem::TooManyCheckouts,
            ) => return,
            // A delayed copy of the lock command may have locked the claim, or may still do so. If its deadline has
            // passed, unlock the claim now. Otherwise, the sweep unlocks it after the deadline.
            Asked::No(_) | Asked::Open if late => {
                self.push(effect_ids::line(index), CompensationStep::UnlockClaim(claim))
            }
            Asked::No(_) | Asked::Open => {}
        }
        self.sweep.push(claim);
    }

    fn let_go(&mut self, details: &Details, lines: &[CheckoutLine]) {
        for (index, line) in lines.iter().enumerate() {
            self.let_go_line(index, line);
        }
        self.unlock(details, Vec::new());
    }

    fn let_go_line(&mut self, index: usize, line: &CheckoutLine) {
        match line.grip {
            Grip::Claim(claim) => {
                self.push(effect_ids::line(index), CompensationStep::UnlockClaim(claim));
                self.sweep.push(claim);
            }
            Grip::Hold(hold) => self.push(effect_ids::line(index), CompensationStep::Release(line.sku.clone(), hold)),
        }
    }

    fn unsell_line(&mut self, index: usize, line: &CheckoutLine) {
        let undo = match line.grip {
            Grip::Claim(claim) => CompensationStep::UnsellClaim(claim),
            Grip::Hold(hold) => CompensationStep::UnsellHold(line.sku.clone(), hold),
        };
        self.push(effect_ids::line(index), undo);
    }

    fn unlock(&mut self, details: &Details, prices: Vec<NewPrice>) {
        if matches!(details.source, Source::Cart(_)) {
            self.push(effect_ids::CART, CompensationStep::Unlock(prices));
        }
    }

    /// The requests of the steps that are not done yet.
    pub(super) fn to_ask(&self, details: &Details) -> Vec<CheckoutEffect> {
        let open = self.steps.iter().filter(|step| !step.done);
        open.filter_map(|step| step.effect(details, self.goods.as_ref())).collect()
    }

    /// Takes the answer to a step. A rejection means that there was nothing to compensate.
    pub(super) fn undone(&self, slot: u64, outcome: &CheckoutOutcome) -> Option<CheckoutEvent> {
        use CompensationStep as Step;
        let step = self.steps.iter().find(|step| step.slot == slot && !step.done)?;
        let answered = match outcome {
            CheckoutOutcome::Claim(..) => matches!(step.undo, Step::UnlockClaim(_) | Step::UnsellClaim(_)),
            CheckoutOutcome::Hold(..) => matches!(step.undo, Step::Release(..) | Step::UnsellHold(..)),
            CheckoutOutcome::Cart(_) => matches!(step.undo, Step::Unlock(_)),
            CheckoutOutcome::Payment(_) => matches!(step.undo, Step::Void),
            CheckoutOutcome::Order(_) => matches!(step.undo, Step::FailOrder),
            CheckoutOutcome::Number(_)
            | CheckoutOutcome::Quote(..)
            | CheckoutOutcome::DropView(..)
            | CheckoutOutcome::Sweep(..) => false,
        };
        answered.then_some(CheckoutEvent::Done { slot })
    }
}

impl CompensationStepForm {
    fn effect(&self, details: &Details, goods: Option<&Goods>) -> Option<CheckoutEffect> {
        let claim = |request| Some(CheckoutEffect::Claim(effect_ids::line_index(self.slot)? as u64, request));
        let hold = |request| Some(CheckoutEffect::Hold(effect_ids::line_index(self.slot)? as u64, request));
        match &self.undo {
            CompensationStep::UnlockClaim(locked) => {
                claim(unlock_claim(*locked, details.claim_lock(), details.started_at()))
            }
            CompensationStep::UnsellClaim(sold) => {
                claim((sold.drop, DropCommand::Unsell { claim: sold.claim, order: details.order() }))
            }
            CompensationStep::Release(sku, held) => hold((sku.clone(), StockCommand::Release { hold: *held })),
            CompensationStep::UnsellHold(sku, sold) => {
                let quantity = goods?.lines.iter().find(|line| line.grip == Grip::Hold(*sold))?.quantity;
                hold((sku.clone(), StockCommand::Unsell { hold: *sold, quantity }))
            }
            CompensationStep::Unlock(prices) => {
                let Source::Cart(cart) = details.source else { return None };
                let end = CartCommand::EndCheckout {
                    checkout: details.checkout,
                    attempt: details.attempt,
                    sold: false,
                    prices: prices.clone(),
                    deadline: details.arrive_by(),
                };
                Some(CheckoutEffect::Cart((cart, end)))
            }
            CompensationStep::Void => Some(CheckoutEffect::Payment((details.payment(), PaymentCommand::Void))),
            CompensationStep::FailOrder => Some(CheckoutEffect::Order((details.order(), OrderCommand::CaptureFailed))),
        }
    }
}

fn unlock_claim(claim: ClaimRef, lock: ClaimLock, started_at: Timestamp) -> (DropId, DropCommand) {
    (claim.drop, DropCommand::UnlockClaim { claim: claim.claim, lock, started_at })
}

impl Checkout {
    /// The sweep requests that have no answer yet, of one attempt or of all attempts.
    pub(super) fn to_sweep(&self, only: Option<u32>) -> Vec<Effect> {
        let Some(checkout) = self.attempt.as_ref().map(|attempt| attempt.details.checkout) else { return Vec::new() };
        let mut effects = Vec::new();
        let asked = self.sweeps.iter().filter(|sweep| sweep.asked && only.is_none_or(|only| only == sweep.attempt));
        for sweep in asked {
            let claim_lock = ClaimLock { checkout, attempt: sweep.attempt };
            for (index, (claim, _)) in sweep.claims.iter().enumerate().filter(|(_, (_, done))| !done) {
                let key = effect_ids::sweep(sweep.attempt, index);
                let request = unlock_claim(*claim, claim_lock, sweep.started_at);
                effects.push(CheckoutEffect::Sweep(key, request).with(0));
            }
        }
        effects
    }

    pub(super) fn take_sweep(&self, key: u64, slot: u64) -> Option<CheckoutEvent> {
        let (attempt, index) = effect_ids::swept(key);
        let sweep = self.sweeps.iter().find(|sweep| sweep.asked && sweep.attempt == attempt)?;
        let (_, done) = sweep.claims.get(index)?;
        (!done).then_some(CheckoutEvent::Swept { slot })
    }
}
