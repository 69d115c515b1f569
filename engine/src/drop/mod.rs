//! A drop: a flash sale with a window, prices, per-buyer caps, and its own allocated units.
//!
//! A claim is decided by the drop alone: window, cap, stock and hold in one step. Units come from the inventory shards
//! before the drop opens and go back as totals that only grow, so that a repeat or a late copy adds nothing.
//!
//! Each item keeps `allocated = available + held + sold + returned` at every event.

mod answer;
mod claim;
mod command;
mod decide;
mod edit;
mod event;
mod fold;
mod former;
mod network;
mod schedule;
mod settle;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

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
    state::Drop,
};
use crate::{
    effect::EffectId,
    id::{CheckoutId, DropId, ProductId, Sku},
    money::{Currency, Money},
    quantity::Quantity,
    time::Timestamp,
};

/// The most items (sizes) of one drop: they are all in each of its views.
pub const ITEMS_MAX: usize = 100;
/// The most claims of one drop over its life, released ones included: its memory, at some 200 bytes each.
pub const CLAIMS_PER_DROP_MAX: u32 = 20_000_000;
/// The most expiries in one batch of events: it stays under a megabyte, and claims get their turn in between.
pub const EXPIRIES_PER_WAKE_MAX: usize = 1_000;
/// How long sales gather before they are settled with the inventory: one settlement a second and item.
pub const SETTLE_GATHER_MS: u64 = 1_000;
/// How long a hold lives at least from the start of a checkout that failed, once.
pub const CHECKOUT_SECONDS: u64 = 600;
/// The shortest and the longest hold that a merchant can choose, in seconds.
pub const HOLD_SECONDS: std::ops::RangeInclusive<u32> = 5..=86_400;

/// Who may claim.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Audience {
    /// Everyone, guests too.
    #[default]
    #[n(0)]
    Anyone,
    /// Those with an account.
    #[n(1)]
    Customers,
}

/// What a merchant says of a drop. Its prices have one currency.
#[derive(Debug, Clone, PartialEq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Terms {
    /// What it is called.
    #[n(0)]
    pub title: String,
    /// The product that it sells, for its page.
    #[n(1)]
    pub product: Option<ProductId>,
    /// The most units that one buyer may hold and have bought, over all items.
    #[n(2)]
    pub per_buyer_max: Quantity,
    /// How long a claim holds its units.
    #[n(3)]
    pub hold_seconds: u32,
    /// The first instant at which claims are taken. `None`: as soon as it is published.
    #[n(4)]
    pub starts_at: Option<Timestamp>,
    /// The first instant at which claims are no longer taken.
    #[n(5)]
    pub ends_at: Timestamp,
    /// Who may claim.
    #[n(6)]
    pub audience: Audience,
    /// The currency of its prices.
    #[n(7)]
    pub currency: Currency,
    /// The most units that all buyers of one network may hold and have bought. `None`, in drops of earlier versions: as
    /// many as there are.
    #[n(8)]
    pub network_limit: Option<NetworkLimit>,
}

/// An item (a size) as the merchant wants it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemTerms {
    /// What is sold.
    #[n(0)]
    pub sku: Sku,
    /// How many units.
    #[n(1)]
    pub quantity: Quantity,
    /// For how much, in minor units of the drop's currency.
    #[n(2)]
    pub price: i64,
    /// What it costs elsewhere, for show.
    #[n(3)]
    pub compare_at: Option<i64>,
}

/// A checkout's grip on a claim. A later attempt of the same checkout is another grip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Pin {
    /// The checkout.
    #[n(0)]
    pub checkout: CheckoutId,
    /// Its attempt: a refused checkout may be tried again under its id.
    #[n(1)]
    pub attempt: u32,
}

/// What an item's units came to, counted from the drop's creation. Each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Totals {
    /// Units that were ever sold.
    #[n(0)]
    pub sold: u64,
    /// Units given back unsold.
    #[n(1)]
    pub unsold: u64,
    /// Sales that were taken back.
    #[n(2)]
    pub returned: u64,
}

/// The units of a sold claim and their price, for readers of the journal that do not keep claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Sale {
    /// How many units.
    #[n(0)]
    pub quantity: Quantity,
    /// The price of each, in minor units of the drop's currency.
    #[n(1)]
    pub price: i64,
}

impl Sale {
    /// The price of all units, in minor units. An amount beyond the range of `i64` is its bound.
    pub fn amount(&self) -> i64 {
        i64::try_from(self.quantity.units()).unwrap_or(i64::MAX).saturating_mul(self.price)
    }
}

/// Where a drop stands, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
pub enum DropState {
    /// Only the merchant knows of it.
    Draft,
    /// Published, and not open yet.
    Scheduled,
    /// Claims are taken.
    Open,
    /// Every unit is sold. A sale taken back opens it again.
    SoldOut,
    /// Over.
    Ended,
    /// Over, by the merchant's will.
    Cancelled,
}

/// An item as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemView {
    /// What is sold.
    pub sku: Sku,
    /// How many units the drop has in all.
    pub quantity: u64,
    /// For how much.
    pub price: Money,
    /// What it costs elsewhere.
    pub compare_at: Option<Money>,
    /// Units that can be claimed.
    pub available: u64,
    /// Units in claims.
    pub held: u64,
    /// Units sold.
    pub sold: u64,
    /// Units given back to the inventory.
    pub returned: u64,
}

/// A drop as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct DropView {
    /// Its id.
    pub id: DropId,
    /// Where it stands.
    pub state: DropState,
    /// Raised by each of the merchant's edits.
    pub version: u64,
    /// What the merchant says of it.
    pub terms: Terms,
    /// When it starts, once that is known.
    pub starts_at: Option<Timestamp>,
    /// The most units that all buyers of one network may have, if there is a limit.
    pub per_network_max: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it sells.
    pub items: Vec<ItemView>,
    /// The instant that this was true at.
    pub as_of: Timestamp,
}

/// The slots of a drop's effects: an allocation and a settlement for each item.
fn allocation(item: u16, turn: u64) -> EffectId {
    EffectId { slot: u64::from(item) * 2, turn }
}

fn settlement(item: u16, turn: u64) -> EffectId {
    EffectId { slot: u64::from(item) * 2 + 1, turn }
}
