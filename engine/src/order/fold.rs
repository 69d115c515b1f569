//! The state of an order, and how events change it. Nothing here can fail or reject.

use super::{
    Change, Details, LineRefund, OrderEvent, OrderView, Status,
    notice::Notices,
    progress::{self, line_progress},
};
use crate::{
    id::{CommandId, RefundId, Sku},
    money::Money,
    processed_commands::{ProcessedCommand, ProcessedCommands},
};

/// An order. `Default` is an order that is not placed yet.
#[derive(Debug, Default)]
pub struct Order {
    pub(super) details: Option<Details>,
    pub(super) status: Status,
    /// The refund that is in progress at the payment.
    pub(super) pending: Option<Pending>,
    /// The number of refunds so far, including failed ones and the pending one.
    pub(super) refunds: u64,
    /// The last command whose refund failed, kept for the deferred reply to it.
    pub(super) refused: Option<(CommandId, String)>,
    pub(super) processed_commands: ProcessedCommands<Then>,
    /// Whether the buyer's receipt is still to be mailed.
    pub(super) mail_open: bool,
    /// The units to restock, by SKU.
    pub(super) restocks: Vec<Restock>,
    /// The changes of the lines since the order was placed.
    pub(super) changes: Vec<Change>,
    /// The e-mails to the buyer after the receipt.
    pub(super) notices: Notices,
    // Derived from the restocks, and not in snapshots.
    pub(super) restocks_open: u32,
}

/// The state of the order when a command was accepted: enough to repeat the reply.
#[derive(Debug, Clone)]
pub(super) struct Then {
    pub(super) status: Status,
    /// The number of changes at that time.
    pub(super) changes: usize,
}

/// A refund in progress.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) refund: RefundId,
    /// The amount, in minor units.
    pub(super) amount: i64,
    pub(super) reason: String,
    pub(super) restock: bool,
    /// Whether the order is cancelled after the refund.
    pub(super) cancel: bool,
    pub(super) processed: ProcessedCommand,
    /// The lines to refund. `None` for the refund of an amount.
    pub(super) lines: Option<Vec<LineRefund>>,
}

/// Units of one SKU to return to its stock item.
#[derive(Debug, Clone)]
pub(super) struct Restock {
    pub(super) sku: Sku,
    /// The total number of units of this order.
    pub(super) total: u64,
    pub(super) booked: bool,
}

