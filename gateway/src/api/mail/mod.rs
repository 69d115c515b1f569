//! `/v1/mails`: mails that were not delivered.

pub(super) mod routes;
