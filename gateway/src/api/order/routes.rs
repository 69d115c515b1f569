//! The routes of orders.

use actors::{Answered, CommandMeta};
use axum::{extract::State, response::Response};
use engine::{
    id::{FulfillmentId, OrderId, TenantId},
    order::{Order, OrderCommand, OrderReply, OrderView, number},
};
use persistence::sql::{List, lists::OrderSearch};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    access::Access,
    input::{Cancellation, NewFulfillment, NewRefund, OrderQuery, Refund, TrackingPatch},
    wire::{OrderPage, OrderWire},
};
use crate::{
    Gateway, Problem,
    api::read_meta,
    auth::{Identity, Shop, Vendor},
    edge::{Arrival, Json, Path, Query},
    idempotency::{Key, OptionalKey},
    ops::openapi::{KeyHeader, OptionalKeyHeader, ShopHeader},
    problem::Code,
    wire::{IdSchema, PageWire, created, ok, replayed},
};

/// Returns the routes of orders.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_orders))
        .routes(routes!(get_order))
        .routes(routes!(cancel_order))
        .routes(routes!(create_refund))
        .routes(routes!(create_fulfillment))
        .routes(routes!(update_fulfillment))
}

async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    order: OrderId,
    command: OrderCommand,
    meta: CommandMeta,
) -> Result<(OrderView, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<Order>(&order.key(tenant), command, meta).await?;
    let OrderReply::Order(view) = reply;
    Ok((*view, duplicate))
}

async fn write(gateway: &Gateway, tenant: &TenantId, view: &OrderView) -> Result<OrderWire, Problem> {
    let contact = gateway.read_side.contact(tenant, view.contact).await?;
    Ok(OrderWire::of(gateway, &gateway.shop_url(tenant).await?, tenant, view, contact.as_ref()))
}

/// List orders
///
/// Newest first by default. Buyers see their own, vendors all. A new order may take a moment to appear.
#[utoipa::path(get, path = "/v1/orders", operation_id = "list_orders", tag = "orders", params(OrderQuery),
    responses((status = 200, description = "A page of orders", body = OrderPage)))]
pub(crate) async fn list_orders(
    State(gateway): State<Gateway>,
    identity: Identity,
    Query(query): Query<OrderQuery>,
) -> Result<Response, Problem> {
    let tenant = identity.tenant();
    let mut filter = query.filter;
    filter.search = query.query.map(|words| {
        let number = number::parse(&gateway.order_number_key, words.trim_start_matches('#'));
        OrderSearch { words, number }
    });
    filter.buyer = (!identity.is_vendor()).then(|| identity.buyer().subjects().collect());
    let page = gateway
        .read_side
        .orders(tenant, &filter, query.page.request_sorted(List::Orders, filter.sort.number())?)
        .await?;
    let ids: Vec<_> = page.items.iter().map(|order| order.contact).collect();
    let contacts = gateway.read_side.contacts(tenant, &ids).await?;
    let contact = |order: &OrderView| contacts.iter().find(|contact| contact.contact == order.contact);
    let shop_url = gateway.shop_url(tenant).await?;
    let write = |order: &OrderView| OrderWire::of(&gateway, &shop_url, tenant, order, contact(order));
    let items = page.items.iter().map(write).collect();
    Ok(ok(&PageWire::<OrderWire> { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}

/// Get an order
#[utoipa::path(get, path = "/v1/orders/{id}", operation_id = "get_order", tag = "orders", security((), ("bearer" = [])),
    params(("id" = IdSchema, Path, description = "The order."), Access, ShopHeader),
    responses((status = 200, description = "The order", body = OrderWire)))]
pub(crate) async fn get_order(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Path(order): Path<OrderId>,
    Query(Access { access }): Query<Access>,
) -> Result<Response, Problem> {
    Ok(ok(&read(&gateway, &shop, order, access.as_deref(), read_meta(&arrival)).await?))
}

/// Reads an order: for its buyer and the shop's vendors, and without what is personal for whoever has its link.
pub(super) async fn read(
    gateway: &Gateway,
    shop: &Shop,
    order: OrderId,
    access: Option<&str>,
    meta: CommandMeta,
) -> Result<OrderWire, Problem> {
    let tenant = &shop.tenant;
    let has_link = access.is_some_and(|access| gateway.is_order_access(tenant, order, access));
    let viewer = match &shop.identity {
        _ if has_link => None,
        Some(identity) if identity.is_vendor() => None,
        Some(identity) => Some(identity.buyer()),
        None => return Err(Problem::new(Code::AuthenticationRequired)),
    };
    let (view, _) = ask(gateway, tenant, order, OrderCommand::View { viewer }, meta).await?;
    let is_own = shop.identity.as_ref().is_some_and(|identity| identity.is_vendor() || identity.buyer().is(view.buyer));
    if is_own {
        return write(gateway, tenant, &view).await;
    }
    Ok(OrderWire::of(gateway, &gateway.shop_url(tenant).await?, tenant, &view, None))
}

/// Cancel an order
///
/// Refunds the remaining amount; the response is sent after the refund. Not possible after a parcel has been sent.
#[utoipa::path(post, path = "/v1/orders/{id}/cancel", operation_id = "cancel_order", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."), KeyHeader),
    request_body(content = Cancellation, example = json!({"reason": "out of stock", "restock": false})),
    responses((status = 200, description = "The order", body = OrderWire),
        (status = 409, description = "`not_allowed`, `busy`, `refund_failed` {reason}")))]
