//! The goods become the buyer's: lines are sold, the order is numbered and placed, and, when its money is taken, told so.

use super::{
    CheckoutEvent, CheckoutProblem, Grip, Source,
    phase::{Asked, Attempt, Goods},
    slots,
};
use crate::{
    cart::CartCommand,
    drop::DropCommand,
    effect::{Outcome, Request},
    inventory::InventoryCommand,
    order::{LineSource, OrderCommand, OrderLine},
    order_numbers::{OrderNumbersCommand, OrderNumbersReply},
    time::Timestamp,
};

impl Attempt {
    pub(super) fn to_sell(&self, goods: &Goods, lines: &[Asked<()>], number: &Asked<u64>) -> Vec<(u64, Request)> {
        let sheet = &self.sheet;
        let open = goods.lines.iter().zip(lines).enumerate().filter(|(_, (_, answer))| answer.is_open());
        let mut requests: Vec<(u64, Request)> = open
            .map(|(index, (line, _))| {
                let request = match line.grip {
                    Grip::Claim(claim) => {
                        let confirm =
                            DropCommand::Confirm { claim: claim.claim, pin: sheet.pin(), order: sheet.order() };
                        Request::Drop(claim.drop, confirm)
                    }
                    Grip::Hold(hold) => Request::Inventory(line.sku.clone(), InventoryCommand::Confirm { hold }),
                };
                (slots::line(index), request)
            })
            .collect();
        if number.is_open() {
            let assign = OrderNumbersCommand::Assign { tenant: sheet.tenant.clone(), order: sheet.order() };
            requests.push((slots::NUMBER, Request::OrderNumbers(assign)));
        }
        requests
    }

    /// What a drop, an inventory shard or the counter answered to the sale.
    pub(super) fn sold(
        &self,
        lines: &[Asked<()>],
        number: &Asked<u64>,
        slot: u64,
        outcome: &Outcome,
    ) -> Option<CheckoutEvent> {
        let is_done = match outcome {
            Outcome::OrderNumbers(answer) if slot == slots::NUMBER && number.is_open() => {
                return Some(match answer {
                    Ok(OrderNumbersReply::Number(number)) => CheckoutEvent::Numbered { number: *number },
                    Err(_) => CheckoutEvent::Denied { slot, problem: CheckoutProblem::Unavailable },
                });
            }
            Outcome::Drop(answer) => answer.is_ok(),
            Outcome::Inventory(answer) => answer.is_ok(),
            _ => return None,
        };
        if !lines.get(slots::line_index(slot)?)?.is_open() {
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
        let sheet = &self.sheet;
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
            tenant: sheet.tenant.clone(),
            order: sheet.order(),
            number,
            buyer: sheet.buyer,
            contact: sheet.contact,
            checkout: sheet.checkout,
            payment: sheet.payment(),
            lines: lines.collect(),
            totals: goods.totals,
        };
        (slots::ORDER, Request::Order(sheet.order(), place))
    }

    pub(super) fn placed(&self, outcome: &Outcome, at: Timestamp) -> Option<CheckoutEvent> {
        match outcome {
            Outcome::Order(Ok(_)) => Some(CheckoutEvent::CaptureAsked { at }),
            Outcome::Order(Err(_)) => Some(CheckoutEvent::UndoAsked { problem: CheckoutProblem::Unavailable, at }),
            _ => None,
        }
    }

    /// Who has to hear that it is paid.
    pub(super) fn to_tell(&self, order_told: bool, cart_told: bool) -> Vec<(u64, Request)> {
        let sheet = &self.sheet;
        let mut requests = Vec::new();
        if !order_told {
            requests.push((slots::ORDER, Request::Order(sheet.order(), OrderCommand::MarkPaid)));
        }
        if let (false, Source::Cart(cart)) = (cart_told, &sheet.source) {
            let end = CartCommand::EndCheckout {
                checkout: sheet.checkout,
                attempt: sheet.attempt,
                sold: true,
                prices: Vec::new(),
                deadline: sheet.arrive_by(),
            };
            requests.push((slots::CART, Request::Cart(*cart, end)));
        }
        requests
    }

    /// The order or the cart has heard. Whatever they say to it: the money is taken and the goods are sold.
    pub(super) fn told(
        &self,
        order_told: bool,
        cart_told: bool,
        slot: u64,
        outcome: &Outcome,
    ) -> Option<CheckoutEvent> {
        match (outcome, slot) {
            (Outcome::Order(_), slots::ORDER) if !order_told => Some(CheckoutEvent::Done { slot }),
            (Outcome::Cart(_), slots::CART) if !cart_told => Some(CheckoutEvent::Done { slot }),
            _ => None,
        }
    }
}
