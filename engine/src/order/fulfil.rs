//! Which units an order sends, and which lines it refunds.

use super::{
    Change, FULFILLMENTS_MAX, FulfillmentState, LineRefund, LineUnits, Order, OrderEvent, OrderPaymentState,
    OrderRejection, Sheet, TRACKING_CHANGES_MAX, TRACKING_CHARS_MAX,
    decide::{Decided, check_reason, invalid, not_allowed},
    progress::{fulfillment_id, line_id, line_progress},
    refund,
};
use crate::{
    aggregate::{Context, Decision},
    id::{FulfillmentId, OrderLineId},
    money::Money,
    quantity::Quantity,
    receipts::Receipt,
};

impl Order {
    pub(super) fn fulfil(
        &self,
        sheet: &Sheet,
        lines: Option<&[(OrderLineId, Quantity)]>,
        tracking: Option<&str>,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        check_tracking(tracking)?;
        self.check_sendable()?;
        let progress = line_progress(&sheet.lines, &self.changes);
        let to_send: Vec<u64> =
            sheet.lines.iter().zip(&progress).map(|(line, done)| done.to_send(line.quantity.units())).collect();
        let sent = match lines {
            None => all_of(&to_send),
            Some(lines) => named(sheet, lines, &to_send)?,
        };
        // A refund takes units that are still here first, and those are not sent while it is in progress.
        let refunding = self.pending.iter().flat_map(|pending| pending.lines.iter().flatten());
        for refund in refunding {
            let left = to_send[usize::from(refund.line)].saturating_sub(refund.units);
            if sent.iter().any(|sent| sent.line == refund.line && sent.units > left) {
                return Err(OrderRejection::RefundInProgress);
            }
        }
        if sent.is_empty() {
            return Err(not_allowed("nothing of the order is left to be sent"));
        }
        if self.changes.iter().filter(|change| matches!(change, Change::Shipped { .. })).count() >= FULFILLMENTS_MAX {
            return Err(OrderRejection::TooManyFulfillments);
        }
        let shipped = OrderEvent::Shipped {
            fulfillment: fulfillment_id(sheet.order, self.changes.len() + 1),
            lines: sent,
            tracking: tracking.map(str::to_owned),
            receipt: Receipt::of(context),
        };
        Ok(Decision::later(vec![shipped], context.command_id))
    }

    /// Whether anything of it may be sent now.
    fn check_sendable(&self) -> Result<(), OrderRejection> {
        match self.standing.fulfillment_state {
            FulfillmentState::Fulfilled => return Err(not_allowed("the order is fulfilled already")),
            FulfillmentState::Cancelled => return Err(not_allowed("the order is cancelled")),
            FulfillmentState::Unfulfilled | FulfillmentState::PartiallyFulfilled => {}
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
            OrderPaymentState::Authorized | OrderPaymentState::Failed => Err(not_allowed("the order is not paid")),
            OrderPaymentState::Refunded => Err(not_allowed("the order is refunded")),
            OrderPaymentState::Paid | OrderPaymentState::PartiallyRefunded => Ok(()),
        }
    }

    pub(super) fn change_tracking(
        &self,
        sheet: &Sheet,
        fulfillment: FulfillmentId,
        tracking: Option<&str>,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        check_tracking(tracking)?;
        let parcels = Self::view(sheet, &self.standing, &self.changes).fulfillments();
        let parcel = parcels.iter().find(|parcel| parcel.id == fulfillment);
        let parcel = parcel.ok_or(OrderRejection::FulfillmentNotFound)?;
        if parcel.tracking.as_deref() == tracking {
            // It says so already: the buyer gets no mail.
            return Ok(Decision::read(self.reply(sheet, &self.standing, self.changes.len())));
        }
        let corrections = self.changes.iter().filter(|change| matches!(change, Change::TrackingChanged { .. }));
        if corrections.count() >= TRACKING_CHANGES_MAX {
            return Err(OrderRejection::TooManyFulfillments);
        }
        let (tracking, receipt) = (tracking.map(str::to_owned), Receipt::of(context));
        let changed = OrderEvent::TrackingChanged { fulfillment, tracking, receipt };
        Ok(Decision::later(vec![changed], context.command_id))
    }

    pub(super) fn refund_lines(
        &self,
        sheet: &Sheet,
        lines: &[(OrderLineId, Quantity, bool)],
        reason: &str,
        context: &Context,
    ) -> Decided {
        if let Some(decision) = self.repeat(sheet, context)? {
            return Ok(decision);
        }
        check_reason(reason)?;
        self.check_paid()?;
        if self.standing.fulfillment_state == FulfillmentState::Cancelled {
            return Err(not_allowed("the order is cancelled"));
        }
        if self.standing.restocked && lines.iter().any(|(.., restock)| *restock) {
            return Err(not_allowed("the units of the order went back to the inventory"));
        }
        let before = line_progress(&sheet.lines, &self.changes);
        let unrefunded: Vec<u64> = sheet
            .lines
            .iter()
            .zip(&before)
            .map(|(line, done)| line.quantity.units().saturating_sub(done.refunded()))
            .collect();
        let wanted: Vec<_> = lines.iter().map(|(line, quantity, _)| (*line, *quantity)).collect();
        let named = named(sheet, &wanted, &unrefunded)?;
        let mut now = vec![0; sheet.lines.len()];
        for refunded in &named {
            now[usize::from(refunded.line)] = refunded.units;
        }
        let comes_to = refund::amount(&sheet.lines, &sheet.totals, &before, &now)
            .map_err(|_| invalid("/lines", "comes to more than can be counted"))?;
        let left = Money { amount: self.paid() - self.standing.refunded, ..sheet.totals.total };
        if comes_to > 0 && left.amount == 0 {
            return Err(OrderRejection::RefundTooLarge { refundable: left });
        }
        // Earlier refunds of amounts may leave less than the lines cost; then the rest is given back.
        let amount = Money { amount: comes_to.min(left.amount), ..left };
        let refunds = named.iter().zip(lines).map(|(named, (.., restock))| LineRefund {
            line: named.line,
            units: named.units,
            restock: *restock,
        });
        self.ask_refund(amount, reason, false, false, Some(refunds.collect()), context)
    }
}

/// Everything that is left, line by line.
fn all_of(left: &[u64]) -> Vec<LineUnits> {
    let units = (0u16..).zip(left).filter(|(_, units)| **units > 0);
    units.map(|(line, units)| LineUnits { line, units: *units }).collect()
}

/// The named units, if there are so many left of each line.
fn named(sheet: &Sheet, lines: &[(OrderLineId, Quantity)], left: &[u64]) -> Result<Vec<LineUnits>, OrderRejection> {
    if lines.is_empty() {
        return Err(invalid("/lines", "is empty"));
    }
    let ids: Vec<OrderLineId> = (0..sheet.lines.len()).map(|index| line_id(sheet.order, index)).collect();
    let mut named: Vec<LineUnits> = Vec::with_capacity(lines.len().min(ids.len()));
    for (id, quantity) in lines {
        let index = ids.iter().position(|known| known == id);
        let index = index.ok_or_else(|| invalid("/lines", "names a line that the order does not have"))?;
        let line = index as u16;
        if named.iter().any(|named| named.line == line) {
            return Err(invalid("/lines", "names a line more than once"));
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
