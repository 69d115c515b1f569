//! Postal addresses, and the fields that they need in each country.
//!
//! The rules (order of fields, required fields, postal codes, regions) come from a data set that is compiled in from
//! `engine/data/address-formats`; the README there names its sources. Checkouts validate addresses with these rules and
//! the web pages lay out their forms with them, so that there is one source.
//!
//! An address is a map from names to texts. The known members are `name`, `line1`, `line2`, `district`, `city`,
//! `region`, `postal_code` and `country`; others (a company, a telephone number) are stored unchanged. Addresses that
//! were stored before countries had formats stay readable, because loading an address does not validate it.

mod check;
mod format;
mod label;
mod matching;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::{
    check::{AddressFault, Extent, check},
    format::{AddressFormat, Field, PostalCode, Region, countries, format_of},
    label::lines,
};

/// The members of an address, by name.
pub type Members = BTreeMap<String, String>;

/// The member with the two-letter country code.
pub const COUNTRY: &str = "country";
/// The member with the recipient's name.
pub const NAME: &str = "name";
/// The member with the first address line.
pub const LINE_1: &str = "line1";
/// The member with the second address line.
pub const LINE_2: &str = "line2";
