//! The names of a checkout's effects.
//!
//! Every step has its own turn, counted over all attempts; a slot is one thing that a step asks for. So an outcome
//! belongs to the step at hand if its turn does, and a payment that is given up replaces the one that was asked for.

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

/// A claim, or a line of the cart, by its place.
pub(super) fn line(index: usize) -> u64 {
    LINES + index as u64
}

/// The place of the claim or line that the slot is for.
pub(super) fn line_index(slot: u64) -> Option<usize> {
    (LINES..DROPS).contains(&slot).then(|| (slot - LINES) as usize)
}

/// A drop, by its place among those of the claims.
pub(super) fn drop(index: usize) -> u64 {
    DROPS + index as u64
}

/// The place of the drop that the slot is for.
pub(super) fn drop_index(slot: u64) -> Option<usize> {
    (DROPS..SWEEPS).contains(&slot).then(|| (slot - DROPS) as usize)
}

/// A claim that an attempt must have no grip on any more. It is asked for once.
pub(super) fn sweep(attempt: u32, index: usize) -> EffectId {
    EffectId { slot: SWEEPS | (u64::from(attempt) << 8) | index as u64, turn: 0 }
}

/// The attempt and the place of its claim, if the slot is a sweep's.
pub(super) fn swept(slot: u64) -> Option<(u32, usize)> {
    (slot & SWEEPS != 0).then_some((((slot & !SWEEPS) >> 8) as u32, (slot & 0xff) as usize))
}

/// The drops of these claims, each once, in the order in which they come first.
pub(super) fn drops_of(claims: &[ClaimRef]) -> Vec<DropId> {
    let mut drops = Vec::new();
    for claim in claims {
        if !drops.contains(&claim.drop) {
            drops.push(claim.drop);
        }
    }
    drops
}

/// The claims of the source; none for a cart.
pub(super) fn claims_of(source: &Source) -> &[ClaimRef] {
    match source {
        Source::Claims(claims) => claims,
        Source::Cart(_) => &[],
    }
}

/// The hold of an attempt on a SKU. Another attempt's is another one.
pub(super) fn hold_id(checkout: CheckoutId, attempt: u32, sku: &Sku) -> HoldId {
    HoldId::derive(&[b"hold", &checkout.to_bytes(), &attempt.to_be_bytes(), sku.as_str().as_bytes()])
}

/// The payment of an attempt.
pub(super) fn payment_id(checkout: CheckoutId, attempt: u32) -> PaymentId {
    PaymentId::derive(&[b"payment", &checkout.to_bytes(), &attempt.to_be_bytes()])
}

/// The order of a checkout: only one attempt comes so far.
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
