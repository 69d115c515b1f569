//! The JSON types of sessions.

use engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    auth::{Grant, Role},
    ops::openapi::Refinement,
    wire::IdSchema,
};

/// The credentials of a sign-in. Empty (`{}`) for a guest.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The account's e-mail address.
    pub(super) email: Option<String>,
    /// The account's password.
    pub(super) password: Option<String>,
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
    pub(super) refresh_token: String,
}

pub(super) fn refinements() -> Vec<Refinement> {
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
