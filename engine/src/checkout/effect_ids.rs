//! The effect ids of a checkout.
//!
//! A slot stands for one request of a step. Every step has its own generation, counted over all attempts. An outcome
//! belongs to the current step only if its generation matches, and voiding a payment replaces its earlier request.

use crate::{
    cart::Cart,
    checkout::{CheckoutEvent, Source},
    effect::{Slots, effects},
    flash_drop::FlashDrop,
    id::{CheckoutId, ClaimRef, DropId, HoldId, OrderId, PaymentId, Sku},
    order::Order,
    order_numbers::OrderNumbers,
    payment::Payment,
    product::Product,
    stock::StockItem,
};

/// The slot of the cart, which events name.
pub(super) const CART: u64 = 0;
/// The slot of the payment, which compensation steps name.
pub(super) const PAYMENT: u64 = 1;
/// The slot of the order, which events name.
pub(super) const ORDER: u64 = 2;
/// The slot of the order number, which events name.
pub(super) const NUMBER: u64 = 3;
const LINES: Slots = Slots::range(16, 256);
const DROPS: Slots = Slots::range(256, 1 << 63);
const SWEEPS: Slots = Slots::from(1 << 63);

effects! {
    CheckoutEffect, CheckoutOutcome:
    /// Locks and unlocks the cart.
    Cart = Slots::one(CART) => Cart;
    /// Authorises, captures and voids the payment.
    Payment = Slots::one(PAYMENT) => Payment;
    /// Places the order and notifies it.
    Order = Slots::one(ORDER) => Order;
    /// Assigns the order's number.
    Number = Slots::one(NUMBER) => OrderNumbers;
    /// Locks, sells and unlocks the claim of the line with this index.
    Claim(index: u64) = LINES => FlashDrop;
    /// Reads the price of the line with this index.
    Quote(index: u64) = LINES => Product;
    /// Holds, sells and releases the units of the line with this index.
    Hold(index: u64) = LINES => StockItem;
    /// Reads the drop with this index among the drops of the claims.
    DropView(index: u64) = DROPS => FlashDrop;
    /// Unlocks a claim of an attempt once more.
    Sweep(key: u64) = SWEEPS => FlashDrop;
}

/// The slot of a claim or a cart line with this index.
pub(super) fn line(index: usize) -> u64 {
    LINES.slot(index as u64)
}

/// The index of the claim or line, if the slot is for one.
pub(super) fn line_index(slot: u64) -> Option<usize> {
    LINES.index(slot).map(|index| index as usize)
}

/// The index of the drop, if the slot is for one.
pub(super) fn drop_index(slot: u64) -> Option<usize> {
    DROPS.index(slot).map(|index| index as usize)
}

/// The key of the sweep of an attempt's claim. A sweep is requested only once, so its generation is constant.
pub(super) fn sweep(attempt: u32, index: usize) -> u64 {
    (u64::from(attempt) << 8) | index as u64
}

/// The attempt and the index of the claim of a sweep with this key.
pub(super) fn swept(key: u64) -> (u32, usize) {
    ((key >> 8) as u32, (key & 0xff) as usize)
}

/// The attempt and the index of the claim, if the slot is for a sweep.
pub(super) fn swept_slot(slot: u64) -> Option<(u32, usize)> {
    SWEEPS.index(slot).map(swept)
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
