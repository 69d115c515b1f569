//! A checkout with model targets that answer in arbitrary ways: late, twice, or not at all, with acceptance or
//! rejection.
//!
//! The models keep what the real targets keep: the deadline of a lock and the newest removed lock of a claim,
//! tombstones of holds and carts, and the state of a payment. They also reject commands that real targets hardly ever
//! reject.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    cart::{CartCommand, CartRejection},
    flash_drop::{DropCommand, DropRejection},
    id::{HoldId, OrderId},
    order::{OrderCommand, OrderRejection},
    order_numbers::OrderNumbersRejection,
    payment::{PaymentCommand, PaymentRejection},
    product::ProductRejection,
    stock::{StockCommand, StockLevels, StockRejection},
};

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum ClaimAt {
    #[default]
    Free,
    LockedClaim(ClaimLock),
    Sold(OrderId),
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum HoldAt {
    Held,
    Sold,
    Over,
}

#[derive(Debug, Clone, PartialEq)]
enum OrderAt {
    Placed,
    Paid,
    Failed,
}

#[derive(Default)]
struct Targets {
    claims: BTreeMap<ClaimRef, (ClaimAt, Option<ClaimLock>)>,
    holds: BTreeMap<HoldId, HoldAt>,
    lock: Option<(CheckoutId, u32)>,
    ended: Vec<(CheckoutId, u32)>,
    emptied: u32,
    payments: BTreeMap<PaymentId, PaymentState>,
    captures: u32,
    orders: BTreeMap<OrderId, OrderAt>,
}

impl Targets {
    /// The answer of the request's target. `mood` determines whether it prefers to reject.
    fn ask(&mut self, request: &Request, now: Timestamp, mood: u8) -> Outcome {
        match request {
            Request::Drop(drop, command) => Outcome::Drop(self.drop(*drop, command, now, mood)),
            Request::Stock(_, command) => Outcome::Stock(self.inventory(command, now, mood)),
            Request::Cart(_, command) => Outcome::Cart(self.cart(command, now, mood)),
            Request::Payment(payment, command) => Outcome::Payment(self.payment(*payment, command, mood)),
            Request::Order(order, command) => Outcome::Order(self.order(*order, command, mood)),
            Request::OrderNumbers(..) if mood.is_multiple_of(16) => {
                Outcome::OrderNumbers(Err(OrderNumbersRejection::Exhausted))
            }
            Request::Product(..) if mood.is_multiple_of(16) => Outcome::Product(Err(ProductRejection::NotFound)),
            _ => consent(request),
        }
    }

    fn drop(
        &mut self,
        drop: DropId,
        command: &DropCommand,
        now: Timestamp,
        mood: u8,
    ) -> Result<DropReply, DropRejection> {
        let of = |claim: &ClaimId| ClaimRef { drop, claim: *claim };
        match command {
            DropCommand::LockClaim { claim, lock: claim_lock, deadline, .. } => {
                let (at, undone) = self.claims.entry(of(claim)).or_default();
                let late = undone.is_some_and(|undone| {
                    undone.checkout == claim_lock.checkout && undone.attempt >= claim_lock.attempt
                });
                match at {
                    ClaimAt::LockedClaim(held) if held == claim_lock => {}
                    ClaimAt::LockedClaim(held) => {
                        return Err(DropRejection::CheckoutInProgress { checkout: held.checkout });
                    }
                    ClaimAt::Sold(_) => return Err(DropRejection::AlreadySold),
                    ClaimAt::Gone => return Err(DropRejection::AlreadyReleased),
                    ClaimAt::Free if late || now > *deadline => return Err(DropRejection::TooLate),
                    ClaimAt::Free if mood.is_multiple_of(4) => {
                        return Err(DropRejection::LimitReached { remaining: 0 });
                    }
                    ClaimAt::Free => *at = ClaimAt::LockedClaim(*claim_lock),
                }
                Ok(DropReply::Claim(locked_claim(drop, *claim, *claim_lock)))
            }
            DropCommand::UnlockClaim { claim, lock: claim_lock, .. } => {
                let known = self.claims.entry(of(claim)).or_default();
                if known.0 == ClaimAt::LockedClaim(*claim_lock) {
                    *known = (ClaimAt::Free, Some(*claim_lock));
                }
                Ok(DropReply::Done)
            }
            DropCommand::Confirm { claim, lock: claim_lock, order } => {
                let known = self.claims.entry(of(claim)).or_default();
                match known.0 {
                    ClaimAt::Sold(sold_to) if sold_to == *order => Ok(DropReply::Done),
                    ClaimAt::LockedClaim(held) if held == *claim_lock && mood.is_multiple_of(8) => {
                        known.0 = ClaimAt::Gone;
                        Err(DropRejection::AlreadyReleased)
                    }
                    ClaimAt::LockedClaim(held) if held == *claim_lock => {
                        known.0 = ClaimAt::Sold(*order);
                        Ok(DropReply::Done)
                    }
                    _ => Err(DropRejection::NotAllowed { why: "the claim is not in this checkout".into() }),
                }
            }
            DropCommand::Unsell { claim, order } => {
                let known = self.claims.entry(of(claim)).or_default();
                if known.0 == ClaimAt::Sold(*order) {
                    known.0 = ClaimAt::Gone;
                }
                Ok(DropReply::Done)
            }
            DropCommand::View if mood.is_multiple_of(4) => Err(DropRejection::NotFound),
            DropCommand::View => Ok(DropReply::Drop(Box::new(drop_view(drop)))),
            other => panic!("a checkout does not ask {other:?}"),
        }
    }

    fn inventory(&mut self, command: &StockCommand, now: Timestamp, mood: u8) -> Result<StockReply, StockRejection> {
        match command {
            StockCommand::Reserve { hold, deadline, .. } => match self.holds.get(hold) {
                Some(HoldAt::Held | HoldAt::Sold) => {}
                Some(HoldAt::Over) => return Err(StockRejection::TooLate),
                None if now > *deadline => return Err(StockRejection::TooLate),
                None if mood.is_multiple_of(4) => {
                    let levels = StockLevels::default();
                    return Err(StockRejection::InsufficientAvailable { available: 0, levels });
                }
                None => {
                    self.holds.insert(*hold, HoldAt::Held);
                }
            },
            StockCommand::Confirm { hold } => match self.holds.get(hold) {
                Some(HoldAt::Sold) => {}
                Some(HoldAt::Held) if mood.is_multiple_of(8) => {
                    self.holds.insert(*hold, HoldAt::Over);
                    return Err(StockRejection::HoldEnded);
                }
                Some(HoldAt::Held) => {
                    self.holds.insert(*hold, HoldAt::Sold);
                }
                None | Some(HoldAt::Over) => return Err(StockRejection::HoldEnded),
            },
            StockCommand::Release { hold } => {
                assert_ne!(self.holds.get(hold), Some(&HoldAt::Sold), "a sold hold is not released");
                self.holds.insert(*hold, HoldAt::Over);
            }
            StockCommand::Unsell { hold, .. } => {
                if self.holds.get(hold) == Some(&HoldAt::Sold) {
                    self.holds.insert(*hold, HoldAt::Over);
                }
            }
            other => panic!("a checkout does not ask {other:?}"),
        }
        Ok(StockReply::Done)
    }

    fn cart(&mut self, command: &CartCommand, now: Timestamp, mood: u8) -> Result<CartReply, CartRejection> {
        match command {
            CartCommand::BeginCheckout { checkout, attempt, deadline, .. } => {
                let grip = (*checkout, *attempt);
                match self.lock {
                    Some(held) if held == grip => {}
                    _ if self.ended.contains(&grip) || now > *deadline => return Err(CartRejection::TooLate),
                    Some((checkout, _)) => return Err(CartRejection::CheckoutInProgress { checkout }),
                    None if mood.is_multiple_of(8) => return Err(CartRejection::Empty),
                    None => self.lock = Some(grip),
                }
                Ok(CartReply::Cart(std::sync::Arc::new(cart_view())))
            }
            CartCommand::EndCheckout { checkout, attempt, sold, .. } => {
                let grip = (*checkout, *attempt);
                if self.lock == Some(grip) {
                    self.lock = None;
                    self.emptied += u32::from(*sold);
                }
                self.ended.push(grip);
                Ok(CartReply::Done)
            }
            other => panic!("a checkout does not ask {other:?}"),
        }
    }

    fn payment(&mut self, id: PaymentId, command: &PaymentCommand, mood: u8) -> Result<PaymentReply, PaymentRejection> {
        let declined = PaymentState::Declined { code: "card_declined".into() };
        let challenged = PaymentState::RequiresAction {
            url: "https://bank.test".into(),
            expires_at: Timestamp(1_000_000 + 700_000),
        };
        let known = self.payments.get(&id).cloned();
        let state = match (command, known) {
            (PaymentCommand::Void, Some(PaymentState::Captured)) => return Err(PaymentRejection::AlreadyCaptured),
            (PaymentCommand::Void, _) => {
                self.payments.insert(id, PaymentState::Voided);
                return Ok(PaymentReply::Voided);
            }
            (_, Some(PaymentState::Voided)) => return Err(PaymentRejection::Voided),
            (PaymentCommand::Authorise { .. }, None) => match mood % 8 {
                0 => declined,
                1 | 2 => challenged,
                _ => PaymentState::Authorised,
            },
            (PaymentCommand::Confirm, Some(PaymentState::RequiresAction { .. })) => match mood % 8 {
                0 => declined,
                1 | 2 => challenged,
                _ => PaymentState::Authorised,
            },
            (PaymentCommand::Capture, Some(PaymentState::Authorised)) if mood.is_multiple_of(8) => {
                PaymentState::Failed { code: "no".into() }
            }
            (PaymentCommand::Capture, Some(PaymentState::Authorised)) => {
                self.captures += 1;
                PaymentState::Captured
            }
            (_, Some(state)) => state,
            (_, None) => return Err(PaymentRejection::NotFound),
        };
        self.payments.insert(id, state.clone());
        match (command, &state) {
            (PaymentCommand::Capture, PaymentState::Failed { code }) => {
                Err(PaymentRejection::CaptureFailed { code: code.clone() })
            }
            _ => {
                let Outcome::Payment(reply) = pays(id, state) else { unreachable!("it is one") };
                reply
            }
        }
    }

    fn order(&mut self, id: OrderId, command: &OrderCommand, mood: u8) -> Result<OrderReply, OrderRejection> {
        let known = self.orders.get(&id);
        let next = match (command, known) {
            (OrderCommand::Place { .. }, None) if mood.is_multiple_of(8) => return Err(OrderRejection::NotFound),
            (OrderCommand::Place { .. }, None) => OrderAt::Placed,
            (OrderCommand::Place { .. }, Some(known)) => known.clone(),
            (OrderCommand::MarkPaid, Some(OrderAt::Placed | OrderAt::Paid)) => OrderAt::Paid,
            (OrderCommand::CaptureFailed, Some(OrderAt::Placed | OrderAt::Failed)) => OrderAt::Failed,
            _ => return Err(OrderRejection::NotFound),
        };
        self.orders.insert(id, next);
        Ok(OrderReply::Order(Box::new(order_view(id))))
    }

    /// Asserts what must hold for a checkout that has ended.
    fn assert_over(&self, attempt: &crate::checkout::phase::Attempt, tampered: bool) {
        let claims: Vec<ClaimAt> = self.claims.values().map(|(at, _)| *at).collect();
        let holds: Vec<HoldAt> = self.holds.values().copied().collect();
        assert_eq!(self.lock, None, "the cart is let go");
        assert!(!claims.iter().any(|at| matches!(at, ClaimAt::LockedClaim(_))), "no pin is left behind: {claims:?}");
        assert!(!holds.contains(&HoldAt::Held), "no hold is left behind: {holds:?}");
        let order = self.orders.get(&attempt.details.order());
        if let crate::checkout::phase::Phase::Completed { goods, .. } = &attempt.phase {
            assert_eq!(self.captures, 1, "captured exactly once");
            let sold = claims.iter().filter(|at| **at == ClaimAt::Sold(attempt.details.order())).count()
                + holds.iter().filter(|at| **at == HoldAt::Sold).count();
            assert_eq!(sold, goods.lines.len(), "every line is sold exactly once");
            assert_eq!(order, Some(&OrderAt::Paid));
            assert_eq!(self.emptied, u32::from(matches!(attempt.details.source, Source::Cart(_))));
        } else {
            assert_eq!((self.captures, self.emptied), (0, 0), "nothing is charged");
            assert!(!claims.iter().any(|at| matches!(at, ClaimAt::Sold(_))), "no claim is sold: {claims:?}");
            assert!(!holds.contains(&HoldAt::Sold), "no hold is sold: {holds:?}");
            // A delayed copy of a rejected `Place` may be accepted. Then an unpaid order is left over.
            assert!(matches!(order, None | Some(OrderAt::Failed)) || tampered, "no order is left: {order:?}");
        }
        let unused = |state: &PaymentState| matches!(state, PaymentState::Voided | PaymentState::Declined { .. });
        let captured = self.payments.values().filter(|state| **state == PaymentState::Captured).count();
        assert!(self.payments.values().filter(|state| !unused(state)).count() == captured, "{:?}", self.payments);
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// An outstanding request reaches its target, and the answer arrives.
    Answer(u8, u8),
    /// An outstanding request reaches its target, and the answer is lost.
    Lose(u8, u8),
    /// A copy of any earlier request reaches its target, and the answer arrives.
    LateCopy(u8, u8),
    Reload,
    Wait(u64),
    Cancel,
    Confirm,
    StartAgain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (any::<u8>(), any::<u8>()).prop_map(|(which, mood)| Step::Answer(which, mood)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(which, mood)| Step::Lose(which, mood)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(which, mood)| Step::LateCopy(which, mood)),
        1 => Just(Step::Reload),
        2 => prop_oneof![Just(500u64), Just(2_000), Just(20_000), Just(400_000)].prop_map(Step::Wait),
        1 => Just(Step::Cancel),
        3 => Just(Step::Confirm),
        2 => Just(Step::StartAgain),
    ];
    vec(step, 0..60)
}

struct Run {
    shop: Shop,
    targets: Targets,
    start: StartCheckout,
    /// Whether a model accepted a delayed copy that the real target would have rejected.
    tampered: bool,
}

impl Run {
    fn deliver(&mut self, effect: &Effect, mood: u8, comes_back: bool) {
        let placing = matches!(effect.request, Request::Order(_, OrderCommand::Place { .. }));
        let open = self.shop.open.get(&effect.id.slot).is_some_and(|open| open.id == effect.id);
        let outcome = self.targets.ask(&effect.request, self.shop.now, mood);
        self.tampered |= placing && !open && matches!(outcome, Outcome::Order(Ok(_)));
        if comes_back {
            self.shop.answer(effect.id, &outcome);
        }
    }

    fn open(&self, which: u8) -> Option<Effect> {
        let count = self.shop.open.len().max(1);
        self.shop.open.values().nth(usize::from(which) % count).cloned()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Answer(which, mood) | Step::Lose(which, mood) => {
                if let Some(effect) = self.open(*which) {
                    self.deliver(&effect, *mood, matches!(step, Step::Answer(..)));
                }
            }
            Step::LateCopy(which, mood) => {
                let count = self.shop.asked.len().max(1);
                if let Some(effect) = self.shop.asked.get(usize::from(*which) % count).cloned() {
                    self.deliver(&effect, *mood, true);
                }
            }
            Step::Reload => self.shop.reload(),
            Step::Wait(ms) => wake(&mut self.shop, *ms),
            Step::Cancel => {
                self.shop.ask(CheckoutCommand::Cancel { buyer: buyer() });
            }
            Step::Confirm => {
                self.shop.ask(CheckoutCommand::Confirm { buyer: buyer() });
            }
            Step::StartAgain => {
                begin(&mut self.shop, self.start.clone());
            }
        }
        self.shop.repeat_all();
        self.assert_summary();
    }

    /// Asserts that the events alone give what lists show of the checkout.
    fn assert_summary(&self) {
        let (Some(summary), Some(attempt)) = (self.shop.folded::<CheckoutSummary>(), &self.shop.state.attempt) else {
            panic!("the checkout was started");
        };
        let view = attempt.view();
        assert_eq!((summary.buyer, summary.started_at), (view.buyer, view.started_at));
        assert_eq!(summary.state, attempt.status());
        assert_eq!(summary.order, view.order());
        assert_eq!(summary.problem.as_deref(), view.problem().map(CheckoutProblem::recorded_name));
        // A refused checkout does not exist any more, and forgets its goods.
        if summary.state != CheckoutStatus::Refused {
            assert_eq!(summary.total, view.totals.map(|totals| totals.total));
        }
    }

    /// Answers everything outstanding and lets time pass until nothing is left to do.
    fn settle(&mut self) {
        for round in 0..200u8 {
            while let Some(effect) = self.open(0) {
                self.deliver(&effect, round.wrapping_mul(7) | 1, true);
            }
            let Some(next) = self.shop.state.wake_at() else { return };
            let later_ms = next.ms_since(self.shop.now).max(1);
            wake(&mut self.shop, later_ms);
        }
        panic!("it does not settle: {:?}", self.shop.state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_others_answer_goods_and_money_go_together(cart in any::<bool>(), steps in steps()) {
        let start = if cart { of_cart() } else { of_claims() };
        let mut run = Run { shop: given(start.clone()), targets: Targets::default(), start, tampered: false };
        for step in &steps {
            run.step(step);
        }
        run.settle();
        run.assert_summary();
        run.shop.repeat_all();
        let attempt = run.shop.state.attempt.clone().unwrap();
        run.targets.assert_over(&attempt, run.tampered);
        // Copies that arrive after the end change nothing.
        for effect in run.shop.asked.clone() {
            run.deliver(&effect, 1, true);
        }
        prop_assert_eq!(run.shop.open.len(), 0);
        run.targets.assert_over(&attempt, run.tampered);
    }
}
