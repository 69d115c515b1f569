//! Tests of the API that involve several kinds of resources.

mod again;
mod document;
mod former;
mod lengths;
mod lines;
mod lists;
mod numbers;
pub(super) mod private;
mod scripts;
pub(super) mod shop;
mod tenants;
mod unknown;
