//! The routes of claims. Creating a claim is the most frequent operation of the API.

use std::net::IpAddr;

use actors::{Answered, CommandMeta};
use axum::{extract::State, response::Response};
use engine::{
    flash_drop::{Buyer, ClaimNetwork, ClaimView, DropCommand, DropReply, FlashDrop, NetworkHash},
    id::{ClaimId, DropId, TenantId},
    quantity::Quantity,
};
use futures::{StreamExt, stream};
use persistence::sql::Limit;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    buyer::with_buyers,
    wire::{ClaimPage, ClaimWire, NewClaim},
};
use crate::{
    Gateway, Problem,
    api::read_meta,
    auth::{Identity, Vendor, keys::keyed_hash},
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query, claim_network},
    idempotency::Key,
    ops::openapi::KeyHeader,
    problem::{Faults, FieldCode},
    wire::{IdSchema, PageQuery, PageWire, created, done, ok, read_claim, read_sku, replayed},
};

/// The number of drops that are queried concurrently for a buyer's claims.
const DROPS_AT_ONCE: usize = 16;
/// The maximum number of claims of a buyer in a drop that its list shows: the drop's own limit for each buyer.
const CLAIMS_OF_DROP_MAX: u32 = 100;

/// Returns the routes of claims.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_claim, list_drop_claims))
        .routes(routes!(get_claim, release_claim))
        .routes(routes!(list_claims))
}

async fn ask_claim(
    gateway: &Gateway,
    tenant: &TenantId,
    drop: DropId,
    command: DropCommand,
    meta: CommandMeta,
) -> Result<(ClaimView, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<FlashDrop>(&drop.key(tenant), command, meta).await?;
    claim_of(reply).map(|view| (view, duplicate))
}

fn claim_of(reply: DropReply) -> Result<ClaimView, Problem> {
    match reply {
        DropReply::Claim(view) => Ok(view),
        DropReply::Drop(_) | DropReply::Claims(..) | DropReply::Done => Err(odd()),
    }
}

async fn ask_claims(
    gateway: &Gateway,
    tenant: &TenantId,
    drop: DropId,
    command: DropCommand,
    meta: CommandMeta,
) -> Result<(Vec<ClaimView>, Option<u32>), Problem> {
    match gateway.commerce.ask::<FlashDrop>(&drop.key(tenant), command, meta).await?.reply {
        DropReply::Claims(claims, next) => Ok((claims, next)),
        DropReply::Drop(_) | DropReply::Claim(_) | DropReply::Done => Err(odd()),
    }
}

fn odd() -> Problem {
    Problem::internal("drop", &"an answer to another question")
}

/// Claim units
///
/// Holds the units at the current price for the drop's `hold_seconds`, until they are paid, released, or the hold
/// expires. The response is durable: claimed units are never sold to anyone else.
#[utoipa::path(post, path = "/v1/drops/{id}/claims", operation_id = "create_claim", tag = "claims",
    params(("id" = IdSchema, Path, description = "The drop."), KeyHeader), request_body(content = NewClaim, example = json!({"quantity": 1})),
    responses((status = 201, description = "The claim", body = ClaimWire), (status = 403, description = "`account_required`, `email_unverified`"),
        (status = 409, description = "`sold_out` {available, may_return}, `limit_reached` {remaining}, `network_limit` {remaining}, \
            `not_open` {starts_at}, `ended`, `too_many_claims`")))]
pub(crate) async fn create_claim(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    idempotency: Key,
    Path(drop): Path<DropId>,
    Json(body): Json<NewClaim>,
) -> Result<Response, Problem> {
    let network = network(&gateway, identity.tenant(), drop, arrival.address);
    let (command, meta) = claiming(&gateway, &identity, &idempotency, drop, network, &body)?;
    let (view, duplicate) = ask_claim(&gateway, identity.tenant(), drop, command, meta).await?;
    let wire = ClaimWire::from(view);
    Ok(replayed(created(&format!("/v1/drops/{drop}/claims/{}", wire.id), &wire), duplicate))
}

/// Returns the network of a claim, hashed per drop: the hashes of two drops cannot be correlated.
fn network(gateway: &Gateway, tenant: &TenantId, drop: DropId, address: IpAddr) -> ClaimNetwork {
    let network = claim_network(address).to_be_bytes();
    let hash = keyed_hash(&gateway.network_key, &[tenant.as_str().as_bytes(), &drop.to_bytes(), &network]);
    let mut eighth = [0; 8];
    eighth.copy_from_slice(&hash[..8]);
    ClaimNetwork { hash: NetworkHash(u64::from_be_bytes(eighth)), exempt: gateway.limits.is_free(address) }
}

