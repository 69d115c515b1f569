//! `/v1/address-formats`: the address formats of all countries, for forms.

pub(super) mod routes;
