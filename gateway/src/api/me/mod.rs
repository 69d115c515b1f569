//! `/v1/me`: the caller's identity, its personal data, and their erasure.

pub(super) mod routes;