pub(crate) async fn cancel_order(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(order): Path<OrderId>,
    Json(body): Json<Cancellation>,
) -> Result<Response, Problem> {
    body.check()?;
    let meta = key.meta(&vendor.0, "cancel_order", &order.to_bytes(), &body);
    let command = OrderCommand::Cancel { reason: body.reason, restock: body.restock.unwrap_or(false) };
    let (view, duplicate) = ask(&gateway, vendor.0.tenant(), order, command, meta).await?;
    Ok(replayed(ok(&write(&gateway, vendor.0.tenant(), &view).await?), duplicate))
}

/// Refund an order
///
/// Refunds an amount, or units of lines: their price and share of the tax, and with the last unit the shipping. All
/// refunds together cannot exceed the paid amount. The response is sent after the refund.
///
/// Lines with `restock` return their units to the inventory. Units that are not shipped yet are refunded first, and are
/// no longer shipped. With an `amount`, `restock` returns all units of the order, so it requires a refund of the full
/// remaining amount; otherwise the response is `not_allowed`.
#[utoipa::path(post, path = "/v1/orders/{id}/refunds", operation_id = "create_refund", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."), KeyHeader),
    request_body(content = NewRefund, example = json!({"amount": {"amount": 500, "currency": "USD"}, "reason": "scratched"})),
    responses((status = 201, description = "The order", body = OrderWire),
        (status = 409, description = "`refund_too_large` {refundable}, `refund_failed` {reason}, `not_allowed` {line_id, remaining}, `busy`, `limit_exceeded`")))]
pub(crate) async fn create_refund(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(order): Path<OrderId>,
    Json(body): Json<NewRefund>,
) -> Result<Response, Problem> {
    let command = match body.read()? {
        Refund::Amount { amount, reason, restock } => OrderCommand::Refund { amount, reason, restock },
        Refund::Lines { lines, reason } => OrderCommand::RefundLines { lines, reason },
    };
    let meta = key.meta(&vendor.0, "create_refund", &order.to_bytes(), &body);
    let (view, duplicate) = ask(&gateway, vendor.0.tenant(), order, command, meta).await?;
    let wire = write(&gateway, vendor.0.tenant(), &view).await?;
    Ok(replayed(created(&format!("/v1/orders/{order}"), &wire), duplicate))
}

/// Create a fulfillment
///
/// Ships units of the given `lines`, or without `lines` all units that are still to be shipped. The buyer is notified
/// by e-mail. Not possible for units that were returned to the inventory; `busy` while a refund of them is in progress.
#[utoipa::path(post, path = "/v1/orders/{id}/fulfillments", operation_id = "create_fulfillment", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."), KeyHeader),
    request_body(content = NewFulfillment, example = json!({"tracking": "https://parcels.example/123"})),
    responses((status = 201, description = "The order", body = OrderWire),
        (status = 409, description = "`not_allowed` {line_id, remaining}, `busy`, `limit_exceeded`")))]
pub(crate) async fn create_fulfillment(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(order): Path<OrderId>,
    Json(body): Json<NewFulfillment>,
) -> Result<Response, Problem> {
    let (lines, tracking) = body.read()?;
    let meta = key.meta(&vendor.0, "create_fulfillment", &order.to_bytes(), &body);
    let (view, duplicate) =
        ask(&gateway, vendor.0.tenant(), order, OrderCommand::Fulfil { lines, tracking }, meta).await?;
    let wire = write(&gateway, vendor.0.tenant(), &view).await?;
    Ok(replayed(created(&format!("/v1/orders/{order}"), &wire), duplicate))
}

/// Update the tracking of a fulfillment
///
/// The buyer is notified by e-mail of a change.
#[utoipa::path(patch, path = "/v1/orders/{id}/fulfillments/{fulfillment_id}", operation_id = "update_fulfillment", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."),
        ("fulfillment_id" = IdSchema, Path, description = "The parcel."), OptionalKeyHeader),
    request_body(content = TrackingPatch, example = json!({"tracking": "https://parcels.example/124"})),
    responses((status = 200, description = "The order", body = OrderWire), (status = 409, description = "`limit_exceeded`")))]
pub(crate) async fn update_fulfillment(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: OptionalKey,
    Path((order, fulfillment)): Path<(OrderId, FulfillmentId)>,
    Json(body): Json<TrackingPatch>,
) -> Result<Response, Problem> {
    let tracking = body.read()?;
    let meta = key.0.meta(&vendor.0, "update_fulfillment", &fulfillment.to_bytes(), &body);
    let command = OrderCommand::ChangeTracking { fulfillment, tracking };
    let (view, duplicate) = ask(&gateway, vendor.0.tenant(), order, command, meta).await?;
    Ok(replayed(ok(&write(&gateway, vendor.0.tenant(), &view).await?), duplicate))
}
