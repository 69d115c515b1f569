//! What an import has come to so far.

use engine::{
    catalogue::{RefusedRow, Warning},
    product::ImportOutcome,
};
use persistence::sql::{RejectedRow, WARNINGS_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Numbers of an import. Of a dry run: what they would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows that were read, refused ones included; the header and blank rows are none.
    pub rows: u64,
    /// Products that are new.
    pub products_created: u64,
    /// Products that changed.
    pub products_updated: u64,
    /// Products of which the file said nothing new.
    pub products_unchanged: u64,
    /// Variants that are new.
    pub variants_created: u64,
    /// SKUs whose stock was set.
    pub stock_set: u64,
    /// Rows that were imported. With the refused ones, all rows.
    pub rows_imported: u64,
    /// Rows that were refused.
    pub rows_rejected: u64,
    /// Warnings, those that were not kept included.
    pub warnings: u64,
}

impl Counts {
    /// As a row keeps them.
    pub fn to_json(self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(counts)) => counts,
            _ => Map::new(),
        }
    }
}

/// Gathers what products come to.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) counts: Counts,
    /// The first [`WARNINGS_MAX`], with their lines.
    warnings: Vec<(u64, String)>,
    /// Refused rows that are not written down yet.
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

    /// Keeps a warning. The last place is for saying how many were not kept.
    pub(super) fn warn(&mut self, warning: &Warning) {
        self.counts.warnings += 1;
        if self.warnings.len() < WARNINGS_MAX - 1 {
            self.warnings.push((warning.line, warning.kind.to_string()));
        }
    }

    /// The warnings by line, with a last one about those that were not kept.
    pub(super) fn all_warnings(&mut self) -> Vec<String> {
        let more = self.counts.warnings - self.warnings.len() as u64;
        // Products come out in another order than they went in.
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
