//! Reads and writes Shopify's product CSV.
//!
//! This module handles the text format only: it turns rows into [`ProductRows`], product by product, in bounded memory.
//! It does not read the products in the shop; [`Product`](crate::product::Product) merges the values of the file into
//! them.
//!
//! ```text
//! bytes ─ record ─▶ rows with their line numbers ─ header, cells, rules ─▶ parsed cells
//!       ─ group ─▶ one ImportChange for each run of rows with the same handle
//! ```
//!
//! A row can have values for a product, a variant and an image. An error in one of these parts does not affect the
//! others. Every row is either imported or refused: a row whose variant is refused counts as refused, even if its
//! values for the product are imported. An image that is left out is a warning, unless the row has no other values.
//!
//! Both generations of Shopify's headers are supported. The values of the product come from a row with a title; rows
//! without a title add variants and images to the product above. A handle that appears again later in the file is
//! another change of the same product.

mod cells;
mod export;
mod group;
mod guard;
mod header;
mod reader;
mod record;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::{
    export::Exporter,
    guard::{guarded, unguarded},
    header::Column,
    reader::{DuplicateSku, Item, Reader},
    refusal::{Refusal, RefusedRow, Warning, WarningKind},
    rules::{format_price, parse_price},
};
use crate::{
    id::Sku,
    money::Currency,
    product::{DESCRIPTION_CHARS_MAX, ImageChange, ImportChange, ImportVariant, ProductRejection, derived_sku},
};
use header::Header;

/// The maximum size of a cell, in bytes: the longest description at four bytes per character, since no other value is
/// longer.
pub const FIELD_BYTES_MAX: usize = 4 * DESCRIPTION_CHARS_MAX;
/// The maximum size of a row, in bytes. It bounds the memory of a row with many columns.
pub const ROW_BYTES_MAX: usize = 4 << 20;
/// The maximum number of columns: Shopify has some 60, and metafields add more.
pub const COLUMNS_MAX: usize = 1_000;
/// The maximum number of rows of a file: the reader keeps 32 bytes for each, to find duplicate SKUs.
pub const ROWS_MAX: u64 = 1_000_000;

/// The file cannot be read, or not completely. The rows before the error remain valid.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Reading the input failed.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file has no header.
    #[error("the file is empty")]
    Empty,
    /// The header is not UTF-8 text. Spreadsheets offer "CSV UTF-8" as a format for saving.
    #[error("line {line} is not UTF-8: save the file as \"CSV UTF-8\"")]
    NotUtf8 {
        /// The line of the header.
        line: u64,
    },
    /// A required column is missing.
    #[error("the file has no column {name:?}{hint}")]
    MissingColumn {
        /// The name of the column.
        name: &'static str,
        /// A possible cause, with a leading separator, or empty.
        hint: &'static str,
    },
    /// Two columns have the same meaning.
    #[error("the columns {first:?} and {second:?} say the same")]
    DoubledColumn {
        /// The name of the first column, as in the file.
        first: String,
        /// The name of the second column.
        second: String,
    },
    /// The header has more than [`COLUMNS_MAX`] cells, a cell longer than [`FIELD_BYTES_MAX`], or an unclosed quote.
    #[error("the header, on line {line}, does not end or has more than {COLUMNS_MAX} columns")]
    HeaderTooLong {
        /// The line of the header.
        line: u64,
    },
    /// The file has more than [`ROWS_MAX`] rows. Split it into several files.
    #[error("a file has at most {ROWS_MAX} rows, and line {line} is one too many")]
    TooManyRows {
        /// The line of the first row that was not read.
        line: u64,
    },
}

/// Consecutive rows of one product.
#[derive(Debug, Clone)]
pub struct ProductRows {
    /// The line of the first row, as a text editor shows it.
    pub first_line: u64,
    /// The rows, in their order, without refused ones.
    pub rows: Vec<ImportedRow>,
    /// The currency of the prices: from the file, or else from the import.
    pub currency: Currency,
    /// The values of the rows.
    pub change: ImportChange,
    /// The row and the stock of each variant of the change, in its order.
    pub variants: Vec<VariantRow>,
    /// The warnings about the rows.
    pub warnings: Vec<Warning>,
    header: Arc<Header>,
}

/// A row that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedRow {
    /// The line of the row.
    pub line: u64,
    /// Whether the row has values for an image only.
    pub only_image: bool,
}

/// The row of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantRow {
    /// The line of the row.
    pub line: u64,
    /// The units on hand, at most [`QUANTITY_MAX`](crate::quantity::QUANTITY_MAX). `None` if the file has no quantity.
    pub stock: Option<u64>,
}

/// The part of the rows that a product's rejection refers to.
enum Fault {
    Variant(usize, Option<Column>),
    Images,
    Product(Option<Column>),
}

impl ProductRows {
    /// Removes the part that the product rejected: a variant with its row, the images, or everything. If `rows` is not
    /// empty afterwards, the import can be retried.
    pub fn refuse(&mut self, rejection: &ProductRejection) -> Vec<RefusedRow> {
        match self.fault(rejection) {
            Fault::Variant(index, column) => {
                let refused = self.refused_variant(index, column, rejection);
                self.remove_variant(index);
                vec![refused]
            }
            Fault::Images => self.refuse_images(rejection),
            Fault::Product(column) => self.refuse_rows(column, rejection),
        }
    }

