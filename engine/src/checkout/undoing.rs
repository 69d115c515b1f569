//! Taking back what an attempt did, and only that.
//!
//! By then every step had its definite answers, so it is known what was done; the payment alone may still be unknown,
//! and sees to that itself. What could still come, a late copy of a request, is kept out by its target (a hold that was
//! released, a cart that was let go), or, where the target keeps no memory of it (a claim that was never pinned), swept
//! away when its deadline has passed.

use super::{
    Checkout, CheckoutEvent, CheckoutLine, CheckoutProblem, Grip, Sheet, Source,
    phase::{Asked, Attempt, Goods, Phase, Preparation, Undo, UndoStep, Undoing},
    preparing::changed_prices,
    slots,
};
use crate::{
    cart::{CartCommand, NewPrice},
    drop::DropCommand,
    effect::{Effect, EffectId, Outcome, Request},
    id::ClaimRef,
    inventory::InventoryCommand,
    order::OrderCommand,
    payment::PaymentCommand,
    time::Timestamp,
};

impl Attempt {
    /// What is to be undone from here.
    pub(super) fn to_undo(&self, problem: &CheckoutProblem, at: Timestamp) -> Undoing {
        let mut undoing = Undoing {
            goods: self.goods().cloned(),
            steps: Vec::new(),
            sweep: Vec::new(),
            problem: problem.clone(),
            refusable: false,
            asked_at: at,
        };
        let claims = slots::claims_of(&self.sheet.source);
        match &self.phase {
            Phase::Preparing { step, stop } => {
                undoing.refusable = stop.is_none();
                match step {
                    Preparation::Pinning { pins, .. } => {
                        for (index, (claim, pin)) in claims.iter().zip(pins).enumerate() {
                            undoing.unpin(index, *claim, pin, at > self.sheet.sweep_due());
                        }
                    }
                    Preparation::Locking { .. } => undoing.unlock(&self.sheet, Vec::new()),
                    Preparation::Quoting { lines, quotes } => {
                        undoing.unlock(&self.sheet, changed_prices(lines, quotes));
                    }
                    // Also those that were refused: a late copy must find its hold released.
                    Preparation::Holding { goods, .. } => undoing.let_go(&self.sheet, &goods.lines),
                }
            }
            Phase::Paying { goods, .. } => {
                if !matches!(problem, CheckoutProblem::PaymentDeclined { .. }) {
                    undoing.push(slots::PAYMENT, Undo::Void);
                }
                undoing.let_go(&self.sheet, &goods.lines);
            }
            Phase::Selling { goods, lines, .. } => {
                undoing.push(slots::PAYMENT, Undo::Void);
                for (index, (line, sold)) in goods.lines.iter().zip(lines).enumerate() {
                    match sold {
                        Asked::Yes(()) => undoing.unsell_line(index, line),
                        Asked::Open | Asked::No(_) => undoing.let_go_line(index, line),
                    }
                }
                undoing.unlock(&self.sheet, Vec::new());
            }
            Phase::Placing { goods, .. } | Phase::Capturing { goods } => {
                undoing.push(slots::PAYMENT, Undo::Void);
                if matches!(self.phase, Phase::Capturing { .. }) {
                    undoing.push(slots::ORDER, Undo::FailOrder);
                }
                for (index, line) in goods.lines.iter().enumerate() {
                    undoing.unsell_line(index, line);
                }
                undoing.unlock(&self.sheet, Vec::new());
            }
            Phase::Finishing { .. }
            | Phase::Undoing(_)
            | Phase::Completed { .. }
            | Phase::Failed { .. }
            | Phase::Refused { .. } => {}
        }
        undoing
    }

    /// Nothing of it is left.
    pub(super) fn after_undoing(&self, undoing: &Undoing, at: Timestamp) -> CheckoutEvent {
        let problem = undoing.problem.clone();
        if undoing.refusable && !self.start_heard() {
            CheckoutEvent::Refused { problem, at }
        } else {
            CheckoutEvent::Failed { problem, at }
        }
    }
}

impl Undoing {
    fn push(&mut self, slot: u64, undo: Undo) {
        self.steps.push(UndoStep { slot, undo, done: false });
    }

    fn unpin(&mut self, index: usize, claim: ClaimRef, pin: &Asked<super::phase::Pinned>, late: bool) {
        match pin {
            Asked::Yes(_) => self.push(slots::line(index), Undo::Unpin(claim)),
            // These will never be pinned, by no copy.
            Asked::No(
                CheckoutProblem::ClaimReleased { .. }
                | CheckoutProblem::AlreadySold { .. }
                | CheckoutProblem::TooManyCheckouts,
            ) => return,
            // A late copy of the pin may have been accepted meanwhile, or may yet be: then the sweep finds it.
            Asked::No(_) | Asked::Open if late => self.push(slots::line(index), Undo::Unpin(claim)),
            Asked::No(_) | Asked::Open => {}
        }
        self.sweep.push(claim);
    }

    fn let_go(&mut self, sheet: &Sheet, lines: &[CheckoutLine]) {
        for (index, line) in lines.iter().enumerate() {
            self.let_go_line(index, line);
        }
        self.unlock(sheet, Vec::new());
    }

