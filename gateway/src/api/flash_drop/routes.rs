//! The routes of drops.

use actors::{
    Answered, CommandMeta,
    views::{AcceptedView, oldest_recent},
};
use axum::{extract::State, response::Response};
use engine::{
    flash_drop::{DropCommand, DropRejection, DropReply, DropState, DropView, FlashDrop},
    id::{DropId, TenantId},
};
use futures::{StreamExt, stream};
use persistence::sql::{
    Limit, List,
    lists::{DropFilter, DropSort},
};
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{DropPatch, NewDrop},
    series,
    wire::{DropPage, DropWire},
};
use crate::{
    Gateway, Problem,
    auth::{Shop, Vendor},
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query},
    idempotency::{Key, OptionalKey},
    ops::openapi::{KeyHeader, KnownHeader, OptionalKeyHeader, ShopHeader, VersionHeader},
    problem::{Faults, FieldCode},
    wire::{IdSchema, IfMatch, IfNoneMatch, PageQuery, PageWire, created, fresh, ok, read_sort, replayed},
};

/// The number of drops of a page whose views are queried concurrently.
const VIEWS_AT_ONCE: usize = 16;
/// The maximum number of pages of the list that are searched for drops in a state: with the default limit, 1,000 drops.
const PAGES_LOOKED_THROUGH_MAX: usize = 20;

/// Returns the routes of drops.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_drop, list_drops))
        .routes(routes!(get_drop, update_drop))
        .routes(routes!(series::get_drop_series))
        .routes(routes!(publish_drop))
        .routes(routes!(end_drop))
        .routes(routes!(cancel_drop))
}

/// Which drops.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct DropQuery {
    /// Only drops in this state. Drafts are visible to vendors only.
    #[param(pattern = "^(draft|scheduled|open|sold_out|ended|cancelled)$", nullable = false)]
    state: Option<String>,
    /// The sort order. A leading `-` sorts the latest first.
    #[param(pattern = "^(created_at|-created_at|starts_at|-starts_at|ends_at|-ends_at)$", nullable = false)]
    sort: Option<String>,
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    wanted: Option<DropState>,
    #[param(ignore)]
    order: DropSort,
    #[param(ignore)]
    page: PageQuery,
}

impl FromQuery for DropQuery {
    const NAMES: &'static [&'static str] = &["state", "sort", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let wanted = parameters.text("state").and_then(|text| match text {
            "draft" => Some(DropState::Draft),
            "scheduled" => Some(DropState::Scheduled),
            "open" => Some(DropState::Open),
            "sold_out" => Some(DropState::SoldOut),
            "ended" => Some(DropState::Ended),
            "cancelled" => Some(DropState::Cancelled),
            _ => {
                faults.add("?state", FieldCode::WrongType, "is not a drop state");
                None
            }
        });
        let (order, page) = (read_sort(parameters, faults), PageQuery::of(parameters, faults));
        Some(Self { state: None, sort: None, limit: None, cursor: None, wanted, order, page })
    }
}

/// Sends a command to a drop and returns its view, and whether the command was a duplicate.
async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    drop: DropId,
    command: DropCommand,
    meta: CommandMeta,
) -> Result<(DropView, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<FlashDrop>(&drop.key(tenant), command, meta).await?;
    match reply {
        DropReply::Drop(view) => Ok((*view, duplicate)),
        DropReply::Claim(_) | DropReply::Claims(..) | DropReply::Done => {
            Err(Problem::internal("drop", &"an answer to another question"))
        }
    }
}

/// Returns the present view of a drop, as the drop itself has it.
pub(in crate::api) async fn view(
    gateway: &Gateway,
    tenant: &TenantId,
    drop: DropId,
    meta: CommandMeta,
) -> Result<DropView, Problem> {
    Ok(ask(gateway, tenant, drop, DropCommand::View, meta).await?.0)
}

