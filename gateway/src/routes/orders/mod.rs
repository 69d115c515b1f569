//! `/v1/orders`: what was bought.

mod view;

use actors::{Answered, Call};
use axum::{extract::State, response::Response};
use engine::{
    id::{OrderId, TenantId},
    order::{
        FulfillmentState, Order, OrderCommand, OrderPaymentState, OrderReply, OrderView, REASON_CHARS_MAX,
        TRACKING_CHARS_MAX, number,
    },
};
use persistence::sql::{
    List,
    lists::{OrderFilter, OrderSearch},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::view::OrderWire;
use super::read_call;
use crate::{
    Gateway, Problem,
    auth::{Identity, Shop, Vendor},
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query},
    idempotency::Key,
    ops::openapi::{KeyHeader, ShopHeader},
    problem::{Code, Faults, FieldCode},
    wire::{AmountSchema, IdSchema, MoneyWire, PageQuery, PageWire, created, ok, replayed},
};

/// A page of orders.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<OrderWire>`")]
pub(crate) struct OrderPage {
    /// The orders, newest first.
    items: Vec<OrderWire>,
    /// What to send as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// Which orders.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct OrderQuery {
    /// Only those that are meant: by their number, with or without `#`, or by words that are parts of the buyer's e-mail
    /// address or name, or of the title or sku of what was bought. Case and accents do not matter.
    #[param(max_length = 255, nullable = false)]
    query: Option<String>,
    /// Only those whose money stands so.
    #[param(pattern = "^(authorized|paid|partially_refunded|refunded|failed)$", nullable = false)]
    payment_state: Option<String>,
    /// Only those whose goods stand so.
    #[param(pattern = "^(unfulfilled|fulfilled|cancelled)$", nullable = false)]
    fulfillment_state: Option<String>,
    /// How many items at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    filter: OrderFilter,
    #[param(ignore)]
    page: PageQuery,
}

impl FromQuery for OrderQuery {
    const NAMES: &'static [&'static str] = &["query", "payment_state", "fulfillment_state", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let query = parameters.text("query").map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned);
        let fits = query.as_ref().is_none_or(|words| words.chars().count() <= QUERY_CHARS_MAX);
        faults.check("?query", fits, "is longer than 255 characters");
        let payment_state = parameters.text("payment_state").and_then(|text| match text {
            "authorized" => Some(OrderPaymentState::Authorized),
            "paid" => Some(OrderPaymentState::Paid),
            "partially_refunded" => Some(OrderPaymentState::PartiallyRefunded),
            "refunded" => Some(OrderPaymentState::Refunded),
            "failed" => Some(OrderPaymentState::Failed),
            _ => {
                faults.add("?payment_state", FieldCode::WrongType, "is no state of a payment");
                None
            }
        });
        let fulfillment_state = parameters.text("fulfillment_state").and_then(|text| match text {
            "unfulfilled" => Some(FulfillmentState::Unfulfilled),
            "fulfilled" => Some(FulfillmentState::Fulfilled),
            "cancelled" => Some(FulfillmentState::Cancelled),
            _ => {
                faults.add("?fulfillment_state", FieldCode::WrongType, "is no state of goods");
                None
            }
        });
        let filter = OrderFilter { payment_state, fulfillment_state, ..OrderFilter::default() };
        let page = PageQuery::of(parameters, faults);
        Some(Self { query, payment_state: None, fulfillment_state: None, limit: None, cursor: None, filter, page })
    }
}

/// The longest `query` that is looked for.
const QUERY_CHARS_MAX: usize = 255;

/// The longest `access` that is looked at: twice what one has.
const ACCESS_BYTES_MAX: usize = 64;

/// How an order is looked at without a session.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Access {
    /// From the order's `access_url`: whoever has it sees the order, without what is personal.
    #[param(max_length = 64, nullable = false)]
    access: Option<String>,
}

impl FromQuery for Access {
    const NAMES: &'static [&'static str] = &["access"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let access = parameters.text("access");
        faults.check("?access", access.is_none_or(|text| text.len() <= ACCESS_BYTES_MAX), "is longer than any was");
        Some(Self { access: access.map(str::to_owned) })
    }
}

async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    order: OrderId,
    command: OrderCommand,
    call: Call,
) -> Result<(OrderView, bool), Problem> {
    let Answered { reply, again } = gateway.commerce.ask::<Order>(&order.key(tenant), command, call).await?;
    let OrderReply::Order(view) = reply;
    Ok((*view, again))
}

async fn write(gateway: &Gateway, tenant: &TenantId, view: &OrderView) -> Result<OrderWire, Problem> {
    let contact = gateway.read_side.contact(tenant, view.contact).await?;
    Ok(OrderWire::of(gateway, &gateway.shop_url(tenant).await?, tenant, view, contact.as_ref()))
}

