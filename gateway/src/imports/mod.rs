//! Catalogue files on their way into the shop, in one pass and bounded memory.
//!
//! ```text
//!   file ─► engine::catalogue::Reader (its own thread) ─► products, at most AT_ONCE under way
//!             └─► refused rows                              │ one change of a product at a time
//!                                                           ├─► Product::Import, then Inventory::Adjust for each variant
//!                                                           └─► counts, warnings, refused rows ─► the import's record
//! ```
//!
//! Every command of an import is named after the import and the line, so that an import that is run again under the
//! same id adds nothing.

mod intake;
mod job;
mod notes;
mod places;
mod rehearsal;

pub use self::{
    job::{AT_ONCE, Ended, ImportJob},
    notes::Counts,
    places::{IMPORTS_AT_ONCE, IMPORTS_PER_TENANT, ImportPlace, ImportPlaces},
};
