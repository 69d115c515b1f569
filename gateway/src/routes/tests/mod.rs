//! The routes, from the outside.

mod again;
mod claims;
mod document;
mod drops;
mod imports;
mod inventory;
mod lists;
mod numbers;
mod private;
mod scripts;
mod shop;
