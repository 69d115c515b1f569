//! `/v1/me`: the caller's identity, its personal data, and their erasure.

mod routes;
mod wire;

use super::Slice;

pub(super) const SLICE: Slice = Slice { router: routes::router, ..Slice::EMPTY };
