//! A flash sale drop: a sale with a time window, prices, per-buyer caps and its own allocated units.
//!
//! The drop alone decides a claim: it checks the window, the caps and the availability and holds the units in one step.
//!
//! States of a drop: `Draft → Published → Ended`, and `Cancelled` from each of these. A draft is published once the
//! stock items have allocated all its units. A drop whose creation is refused for lack of stock becomes `Void`: it is
//! invisible, and the next attempt under the same idempotency key starts again. Clients see a published drop as
//! scheduled, open, sold out or ended; see [`DropState`].
//!
//! States of a claim: `Held → Sold` or `Released`; see [`ClaimState`].
//!
//! Invariants:
//! - Each item keeps `allocated = available + held + sold + unsold` at every event, where `sold` excludes reversed
//!   sales and `unsold` counts the units returned to stock.
//! - Stock items receive totals that only grow, for allocations and for [settlements](Totals). A duplicate or delayed
//!   message therefore changes nothing.

mod aggregate;
mod answer;
mod claim;
mod command;
mod decide;
mod edit;
mod event;
mod fold;
mod former;
mod network;
mod public_view;
mod schedule;
mod settle;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod view;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    answer::{DropRejection, DropReply},
    claim::{Buyer, CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, Claim, ClaimState, ClaimView, ReleaseReason},
    command::DropCommand,
    edit::{DropEdit, ItemEdit},
    event::DropEvent,
    network::{ClaimNetwork, NetworkHash, NetworkLimit, STANDARD_BUYERS, STANDARD_SHARE},
    settle::DropOutcome,
    state::FlashDrop,
    view::{DropSummary, ItemOffer, Listing, Phase},
};
use crate::{
    id::{CheckoutId, DropId, ProductId, Sku},
    money::{Currency, Money},
    quantity::Quantity,
    time::Timestamp,
};

/// The maximum number of items (sizes) of a drop. Every view of the drop contains all of them.
pub const ITEMS_MAX: usize = 100;
/// The maximum number of claims of a drop over its lifetime, including released claims. Bounds its memory, at about 200
/// bytes for each claim.
pub const CLAIMS_PER_DROP_MAX: u32 = 20_000_000;
/// The maximum number of expiries in one batch of events. Keeps the batch under a megabyte and lets the writer process
/// claims between batches.
pub const EXPIRIES_PER_WAKE_MAX: usize = 1_000;
/// How long sales are collected before they are settled with stock, in milliseconds: one settlement a second
/// for each item.
pub const SETTLE_GATHER_MS: u64 = 1_000;
/// The minimum time between the start of a failed checkout and the expiry of its claim, in seconds. Each claim is
/// extended only once.
pub const CHECKOUT_SECONDS: u64 = 600;
/// The range of hold times that a merchant can choose, in seconds.
pub const HOLD_SECONDS: std::ops::RangeInclusive<u32> = 5..=86_400;

/// The buyers that may claim.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Audience {
    /// Everyone, including guests.
    #[default]
    #[n(0)]
    Anyone,
    /// Customers with an account.
    #[n(1)]
    Customers,
}

/// The terms of a drop as set by the merchant. All prices have the same currency.
#[derive(Debug, Clone, PartialEq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Terms {
    /// The title.
    #[n(0)]
    pub title: String,
    /// The product that the drop sells, for its product page.
    #[n(1)]
    pub product: Option<ProductId>,
    /// The maximum number of units that one buyer may hold or have bought, over all items.
    #[n(2)]
    pub per_buyer_max: Quantity,
    /// How long a claim holds its units, in seconds.
    #[n(3)]
    pub hold_seconds: u32,
    /// The first instant at which claims are accepted. `None`: as soon as the drop is published.
    #[n(4)]
    pub starts_at: Option<Timestamp>,
    /// The first instant at which claims are no longer accepted.
    #[n(5)]
    pub ends_at: Timestamp,
    /// The buyers that may claim.
    #[n(6)]
    pub audience: Audience,
    /// The currency of all prices.
    #[n(7)]
    pub currency: Currency,
    /// The maximum number of units that all buyers of one network may hold or have bought. `None` in drops of earlier
    /// versions means no limit.
    #[n(8)]
    pub network_limit: Option<NetworkLimit>,
}

