//! Shopify's product CSV, read and written.
//!
//! A pure text format: rows go in and [`ProductRows`] come out, product by product, in bounded memory. What is already
//! in the shop is not known here: [`Product`](crate::product::Product) merges what a file says with it.
//!
//! ```text
//! bytes ─ record ─▶ rows with the lines that a person sees ─ header, cells, rules ─▶ cells that mean something
//!       ─ group ─▶ one ImportChange for each run of rows with one handle
//! ```
//!
//! A row says up to three things: of the product, of a variant, of an image. What is wrong with one of them costs that
//! one. Every row is imported or refused: a row whose variant is refused counts as refused, also where the product's own
//! cells in it are taken; an image that is left out is a warning, unless the row says nothing else.
//!
//! Both generations of headers are known. Product columns come from a row with a title; rows without one add variants
//! and images to the product above. A handle that returns later in the file is another change of the same product.

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

/// The longest cell, in bytes: the longest description, of characters of four bytes, which is the longest thing that a file
/// can say.
pub const FIELD_BYTES_MAX: usize = 4 * DESCRIPTION_CHARS_MAX;
/// The longest row, in bytes: the memory that one row may take, however many columns it has.
pub const ROW_BYTES_MAX: usize = 4 << 20;
/// The most columns: Shopify's own are some 60, and metafields add to them.
pub const COLUMNS_MAX: usize = 1_000;
/// The most rows of one file: the reader remembers 32 bytes of each, to find SKUs that come twice.
pub const ROWS_MAX: u64 = 1_000_000;

/// A file that cannot be read, or not to its end. Rows that came before are as good as they were.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The bytes did not come.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// There is no header.
    #[error("the file is empty")]
    Empty,
    /// The header is not text in UTF-8. Spreadsheets offer "CSV UTF-8" when saving.
    #[error("line {line} is not UTF-8: save the file as \"CSV UTF-8\"")]
    NotUtf8 {
        /// The header's line.
        line: u64,
    },
    /// A column without which nothing can be imported.
    #[error("the file has no column {name:?}{hint}")]
    MissingColumn {
        /// Its name.
        name: &'static str,
        /// What may be wrong, with a leading space, or nothing.
        hint: &'static str,
    },
    /// Two columns say the same.
    #[error("the columns {first:?} and {second:?} say the same")]
    DoubledColumn {
        /// The one, as the file spells it.
        first: String,
        /// The other.
        second: String,
    },
    /// The header has more than [`COLUMNS_MAX`] cells or one longer than [`FIELD_BYTES_MAX`], or a quote is left open.
    #[error("the header, on line {line}, does not end or has more than {COLUMNS_MAX} columns")]
    HeaderTooLong {
        /// The header's line.
        line: u64,
    },
    /// There are more than [`ROWS_MAX`] rows: cut the file in parts.
    #[error("a file has at most {ROWS_MAX} rows, and line {line} is one too many")]
    TooManyRows {
        /// The line of the first row that was not read.
        line: u64,
    },
}

/// Rows that follow each other and speak of one product.
#[derive(Debug, Clone)]
pub struct ProductRows {
    /// The line of the first row, as a person sees it in the file.
    pub first_line: u64,
    /// The rows that it is made of, in their order; refused ones are not among them.
    pub rows: Vec<ImportedRow>,
    /// The currency of its prices: what the file says, or that of the import.
    pub currency: Currency,
    /// What they say.
    pub change: ImportChange,
    /// For each variant of the change, in its order: where it stands, and its stock.
    pub variants: Vec<VariantRow>,
    /// What a person should know about them.
    pub warnings: Vec<Warning>,
    header: Arc<Header>,
}

/// A row that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedRow {
    /// Its line.
    pub line: u64,
    /// Whether it says nothing but an image.
    pub only_image: bool,
}

/// The row of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantRow {
    /// Its line.
    pub line: u64,
    /// Units on hand, at most [`QUANTITY_MAX`](crate::quantity::QUANTITY_MAX). `None`: the file does not say.
    pub stock: Option<u64>,
}

/// What a rejection of the product is about.
enum Fault {
    Variant(usize, Option<Column>),
    Images,
    Product(Option<Column>),
}

impl ProductRows {
    /// Takes out what the product rejected: a variant with its row, the images, or everything. What is left, if
    /// `rows` is not empty, can be tried again.
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

    /// Gives the variant with `sku` the SKU that is derived from its options instead, and notes a warning. `false`: there
    /// is no such variant, or its SKU is derived already.
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

    /// Takes out the variant whose SKU another product has.
    pub fn refuse_sku(&mut self, sku: &Sku) -> Vec<RefusedRow> {
        let product = crate::id::ProductId(0);
        self.refuse(&ProductRejection::SkuTaken { sku: sku.clone(), product })
    }

    /// How the file spells a column, if it has it.
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

    /// Takes out everything. The first row has the reason, the others name it.
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

/// The variant and the column that a rejection's pointer points at.
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