/// Create a drop
///
/// The drop is published immediately if the inventory can allocate its units; otherwise the response is 409
/// `insufficient_stock`. A `draft` is allocated its units when it is published. A drop with one item can give it
/// without `items`.
#[utoipa::path(post, path = "/v1/drops", operation_id = "create_drop", tag = "drops", security(("bearer" = ["vendor"])),
    params(KeyHeader), request_body(content = NewDrop, example = json!({"title": "Black Friday", "sku": "SHIRT-S", "quantity": 100,
        "price": {"amount": 1999, "currency": "USD"}, "per_buyer_max": 2, "hold_seconds": 300, "ends_at": "2030-11-29T23:00:00Z"})),
    responses((status = 201, description = "The drop", body = DropWire),
        (status = 409, description = "`insufficient_stock`, `not_allowed`")))]
pub(crate) async fn create_drop(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: Key,
    Json(body): Json<NewDrop>,
) -> Result<Response, Problem> {
    let (terms, items) = body.read()?;
    let meta = idempotency.meta(&vendor.0, "create_drop", b"", &body);
    let tenant = vendor.0.tenant();
    let drop = DropId(meta.command_id.0);
    let command = DropCommand::Create { tenant: tenant.clone(), drop, terms, items, draft: body.is_draft() };
    let (view, duplicate) = ask(&gateway, tenant, drop, command, meta).await?;
    Ok(replayed(created(&format!("/v1/drops/{drop}"), &DropWire::of(&view)), duplicate))
}

/// List drops
///
/// Newest first by default. Vendors see drafts too. A new drop may take a moment to appear. With `state`, a page may
/// have fewer than `limit` items although further pages exist.
#[utoipa::path(get, path = "/v1/drops", operation_id = "list_drops", tag = "drops", security((), ("bearer" = [])),
    params(DropQuery, ShopHeader), responses((status = 200, description = "A page of drops", body = DropPage)))]
pub(crate) async fn list_drops(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Query(query): Query<DropQuery>,
) -> Result<Response, Problem> {
    let _turn = gateway.listing.take(arrival.address).await?;
    let DropQuery { wanted: state, order: sort, page, .. } = query;
    let filter = DropFilter { with_drafts: shop.is_vendors(), state, sort };
    let mut request = page.request_sorted(List::Drops, sort.number())?;
    let limit = page.limit() as usize;
    let mut items: Vec<DropWire> = Vec::new();
    // The lists do not know which drops are sold out, or whose start or end has passed. They only preselect: the views
    // of the drops decide.
    for _ in 0..PAGES_LOOKED_THROUGH_MAX {
        request.limit = Limit::new((limit - items.len()) as u32).unwrap_or_default();
        let page = gateway.read_side.drops(&shop.tenant, &filter, request).await?;
        let keys = page.items.into_iter().map(|listed| listed.id.key(&shop.tenant));
        let commerce = &gateway.commerce;
        let views = keys.map(|key| async move { commerce.view::<FlashDrop>(&key).await });
        let views: Vec<_> = stream::iter(views).buffered(VIEWS_AT_ONCE).collect().await;
        for view in views {
            match view {
                Ok(view) if state.is_none_or(|state| view.state == state) => items.push(DropWire::of(&view)),
                // A quarantined drop must not hide the others.
                Ok(_) | Err(actors::AskError::Quarantined | actors::AskError::Rejected(DropRejection::NotFound)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        request.after = page.next;
        if request.after.is_none() || state.is_none() || items.len() >= limit {
            break;
        }
    }
    Ok(ok(&PageWire { items, next_cursor: request.after.map(|cursor| cursor.to_string()) }))
}

/// Get a drop
///
/// The state at `as_of`, at most 50 ms old. Poll with `If-None-Match`: the response is 304 while nothing but `as_of`
/// changes.
#[utoipa::path(get, path = "/v1/drops/{id}", operation_id = "get_drop", tag = "drops", security((), ("bearer" = [])),
    params(("id" = IdSchema, Path, description = "The drop."), ShopHeader, KnownHeader),
    responses((status = 200, description = "The drop", body = DropWire, headers(("ETag" = String))),
        (status = 304, description = "Not modified")))]
pub(crate) async fn get_drop(
    State(gateway): State<Gateway>,
    shop: Shop,
    known: IfNoneMatch,
    Path(drop): Path<DropId>,
) -> Result<Response, Problem> {
    let view = read(&gateway, &shop, drop, oldest_recent()).await?;
    let wire = DropWire::of(&view);
    Ok(fresh(&known, &wire.etag(), wire.to_json(), shop.identity.is_none()))
}

/// Reads a drop as clients of the shop see it, with everything that was accepted before `since`. Drafts are for vendors.
pub(super) async fn read(
    gateway: &Gateway,
    shop: &Shop,
    drop: DropId,
    since: Instant,
) -> Result<AcceptedView<DropView>, Problem> {
    let view = gateway.commerce.view_since::<FlashDrop>(&drop.key(&shop.tenant), since).await?;
    match view.state == DropState::Draft && !shop.is_vendors() {
        true => Err(Problem::not_found()),
        false => Ok(view),
    }
}

/// Update a drop
///
/// Before the drop opens, all fields can be changed and items added. While it is open, only `ends_at`, `per_buyer_max`,
/// `per_network_max`, and `add_quantity` and `price` of its items. A new price applies to new claims. Added units are
/// allocated from the inventory first.
#[utoipa::path(patch, path = "/v1/drops/{id}", operation_id = "update_drop", tag = "drops",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), VersionHeader, OptionalKeyHeader),
    request_body(content = DropPatch, example = json!({"per_buyer_max": 3})),
    responses((status = 200, description = "The drop", body = DropWire),
        (status = 409, description = "`ended`, `insufficient_stock`, `not_allowed`")))]
