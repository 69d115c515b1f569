//! The routes of the caller's data.

use axum::{extract::State, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{ContactWire, Erasure, Export, Me};
use crate::{
    Gateway, Problem,
    auth::{Identity, password},
    edge::{Arrival, OptionalJson},
    problem::{Code, Faults},
    wire::{done, ok},
};

/// Returns the routes of the caller's data.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(get_me, erase_me)).routes(routes!(export_me))
}

fn me(gateway: &Gateway, identity: &Identity, account: Option<&persistence::sql::Account>) -> Me {
    Me {
        subject: identity.subject(),
        tenant: identity.tenant().to_string(),
        role: identity.role(),
        email: account.and_then(|account| account.email.clone()),
        verified: account.map(|account| account.verified_at.is_some()),
        verification_required: account.map(|_| gateway.must_verify(identity)),
        created_at: account.map(|account| account.created_at),
    }
}

/// Get the caller's account
#[utoipa::path(get, path = "/v1/me", operation_id = "get_me", tag = "sessions",
    responses((status = 200, description = "The caller's account", body = Me)))]
pub(crate) async fn get_me(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    let account = gateway.read_side.account(identity.tenant(), identity.subject()).await?;
    Ok(ok(&me(&gateway, &identity, account.as_ref())))
}

/// Erase the caller's personal data
///
/// Deletes addresses, names, e-mails and the password, and ends every session. Orders keep their numbers. Requires the
/// account's password, or a sign-in within the last 5 minutes.
#[utoipa::path(delete, path = "/v1/me", operation_id = "erase_me", tag = "sessions",
    request_body(content = Option<Erasure>, example = json!({"password": "correct horse battery staple"})),
    responses((status = 204, description = "The personal data is erased"),
        (status = 401, description = "`invalid_credentials`, `invalid_token`"),
        (status = 403, description = "`password_required`"),
        (status = 429, description = "`rate_limited`, `too_many_attempts`")))]
pub(crate) async fn erase_me(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    OptionalJson(body): OptionalJson<Erasure>,
) -> Result<Response, Problem> {
    let tenant = identity.tenant();
    if let Some(password) = &body.password {
        gateway.limits.password(arrival.address)?;
        let mut faults = Faults::default();
        faults.check(
            "/password",
            (1..=password::PASSWORD_CHARS_MAX).contains(&password.chars().count()),
            "must be between 1 and 256 characters long",
        );
        faults.into_result()?;
    }
    let confirmed = gateway.sessions.confirm(&identity, body.password, arrival.address, gateway.now()).await;
    confirmed.map_err(|why| gateway.refused(why))?;
    let data = gateway.read_side.personal_data(tenant, identity.subject()).await?;
    let contacts: Vec<_> = data.contacts.iter().map(|contact| contact.contact).collect();
    let forget = async || {
        let forgotten = gateway.mailer.forget(tenant, &data.subjects, &contacts).await;
        forgotten.map_err(|error| Problem::new(Code::Unavailable).with_detail(error.to_string()))
    };
    // Mails are removed before the erasure, so that a failure can be retried, and again after it, because one may have
    // been in transit.
    forget().await?;
    gateway.sessions.erase(&identity, gateway.now()).await?;
    forget().await?;
    Ok(done())
}

/// Get the caller's personal data
#[utoipa::path(get, path = "/v1/me/export", operation_id = "export_me", tag = "sessions",
    responses((status = 200, description = "The personal data", body = Export)))]
pub(crate) async fn export_me(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    let data = gateway.read_side.personal_data(identity.tenant(), identity.subject()).await?;
    let me = me(&gateway, &identity, data.account.as_ref());
    let contacts = data.contacts.into_iter().map(ContactWire::from).collect();
    Ok(ok(&Export { me, subjects: data.subjects, contacts, sessions: data.sessions }))
}
