//! Securing the goods: claims are pinned; a cart is locked, its prices are checked, and its lines are held.

use super::{
    ARRIVE_WITHIN_MS, CheckoutEvent, CheckoutProblem, HOLD_MS, Source, Totals,
    phase::{Asked, Attempt, Goods, Preparation},
    slots,
};
use crate::{
    cart::{CartCommand, CartLine, CartRejection, CartReply},
    drop::{DropCommand, DropReply},
    effect::{Outcome, Request},
    inventory::{InventoryCommand, InventoryRejection},
    money::Money,
    pricing::{self, PricedLine},
    product::{ProductCommand, ProductReply, Wanted},
    time::Timestamp,
};

impl Preparation {
    pub(super) fn open_answers(&self) -> usize {
        fn count<T>(answers: &[Asked<T>]) -> usize {
            answers.iter().filter(|answer| answer.is_open()).count()
        }
        match self {
            Preparation::Pinning { pins, drops } => count(pins) + count(drops),
            Preparation::Locking { cart } => count(std::slice::from_ref(cart)),
            Preparation::Quoting { quotes, .. } => count(quotes),
            Preparation::Holding { holds, .. } => count(holds),
        }
    }

    /// The first refusal, by the buyer's order of things.
    fn problem(&self) -> Option<&CheckoutProblem> {
        match self {
            Preparation::Pinning { pins, .. } => pins.iter().find_map(Asked::problem),
            Preparation::Locking { cart } => cart.problem(),
            Preparation::Quoting { quotes, .. } => quotes.iter().find_map(Asked::problem),
            Preparation::Holding { holds, .. } => holds.iter().find_map(Asked::problem),
        }
    }
}

impl Attempt {
    /// What the step asks for and has no answer to.
    pub(super) fn to_prepare(&self, step: &Preparation) -> Vec<(u64, Request)> {
        let sheet = &self.sheet;
        match step {
            Preparation::Pinning { pins, drops } => {
                let claims = slots::claims_of(&sheet.source);
                let pin = |(index, claim)| (slots::line(index), self.pin_request(claim));
                let view = |(index, drop)| (slots::drop(index), Request::Drop(drop, DropCommand::View));
                let pins = claims.iter().zip(pins).enumerate().filter(|(_, (_, pin))| pin.is_open());
                let seen = slots::drops_of(claims);
                let drops = seen.iter().zip(drops).enumerate().filter(|(_, (_, drop))| drop.is_open());
                let pins = pins.map(|(index, (claim, _))| pin((index, *claim)));
                pins.chain(drops.map(|(index, (drop, _))| view((index, *drop)))).collect()
            }
            Preparation::Locking { .. } => {
                let Source::Cart(cart) = sheet.source else { return Vec::new() };
                let begin = CartCommand::BeginCheckout {
                    buyer: sheet.as_buyer(),
                    checkout: sheet.checkout,
                    attempt: sheet.attempt,
                    deadline: sheet.arrive_by(),
                };
                vec![(slots::CART, Request::Cart(cart, begin))]
            }
            Preparation::Quoting { lines, quotes } => {
                let open = lines.iter().zip(quotes).enumerate().filter(|(_, (_, quote))| quote.is_open());
                open.map(|(index, (line, _))| {
                    let quote = ProductCommand::Quote(Wanted::Sku(line.sku.clone()));
                    (slots::line(index), Request::Product(line.product, quote))
                })
                .collect()
            }
            Preparation::Holding { goods, holds, asked_at } => {
                let open = goods.lines.iter().zip(holds).enumerate().filter(|(_, (_, hold))| hold.is_open());
                open.map(|(index, (line, _))| {
                    let reserve = InventoryCommand::Reserve {
                        hold: slots::hold_id(sheet.checkout, sheet.attempt, &line.sku),
                        quantity: line.quantity,
                        expires_at: asked_at.plus_ms(HOLD_MS),
                        deadline: asked_at.plus_ms(ARRIVE_WITHIN_MS),
                    };
                    (slots::line(index), Request::Inventory(line.sku.clone(), reserve))
                })
                .collect()
            }
        }
    }

    fn pin_request(&self, claim: crate::id::ClaimRef) -> Request {
        let sheet = &self.sheet;
        let pin = DropCommand::Pin {
            claim: claim.claim,
            buyer: sheet.as_buyer(),
            pin: sheet.pin(),
            email: sheet.email,
            deadline: sheet.arrive_by(),
        };
        Request::Drop(claim.drop, pin)
    }

