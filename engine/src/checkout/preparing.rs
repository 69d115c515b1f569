//! Securing the goods: locks claims, or locks a cart, checks its prices and holds its lines.

use super::{
    ARRIVE_WITHIN_MS, CheckoutEvent, CheckoutOutcome, CheckoutProblem, HOLD_MS, Source, Totals,
    effect_ids::{self, CheckoutEffect},
    phase::{Asked, Attempt, Goods, Preparation},
};
use crate::{
    cart::{CartCommand, CartLine, CartRejection, CartReply},
    flash_drop::{DropCommand, DropRejection, DropReply},
    id::{ClaimRef, DropId},
    money::Money,
    pricing::{self, PricedLine},
    product::{ProductCommand, ProductRejection, ProductReply, VariantSelector},
    stock::{StockCommand, StockRejection, StockReply},
    time::Timestamp,
};

impl Preparation {
    pub(super) fn open_answers(&self) -> usize {
        fn count<T>(answers: &[Asked<T>]) -> usize {
            answers.iter().filter(|answer| answer.is_open()).count()
        }
        match self {
            Preparation::LockingClaims { claim_locks, drops } => count(claim_locks) + count(drops),
            Preparation::Locking { cart } => count(std::slice::from_ref(cart)),
            Preparation::Quoting { quotes, .. } => count(quotes),
            Preparation::Holding { holds, .. } => count(holds),
        }
    }

    /// The first problem, in the order of the buyer's claims or lines.
    fn problem(&self) -> Option<&CheckoutProblem> {
        match self {
            Preparation::LockingClaims { claim_locks, .. } => claim_locks.iter().find_map(Asked::problem),
            Preparation::Locking { cart } => cart.problem(),
            Preparation::Quoting { quotes, .. } => quotes.iter().find_map(Asked::problem),
            Preparation::Holding { holds, .. } => holds.iter().find_map(Asked::problem),
        }
    }
}

impl Attempt {
    /// The requests of the step that have no answer yet.
    pub(super) fn to_prepare(&self, step: &Preparation) -> Vec<CheckoutEffect> {
        let details = &self.details;
        match step {
            Preparation::LockingClaims { claim_locks, drops } => {
                let claims = effect_ids::claims_of(&details.source);
                let claim_locks =
                    claims.iter().zip(claim_locks).enumerate().filter(|(_, (_, claim_lock))| claim_lock.is_open());
                let seen = effect_ids::drops_of(claims);
                let drops = seen.iter().zip(drops).enumerate().filter(|(_, (_, drop))| drop.is_open());
                let claim_locks = claim_locks
                    .map(|(index, (claim, _))| CheckoutEffect::Claim(index as u64, self.lock_request(*claim)));
                let views =
                    drops.map(|(index, (drop, _))| CheckoutEffect::DropView(index as u64, (*drop, DropCommand::View)));
                claim_locks.chain(views).collect()
            }
            Preparation::Locking { .. } => {
                let Source::Cart(cart) = details.source else { return Vec::new() };
                let begin = CartCommand::BeginCheckout {
                    buyer: details.as_buyer(),
                    checkout: details.checkout,
                    attempt: details.attempt,
                    deadline: details.arrive_by(),
                };
                vec![CheckoutEffect::Cart((cart, begin))]
            }
            Preparation::Quoting { lines, quotes } => {
                let open = lines.iter().zip(quotes).enumerate().filter(|(_, (_, quote))| quote.is_open());
                open.map(|(index, (line, _))| {
                    let quote = ProductCommand::Quote(VariantSelector::Sku(line.sku.clone()));
                    CheckoutEffect::Quote(index as u64, (line.product, quote))
                })
                .collect()
            }
            Preparation::Holding { goods, holds, asked_at } => {
                let open = goods.lines.iter().zip(holds).enumerate().filter(|(_, (_, hold))| hold.is_open());
                open.map(|(index, (line, _))| {
                    let reserve = StockCommand::Reserve {
                        hold: effect_ids::hold_id(details.checkout, details.attempt, &line.sku),
                        quantity: line.quantity,
                        expires_at: asked_at.plus_ms(HOLD_MS),
                        deadline: asked_at.plus_ms(ARRIVE_WITHIN_MS),
                    };
                    CheckoutEffect::Hold(index as u64, (line.sku.clone(), reserve))
                })
                .collect()
            }
        }
    }

