//! Postal addresses: what a parcel needs in each country.
//!
//! The facts (order of fields, required fields, postal codes, regions) come from a kept data set, compiled in from
//! `engine/data/address-formats`; its README says where they are from. Checkouts check addresses by them, and the pages
//! lay their forms out by them, so there is one source.
//!
//! An address is a set of named texts. The known members are `name`, `line1`, `line2`, `district`, `city`, `region`,
//! `postal_code` and `country`; others (a company, a telephone number) are kept as they are. What was stored before
//! countries had formats stays readable: nothing here is asked when an address is loaded.

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

/// The members of an address, by their names.
pub type Members = BTreeMap<String, String>;

/// The two-letter code of the country.
pub const COUNTRY: &str = "country";
/// The recipient.
pub const NAME: &str = "name";
/// The first line.
pub const LINE_1: &str = "line1";
/// The second line.
pub const LINE_2: &str = "line2";
