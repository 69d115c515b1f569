//! How an order decides.

use super::{
    FulfillmentState, LINES_MAX, Order, OrderCommand, OrderEvent, OrderLine, OrderPaymentState, OrderRejection,
    OrderReply, OrderTotals, REASON_CHARS_MAX, REFUNDS_MAX, Sheet, Standing, TRACKING_CHARS_MAX,
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    money::Money,
    pricing::{PricedLine, goods},
    receipts::Receipt,
};

type Decided = Result<Decision<OrderEvent, OrderReply>, OrderRejection>;

impl Order {
    pub(super) fn decide_command(&self, command: &OrderCommand, context: &Context) -> Decided {
        if let OrderCommand::Place { tenant, order, number, buyer, contact, checkout, payment, lines, totals } = command
        {
            let (tenant, lines) = (tenant.clone(), lines.clone());
            let (order, number, buyer, contact) = (*order, *number, *buyer, *contact);
            let (checkout, payment, totals, at) = (*checkout, *payment, *totals, context.now);
            return self.place(Sheet { tenant, order, number, buyer, contact, checkout, payment, lines, totals, at });
        }
        let sheet = self.sheet.as_ref().ok_or(OrderRejection::NotFound)?;
        match command {
            OrderCommand::Place { .. } => unreachable!("answered above"),
            OrderCommand::MarkPaid => self.mark_paid(sheet, context),
            OrderCommand::CaptureFailed => self.fail(sheet, context),
            OrderCommand::Cancel { reason, restock } => self.cancel(sheet, reason, *restock, context),
            OrderCommand::Refund { amount, reason, restock } => self.refund(sheet, *amount, reason, *restock, context),
            OrderCommand::Fulfil { tracking } => self.fulfil(sheet, tracking.as_deref(), context),
            OrderCommand::View { viewer } => match viewer {
                Some(viewer) if !viewer.is(sheet.buyer) => Err(OrderRejection::NotFound),
                _ => Ok(Decision::read(reply(sheet, &self.standing))),
            },
        }
    }

    fn place(&self, placed: Sheet) -> Decided {
        let as_placed = reply(&placed, &Standing::default());
        if let Some(sheet) = &self.sheet {
            let same = Sheet { at: sheet.at, ..placed };
            return if same == *sheet {
                Ok(Decision::again(reply(sheet, &Standing::default())))
            } else {
                Err(KeyReused.into())
            };
        }
        if placed.lines.is_empty() || placed.lines.len() > LINES_MAX {
            return Err(invalid("/lines", "has from 1 to 100 lines"));
        }
        if !placed.totals.adds_up() || !is_sum(&placed.lines, &placed.totals) {
            return Err(invalid("/totals", "does not add up"));
        }
        Ok(Decision::accept(vec![OrderEvent::Placed { sheet: placed }], as_placed))
    }

    fn mark_paid(&self, sheet: &Sheet, context: &Context) -> Decided {
        let paid_at = self.standing.paid_at.unwrap_or(context.now);
        let as_paid =
            Standing { payment_state: OrderPaymentState::Paid, paid_at: Some(paid_at), ..Standing::default() };
        match self.standing.payment_state {
            OrderPaymentState::Authorized => {
                Ok(Decision::accept(vec![OrderEvent::Paid { at: paid_at }], reply(sheet, &as_paid)))
            }
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded | OrderPaymentState::Refunded => {
                Ok(Decision::again(reply(sheet, &as_paid)))
            }
        }
    }

    fn fail(&self, sheet: &Sheet, context: &Context) -> Decided {
        let failed_at = self.standing.cancelled_at.unwrap_or(context.now);
        let as_failed = Standing {
            payment_state: OrderPaymentState::Failed,
            fulfillment_state: FulfillmentState::Cancelled,
            cancelled_at: Some(failed_at),
            ..Standing::default()
        };
        match self.standing.payment_state {
            OrderPaymentState::Authorized => {
                Ok(Decision::accept(vec![OrderEvent::CaptureFailed { at: failed_at }], reply(sheet, &as_failed)))
            }
            OrderPaymentState::Failed => Ok(Decision::again(reply(sheet, &as_failed))),
            _ => Err(not_allowed("the order is paid")),
        }
    }

    fn cancel(&self, sheet: &Sheet, reason: &str, restock: bool, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        match self.standing.fulfillment_state {
            FulfillmentState::Fulfilled => return Err(not_allowed("the order is fulfilled; refund it instead")),
            FulfillmentState::Cancelled => return Err(not_allowed("the order is cancelled already")),
            FulfillmentState::Unfulfilled => {}
        }
        self.check_paid()?;
        let (receipt, rest) = (Receipt::of(context), self.paid() - self.standing.refunded);
        if rest == 0 {
            let cancelled = OrderEvent::Cancelled { reason: reason.to_owned(), restock, receipt, at: context.now };
            return Ok(Decision::later(vec![cancelled], context.command_id));
        }
        self.ask_refund(Money { amount: rest, ..sheet.totals.total }, reason, restock, true, context)
    }

