//! `/v1/sessions`: guest sessions, sign-in, renewal, sign-out.

mod routes;
mod wire;

pub(super) use self::wire::SessionWire;
use super::Slice;
use crate::ops::openapi::Link;

pub(super) const SLICE: Slice = Slice {
    tag: Some(("sessions", "Guests, sign-in, accounts, personal data")),
    router: routes::router,
    refinements: wire::refinements,
    links: &[Link {
        from: "create_session",
        to: "refresh_session",
        parameters: &[],
        body: &[("refresh_token", "/refresh_token")],
    }],
    ..Slice::EMPTY
};
