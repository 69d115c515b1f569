//! `/v1/accounts` and `/v1/password-resets`: accounts of buyers and staff.

mod routes;
mod wire;

use super::Slice;

pub(super) const SLICE: Slice = Slice { router: routes::router, ..Slice::EMPTY };