impl Order {
    pub(super) fn fold(&mut self, event: &OrderEvent) {
        // Before `progress::apply`: the units to restock are computed from the refunds before this event.
        self.take_units_back(event);
        if let Some(details) = &self.details {
            let total = details.totals.total.amount;
            progress::apply(&mut self.status, &mut self.changes, &details.lines, total, event);
        }
        self.notices.fold(event);
        match event {
            OrderEvent::Placed { details } => self.details = Some(details.clone()),
            OrderEvent::Paid { .. } => self.mail_open = true,
            OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, processed, lines } => {
                self.refunds += 1;
                self.refused = None;
                self.pending = Some(Pending {
                    refund: *refund,
                    amount: amount.amount,
                    reason: reason.clone(),
                    restock: *restock,
                    cancel: *cancel,
                    processed: *processed,
                    lines: lines.clone(),
                });
            }
            OrderEvent::Refunded { .. } => {
                // A cancellation ends with the `Cancelled` that follows, which also keeps the processed command.
                if let Some(pending) = self.pending.take().filter(|pending| !pending.cancel) {
                    self.keep(pending.processed);
                }
            }
            OrderEvent::RefundFailed { code, .. } => {
                if let Some(pending) = self.pending.take() {
                    self.refused = Some((pending.processed.command_id, code.clone()));
                }
            }
            OrderEvent::Cancelled { processed, .. }
            | OrderEvent::Fulfilled { processed, .. }
            | OrderEvent::Shipped { processed, .. }
            | OrderEvent::TrackingChanged { processed, .. } => self.keep(*processed),
            OrderEvent::ReceiptMailed { .. } => self.mail_open = false,
            OrderEvent::Restocked { sku, .. } => {
                if let Some(restock) = self.restocks.iter_mut().find(|restock| restock.sku == *sku && !restock.booked) {
                    restock.booked = true;
                    self.restocks_open -= 1;
                }
            }
            OrderEvent::CaptureFailed { .. } | OrderEvent::NoticeMailed { .. } => {}
        }
        #[cfg(debug_assertions)]
        self.assert_balanced();
    }

    fn keep(&mut self, processed: ProcessedCommand) {
        self.processed_commands.keep(processed, Then { status: self.status.clone(), changes: self.changes.len() });
    }

    /// Records the units that an event restocks: those of the refunded lines with `restock`, or all units that were not
    /// refunded by line, unless these are restocked already.
    fn take_units_back(&mut self, event: &OrderEvent) {
        let Some(details) = &self.details else { return };
        let units: Vec<(usize, u64)> = match event {
            OrderEvent::Refunded { restock: true, .. } | OrderEvent::Cancelled { restock: true, .. }
                if !self.status.restocked =>
            {
                let progress = line_progress(&details.lines, &self.changes);
                let left = details.lines.iter().zip(progress);
                left.map(|(line, done)| line.quantity.units().saturating_sub(done.refunded())).enumerate().collect()
            }
            OrderEvent::Refunded { lines: Some(lines), .. } => {
                let back = lines.iter().filter(|line| line.restock);
                back.map(|line| (usize::from(line.line), line.units)).collect()
            }
            _ => return,
        };
        for (index, units) in units.into_iter().filter(|(_, units)| *units > 0) {
            let Some(sku) = details.lines.get(index).map(|line| &line.sku) else { continue };
            match self.restocks.iter_mut().find(|restock| restock.sku == *sku) {
                Some(restock) => {
                    restock.total += units;
                    self.restocks_open += u32::from(restock.booked);
                    restock.booked = false;
                }
                None => {
                    self.restocks.push(Restock { sku: sku.clone(), total: units, booked: false });
                    self.restocks_open += 1;
                }
            }
        }
    }

    /// Returns the captured amount, in minor units.
    pub(super) fn paid(&self) -> i64 {
        match (&self.details, self.status.paid_at) {
            (Some(details), Some(_)) => details.totals.total.amount,
            _ => 0,
        }
    }

    /// Returns the order with this status and these changes.
    pub(super) fn view(details: &Details, status: &Status, changes: &[Change]) -> Box<OrderView> {
        Box::new(OrderView {
            refunded: Money { amount: status.refunded, currency: details.totals.total.currency },
            status: status.clone(),
            changes: changes.to_vec(),
            ..OrderView::placed(details)
        })
    }

    /// Asserts what must hold after every event: refunds do not exceed the payment, and no unit is restocked twice.
    pub fn assert_balanced(&self) {
        let refunding = self.pending.as_ref().map_or(0, |pending| pending.amount);
        assert!(self.status.refunded >= 0 && refunding >= 0, "refunds below nothing");
        assert!(self.status.refunded + refunding <= self.paid(), "more refunded than was paid");
        let sold: u64 = self.details.iter().flat_map(|details| &details.lines).map(|line| line.quantity.units()).sum();
        let back: u64 = self.restocks.iter().map(|restock| restock.total).sum();
        assert!(back <= sold, "{back} of {sold} units come back");
        if let Some(details) = &self.details {
            for (line, done) in details.lines.iter().zip(line_progress(&details.lines, &self.changes)) {
                let (sent, units) = (done.shipped + done.cancelled, line.quantity.units());
                assert!(sent <= units && done.refunded() <= units, "{done:?} of {units} units of a line");
            }
        }
        let open = self.restocks.iter().filter(|restock| !restock.booked).count();
        assert_eq!(self.restocks_open as usize, open, "open restocks do not add up");
    }
}
