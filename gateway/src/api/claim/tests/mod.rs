//! Tests of claims through the HTTP interface.

mod lifecycle;
mod mailboxes;
mod networks;
