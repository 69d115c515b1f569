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

/// Who starts a session: nobody in particular (`{}`: a guest), or someone with an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The account's e-mail address.
    email: Option<String>,
    /// Its password.
    password: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionWire {
    /// The access token: `Authorization: Bearer …`.
    token: String,
    /// Buys the next token, once, at `POST /v1/sessions/refresh`.
    refresh_token: String,
    /// Who it is: the guest, or the account.
    #[schema(value_type = IdSchema)]
    subject: String,
    /// What it may do; absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(customer|vendor|host|admin)$", nullable = false)]
    role: Option<Role>,
    /// When the access token ends.
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
    /// What the session was given last.
    #[schema(min_length = 1, max_length = 2048)]
    refresh_token: String,
}

pub(crate) fn refinements() -> Vec<Refinement> {
    let email =
        json!({"type": "string", "format": "email", "maxLength": 254, "description": "The account's e-mail address."});
    let password = json!({"type": "string", "minLength": 1, "maxLength": 256, "description": "Its password."});
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
/// Without an account it is a new guest's. With one it is a sign-in: what the guest of the bearer token has (carts,
/// claims, checkouts) is the account's from then on, and every token of the guest ends.
///
/// After five wrong passwords the next one has to wait, a second at first and twice as long after each, up to 15 minutes:
/// until then the answer is `too_many_attempts`, whatever the password.
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

/// Renew a session
///
/// The refresh token is used up, and a new one comes with the new access token. Using one twice ends the session: one of
/// the two who had it was not meant to. With an `Idempotency-Key`, an answer that was lost is asked for again: the same
/// token and key give the same next refresh token for ten minutes, until that is used. The key must not be guessable.
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
/// Its tokens are worthless from now on. A token that the command line made is worthless by itself.
#[utoipa::path(delete, path = "/v1/sessions/current", operation_id = "end_session", tag = "sessions",
    responses((status = 204, description = "It has ended")))]
pub(crate) async fn end_session(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    gateway.sessions.end_current(&identity, gateway.now()).await?;
    Ok(done())
}
