//! The running totals of an import.

use engine::{
    catalogue::{RefusedRow, Warning},
    product::ImportOutcome,
};
use persistence::sql::{RejectedRow, WARNINGS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The counts of an import; of a dry run, what they would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows that were read, including rejected ones, without the header and blank rows.
    pub rows: u64,
    /// New products.
    pub products_created: u64,
    /// Changed products.
    pub products_updated: u64,
    /// Products for which the file had nothing new.
    pub products_unchanged: u64,
    /// New variants.
    pub variants_created: u64,
    /// SKUs whose stock was set.
    pub stock_set: u64,
    /// Imported rows. With the rejected ones these are all rows.
    pub rows_imported: u64,
    /// Rejected rows.
    pub rows_rejected: u64,
    /// Warnings, including those that were not kept.
    pub warnings: u64,
}

impl Counts {
    /// The counts as the record stores them.
    pub fn to_json(self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(counts)) => counts,
            _ => Map::new(),
        }
    }
}

/// Collects the results of products.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) counts: Counts,
    /// The first [`WARNINGS_MAX`] warnings, with their lines.
    warnings: Vec<(u64, String)>,
    /// Rejected rows that are not written yet.
    pub(super) rejected: Vec<RejectedRow>,
}

impl Notes {
    pub(super) fn product(&mut self, outcome: ImportOutcome, variants_created: u64) {
        match outcome {
            ImportOutcome::Created => self.counts.products_created += 1,
            ImportOutcome::Updated => self.counts.products_updated += 1,
            ImportOutcome::Unchanged => self.counts.products_unchanged += 1,
        }
        self.counts.variants_created += variants_created;
    }

    pub(super) fn refused(&mut self, row: &RefusedRow) {
        self.reject(RejectedRow { line: row.line, column: row.column.clone(), reason: row.words() });
    }

    pub(super) fn reject(&mut self, row: RejectedRow) {
        self.counts.rows_rejected += 1;
        self.rejected.push(row);
    }

    /// Keeps a warning. The last slot is reserved for the number of those not kept.
    pub(super) fn warn(&mut self, warning: &Warning) {
        self.counts.warnings += 1;
        if self.warnings.len() < WARNINGS_MAX - 1 {
            self.warnings.push((warning.line, warning.kind.to_string()));
        }
    }

    /// Returns the warnings by line, with a last one that counts those not kept.
    pub(super) fn all_warnings(&mut self) -> Vec<String> {
        let more = self.counts.warnings - self.warnings.len() as u64;
        // Products finish in another order than they were read in.
        self.warnings.sort();
        let mut warnings: Vec<_> = self.warnings.iter().map(|(line, what)| format!("line {line}: {what}")).collect();
        if more > 0 {
            warnings.push(format!("and {more} more"));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use engine::catalogue::WarningKind;

    use super::*;

    #[test]
    fn warnings_are_bounded_and_counted() {
        let mut notes = Notes::default();
        for line in 0..WARNINGS_MAX as u64 + 10 {
            notes.warn(&Warning { line, kind: WarningKind::Untracked });
        }
        let warnings = notes.all_warnings();
        assert_eq!(warnings.len(), WARNINGS_MAX);
        assert_eq!(warnings.last().map(String::as_str), Some("and 11 more"));
        assert_eq!(notes.counts.warnings, WARNINGS_MAX as u64 + 10);
    }
}