/// Returns the command to claim units, with its metadata.
fn claiming(
    gateway: &Gateway,
    identity: &Identity,
    idempotency: &Key,
    drop: DropId,
    network: ClaimNetwork,
    body: &NewClaim,
) -> Result<(DropCommand, CommandMeta), Problem> {
    gateway.check_verified(identity)?;
    let mut faults = Faults::default();
    let quantity = faults.range("/quantity", Quantity::new(body.quantity));
    let sku = body.sku.as_deref().and_then(|sku| read_sku(sku, "/sku", &mut faults));
    let quantity = faults.give(quantity)?;
    let meta = idempotency.meta(identity, "create_claim", &drop.to_bytes(), body);
    let (claim, buyer) = (ClaimId(meta.command_id.0), identity.buyer());
    Ok((DropCommand::Claim { claim, buyer, sku, quantity, network: Some(network) }, meta))
}

/// Makes several independent claims of a drop, in a single call of the drop.
pub(crate) async fn claim_many(
    gateway: &Gateway,
    identity: &Identity,
    drop: DropId,
    address: IpAddr,
    wanted: impl Iterator<Item = Result<(Key, NewClaim), Problem>>,
) -> Vec<Result<(ClaimWire, bool), Problem>> {
    let network = network(gateway, identity.tenant(), drop, address);
    let asks =
        wanted.map(|wanted| wanted.and_then(|(key, body)| claiming(gateway, identity, &key, drop, network, &body)));
    let (mut commands, mut answers) = (Vec::new(), Vec::new());
    for ask in asks {
        answers.push(ask.map(|command| commands.push(command)));
    }
    let heard = gateway.commerce.ask_many::<FlashDrop>(&drop.key(identity.tenant()), commands).await;
    let mut heard = heard.into_iter().map(|answer| {
        let Answered { reply, duplicate } = answer?;
        claim_of(reply).map(|view| (ClaimWire::from(view), duplicate))
    });
    answers.into_iter().map(|ask| ask.and_then(|()| heard.next().unwrap_or_else(|| Err(odd())))).collect()
}

/// List the claims of a drop, newest first
///
/// Each claim has its time and its buyer, masked.
#[utoipa::path(get, path = "/v1/drops/{id}/claims", operation_id = "list_drop_claims", tag = "claims",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), PageQuery),
    responses((status = 200, description = "A page of claims", body = ClaimPage)))]
pub(crate) async fn list_drop_claims(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    vendor: Vendor,
    Path(drop): Path<DropId>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let before = match page.cursor.as_deref().map(str::parse::<u32>) {
        None => None,
        Some(Ok(number)) if page.cursor == Some(number.to_string()) => Some(number),
        Some(_) => return Err(Problem::out_of_range("?cursor", "is not a valid cursor for this list")),
    };
    let command = DropCommand::ListClaims { buyer: None, before, limit: page.limit() };
    let tenant = vendor.0.tenant();
    let (claims, next) = ask_claims(&gateway, tenant, drop, command, read_meta(&arrival)).await?;
    let items = with_buyers(&gateway, tenant, claims).await?;
    Ok(ok(&PageWire { items, next_cursor: next.map(|number| number.to_string()) }))
}

/// Returns the buyer to restrict a read to. Vendors see the claims of all buyers.
fn viewer(identity: &Identity) -> Option<Buyer> {
    (!identity.is_vendor()).then(|| identity.buyer())
}

/// Get a claim
#[utoipa::path(get, path = "/v1/drops/{id}/claims/{claim_id}", operation_id = "get_claim", tag = "claims",
    params(("id" = IdSchema, Path, description = "The drop."), ("claim_id" = String, Path, description = "The claim.")),
    responses((status = 200, description = "The claim", body = ClaimWire)))]
