//! Decides which units an order sends, and which lines it refunds.

use super::{
    Change, Details, FULFILLMENTS_MAX, FulfillmentState, LineRefund, LineUnits, Order, OrderEvent, OrderPaymentState,
    OrderRejection, TRACKING_CHANGES_MAX, TRACKING_CHARS_MAX,
    decide::{Decided, check_reason, invalid, not_allowed},
    progress::{fulfillment_id, line_id, line_progress},
    refund,
};
use crate::{
    aggregate::{Context, Decision},
    id::{FulfillmentId, OrderLineId},
    money::Money,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
};

impl Order {
    pub(super) fn fulfil(
        &self,
        details: &Details,
        lines: Option<&[(OrderLineId, Quantity)]>,
        tracking: Option<&str>,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(details, context)? {
            return Ok(decision);
        }
        check_tracking(tracking)?;
        self.check_sendable()?;
        let progress = line_progress(&details.lines, &self.changes);
        let to_send: Vec<u64> =
            details.lines.iter().zip(&progress).map(|(line, done)| done.to_send(line.quantity.units())).collect();
        let sent = match lines {
            None => all_of(&to_send),
            Some(lines) => named(details, lines, &to_send)?,
        };
        // A refund takes unsent units first, and these must not be sent while it is in progress.
        let refunding = self.pending.iter().flat_map(|pending| pending.lines.iter().flatten());
        for refund in refunding {
            let left = to_send[usize::from(refund.line)].saturating_sub(refund.units);
            if sent.iter().any(|sent| sent.line == refund.line && sent.units > left) {
                return Err(OrderRejection::RefundInProgress);
            }
        }
        if sent.is_empty() {
            return Err(not_allowed("all units of the order have been sent"));
        }
        if self.changes.iter().filter(|change| matches!(change, Change::Shipped { .. })).count() >= FULFILLMENTS_MAX {
            return Err(OrderRejection::TooManyFulfillments);
        }
        let shipped = OrderEvent::Shipped {
            fulfillment: fulfillment_id(details.order, self.changes.len() + 1),
            lines: sent,
            tracking: tracking.map(str::to_owned),
            processed: ProcessedCommand::of(context),
        };
        Ok(Decision::deferred(vec![shipped], context.command_id))
    }

