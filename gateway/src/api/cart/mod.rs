//! `/v1/carts`: shopping carts.

pub(super) mod routes;
#[cfg(test)]
mod tests;
pub(super) mod topic;
