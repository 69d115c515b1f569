//! The admin API for commands on this machine: the public API, and routes for operators only.
//!
//! ```text
//!   fusion import ─► data/fusion.sock ─┐                     ┌─► /local/…   exports, tenants, users, doctor
//!                                      ├─► LocalDoors ───────┤
//!   fusion import, no server ──────────┘  (an admin's token) └─► the public API, as over the network
//! ```
//!
//! Access to the socket is access to the data folder: its mode is 0600.

mod access;
mod routes;
mod socket;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use engine::id::{SubjectId, TenantId};
use gateway::{PublicApi, auth::Role};
use tower::ServiceExt;

pub(crate) use self::{
    access::{ShopAccess, ShopAccessError, request},
    routes::{Announced, KnownTenant, KnownUsers, MadeTenant, MadeUser, NewTenant, NewUser},
    socket::{LocalSocket, SOCKET_FILE, SocketError},
};
use crate::app::Backends;

/// The header with the tenant of a local request.
pub(crate) const TENANT_HEADER: &str = "fusion-tenant";
/// The prefix of the operator-only paths.
const LOCAL_PATHS: &str = "/local/";
/// The lifetime of a request's token: longer than any import takes.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// The client address of local requests.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Answers the requests of commands on this machine.
#[derive(Clone)]
pub(crate) struct AdminSocket {
    backends: Arc<Backends>,
    api: PublicApi,
    routes: Router,
}

impl AdminSocket {
    /// Creates the admin API of these backends.
    pub(crate) fn new(backends: Arc<Backends>) -> Self {
        Self { api: PublicApi::new(backends.gateway.clone()), routes: routes::all(backends.clone()), backends }
    }

    /// Answers a request as an admin of the tenant in its header.
    pub(crate) async fn answer(&self, mut request: Request<Body>) -> Response {
        if request.uri().path().starts_with(LOCAL_PATHS) {
            return self.routes.clone().oneshot(request).await.into_response();
        }
        if !request.headers().contains_key(header::AUTHORIZATION)
            && let Some(token) = self.token_for(&request)
        {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        self.api.answer(request, HERE).await
    }

    fn token_for(&self, request: &Request<Body>) -> Option<HeaderValue> {
        let tenant = request.headers().get(TENANT_HEADER)?.to_str().ok()?;
        let tenant = TenantId::new(tenant).ok()?;
        let (subject, gateway) = (operator(&tenant), &self.backends.gateway);
        let minted = gateway.sessions.issuer().mint(&tenant, subject, Some(Role::Admin), gateway.now(), TOKEN_TTL);
        let minted = minted.map_err(|error| tracing::error!(%error, "no token for a local request")).ok()?;
        HeaderValue::from_str(&format!("Bearer {}", minted.token)).ok()
    }
}

/// Percent-encodes a text for a path segment or a query value (RFC 3986, section 2.3: unreserved characters stay).
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(byte as char),
            // Writing to a string cannot fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
        path
    })
}

/// Returns the subject that local commands act as within a tenant.
pub(crate) fn operator(tenant: &TenantId) -> SubjectId {
    SubjectId::derive(&[b"operator", tenant.as_str().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_encoded_as_one_path_segment() {
        assert_eq!(encoded("A/B 1"), "A%2FB%201");
        assert_eq!(encoded("NQ-HRJ_S.1"), "NQ-HRJ_S.1");
        assert_eq!(encoded("ann+1@example.com"), "ann%2B1%40example.com");
    }
}
