//! `/v1/inventory`: stock levels.

use axum::{extract::State, response::Response};
use engine::{
    id::{EntityKey, Sku},
    stock::{ON_HAND_MAX, StockChange, StockCommand, StockItem, StockLevels, StockReply},
};
use persistence::sql::{LIMIT_DEFAULT, Limit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    Gateway, Problem,
    api::read_meta,
    auth::Vendor,
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query},
    idempotency::Key,
    ops::openapi::{KeyHeader, Refinement},
    problem::{Faults, FieldCode},
    wire::{PageQuery, PageWire, SkuSchema, ok, read_sku, replayed},
};

/// The maximum length of a reason in characters: a line in the merchant's books.
const REASON_CHARS_MAX: usize = 255;

/// The stock levels of a SKU. `on_hand` = `available` + `held` + `allocated`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Levels {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// Units on hand.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    on_hand: u64,
    /// Units that can be reserved or allocated.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    available: u64,
    /// Units held for checkouts.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    held: u64,
    /// Units allocated to drops that have not settled.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    allocated: u64,
    /// Units sold, minus reversed sales.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    sold: u64,
}

impl Levels {
    fn of(sku: Sku, levels: StockLevels) -> Self {
        let StockLevels { on_hand, available, held, allocated, sold } = levels;
        Self { sku, on_hand, available, held, allocated, sold }
    }
}

/// A change of the units on hand, by or to a number.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    /// The change in units. Negative numbers remove units.
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<i64>,
    /// The new number on hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_to: Option<i64>,
    /// The expected number on hand; 409 `unexpected_level` if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<i64>,
    /// The reason, for the merchant's records.
    reason: String,
}

pub(crate) fn refinements() -> Vec<Refinement> {
    let reason = json!({"type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX, "description": "The reason, for the merchant's records."});
    let units = |what: &str| json!({"type": "integer", "minimum": 0, "maximum": ON_HAND_MAX, "description": what});
    let delta = json!({"type": "integer", "minimum": -(ON_HAND_MAX as i64), "maximum": ON_HAND_MAX, "description": "The change in units. Negative numbers remove units."});
    let by = json!({
        "type": "object", "title": "by", "required": ["delta", "reason"], "additionalProperties": false,
        "properties": {"delta": delta, "reason": reason}
    });
    let to = json!({
        "type": "object", "title": "to", "required": ["set_to", "expected", "reason"], "additionalProperties": false,
        "properties": {
            "set_to": units("The new number on hand."),
            "expected": units("The expected number on hand; 409 `unexpected_level` if it differs."),
            "reason": reason
        }
    });
    vec![(
        "NewAdjustment",
        json!({"oneOf": [by, to], "type": "object", "properties": {}, "required": [], "additionalProperties": true}),
    )]
}

impl NewAdjustment {
    pub(in crate::api) fn read(&self) -> Result<StockChange, Problem> {
        let mut faults = Faults::default();
        let length = self.reason.chars().count();
        faults.check("/reason", (1..=REASON_CHARS_MAX).contains(&length), "must be between 1 and 255 characters long");
        let most = ON_HAND_MAX as i64;
        let change = match (self.delta, self.set_to) {
            (Some(delta), None) => {
                faults.check("/delta", (-most..=most).contains(&delta), "exceeds the maximum number of units");
                if self.expected.is_some() {
                    faults.add("/expected", FieldCode::Unknown, "requires set_to");
                }
                Some(StockChange::By(delta))
            }
            (None, Some(units)) => {
                let expected = faults.present("/expected", self.expected);
                faults.check(
                    "/set_to",
                    (0..=most).contains(&units),
                    "must be between 0 and the maximum number of units",
                );
                faults.check("/expected", expected.is_none_or(|units| units >= 0), "must not be negative");
                Some(StockChange::To { units: units.unsigned_abs(), expected: expected.map(i64::unsigned_abs) })
            }
            (Some(_), Some(_)) => {
                faults.add("/set_to", FieldCode::Unknown, "requires either delta or set_to");
                None
            }
            (None, None) => faults.present("/delta", None),
        };
        faults.give(change)
    }
}

/// A page of stock levels.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<Levels>`")]
pub(crate) struct InventoryPage {
    /// The stock levels, in the order of the SKUs.
    items: Vec<Levels>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// Which page of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct InventoryQuery {
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page, which is its last SKU.
    #[param(value_type = Option<SkuSchema>, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    after: Option<Sku>,
}

impl FromQuery for InventoryQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let limit = PageQuery::limit_of(parameters, faults);
        let after = parameters.text("cursor").and_then(|text| read_sku(text, "?cursor", faults));
        Some(Self { limit, cursor: None, after })
    }
}

