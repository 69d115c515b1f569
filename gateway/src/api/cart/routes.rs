//! The routes of carts.

use std::sync::Arc;

use actors::{Answered, AskError, CommandMeta};
use axum::{extract::State, response::Response};
use engine::{
    cart::{Cart, CartCommand, CartRejection, CartReply, CartView},
    flash_drop::Buyer,
    id::{CartId, LineId, TenantId},
    money::Currency,
    product::Quote,
    quantity::Quantity,
};
use futures::{StreamExt, TryStreamExt, stream};
use persistence::sql::{List, PAGE_LINES_MAX, Page};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{CartPage, CartWire, LinePatch, NewCart, NewLine};
use crate::{
    Gateway, Problem,
    api::{known_former, product::quote, read_meta},
    auth::Identity,
    edge::{Arrival, Json, OptionalJson, Path, Query},
    idempotency::{Key, OptionalKey},
    ops::openapi::{KeyHeader, OptionalKeyHeader},
    problem::{Code, Faults},
    wire::{IdSchema, PageQuery, PageWire, created, done, ok, read_sku, replayed},
};

/// The number of carts of a page that are queried concurrently.
const ASKED_AT_ONCE: usize = 16;

/// Returns the routes of carts.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_cart, list_carts))
        .routes(routes!(get_cart, delete_cart))
        .routes(routes!(add_cart_line))
        .routes(routes!(update_cart_line, remove_cart_line))
}

async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    cart: CartId,
    command: CartCommand,
    meta: CommandMeta,
) -> Result<(Arc<CartView>, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<Cart>(&cart.key(tenant), command, meta).await?;
    match reply {
        CartReply::Cart(view) => Ok((view, duplicate)),
        CartReply::Done => Err(Problem::internal("cart", &"an answer to another question")),
    }
}

/// Create a cart
///
/// The cart is empty and belongs to the guest or account that creates it.
#[utoipa::path(post, path = "/v1/carts", operation_id = "create_cart", tag = "carts", params(KeyHeader),
    request_body(content = Option<NewCart>, example = json!({})),
    responses((status = 201, description = "The cart", body = CartWire)))]
pub(crate) async fn create_cart(
    State(gateway): State<Gateway>,
    identity: Identity,
    idempotency: Key,
    OptionalJson(body): OptionalJson<NewCart>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let currency = body.currency.as_deref().and_then(|code| faults.range("/currency", Currency::new(code)));
    faults.into_result()?;
    let (tenant, buyer) = (identity.tenant(), identity.buyer());
    let mut meta = idempotency.meta(&identity, "create_cart", b"", &body);
    let view = CartCommand::View { buyer: Some(buyer.clone()) };
    meta.command_id =
        known_former::<Cart>(&gateway, &meta, |id| CartId(id.0).key(tenant), view, CartRejection::NotFound).await?;
    let cart = CartId(meta.command_id.0);
    let command = CartCommand::Create { tenant: tenant.clone(), cart, buyer: buyer.clone(), currency };
    let (view, duplicate) = ask(&gateway, tenant, cart, command, meta).await?;
    Ok(replayed(created(&format!("/v1/carts/{cart}"), &CartWire::of(&view)), duplicate))
}

/// List the caller's carts, newest first
///
/// Includes the carts of the guests that became this account. A new cart may take a moment to appear.
#[utoipa::path(get, path = "/v1/carts", operation_id = "list_carts", tag = "carts", params(PageQuery),
    responses((status = 200, description = "A page of carts", body = CartPage)))]
