//! `/v1/drops`: flash sales.

pub(super) mod input;
pub(super) mod routes;
pub(super) mod series;
#[cfg(test)]
mod tests;
pub(super) mod topic;
mod wire;

pub(super) use self::input::refinements;
pub(crate) use self::wire::DropWire;
