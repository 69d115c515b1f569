//! Securing the goods: locks claims, or locks a cart, checks its prices and holds its lines.

use super::{
    ARRIVE_WITHIN_MS, CheckoutEvent, CheckoutProblem, HOLD_MS, Source, Totals, effect_ids,
    phase::{Asked, Attempt, Goods, Preparation},
};
use crate::{
    cart::{CartCommand, CartLine, CartRejection, CartReply},
    effect::{Outcome, Request},
    flash_drop::{DropCommand, DropReply},
    money::Money,
    pricing::{self, PricedLine},
    product::{ProductCommand, ProductReply, VariantSelector},
    stock::{StockCommand, StockRejection},
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
    pub(super) fn to_prepare(&self, step: &Preparation) -> Vec<(u64, Request)> {
        let details = &self.details;
        match step {
            Preparation::LockingClaims { claim_locks, drops } => {
                let claims = effect_ids::claims_of(&details.source);
                let claim_lock = |(index, claim)| (effect_ids::line(index), self.pin_request(claim));
                let view = |(index, drop)| (effect_ids::drop(index), Request::Drop(drop, DropCommand::View));
                let claim_locks =
                    claims.iter().zip(claim_locks).enumerate().filter(|(_, (_, claim_lock))| claim_lock.is_open());
                let seen = effect_ids::drops_of(claims);
                let drops = seen.iter().zip(drops).enumerate().filter(|(_, (_, drop))| drop.is_open());
                let claim_locks = claim_locks.map(|(index, (claim, _))| claim_lock((index, *claim)));
                claim_locks.chain(drops.map(|(index, (drop, _))| view((index, *drop)))).collect()
            }
            Preparation::Locking { .. } => {
                let Source::Cart(cart) = details.source else { return Vec::new() };
                let begin = CartCommand::BeginCheckout {
                    buyer: details.as_buyer(),
                    checkout: details.checkout,
                    attempt: details.attempt,
                    deadline: details.arrive_by(),
                };
                vec![(effect_ids::CART, Request::Cart(cart, begin))]
            }
            Preparation::Quoting { lines, quotes } => {
                let open = lines.iter().zip(quotes).enumerate().filter(|(_, (_, quote))| quote.is_open());
                open.map(|(index, (line, _))| {
                    let quote = ProductCommand::Quote(VariantSelector::Sku(line.sku.clone()));
                    (effect_ids::line(index), Request::Product(line.product, quote))
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
                    (effect_ids::line(index), Request::Stock(line.sku.clone(), reserve))
                })
                .collect()
            }
        }
    }

    fn pin_request(&self, claim: crate::id::ClaimRef) -> Request {
        let details = &self.details;
        let claim_lock = DropCommand::LockClaim {
            claim: claim.claim,
            buyer: details.as_buyer(),
            lock: details.claim_lock(),
            email: details.email,
            deadline: details.arrive_by(),
        };
        Request::Drop(claim.drop, claim_lock)
    }

    /// The event that follows from an outcome, if the step waits for it.
    pub(super) fn prepared(&self, step: &Preparation, slot: u64, outcome: &Outcome) -> Option<CheckoutEvent> {
        let denied = |problem| Some(CheckoutEvent::Denied { slot, problem });
        let is_open = |open: Option<bool>| open == Some(true);
        match (step, outcome) {
            (Preparation::LockingClaims { claim_locks, .. }, Outcome::Drop(answer))
                if effect_ids::line_index(slot).is_some() =>
            {
                let index = effect_ids::line_index(slot)?;
                let claim = *effect_ids::claims_of(&self.details.source).get(index)?;
                if !is_open(claim_locks.get(index).map(Asked::is_open)) {
                    return None;
                }
                match answer {
                    Ok(DropReply::Claim(view)) => Some(CheckoutEvent::ClaimLocked {
                        slot,
                        sku: view.sku.clone(),
                        quantity: view.quantity,
                        price: view.unit_price,
                    }),
                    Ok(_) => None,
                    Err(rejection) => denied(CheckoutProblem::of_pin(claim, self.details.checkout, rejection)),
                }
            }
            (Preparation::LockingClaims { drops, .. }, Outcome::Drop(answer)) => {
                let index = effect_ids::drop_index(slot)?;
                if !is_open(drops.get(index).map(Asked::is_open)) {
                    return None;
                }
                // If the buyer cannot see the drop, its claims are rejected by their lock commands, not here.
                let (title, product) = match answer {
                    Ok(DropReply::Drop(view)) => (view.terms.title.clone(), view.terms.product),
                    Ok(_) => return None,
                    Err(_) => (String::new(), None),
                };
                Some(CheckoutEvent::DropSeen { slot, title, product })
            }
            (Preparation::Locking { cart: Asked::Open }, Outcome::Cart(answer)) if slot == effect_ids::CART => {
                match answer {
                    Ok(CartReply::Cart(cart)) => {
                        Some(CheckoutEvent::Locked { lines: cart.lines.iter().map(|line| (**line).clone()).collect() })
                    }
                    Ok(CartReply::Done) => None,
                    Err(rejection) => denied(self.lock_problem(rejection)),
                }
            }
            (Preparation::Quoting { lines, quotes }, Outcome::Product(answer)) => {
                let index = effect_ids::line_index(slot)?;
                if !is_open(quotes.get(index).map(Asked::is_open)) {
                    return None;
                }
                let sku = &lines.get(index)?.sku;
                match answer {
                    Ok(ProductReply::Quote(quote)) => Some(CheckoutEvent::Quoted { slot, price: quote.price }),
                    Ok(_) => None,
                    Err(_) => denied(CheckoutProblem::NotForSale { sku: sku.clone() }),
                }
            }
            (Preparation::Holding { goods, holds, .. }, Outcome::Stock(answer)) => {
                let index = effect_ids::line_index(slot)?;
                if !is_open(holds.get(index).map(Asked::is_open)) {
                    return None;
                }
                let sku = goods.lines.get(index)?.sku.clone();
                match answer {
                    Ok(_) => Some(CheckoutEvent::Done { slot }),
                    Err(StockRejection::InsufficientAvailable { available, .. }) => {
                        denied(CheckoutProblem::InsufficientStock { sku, available: *available })
                    }
                    Err(StockRejection::NotFound) => denied(CheckoutProblem::InsufficientStock { sku, available: 0 }),
                    Err(_) => denied(CheckoutProblem::Unavailable),
                }
            }
            _ => None,
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

/// The current prices of lines whose prices have changed since they were added to the cart.
pub(super) fn changed_prices(lines: &[CartLine], quotes: &[Asked<Money>]) -> Vec<crate::cart::NewPrice> {
    let changed = lines.iter().zip(quotes).filter_map(|(line, quote)| match quote.yes() {
        Some(price) if *price != line.price => Some(crate::cart::NewPrice { sku: line.sku.clone(), price: *price }),
        _ => None,
    });
    changed.collect()
}