/// Orders, newest first
///
/// Buyers see their own, vendors all. A new one may be missing for a moment.
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
    let page = gateway.read_side.orders(tenant, &filter, query.page.request(List::Orders)?).await?;
    let ids: Vec<_> = page.items.iter().map(|order| order.contact).collect();
    let contacts = gateway.read_side.contacts(tenant, &ids).await?;
    let contact = |order: &OrderView| contacts.iter().find(|contact| contact.contact == order.contact);
    let shop_url = gateway.shop_url(tenant).await?;
    let write = |order: &OrderView| OrderWire::of(&gateway, &shop_url, tenant, order, contact(order));
    let items = page.items.iter().map(write).collect();
    Ok(ok(&PageWire::<OrderWire> { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}

/// An order
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
    let tenant = &shop.tenant;
    let has_link = access.is_some_and(|access| gateway.is_order_access(tenant, order, &access));
    let viewer = match &shop.identity {
        _ if has_link => None,
        Some(identity) if identity.is_vendor() => None,
        Some(identity) => Some(identity.buyer()),
        None => return Err(Problem::new(Code::AuthenticationRequired)),
    };
    let (view, _) = ask(&gateway, tenant, order, OrderCommand::View { viewer }, read_call(&arrival)).await?;
    let is_own = shop.identity.as_ref().is_some_and(|identity| identity.is_vendor() || identity.buyer().is(view.buyer));
    if is_own {
        return Ok(ok(&write(&gateway, tenant, &view).await?));
    }
    Ok(ok(&OrderWire::of(&gateway, &gateway.shop_url(tenant).await?, tenant, &view, None)))
}

/// Why an order is called off.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancellation {
    /// Why, for the merchant's books. No personal data.
    #[schema(max_length = 500)]
    reason: String,
    /// Whether its units come back to the inventory, all of them.
    restock: Option<bool>,
}

/// Money to be given back.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// How much.
    #[schema(value_type = AmountSchema)]
    amount: MoneyWire,
    /// Why, for the merchant's books. No personal data.
    #[schema(max_length = 500)]
    reason: String,
    /// Whether its units come back to the inventory, all of them; only with a refund of all that is left.
    restock: Option<bool>,
}

/// An order on its way.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFulfillment {
    /// Where its way can be followed.
    #[schema(max_length = 500)]
    tracking: Option<String>,
}

fn reason(text: &str, faults: &mut Faults) {
    faults.check("/reason", text.chars().count() <= REASON_CHARS_MAX, "is longer than 500 characters");
}

/// Call an order off
///
/// The rest of its money is given back: answered when it is. Not once it is on its way.
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
    let mut faults = Faults::default();
    reason(&body.reason, &mut faults);
    faults.into_result()?;
    let call = key.call(&vendor.0, "cancel_order", &order.to_bytes(), &body);
    let command = OrderCommand::Cancel { reason: body.reason, restock: body.restock.unwrap_or(false) };
    let (view, again) = ask(&gateway, vendor.0.tenant(), order, command, call).await?;
    Ok(replayed(ok(&write(&gateway, vendor.0.tenant(), &view).await?), again))
}

/// Give money back
///
/// Never more than was paid, over all refunds. Answered when it is back. With `restock` all units of the order come back
/// to the inventory, so it goes only with a refund of all that is left: `not_allowed` otherwise. For goods of a part,
/// refund without it, and adjust the inventory by what came back.
#[utoipa::path(post, path = "/v1/orders/{id}/refunds", operation_id = "create_refund", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."), KeyHeader),
    request_body(content = NewRefund, example = json!({"amount": {"amount": 500, "currency": "USD"}, "reason": "scratched"})),
    responses((status = 201, description = "The order", body = OrderWire),
        (status = 409, description = "`refund_too_large` {refundable}, `refund_failed` {reason}, `not_allowed`, `busy`, `limit_exceeded`")))]
pub(crate) async fn create_refund(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(order): Path<OrderId>,
    Json(body): Json<NewRefund>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    reason(&body.reason, &mut faults);
    let amount = body.amount.read("/amount", &mut faults);
    faults.check("/amount/amount", body.amount.amount > 0, "must be more than nothing");
    let amount = faults.give(amount)?;
    let call = key.call(&vendor.0, "create_refund", &order.to_bytes(), &body);
    let command = OrderCommand::Refund { amount, reason: body.reason, restock: body.restock.unwrap_or(false) };
    let (view, again) = ask(&gateway, vendor.0.tenant(), order, command, call).await?;
    let wire = write(&gateway, vendor.0.tenant(), &view).await?;
    Ok(replayed(created(&format!("/v1/orders/{order}"), &wire), again))
}

/// Send an order on its way
///
/// Not once its units went back to the inventory; `busy` while a refund that takes them back is in progress.
#[utoipa::path(post, path = "/v1/orders/{id}/fulfillments", operation_id = "create_fulfillment", tag = "orders",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The order."), KeyHeader),
    request_body(content = NewFulfillment, example = json!({"tracking": "https://parcels.example/123"})),
    responses((status = 201, description = "The order", body = OrderWire),
        (status = 409, description = "`not_allowed`, `busy`")))]
pub(crate) async fn create_fulfillment(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(order): Path<OrderId>,
    Json(body): Json<NewFulfillment>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let fits = body.tracking.as_ref().is_none_or(|text| text.chars().count() <= TRACKING_CHARS_MAX);
    faults.check("/tracking", fits, "is longer than 500 characters");
    faults.into_result()?;
    let call = key.call(&vendor.0, "create_fulfillment", &order.to_bytes(), &body);
    let command = OrderCommand::Fulfil { tracking: body.tracking };
    let (view, again) = ask(&gateway, vendor.0.tenant(), order, command, call).await?;
    let wire = write(&gateway, vendor.0.tenant(), &view).await?;
    Ok(replayed(created(&format!("/v1/orders/{order}"), &wire), again))
}
