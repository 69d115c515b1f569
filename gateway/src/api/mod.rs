//! The API, in a folder for each kind of resource. A route reads a request, calls an entity, and writes its response.

mod account;
mod address_format;
mod cart;
mod checkout;
mod claim;
mod flash_drop;
#[cfg(fuzzing)]
pub mod fuzzing;
mod import;
mod mail;
mod me;
mod order;
mod product;
mod session;
mod stock;
#[cfg(test)]
mod tests;

pub use self::import::Counts as ImportCounts;
pub(crate) use self::{
    claim::{ClaimWire, NewClaim, claim_many, release},
    flash_drop::DropWire,
    import::ImportPlaces,
    product::SkuIndex,
};

use actors::{AskError, CommandMeta};
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use engine::{
    id::{CommandId, EntityKey},
    kinds::Entity,
};
use futures::{Stream, StreamExt, stream};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Gateway, Problem,
    edge::Arrival,
    live::TopicKind,
    ops::{docs, health, openapi as document},
    problem::Code,
    wire::{IfNoneMatch, etag, fresh},
};

/// The topics of the real-time API.
pub(crate) static TOPICS: &[&TopicKind] = &[
    &cart::topic::CART,
    &checkout::topic::CHECKOUT,
    &flash_drop::topic::DROP,
    &order::topic::ORDER,
    &order::topic::ORDERS,
];

/// Returns all routes and their OpenAPI document.
pub(crate) fn all(gateway: Gateway) -> (Router, openapi::OpenApi) {
    let (router, api) = documented().split_for_parts();
    let text = Bytes::from(document::complete(&api, refinements()).to_string());
    let tag = etag(0, &text);
    let router = router
        .route("/openapi.json", get(move |known: IfNoneMatch| async move { fresh(&known, &tag, text.to_vec(), true) }))
        .route("/docs/reader.js", get(docs::reader_script))
        .route("/docs/reader.css", get(docs::reader_style))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(wrong_method);
    let pages = gateway.pages();
    (router.merge(pages).with_state(gateway), api)
}

/// Returns the metadata of a read.
pub(crate) fn read_meta(arrival: &Arrival) -> CommandMeta {
    CommandMeta { request_id: arrival.id.number(), ..CommandMeta::read() }
}

/// The number of former ids that are queried concurrently. An account has at most
/// [`ALIASES_MAX`](persistence::sql::ALIASES_MAX).
const FORMER_AT_ONCE: usize = 16;

/// Returns the id of a command that creates an entity: its own, or the one from when its caller was a guest, if the
/// entity exists under that id.
///
/// A new entity may only be created if every id is definitely not found. While the existence of one of them is unknown,
/// creating another could execute the command twice. Therefore any other error fails the whole request.
async fn known_former<A: Entity>(
    gateway: &Gateway,
    meta: &CommandMeta,
    key: impl Fn(CommandId) -> EntityKey + Send,
    view: A::Command,
    not_found: A::Rejection,
) -> Result<CommandId, Problem>
where
    Problem: From<AskError<A::Rejection>>,
{
    if meta.former_ids.is_empty() {
        return Ok(meta.command_id);
    }
    let ids = std::iter::once(meta.command_id).chain(meta.former_ids.iter().copied());
    let looks = ids.map(|id| {
        let (key, view) = (key(id), view.clone());
        async move { (id, gateway.commerce.ask::<A>(&key, view, CommandMeta::read()).await.map(drop)) }
    });
    let found = first_found(stream::iter(looks).buffered(FORMER_AT_ONCE), &not_found).await?;
    Ok(found.unwrap_or(meta.command_id))
}

/// Returns the first id that exists, or `None` if each is definitely not found.
async fn first_found<J: PartialEq>(
    looks: impl Stream<Item = (CommandId, Result<(), AskError<J>>)>,
    not_found: &J,
) -> Result<Option<CommandId>, Problem>
where
    Problem: From<AskError<J>>,
{
    let mut looks = std::pin::pin!(looks);
    while let Some((id, look)) = looks.next().await {
        match look {
            Ok(()) => return Ok(Some(id)),
            Err(AskError::Rejected(rejection)) if rejection == *not_found => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Returns the OpenAPI document.
pub(crate) fn document() -> serde_json::Value {
    document::complete(&documented().into_openapi(), refinements())
}

fn documented() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(document::Document::openapi())
        .routes(routes!(session::routes::create_session))
        .routes(routes!(session::routes::refresh_session))
        .routes(routes!(session::routes::end_session))
        .routes(routes!(account::routes::create_account))
        .routes(routes!(account::routes::verify_email))
        .routes(routes!(account::routes::create_verification_mail))
        .routes(routes!(account::routes::create_password_reset))
        .routes(routes!(account::routes::set_password))
        .routes(routes!(me::routes::get_me, me::routes::erase_me))
        .routes(routes!(me::routes::export_me))
        .routes(routes!(flash_drop::routes::create_drop, flash_drop::routes::list_drops))
        .routes(routes!(flash_drop::routes::get_drop, flash_drop::routes::update_drop))
        .routes(routes!(flash_drop::series::get_drop_series))
        .routes(routes!(flash_drop::routes::publish_drop))
        .routes(routes!(flash_drop::routes::end_drop))
        .routes(routes!(flash_drop::routes::cancel_drop))
        .routes(routes!(claim::routes::create_claim, claim::routes::list_drop_claims))
        .routes(routes!(claim::routes::get_claim, claim::routes::release_claim))
        .routes(routes!(claim::routes::list_claims))
        .routes(routes!(stock::routes::list_inventory))
        .routes(routes!(stock::routes::get_inventory))
        .routes(routes!(stock::routes::adjust_inventory))
        .routes(routes!(product::routes::create_product, product::routes::list_products))
        .routes(routes!(
            product::routes::get_product,
            product::routes::update_product,
            product::routes::archive_product
        ))
        .routes(routes!(import::routes::create_import))
        .routes(routes!(import::routes::get_import))
        .routes(routes!(import::routes::list_rejected_rows))
        .routes(routes!(cart::routes::create_cart, cart::routes::list_carts))
        .routes(routes!(cart::routes::get_cart, cart::routes::delete_cart))
        .routes(routes!(cart::routes::add_cart_line))
        .routes(routes!(cart::routes::update_cart_line, cart::routes::remove_cart_line))
        .routes(routes!(checkout::routes::create_checkout, checkout::routes::list_checkouts))
        .routes(routes!(checkout::quote::quote_checkout))
        .routes(routes!(checkout::routes::get_checkout))
        .routes(routes!(checkout::routes::confirm_checkout))
        .routes(routes!(checkout::routes::cancel_checkout))
        .routes(routes!(address_format::routes::list_address_countries))
        .routes(routes!(address_format::routes::get_address_format))
        .routes(routes!(order::routes::list_orders))
        .routes(routes!(order::routes::get_order))
        .routes(routes!(order::routes::cancel_order))
        .routes(routes!(order::routes::create_refund))
        .routes(routes!(order::routes::create_fulfillment))
        .routes(routes!(mail::routes::list_undelivered_mails))
        .routes(routes!(order::routes::update_fulfillment))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::reader))
        .routes(routes!(docs::problems))
        .routes(routes!(docs::problem))
}

fn refinements() -> Vec<document::Refinement> {
    [
        session::refinements(),
        flash_drop::refinements(),
        stock::refinements(),
        checkout::refinements(),
        product::refinements(),
        order::refinements(),
    ]
    .concat()
}

/// Answers requests whose path exists, but not with this method. For `OPTIONS`, the response is the `Allow` header.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    Problem::new(Code::MethodNotAllowed).into_response()
}
