//! `/v1/me`: the caller's identity, its personal data, and their erasure.

use axum::{extract::State, response::Response};
use engine::{
    id::{ContactId, SubjectId},
    time::Timestamp,
};
use persistence::sql::Contact;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    Gateway, Problem,
    auth::{Identity, Role, password},
    edge::{Arrival, OptionalJson},
    problem::{Code, Faults},
    wire::{IdSchema, done, ok},
};

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The guest, or the account.
    #[schema(value_type = IdSchema)]
    subject: SubjectId,
    /// The shop.
    tenant: String,
    /// What it may do; absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(customer|vendor|host|admin)$", nullable = false)]
    role: Option<Role>,
    /// The account's e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    /// Whether the account's owner has shown, by a mailed link, that mail reaches them at the address; absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    verified: Option<bool>,
    /// Whether the shop takes claims and checkouts of this account only once the address is verified; absent for guests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    verification_required: Option<bool>,
    /// When the account was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    created_at: Option<Timestamp>,
}

/// Everything personal that is kept of someone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Export {
    /// Who it is.
    me: Me,
    /// Every subject that is this person: itself, and the guests that it was.
    #[schema(value_type = Vec<IdSchema>)]
    subjects: Vec<SubjectId>,
    /// Where orders went.
    contacts: Vec<ContactWire>,
    /// When the sessions that go on were started or last renewed.
    #[schema(value_type = Vec<String>)]
    sessions: Vec<Timestamp>,
}

/// What shows that it is the account's owner who wants everything erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The account's password. Not needed by guests, nor within 5 minutes of a sign-in.
    #[schema(min_length = 1, max_length = 256)]
    password: Option<String>,
}

/// Where a buyer was reached.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactWire {
    /// Its id, by which orders refer to it.
    #[schema(value_type = IdSchema)]
    id: ContactId,
    /// The e-mail address.
    email: Option<String>,
    /// The name on the parcel.
    name: Option<String>,
    /// The address of the parcel.
    #[schema(value_type = Option<Object>)]
    address: Option<Map<String, Value>>,
    /// When it was written down.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Contact> for ContactWire {
    fn from(contact: Contact) -> Self {
        let Contact { contact: id, subject: _, email, name, address, created_at, erased_at: _, until_order: _ } =
            contact;
        Self { id, email, name, address, created_at }
    }
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

/// Who one is
#[utoipa::path(get, path = "/v1/me", operation_id = "get_me", tag = "sessions",
    responses((status = 200, description = "Who asks", body = Me)))]
pub(crate) async fn get_me(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    let account = gateway.read_side.account(identity.tenant(), identity.subject()).await?;
    Ok(ok(&me(&gateway, &identity, account.as_ref())))
}

/// Have one's personal data erased
///
/// Addresses, names, letters and the password are gone, and every session ends. Orders keep their numbers. An account is
/// erased with its password, or within 5 minutes of a sign-in.
#[utoipa::path(delete, path = "/v1/me", operation_id = "erase_me", tag = "sessions",
    request_body(content = Option<Erasure>, example = json!({"password": "correct horse battery staple"})),
    responses((status = 204, description = "It is erased"),
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
            "has from 1 to 256 characters",
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

/// What is kept of one
#[utoipa::path(get, path = "/v1/me/export", operation_id = "export_me", tag = "sessions",
    responses((status = 200, description = "All of it", body = Export)))]
pub(crate) async fn export_me(State(gateway): State<Gateway>, identity: Identity) -> Result<Response, Problem> {
    let data = gateway.read_side.personal_data(identity.tenant(), identity.subject()).await?;
    let me = me(&gateway, &identity, data.account.as_ref());
    let contacts = data.contacts.into_iter().map(ContactWire::from).collect();
    Ok(ok(&Export { me, subjects: data.subjects, contacts, sessions: data.sessions }))
}
