//! How events change a checkout. Nothing here can fail or refuse.

use minicbor::{Decode, Encode};

use super::{
    CheckoutEvent, CheckoutProblem, Grip, Source, Totals,
    phase::{Asked, Attempt, Caller, DropSeen, Goods, Paying, Phase, Pinned, Preparation, Sweep, open},
    slots,
};
use crate::{checkout::CheckoutLine, id::ClaimRef, time::Timestamp};

/// A buyer's checkout. `Default` is one that nobody has begun.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Checkout {
    /// The newest attempt.
    #[n(0)]
    pub(super) attempt: Option<Attempt>,
    /// How many steps there were, over all attempts: the turn of the effects of the step at hand.
    #[n(1)]
    pub(super) turn: u64,
    /// What earlier attempts must not leave behind.
    #[n(2)]
    pub(super) sweeps: Vec<Sweep>,
}

impl Checkout {
    pub(super) fn fold(&mut self, event: &CheckoutEvent) {
        if slots::begins_step(event) {
            self.turn += 1;
        }
        match event {
            CheckoutEvent::Started { sheet } => {
                let step = match &sheet.source {
                    Source::Claims(claims) => {
                        Preparation::Pinning { pins: open(claims.len()), drops: open(slots::drops_of(claims).len()) }
                    }
                    Source::Cart(_) => Preparation::Locking { cart: Asked::Open },
                };
                self.attempt = Some(Attempt {
                    sheet: (**sheet).clone(),
                    callers: vec![Caller { receipt: sheet.receipt, heard: None }],
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
                // The money is given up at once: its step ends here.
                self.turn += 1;
                self.change_attempt(event);
            }
            _ => self.change_attempt(event),
        }
        self.tell_callers(event);
    }

    fn can_still_prepare(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.phase, Phase::Preparing { .. }))
    }

