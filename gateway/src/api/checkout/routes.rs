//! The routes of checkouts.

use std::time::Duration;

use actors::{Answered, AskError, CommandMeta};
use axum::{extract::State, response::Response};
use engine::{
    checkout::{
        Checkout, CheckoutCommand, CheckoutRejection, CheckoutReply, CheckoutTerms, CheckoutView, ClaimedVariant,
        Source, StartCheckout,
    },
    flash_drop::Buyer,
    id::{CheckoutId, ClaimRef, CommandId, ContactId, Fingerprint, Sku, TenantId},
};
use futures::{StreamExt, TryStreamExt, stream};
use persistence::sql::{Contact, ContactError, List, PAGE_LINES_MAX, Page, lists::CheckoutStatus};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{NewCheckout, Said},
    quote::{self, payable_cart, payable_claim},
    wire::{CheckoutPage, CheckoutWire},
};
use crate::{
    Gateway, Problem, Settings,
    api::{known_former, product::claimed_variant, read_meta},
    auth::{Identity, keys::keyed_hash},
    edge::{Arrival, FromQuery, Json, Parameters, Path, Query},
    idempotency::Key,
    ops::openapi::KeyHeader,
    problem::{Code, Faults, FieldCode},
    wire::{IdSchema, PageQuery, PageWire, created, ok, replayed},
};

/// The number of checkouts of a page that are queried concurrently.
pub(super) const ASKED_AT_ONCE: usize = 16;
/// The time in which the catalogue describes a claimed SKU. It takes a millisecond; a shard that starts takes longer.
const VARIANT_WAIT: Duration = Duration::from_millis(500);

/// Returns the routes of checkouts.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_checkout, list_checkouts))
        .routes(routes!(quote::quote_checkout))
        .routes(routes!(get_checkout))
        .routes(routes!(confirm_checkout))
        .routes(routes!(cancel_checkout))
}

async fn ask(
    gateway: &Gateway,
    tenant: &TenantId,
    checkout: CheckoutId,
    command: CheckoutCommand,
    meta: CommandMeta,
) -> Result<(CheckoutView, bool), Problem> {
    let Answered { reply, duplicate } = gateway.commerce.ask::<Checkout>(&checkout.key(tenant), command, meta).await?;
    let CheckoutReply::Checkout(view) = reply;
    Ok((*view, duplicate))
}

