//! `/v1/orders`: what was bought.

mod access;
mod input;
mod problem;
mod routes;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

use super::Slice;
use crate::ops::openapi::{BY_ID, link};

pub(super) const SLICE: Slice = Slice {
    tag: Some(("orders", "Orders")),
    router: routes::router,
    refinements: input::refinements,
    links: &[link("create_refund", "get_order", BY_ID)],
    cursors: &[("list_orders", "^[02468acegikmoqsu][g-j][0-9a-v]{38}$")],
    topics: &[&topic::ORDER, &topic::ORDERS],
    ..Slice::EMPTY
};