    fn lock_request(&self, claim: ClaimRef) -> (DropId, DropCommand) {
        let details = &self.details;
        let claim_lock = DropCommand::LockClaim {
            claim: claim.claim,
            buyer: details.as_buyer(),
            lock: details.claim_lock(),
            email: details.email,
            deadline: details.arrive_by(),
        };
        (claim.drop, claim_lock)
    }

    /// The event that follows from an outcome, if the step waits for it.
    pub(super) fn prepared(&self, step: &Preparation, slot: u64, outcome: CheckoutOutcome) -> Option<CheckoutEvent> {
        match outcome {
            CheckoutOutcome::Claim(index, answer) => self.claim_answered(step, slot, index as usize, answer),
            CheckoutOutcome::DropView(index, answer) => drop_answered(step, slot, index as usize, answer),
            CheckoutOutcome::Cart(answer) => self.cart_answered(step, answer),
            CheckoutOutcome::Quote(index, answer) => quote_answered(step, slot, index as usize, answer),
            CheckoutOutcome::Hold(index, answer) => hold_answered(step, slot, index as usize, answer),
            CheckoutOutcome::Payment(_)
            | CheckoutOutcome::Order(_)
            | CheckoutOutcome::Number(_)
            | CheckoutOutcome::Sweep(..) => None,
        }
    }

    fn claim_answered(
        &self,
        step: &Preparation,
        slot: u64,
        index: usize,
        answer: Result<DropReply, DropRejection>,
    ) -> Option<CheckoutEvent> {
        let Preparation::LockingClaims { claim_locks, .. } = step else { return None };
        let claim = *effect_ids::claims_of(&self.details.source).get(index)?;
        claim_locks.get(index).filter(|claim_lock| claim_lock.is_open())?;
        match answer {
            Ok(DropReply::Claim(view)) => Some(CheckoutEvent::ClaimLocked {
                slot,
                sku: view.sku,
                quantity: view.quantity,
                price: view.unit_price,
            }),
            Ok(_) => None,
            Err(rejection) => {
                let problem = CheckoutProblem::of_pin(claim, self.details.checkout, &rejection);
                Some(CheckoutEvent::Denied { slot, problem })
            }
        }
    }

    fn cart_answered(&self, step: &Preparation, answer: Result<CartReply, CartRejection>) -> Option<CheckoutEvent> {
        let Preparation::Locking { cart: Asked::Open } = step else { return None };
        match answer {
            Ok(CartReply::Cart(cart)) => {
                Some(CheckoutEvent::Locked { lines: cart.lines.iter().map(|line| (**line).clone()).collect() })
            }
            Ok(CartReply::Done) => None,
            Err(rejection) => {
                Some(CheckoutEvent::Denied { slot: effect_ids::CART, problem: self.lock_problem(&rejection) })
            }
        }
    }

    fn lock_problem(&self, rejection: &CartRejection) -> CheckoutProblem {
        match rejection {
            CartRejection::NotFound => CheckoutProblem::CartNotFound,
            CartRejection::Empty => CheckoutProblem::CartEmpty,
            // A delayed copy of an earlier attempt's command has locked the cart.
            CartRejection::CheckoutInProgress { checkout } if *checkout == self.details.checkout => {
                CheckoutProblem::Unavailable
            }
            CartRejection::CheckoutInProgress { checkout } => {
                CheckoutProblem::CheckoutInProgress { checkout: *checkout }
            }
            CartRejection::TooManyChanges => CheckoutProblem::TooManyCheckouts,
            _ => CheckoutProblem::Unavailable,
        }
    }

