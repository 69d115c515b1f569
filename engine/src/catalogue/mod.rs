//! Shopify's product CSV, read and written.
//!
//! A pure text format: rows go in and [`ProductRows`] come out, product by product, in bounded memory. What is already
//! in the shop is not known here: [`Product`](crate::product::Product) merges what a file says with it.
//!
//! ```text
//! bytes ─ record ─▶ rows with the lines that a person sees ─ header, rules ─▶ cells that mean something
//!       ─ group ─▶ one ImportChange for each run of rows with one handle
//! ```
//!
//! Both generations of headers are known. Product columns come from a row with a title; rows without one add variants
//! and images to the product above. A handle that returns later in the file is another change of the same product.

mod export;
mod group;
mod header;
mod reader;
mod record;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::{
    export::Exporter,
    header::Column,
    reader::{Item, Reader},
    rules::{format_price, parse_price},
};
use crate::{
    id::Sku,
    money::{AMOUNT_MAX, Currency},
    product::{
        Handle, IMAGES_MAX, ImportChange, InvalidDescription, InvalidHandle, ProductRejection, TAGS_MAX, VARIANTS_MAX,
        derived_sku,
    },
    quantity::QUANTITY_MAX,
};
use header::Header;

/// The longest cell, in bytes: twice the longest description, which is the longest thing that a file can say.
pub const FIELD_BYTES_MAX: usize = 1 << 20;
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
    /// How many rows it is made of; refused ones are not among them.
    pub rows: u64,
    /// What they say.
    pub change: ImportChange,
    /// For each variant of the change, in its order: where it stands, and its stock.
    pub variants: Vec<VariantRow>,
    /// What a person should know about them.
    pub warnings: Vec<Warning>,
    header: Arc<Header>,
}

/// The row of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantRow {
    /// Its line.
    pub line: u64,
    /// Units on hand, at most [`QUANTITY_MAX`]. `None`: the file does not say.
    pub stock: Option<u64>,
}

impl ProductRows {
    /// The refusal of the whole product, or of the row that is at fault, as the run's table shows it.
    pub fn refusal(&self, rejection: &ProductRejection) -> RefusedRow {
        let (variant, column) = match rejection {
            ProductRejection::Invalid { pointer, .. } => place(pointer),
            ProductRejection::SkuTaken { sku, .. } | ProductRejection::SkuRefused { sku } => {
                (self.variant_with(sku), Some(Column::Sku))
            }
            ProductRejection::OtherCurrency { .. } => (None, Some(Column::Price)),
            _ => (None, None),
        };
        let line = variant.and_then(|index| self.variants.get(index)).map_or(self.first_line, |row| row.line);
        let column = column.and_then(|column| self.header.name(column)).map(str::to_owned);
        RefusedRow { line, column, reason: Refusal::Rejected(rejection.clone()) }
    }

    fn variant_with(&self, sku: &Sku) -> Option<usize> {
        let has = |variant: &crate::product::ImportVariant| match &variant.sku {
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
        _ => None,
    };
    match parts.next() {
        Some("variants") => (parts.next().and_then(|index| index.parse().ok()), column(parts.next())),
        part => (None, column(part)),
    }
}

/// A row that is not imported.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedRow {
    /// The line that it starts on, as a person sees it in the file.
    pub line: u64,
    /// The column at fault, as the file's header spells it, if one is.
    pub column: Option<String>,
    /// Why.
    pub reason: Refusal,
}