    fn refund(&self, sheet: &Sheet, amount: Money, reason: &str, restock: bool, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        self.check_paid()?;
        if amount.currency != sheet.totals.total.currency {
            return Err(invalid("/amount/currency", "is not the order's"));
        }
        if amount.amount < 1 {
            return Err(invalid("/amount/amount", "is less than 1"));
        }
        let refundable = self.paid() - self.standing.refunded;
        if amount.amount > refundable {
            return Err(OrderRejection::RefundTooLarge { refundable: Money { amount: refundable, ..amount } });
        }
        // All units go back at once, so what still has to be sent would be for sale again.
        if restock && amount.amount < refundable {
            return Err(not_allowed(
                "units come back only with a refund of all that is left; give back a part without restock, and adjust the \
                 inventory by what came back",
            ));
        }
        self.ask_refund(amount, reason, restock, false, context)
    }

    fn ask_refund(&self, amount: Money, reason: &str, restock: bool, cancel: bool, context: &Context) -> Decided {
        if self.refunds >= REFUNDS_MAX {
            return Err(OrderRejection::TooManyRefunds);
        }
        let (refund, receipt, reason) = (self.next_refund(), Receipt::of(context), reason.to_owned());
        let asked = OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, receipt };
        Ok(Decision::later(vec![asked], context.command_id))
    }

    fn fulfil(&self, sheet: &Sheet, tracking: Option<&str>, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        if tracking.is_some_and(|tracking| tracking.chars().count() > TRACKING_CHARS_MAX) {
            return Err(invalid("/tracking", "is longer than 500 characters"));
        }
        match self.standing.fulfillment_state {
            FulfillmentState::Fulfilled => return Err(not_allowed("the order is fulfilled already")),
            FulfillmentState::Cancelled => return Err(not_allowed("the order is cancelled")),
            FulfillmentState::Unfulfilled => {}
        }
        if self.pending.as_ref().is_some_and(|pending| pending.cancel) {
            return Err(not_allowed("the order is being cancelled"));
        }
        if self.standing.restocked {
            return Err(not_allowed("the units of the order went back to the inventory"));
        }
        if self.pending.as_ref().is_some_and(|pending| pending.restock) {
            return Err(OrderRejection::RefundInProgress);
        }
        match self.standing.payment_state {
            OrderPaymentState::Authorized | OrderPaymentState::Failed => {
                return Err(not_allowed("the order is not paid"));
            }
            OrderPaymentState::Refunded => return Err(not_allowed("the order is refunded")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded => {}
        }
        let fulfilled = OrderEvent::Fulfilled { tracking: tracking.map(str::to_owned), receipt: Receipt::of(context) };
        Ok(Decision::later(vec![fulfilled], context.command_id))
    }

    /// Whether its money can be given back now.
    fn check_paid(&self) -> Result<(), OrderRejection> {
        match self.standing.payment_state {
            OrderPaymentState::Authorized => Err(not_allowed("the payment is not captured yet; try again")),
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            _ if self.pending.is_some() => Err(OrderRejection::RefundInProgress),
            _ => Ok(()),
        }
    }

    /// Whether the command was accepted before: its answer then, or the wait for it.
    fn repeat(&self, sheet: &Sheet, context: &Context) -> Result<Option<Decision<OrderEvent, OrderReply>>, KeyReused> {
        if let Some(standing) = self.receipts.find(context)? {
            return Ok(Some(Decision::again(reply(sheet, standing))));
        }
        let same = |id| self.pending.as_ref().filter(|pending| pending.receipt.command_id == id);
        match context.ids().find_map(same) {
            Some(pending) if !context.says(pending.receipt.fingerprint) => Err(KeyReused),
            Some(pending) => Ok(Some(Decision::later_again(pending.receipt.command_id))),
            None => Ok(None),
        }
    }
}

fn reply(sheet: &Sheet, standing: &Standing) -> OrderReply {
    OrderReply::Order(Order::view(sheet, standing))
}

/// Whether the subtotal is what the lines come to: refunds by line rely on it.
fn is_sum(lines: &[OrderLine], totals: &OrderTotals) -> bool {
    let lines: Vec<PricedLine> = lines.iter().map(PricedLine::from).collect();
    goods(totals.subtotal.currency, &lines).is_ok_and(|sum| sum == totals.subtotal)
}

fn check_reason(reason: &str) -> Result<(), OrderRejection> {
    if reason.chars().count() > REASON_CHARS_MAX {
        Err(invalid("/reason", "is longer than 500 characters"))
    } else {
        Ok(())
    }
}

fn invalid(pointer: &'static str, why: &'static str) -> OrderRejection {
    OrderRejection::Invalid { pointer, why }
}

fn not_allowed(why: &'static str) -> OrderRejection {
    OrderRejection::NotAllowed { why }
}
