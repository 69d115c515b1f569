//! The response bodies of drops.

use engine::{
    flash_drop::{Audience, DropState, DropView, ItemView},
    id::{DropId, ProductId, Sku},
    time::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{IdSchema, MoneyWire, SkuSchema, etag};

/// A flash sale.
#[derive(Serialize, ToSchema)]
#[schema(as = Drop)]
pub(crate) struct DropWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    pub(crate) id: DropId,
    /// The state. `sold_out`: every unit is sold; the drop reopens if a sale is reversed.
    #[schema(value_type = String, pattern = "^(draft|scheduled|open|sold_out|ended|cancelled)$")]
    pub(crate) state: &'static str,
    /// The version, increased by each edit of a vendor. Used in `If-Match`.
    #[schema(minimum = 1)]
    pub(crate) version: u64,
    /// The title.
    pub(crate) title: String,
    /// The product, for a link to its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    pub(crate) product_id: Option<ProductId>,
    /// The buyers who may claim.
    #[schema(value_type = String, pattern = "^(anyone|customers)$")]
    pub(crate) audience: Audience,
    /// The maximum number of units per buyer, over all items.
    #[schema(minimum = 1)]
    pub(crate) per_buyer_max: u64,
    /// The maximum number of units for all buyers of one network (an IPv4 /24, an IPv6 /48). Absent without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    pub(crate) per_network_max: Option<u64>,
    /// The duration of a hold, in seconds.
    #[schema(minimum = 5, maximum = 86400)]
    pub(crate) hold_seconds: u32,
    /// The start of the drop. Absent while it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub(crate) starts_at: Option<Timestamp>,
    /// The end of the drop.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) ends_at: Timestamp,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// The items.
    #[schema(max_items = 100)]
    pub(crate) items: Vec<DropItemWire>,
    /// The total number of units.
    pub(crate) quantity: u64,
    /// Available units.
    pub(crate) available: u64,
    /// Units held by claims.
    pub(crate) held: u64,
    /// Units sold.
    pub(crate) sold: u64,
    /// The time of this state.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) as_of: Timestamp,
}

/// An item of a drop.
#[derive(Serialize, ToSchema)]
#[schema(as = DropItem)]
pub(crate) struct DropItemWire {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    pub(crate) sku: Sku,
    /// The total number of units.
    pub(crate) quantity: u64,
    /// The unit price.
    pub(crate) price: MoneyWire,
    /// The compare-at price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) compare_at_price: Option<MoneyWire>,
    /// Available units.
    pub(crate) available: u64,
    /// Units held by claims.
    pub(crate) held: u64,
    /// Units sold.
    pub(crate) sold: u64,
}

impl DropWire {
    pub(crate) fn of(view: &DropView) -> Self {
        let DropView { id, state, version, terms, starts_at, per_network_max, created_at, items, as_of } = view;
        let sum = |count: fn(&ItemView) -> u64| items.iter().map(count).sum();
        Self {
            id: *id,
            state: match state {
                DropState::Draft => "draft",
                DropState::Scheduled => "scheduled",
                DropState::Open => "open",
                DropState::SoldOut => "sold_out",
                DropState::Ended => "ended",
                DropState::Cancelled => "cancelled",
            },
            version: *version,
            title: terms.title.clone(),
            product_id: terms.product,
            audience: terms.audience,
            per_buyer_max: terms.per_buyer_max.units(),
            per_network_max: *per_network_max,
            hold_seconds: terms.hold_seconds,
            starts_at: *starts_at,
            ends_at: terms.ends_at,
            created_at: *created_at,
            items: items.iter().map(DropItemWire::of).collect(),
            quantity: sum(|item| item.quantity),
            available: sum(|item| item.available),
            held: sum(|item| item.held),
            sold: sum(|item| item.sold),
            as_of: *as_of,
        }
    }

    /// Returns the ETag of all fields except `as_of`.
    pub(crate) fn etag(&self) -> String {
        let mut bytes = self.to_json();
        // `as_of` is the last field, so the bytes in front of it are the state.
        if let Some(at) = bytes.windows(9).rposition(|window| window == b",\"as_of\":") {
            bytes.truncate(at);
        }
        etag(self.version, &bytes)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl DropItemWire {
    fn of(item: &ItemView) -> Self {
        Self {
            sku: item.sku.clone(),
            quantity: item.quantity,
            price: item.price.into(),
            compare_at_price: item.compare_at.map(MoneyWire::from),
            available: item.available,
            held: item.held,
            sold: item.sold,
        }
    }
}

/// A page of drops.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<DropWire>`")]
pub(crate) struct DropPage {
    /// The drops, newest first.
    items: Vec<DropWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