    /// The event that follows when the step has all its answers: the next step or the compensation.
    pub(super) fn after_preparation(
        &self,
        step: &Preparation,
        stop: Option<&CheckoutProblem>,
        at: Timestamp,
    ) -> CheckoutEvent {
        if let Some(problem) = stop.or_else(|| step.problem()) {
            return CheckoutEvent::UndoAsked { problem: problem.clone(), at };
        }
        let next = match step {
            Preparation::LockingClaims { .. } => {
                self.priced(true).map(|totals| CheckoutEvent::AuthorisationAsked { totals, at })
            }
            Preparation::Locking { .. } => Ok(CheckoutEvent::QuotesAsked),
            Preparation::Quoting { lines, quotes } => {
                let as_seen = lines.iter().zip(quotes).all(|(line, quote)| quote.yes() == Some(&line.price));
                self.priced(as_seen).map(|totals| CheckoutEvent::HoldsAsked { totals, at })
            }
            Preparation::Holding { goods: Goods { totals, .. }, .. } => {
                Ok(CheckoutEvent::AuthorisationAsked { totals: *totals, at })
            }
        };
        next.unwrap_or_else(|problem| CheckoutEvent::UndoAsked { problem, at })
    }

    /// The totals, if the buyer has seen them: either every price is unchanged, or the total equals the expected total.
    fn priced(&self, prices_as_seen: bool) -> Result<Totals, CheckoutProblem> {
        let lines: Vec<PricedLine> = self.lines().iter().map(PricedLine::from).collect();
        let totals = pricing::price(&lines, &self.details.terms)?;
        let total: Money = totals.total;
        match self.details.expected_total {
            Some(expected) if expected == total => Ok(totals),
            None if prices_as_seen => Ok(totals),
            _ => Err(CheckoutProblem::PriceChanged { total }),
        }
    }
}

fn drop_answered(
    step: &Preparation,
    slot: u64,
    index: usize,
    answer: Result<DropReply, DropRejection>,
) -> Option<CheckoutEvent> {
    let Preparation::LockingClaims { drops, .. } = step else { return None };
    drops.get(index).filter(|drop| drop.is_open())?;
    // If the buyer cannot see the drop, its claims are rejected by their lock commands, not here.
    let (title, product) = match answer {
        Ok(DropReply::Drop(view)) => (view.terms.title, view.terms.product),
        Ok(_) => return None,
        Err(_) => (String::new(), None),
    };
    Some(CheckoutEvent::DropSeen { slot, title, product })
}

fn quote_answered(
    step: &Preparation,
    slot: u64,
    index: usize,
    answer: Result<ProductReply, ProductRejection>,
) -> Option<CheckoutEvent> {
    let Preparation::Quoting { lines, quotes } = step else { return None };
    quotes.get(index).filter(|quote| quote.is_open())?;
    let sku = &lines.get(index)?.sku;
    match answer {
        Ok(ProductReply::Quote(quote)) => Some(CheckoutEvent::Quoted { slot, price: quote.price }),
        Ok(_) => None,
        Err(_) => Some(CheckoutEvent::Denied { slot, problem: CheckoutProblem::NotForSale { sku: sku.clone() } }),
    }
}

fn hold_answered(
    step: &Preparation,
    slot: u64,
    index: usize,
    answer: Result<StockReply, StockRejection>,
) -> Option<CheckoutEvent> {
    let Preparation::Holding { goods, holds, .. } = step else { return None };
    holds.get(index).filter(|hold| hold.is_open())?;
    let sku = goods.lines.get(index)?.sku.clone();
    let problem = match answer {
        Ok(_) => return Some(CheckoutEvent::Done { slot }),
        Err(StockRejection::InsufficientAvailable { available, .. }) => {
            CheckoutProblem::InsufficientStock { sku, available }
        }
        Err(StockRejection::NotFound) => CheckoutProblem::InsufficientStock { sku, available: 0 },
        Err(_) => CheckoutProblem::Unavailable,
    };
    Some(CheckoutEvent::Denied { slot, problem })
}

/// The current prices of lines whose prices have changed since they were added to the cart.
pub(super) fn changed_prices(lines: &[CartLine], quotes: &[Asked<Money>]) -> Vec<crate::cart::NewPrice> {
    let changed = lines.iter().zip(quotes).filter_map(|(line, quote)| match quote.yes() {
        Some(price) if *price != line.price => Some(crate::cart::NewPrice { sku: line.sku.clone(), price: *price }),
        _ => None,
    });
    changed.collect()
}
