//! The routes of stock levels.

use axum::{extract::State, response::Response};
use engine::{
    id::{EntityKey, Sku},
    stock::{StockCommand, StockItem, StockLevels, StockReply},
};
use persistence::sql::{LIMIT_DEFAULT, Limit};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{InventoryPage, Levels, NewAdjustment};
use crate::{
    Gateway, Problem,
    api::read_meta,
    auth::Vendor,
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query},
    idempotency::Key,
    ops::openapi::KeyHeader,
    problem::Faults,
    wire::{PageQuery, PageWire, SkuSchema, ok, read_sku, replayed},
};

/// Returns the routes of stock levels.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_inventory))
        .routes(routes!(get_inventory))
        .routes(routes!(adjust_inventory))
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
