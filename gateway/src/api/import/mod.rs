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
mod routes;
#[cfg(test)]
mod tests;
mod upload;
mod wire;

pub use self::notes::Counts;
#[cfg(test)]
pub(super) use self::places::IMPORTS_PER_TENANT;
pub(crate) use self::places::ImportPlaces;

use super::Slice;
use crate::ops::openapi::{BY_ID, link};

pub(super) const SLICE: Slice = Slice {
    tag: Some(("imports", "Catalogue imports")),
    router: routes::router,
    links: &[link("create_import", "get_import", BY_ID), link("create_import", "list_rejected_rows", BY_ID)],
    cursors: &[("list_rejected_rows", "^0[o-r][0-9a-v]{38}$")],
    ..Slice::EMPTY
};
