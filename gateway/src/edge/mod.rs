//! The HTTP pipeline that every request and every response goes through.
//!
//! ```text
//!   connection ─► PublicApi: request id, address, limit ─► routes ─► handler
//!                  ▲                                              │
//!                  └── problem body, headers, CORS, metrics ◄─────┘
//! ```
//!
//! The pipeline is one function, not a stack of layers: each layer of a router costs every request an allocation or
//! two, and a claim has some 4 µs for everything except HTTP, JSON and the drop itself.

mod activity;
mod address;
mod body;
mod client_stream;
mod cors;
mod host;
mod json;
mod optional;
mod path;
mod places;
mod query;
mod request_id;
mod serve;
#[cfg(test)]
mod serve_tests;
mod strict;
#[cfg(test)]
mod tests;
mod unread;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use tower::Service;
use tower_http::compression::{
    Compression, CompressionLevel,
    predicate::{And, DefaultPredicate, Predicate, SizeAbove},
};

pub use self::{
    address::{InvalidNetwork, Network},
    body::BODY_TIMEOUT,
    cors::Origins,
    json::{JSON_BYTES_MAX, JSON_DEPTH_MAX, Json, PRODUCT_JSON_BYTES_MAX, parse},
    optional::OptionalJson,
    path::Path,
    query::{FromQuery, PARAMETERS_MAX, Parameters, Query},
    request_id::{REQUEST_ID_BYTES_MAX, RequestId},
    serve::serve,
};
pub(crate) use self::{
    address::{claim_network, subscriber},
    body::{broken, stream},
    client_stream::ClientStream,
    host::HOST_BYTES_MAX,
    json::check_type,
    places::{AddressPlace, ConnectionPermit, PerAddress},
};
use crate::{
    Gateway, Settings,
    live::{self, Hub, Operations},
    ops::metrics::Meters,
    problem::{Code, Problem},
};

/// Responses below this size are not worth compressing: they fit one packet.
const COMPRESS_BYTES_MIN: u64 = 1_400;
/// The path of the WebSocket endpoint.
const SOCKET: &str = "/v1/ws";
/// The path of the same real-time API as server-sent events.
const EVENTS: &str = "/v1/stream";
/// The path of the server's metrics.
const NUMBERS: &str = "/metrics";
/// When to retry after a read took too long.
const SLOW_WAIT: Duration = Duration::from_secs(1);

/// The metadata of a request. Every handler can extract it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The request id.
    pub id: RequestId,
    /// The address of the client, behind trusted proxies.
    pub address: IpAddr,
}

/// Marks an error response that has a body of its own, an HTML page, in place of a problem document.
#[derive(Debug, Clone, Copy)]
pub struct ErrorPage;

impl<S: Send + Sync> FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Only a router that is used without `PublicApi` has none: in tests of a single route.
        let known = parts.extensions.get::<Arrival>().cloned();
        Ok(known.unwrap_or_else(|| Self { id: RequestId::next(), address: IpAddr::V4([127, 0, 0, 1].into()) }))
    }
}

/// The public API: takes a request and returns a response. Cheap to clone.
#[derive(Clone)]
pub struct PublicApi {
    inner: Arc<Inner>,
    routes: Router,
    compressed: Compression<Router, And<DefaultPredicate, SizeAbove>>,
}

struct Inner {
    gateway: Gateway,
    meters: Meters,
    headers: Vec<(HeaderName, HeaderValue)>,
    operations: Operations,
    rooms: Hub,
}

impl PublicApi {
    /// The public API with everything that `gateway` serves.
    pub fn new(gateway: Gateway) -> Self {
        let (routes, api) = crate::api::all(gateway.clone());
        Self::to(gateway, routes, &api)
    }

