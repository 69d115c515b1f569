//! The routes: one file for each kind of thing. A route reads a request, asks an entity, and writes its answer.

mod accounts;
mod claims;
mod drops;
mod inventory;
mod me;
mod sessions;
#[cfg(test)]
mod tests;

use actors::Call;
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Gateway, Problem,
    edge::Arrival,
    ops::{docs, health, openapi as document},
    problem::Code,
    wire::{IfNoneMatch, etag, fresh},
};

/// Every route, and what the document says of it.
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
    (router.with_state(gateway), api)
}

/// The call of a read.
fn read_call(arrival: &Arrival) -> Call {
    Call { request_id: arrival.id.number(), ..Call::read() }
}

/// The OpenAPI document.
pub(crate) fn document() -> serde_json::Value {
    document::complete(&documented().into_openapi(), refinements())
}

fn documented() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(document::Document::openapi())
        .routes(routes!(sessions::create_session))
        .routes(routes!(sessions::refresh_session))
        .routes(routes!(sessions::end_session))
        .routes(routes!(accounts::create_account))
        .routes(routes!(accounts::create_password_reset))
        .routes(routes!(accounts::set_password))
        .routes(routes!(me::get_me, me::erase_me))
        .routes(routes!(me::export_me))
        .routes(routes!(drops::create_drop, drops::list_drops))
        .routes(routes!(drops::get_drop, drops::update_drop))
        .routes(routes!(drops::publish_drop))
        .routes(routes!(drops::end_drop))
        .routes(routes!(drops::cancel_drop))
        .routes(routes!(claims::create_claim, claims::list_drop_claims))
        .routes(routes!(claims::get_claim, claims::release_claim))
        .routes(routes!(claims::list_claims))
        .routes(routes!(inventory::get_inventory))
        .routes(routes!(inventory::adjust_inventory))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::reader))
        .routes(routes!(docs::problems))
        .routes(routes!(docs::problem))
}

fn refinements() -> Vec<document::Refinement> {
    [sessions::refinements(), drops::refinements(), inventory::refinements()].concat()
}

/// There is something at this address, but not for this method. To `OPTIONS` that is the answer: `Allow`.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    Problem::new(Code::MethodNotAllowed).into_response()
}
