//! What became of an order's units and money since it was placed. The order and its row in the lists fold it with the
//! same code.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{FulfillmentState, OrderEvent, OrderLine, OrderPaymentState, OrderView, Standing};
use crate::{
    id::{FulfillmentId, OrderId, OrderLineId},
    time::Timestamp,
};

/// Units of one line, by its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LineUnits {
    /// The line's index.
    #[n(0)]
    pub line: u16,
    /// How many units.
    #[n(1)]
    pub units: u64,
}

/// Units of one line that are refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LineRefund {
    /// The line's index.
    #[n(0)]
    pub line: u16,
    /// How many units.
    #[n(1)]
    pub units: u64,
    /// Whether they come back to the inventory.
    #[n(2)]
    pub restock: bool,
}

/// A change of an order's lines or parcels. Their list only grows, so that an answer can be given again as it was.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Change {
    /// A parcel was sent.
    #[n(0)]
    Shipped {
        /// The parcel.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// What is in it.
        #[n(1)]
        lines: Vec<LineUnits>,
        /// Where it can be followed.
        #[n(2)]
        tracking: Option<String>,
        /// When.
        #[n(3)]
        at: Timestamp,
    },
    /// A parcel's tracking was corrected.
    #[n(1)]
    TrackingChanged {
        /// The parcel.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// Where it can be followed.
        #[n(1)]
        tracking: Option<String>,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// Lines were refunded.
    #[n(2)]
    Refunded {
        /// Which.
        #[n(0)]
        lines: Vec<LineRefund>,
    },
}

/// What became of one line's units: `quantity = to send + shipped + cancelled`, and `returned` are among the shipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineProgress {
    /// Units in parcels.
    pub shipped: u64,
    /// Units that were refunded before they were sent. They are not sent any more.
    pub cancelled: u64,
    /// Units that were refunded after they were sent.
    pub returned: u64,
}

impl LineProgress {
    /// Units that were refunded by line.
    pub fn refunded(&self) -> u64 {
        self.cancelled + self.returned
    }

    /// Units of `quantity` that are still to be sent.
    pub fn to_send(&self, quantity: u64) -> u64 {
        quantity.saturating_sub(self.shipped + self.cancelled)
    }

    /// Takes refunded units: those that are still here first, then those that were sent.
    fn refund(&mut self, quantity: u64, units: u64) {
        let cancelled = units.min(self.to_send(quantity));
        self.cancelled += cancelled;
        self.returned += units - cancelled;
    }
}

/// A parcel of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfillment {
    /// Its id.
    pub id: FulfillmentId,
    /// What is in it.
    pub lines: Vec<LineUnits>,
    /// Where it can be followed.
    pub tracking: Option<String>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When its tracking was corrected last.
    pub updated_at: Timestamp,
}

/// The id of an order's line.
pub fn line_id(order: OrderId, line: usize) -> OrderLineId {
    OrderLineId::derive(&[b"order line", &order.to_bytes(), &(line as u64).to_be_bytes()])
}

/// The id of the parcel that was sent as an order's `number`th change. 0 is the parcel of an order that was sent as a
/// whole, before there were parcels.
pub(super) fn fulfillment_id(order: OrderId, number: usize) -> FulfillmentId {
    FulfillmentId::derive(&[b"fulfillment", &order.to_bytes(), &(number as u64).to_be_bytes()])
}

/// What became of each line after `changes`.
pub(super) fn line_progress(lines: &[OrderLine], changes: &[Change]) -> Vec<LineProgress> {
    let mut progress = vec![LineProgress::default(); lines.len()];
    for change in changes {
        match change {
            Change::Shipped { lines: sent, .. } => {
                for sent in sent {
                    if let Some(line) = progress.get_mut(usize::from(sent.line)) {
                        line.shipped += sent.units;
                    }
                }
            }
            Change::Refunded { lines: refunded } => {
                for refund in refunded {
                    let index = usize::from(refund.line);
                    if let (Some(line), Some(bought)) = (progress.get_mut(index), lines.get(index)) {
                        line.refund(bought.quantity.units(), refund.units);
                    }
                }
            }
            Change::TrackingChanged { .. } => {}
        }
    }
    progress
}

