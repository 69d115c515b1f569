//! The progress of an order's units and money after it is placed.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{FulfillmentState, OrderEvent, OrderLine, OrderPaymentState, OrderView, Status};
use crate::{
    id::{FulfillmentId, OrderId, OrderLineId},
    time::Timestamp,
};

/// Units of one line of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LineUnits {
    /// The index of the line.
    #[n(0)]
    pub line: u16,
    /// The number of units.
    #[n(1)]
    pub units: u64,
}

/// Refunded units of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LineRefund {
    /// The index of the line.
    #[n(0)]
    pub line: u16,
    /// The number of units.
    #[n(1)]
    pub units: u64,
    /// Whether the units are restocked.
    #[n(2)]
    pub restock: bool,
}

/// A change of an order's lines or parcels. The list of changes only grows, so that a reply can be repeated by cutting
/// the list at its length at that time.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub enum Change {
    /// A parcel was sent.
    #[n(0)]
    Shipped {
        /// The id of the parcel.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// The units in the parcel.
        #[n(1)]
        lines: Vec<LineUnits>,
        /// The tracking code or link.
        #[n(2)]
        tracking: Option<String>,
        /// The time of the change.
        #[n(3)]
        at: Timestamp,
    },
    /// The tracking of a parcel was corrected.
    #[n(1)]
    TrackingChanged {
        /// The id of the parcel.
        #[n(0)]
        fulfillment: FulfillmentId,
        /// The tracking code or link.
        #[n(1)]
        tracking: Option<String>,
        /// The time of the change.
        #[n(2)]
        at: Timestamp,
    },
    /// Lines were refunded.
    #[n(2)]
    Refunded {
        /// The lines.
        #[n(0)]
        lines: Vec<LineRefund>,
    },
}

/// The progress of one line's units: `quantity = to send + shipped + cancelled`, and `returned` is a part of `shipped`.
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
    /// Returns the number of units that were refunded by line.
    pub fn refunded(&self) -> u64 {
        self.cancelled + self.returned
    }

    /// Returns the number of units of `quantity` that are still to be sent.
    pub fn to_send(&self, quantity: u64) -> u64 {
        quantity.saturating_sub(self.shipped + self.cancelled)
    }

    /// Adds refunded units: unsent units count first, then sent ones.
    fn refund(&mut self, quantity: u64, units: u64) {
        let cancelled = units.min(self.to_send(quantity));
        self.cancelled += cancelled;
        self.returned += units - cancelled;
    }
}

/// A parcel of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fulfillment {
    /// The id of the parcel.
    pub id: FulfillmentId,
    /// The units in the parcel.
    pub lines: Vec<LineUnits>,
    /// The tracking code or link.
    pub tracking: Option<String>,
    /// The time when the parcel was sent.
    pub created_at: Timestamp,
    /// The time of the last change of the tracking.
    pub updated_at: Timestamp,
}

/// Returns the id of an order's line.
pub fn line_id(order: OrderId, line: usize) -> OrderLineId {
    OrderLineId::derive(&[b"order line", &order.to_bytes(), &(line as u64).to_be_bytes()])
}

/// Returns the id of the parcel that was sent as an order's `number`th change, counted from 1. 0 is the single parcel
/// of an order that was fulfilled as a whole, by a version without parcels.
pub(super) fn fulfillment_id(order: OrderId, number: usize) -> FulfillmentId {
    FulfillmentId::derive(&[b"fulfillment", &order.to_bytes(), &(number as u64).to_be_bytes()])
}

/// Returns the progress of each line after `changes`.
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