/// List the stock levels of all SKUs
///
/// In the order of the SKUs. Includes SKUs that belong to a product or ever had stock. The levels may lag behind by a
/// moment.
#[utoipa::path(get, path = "/v1/inventory", operation_id = "list_inventory", tag = "inventory",
    security(("bearer" = ["vendor"])), params(InventoryQuery),
    responses((status = 200, description = "A page of stock levels", body = InventoryPage)))]
pub(crate) async fn list_inventory(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    Query(query): Query<InventoryQuery>,
) -> Result<Response, Problem> {
    let limit = Limit::new(query.limit.unwrap_or(LIMIT_DEFAULT)).unwrap_or_default();
    let page = gateway.read_side.stock_page(vendor.0.tenant(), query.after.as_ref(), limit).await?;
    let next_cursor = page.1.as_ref().map(ToString::to_string);
    let items = page.0.into_iter().map(|row| Levels::of(row.sku, row.levels)).collect();
    Ok(ok(&PageWire::<Levels> { items, next_cursor }))
}

fn key(sku: &Sku, vendor: &Vendor) -> EntityKey {
    sku.key(vendor.0.tenant())
}

/// Get the stock levels of a SKU
#[utoipa::path(get, path = "/v1/inventory/{sku}", operation_id = "get_inventory", tag = "inventory",
    security(("bearer" = ["vendor"])), params(("sku" = SkuSchema, Path, description = "The SKU.")),
    responses((status = 200, description = "The stock levels", body = Levels)))]
pub(crate) async fn get_inventory(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    vendor: Vendor,
    Path(sku): Path<Sku>,
) -> Result<Response, Problem> {
    let answered =
        gateway.commerce.ask::<StockItem>(&key(&sku, &vendor), StockCommand::View, read_meta(&arrival)).await?;
    Ok(ok(&Levels::of(sku, levels(answered.reply)?)))
}

/// Adjust the units on hand
///
/// Changes the number by `delta`, or sets it to `set_to` if `expected` units are on hand. It cannot fall below the held
/// and allocated units.
#[utoipa::path(post, path = "/v1/inventory/{sku}/adjustments", operation_id = "adjust_inventory", tag = "inventory",
    security(("bearer" = ["vendor"])), params(("sku" = SkuSchema, Path, description = "The SKU."), KeyHeader),
    request_body(content = NewAdjustment, example = json!({"delta": 10, "reason": "delivery"})),
    responses((status = 200, description = "The new stock levels", body = Levels),
        (status = 409, description = "`insufficient_available`, `unexpected_level`, `limit_exceeded`")))]
pub(crate) async fn adjust_inventory(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: Key,
    Path(sku): Path<Sku>,
    Json(body): Json<NewAdjustment>,
) -> Result<Response, Problem> {
    let change = body.read()?;
    let meta = idempotency.meta(&vendor.0, "adjust_inventory", sku.as_str().as_bytes(), &body);
    let command = StockCommand::Adjust { change, reason: body.reason };
    let answered = gateway.commerce.ask::<StockItem>(&key(&sku, &vendor), command, meta).await?;
    Ok(replayed(ok(&Levels::of(sku, levels(answered.reply)?)), answered.duplicate))
}

fn levels(reply: StockReply) -> Result<StockLevels, Problem> {
    match reply {
        StockReply::Levels(levels) => Ok(levels),
        StockReply::Done | StockReply::Settled(_) => {
            Err(Problem::internal("inventory", &"an answer to another question"))
        }
    }
}
