//! How an order decides.

use super::{
    FulfillmentState, LINES_MAX, LineRefund, Order, OrderCommand, OrderEvent, OrderLine, OrderPaymentState,
    OrderRejection, OrderReply, OrderTotals, REASON_CHARS_MAX, REFUNDS_MAX, Sheet, Standing,
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    money::Money,
    pricing::{PricedLine, goods},
    receipts::Receipt,
};

pub(super) type Decided = Result<Decision<OrderEvent, OrderReply>, OrderRejection>;

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
            OrderCommand::RefundLines { lines, reason } => self.refund_lines(sheet, lines, reason, context),
            OrderCommand::Fulfil { lines, tracking } => {
                self.fulfil(sheet, lines.as_deref(), tracking.as_deref(), context)
            }
            OrderCommand::ChangeTracking { fulfillment, tracking } => {
                self.change_tracking(sheet, *fulfillment, tracking.as_deref(), context)
            }
            OrderCommand::View { viewer } => match viewer {
                Some(viewer) if !viewer.is(sheet.buyer) => Err(OrderRejection::NotFound),
                _ => Ok(Decision::read(self.reply(sheet, &self.standing, self.changes.len()))),
            },
        }
    }

    fn place(&self, placed: Sheet) -> Decided {
        let as_placed = self.reply(&placed, &Standing::default(), 0);
        if let Some(sheet) = &self.sheet {
            let same = Sheet { at: sheet.at, ..placed };
            return if same == *sheet {
                Ok(Decision::again(self.reply(sheet, &Standing::default(), 0)))
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
                Ok(Decision::accept(vec![OrderEvent::Paid { at: paid_at }], self.reply(sheet, &as_paid, 0)))
            }
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded | OrderPaymentState::Refunded => {
                Ok(Decision::again(self.reply(sheet, &as_paid, 0)))
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
            OrderPaymentState::Authorized => Ok(Decision::accept(
                vec![OrderEvent::CaptureFailed { at: failed_at }],
                self.reply(sheet, &as_failed, 0),
            )),
            OrderPaymentState::Failed => Ok(Decision::again(self.reply(sheet, &as_failed, 0))),
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
            FulfillmentState::PartiallyFulfilled => {
                return Err(not_allowed("a part of the order is on its way; refund the lines of the rest instead"));
            }
            FulfillmentState::Unfulfilled => {}
        }
        self.check_paid()?;
        let (receipt, rest) = (Receipt::of(context), self.paid() - self.standing.refunded);
        if rest == 0 {
            let (reason, at) = (reason.to_owned(), context.now);
            let cancelled = OrderEvent::Cancelled { reason, restock, receipt, at, notify: Some(true) };
            return Ok(Decision::later(vec![cancelled], context.command_id));
        }
        self.ask_refund(Money { amount: rest, ..sheet.totals.total }, reason, restock, true, None, context)
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
                "units come back only with a refund of lines, or of all that is left; refund lines, or an amount without \
                 restock",
            ));
        }
        self.ask_refund(amount, reason, restock, false, None, context)
    }

    /// Asks the payment to give money back. Where nothing is to be given back, it is done at once.
    pub(super) fn ask_refund(
        &self,
        amount: Money,
        reason: &str,
        restock: bool,
        cancel: bool,
        lines: Option<Vec<LineRefund>>,
        context: &Context,
    ) -> Decided {
        if self.refunds >= REFUNDS_MAX {
            return Err(OrderRejection::TooManyRefunds);
        }
        let (refund, receipt, reason) = (self.next_refund(), Receipt::of(context), reason.to_owned());
        let at = context.now;
        let asked = OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, receipt, lines: lines.clone() };
        let mut events = vec![asked];
        if amount.amount == 0 {
            events.push(OrderEvent::Refunded { refund, amount, restock, at, lines, notify: None });
        }
        Ok(Decision::later(events, context.command_id))
    }

    /// Whether its money can be given back now.
    pub(super) fn check_paid(&self) -> Result<(), OrderRejection> {
        match self.standing.payment_state {
            OrderPaymentState::Authorized => Err(not_allowed("the payment is not captured yet; try again")),
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            _ if self.pending.is_some() => Err(OrderRejection::RefundInProgress),
            _ => Ok(()),
        }
    }

    /// Whether the command was accepted before: its answer then, or the wait for it.
    pub(super) fn repeat(
        &self,
        sheet: &Sheet,
        context: &Context,
    ) -> Result<Option<Decision<OrderEvent, OrderReply>>, KeyReused> {
        if let Some(then) = self.receipts.find(context)? {
            return Ok(Some(Decision::again(self.reply(sheet, &then.standing, then.changes))));
        }
        let same = |id| self.pending.as_ref().filter(|pending| pending.receipt.command_id == id);
        match context.ids().find_map(same) {
            Some(pending) if !context.says(pending.receipt.fingerprint, pending.receipt.at) => Err(KeyReused),
            Some(pending) => Ok(Some(Decision::later_again(pending.receipt.command_id))),
            None => Ok(None),
        }
    }

    /// The order as it stood so, after its first `changes`.
    pub(super) fn reply(&self, sheet: &Sheet, standing: &Standing, changes: usize) -> OrderReply {
        OrderReply::Order(Self::view(sheet, standing, &self.changes[..changes]))
    }
}

/// Whether the subtotal is what the lines come to: refunds by line rely on it.
fn is_sum(lines: &[OrderLine], totals: &OrderTotals) -> bool {
    let lines: Vec<PricedLine> = lines.iter().map(PricedLine::from).collect();
    goods(totals.subtotal.currency, &lines).is_ok_and(|sum| sum == totals.subtotal)
}

pub(super) fn check_reason(reason: &str) -> Result<(), OrderRejection> {
    if reason.chars().count() > REASON_CHARS_MAX {
        Err(invalid("/reason", "is longer than 500 characters"))
    } else {
        Ok(())
    }
}

pub(super) fn invalid(pointer: &'static str, why: &'static str) -> OrderRejection {
    OrderRejection::Invalid { pointer, why }
}

pub(super) fn not_allowed(why: &'static str) -> OrderRejection {
    OrderRejection::NotAllowed { why }
}
