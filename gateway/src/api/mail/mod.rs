//! `/v1/mails`: mails that were not delivered.

mod routes;
mod wire;

use super::Slice;

pub(super) const SLICE: Slice = Slice { router: routes::router, ..Slice::EMPTY };