/// Create a checkout
///
/// Pays for claims or for a cart. The response is sent when the checkout has completed, has failed or requires an
/// action of the buyer, or as `pending` after two seconds. A failed payment is a successful response (201, `failed`);
/// the claims remain held until they expire.
#[utoipa::path(post, path = "/v1/checkouts", operation_id = "create_checkout", tag = "checkouts", params(KeyHeader),
    request_body(content = NewCheckout, example = json!({"claims": ["01K3ZV8QJ6M4T9XW2RBD5HCNEF-01K3ZV8QJ6M4T9XW2RBD5HCNEG"],
        "payment": {"provider": "sandbox", "token": "tok_approve"}, "email": "ann@example.com",
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"}})),
    responses((status = 201, description = "The checkout", body = CheckoutWire),
        (status = 403, description = "`email_unverified`"),
        (status = 409, description = "`price_changed` {total}, `checkout_in_progress` {checkout_id}, `already_released` {claim_id}, \
            `already_sold` {claim_id}, `limit_reached` {remaining}, `insufficient_stock` {sku, available}, `cart_empty`, \
            `not_for_sale` {sku}, `mixed_currencies`, `too_many_checkouts`"),
        (status = 422, description = "`payment_provider_unknown` {providers}")))]
pub(crate) async fn create_checkout(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    idempotency: Key,
    Json(body): Json<NewCheckout>,
) -> Result<Response, Problem> {
    let Said { source, email, expected_total, address } = body.read()?;
    let attempt = gateway.limits.checkout(&identity, arrival.address)?;
    let (tenant, buyer) = (identity.tenant(), identity.buyer());
    let mut meta = idempotency.meta(&identity, "create_checkout", b"", &body);
    // Both fingerprints are in the journal, where it must not be possible to test guessed addresses against them.
    meta.fingerprint = private(&gateway, meta.fingerprint);
    meta.former_fingerprint = meta.former_fingerprint.map(|said| private(&gateway, said));
    let view = CheckoutCommand::View { buyer: Some(buyer.clone()) };
    let key = |id: CommandId| CheckoutId(id.0).key(tenant);
    meta.command_id = known_former::<Checkout>(&gateway, &meta, key, view, CheckoutRejection::NotFound).await?;
    let checkout = CheckoutId(meta.command_id.0);
    // Validated before anything is written and before the checkout exists, so that a refusal leaves nothing behind.
    let may_pay = gateway.check_verified(&identity).and_then(|()| check_provider(&gateway, &body.payment.provider));
    let goods = match (may_pay, &address) {
        (Err(problem), _) => Err(problem),
        (Ok(()), Err(problem)) => Err(problem.clone()),
        (Ok(()), Ok(_)) => check_goods(&gateway, &arrival, tenant, &buyer, &source).await,
    };
    let variants = match goods {
        Ok(variants) => variants,
        Err(problem) => {
            if !(problem.status().is_client_error() && is_accepted(&gateway, tenant, checkout, &buyer).await?) {
                attempt.failed_by(&problem);
                return Err(problem);
            }
            // The checkout keeps the variants it was created with.
            Vec::new()
        }
    };
    let address = address.unwrap_or_else(|_| body.shipping_address.clone());
    let said = serde_json::to_vec(&(email.as_str(), body.shipping_address.to_map())).unwrap_or_default();
    let (now, contact_ttl_ms) = (gateway.now(), gateway.settings.contact_ttl.as_millis() as u64);
    let contact = Contact {
        contact: ContactId(keyed(&gateway, &[b"contact", &checkout.to_bytes(), &said])),
        subject: identity.subject(),
        email: Some(email.as_str().to_owned()),
        name: address.name(),
        address: Some(address.to_map()),
        created_at: now,
        erased_at: None,
        until_order: Some((checkout, now.plus_ms(contact_ttl_ms))),
    };
    // Stored before the checkout starts: its command only contains the contact's id.
    match gateway.read_side.put_contact(tenant, &contact).await {
        // The contact may exist from when the buyer was a guest.
        Ok(()) | Err(ContactError::IdTaken) => {}
        Err(ContactError::Erased) => return Err(Problem::new(Code::InvalidToken)),
        Err(ContactError::NoTenant) => return Err(Problem::not_found()),
        Err(ContactError::Store(error)) => return Err(error.into()),
    }
    let sealed = gateway.payment_tokens.seal(tenant, &body.payment.token);
    let sealed = sealed.map_err(|error| Problem::internal("keys", &error))?;
    let command = CheckoutCommand::Start(Box::new(StartCheckout {
        tenant: tenant.clone(),
        checkout,
        buyer: buyer.clone(),
        source,
        contact: contact.contact,
        email: email.hash(&gateway.email_key, tenant),
        provider: body.payment.provider.clone(),
        token: sealed,
        expected_total,
        terms: terms(&gateway.settings),
        variants,
    }));
    let answered = ask(&gateway, tenant, checkout, command, meta).await;
    let (view, duplicate) = answered.inspect_err(|problem| attempt.failed_by(problem))?;
    if let (Some(problem), false) = (view.problem(), duplicate) {
        attempt.failed_by(&problem.clone().into());
    }
    Ok(replayed(created(&format!("/v1/checkouts/{checkout}"), &CheckoutWire::of(&view)), duplicate))
}

/// Returns the shipping and tax that the shop adds to prices.
pub(super) fn terms(settings: &Settings) -> CheckoutTerms {
    CheckoutTerms { shipping_flat: settings.shipping_flat, tax_basis_points: settings.tax_basis_points, currency: None }
}

/// Returns a keyed fingerprint, which cannot be used to test guesses of the content.
fn private(gateway: &Gateway, said: Fingerprint) -> Fingerprint {
    Fingerprint(keyed(gateway, &[b"fingerprint", &said.0.to_be_bytes()]))
}

/// Returns a keyed hash of a buyer's input.
fn keyed(gateway: &Gateway, parts: &[&[u8]]) -> u128 {
    let hash = keyed_hash(&gateway.contact_key, parts);
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(half)
}

/// Refuses a payment provider that the shop does not have.
fn check_provider(gateway: &Gateway, provider: &str) -> Result<(), Problem> {
    let known = &gateway.settings.payment_providers;
    if known.iter().any(|name| name == provider) {
        return Ok(());
    }
    let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::new(Code::PaymentProviderUnknown)
        .with("providers", known.clone())
        .with_detail(format!("payment providers of this shop: {has}")))
}

