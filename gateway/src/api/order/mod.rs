//! `/v1/orders`: what was bought.

mod input;
pub(super) mod routes;
#[cfg(test)]
mod tests;
pub(super) mod topic;
mod wire;

pub(super) use self::input::refinements;
