//! The caller of a request, as handlers see it.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use engine::{
    flash_drop::Buyer,
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{cache::Known, subject_status::SubjectStatus, tenants::Tenants, token::Role};
use crate::{
    Gateway,
    edge::Arrival,
    problem::{Code, Problem},
};

/// The bearer of a token: a guest, a customer, or staff. As an extractor: 401 without a token.
#[derive(Debug, Clone)]
pub struct Identity {
    known: Arc<Known>,
    subject_status: Arc<SubjectStatus>,
}

impl Identity {
    pub(crate) fn new(known: Arc<Known>, subject_status: Arc<SubjectStatus>) -> Self {
        Self { known, subject_status }
    }

    /// The tenant of the shop.
    pub fn tenant(&self) -> &TenantId {
        &self.known.bearer.tenant
    }

    /// The current subject: the guest, or the account that the guest has signed in to.
    pub fn subject(&self) -> SubjectId {
        self.subject_status.subject
    }

    /// The current status of the subject.
    pub fn subject_status(&self) -> &SubjectStatus {
        &self.subject_status
    }

    /// The buyer for the engine. A member of staff who buys is a customer.
    pub fn buyer(&self) -> Buyer {
        let customer = self.subject_status.customer || self.known.bearer.role.is_some();
        Buyer { customer, ..self.subject_status.buyer() }
    }

    /// The role. `None` for guests.
    pub fn role(&self) -> Option<Role> {
        match self.known.bearer.role {
            None if self.subject_status.customer => Some(Role::Customer),
            role => role,
        }
    }

    /// Whether the subject has no account.
    pub fn is_guest(&self) -> bool {
        self.role().is_none()
    }

    /// Whether the subject manages the catalogue, the drops and the orders.
    pub fn is_vendor(&self) -> bool {
        matches!(self.role(), Some(Role::Vendor | Role::Admin))
    }

    /// The first instant at which the token is no longer valid.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.known.bearer.expires_at
    }

    /// When the password was given for the sign-in that the session began with, if that is known.
    pub(crate) fn signed_in_at(&self) -> Option<Timestamp> {
        self.known.bearer.signed_in_at
    }

    /// The id of the token.
    pub(crate) fn token_id(&self) -> u128 {
        self.known.bearer.id
    }

    /// The session, unless the token is from the command line.
    pub(crate) fn session(&self) -> Option<u128> {
        self.known.bearer.session
    }
}

/// Returns the bearer token of a request, if it has an `Authorization` header.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::new(Code::InvalidToken))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Problem::new(Code::InvalidToken).with_detail("the Authorization scheme must be Bearer")),
    }
}

async fn identify(parts: &mut Parts, gateway: &Gateway) -> Result<Option<Identity>, Problem> {
    let Some(token) = bearer_token(&parts.headers)? else { return Ok(None) };
    let identity = gateway.sessions.identify(token, gateway.now()).await?;
    let address = parts.extensions.get::<Arrival>().map(|arrival| arrival.address);
    gateway.limits.identity(&identity, address)?;
    Ok(Some(identity))
}

impl FromRequestParts<Gateway> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        identify(parts, gateway).await?.ok_or_else(|| Problem::new(Code::AuthenticationRequired))
    }
}

/// A member of staff who runs the shop. As an extractor: 401 without a token, 403 for others.
#[derive(Debug, Clone)]
pub struct Vendor(pub Identity);

impl FromRequestParts<Gateway> for Vendor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let identity = Identity::from_request_parts(parts, gateway).await?;
        if identity.is_vendor() { Ok(Self(identity)) } else { Err(Problem::new(Code::Forbidden)) }
    }
}

/// A caller with or without a token. An invalid token is rejected nevertheless.
#[derive(Debug, Clone)]
pub struct Caller(pub Option<Identity>);

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        identify(parts, gateway).await.map(Self)
    }
}

/// The shop of a public request: by the token, else by host name, header or default.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The shop's tenant.
    pub tenant: TenantId,
    /// The caller, if there is a token.
    pub identity: Option<Identity>,
}

impl Shop {
    /// Whether the caller runs the shop.
    pub fn is_vendors(&self) -> bool {
        self.identity.as_ref().is_some_and(Identity::is_vendor)
    }
}

impl FromRequestParts<Gateway> for Shop {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        // The header is ignored beside a token, but must not be invalid.
        Tenants::named(&parts.headers)?;
        if let Some(identity) = identify(parts, gateway).await? {
            return Ok(Self { tenant: identity.tenant().clone(), identity: Some(identity) });
        }
        let tenant =
            gateway.tenants.of_request(&gateway.read_side, &gateway.settings, &parts.uri, &parts.headers).await?;
        Ok(Self { tenant, identity: None })
    }
}