/// Refuses goods that are not the buyer's, or that can no longer be paid. Returns the catalogue's data for each claim.
async fn check_goods(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    buyer: &Buyer,
    source: &Source,
) -> Result<Vec<Option<ClaimedVariant>>, Problem> {
    match source {
        Source::Cart(cart) => payable_cart(gateway, arrival, tenant, buyer.clone(), *cart).await.map(|_| Vec::new()),
        Source::Claims(claims) => {
            let asked = claims.iter().copied().map(|claim| async move {
                let view = payable_claim(gateway, arrival, tenant, buyer, claim).await?;
                Ok(described(gateway, arrival, tenant, claim, &view.sku).await)
            });
            stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await
        }
    }
}

/// Returns the catalogue's data of a claimed SKU. A catalogue that does not answer in time does not prevent the sale: the
/// line is then named by the drop.
async fn described(
    gateway: &Gateway,
    arrival: &Arrival,
    tenant: &TenantId,
    claim: ClaimRef,
    sku: &Sku,
) -> Option<ClaimedVariant> {
    match tokio::time::timeout(VARIANT_WAIT, claimed_variant(gateway, arrival, tenant, claim.drop, sku)).await {
        Ok(Ok(variant)) => variant,
        Ok(Err(problem)) => {
            tracing::warn!(%tenant, %sku, code = problem.code().entry().code, "a claimed SKU is not described");
            None
        }
        Err(_) => {
            tracing::warn!(%tenant, %sku, "a claimed SKU is not described in time");
            None
        }
    }
}

/// Whether the command was accepted earlier. Then it gets its response again, whatever has changed since.
async fn is_accepted(
    gateway: &Gateway,
    tenant: &TenantId,
    checkout: CheckoutId,
    buyer: &Buyer,
) -> Result<bool, Problem> {
    let view = CheckoutCommand::View { buyer: Some(buyer.clone()) };
    match gateway.commerce.ask::<Checkout>(&checkout.key(tenant), view, CommandMeta::read()).await {
        Ok(_) => Ok(true),
        Err(AskError::Rejected(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the buyer to restrict a read to. Vendors see the checkouts of all buyers.
fn viewer(identity: &Identity) -> Option<Buyer> {
    (!identity.is_vendor()).then(|| identity.buyer())
}

/// Get a checkout
#[utoipa::path(get, path = "/v1/checkouts/{id}", operation_id = "get_checkout", tag = "checkouts",
    params(("id" = IdSchema, Path, description = "The checkout.")),
    responses((status = 200, description = "The checkout", body = CheckoutWire)))]
pub(crate) async fn get_checkout(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Path(checkout): Path<CheckoutId>,
) -> Result<Response, Problem> {
    Ok(ok(&read(&gateway, &identity, checkout, read_meta(&arrival)).await?))
}

/// Reads a checkout, for its buyer and the shop's vendors.
pub(super) async fn read(
    gateway: &Gateway,
    identity: &Identity,
    checkout: CheckoutId,
    meta: CommandMeta,
) -> Result<CheckoutWire, Problem> {
    let command = CheckoutCommand::View { buyer: viewer(identity) };
    let (view, _) = ask(gateway, identity.tenant(), checkout, command, meta).await?;
    Ok(CheckoutWire::of(&view))
}

/// Which checkouts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct CheckoutQuery {
    /// Only items in this state.
    #[param(pattern = "^(pending|requires_action|completed|failed)$", nullable = false)]
    state: Option<String>,
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    status: Option<CheckoutStatus>,
    #[param(ignore)]
    page: PageQuery,
}

impl FromQuery for CheckoutQuery {
    const NAMES: &'static [&'static str] = &["state", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let status = parameters.text("state").and_then(|text| match text {
            "pending" => Some(CheckoutStatus::Pending),
            "requires_action" => Some(CheckoutStatus::RequiresAction),
            "completed" => Some(CheckoutStatus::Completed),
            "failed" => Some(CheckoutStatus::Failed),
            _ => {
                faults.add("?state", FieldCode::WrongType, "must be pending, requires_action, completed or failed");
                None
            }
        });
        let page = PageQuery::of(parameters, faults);
        Some(Self { state: None, limit: None, cursor: None, status, page })
    }
}