pub(crate) async fn update_drop(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: OptionalKey,
    if_match: IfMatch,
    Path(drop): Path<DropId>,
    Json(body): Json<DropPatch>,
) -> Result<Response, Problem> {
    let tenant = vendor.0.tenant();
    let present = gateway.commerce.view::<FlashDrop>(&drop.key(tenant)).await?;
    let edit = body.read(present.terms.currency)?;
    let latest = async { Ok(view(&gateway, tenant, drop, CommandMeta::read()).await?.version) };
    let version = if_match.version(latest).await?;
    let meta = idempotency.0.meta(&vendor.0, "update_drop", &drop.to_bytes(), &body);
    let (view, duplicate) = ask(&gateway, tenant, drop, DropCommand::Edit { version, edit }, meta).await?;
    Ok(replayed(ok(&DropWire::of(&view)), duplicate))
}

async fn command(
    gateway: &Gateway,
    vendor: &Vendor,
    key: &Key,
    drop: DropId,
    operation: &'static str,
    command: DropCommand,
) -> Result<Response, Problem> {
    let meta = key.meta(&vendor.0, operation, &drop.to_bytes(), &operation);
    let (view, duplicate) = ask(gateway, vendor.0.tenant(), drop, command, meta).await?;
    Ok(replayed(ok(&DropWire::of(&view)), duplicate))
}

/// Publish a draft
///
/// Allocates the units from the inventory. The drop accepts claims from its start on.
#[utoipa::path(post, path = "/v1/drops/{id}/publish", operation_id = "publish_drop", tag = "drops",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), KeyHeader),
    responses((status = 200, description = "The drop", body = DropWire),
        (status = 409, description = "`insufficient_stock`, `not_allowed`")))]
pub(crate) async fn publish_drop(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(drop): Path<DropId>,
) -> Result<Response, Problem> {
    command(&gateway, &vendor, &key, drop, "publish_drop", DropCommand::Publish).await
}

/// End a drop
///
/// No more claims are accepted. Held claims can be paid until they expire.
#[utoipa::path(post, path = "/v1/drops/{id}/end", operation_id = "end_drop", tag = "drops",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), KeyHeader),
    responses((status = 200, description = "The drop", body = DropWire), (status = 409, description = "`ended`, `not_allowed`")))]
pub(crate) async fn end_drop(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(drop): Path<DropId>,
) -> Result<Response, Problem> {
    command(&gateway, &vendor, &key, drop, "end_drop", DropCommand::End).await
}

/// Cancel a drop
///
/// The drop ends immediately, and every hold that is not locked by a checkout is released. Orders are not affected.
#[utoipa::path(post, path = "/v1/drops/{id}/cancel", operation_id = "cancel_drop", tag = "drops",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), KeyHeader),
    responses((status = 200, description = "The drop", body = DropWire), (status = 409, description = "`not_allowed`")))]
pub(crate) async fn cancel_drop(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    key: Key,
    Path(drop): Path<DropId>,
) -> Result<Response, Problem> {
    command(&gateway, &vendor, &key, drop, "cancel_drop", DropCommand::Cancel).await
}
