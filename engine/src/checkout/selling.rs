//! Selling the goods: sells the lines, numbers and places the order, and notifies it when the payment is captured.

use super::{
    CheckoutEvent, CheckoutOutcome, CheckoutProblem, Grip, Source,
    effect_ids::CheckoutEffect,
    phase::{Asked, Attempt, Goods},
};
use crate::{
    cart::CartCommand,
    flash_drop::DropCommand,
    order::{LineSource, OrderCommand, OrderLine},
    order_numbers::{OrderNumbersCommand, OrderNumbersId, OrderNumbersReply},
    stock::StockCommand,
    time::Timestamp,
};

impl Attempt {
    pub(super) fn to_sell(&self, goods: &Goods, lines: &[Asked<()>], number: &Asked<u64>) -> Vec<CheckoutEffect> {
        let details = &self.details;
        let open = goods.lines.iter().zip(lines).enumerate().filter(|(_, (_, answer))| answer.is_open());
        let mut effects: Vec<CheckoutEffect> = open
            .map(|(index, (line, _))| {
                let index = index as u64;
                match line.grip {
                    Grip::Claim(claim) => {
                        let confirm = DropCommand::Confirm {
                            claim: claim.claim,
                            lock: details.claim_lock(),
                            order: details.order(),
                        };
                        CheckoutEffect::Claim(index, (claim.drop, confirm))
                    }
                    Grip::Hold(hold) => CheckoutEffect::Hold(index, (line.sku.clone(), StockCommand::Confirm { hold })),
                }
            })
            .collect();
        if number.is_open() {
            let assign = OrderNumbersCommand::Assign { tenant: details.tenant.clone(), order: details.order() };
            effects.push(CheckoutEffect::Number((OrderNumbersId, assign)));
        }
        effects
    }

    /// The event that follows from an answer of a drop, a stock item or the counter of order numbers to the sale.
    pub(super) fn sold(
        &self,
        lines: &[Asked<()>],
        number: &Asked<u64>,
        slot: u64,
        outcome: CheckoutOutcome,
    ) -> Option<CheckoutEvent> {
        let (index, is_done) = match outcome {
            CheckoutOutcome::Number(answer) if number.is_open() => {
                return Some(match answer {
                    Ok(OrderNumbersReply::Number(number)) => CheckoutEvent::Numbered { number },
                    Err(_) => CheckoutEvent::Denied { slot, problem: CheckoutProblem::Unavailable },
                });
            }
            CheckoutOutcome::Claim(index, answer) => (index, answer.is_ok()),
            CheckoutOutcome::Hold(index, answer) => (index, answer.is_ok()),
            CheckoutOutcome::Number(_)
            | CheckoutOutcome::Cart(_)
            | CheckoutOutcome::Payment(_)
            | CheckoutOutcome::Order(_)
            | CheckoutOutcome::Quote(..)
            | CheckoutOutcome::DropView(..)
            | CheckoutOutcome::Sweep(..) => return None,
        };
        if !lines.get(index as usize)?.is_open() {
            return None;
        }
        match is_done {
            true => Some(CheckoutEvent::Done { slot }),
            false => Some(CheckoutEvent::Denied { slot, problem: CheckoutProblem::GoodsLost }),
        }
    }

    pub(super) fn after_sale(&self, lines: &[Asked<()>], number: &Asked<u64>, at: Timestamp) -> CheckoutEvent {
        match lines.iter().find_map(Asked::problem).or(number.problem()) {
            Some(problem) => CheckoutEvent::UndoAsked { problem: problem.clone(), at },
            None => CheckoutEvent::OrderAsked { at },
        }
    }

    pub(super) fn to_place(&self, goods: &Goods, number: u64) -> CheckoutEffect {
        let details = &self.details;
        let lines = goods.lines.iter().map(|line| OrderLine {
            sku: line.sku.clone(),
            product: line.product,
            title: line.title.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            source: match line.grip {
                Grip::Claim(claim) => LineSource::Claim(claim),
                Grip::Hold(hold) => LineSource::Hold(hold),
            },
            options: line.options.clone(),
        });
        let place = OrderCommand::Place {
            tenant: details.tenant.clone(),
            order: details.order(),
            number,
            buyer: details.buyer,
            contact: details.contact,
            checkout: details.checkout,
            payment: details.payment(),
            lines: lines.collect(),
            totals: goods.totals,
        };
        CheckoutEffect::Order((details.order(), place))
    }

    pub(super) fn placed(&self, outcome: CheckoutOutcome, at: Timestamp) -> Option<CheckoutEvent> {
        // The step has no other request.
        let CheckoutOutcome::Order(answer) = outcome else { return None };
        Some(match answer {
            Ok(_) => CheckoutEvent::CaptureAsked { at },
            Err(_) => CheckoutEvent::UndoAsked { problem: CheckoutProblem::Unavailable, at },
        })
    }

    /// The requests that notify the order and the cart of the payment.
    pub(super) fn to_tell(&self, order_told: bool, cart_told: bool) -> Vec<CheckoutEffect> {
        let details = &self.details;
        let mut effects = Vec::new();
        if !order_told {
            effects.push(CheckoutEffect::Order((details.order(), OrderCommand::MarkPaid)));
        }
        if let (false, Source::Cart(cart)) = (cart_told, &details.source) {
            let end = CartCommand::EndCheckout {
                checkout: details.checkout,
                attempt: details.attempt,
                sold: true,
                prices: Vec::new(),
                deadline: details.arrive_by(),
            };
            effects.push(CheckoutEffect::Cart((*cart, end)));
        }
        effects
    }

    /// The event that follows when the order or the cart has answered. A rejection makes no difference: the payment is
    /// captured and the goods are sold.
    pub(super) fn told(
        &self,
        order_told: bool,
        cart_told: bool,
        slot: u64,
        outcome: CheckoutOutcome,
    ) -> Option<CheckoutEvent> {
        let is_open = match outcome {
            CheckoutOutcome::Order(_) => !order_told,
            CheckoutOutcome::Cart(_) => !cart_told,
            CheckoutOutcome::Payment(_)
            | CheckoutOutcome::Number(_)
            | CheckoutOutcome::Claim(..)
            | CheckoutOutcome::Quote(..)
            | CheckoutOutcome::Hold(..)
            | CheckoutOutcome::DropView(..)
            | CheckoutOutcome::Sweep(..) => false,
        };
        is_open.then_some(CheckoutEvent::Done { slot })
    }
}
