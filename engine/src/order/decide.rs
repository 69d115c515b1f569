//! Decides the commands of an order.

use super::{
    Details, FulfillmentState, LINES_MAX, LineRefund, Order, OrderCommand, OrderEvent, OrderLine, OrderPaymentState,
    OrderRejection, OrderReply, OrderTotals, REASON_CHARS_MAX, REFUNDS_MAX, Status,
};
use crate::{
    aggregate::{Context, Decision, KeyReused},
    money::Money,
    pricing::{PricedLine, goods},
    processed_commands::ProcessedCommand,
};

pub(super) type Decided = Result<Decision<OrderEvent, OrderReply>, OrderRejection>;

impl Order {
    pub(super) fn decide_command(&self, command: &OrderCommand, context: &Context) -> Decided {
        if let OrderCommand::Place { tenant, order, number, buyer, contact, checkout, payment, lines, totals } = command
        {
            let (tenant, lines) = (tenant.clone(), lines.clone());
            let (order, number, buyer, contact) = (*order, *number, *buyer, *contact);
            let (checkout, payment, totals, at) = (*checkout, *payment, *totals, context.now);
            return self.place(Details { tenant, order, number, buyer, contact, checkout, payment, lines, totals, at });
        }
        let details = self.details.as_ref().ok_or(OrderRejection::NotFound)?;
        match command {
            OrderCommand::Place { .. } => unreachable!("answered above"),
            OrderCommand::MarkPaid => self.mark_paid(details, context),
            OrderCommand::CaptureFailed => self.fail(details, context),
            OrderCommand::Cancel { reason, restock } => self.cancel(details, reason, *restock, context),
            OrderCommand::Refund { amount, reason, restock } => {
                self.refund(details, *amount, reason, *restock, context)
            }
            OrderCommand::RefundLines { lines, reason } => self.refund_lines(details, lines, reason, context),
            OrderCommand::Fulfil { lines, tracking } => {
                self.fulfil(details, lines.as_deref(), tracking.as_deref(), context)
            }
            OrderCommand::ChangeTracking { fulfillment, tracking } => {
                self.change_tracking(details, *fulfillment, tracking.as_deref(), context)
            }
            OrderCommand::View { viewer } => match viewer {
                Some(viewer) if !viewer.is(details.buyer) => Err(OrderRejection::NotFound),
                _ => Ok(Decision::read(self.reply(details, &self.status, self.changes.len()))),
            },
        }
    }

    fn place(&self, placed: Details) -> Decided {
        let as_placed = self.reply(&placed, &Status::default(), 0);
        if let Some(details) = &self.details {
            let same = Details { at: details.at, ..placed };
            return if same == *details {
                Ok(Decision::duplicate(self.reply(details, &Status::default(), 0)))
            } else {
                Err(KeyReused.into())
            };
        }
        if placed.lines.is_empty() || placed.lines.len() > LINES_MAX {
            return Err(invalid("/lines", "must have between 1 and 100 lines"));
        }
        if !placed.totals.adds_up() || !is_sum(&placed.lines, &placed.totals) {
            return Err(invalid("/totals", "does not add up"));
        }
        Ok(Decision::accept(vec![OrderEvent::Placed { details: placed }], as_placed))
    }

    fn mark_paid(&self, details: &Details, context: &Context) -> Decided {
        let paid_at = self.status.paid_at.unwrap_or(context.now);
        let as_paid = Status { payment_state: OrderPaymentState::Paid, paid_at: Some(paid_at), ..Status::default() };
        match self.status.payment_state {
            OrderPaymentState::Authorized => {
                Ok(Decision::accept(vec![OrderEvent::Paid { at: paid_at }], self.reply(details, &as_paid, 0)))
            }
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded | OrderPaymentState::Refunded => {
                Ok(Decision::duplicate(self.reply(details, &as_paid, 0)))
            }
        }
    }

    fn fail(&self, details: &Details, context: &Context) -> Decided {
        let failed_at = self.status.cancelled_at.unwrap_or(context.now);
        let as_failed = Status {
            payment_state: OrderPaymentState::Failed,
            fulfillment_state: FulfillmentState::Cancelled,
            cancelled_at: Some(failed_at),
            ..Status::default()
        };
        match self.status.payment_state {
            OrderPaymentState::Authorized => Ok(Decision::accept(
                vec![OrderEvent::CaptureFailed { at: failed_at }],
                self.reply(details, &as_failed, 0),
            )),
            OrderPaymentState::Failed => Ok(Decision::duplicate(self.reply(details, &as_failed, 0))),
            _ => Err(not_allowed("the order is paid")),
        }
    }

