//! What lists show of a cart, folded by the cart itself and by its row.

use super::CartEvent;
use crate::{id::SubjectId, time::Timestamp, view::View};

/// A cart without its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartSummary {
    /// The subject that owns the cart.
    pub buyer: SubjectId,
    /// Whether the cart was deleted, by its buyer or because it expired.
    pub deleted: bool,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the buyer's last change.
    pub updated_at: Timestamp,
}

impl View for CartSummary {
    type Event = CartEvent;

    fn concerns(event: &CartEvent) -> bool {
        match event {
            CartEvent::Created { .. }
            | CartEvent::LinePut { .. }
            | CartEvent::LineChanged { .. }
            | CartEvent::LineRemoved { .. }
            | CartEvent::Deleted { .. }
            | CartEvent::Expired { .. } => true,
            // A checkout is not a change by the buyer.
            CartEvent::CheckoutBegan { .. } | CartEvent::CheckoutEnded { .. } => false,
        }
    }

    fn fold(view: &mut Option<Self>, event: &CartEvent) {
        if let CartEvent::Created { buyer, processed, .. } = event {
            *view = Some(Self { buyer: *buyer, deleted: false, created_at: processed.at, updated_at: processed.at });
            return;
        }
        let Some(cart) = view else { return };
        match event {
            CartEvent::LinePut { processed, .. }
            | CartEvent::LineChanged { processed, .. }
            | CartEvent::LineRemoved { processed, .. } => cart.updated_at = processed.at,
            CartEvent::Deleted { processed } => {
                cart.deleted = true;
                cart.updated_at = processed.at;
            }
            // An expiry is not a change by the buyer.
            CartEvent::Expired { .. } => cart.deleted = true,
            CartEvent::Created { .. } | CartEvent::CheckoutBegan { .. } | CartEvent::CheckoutEnded { .. } => {}
        }
    }
}