/// Why a row is not imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The row has bytes that are not text in UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A cell is longer than [`FIELD_BYTES_MAX`].
    #[error("longer than {FIELD_BYTES_MAX} bytes (is a quote left open?)")]
    FieldTooLong,
    /// The row is longer than [`ROW_BYTES_MAX`].
    #[error("the row is longer than {ROW_BYTES_MAX} bytes")]
    RowTooLong,
    /// The file ends within quotes.
    #[error("the quote is never closed")]
    OpenQuote,
    /// More cells than the header has: a comma or a quote that is not quoted.
    #[error("the row has {cells} cells and the header {columns} (is a comma not quoted?)")]
    TooManyCells {
        /// How many the row has.
        cells: usize,
        /// How many the header has.
        columns: usize,
    },
    /// A row without handle and title at the top of the file.
    #[error("there is no product above that this row could belong to")]
    NoProduct,
    /// The product's own row was refused, so what it adds to has no place.
    #[error("the product's row on line {line} was refused")]
    ProductRefused {
        /// The line of the product's row.
        line: u64,
    },
    /// Nothing of it can be in a handle.
    #[error(transparent)]
    Handle(#[from] InvalidHandle),
    /// Not digits with at most one decimal point.
    #[error("not a price: write digits with a decimal point, without currency sign and separators")]
    NotAPrice,
    /// Below zero.
    #[error("below zero")]
    NegativePrice,
    /// More decimals than the currency has.
    #[error("{currency} has {} decimals", currency.decimals())]
    TooManyDecimals {
        /// The currency of the import.
        currency: Currency,
    },
    /// Beyond what can be charged.
    #[error("more than {AMOUNT_MAX} minor units")]
    PriceTooLarge,
    /// A variant's row without a price. Nothing is given away by mistake.
    #[error("a variant needs a price")]
    PriceMissing,
    /// Not a whole number.
    #[error("not a whole number")]
    NotAQuantity,
    /// Fewer than none: sold more than there was. Take stock, and write what is there.
    #[error("below zero")]
    NegativeQuantity,
    /// More than [`QUANTITY_MAX`].
    #[error("more than {QUANTITY_MAX} units")]
    QuantityTooLarge,
    /// Gift cards are not goods with stock.
    #[error("gift cards are not imported")]
    GiftCard,
    /// Another variant of the file has this SKU.
    #[error("the sku {sku} is on line {first_line} already")]
    DuplicateSku {
        /// Which SKU.
        sku: Sku,
        /// The line of the first.
        first_line: u64,
    },
    /// The product has these option values on another of its rows.
    #[error("the product has these option values on line {first_line} already")]
    DuplicateVariant {
        /// The line of the first.
        first_line: u64,
    },
    /// Control characters, or too long.
    #[error("not a valid sku")]
    InvalidSku,
    /// The product has this option, and the row no value for it.
    #[error("the product has this option, and the row has no value for it")]
    OptionMissing,
    /// The row has a value, and the product not so many options.
    #[error("the product has no option for this value")]
    OptionUnknown,
    /// Two options have one name.
    #[error("two options have the same name")]
    OptionDoubled,
    /// Neither true nor false.
    #[error("neither true nor false")]
    NotAFlag,
    /// None of Shopify's statuses.
    #[error("a status is active, draft or archived")]
    UnknownStatus,
    /// None of Shopify's policies.
    #[error("a policy is deny or continue")]
    UnknownPolicy,
    /// Longer than its kind of text may be.
    #[error("more than {max} characters")]
    TextTooLong {
        /// How many characters it may have.
        max: usize,
    },
    /// The description is too long or too much work.
    #[error(transparent)]
    Description(#[from] InvalidDescription),
    /// More than [`TAGS_MAX`].
    #[error("more than {TAGS_MAX} tags")]
    TooManyTags,
    /// More than [`VARIANTS_MAX`] rows of one product with variants.
    #[error("a product has at most {VARIANTS_MAX} variants")]
    TooManyVariants,
    /// More than [`IMAGES_MAX`] rows of one product with images.
    #[error("a product has at most {IMAGES_MAX} images")]
    TooManyImages,
    /// Not an address that a page could show.
    #[error("not an http(s) address")]
    InvalidImage,
    /// Not a whole number from 1 on.
    #[error("not a position: a whole number from 1 on")]
    NotAPosition,
    /// The product refused it: see [`ProductRows::refusal`].
    #[error(transparent)]
    Rejected(ProductRejection),
}

/// Something that was imported otherwise than it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line it is about.
    pub line: u64,
    /// What.
    pub kind: WarningKind,
}

/// What was imported otherwise than it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// Columns that have no meaning here.
    #[error("ignored columns: {}", names.join(", "))]
    IgnoredColumns {
        /// As the header spells them.
        names: Vec<String>,
    },
    /// There is no column of handles, so every product's is made of its title.
    #[error("the file has no handles: they are made of the titles")]
    NoHandles,
    /// A blank handle was made of the title.
    #[error("the blank handle is made of the title: {handle}")]
    HandleFromTitle {
        /// The handle.
        handle: Handle,
    },
    /// A handle had characters that a handle cannot have.
    #[error("the handle is spelled {handle}")]
    HandleSpelled {
        /// The handle as it is kept.
        handle: Handle,
    },
    /// The row has fewer cells than the header: the others count as blank.
    #[error("the row has only {cells} cells: the others count as blank")]
    ShortRow {
        /// How many it has.
        cells: usize,
    },
    /// Shopify does not track the variant: its quantity is taken as stock.
    #[error("not tracked in Shopify: the quantity is taken as stock")]
    Untracked,
    /// Shopify sells the variant without stock; here it is sold out instead.
    #[error("selling without stock is not possible: the variant will be sold out at zero")]
    NoBackorders,
    /// A product that only those with its address see; here it is a draft.
    #[error("unlisted products are drafts here")]
    Unlisted,
}
