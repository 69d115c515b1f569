//! `/v1/address-formats`: the address formats of all countries, for forms.

mod routes;
mod wire;

use super::Slice;

pub(super) const SLICE: Slice = Slice { router: routes::router, ..Slice::EMPTY };