    fn change_attempt(&mut self, event: &CheckoutEvent) {
        let Some(attempt) = &mut self.attempt else { return };
        match event {
            CheckoutEvent::Pinned { .. }
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
        let Some((attempt, index)) = slots::swept(slot) else { return };
        for sweep in self.sweeps.iter_mut().filter(|sweep| sweep.attempt == attempt) {
            if let Some((_, done)) = sweep.claims.get_mut(index) {
                *done = true;
            }
        }
        self.sweeps.retain(|sweep| sweep.claims.iter().any(|(_, done)| !done));
    }
}

impl Attempt {
    /// An answer to what the step at hand asked for.
    fn take_answer(&mut self, event: &CheckoutEvent) {
        match (&mut self.phase, event) {
            (Phase::Preparing { step, .. }, _) => step.take_answer(event),
            (Phase::Selling { lines, .. }, CheckoutEvent::Done { slot }) => {
                put(lines, slots::line_index(*slot), Asked::Yes(()));
            }
            (Phase::Selling { number, .. }, CheckoutEvent::Denied { slot: slots::NUMBER, problem }) => {
                *number = Asked::No(problem.clone());
            }
            (Phase::Selling { lines, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(lines, slots::line_index(*slot), Asked::No(problem.clone()));
            }
            (Phase::Selling { number, .. }, CheckoutEvent::Numbered { number: assigned }) => {
                *number = Asked::Yes(*assigned);
            }
            (Phase::Finishing { order_told, .. }, CheckoutEvent::Done { slot: slots::ORDER }) => *order_told = true,
            (Phase::Finishing { cart_told, .. }, CheckoutEvent::Done { slot: slots::CART }) => *cart_told = true,
            (Phase::Undoing(undoing), CheckoutEvent::Done { slot }) => {
                for step in undoing.steps.iter_mut().filter(|step| step.slot == *slot) {
                    step.done = true;
                }
            }
            _ => {}
        }
    }

    /// The next step begins, or the undoing.
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
                self.payment = Some(self.sheet.payment());
                Phase::Paying { goods: self.goods_at(totals), step: Paying::Authorising }
            }
            CheckoutEvent::ActionRequired { url, expires_at, .. } => {
                let Some(goods) = self.goods().cloned() else { return };
                Phase::Paying { goods, step: Paying::Challenged { url: url.clone(), expires_at: *expires_at } }
            }
            CheckoutEvent::ConfirmationAsked { receipt } => {
                let Some(goods) = self.goods().cloned() else { return };
                self.callers.push(Caller { receipt: *receipt, heard: None });
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
                let cart_told = !matches!(self.sheet.source, Source::Cart(_));
                Phase::Finishing { goods, order_told: false, cart_told }
            }
            CheckoutEvent::Stopped { problem, receipt, at } => {
                self.callers.extend(receipt.map(|receipt| Caller { receipt, heard: None }));
                match &mut self.phase {
                    Phase::Preparing { stop, .. } => {
                        *stop = Some(problem.clone());
                        return;
                    }
                    _ => self.undoing(problem, *at),
                }
            }
            CheckoutEvent::UndoAsked { problem, at } => self.undoing(problem, *at),
            _ => return,
        };
        self.phase = phase;
    }

    fn undoing(&self, problem: &CheckoutProblem, at: Timestamp) -> Phase {
        Phase::Undoing(self.to_undo(problem, at))
    }

    /// The goods as the preparation found them, at what they come to.
    fn goods_at(&self, totals: &Totals) -> Goods {
        Goods { lines: self.lines(), totals: *totals }
    }

    /// What is to be sold, as far as the preparation knows it.
    pub(super) fn lines(&self) -> Vec<CheckoutLine> {
        let sheet = &self.sheet;
        match &self.phase {
            Phase::Preparing { step: Preparation::Pinning { pins, drops }, .. } => {
                let claims = slots::claims_of(&sheet.source);
                let seen = slots::drops_of(claims);
                let line = |(index, (claim, pinned)): (usize, (&ClaimRef, &Asked<Pinned>))| {
                    let pinned = pinned.yes()?;
                    let variant = sheet.variants.as_ref().and_then(|variants| variants.get(index)?.as_ref());
                    let drop =
                        seen.iter().position(|drop| *drop == claim.drop).and_then(|index| drops.get(index)?.yes());
                    let title = variant.map(|variant| variant.title.clone());
                    // What the catalogue does not know is called as its drop is.
                    let title = title.or_else(|| drop.map(|drop| drop.title.clone()).filter(|title| !title.is_empty()));
                    let options = variant.map(|variant| variant.options.clone());
                    Some(CheckoutLine {
                        sku: pinned.sku.clone(),
                        product: variant.map(|variant| variant.product).or_else(|| drop.and_then(|drop| drop.product)),
                        title: title.unwrap_or_else(|| pinned.sku.to_string()),
                        quantity: pinned.quantity,
                        unit_price: pinned.price,
                        grip: Grip::Claim(*claim),
                        options: options.filter(|options| !options.is_empty()),
                    })
                };
                claims.iter().zip(pins).enumerate().filter_map(line).collect()
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
                    grip: Grip::Hold(slots::hold_id(sheet.checkout, sheet.attempt, &line.sku)),
                    options: line.options.clone(),
                })
                .collect(),
            _ => self.goods().map(|goods| goods.lines.clone()).unwrap_or_default(),
        }
    }

    /// The claims that a late copy of this attempt's pins could still take hold of.
    fn sweep(&self) -> Option<Sweep> {
        let Phase::Undoing(undoing) = &self.phase else { return None };
        let due = self.sheet.sweep_due();
        // What is undone after that instant is undone for good.
        if undoing.sweep.is_empty() || undoing.asked_at > due {
            return None;
        }
        Some(Sweep {
            attempt: self.sheet.attempt,
            started_at: self.sheet.started_at(),
            due,
            asked: false,
            claims: undoing.sweep.iter().map(|claim| (*claim, false)).collect(),
        })
    }
}

impl Preparation {
    fn take_answer(&mut self, event: &CheckoutEvent) {
        match (self, event) {
            (Preparation::Pinning { pins, .. }, CheckoutEvent::Pinned { slot, sku, quantity, price }) => {
                let pinned = Pinned { sku: sku.clone(), quantity: *quantity, price: *price };
                put(pins, slots::line_index(*slot), Asked::Yes(pinned));
            }
            (Preparation::Pinning { drops, .. }, CheckoutEvent::DropSeen { slot, title, product }) => {
                let seen = DropSeen { title: title.clone(), product: *product };
                put(drops, slots::drop_index(*slot), Asked::Yes(seen));
            }
            (Preparation::Pinning { pins, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(pins, slots::line_index(*slot), Asked::No(problem.clone()));
            }
            (Preparation::Locking { cart }, CheckoutEvent::Locked { lines }) => *cart = Asked::Yes(lines.clone()),
            (Preparation::Locking { cart }, CheckoutEvent::Denied { problem, .. }) => {
                *cart = Asked::No(problem.clone())
            }
            (Preparation::Quoting { quotes, .. }, CheckoutEvent::Quoted { slot, price }) => {
                put(quotes, slots::line_index(*slot), Asked::Yes(*price));
            }
            (Preparation::Quoting { quotes, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(quotes, slots::line_index(*slot), Asked::No(problem.clone()));
            }
            (Preparation::Holding { holds, .. }, CheckoutEvent::Done { slot }) => {
                put(holds, slots::line_index(*slot), Asked::Yes(()));
            }
            (Preparation::Holding { holds, .. }, CheckoutEvent::Denied { slot, problem }) => {
                put(holds, slots::line_index(*slot), Asked::No(problem.clone()));
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