pub(crate) async fn list_carts(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let (tenant, buyer) = (identity.tenant(), identity.buyer());
    let subjects: Vec<_> = buyer.subjects().collect();
    let page = gateway.read_side.carts(tenant, &subjects, query.request(List::Carts)?).await?;
    let asked = page.items.into_iter().map(|(cart, created_at)| {
        let view = CartCommand::View { buyer: Some(buyer.clone()) };
        let meta = read_meta(&arrival);
        let commerce = &gateway.commerce;
        async move {
            let view = match commerce.ask::<Cart>(&cart.key(tenant), view, meta).await {
                Ok(Answered { reply: CartReply::Cart(view), .. }) => Some(view),
                Ok(Answered { reply: CartReply::Done, .. }) | Err(AskError::Quarantined | AskError::Rejected(_)) => {
                    None
                }
                Err(error) => return Err(Problem::from(error)),
            };
            Ok(((created_at, cart.0), view))
        }
    });
    let items = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    let lines = |(_, view): &(_, Option<Arc<CartView>>)| view.as_ref().map_or(0, |view| view.lines.len());
    let page = Page { items, next: page.next }.bounded(List::Carts, 0, PAGE_LINES_MAX, lines, |(place, _)| *place);
    let items = page.items.iter().filter_map(|(_, view)| view.as_deref().map(CartWire::of)).collect();
    Ok(ok(&PageWire::<CartWire> { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}

/// Get a cart
#[utoipa::path(get, path = "/v1/carts/{id}", operation_id = "get_cart", tag = "carts",
    params(("id" = IdSchema, Path, description = "The cart.")), responses((status = 200, description = "The cart", body = CartWire)))]
pub(crate) async fn get_cart(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Path(cart): Path<CartId>,
) -> Result<Response, Problem> {
    Ok(ok(&read(&gateway, &identity, cart, read_meta(&arrival)).await?))
}

/// Reads a cart, for its buyer and the shop's vendors.
pub(super) async fn read(
    gateway: &Gateway,
    identity: &Identity,
    cart: CartId,
    meta: CommandMeta,
) -> Result<CartWire, Problem> {
    let buyer: Option<Buyer> = (!identity.is_vendor()).then(|| identity.buyer());
    let (view, _) = ask(gateway, identity.tenant(), cart, CartCommand::View { buyer }, meta).await?;
    Ok(CartWire::of(&view))
}

/// Delete a cart
#[utoipa::path(delete, path = "/v1/carts/{id}", operation_id = "delete_cart", tag = "carts",
    params(("id" = IdSchema, Path, description = "The cart."), OptionalKeyHeader),
    responses((status = 204, description = "The cart is deleted"), (status = 409, description = "`checkout_in_progress` {checkout_id}")))]
pub(crate) async fn delete_cart(
    State(gateway): State<Gateway>,
    identity: Identity,
    idempotency: OptionalKey,
    Path(cart): Path<CartId>,
) -> Result<Response, Problem> {
    let meta = idempotency.0.meta(&identity, "delete_cart", &cart.to_bytes(), &"delete_cart");
    let command = CartCommand::Delete { buyer: identity.buyer() };
    gateway.commerce.ask::<Cart>(&cart.key(identity.tenant()), command, meta).await?;
    Ok(done())
}

/// Add a line to a cart
///
/// Uses the catalogue's current price. If the cart already contains the SKU, its quantity is increased. Units are held
/// at checkout, not when they are added to a cart.
#[utoipa::path(post, path = "/v1/carts/{id}/lines", operation_id = "add_cart_line", tag = "carts",
    params(("id" = IdSchema, Path, description = "The cart."), KeyHeader),
    request_body(content = NewLine, example = json!({"sku": "SHIRT-S", "quantity": 1})),
    responses((status = 201, description = "The cart", body = CartWire),
        (status = 409, description = "`not_for_sale` {sku}, `checkout_in_progress` {checkout_id}, `mixed_currencies`, `limit_exceeded`")))]
pub(crate) async fn add_cart_line(
    State(gateway): State<Gateway>,
    identity: Identity,
    idempotency: Key,
    Path(cart): Path<CartId>,
    Json(body): Json<NewLine>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let sku = read_sku(&body.sku, "/sku", &mut faults);
    let quantity = faults.range("/quantity", Quantity::new(body.quantity));
    let (sku, quantity) = faults.give(sku.zip(quantity))?;
    let meta = idempotency.meta(&identity, "add_cart_line", &cart.to_bytes(), &body);
    let tenant = identity.tenant();
    let quote = match quote(&gateway, tenant, &sku).await {
        Ok(quote) => quote,
        Err(problem) if problem.code() == Code::NotForSale => {
            let Some(view) = answered_before(&gateway, &identity, cart, meta).await? else { return Err(problem) };
            return Ok(replayed(created(&format!("/v1/carts/{cart}"), &CartWire::of(&view)), true));
        }
        Err(problem) => return Err(problem),
    };
    let Quote { product, variant, title, options, price, .. } = quote;
    let buyer = identity.buyer();
    let command = CartCommand::AddLine { buyer, sku, product, variant, title, options, quantity, price };
    let (view, duplicate) = ask(&gateway, tenant, cart, command, meta).await?;
    Ok(replayed(created(&format!("/v1/carts/{cart}"), &CartWire::of(&view)), duplicate))
}

