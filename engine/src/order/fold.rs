//! What an order remembers, and how events change it. Nothing here can fail or refuse.

use wincode::{SchemaRead, SchemaWrite};

use super::{FulfillmentState, OrderEvent, OrderPaymentState, OrderView, Sheet, Standing};
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
    pub(super) receipts: Receipts<Standing>,
    /// Whether the buyer's receipt is still to be mailed.
    pub(super) mail_open: bool,
    /// Units that come back.
    pub(super) restocks: Vec<Restock>,
    // What follows is derived from the restocks, and not in snapshots.
    pub(super) restocks_open: u32,
}

/// Money that is being given back.
#[derive(Debug, Clone, SchemaRead, SchemaWrite)]
pub(super) struct Pending {
    pub(super) refund: RefundId,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) reason: String,
    pub(super) restock: bool,
    /// Whether the order is called off once the money is back.
    pub(super) cancel: bool,
    pub(super) receipt: Receipt,
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
        match event {
            OrderEvent::Placed { sheet } => self.sheet = Some(sheet.clone()),
            OrderEvent::Paid { at } => {
                self.standing.payment_state = OrderPaymentState::Paid;
                self.standing.paid_at = Some(*at);
                self.mail_open = true;
            }
            OrderEvent::CaptureFailed { at } => {
                self.standing.payment_state = OrderPaymentState::Failed;
                self.standing.fulfillment_state = FulfillmentState::Cancelled;
                self.standing.cancelled_at = Some(*at);
            }
            OrderEvent::RefundAsked { refund, amount, reason, restock, cancel, receipt } => {
                self.refunds += 1;
                self.refused = None;
                self.pending = Some(Pending {
                    refund: *refund,
                    amount: amount.amount,
                    reason: reason.clone(),
                    restock: *restock,
                    cancel: *cancel,
                    receipt: *receipt,
                });
            }
            OrderEvent::Refunded { amount, restock, .. } => {
                self.standing.refunded += amount.amount;
                let whole = self.standing.refunded >= self.paid();
                let state = if whole { OrderPaymentState::Refunded } else { OrderPaymentState::PartiallyRefunded };
                self.standing.payment_state = state;
                if *restock {
                    self.take_back();
                }
                // A cancellation ends with the `Cancelled` that follows, which has the receipt too.
                if let Some(pending) = self.pending.take().filter(|pending| !pending.cancel) {
                    self.receipts.keep(pending.receipt, self.standing.clone());
                }
            }
            OrderEvent::RefundFailed { code, .. } => {
                if let Some(pending) = self.pending.take() {
                    self.refused = Some((pending.receipt.command_id, code.clone()));
                }
            }
            OrderEvent::Cancelled { restock, receipt, at, .. } => {
                self.standing.fulfillment_state = FulfillmentState::Cancelled;
                self.standing.cancelled_at = Some(*at);
                if *restock {
                    self.take_back();
                }
                self.receipts.keep(*receipt, self.standing.clone());
            }
            OrderEvent::Fulfilled { tracking, receipt } => {
                self.standing.fulfillment_state = FulfillmentState::Fulfilled;
                self.standing.fulfilled_at = Some(receipt.at);
                self.standing.tracking = tracking.clone();
                self.receipts.keep(*receipt, self.standing.clone());
            }
            OrderEvent::ReceiptMailed { .. } => self.mail_open = false,
            OrderEvent::Restocked { sku, .. } => {
                if let Some(restock) = self.restocks.iter_mut().find(|restock| restock.sku == *sku && !restock.booked) {
                    restock.booked = true;
                    self.restocks_open -= 1;
                }
            }
        }
        #[cfg(debug_assertions)]
        self.assert_balanced();
    }

    /// All lines come back, unless they do already.
    fn take_back(&mut self) {
        if std::mem::replace(&mut self.standing.restocked, true) {
            return;
        }
        let Some(sheet) = &self.sheet else { return };
        for line in &sheet.lines {
            match self.restocks.iter_mut().find(|restock| restock.sku == line.sku) {
                Some(restock) => restock.total += line.quantity.units(),
                None => {
                    let (sku, total) = (line.sku.clone(), line.quantity.units());
                    self.restocks.push(Restock { sku, total, booked: false });
                }
            }
        }
        self.restocks_open = self.restocks.len() as u32;
    }

    /// Minor units that were taken for it.
    pub(super) fn paid(&self) -> i64 {
        match (&self.sheet, self.standing.paid_at) {
            (Some(sheet), Some(_)) => sheet.totals.total.amount,
            _ => 0,
        }
    }

    /// The order as it was when it stood so.
    pub(super) fn view(sheet: &Sheet, standing: &Standing) -> Box<OrderView> {
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
        })
    }

    /// Asserts what must hold at every event: no more is given back than was paid, no unit comes back twice.
    pub fn assert_balanced(&self) {
        let refunding = self.pending.as_ref().map_or(0, |pending| pending.amount);
        assert!(self.standing.refunded >= 0 && refunding >= 0, "refunds below nothing");
        assert!(self.standing.refunded + refunding <= self.paid(), "more given back than was paid");
        let sold: u64 = self.sheet.iter().flat_map(|sheet| &sheet.lines).map(|line| line.quantity.units()).sum();
        let back: u64 = self.restocks.iter().map(|restock| restock.total).sum();
        assert!(back == 0 || back == sold, "{back} of {sold} units come back");
        let open = self.restocks.iter().filter(|restock| !restock.booked).count();
        assert_eq!(self.restocks_open as usize, open, "open restocks do not add up");
    }
}