pub(crate) async fn get_claim(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Path((drop, claim)): Path<(DropId, String)>,
) -> Result<Response, Problem> {
    let claim = read_claim(drop, &claim)?.claim;
    let command = DropCommand::ViewClaim { claim, buyer: viewer(&identity) };
    let (view, _) = ask_claim(&gateway, identity.tenant(), drop, command, read_meta(&arrival)).await?;
    if identity.is_vendor() {
        let claim = with_buyers(&gateway, identity.tenant(), vec![view]).await?.pop();
        return claim.map(|claim| ok(&claim)).ok_or_else(odd);
    }
    Ok(ok(&ClaimWire::from(view)))
}

/// Release a claim
///
/// Idempotent. Refused for a claim that is sold or in a checkout.
#[utoipa::path(delete, path = "/v1/drops/{id}/claims/{claim_id}", operation_id = "release_claim", tag = "claims",
    params(("id" = IdSchema, Path, description = "The drop."), ("claim_id" = String, Path, description = "The claim.")),
    responses((status = 204, description = "The claim is released"),
        (status = 409, description = "`already_sold`, `checkout_in_progress` {checkout_id}")))]
pub(crate) async fn release_claim(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Path((drop, claim)): Path<(DropId, String)>,
) -> Result<Response, Problem> {
    let claim = read_claim(drop, &claim)?.claim;
    release(&gateway, &identity, drop, claim, read_meta(&arrival)).await?;
    Ok(done())
}

/// Releases a claim, for requests of any protocol.
pub(crate) async fn release(
    gateway: &Gateway,
    identity: &Identity,
    drop: DropId,
    claim: ClaimId,
    meta: CommandMeta,
) -> Result<(), Problem> {
    let command = DropCommand::Release { claim, buyer: identity.buyer() };
    gateway.commerce.ask::<FlashDrop>(&drop.key(identity.tenant()), command, meta).await?;
    Ok(())
}

/// The filter of the caller's claims.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct OwnClaims {
    /// Only items in this state.
    #[param(pattern = "^(held|sold|released)$", nullable = false)]
    state: Option<String>,
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    page: PageQuery,
}

impl FromQuery for OwnClaims {
    const NAMES: &'static [&'static str] = &["state", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let state = parameters.text("state").map(str::to_owned);
        if state.as_deref().is_some_and(|state| !matches!(state, "held" | "sold" | "released")) {
            faults.add("?state", FieldCode::WrongType, "must be held, sold or released");
        }
        let page = PageQuery::of(parameters, faults);
        Some(Self { state, limit: page.limit, cursor: page.cursor.clone(), page })
    }
}

/// List the caller's claims, newest first
///
/// Covers the 200 newest drops in which the caller has claims.
#[utoipa::path(get, path = "/v1/claims", operation_id = "list_claims", tag = "claims", params(OwnClaims),
    responses((status = 200, description = "A page of claims", body = ClaimPage)))]
pub(crate) async fn list_claims(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Query(query): Query<OwnClaims>,
) -> Result<Response, Problem> {
    let after = match query.page.cursor.as_deref().map(str::parse::<engine::id::ClaimRef>) {
        None => None,
        Some(Ok(claim)) => Some(claim),
        Some(Err(_)) => return Err(Problem::out_of_range("?cursor", "is not a valid cursor for this list")),
    };
    let (tenant, buyer) = (identity.tenant(), identity.buyer());
    let subjects: Vec<_> = buyer.subjects().collect();
    let drops = gateway.read_side.drops_of_buyer(tenant, &subjects, Limit::new(200).unwrap_or_default()).await?;
    let asked = drops.into_iter().map(|drop| {
        let command = DropCommand::ListClaims { buyer: Some(buyer.clone()), before: None, limit: CLAIMS_OF_DROP_MAX };
        ask_claims(&gateway, tenant, drop, command, read_meta(&arrival))
    });
    let mut asked = stream::iter(asked).buffered(DROPS_AT_ONCE);
    let (limit, mut items, mut more) = (query.page.limit() as usize, Vec::new(), false);
    let mut skipping = after.is_some();
    'drops: while let Some(claims) = asked.next().await {
        for view in claims?.0 {
            let is_cursor = after == Some(view.id);
            let wire = ClaimWire::from(view);
            let fits = !skipping && query.state.as_deref().is_none_or(|state| state == wire.state);
            skipping &= !is_cursor;
            if fits && items.len() == limit {
                more = true;
                break 'drops;
            }
            if fits {
                items.push(wire);
            }
        }
    }
    let next_cursor = items.last().filter(|_| more).map(|last: &ClaimWire| last.id.clone());
    Ok(ok(&PageWire { items, next_cursor }))
}