/// Returns the cart's earlier reply to this command, if any: its item need no longer be for sale.
async fn answered_before(
    gateway: &Gateway,
    identity: &Identity,
    cart: CartId,
    meta: CommandMeta,
) -> Result<Option<Arc<CartView>>, Problem> {
    // The recall has the command's id, but names a line that no cart has. If the cart does not know the id, nothing
    // changes.
    let line = LineId::derive(&[b"no line", &cart.to_bytes()]);
    let recall = CartCommand::RemoveLine { buyer: identity.buyer(), line };
    match gateway.commerce.ask::<Cart>(&cart.key(identity.tenant()), recall, meta).await {
        Ok(Answered { reply: CartReply::Cart(view), .. }) => Ok(Some(view)),
        Ok(Answered { reply: CartReply::Done, .. }) => Ok(None),
        Err(AskError::Rejected(CartRejection::KeyReused(reused))) => Err(reused.into()),
        Err(AskError::Rejected(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Change the quantity of a line
#[utoipa::path(patch, path = "/v1/carts/{id}/lines/{line_id}", operation_id = "update_cart_line", tag = "carts",
    params(("id" = IdSchema, Path, description = "The cart."), ("line_id" = IdSchema, Path, description = "The line."), OptionalKeyHeader),
    request_body(content = LinePatch, example = json!({"quantity": 2})),
    responses((status = 200, description = "The cart", body = CartWire), (status = 409, description = "`checkout_in_progress` {checkout_id}")))]
pub(crate) async fn update_cart_line(
    State(gateway): State<Gateway>,
    identity: Identity,
    idempotency: OptionalKey,
    Path((cart, line)): Path<(CartId, LineId)>,
    Json(body): Json<LinePatch>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let quantity = faults.range("/quantity", Quantity::new(body.quantity));
    let quantity = faults.give(quantity)?;
    let meta = idempotency.0.meta(&identity, "update_cart_line", &line.to_bytes(), &body);
    let command = CartCommand::ChangeLine { buyer: identity.buyer(), line, quantity };
    let (view, duplicate) = ask(&gateway, identity.tenant(), cart, command, meta).await?;
    Ok(replayed(ok(&CartWire::of(&view)), duplicate))
}

/// Remove a line from a cart
///
/// Idempotent: it also succeeds if the cart does not contain the line.
#[utoipa::path(delete, path = "/v1/carts/{id}/lines/{line_id}", operation_id = "remove_cart_line", tag = "carts",
    params(("id" = IdSchema, Path, description = "The cart."), ("line_id" = IdSchema, Path, description = "The line."), OptionalKeyHeader),
    responses((status = 204, description = "The line is removed"), (status = 409, description = "`checkout_in_progress` {checkout_id}")))]
pub(crate) async fn remove_cart_line(
    State(gateway): State<Gateway>,
    identity: Identity,
    idempotency: OptionalKey,
    Path((cart, line)): Path<(CartId, LineId)>,
) -> Result<Response, Problem> {
    let meta = idempotency.0.meta(&identity, "remove_cart_line", &line.to_bytes(), &"remove_cart_line");
    let command = CartCommand::RemoveLine { buyer: identity.buyer(), line };
    match gateway.commerce.ask::<Cart>(&cart.key(identity.tenant()), command, meta).await {
        Ok(_) | Err(AskError::Rejected(CartRejection::LineNotFound)) => Ok(done()),
        Err(error) => Err(error.into()),
    }
}
