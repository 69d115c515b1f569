//! The public view of an order, folded by the order itself and by its row in the order lists.

use super::{Details, OrderEvent, OrderView, Status, progress};
use crate::{money::Money, view::View};

impl OrderView {
    /// Returns the order as it was placed.
    pub(super) fn placed(details: &Details) -> Self {
        Self {
            id: details.order,
            number: details.number,
            buyer: details.buyer,
            contact: details.contact,
            checkout: details.checkout,
            payment: details.payment,
            lines: details.lines.clone(),
            totals: details.totals,
            refunded: Money::zero(details.totals.total.currency),
            placed_at: details.at,
            status: Status::default(),
            changes: Vec::new(),
        }
    }
}

impl View for OrderView {
    type Event = OrderEvent;

    fn concerns(event: &OrderEvent) -> bool {
        match event {
            OrderEvent::Placed { .. }
            | OrderEvent::Paid { .. }
            | OrderEvent::CaptureFailed { .. }
            | OrderEvent::Refunded { .. }
            | OrderEvent::Cancelled { .. }
            | OrderEvent::Fulfilled { .. }
            | OrderEvent::Shipped { .. }
            | OrderEvent::TrackingChanged { .. } => true,
            OrderEvent::RefundAsked { .. }
            | OrderEvent::RefundFailed { .. }
            | OrderEvent::ReceiptMailed { .. }
            | OrderEvent::Restocked { .. }
            | OrderEvent::NoticeMailed { .. } => false,
        }
    }

    fn fold(view: &mut Option<Self>, event: &OrderEvent) {
        match (event, view) {
            (OrderEvent::Placed { details }, view) => *view = Some(Self::placed(details)),
            (_, Some(order)) => {
                let total = order.totals.total.amount;
                progress::apply(&mut order.status, &mut order.changes, &order.lines, total, event);
                order.refunded.amount = order.status.refunded;
            }
            (_, None) => {}
        }
    }
}