/// The terms of an item (a size) as set by the merchant.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemTerms {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The number of units.
    #[n(1)]
    pub quantity: Quantity,
    /// The price of a unit, in minor units of the drop's currency.
    #[n(2)]
    pub price: i64,
    /// The regular price of a unit, for display.
    #[n(3)]
    pub compare_at: Option<i64>,
}

/// Identifies the checkout that has locked a claim. A later attempt of the same checkout is a different lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct ClaimLock {
    /// The checkout.
    #[n(0)]
    pub checkout: CheckoutId,
    /// The attempt. A refused checkout can be tried again under the same id.
    #[n(1)]
    pub attempt: u32,
}

/// What became of an item's units since the drop's creation. Every total only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Totals {
    /// Units sold, including sales that were reversed later.
    #[n(0)]
    pub sold: u64,
    /// Units returned to stock without having been sold.
    #[n(1)]
    pub unsold: u64,
    /// Units of reversed sales.
    #[n(2)]
    pub returned: u64,
}

/// The units and the price of a sold claim, for readers of the journal that do not keep claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Sale {
    /// The number of units.
    #[n(0)]
    pub quantity: Quantity,
    /// The price of a unit, in minor units of the drop's currency.
    #[n(1)]
    pub price: i64,
}

impl Sale {
    /// The price of all units, in minor units. Saturates at the bounds of `i64`.
    pub fn amount(&self) -> i64 {
        i64::try_from(self.quantity.units()).unwrap_or(i64::MAX).saturating_mul(self.price)
    }
}

/// The state of a drop as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum DropState {
    /// Visible to the merchant only.
    #[n(0)]
    Draft,
    /// Published, but not open yet.
    #[n(1)]
    Scheduled,
    /// Claims are accepted.
    #[n(2)]
    Open,
    /// All units are sold. A reversed sale opens the drop again.
    #[n(3)]
    SoldOut,
    /// The window has closed, or the merchant ended the drop.
    #[n(4)]
    Ended,
    /// The merchant cancelled the drop.
    #[n(5)]
    Cancelled,
}

/// An item as clients see it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemView {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The number of units that the drop has in total.
    #[n(1)]
    pub quantity: u64,
    /// The price of a unit.
    #[n(2)]
    pub price: Money,
    /// The regular price of a unit.
    #[n(3)]
    pub compare_at: Option<Money>,
    /// Units that can be claimed.
    #[n(4)]
    pub available: u64,
    /// Units held by claims.
    #[n(5)]
    pub held: u64,
    /// Units sold, excluding reversed sales.
    #[n(6)]
    pub sold: u64,
    /// Units returned to stock.
    #[n(7)]
    pub returned: u64,
}

/// A drop as clients see it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DropView {
    /// The id.
    #[n(0)]
    pub id: DropId,
    /// The state.
    #[n(1)]
    pub state: DropState,
    /// The version, incremented by each of the merchant's changes.
    #[n(2)]
    pub version: u64,
    /// The terms as set by the merchant.
    #[n(3)]
    pub terms: Terms,
    /// The start of the window, if it is known.
    #[n(4)]
    pub starts_at: Option<Timestamp>,
    /// The maximum number of units for all buyers of one network, if there is a limit.
    #[n(5)]
    pub per_network_max: Option<u64>,
    /// The time of creation.
    #[n(6)]
    pub created_at: Timestamp,
    /// The items.
    #[n(7)]
    pub items: Vec<ItemView>,
    /// The time at which this view was correct.
    #[n(8)]
    pub as_of: Timestamp,
}
