//! The routes of sessions.

use axum::{extract::State, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{NewSession, Renewal, SessionWire};
use crate::{
    Gateway, Problem,
    auth::{Identity, Shop, email::Email, password},
    edge::{Arrival, Json},
    idempotency::OptionalKey,
    ops::openapi::{OptionalKeyHeader, ShopHeader},
    problem::Faults,
    wire::{created, done, ok},
};

/// Returns the routes of sessions.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(create_session)).routes(routes!(refresh_session)).routes(routes!(end_session))
}

/// Start a session
///
/// Without credentials, the session belongs to a new guest. With credentials, it is a sign-in: the carts, claims and
/// checkouts of the bearer token's guest are transferred to the account, and the guest's tokens are revoked.
///
/// After five wrong passwords, further attempts are delayed: one second at first, twice as long after each, at most 15
/// minutes. During the delay the response is `too_many_attempts`, whatever the password.
#[utoipa::path(post, path = "/v1/sessions", operation_id = "create_session", tag = "sessions", security((), ("bearer" = [])),
    params(ShopHeader), request_body(content = NewSession, example = json!({})),
    responses((status = 201, description = "The session", body = SessionWire),
        (status = 401, description = "`invalid_credentials`, `invalid_token`"),
        (status = 429, description = "`rate_limited`, `too_many_attempts`")))]
pub(crate) async fn create_session(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Json(body): Json<NewSession>,
) -> Result<Response, Problem> {
    let now = gateway.now();
    let grant = match (body.email, body.password) {
        (None, None) => {
            gateway.limits.session(arrival.address)?;
            gateway.sessions.start_guest(&shop.tenant, now)?
        }
        (email, password) => {
            gateway.limits.password(arrival.address)?;
            let mut faults = Faults::default();
            let email = faults.present("/email", email);
            let email = email.and_then(|email| faults.range("/email", Email::new(&email)));
            let password = faults.present("/password", password);
            let too_long = password.as_ref().is_some_and(|text| text.chars().count() > password::PASSWORD_CHARS_MAX);
            faults.check("/password", !too_long, "is longer than 256 characters");
            let (email, password) = faults.give(email.zip(password))?;
            let guest = shop.identity.as_ref();
            let signed_in = gateway.sessions.sign_in(&shop.tenant, &email, password, guest, arrival.address, now).await;
            signed_in.map_err(|why| gateway.refused(why))?
        }
    };
    Ok(created("/v1/me", &SessionWire::from(grant)))
}

/// Refresh a session
///
/// Exchanges the refresh token for a new access token and a new refresh token. Using a refresh token twice ends the
/// session, because it may have been stolen. With an `Idempotency-Key`, a request whose response was lost can be
/// repeated: the same token and key return the same refresh token for ten minutes or until that is used. The key must
/// not be guessable.
#[utoipa::path(post, path = "/v1/sessions/refresh", operation_id = "refresh_session", tag = "sessions", security(),
    params(OptionalKeyHeader), request_body = Renewal,
    responses((status = 200, description = "The session", body = SessionWire),
        (status = 401, description = "`invalid_refresh_token`")))]
pub(crate) async fn refresh_session(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    OptionalKey(key): OptionalKey,
    Json(body): Json<Renewal>,
) -> Result<Response, Problem> {
    gateway.limits.session(arrival.address)?;
    let grant = gateway.sessions.refresh(&body.refresh_token, &key, gateway.now()).await?;
    Ok(ok(&SessionWire::from(grant)))
}

/// End the session
///
/// Revokes the session's tokens. A token that was created on the command line is revoked alone.
#[utoipa::path(delete, path = "/v1/sessions/current", operation_id = "end_session", tag = "sessions",
    responses((status = 204, description = "The session has ended")))]
pub(crate) async fn end_session(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    gateway.sessions.end_current(&identity, gateway.now()).await?;
    Ok(done())
}
