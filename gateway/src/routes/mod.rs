//! The routes, in a file for each kind of resource. A route reads a request, calls an entity, and writes its response.

mod accounts;
mod address_formats;
mod carts;
mod checkouts;
mod claims;
mod drops;
#[cfg(fuzzing)]
pub mod fuzzing;
mod imports;
mod inventory;
mod mails;
mod me;
mod orders;
mod products;
mod sessions;
#[cfg(test)]
mod tests;
mod variants;

pub(crate) use self::{
    claims::{ClaimWire, NewClaim, claim_many, release},
    drops::DropWire,
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
    aggregate::Aggregate,
    id::{CommandId, EntityKey},
};
use futures::{Stream, StreamExt, stream};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Gateway, Problem,
    edge::Arrival,
    ops::{docs, health, openapi as document},
    problem::Code,
    wire::{IfNoneMatch, etag, fresh},
};

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
async fn known_former<A: Aggregate>(
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
        .routes(routes!(sessions::create_session))
        .routes(routes!(sessions::refresh_session))
        .routes(routes!(sessions::end_session))
        .routes(routes!(accounts::create_account))
        .routes(routes!(accounts::verify_email))
        .routes(routes!(accounts::create_verification_mail))
        .routes(routes!(accounts::create_password_reset))
        .routes(routes!(accounts::set_password))
        .routes(routes!(me::get_me, me::erase_me))
        .routes(routes!(me::export_me))
        .routes(routes!(drops::create_drop, drops::list_drops))
        .routes(routes!(drops::get_drop, drops::update_drop))
        .routes(routes!(drops::series::get_drop_series))
        .routes(routes!(drops::publish_drop))
        .routes(routes!(drops::end_drop))
        .routes(routes!(drops::cancel_drop))
        .routes(routes!(claims::create_claim, claims::list_drop_claims))
        .routes(routes!(claims::get_claim, claims::release_claim))
        .routes(routes!(claims::list_claims))
        .routes(routes!(inventory::list_inventory))
        .routes(routes!(inventory::get_inventory))
        .routes(routes!(inventory::adjust_inventory))
        .routes(routes!(products::create_product, products::list_products))
        .routes(routes!(products::get_product, products::update_product, products::archive_product))
        .routes(routes!(imports::create_import))
        .routes(routes!(imports::get_import))
        .routes(routes!(imports::list_rejected_rows))
        .routes(routes!(carts::create_cart, carts::list_carts))
        .routes(routes!(carts::get_cart, carts::delete_cart))
        .routes(routes!(carts::add_cart_line))
        .routes(routes!(carts::update_cart_line, carts::remove_cart_line))
        .routes(routes!(checkouts::create_checkout, checkouts::list_checkouts))
        .routes(routes!(checkouts::quote::quote_checkout))
        .routes(routes!(checkouts::get_checkout))
        .routes(routes!(checkouts::confirm_checkout))
        .routes(routes!(checkouts::cancel_checkout))
        .routes(routes!(address_formats::list_address_countries))
        .routes(routes!(address_formats::get_address_format))
        .routes(routes!(orders::list_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(orders::create_refund))
        .routes(routes!(orders::create_fulfillment))
        .routes(routes!(mails::list_undelivered_mails))
        .routes(routes!(orders::update_fulfillment))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::reader))
        .routes(routes!(docs::problems))
        .routes(routes!(docs::problem))
}

fn refinements() -> Vec<document::Refinement> {
    [
        sessions::refinements(),
        drops::refinements(),
        inventory::refinements(),
        checkouts::refinements(),
        products::refinements(),
        orders::refinements(),
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
