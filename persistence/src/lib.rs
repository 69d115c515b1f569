//! Persistence beside the journal: snapshots, and the SQL read side with its projections and accounts.
//!
//! - [`snapshots`]: the states of entities, so that recovery reads only a short tail of the journal.
//! - [`sql`]: one SQLite file with the data that is *not* derived from the journal (tenants, accounts, contacts,
//!   sessions, imports), and the queries behind every list.
//! - [`views`]: the projections, which fold accepted records into the rows that those lists read.

pub mod snapshots;
pub mod sql;
pub mod views;
