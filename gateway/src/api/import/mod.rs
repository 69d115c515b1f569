//! `/v1/imports`: imports of catalogue files, in one pass and bounded memory.
//!
//! ```text
//!   file ─► engine::catalogue::Reader (its own thread) ─► products, at most AT_ONCE in progress
//!             └─► rejected rows                             │ one change of a product at a time
//!                                                           ├─► Product: Import, then StockItem: Adjust per variant
//!                                                           └─► counts, warnings, rejected rows ─► the import's record
//! ```
//!
//! The id of every command of an import derives from the import's id and the line, so repeating an import under the
//! same id adds nothing.

mod dry_run;
mod importer;
mod job;
mod notes;
mod places;
pub(super) mod routes;
#[cfg(test)]
mod tests;
mod upload;

pub use self::notes::Counts;
#[cfg(test)]
pub(super) use self::places::IMPORTS_PER_TENANT;
pub(crate) use self::places::ImportPlaces;
