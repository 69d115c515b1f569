//! What an order remembers, and how events change it. Nothing here can fail or refuse.

use super::{
    Change, LineRefund, OrderEvent, OrderView, Sheet, Standing,
    notice::Notices,
    progress::{self, line_progress},
};
use crate::{
    id::{CommandId, RefundId, Sku},
    money::Money,
    receipts::{Receipt, Receipts},
};

/// An order. `Default` is one that no one has placed.
#[derive(Debug, Default)]
pub struct Order {
    pub(super) sheet: Option<Sheet>,
    pub(super) standing: Standing,
    /// The refund that its payment is asked for.
    pub(super) pending: Option<Pending>,
    /// How many refunds were asked for.
    pub(super) refunds: u64,
    /// The last command whose refund failed, for the answer to it.
    pub(super) refused: Option<(CommandId, String)>,
    pub(super) receipts: Receipts<Then>,
    /// Whether the buyer's receipt is still to be mailed.
    pub(super) mail_open: bool,
    /// Units that come back.
    pub(super) restocks: Vec<Restock>,
    /// What became of its lines since it was placed.
    pub(super) changes: Vec<Change>,
    /// Mails to the buyer after the receipt.
    pub(super) notices: Notices,
    // What follows is derived from the restocks, and not in snapshots.
    pub(super) restocks_open: u32,
}

/// How the order stood when a command was accepted: enough to say the same again.
#[derive(Debug, Clone)]
pub(super) struct Then {
    pub(super) standing: Standing,
    /// How many changes there were.
    pub(super) changes: usize,
}

/// Money that is being given back.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) refund: RefundId,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) reason: String,
    pub(super) restock: bool,
    /// Whether the order is called off once the money is back.
    pub(super) cancel: bool,
    pub(super) receipt: Receipt,
    /// The lines that are refunded. `None`: an amount.
    pub(super) lines: Option<Vec<LineRefund>>,
}

/// Units of one SKU that come back to its inventory.
#[derive(Debug, Clone)]
pub(super) struct Restock {
    pub(super) sku: Sku,
    /// Units of this order in all.
    pub(super) total: u64,
    pub(super) booked: bool,
}

impl Order {
    pub(super) fn fold(&mut self, event: &OrderEvent) {
        // The units that come back are counted from what was refunded before.
        self.take_units_back(event);
        if let Some(sheet) = &self.sheet {
            let total = sheet.totals.total.amount;
            progress::apply(&mut self.standing, &mut self.changes, &sheet.lines, total, event);
        }
        self.notices.fold(event);
        match event {
            OrderEvent::Placed { sheet } => self.sheet = Some(sheet.clone()),
            OrderEvent::Paid { .. } => self.mail_open = true,
            OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, receipt, lines } => {
                self.refunds += 1;
                self.refused = None;
                self.pending = Some(Pending {
                    refund: *refund,
                    amount: amount.amount,
                    reason: reason.clone(),
                    restock: *restock,
                    cancel: *cancel,
                    receipt: *receipt,
                    lines: lines.clone(),
                });
            }
            OrderEvent::Refunded { .. } => {
                // A cancellation ends with the `Cancelled` that follows, which has the receipt too.
                if let Some(pending) = self.pending.take().filter(|pending| !pending.cancel) {
                    self.keep(pending.receipt);
                }
            }
            OrderEvent::RefundFailed { code, .. } => {
                if let Some(pending) = self.pending.take() {
                    self.refused = Some((pending.receipt.command_id, code.clone()));
                }
            }
            OrderEvent::Cancelled { receipt, .. }
            | OrderEvent::Fulfilled { receipt, .. }
            | OrderEvent::Shipped { receipt, .. }
            | OrderEvent::TrackingChanged { receipt, .. } => self.keep(*receipt),
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

    fn keep(&mut self, receipt: Receipt) {
        self.receipts.keep(receipt, Then { standing: self.standing.clone(), changes: self.changes.len() });
    }

    /// Units that an event takes back to the inventory: those of the lines that say so, or all that are not refunded by
    /// line, unless they come back already.
    fn take_units_back(&mut self, event: &OrderEvent) {
        let Some(sheet) = &self.sheet else { return };
        let units: Vec<(usize, u64)> = match event {
            OrderEvent::Refunded { restock: true, .. } | OrderEvent::Cancelled { restock: true, .. }
                if !self.standing.restocked =>
            {
                let progress = line_progress(&sheet.lines, &self.changes);
                let left = sheet.lines.iter().zip(progress);
                left.map(|(line, done)| line.quantity.units().saturating_sub(done.refunded())).enumerate().collect()
            }
            OrderEvent::Refunded { lines: Some(lines), .. } => {
                let back = lines.iter().filter(|line| line.restock);
                back.map(|line| (usize::from(line.line), line.units)).collect()
            }
            _ => return,
        };
        for (index, units) in units.into_iter().filter(|(_, units)| *units > 0) {
            let Some(sku) = sheet.lines.get(index).map(|line| &line.sku) else { continue };
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

    /// Minor units that were taken for it.
    pub(super) fn paid(&self) -> i64 {
        match (&self.sheet, self.standing.paid_at) {
            (Some(sheet), Some(_)) => sheet.totals.total.amount,
            _ => 0,
        }
    }

    /// The order as it was when it stood so, and these were its changes.
    pub(super) fn view(sheet: &Sheet, standing: &Standing, changes: &[Change]) -> Box<OrderView> {
        Box::new(OrderView {
            id: sheet.order,
            number: sheet.number,
            buyer: sheet.buyer,
            contact: sheet.contact,
            checkout: sheet.checkout,
            payment: sheet.payment,
            lines: sheet.lines.clone(),
            totals: sheet.totals,
            refunded: Money { amount: standing.refunded, currency: sheet.totals.total.currency },
            placed_at: sheet.at,
            standing: standing.clone(),
            changes: changes.to_vec(),
        })
    }

    /// Asserts what must hold at every event: no more is given back than was paid, no unit comes back twice.
    pub fn assert_balanced(&self) {
        let refunding = self.pending.as_ref().map_or(0, |pending| pending.amount);
        assert!(self.standing.refunded >= 0 && refunding >= 0, "refunds below nothing");
        assert!(self.standing.refunded + refunding <= self.paid(), "more given back than was paid");
        let sold: u64 = self.sheet.iter().flat_map(|sheet| &sheet.lines).map(|line| line.quantity.units()).sum();
        let back: u64 = self.restocks.iter().map(|restock| restock.total).sum();
        assert!(back <= sold, "{back} of {sold} units come back");
        if let Some(sheet) = &self.sheet {
            for (line, done) in sheet.lines.iter().zip(line_progress(&sheet.lines, &self.changes)) {
                let (sent, units) = (done.shipped + done.cancelled, line.quantity.units());
                assert!(sent <= units && done.refunded() <= units, "{done:?} of {units} units of a line");
            }
        }
        let open = self.restocks.iter().filter(|restock| !restock.booked).count();
        assert_eq!(self.restocks_open as usize, open, "open restocks do not add up");
    }
}
