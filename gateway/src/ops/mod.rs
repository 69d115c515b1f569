//! Operations: health, metrics, documentation, and periodic upkeep.

pub(crate) mod docs;
pub(crate) mod health;
mod links;
pub mod metrics;
pub(crate) mod openapi;

use std::time::Duration;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Gateway,
    api::{self, Slice},
};

/// How often samples are drained from histograms: at 100,000 requests a second that is 4 MB of them.
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// How often expired entries are removed from memory.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often expired data of the slices is deleted.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// How often expired refresh tokens are deleted.
const TOKENS_EVERY: Duration = Duration::from_secs(600);

/// What operations add to the API.
pub(crate) const SLICE: Slice =
    Slice { tag: Some(("operations", "Health, metrics, documentation")), router, ..Slice::EMPTY };

fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::reader))
        .routes(routes!(docs::problems))
        .routes(routes!(docs::problem))
}

/// Runs the periodic upkeep. Never returns.
pub(crate) async fn upkeep(gateway: Gateway) {
    let mut metrics = tokio::time::interval(METRICS_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut tokens = tokio::time::interval(TOKENS_EVERY);
    let mut expiry = tokio::time::interval(EXPIRY_EVERY);
    loop {
        let gateway = gateway.clone();
        // Each of them walks through large tables, so they run on blocking threads, not on those that serve requests.
        let done = tokio::select! {
            _ = metrics.tick() => tokio::task::spawn_blocking(move || gateway.metrics().run_upkeep()).await,
            _ = sweep.tick() => tokio::task::spawn_blocking(move || {
                gateway.sessions.sweep(gateway.now());
                gateway.limits.sweep();
                gateway.notices.sweep(gateway.now());
            }).await,
            _ = expiry.tick() => {
                if let Err(problem) = api::forget_expired(&gateway, gateway.now()).await {
                    tracing::warn!(code = problem.code().entry().code, "deleting expired data");
                }
                Ok(())
            }
            _ = tokens.tick() => {
                forget_tokens(&gateway).await;
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "upkeep");
        }
    }
}

async fn forget_tokens(gateway: &Gateway) {
    if let Err(error) = gateway.read_side.bound_sign_in_counts().await {
        tracing::warn!(%error, "bounding counts of sign-ins");
    }
    loop {
        match gateway.read_side.forget_expired_tokens(gateway.now()).await {
            Ok(0) => return,
            Ok(removed) => tracing::debug!(removed, "expired tokens deleted"),
            Err(error) => {
                tracing::warn!(%error, "deleting expired tokens");
                return;
            }
        }
    }
}
