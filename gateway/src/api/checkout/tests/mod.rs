//! Tests of checkouts through the HTTP interface.

mod addresses;
mod contacts;
mod quotes;
