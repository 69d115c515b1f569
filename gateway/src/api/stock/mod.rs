//! `/v1/inventory`: stock levels.

pub(super) mod routes;
#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub(super) use self::routes::NewAdjustment;
pub(super) use self::routes::refinements;
