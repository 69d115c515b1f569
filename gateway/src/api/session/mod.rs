//! `/v1/sessions`: guest sessions, sign-in, renewal, sign-out.

pub(super) mod routes;

pub(super) use self::routes::{SessionWire, refinements};
