//! The API in slices: a folder for each kind of resource.
//!
//! ```text
//!   api/<kind>/mod.rs      the slice: what the kind adds to the API
//!              routes.rs   the handlers: each reads a request, calls an entity, and writes its response
//!              wire.rs     the JSON types; where there are many, input.rs has those of requests
//!              topic.rs    the topics of the real-time API
//!              problem.rs  what the problems of its rejections contain
//!              tests.rs    the tests through the HTTP interface
//! ```
//!
//! `slices!` has the list of all kinds. The router, the OpenAPI document, the topics of the real-time API and the upkeep
//! follow from it.

mod former_ids;
#[cfg(fuzzing)]
pub mod fuzzing;
mod slice;
#[cfg(test)]
mod tests;

use self::former_ids::known_former;
pub use self::import::Counts as ImportCounts;
pub(crate) use self::{
    claim::{ClaimWire, NewClaim, claim_many, release},
    flash_drop::DropWire,
    import::ImportPlaces,
    product::SkuIndex,
    slice::Slice,
};

use actors::CommandMeta;
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use engine::time::Timestamp;
use utoipa::{OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Gateway, Problem,
    edge::Arrival,
    live::TopicKind,
    ops::{self, docs, openapi as document},
    problem::Code,
    wire::{IfNoneMatch, etag, fresh},
};

/// Declares the folder of each kind, and [`SLICES`].
macro_rules! slices {
    ($($kind:ident,)*) => {
        $(mod $kind;)*

        /// The kinds of the API, and last the API's own operations.
        const SLICES: &[Slice] = &[$($kind::SLICE,)* ops::SLICE];
    };
}

// In the order of their tags in the OpenAPI document.
slices! {
    session,
    account,
    me,
    flash_drop,
    claim,
    stock,
    product,
    import,
    cart,
    checkout,
    address_format,
    order,
    mail,
}

/// Returns all routes and their OpenAPI document.
pub(crate) fn all(gateway: Gateway) -> (Router, openapi::OpenApi) {
    let (router, api) = documented().split_for_parts();
    let text = Bytes::from(document::complete(&api, SLICES).to_string());
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

/// Returns the topics of the real-time API.
pub(crate) fn topics() -> impl Iterator<Item = &'static TopicKind> {
    SLICES.iter().flat_map(|slice| slice.topics.iter().copied())
}

/// Returns the metadata of a read.
pub(crate) fn read_meta(arrival: &Arrival) -> CommandMeta {
    CommandMeta { request_id: arrival.id.number(), ..CommandMeta::read() }
}

/// Returns the OpenAPI document.
pub(crate) fn document() -> serde_json::Value {
    document::complete(&documented().into_openapi(), SLICES)
}

fn documented() -> OpenApiRouter<Gateway> {
    let routers = SLICES.iter().map(|slice| (slice.router)());
    routers.fold(OpenApiRouter::with_openapi(document::Document::openapi()), OpenApiRouter::merge)
}

/// Deletes what has expired by `now`.
pub(crate) async fn forget_expired(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    for expire in SLICES.iter().filter_map(|slice| slice.expire) {
        expire(gateway, now).await?;
    }
    Ok(())
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
