//! CORS: the origins whose pages may read responses.
//!
//! Clients authenticate with a bearer token, never with a cookie, so a foreign page cannot act on behalf of a visitor:
//! by default any origin may read. Credentials in the sense of CORS are never allowed. A WebSocket is not subject to
//! CORS, and what it carries is not public: by default only the shop's own pages may open one.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, fusion-tenant, last-event-id, x-request-id",
);
const EXPOSED: HeaderValue =
    HeaderValue::from_static("location, etag, retry-after, idempotency-replayed, x-request-id");
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins whose pages may read responses and open WebSockets. The shop's own pages always may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// All may read responses; only the shop's own may open WebSockets.
    #[default]
    AnyReads,
    /// All may do both.
    Any,
    /// These origins, as browsers send them: `https://shop.example`.
    These(Vec<String>),
}

impl Origins {
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Origins::AnyReads | Origins::Any => Some(ANY),
            Origins::These(origins) => {
                origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
            }
        }
    }

    /// Whether the pages of `origin` may open a WebSocket.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        *self != Origins::AnyReads && self.allow(origin).is_some()
    }

    /// The response to a preflight, if the request is one.
    pub(super) fn preflight(&self, request: &Parts) -> Option<Response> {
        let origin = request.headers.get(header::ORIGIN)?;
        if request.method != Method::OPTIONS || !request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        self.mark(Some(origin), response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Sets the CORS headers of a response.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if matches!(self, Origins::These(_)) {
            headers.append(header::VARY, HeaderValue::from_name(HeaderName::from_static("origin")));
        }
        let Some(allowed) = origin.and_then(|origin| self.allow(origin)) else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
