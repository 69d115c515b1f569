//! `/v1/sessions`: guest sessions, sign-in, renewal, sign-out.

use axum::{extract::State, response::Response};
use engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Gateway, Problem,
    auth::{Grant, Identity, Role, Shop, email::Email, password},
    edge::{Arrival, Json},
    idempotency::OptionalKey,
    ops::openapi::{OptionalKeyHeader, Refinement, ShopHeader},
    problem::Faults,
    wire::{IdSchema, created, done, ok},
};

/// The credentials of a sign-in. Empty (`{}`) for a guest.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The account's e-mail address.
    email: Option<String>,
    /// The account's password.
    password: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionWire {
    /// The access token: `Authorization: Bearer …`.
    token: String,
    /// The refresh token, which can be used once at `POST /v1/sessions/refresh`.
    refresh_token: String,
    /// The subject of the guest or account.
    #[schema(value_type = IdSchema)]
    subject: String,
    /// The role. Absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(customer|vendor|host|admin)$", nullable = false)]
    role: Option<Role>,
    /// The time at which the access token expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<Grant> for SessionWire {
    fn from(grant: Grant) -> Self {
        let Grant { token, expires_at, refresh_token, subject, role } = grant;
        Self { token, refresh_token, subject: subject.to_string(), role, expires_at }
    }
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Renewal {
    /// The session's current refresh token.
    #[schema(min_length = 1, max_length = 2048)]
    refresh_token: String,
}

pub(crate) fn refinements() -> Vec<Refinement> {
    let email =
        json!({"type": "string", "format": "email", "maxLength": 254, "description": "The account's e-mail address."});
    let password =
        json!({"type": "string", "minLength": 1, "maxLength": 256, "description": "The account's password."});
    let account = json!({
        "type": "object", "title": "account", "required": ["email", "password"], "additionalProperties": false,
        "properties": {"email": email, "password": password}
    });
    let guest = json!({"type": "object", "title": "guest", "additionalProperties": false, "maxProperties": 0});
    vec![(
        "NewSession",
        json!({"oneOf": [guest, account], "type": "object", "properties": {}, "additionalProperties": true}),
    )]
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