    /// The public API with `routes`, which `api` describes.
    fn to(gateway: Gateway, routes: Router, api: &utoipa::openapi::OpenApi) -> Self {
        let compressed = Compression::new(routes.clone())
            .quality(CompressionLevel::Fastest)
            .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESS_BYTES_MIN)));
        let headers = security_headers(&gateway);
        let Settings { connections_max, live_per_address_max, .. } = gateway.settings;
        let (operations, rooms) = (Operations::of(api), Hub::new(connections_max, live_per_address_max));
        let inner = Inner { meters: Meters::of(api), headers, operations, rooms, gateway };
        Self { inner: Arc::new(inner), routes, compressed }
    }

    /// The gateway that the API serves.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.inner.gateway
    }

    /// The request metrics.
    pub(crate) fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// The operations of the API by their ids.
    pub(crate) fn operations(&self) -> &Operations {
        &self.inner.operations
    }

    /// The hub: the topics that have subscribers.
    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.rooms
    }

    /// Runs a read that the gateway makes on behalf of a client, in the time that a request has. A panic becomes an error.
    /// No rate limit counts the read.
    pub(crate) async fn read_inside<T>(
        &self,
        id: &RequestId,
        read: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let patience = self.inner.gateway.settings.request_timeout;
        let outcome = match tokio::time::timeout(patience, AssertUnwindSafe(read).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(panicked(id, &*panic)),
            Err(_) => Err(Problem::new(Code::Unavailable).retry_after(SLOW_WAIT)),
        };
        outcome.inspect_err(|problem| log_server_error(id, problem))
    }

    /// Answers a command that came over a socket from `address`, with every limit applied.
    pub(crate) async fn answer_from(&self, request: Request, address: IpAddr) -> Response {
        self.answer(request, SocketAddr::new(address, 0)).await
    }

    /// Answers a request that came over a connection from `peer`, after checking its `Host`.
    pub(crate) async fn answer_peer(&self, mut request: Request, peer: SocketAddr) -> Response {
        if let Err(problem) = host::check(request.version(), request.headers()) {
            request.extensions_mut().insert(problem);
        }
        self.answer(request, peer).await
    }

    /// Answers one request that came from `peer`.
    pub async fn answer(&self, request: Request, peer: SocketAddr) -> Response {
        let started = Instant::now();
        let inner = &*self.inner;
        let (mut parts, body) = request.into_parts();
        if let Some(composed) = path::composed(&parts.uri) {
            parts.uri = composed;
        }
        let id = RequestId::of(&parts.headers);
        // No web page may read the server's metrics, whatever origins the operator allows for the API.
        let is_numbers = parts.uri.path() == NUMBERS;
        let origin = parts.headers.get(header::ORIGIN).filter(|_| !is_numbers).cloned();
        let method = parts.method.clone();
        let meter = inner.meters.of_request(&method, parts.uri.path());
        let settings = &inner.gateway.settings;
        let address = address::caller(peer.ip(), &parts.headers, &settings.trusted_proxies);
        parts.extensions.insert(Arrival { id: id.clone(), address });

        let malformed = parts.extensions.remove::<Problem>().map(IntoResponse::into_response);
        let early = malformed.or_else(|| settings.origins.preflight(&parts).filter(|_| !is_numbers));
        let limited = || inner.gateway.limits.request(address, &parts.method, parts.uri.query()).err();
        let early = early.or_else(|| limited().map(IntoResponse::into_response));
        let mut response = match early {
            Some(response) => response,
            None if matches!(parts.uri.path(), SOCKET | EVENTS) && parts.method == Method::GET => {
                let arrival = Arrival { id: id.clone(), address };
                match parts.uri.path() {
                    SOCKET => live::upgrade(self.clone(), &mut parts, arrival).await.unwrap_or_else(live::refuse),
                    _ => {
                        let answer = live::stream(self.clone(), &parts, arrival).await;
                        answer.unwrap_or_else(IntoResponse::into_response)
                    }
                }
            }
            None if matches!(parts.uri.path(), SOCKET | EVENTS) => not_by(&parts.method, "GET,OPTIONS"),
            // RFC 9110, section 9.3.7: the server as a whole.
            None if parts.method == Method::OPTIONS && parts.uri.path() == "*" => {
                not_by(&parts.method, "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS")
            }
            None => self.route(Request::from_parts(parts, body), &id).await,
        };
        self.finish(&mut response, &id, origin.as_ref());
        let (status, took) = (response.status(), started.elapsed());
        meter.record(status, took);
        let elapsed_us = took.as_micros() as u64;
        tracing::debug!(request_id = id.text(), %method, route = meter.route, status = status.as_u16(), elapsed_us, "answered");
        response
    }

    /// Calls the routes with a timeout and catches their panics.
    async fn route(&self, request: Request, id: &RequestId) -> Response {
        let settings = &self.inner.gateway.settings;
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let patience = match request.uri().path().starts_with("/v1/imports") {
            true => settings.upload_timeout,
            false => settings.request_timeout,
        };
        let compress = is_safe && request.headers().contains_key(header::ACCEPT_ENCODING);
        let answer = async {
            if compress {
                let Ok(response) = self.compressed.clone().call(request).await;
                return response.map(Body::new);
            }
            let Ok(response) = self.routes.clone().call(request).await;
            response
        };
        match tokio::time::timeout(patience, AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => panicked(id, &*panic).into_response(),
            Err(_) if is_safe => Problem::new(Code::Unavailable).retry_after(SLOW_WAIT).into_response(),
            Err(_) => Problem::new(Code::OutcomeUnknown).into_response(),
        }
    }

    /// Writes a problem's body and the headers that every response has.
    fn finish(&self, response: &mut Response, id: &RequestId, origin: Option<&HeaderValue>) {
        if response.status().as_u16() >= 400 && response.extensions().get::<ErrorPage>().is_none() {
            self.write_problem(response, id);
        }
        let headers = response.headers_mut();
        headers.reserve(self.inner.headers.len() + 4);
        headers.insert(request_id::REQUEST_ID, id.header());
        for (name, value) in &self.inner.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        self.inner.gateway.settings.origins.mark(origin, headers);
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection ends here, and the client should know.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn write_problem(&self, response: &mut Response, id: &RequestId) {
        let problem = match response.extensions_mut().remove::<Problem>() {
            Some(problem) => problem,
            None => Problem::new(code_of(response.status())),
        };
        *response.status_mut() = problem.status();
        log_server_error(id, &problem);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_ENCODING);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.body_mut() = Body::from(problem.to_json(&id.text()));
    }
}

/// Returns the response for a method that is not among the `allowed` ones. For `OPTIONS` it is the list itself.
pub fn not_by(method: &Method, allowed: &'static str) -> Response {
    let mut response = match *method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::new(Code::MethodNotAllowed).into_response(),
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Returns the problem code for an error status set by a library.
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::AuthenticationRequired,
        StatusCode::FORBIDDEN => Code::Forbidden,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        status if status.is_client_error() => Code::InvalidRequest,
        _ => Code::Internal,
    }
}

/// Logs the panic of a handler and returns the problem that the client gets.
fn panicked(id: &RequestId, panic: &(dyn std::any::Any + Send)) -> Problem {
    tracing::error!(request_id = id.text(), panic = panic_text(panic), "a handler panicked");
    Problem::new(Code::Internal)
}

fn log_server_error(id: &RequestId, problem: &Problem) {
    if problem.status().is_server_error() {
        tracing::warn!(request_id = id.text(), code = problem.code().entry().code, "answered with a server's problem");
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a value that is no text")
}

fn security_headers(gateway: &Gateway) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    if gateway.settings.public_url.starts_with("https://") {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.push((header::STRICT_TRANSPORT_SECURITY, year));
    }
    headers
}
