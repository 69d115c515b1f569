//! `/v1/claims` and `/v1/drops/{id}/claims`: units of a drop, held for a buyer.

mod buyer;
pub(super) mod routes;
#[cfg(test)]
mod tests;

pub(crate) use self::routes::{ClaimWire, NewClaim, claim_many, release};