/// List checkouts, newest first
///
/// Buyers see their own, vendors all. A new checkout may take a moment to appear.
#[utoipa::path(get, path = "/v1/checkouts", operation_id = "list_checkouts", tag = "checkouts", params(CheckoutQuery),
    responses((status = 200, description = "A page of checkouts", body = CheckoutPage)))]
pub(crate) async fn list_checkouts(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Query(query): Query<CheckoutQuery>,
) -> Result<Response, Problem> {
    let (tenant, viewer) = (identity.tenant(), viewer(&identity));
    let subjects = viewer.as_ref().map(|buyer| buyer.subjects().collect::<Vec<_>>());
    let page = query.page.request(List::Checkouts)?;
    let page = gateway.read_side.checkouts(tenant, subjects.as_deref(), query.status, page).await?;
    let asked = page.items.into_iter().map(|listed| {
        let command = CheckoutCommand::View { buyer: viewer.clone() };
        let meta = read_meta(&arrival);
        let commerce = &gateway.commerce;
        async move {
            let view = match commerce.ask::<Checkout>(&listed.id.key(tenant), command, meta).await {
                Ok(Answered { reply: CheckoutReply::Checkout(view), .. }) => Some(view),
                Err(AskError::Quarantined | AskError::Rejected(_)) => None,
                Err(error) => return Err(Problem::from(error)),
            };
            Ok(((listed.started_at, listed.id.0), view))
        }
    });
    let items = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    let lines = |(_, view): &(_, Option<Box<CheckoutView>>)| view.as_ref().map_or(0, |view| view.lines.len());
    let page = Page { items, next: page.next }.bounded(List::Checkouts, 0, PAGE_LINES_MAX, lines, |(place, _)| *place);
    let items = page.items.iter().filter_map(|(_, view)| view.as_deref().map(CheckoutWire::of)).collect();
    Ok(ok(&PageWire::<CheckoutWire> { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}

async fn command(
    gateway: &Gateway,
    identity: &Identity,
    key: &Key,
    checkout: CheckoutId,
    operation: &'static str,
    command: CheckoutCommand,
) -> Result<Response, Problem> {
    let meta = key.meta(identity, operation, &checkout.to_bytes(), &operation);
    let (view, duplicate) = ask(gateway, identity.tenant(), checkout, command, meta).await?;
    Ok(replayed(ok(&CheckoutWire::of(&view)), duplicate))
}

/// Confirm a checkout
///
/// Continues the checkout after the buyer has completed `next_action`.
#[utoipa::path(post, path = "/v1/checkouts/{id}/confirm", operation_id = "confirm_checkout", tag = "checkouts",
    params(("id" = IdSchema, Path, description = "The checkout."), KeyHeader),
    responses((status = 200, description = "The checkout", body = CheckoutWire), (status = 409, description = "`not_allowed`")))]
pub(crate) async fn confirm_checkout(
    State(gateway): State<Gateway>,
    identity: Identity,
    key: Key,
    Path(checkout): Path<CheckoutId>,
) -> Result<Response, Problem> {
    let confirm = CheckoutCommand::Confirm { buyer: identity.buyer() };
    command(&gateway, &identity, &key, checkout, "confirm_checkout", confirm).await
}

/// Cancel a checkout
///
/// Possible until the payment is authorised. Claims remain held until they expire.
#[utoipa::path(post, path = "/v1/checkouts/{id}/cancel", operation_id = "cancel_checkout", tag = "checkouts",
    params(("id" = IdSchema, Path, description = "The checkout."), KeyHeader),
    responses((status = 200, description = "The checkout", body = CheckoutWire), (status = 409, description = "`not_allowed`")))]
pub(crate) async fn cancel_checkout(
    State(gateway): State<Gateway>,
    identity: Identity,
    key: Key,
    Path(checkout): Path<CheckoutId>,
) -> Result<Response, Problem> {
    let cancel = CheckoutCommand::Cancel { buyer: identity.buyer() };
    command(&gateway, &identity, &key, checkout, "cancel_checkout", cancel).await
}
