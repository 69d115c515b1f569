//! `/v1/drops`: flash sales.

pub(super) mod input;
mod problem;
mod routes;
mod series;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

pub(super) use self::routes::view;
pub(crate) use self::wire::DropWire;
use super::Slice;
use crate::ops::openapi::{BY_ID, BY_VERSION, link};

pub(super) const SLICE: Slice = Slice {
    tag: Some(("drops", "Flash sales")),
    router: routes::router,
    refinements: input::refinements,
    links: &[
        link("create_drop", "get_drop", BY_ID),
        link("create_drop", "update_drop", BY_VERSION),
        link("create_drop", "publish_drop", BY_ID),
        link("create_drop", "create_claim", BY_ID),
        link("create_drop", "list_drop_claims", BY_ID),
        link("create_drop", "get_drop_series", BY_ID),
        link("create_drop", "end_drop", BY_ID),
        link("create_drop", "cancel_drop", BY_ID),
        link("update_drop", "update_drop", BY_VERSION),
    ],
    cursors: &[("list_drops", "^[02468acegikmoqsu][89ab][0-9a-v]{38}$")],
    topics: &[&topic::DROP],
    ..Slice::EMPTY
};