/// What an event changes of where an order stands and of its list of changes. `total` is what was to be paid, in minor
/// units.
pub(super) fn apply(
    standing: &mut Standing,
    changes: &mut Vec<Change>,
    lines: &[OrderLine],
    total: i64,
    event: &OrderEvent,
) {
    match event {
        OrderEvent::Paid { at } => {
            standing.payment_state = OrderPaymentState::Paid;
            standing.paid_at = Some(*at);
        }
        OrderEvent::CaptureFailed { at } => {
            standing.payment_state = OrderPaymentState::Failed;
            standing.fulfillment_state = FulfillmentState::Cancelled;
            standing.cancelled_at = Some(*at);
        }
        OrderEvent::Refunded { amount, restock, lines: refunded, at, .. } => {
            standing.refunded += amount.amount;
            standing.restocked |= restock;
            if let Some(refunded) = refunded {
                changes.push(Change::Refunded { lines: refunded.clone() });
                fulfil(standing, changes, lines, *at);
            }
            let paid = if standing.paid_at.is_some() { total } else { 0 };
            let unrefunded = |(line, progress): (&OrderLine, LineProgress)| progress.refunded() < line.quantity.units();
            // Of an order that cost nothing, the units say how much of it is refunded.
            let is_part = match refunded {
                Some(_) if paid == 0 => lines.iter().zip(line_progress(lines, changes)).any(unrefunded),
                _ => standing.refunded < paid,
            };
            standing.payment_state =
                if is_part { OrderPaymentState::PartiallyRefunded } else { OrderPaymentState::Refunded };
        }
        OrderEvent::Cancelled { restock, at, .. } => {
            standing.fulfillment_state = FulfillmentState::Cancelled;
            standing.cancelled_at = Some(*at);
            standing.restocked |= restock;
        }
        OrderEvent::Fulfilled { tracking, receipt } => {
            standing.fulfillment_state = FulfillmentState::Fulfilled;
            standing.fulfilled_at = Some(receipt.at);
            standing.tracking = tracking.clone();
        }
        OrderEvent::Shipped { fulfillment, lines: sent, tracking, receipt } => {
            changes.push(Change::Shipped {
                fulfillment: *fulfillment,
                lines: sent.clone(),
                tracking: tracking.clone(),
                at: receipt.at,
            });
            standing.tracking = tracking.clone();
            fulfil(standing, changes, lines, receipt.at);
        }
        OrderEvent::TrackingChanged { fulfillment, tracking, receipt } => {
            changes.push(Change::TrackingChanged {
                fulfillment: *fulfillment,
                tracking: tracking.clone(),
                at: receipt.at,
            });
            let newest = changes.iter().rev().find_map(|change| match change {
                Change::Shipped { fulfillment, .. } => Some(fulfillment),
                _ => None,
            });
            if newest.is_none_or(|newest| newest == fulfillment) {
                standing.tracking = tracking.clone();
            }
        }
        OrderEvent::Placed { .. }
        | OrderEvent::RefundAsked { .. }
        | OrderEvent::RefundFailed { .. }
        | OrderEvent::ReceiptMailed { .. }
        | OrderEvent::Restocked { .. }
        | OrderEvent::NoticeMailed { .. } => {}
    }
}

/// Once something was sent, the order is fulfilled as far as nothing is left to be sent.
fn fulfil(standing: &mut Standing, changes: &[Change], lines: &[OrderLine], at: Timestamp) {
    let is_open =
        matches!(standing.fulfillment_state, FulfillmentState::Unfulfilled | FulfillmentState::PartiallyFulfilled);
    let progress = line_progress(lines, changes);
    if !is_open || progress.iter().all(|line| line.shipped == 0) {
        return;
    }
    let left = lines.iter().zip(&progress).any(|(line, progress)| progress.to_send(line.quantity.units()) > 0);
    if left {
        standing.fulfillment_state = FulfillmentState::PartiallyFulfilled;
    } else {
        standing.fulfillment_state = FulfillmentState::Fulfilled;
        standing.fulfilled_at = Some(at);
    }
}

impl OrderView {
    /// Changes the view by an event that follows the order's placing, as the order itself does.
    pub fn apply(&mut self, event: &OrderEvent) {
        apply(&mut self.standing, &mut self.changes, &self.lines, self.totals.total.amount, event);
        self.refunded.amount = self.standing.refunded;
    }

    /// What became of each line, in the order of the lines.
    pub fn line_progress(&self) -> Vec<LineProgress> {
        let mut progress = line_progress(&self.lines, &self.changes);
        if self.is_sent_whole() {
            for (line, progress) in self.lines.iter().zip(&mut progress) {
                progress.shipped = line.quantity.units();
                (progress.returned, progress.cancelled) = (progress.refunded(), 0);
            }
        }
        progress
    }

    /// Whether it was sent as a whole, before there were parcels.
    fn is_sent_whole(&self) -> bool {
        let has_parcels = self.changes.iter().any(|change| matches!(change, Change::Shipped { .. }));
        self.standing.fulfillment_state == FulfillmentState::Fulfilled && !has_parcels
    }

    /// Its parcels, oldest first.
    pub fn fulfillments(&self) -> Vec<Fulfillment> {
        let mut parcels: Vec<Fulfillment> = Vec::new();
        if self.is_sent_whole() {
            let units = |(line, bought): (usize, &OrderLine)| LineUnits {
                line: u16::try_from(line).unwrap_or(u16::MAX),
                units: bought.quantity.units(),
            };
            let at = self.standing.fulfilled_at.unwrap_or(self.placed_at);
            parcels.push(Fulfillment {
                id: fulfillment_id(self.id, 0),
                lines: self.lines.iter().enumerate().map(units).collect(),
                tracking: self.standing.tracking.clone(),
                created_at: at,
                updated_at: at,
            });
        }
        for change in &self.changes {
            match change {
                Change::Shipped { fulfillment, lines, tracking, at } => parcels.push(Fulfillment {
                    id: *fulfillment,
                    lines: lines.clone(),
                    tracking: tracking.clone(),
                    created_at: *at,
                    updated_at: *at,
                }),
                Change::TrackingChanged { fulfillment, tracking, at } => {
                    if let Some(parcel) = parcels.iter_mut().find(|parcel| parcel.id == *fulfillment) {
                        parcel.tracking.clone_from(tracking);
                        parcel.updated_at = *at;
                    }
                }
                Change::Refunded { .. } => {}
            }
        }
        parcels
    }
}