    fn cancel(&self, details: &Details, reason: &str, restock: bool, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(details, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        match self.status.fulfillment_state {
            FulfillmentState::Fulfilled => return Err(not_allowed("the order is fulfilled; refund it instead")),
            FulfillmentState::Cancelled => return Err(not_allowed("the order is cancelled already")),
            FulfillmentState::PartiallyFulfilled => {
                return Err(not_allowed("a part of the order has been sent; refund the remaining lines instead"));
            }
            FulfillmentState::Unfulfilled => {}
        }
        self.check_paid()?;
        let (processed, rest) = (ProcessedCommand::of(context), self.paid() - self.status.refunded);
        if rest == 0 {
            let (reason, at) = (reason.to_owned(), context.now);
            let cancelled = OrderEvent::Cancelled { reason, restock, processed, at, notify: Some(true) };
            return Ok(Decision::deferred(vec![cancelled], context.command_id));
        }
        self.ask_refund(Money { amount: rest, ..details.totals.total }, reason, restock, true, None, context)
    }

    fn refund(&self, details: &Details, amount: Money, reason: &str, restock: bool, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(details, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        self.check_paid()?;
        if amount.currency != details.totals.total.currency {
            return Err(invalid("/amount/currency", "must be the currency of the order"));
        }
        if amount.amount < 1 {
            return Err(invalid("/amount/amount", "must be at least 1"));
        }
        let refundable = self.paid() - self.status.refunded;
        if amount.amount > refundable {
            return Err(OrderRejection::RefundTooLarge { refundable: Money { amount: refundable, ..amount } });
        }
        // A refund of an amount restocks all units, so units that are still to be sent would be sold again.
        if restock && amount.amount < refundable {
            return Err(not_allowed("restock requires a refund of lines, or of the full remaining amount"));
        }
        self.ask_refund(amount, reason, restock, false, None, context)
    }

    /// Asks the payment for a refund. A refund of zero is completed at once.
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
        let (refund, processed, reason) = (self.next_refund(), ProcessedCommand::of(context), reason.to_owned());
        let at = context.now;
        let asked =
            OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, processed, lines: lines.clone() };
        let mut events = vec![asked];
        if amount.amount == 0 {
            events.push(OrderEvent::Refunded { refund, amount, restock, at, lines, notify: None });
        }
        Ok(Decision::deferred(events, context.command_id))
    }

    /// Checks that the order's money can be refunded now.
    pub(super) fn check_paid(&self) -> Result<(), OrderRejection> {
        match self.status.payment_state {
            OrderPaymentState::Authorized => Err(not_allowed("the payment is not captured yet; try again")),
            OrderPaymentState::Failed => Err(not_allowed("the payment of this order has failed")),
            _ if self.pending.is_some() => Err(OrderRejection::RefundInProgress),
            _ => Ok(()),
        }
    }

    /// Finds the reply to a command that was accepted before, or the deferred reply if it is still pending.
    pub(super) fn repeat(
        &self,
        details: &Details,
        context: &Context,
    ) -> Result<Option<Decision<OrderEvent, OrderReply>>, KeyReused> {
        if let Some(then) = self.processed_commands.find(context)? {
            return Ok(Some(Decision::duplicate(self.reply(details, &then.status, then.changes))));
        }
        let same = |id| self.pending.as_ref().filter(|pending| pending.processed.command_id == id);
        match context.ids().find_map(same) {
            Some(pending) if !context.says(pending.processed.fingerprint, pending.processed.at) => Err(KeyReused),
            Some(pending) => Ok(Some(Decision::deferred_duplicate(pending.processed.command_id))),
            None => Ok(None),
        }
    }

    /// Returns the order with this status and the first `changes` of its changes.
    pub(super) fn reply(&self, details: &Details, status: &Status, changes: usize) -> OrderReply {
        OrderReply::Order(Self::view(details, status, &self.changes[..changes]))
    }
}

/// Whether the subtotal is the sum of the lines, which refunds by line rely on.
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
    OrderRejection::Invalid { pointer: pointer.into(), why: why.into() }
}

pub(super) fn not_allowed(why: &'static str) -> OrderRejection {
    OrderRejection::NotAllowed { why: why.into() }
}
