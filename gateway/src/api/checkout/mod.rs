//! `/v1/checkouts`: payment for claims and carts.

mod expiry;
pub(super) mod input;
mod problem;
mod quote;
mod routes;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

use futures::FutureExt;

use super::Slice;
use crate::ops::openapi::{BY_ID, link};

pub(super) const SLICE: Slice = Slice {
    tag: Some(("checkouts", "Checkouts")),
    router: routes::router,
    refinements: input::refinements,
    // Not to its order: most responses of a checkout have none yet.
    links: &[
        link("create_checkout", "get_checkout", BY_ID),
        link("create_checkout", "confirm_checkout", BY_ID),
        link("create_checkout", "cancel_checkout", BY_ID),
    ],
    cursors: &[("list_checkouts", "^0[c-f][0-9a-v]{38}$")],
    topics: &[&topic::CHECKOUT],
    expire: Some(|gateway, now| expiry::forget_contacts(gateway, now).boxed()),
};
