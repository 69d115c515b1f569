//! Selling the goods: sells the lines, numbers and places the order, and notifies it when the payment is captured.

use super::{
    CheckoutEvent, CheckoutProblem, Grip, Source, effect_ids,
    phase::{Asked, Attempt, Goods},
};
use crate::{
    cart::CartCommand,
    effect::{Outcome, Request},
    flash_drop::DropCommand,
    order::{LineSource, OrderCommand, OrderLine},
    order_numbers::{OrderNumbersCommand, OrderNumbersId, OrderNumbersReply},
    stock::StockCommand,
    time::Timestamp,
};

impl Attempt {
    pub(super) fn to_sell(&self, goods: &Goods, lines: &[Asked<()>], number: &Asked<u64>) -> Vec<(u64, Request)> {
        let details = &self.details;
        let open = goods.lines.iter().zip(lines).enumerate().filter(|(_, (_, answer))| answer.is_open());
        let mut requests: Vec<(u64, Request)> = open
            .map(|(index, (line, _))| {
                let request = match line.grip {
                    Grip::Claim(claim) => {
                        let confirm = DropCommand::Confirm {
                            claim: claim.claim,
                            lock: details.claim_lock(),
                            order: details.order(),
                        };
                        Request::Drop(claim.drop, confirm)
                    }
                    Grip::Hold(hold) => Request::Stock(line.sku.clone(), StockCommand::Confirm { hold }),
                };
                (effect_ids::line(index), request)
            })
            .collect();
        if number.is_open() {
            let assign = OrderNumbersCommand::Assign { tenant: details.tenant.clone(), order: details.order() };
            requests.push((effect_ids::NUMBER, Request::OrderNumbers(OrderNumbersId, assign)));
        }
        requests
    }

    /// The event that follows from an answer of a drop, a stock item or the counter of order numbers to the sale.
    pub(super) fn sold(
        &self,
        lines: &[Asked<()>],
        number: &Asked<u64>,
        slot: u64,
        outcome: &Outcome,
    ) -> Option<CheckoutEvent> {
        let is_done = match outcome {
            Outcome::OrderNumbers(answer) if slot == effect_ids::NUMBER && number.is_open() => {
                return Some(match answer {
                    Ok(OrderNumbersReply::Number(number)) => CheckoutEvent::Numbered { number: *number },
                    Err(_) => CheckoutEvent::Denied { slot, problem: CheckoutProblem::Unavailable },
                });
            }
            Outcome::Drop(answer) => answer.is_ok(),
            Outcome::Stock(answer) => answer.is_ok(),
            _ => return None,
        };
        if !lines.get(effect_ids::line_index(slot)?)?.is_open() {
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

    pub(super) fn to_place(&self, goods: &Goods, number: u64) -> (u64, Request) {
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
        (effect_ids::ORDER, Request::Order(details.order(), place))
    }

    pub(super) fn placed(&self, outcome: &Outcome, at: Timestamp) -> Option<CheckoutEvent> {
        match outcome {
            Outcome::Order(Ok(_)) => Some(CheckoutEvent::CaptureAsked { at }),
            Outcome::Order(Err(_)) => Some(CheckoutEvent::UndoAsked { problem: CheckoutProblem::Unavailable, at }),
            _ => None,
        }
    }

    /// The requests that notify the order and the cart of the payment.
    pub(super) fn to_tell(&self, order_told: bool, cart_told: bool) -> Vec<(u64, Request)> {
        let details = &self.details;
        let mut requests = Vec::new();
        if !order_told {
            requests.push((effect_ids::ORDER, Request::Order(details.order(), OrderCommand::MarkPaid)));
        }
        if let (false, Source::Cart(cart)) = (cart_told, &details.source) {
            let end = CartCommand::EndCheckout {
                checkout: details.checkout,
                attempt: details.attempt,
                sold: true,
                prices: Vec::new(),
                deadline: details.arrive_by(),
            };
            requests.push((effect_ids::CART, Request::Cart(*cart, end)));
        }
        requests
    }

    /// The event that follows when the order or the cart has answered. A rejection makes no difference: the payment is
    /// captured and the goods are sold.
    pub(super) fn told(
        &self,
        order_told: bool,
        cart_told: bool,
        slot: u64,
        outcome: &Outcome,
    ) -> Option<CheckoutEvent> {
        match (outcome, slot) {
            (Outcome::Order(_), effect_ids::ORDER) if !order_told => Some(CheckoutEvent::Done { slot }),
            (Outcome::Cart(_), effect_ids::CART) if !cart_told => Some(CheckoutEvent::Done { slot }),
            _ => None,
        }
    }
}