/// Applies an event to an order's status and list of changes. `total` is the total of the order, in minor units.
pub(super) fn apply(
    status: &mut Status,
    changes: &mut Vec<Change>,
    lines: &[OrderLine],
    total: i64,
    event: &OrderEvent,
) {
    match event {
        OrderEvent::Paid { at } => {
            status.payment_state = OrderPaymentState::Paid;
            status.paid_at = Some(*at);
        }
        OrderEvent::CaptureFailed { at } => {
            status.payment_state = OrderPaymentState::Failed;
            status.fulfillment_state = FulfillmentState::Cancelled;
            status.cancelled_at = Some(*at);
        }
        OrderEvent::Refunded { amount, restock, lines: refunded, at, .. } => {
            status.refunded += amount.amount;
            status.restocked |= restock;
            if let Some(refunded) = refunded {
                changes.push(Change::Refunded { lines: refunded.clone() });
                fulfil(status, changes, lines, *at);
            }
            let paid = if status.paid_at.is_some() { total } else { 0 };
            let unrefunded = |(line, progress): (&OrderLine, LineProgress)| progress.refunded() < line.quantity.units();
            // For an order with a total of zero, the refunded units decide between partially and fully refunded.
            let is_part = match refunded {
                Some(_) if paid == 0 => lines.iter().zip(line_progress(lines, changes)).any(unrefunded),
                _ => status.refunded < paid,
            };
            status.payment_state =
                if is_part { OrderPaymentState::PartiallyRefunded } else { OrderPaymentState::Refunded };
        }
        OrderEvent::Cancelled { restock, at, .. } => {
            status.fulfillment_state = FulfillmentState::Cancelled;
            status.cancelled_at = Some(*at);
            status.restocked |= restock;
        }
        OrderEvent::Fulfilled { tracking, processed } => {
            status.fulfillment_state = FulfillmentState::Fulfilled;
            status.fulfilled_at = Some(processed.at);
            status.tracking = tracking.clone();
        }
        OrderEvent::Shipped { fulfillment, lines: sent, tracking, processed } => {
            changes.push(Change::Shipped {
                fulfillment: *fulfillment,
                lines: sent.clone(),
                tracking: tracking.clone(),
                at: processed.at,
            });
            status.tracking = tracking.clone();
            fulfil(status, changes, lines, processed.at);
        }
        OrderEvent::TrackingChanged { fulfillment, tracking, processed } => {
            changes.push(Change::TrackingChanged {
                fulfillment: *fulfillment,
                tracking: tracking.clone(),
                at: processed.at,
            });
            let newest = changes.iter().rev().find_map(|change| match change {
                Change::Shipped { fulfillment, .. } => Some(fulfillment),
                _ => None,
            });
            if newest.is_none_or(|newest| newest == fulfillment) {
                status.tracking = tracking.clone();
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

/// Sets the fulfillment state after units were sent or refunded: once a unit was sent, the order is fulfilled when no
/// unit is left to send. `at` is the time of the event.
fn fulfil(status: &mut Status, changes: &[Change], lines: &[OrderLine], at: Timestamp) {
    let is_open =
        matches!(status.fulfillment_state, FulfillmentState::Unfulfilled | FulfillmentState::PartiallyFulfilled);
    let progress = line_progress(lines, changes);
    if !is_open || progress.iter().all(|line| line.shipped == 0) {
        return;
    }
    let left = lines.iter().zip(&progress).any(|(line, progress)| progress.to_send(line.quantity.units()) > 0);
    if left {
        status.fulfillment_state = FulfillmentState::PartiallyFulfilled;
    } else {
        status.fulfillment_state = FulfillmentState::Fulfilled;
        status.fulfilled_at = Some(at);
    }
}

impl OrderView {
    /// Returns the progress of each line, in the order of the lines.
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

    /// Whether the order was fulfilled as a whole, by a version without parcels.
    fn is_sent_whole(&self) -> bool {
        let has_parcels = self.changes.iter().any(|change| matches!(change, Change::Shipped { .. }));
        self.status.fulfillment_state == FulfillmentState::Fulfilled && !has_parcels
    }

    /// Returns the parcels, oldest first.
    pub fn fulfillments(&self) -> Vec<Fulfillment> {
        let mut parcels: Vec<Fulfillment> = Vec::new();
        if self.is_sent_whole() {
            let units = |(line, bought): (usize, &OrderLine)| LineUnits {
                line: u16::try_from(line).unwrap_or(u16::MAX),
                units: bought.quantity.units(),
            };
            let at = self.status.fulfilled_at.unwrap_or(self.placed_at);
            parcels.push(Fulfillment {
                id: fulfillment_id(self.id, 0),
                lines: self.lines.iter().enumerate().map(units).collect(),
                tracking: self.status.tracking.clone(),
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
