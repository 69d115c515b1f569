//! The changes that a merchant can make to a drop.

use minicbor::{Decode, Encode};

use super::{Audience, NetworkLimit};
use crate::{id::Sku, quantity::Quantity, time::Timestamp};

/// Changes to a drop. A field that is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct DropEdit {
    /// The title.
    #[n(0)]
    pub title: Option<String>,
    /// The first instant at which claims are accepted.
    #[n(1)]
    pub starts_at: Option<Timestamp>,
    /// The first instant at which claims are no longer accepted.
    #[n(2)]
    pub ends_at: Option<Timestamp>,
    /// The cap for each buyer, in units.
    #[n(3)]
    pub per_buyer_max: Option<Quantity>,
    /// How long a claim holds its units, in seconds.
    #[n(4)]
    pub hold_seconds: Option<u32>,
    /// The buyers that may claim.
    #[n(5)]
    pub audience: Option<Audience>,
    /// Changes to items. Items that are not listed stay as they are.
    #[n(6)]
    pub items: Vec<ItemEdit>,
    /// The limit for all buyers of one network.
    #[n(7)]
    pub network_limit: Option<NetworkLimit>,
}

/// Changes to one item, or a new item.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemEdit {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The number of units to add.
    #[n(1)]
    pub add_quantity: Option<Quantity>,
    /// The total number of units. Allowed only before the drop opens. Zero removes the item.
    #[n(2)]
    pub quantity: Option<u32>,
    /// The price for new claims, in minor units.
    #[n(3)]
    pub price: Option<i64>,
    /// The regular price, in minor units.
    #[n(4)]
    pub compare_at: Option<i64>,
}