    /// Checks that units of the order may be sent now.
    fn check_sendable(&self) -> Result<(), OrderRejection> {
        match self.status.fulfillment_state {
            FulfillmentState::Fulfilled => return Err(not_allowed("the order is fulfilled already")),
            FulfillmentState::Cancelled => return Err(not_allowed("the order is cancelled")),
            FulfillmentState::Unfulfilled | FulfillmentState::PartiallyFulfilled => {}
        }
        if self.pending.as_ref().is_some_and(|pending| pending.cancel) {
            return Err(not_allowed("the order is being cancelled"));
        }
        if self.status.restocked {
            return Err(not_allowed("the units of the order were returned to the inventory"));
        }
        if self.pending.as_ref().is_some_and(|pending| pending.restock) {
            return Err(OrderRejection::RefundInProgress);
        }
        match self.status.payment_state {
            OrderPaymentState::Authorized | OrderPaymentState::Failed => Err(not_allowed("the order is not paid")),
            OrderPaymentState::Refunded => Err(not_allowed("the order is refunded")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded => Ok(()),
        }
    }

    pub(super) fn change_tracking(
        &self,
        details: &Details,
        fulfillment: FulfillmentId,
        tracking: Option<&str>,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(details, context)? {
            return Ok(decision);
        }
        check_tracking(tracking)?;
        let parcels = Self::view(details, &self.status, &self.changes).fulfillments();
        let parcel = parcels.iter().find(|parcel| parcel.id == fulfillment);
        let parcel = parcel.ok_or(OrderRejection::FulfillmentNotFound)?;
        if parcel.tracking.as_deref() == tracking {
            // No change, so the buyer is not notified.
            return Ok(Decision::read(self.reply(details, &self.status, self.changes.len())));
        }
        let corrections = self.changes.iter().filter(|change| matches!(change, Change::TrackingChanged { .. }));
        if corrections.count() >= TRACKING_CHANGES_MAX {
            return Err(OrderRejection::TooManyFulfillments);
        }
        let (tracking, processed) = (tracking.map(str::to_owned), ProcessedCommand::of(context));
        let changed = OrderEvent::TrackingChanged { fulfillment, tracking, processed };
        Ok(Decision::deferred(vec![changed], context.command_id))
    }

    pub(super) fn refund_lines(
        &self,
        details: &Details,
        lines: &[(OrderLineId, Quantity, bool)],
        reason: &str,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(details, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        self.check_paid()?;
        if self.status.fulfillment_state == FulfillmentState::Cancelled {
            return Err(not_allowed("the order is cancelled"));
        }
        if self.status.restocked && lines.iter().any(|(.., restock)| *restock) {
            return Err(not_allowed("the units of the order were returned to the inventory"));
        }
        let before = line_progress(&details.lines, &self.changes);
        let unrefunded: Vec<u64> = details
            .lines
            .iter()
            .zip(&before)
            .map(|(line, done)| line.quantity.units().saturating_sub(done.refunded()))
            .collect();
        let wanted: Vec<_> = lines.iter().map(|(line, quantity, _)| (*line, *quantity)).collect();
        let named = named(details, &wanted, &unrefunded)?;
        let mut now = vec![0; details.lines.len()];
        for refunded in &named {
            now[usize::from(refunded.line)] = refunded.units;
        }
        let comes_to = refund::amount(&details.lines, &details.totals, &before, &now)
            .map_err(|_| invalid("/lines", "exceeds the maximum amount"))?;
        let left = Money { amount: self.paid() - self.status.refunded, ..details.totals.total };
        if comes_to > 0 && left.amount == 0 {
            return Err(OrderRejection::RefundTooLarge { refundable: left });
        }
        // Earlier refunds of amounts may have left less than the price of the lines; refund the rest in that case.
        let amount = Money { amount: comes_to.min(left.amount), ..left };
        let refunds = named.iter().zip(lines).map(|(named, (.., restock))| LineRefund {
            line: named.line,
            units: named.units,
            restock: *restock,
        });
        self.ask_refund(amount, reason, false, false, Some(refunds.collect()), context)
    }
}

/// Returns all units that are left, line by line.
fn all_of(left: &[u64]) -> Vec<LineUnits> {
    let units = (0u16..).zip(left).filter(|(_, units)| **units > 0);
    units.map(|(line, units)| LineUnits { line, units: *units }).collect()
}

/// Returns the units that the command names, after checking that each line has that many left.
fn named(details: &Details, lines: &[(OrderLineId, Quantity)], left: &[u64]) -> Result<Vec<LineUnits>, OrderRejection> {
    if lines.is_empty() {
        return Err(invalid("/lines", "is empty"));
    }
    let ids: Vec<OrderLineId> = (0..details.lines.len()).map(|index| line_id(details.order, index)).collect();
    let mut named: Vec<LineUnits> = Vec::with_capacity(lines.len().min(ids.len()));
    for (id, quantity) in lines {
        let index = ids.iter().position(|known| known == id);
        let index = index.ok_or_else(|| invalid("/lines", "is not a line of the order"))?;
        let line = index as u16;
        if named.iter().any(|named| named.line == line) {
            return Err(invalid("/lines", "is duplicated"));
        }
        if quantity.units() > left[index] {
            return Err(OrderRejection::TooManyUnits { line: *id, remaining: left[index] });
        }
        named.push(LineUnits { line, units: quantity.units() });
    }
    Ok(named)
}

fn check_tracking(tracking: Option<&str>) -> Result<(), OrderRejection> {
    match tracking {
        Some(text) if text.chars().count() > TRACKING_CHARS_MAX => {
            Err(invalid("/tracking", "is longer than 500 characters"))
        }
        _ => Ok(()),
    }
}
