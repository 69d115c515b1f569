//! `/v1/checkouts`: payment for claims and carts.

pub(super) mod input;
pub(super) mod quote;
pub(super) mod routes;
#[cfg(test)]
mod tests;
pub(super) mod topic;
mod wire;

pub(super) use self::input::refinements;
