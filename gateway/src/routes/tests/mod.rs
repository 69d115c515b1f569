//! Tests of the routes through the HTTP interface.

mod addresses;
mod again;
mod carts;
mod claims;
mod document;
mod drops;
mod former;
mod imports;
mod inventory;
mod lengths;
mod lines;
mod lists;
mod mailboxes;
mod networks;
mod numbers;
mod orders;
mod pictures;
mod private;
mod quotes;
mod scripts;
mod series;
mod shop;
mod tenants;
mod unknown;