    fn let_go_line(&mut self, index: usize, line: &CheckoutLine) {
        match line.grip {
            Grip::Claim(claim) => {
                self.push(slots::line(index), Undo::Unpin(claim));
                self.sweep.push(claim);
            }
            Grip::Hold(hold) => self.push(slots::line(index), Undo::Release(line.sku.clone(), hold)),
        }
    }

    fn unsell_line(&mut self, index: usize, line: &CheckoutLine) {
        let undo = match line.grip {
            Grip::Claim(claim) => Undo::UnsellClaim(claim),
            Grip::Hold(hold) => Undo::UnsellHold(line.sku.clone(), hold),
        };
        self.push(slots::line(index), undo);
    }

    fn unlock(&mut self, sheet: &Sheet, prices: Vec<NewPrice>) {
        if matches!(sheet.source, Source::Cart(_)) {
            self.push(slots::CART, Undo::Unlock(prices));
        }
    }

    /// What is not undone yet.
    pub(super) fn to_ask(&self, sheet: &Sheet) -> Vec<(u64, Request)> {
        let open = self.steps.iter().filter(|step| !step.done);
        open.filter_map(|step| Some((step.slot, step.undo.request(sheet, self.goods.as_ref())?))).collect()
    }

    /// Whoever was asked has answered. A refusal means that there is nothing to undo.
    pub(super) fn undone(&self, slot: u64, outcome: &Outcome) -> Option<CheckoutEvent> {
        let step = self.steps.iter().find(|step| step.slot == slot && !step.done)?;
        let answered = match step.undo {
            Undo::Unpin(_) | Undo::UnsellClaim(_) => matches!(outcome, Outcome::Drop(_)),
            Undo::Release(..) | Undo::UnsellHold(..) => matches!(outcome, Outcome::Inventory(_)),
            Undo::Unlock(_) => matches!(outcome, Outcome::Cart(_)),
            Undo::Void => matches!(outcome, Outcome::Payment(_)),
            Undo::FailOrder => matches!(outcome, Outcome::Order(_)),
        };
        answered.then_some(CheckoutEvent::Done { slot })
    }
}

impl Undo {
    fn request(&self, sheet: &Sheet, goods: Option<&Goods>) -> Option<Request> {
        Some(match self {
            Undo::Unpin(claim) => unpin(*claim, sheet.pin(), sheet.started_at()),
            Undo::UnsellClaim(claim) => {
                Request::Drop(claim.drop, DropCommand::Unsell { claim: claim.claim, order: sheet.order() })
            }
            Undo::Release(sku, hold) => Request::Inventory(sku.clone(), InventoryCommand::Release { hold: *hold }),
            Undo::UnsellHold(sku, hold) => {
                let quantity = goods?.lines.iter().find(|line| line.grip == Grip::Hold(*hold))?.quantity;
                Request::Inventory(sku.clone(), InventoryCommand::Unsell { hold: *hold, quantity })
            }
            Undo::Unlock(prices) => {
                let Source::Cart(cart) = sheet.source else { return None };
                let end = CartCommand::EndCheckout {
                    checkout: sheet.checkout,
                    attempt: sheet.attempt,
                    sold: false,
                    prices: prices.clone(),
                    deadline: sheet.arrive_by(),
                };
                Request::Cart(cart, end)
            }
            Undo::Void => Request::Payment(sheet.payment(), PaymentCommand::Void),
            Undo::FailOrder => Request::Order(sheet.order(), OrderCommand::CaptureFailed),
        })
    }
}

fn unpin(claim: ClaimRef, pin: crate::drop::Pin, started_at: Timestamp) -> Request {
    Request::Drop(claim.drop, DropCommand::Unpin { claim: claim.claim, pin, started_at })
}

impl Checkout {
    /// The claims that are being swept, of one attempt or of all.
    pub(super) fn to_sweep(&self, only: Option<u32>) -> Vec<Effect> {
        let Some(checkout) = self.attempt.as_ref().map(|attempt| attempt.sheet.checkout) else { return Vec::new() };
        let mut effects = Vec::new();
        let asked = self.sweeps.iter().filter(|sweep| sweep.asked && only.is_none_or(|only| only == sweep.attempt));
        for sweep in asked {
            let pin = crate::drop::Pin { checkout, attempt: sweep.attempt };
            for (index, (claim, _)) in sweep.claims.iter().enumerate().filter(|(_, (_, done))| !done) {
                let id: EffectId = slots::sweep(sweep.attempt, index);
                effects.push(Effect { id, request: unpin(*claim, pin, sweep.started_at) });
            }
        }
        effects
    }

    pub(super) fn take_sweep(&self, effect: EffectId, outcome: &Outcome) -> Option<CheckoutEvent> {
        let (attempt, index) = slots::swept(effect.slot)?;
        let sweep = self.sweeps.iter().find(|sweep| sweep.asked && sweep.attempt == attempt)?;
        let (_, done) = sweep.claims.get(index)?;
        (!done && matches!(outcome, Outcome::Drop(_))).then_some(CheckoutEvent::Swept { slot: effect.slot })
    }
}
