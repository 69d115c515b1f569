//! `/v1/inventory`: stock levels.

mod problem;
mod routes;
#[cfg(test)]
mod tests;
mod wire;

#[cfg(fuzzing)]
pub(super) use self::wire::NewAdjustment;
use super::Slice;

pub(super) const SLICE: Slice = Slice {
    tag: Some(("inventory", "Stock levels")),
    router: routes::router,
    refinements: wire::refinements,
    ..Slice::EMPTY
};
