//! The JSON types of claims.

use engine::{
    flash_drop::{ClaimState, ClaimView, ReleaseReason},
    id::{DropId, OrderId, Sku},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::buyer::ClaimBuyerWire;
use crate::wire::{IdSchema, MoneyWire, SkuSchema};

/// A new claim.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewClaim {
    /// Which item of the drop; may be left out when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SkuSchema>)]
    pub(crate) sku: Option<String>,
    /// The quantity.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(crate) quantity: i64,
}

/// A claim: units of a drop that are held for a buyer.
#[derive(Serialize, ToSchema)]
#[schema(as = Claim)]
pub(crate) struct ClaimWire {
    /// Its id.
    #[schema(value_type = String, pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    pub(crate) id: String,
    /// The drop.
    #[schema(value_type = IdSchema)]
    pub(crate) drop_id: DropId,
    /// The SKU of the item.
    #[schema(value_type = SkuSchema)]
    pub(crate) sku: Sku,
    /// The quantity.
    #[schema(minimum = 1)]
    pub(crate) quantity: u64,
    /// The unit price at the time of the claim.
    pub(crate) unit_price: MoneyWire,
    /// The state.
    #[schema(value_type = String, pattern = "^(held|sold|released)$")]
    pub(crate) state: &'static str,
    /// The time at which the hold expires, or would have expired.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// The checkout in progress, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    pub(crate) checkout_id: Option<String>,
    /// The order, if the claim is sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    pub(crate) order_id: Option<OrderId>,
    /// The reason of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(given_back|expired|capture_failed)$", nullable = false)]
    pub(crate) released: Option<ReleaseReason>,
    /// The buyer. Visible to vendors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) buyer: Option<ClaimBuyerWire>,
}

impl From<ClaimView> for ClaimWire {
    fn from(view: ClaimView) -> Self {
        let ClaimView { id, buyer: _, sku, quantity, unit_price, state, expires_at, created_at } = view;
        let (name, checkout, order_id, released) = match state {
            ClaimState::Held { lock, .. } => ("held", lock.map(|lock| lock.checkout), None, None),
            ClaimState::Sold { order } => ("sold", None, Some(order), None),
            ClaimState::Released { why } => ("released", None, None, Some(why)),
        };
        Self {
            id: id.to_string(),
            drop_id: id.drop,
            sku,
            quantity: quantity.units(),
            unit_price: unit_price.into(),
            state: name,
            expires_at,
            created_at,
            checkout_id: checkout.map(|checkout| checkout.to_string()),
            order_id,
            released,
            buyer: None,
        }
    }
}

/// A page of claims.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<ClaimWire>`")]
pub(crate) struct ClaimPage {
    /// The claims, newest first.
    items: Vec<ClaimWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
