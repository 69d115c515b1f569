//! `/v1/claims` and `/v1/drops/{id}/claims`: units of a drop, held for a buyer.

mod buyer;
mod routes;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::{
    routes::{claim_many, release},
    wire::{ClaimWire, NewClaim},
};
use super::Slice;
use crate::ops::openapi::{Link, link};

/// The path parameters of a claim.
const BY_CLAIM: &[(&str, &str)] = &[("id", "/drop_id"), ("claim_id", "/id")];

pub(super) const SLICE: Slice = Slice {
    tag: Some(("claims", "Claims on the units of a drop")),
    router: routes::router,
    links: &[
        link("create_claim", "get_claim", BY_CLAIM),
        link("create_claim", "release_claim", BY_CLAIM),
        Link { from: "create_claim", to: "create_checkout", parameters: &[], body: &[("claims[]", "/id")] },
    ],
    cursors: &[
        ("list_drop_claims", "^(?:0|[1-9][0-9]{0,8})$"),
        ("list_claims", "^[0-7][0-9A-HJKMNP-TV-Z]{25}-[0-7][0-9A-HJKMNP-TV-Z]{25}$"),
    ],
    ..Slice::EMPTY
};
