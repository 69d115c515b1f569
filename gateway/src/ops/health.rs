//! Liveness, readiness and metrics.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::{Gateway, Problem, problem::Code, wire::ok};

/// How long a rendered metrics page is reused: rendering takes milliseconds.
pub(crate) const RENDERED_TTL: Duration = Duration::from_secs(1);
const STARTING_WAIT: Duration = Duration::from_secs(1);

/// The status of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `ready`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Liveness check
///
/// Succeeds while the process can answer requests.
#[utoipa::path(get, path = "/livez", operation_id = "get_liveness", tag = "operations", security(),
    responses((status = 200, description = "The process is running", body = Health)))]
pub(crate) async fn live() -> Response {
    ok(&Health { status: "ok" })
}

/// Readiness check
///
/// 503 while the server is starting, stopping, or not the leader of all of its shards.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readiness", tag = "operations", security(),
    responses((status = 200, description = "The server is ready", body = Health)))]
pub(crate) async fn ready(State(gateway): State<Gateway>) -> Result<Response, Problem> {
    if gateway.commerce.is_ready() {
        return Ok(ok(&Health { status: "ready" }));
    }
    Err(Problem::new(Code::Unavailable)
        .with_detail("starting, stopping, or not the leader of every shard")
        .retry_after(STARTING_WAIT))
}

/// Metrics for Prometheus
///
/// Requires the operator's `metrics_token` as a bearer token. With `--dev` no token is required unless one is
/// configured. The values are at most one second old.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "operations", security(),
    responses((status = 200, description = "The Prometheus text format", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(gateway): State<Gateway>, headers: HeaderMap) -> Result<Response, Problem> {
    match &gateway.settings.metrics_token {
        Some(token) => {
            let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
            let expected = format!("Bearer {token}");
            if !bool::from(given.ct_eq(expected.as_bytes())) {
                return Err(Problem::new(Code::AuthenticationRequired));
            }
        }
        None if gateway.settings.dev => {}
        None => {
            let problem = Problem::new(Code::AuthenticationRequired);
            return Err(problem.with_detail("metrics_token is not configured"));
        }
    }
    let page = rendered(&gateway).await?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], page).into_response())
}

/// Returns the metrics page, at most [`RENDERED_TTL`] old. Concurrent callers wait for the same rendering.
async fn rendered(gateway: &Gateway) -> Result<Bytes, Problem> {
    let mut rendered = gateway.rendered_metrics.lock().await;
    if let Some((at, page)) = &*rendered
        && at.elapsed() < RENDERED_TTL
    {
        return Ok(page.clone());
    }
    super::metrics::note(&gateway.commerce);
    super::metrics::note_mails(&gateway.read_side.undelivered_summary(None).await?, gateway.now());
    let handle = gateway.metrics().clone();
    let page = tokio::task::spawn_blocking(move || handle.render()).await;
    let page = Bytes::from(page.map_err(|error| Problem::internal("metrics", &error))?);
    *rendered = Some((Instant::now(), page.clone()));
    Ok(page)
}
