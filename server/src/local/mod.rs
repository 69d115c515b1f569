//! The doors for this machine's own commands: what the API serves, and what only an operator may ask.
//!
//! ```text
//!   fusion import ─► data/fusion.sock ─┐                     ┌─► /local/…   exports, tenants, users, doctor
//!                                      ├─► LocalDoors ───────┤
//!   fusion import, no server ──────────┘  (an admin's token) └─► the API, as over the network
//! ```
//!
//! Whoever can open the socket owns the data folder: its mode is 0600.

mod routes;
mod socket;
mod way;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use engine::id::{SubjectId, TenantId};
use gateway::{Door, auth::Role};
use tower::ServiceExt;

pub(crate) use self::{
    routes::{Announced, KnownTenant, KnownUsers, MadeTenant, MadeUser, NewTenant, NewUser},
    socket::{LocalSocket, SOCKET_FILE, SocketError},
    way::{Way, WayError, request},
};
use crate::wiring::Rooms;

/// The header that names the tenant that a local request is for.
pub(crate) const TENANT_HEADER: &str = "fusion-tenant";
/// What every path that only an operator may ask for begins with.
const LOCAL_PATHS: &str = "/local/";
/// How long the token of one request is good for: longer than any import.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// Where local requests come from.
const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Answers the requests of this machine's own commands.
#[derive(Clone)]
pub(crate) struct LocalDoors {
    rooms: Arc<Rooms>,
    door: Door,
    routes: Router,
}

impl LocalDoors {
    /// The doors of these rooms.
    pub(crate) fn new(rooms: Arc<Rooms>) -> Self {
        Self { door: Door::new(rooms.gateway.clone()), routes: routes::all(rooms.clone()), rooms }
    }

    /// Answers one request, in the name of an admin of the tenant that it names.
    pub(crate) async fn answer(&self, mut request: Request<Body>) -> Response {
        if request.uri().path().starts_with(LOCAL_PATHS) {
            return self.routes.clone().oneshot(request).await.into_response();
        }
        if !request.headers().contains_key(header::AUTHORIZATION)
            && let Some(token) = self.token_for(&request)
        {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        self.door.answer(request, HERE).await
    }

    fn token_for(&self, request: &Request<Body>) -> Option<HeaderValue> {
        let tenant = request.headers().get(TENANT_HEADER)?.to_str().ok()?;
        let tenant = TenantId::new(tenant).ok()?;
        let (subject, gateway) = (operator(&tenant), &self.rooms.gateway);
        let minted = gateway.sessions.issuer().mint(&tenant, subject, Some(Role::Admin), gateway.now(), TOKEN_TTL);
        let minted = minted.map_err(|error| tracing::error!(%error, "no token for a local request")).ok()?;
        HeaderValue::from_str(&format!("Bearer {}", minted.token)).ok()
    }
}

/// A text as a part of a path or a query (RFC 3986, section 2.3: what is unreserved stays).
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(byte as char),
            // Writing to a string does not fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
        path
    })
}

/// Who this machine's commands are in the eyes of a tenant.
pub(crate) fn operator(tenant: &TenantId) -> SubjectId {
    SubjectId::derive(&[b"operator", tenant.as_str().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_part_of_a_path() {
        assert_eq!(encoded("A/B 1"), "A%2FB%201");
        assert_eq!(encoded("NQ-HRJ_S.1"), "NQ-HRJ_S.1");
        assert_eq!(encoded("ann+1@example.com"), "ann%2B1%40example.com");
    }
}
