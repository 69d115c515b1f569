//! `/v1/carts`: shopping carts.

mod expiry;
mod problem;
mod routes;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

use futures::FutureExt;

use super::Slice;
use crate::ops::openapi::{BY_ID, Link, link};

/// The path parameters of the first line of a cart.
const BY_LINE: &[(&str, &str)] = &[("id", "/id"), ("line_id", "/lines/0/id")];

pub(super) const SLICE: Slice = Slice {
    tag: Some(("carts", "Carts")),
    router: routes::router,
    links: &[
        link("create_cart", "get_cart", BY_ID),
        link("create_cart", "add_cart_line", BY_ID),
        link("create_cart", "delete_cart", BY_ID),
        link("add_cart_line", "update_cart_line", BY_LINE),
        link("add_cart_line", "remove_cart_line", BY_LINE),
        Link { from: "add_cart_line", to: "create_checkout", parameters: &[], body: &[("cart_id", "/id")] },
    ],
    cursors: &[("list_carts", "^1[0-3][0-9a-v]{38}$")],
    topics: &[&topic::CART],
    expire: Some(|gateway, now| expiry::expire_carts(gateway, now).boxed()),
    ..Slice::EMPTY
};