    /// What an answer says, if the step waits for it.
    pub(super) fn prepared(&self, step: &Preparation, slot: u64, outcome: &Outcome) -> Option<CheckoutEvent> {
        let denied = |problem| Some(CheckoutEvent::Denied { slot, problem });
        let is_open = |open: Option<bool>| open == Some(true);
        match (step, outcome) {
            (Preparation::Pinning { pins, .. }, Outcome::Drop(answer)) if slots::line_index(slot).is_some() => {
                let index = slots::line_index(slot)?;
                let claim = *slots::claims_of(&self.sheet.source).get(index)?;
                if !is_open(pins.get(index).map(Asked::is_open)) {
                    return None;
                }
                match answer {
                    Ok(DropReply::Claim(view)) => Some(CheckoutEvent::Pinned {
                        slot,
                        sku: view.sku.clone(),
                        quantity: view.quantity,
                        price: view.unit_price,
                    }),
                    Ok(_) => None,
                    Err(rejection) => denied(CheckoutProblem::of_pin(claim, self.sheet.checkout, rejection)),
                }
            }
            (Preparation::Pinning { drops, .. }, Outcome::Drop(answer)) => {
                let index = slots::drop_index(slot)?;
                if !is_open(drops.get(index).map(Asked::is_open)) {
                    return None;
                }
                // A drop that does not show itself has its claims refused by the pins.
                let (title, product) = match answer {
                    Ok(DropReply::Drop(view)) => (view.terms.title.clone(), view.terms.product),
                    Ok(_) => return None,
                    Err(_) => (String::new(), None),
                };
                Some(CheckoutEvent::DropSeen { slot, title, product })
            }
            (Preparation::Locking { cart: Asked::Open }, Outcome::Cart(answer)) if slot == slots::CART => {
                match answer {
                    Ok(CartReply::Cart(cart)) => {
                        Some(CheckoutEvent::Locked { lines: cart.lines.iter().map(|line| (**line).clone()).collect() })
                    }
                    Ok(CartReply::Done) => None,
                    Err(rejection) => denied(self.lock_problem(rejection)),
                }
            }
            (Preparation::Quoting { lines, quotes }, Outcome::Product(answer)) => {
                let index = slots::line_index(slot)?;
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
            (Preparation::Holding { goods, holds, .. }, Outcome::Inventory(answer)) => {
                let index = slots::line_index(slot)?;
                if !is_open(holds.get(index).map(Asked::is_open)) {
                    return None;
                }
                let sku = goods.lines.get(index)?.sku.clone();
                match answer {
                    Ok(_) => Some(CheckoutEvent::Done { slot }),
                    Err(InventoryRejection::InsufficientAvailable { available, .. }) => {
                        denied(CheckoutProblem::InsufficientStock { sku, available: *available })
                    }
                    Err(InventoryRejection::NotFound) => {
                        denied(CheckoutProblem::InsufficientStock { sku, available: 0 })
                    }
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
            // A late copy of an earlier attempt has hold of it.
            CartRejection::CheckoutInProgress { checkout } if *checkout == self.sheet.checkout => {
                CheckoutProblem::Unavailable
            }
            CartRejection::CheckoutInProgress { checkout } => {
                CheckoutProblem::CheckoutInProgress { checkout: *checkout }
            }
            CartRejection::TooManyChanges => CheckoutProblem::TooManyCheckouts,
            _ => CheckoutProblem::Unavailable,
        }
    }

    /// The step has all its answers: the next one, or the undoing.
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
            Preparation::Pinning { .. } => {
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

    /// What it comes to, if that is what the buyer has seen: either every price, or the total.
    fn priced(&self, prices_as_seen: bool) -> Result<Totals, CheckoutProblem> {
        let lines: Vec<PricedLine> = self.lines().iter().map(PricedLine::from).collect();
        let totals = pricing::price(&lines, &self.sheet.terms)?;
        let total: Money = totals.total;
        match self.sheet.expected_total {
            Some(expected) if expected == total => Ok(totals),
            None if prices_as_seen => Ok(totals),
            _ => Err(CheckoutProblem::PriceChanged { total }),
        }
    }
}

/// The lines whose prices have changed since they were put into the cart.
pub(super) fn changed_prices(lines: &[CartLine], quotes: &[Asked<Money>]) -> Vec<crate::cart::NewPrice> {
    let changed = lines.iter().zip(quotes).filter_map(|(line, quote)| match quote.yes() {
        Some(price) if *price != line.price => Some(crate::cart::NewPrice { sku: line.sku.clone(), price: *price }),
        _ => None,
    });
    changed.collect()
}
