//! The routes, from the outside.

mod claims;
mod document;
mod drops;
mod imports;
mod inventory;
mod numbers;
mod shop;
