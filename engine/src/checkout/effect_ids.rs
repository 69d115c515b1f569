//! The effect ids of a checkout.
//!
//! A slot stands for one request of a step. Every step has its own generation, counted over all attempts. An outcome
//! belongs to the current step only if its generation matches, and voiding a payment replaces its earlier request.

use crate::{
    checkout::{CheckoutEvent, Source},
    effect::EffectId,
    id::{CheckoutId, ClaimRef, DropId, HoldId, OrderId, PaymentId, Sku},
};

pub(super) const CART: u64 = 0;
pub(super) const PAYMENT: u64 = 1;
pub(super) const ORDER: u64 = 2;
pub(super) const NUMBER: u64 = 3;
const LINES: u64 = 16;
const DROPS: u64 = 256;
const SWEEPS: u64 = 1 << 63;

/// The slot of a claim or a cart line with this index.
pub(super) fn line(index: usize) -> u64 {
    LINES + index as u64
}

/// The index of the claim or line, if the slot is for one.
pub(super) fn line_index(slot: u64) -> Option<usize> {
    (LINES..DROPS).contains(&slot).then(|| (slot - LINES) as usize)
}

/// The slot of a drop with this index among the drops of the claims.
pub(super) fn drop(index: usize) -> u64 {
    DROPS + index as u64
}

/// The index of the drop, if the slot is for one.
pub(super) fn drop_index(slot: u64) -> Option<usize> {
    (DROPS..SWEEPS).contains(&slot).then(|| (slot - DROPS) as usize)
}

/// The effect that sweeps a claim of an attempt. It is requested only once, so its generation is constant.
pub(super) fn sweep(attempt: u32, index: usize) -> EffectId {
    EffectId { slot: SWEEPS | (u64::from(attempt) << 8) | index as u64, generation: 0 }
}

/// The attempt and the index of the claim, if the slot is for a sweep.
pub(super) fn swept(slot: u64) -> Option<(u32, usize)> {
    (slot & SWEEPS != 0).then_some((((slot & !SWEEPS) >> 8) as u32, (slot & 0xff) as usize))
}

/// The distinct drops of these claims, in order of their first appearance.
pub(super) fn drops_of(claims: &[ClaimRef]) -> Vec<DropId> {
    let mut drops = Vec::new();
    for claim in claims {
        if !drops.contains(&claim.drop) {
            drops.push(claim.drop);
        }
    }
    drops
}

/// The claims of the source. Empty for a cart.
pub(super) fn claims_of(source: &Source) -> &[ClaimRef] {
    match source {
        Source::Claims(claims) => claims,
        Source::Cart(_) => &[],
    }
}

/// The hold of an attempt on a SKU. Every attempt has a different hold.
pub(super) fn hold_id(checkout: CheckoutId, attempt: u32, sku: &Sku) -> HoldId {
    HoldId::derive(&[b"hold", &checkout.to_bytes(), &attempt.to_be_bytes(), sku.as_str().as_bytes()])
}

/// The payment of an attempt.
pub(super) fn payment_id(checkout: CheckoutId, attempt: u32) -> PaymentId {
    PaymentId::derive(&[b"payment", &checkout.to_bytes(), &attempt.to_be_bytes()])
}

/// The order of a checkout. All attempts share it, because at most one attempt places an order.
pub(super) fn order_id(checkout: CheckoutId) -> OrderId {
    OrderId::derive(&[b"order", &checkout.to_bytes()])
}

/// Whether the event begins a step.
pub(super) fn begins_step(event: &CheckoutEvent) -> bool {
    matches!(
        event,
        CheckoutEvent::Started { .. }
            | CheckoutEvent::QuotesAsked
            | CheckoutEvent::HoldsAsked { .. }
            | CheckoutEvent::AuthorisationAsked { .. }
            | CheckoutEvent::ConfirmationAsked { .. }
            | CheckoutEvent::SaleAsked { .. }
            | CheckoutEvent::OrderAsked { .. }
            | CheckoutEvent::CaptureAsked { .. }
            | CheckoutEvent::FinishAsked { .. }
            | CheckoutEvent::UndoAsked { .. }
    )
}
