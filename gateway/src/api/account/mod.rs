//! `/v1/accounts` and `/v1/password-resets`: accounts of buyers and staff.

pub(super) mod routes;