    /// Gives the variant that has `sku` the SKU derived from its options instead, and adds a warning.
    /// Returns `false` if there is no such variant, or if its SKU is already a derived one.
    pub fn derive_sku(&mut self, sku: &Sku) -> bool {
        let Some(index) = self.change.variants.iter().position(|variant| variant.sku.as_ref() == Some(sku)) else {
            return false;
        };
        let variant = &mut self.change.variants[index];
        variant.sku = None;
        let derived = derived_sku(&self.change.handle, &variant.options);
        let kind = WarningKind::SkuTaken { sku: sku.clone(), derived };
        self.warnings.push(Warning { line: self.variants[index].line, kind });
        true
    }

    /// Removes the variant whose SKU belongs to another product.
    pub fn refuse_sku(&mut self, sku: &Sku) -> Vec<RefusedRow> {
        let product = crate::id::ProductId(0);
        self.refuse(&ProductRejection::SkuTaken { sku: sku.clone(), product })
    }

    /// Returns the name of a column as in the file, if the file has the column.
    pub fn column_name(&self, column: Column) -> Option<&str> {
        self.header.name(column)
    }

    fn refused_variant(&self, index: usize, column: Option<Column>, rejection: &ProductRejection) -> RefusedRow {
        let variant = &self.change.variants[index];
        let sku = variant.sku.as_ref().filter(|_| column == Some(Column::Sku));
        let words = sku.map_or_else(|| variant.options.join(" / "), |sku| sku.to_string());
        self.refused(self.variants[index].line, column, Some(words), rejection)
    }

    fn refused(
        &self,
        line: u64,
        column: Option<Column>,
        cell: Option<String>,
        rejection: &ProductRejection,
    ) -> RefusedRow {
        let column = column.and_then(|column| self.header.name(column)).map(str::to_owned);
        RefusedRow { line, column, cell, reason: Refusal::Rejected(rejection.clone()) }
    }

    fn remove_variant(&mut self, index: usize) {
        let line = self.variants.remove(index).line;
        self.change.variants.remove(index);
        self.rows.retain(|row| row.line != line);
    }

    fn refuse_images(&mut self, rejection: &ProductRejection) -> Vec<RefusedRow> {
        self.change.images = ImageChange::Keep;
        for variant in &mut self.change.variants {
            variant.image = None;
        }
        let (images, others): (Vec<_>, Vec<_>) = self.rows.iter().copied().partition(|row| row.only_image);
        if images.is_empty() {
            let column = self.header.name(Column::ImageSrc).map(str::to_owned);
            let why = Refusal::Rejected(rejection.clone());
            let row = RefusedRow { line: self.first_line, column, cell: None, reason: why };
            self.warnings.push(Warning { line: row.line, kind: WarningKind::ImageLeftOut { why: row.words() } });
        }
        self.rows = others;
        images.iter().map(|row| self.refused(row.line, Some(Column::ImageSrc), None, rejection)).collect()
    }

    /// Removes all rows. The first row has the reason, and the others refer to the first.
    pub fn refuse_all(&mut self, rejection: &ProductRejection) -> Vec<RefusedRow> {
        self.refuse_rows(None, rejection)
    }

    fn refuse_rows(&mut self, column: Option<Column>, rejection: &ProductRejection) -> Vec<RefusedRow> {
        let rows = std::mem::take(&mut self.rows);
        self.warnings.clear();
        let Some((first, others)) = rows.split_first() else { return Vec::new() };
        let mut refused = vec![self.refused(first.line, column, None, rejection)];
        let reason = Refusal::ProductRefused { line: first.line };
        refused.extend(others.iter().map(|row| RefusedRow {
            line: row.line,
            column: None,
            cell: None,
            reason: reason.clone(),
        }));
        refused
    }

    fn fault(&self, rejection: &ProductRejection) -> Fault {
        match rejection {
            ProductRejection::Invalid { pointer, .. } => match place(pointer) {
                (Some(index), column) if index < self.variants.len() => Fault::Variant(index, column),
                (_, Some(Column::ImageSrc)) => Fault::Images,
                (_, column) => Fault::Product(column),
            },
            ProductRejection::SkuTaken { sku, .. } | ProductRejection::SkuRefused { sku } => {
                let column = Some(Column::Sku);
                self.variant_with(sku).map_or(Fault::Product(column), |index| Fault::Variant(index, column))
            }
            ProductRejection::OtherCurrency { .. } => Fault::Product(Some(Column::Price)),
            _ => Fault::Product(None),
        }
    }

    fn variant_with(&self, sku: &Sku) -> Option<usize> {
        let has = |variant: &ImportVariant| match &variant.sku {
            Some(own) => own == sku,
            None => derived_sku(&self.change.handle, &variant.options) == *sku,
        };
        self.change.variants.iter().position(has)
    }
}

/// Returns the variant and the column that a rejection's pointer refers to.
fn place(pointer: &str) -> (Option<usize>, Option<Column>) {
    let mut parts = pointer.split('/').skip(1);
    let column = |part: Option<&str>| match part {
        Some("title") => Some(Column::Title),
        Some("vendor") => Some(Column::Vendor),
        Some("type") => Some(Column::Type),
        Some("tags") => Some(Column::Tags),
        Some("images") => Some(Column::ImageSrc),
        Some("options") => Some(Column::OptionValue(0)),
        Some("price") => Some(Column::Price),
        Some("compare_at_price") => Some(Column::CompareAt),
        Some("image") => Some(Column::VariantImage),
        _ => None,
    };
    match parts.next() {
        Some("variants") => (parts.next().and_then(|index| index.parse().ok()), column(parts.next())),
        part => (None, column(part)),
    }
}
