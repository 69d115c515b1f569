//! What a merchant can change of a drop.

use minicbor::{Decode, Encode};

use super::{Audience, NetworkLimit};
use crate::{id::Sku, quantity::Quantity, time::Timestamp};

/// Changes of a drop; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct DropEdit {
    /// What it is called.
    #[n(0)]
    pub title: Option<String>,
    /// The first instant at which claims are taken.
    #[n(1)]
    pub starts_at: Option<Timestamp>,
    /// The first instant at which claims are no longer taken.
    #[n(2)]
    pub ends_at: Option<Timestamp>,
    /// The cap for each buyer.
    #[n(3)]
    pub per_buyer_max: Option<Quantity>,
    /// How long a claim holds its units.
    #[n(4)]
    pub hold_seconds: Option<u32>,
    /// Who may claim.
    #[n(5)]
    pub audience: Option<Audience>,
    /// Changes of items; those that are not named stay.
    #[n(6)]
    pub items: Vec<ItemEdit>,
    /// The limit for all buyers of one network.
    #[n(7)]
    pub network_limit: Option<NetworkLimit>,
}

/// Changes of one item, or a new one.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemEdit {
    /// Which.
    #[n(0)]
    pub sku: Sku,
    /// This many units more.
    #[n(1)]
    pub add_quantity: Option<Quantity>,
    /// This many units in all; only before the drop opens. Zero takes the item out.
    #[n(2)]
    pub quantity: Option<u32>,
    /// For how much, for new claims, in minor units.
    #[n(3)]
    pub price: Option<i64>,
    /// What it costs elsewhere.
    #[n(4)]
    pub compare_at: Option<i64>,
}
