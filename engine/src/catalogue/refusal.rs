//! Rows that are not imported, and warnings about rows that are imported with changes.

use super::{FIELD_BYTES_MAX, ROW_BYTES_MAX};
use crate::{
    id::Sku,
    money::{AMOUNT_MAX, Currency, MoneyError},
    product::{
        Handle, IMAGE_SRC_CHARS_MAX, IMAGES_MAX, InvalidDescription, InvalidHandle, LeftOut, ProductRejection,
        TAGS_MAX, VARIANTS_MAX, single_line,
    },
    quantity::QUANTITY_MAX,
};

/// A row that is not imported.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedRow {
    /// The line on which the row starts, as a text editor shows it.
    pub line: u64,
    /// The name of the column with the error, as in the file's header, if the error is in a column.
    pub column: Option<String>,
    /// The content of the cell with the error, if the error is in a cell.
    pub cell: Option<String>,
    /// The reason.
    pub reason: Refusal,
}

/// The maximum number of characters of a cell that are shown.
pub(super) const CELL_CHARS_SHOWN: usize = 80;

impl RefusedRow {
    /// Returns the reason, preceded by the content of the cell.
    pub fn words(&self) -> String {
        match self.cell.as_deref() {
            None | Some("") => self.reason.to_string(),
            Some(cell) => format!("\"{}\": {}", shown(cell), self.reason),
        }
    }
}

/// Returns a cell for display: on one line, and at most [`CELL_CHARS_SHOWN`] characters.
pub(super) fn shown(cell: &str) -> String {
    let line = single_line(cell);
    match line.char_indices().nth(CELL_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The reason why a row is not imported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The row has bytes that are not UTF-8 text.
    #[error("not UTF-8")]
    NotUtf8,
    /// A cell is longer than [`FIELD_BYTES_MAX`].
    #[error("longer than {FIELD_BYTES_MAX} bytes (is a closing quote missing?)")]
    FieldTooLong,
    /// The row is longer than [`ROW_BYTES_MAX`].
    #[error("the row is longer than {ROW_BYTES_MAX} bytes")]
    RowTooLong,
    /// The file ends inside quotes.
    #[error("the quote is never closed")]
    OpenQuote,
    /// The row has more cells than the header: probably a comma or a quote that is not quoted.
    #[error("the row has {cells} cells and the header {columns} (is a comma not quoted?)")]
    TooManyCells {
        /// The number of cells in the row.
        cells: usize,
        /// The number of cells in the header.
        columns: usize,
    },
    /// The row has neither a handle nor a title, and there is no product above it.
    #[error("no product precedes this row")]
    NoProduct,
    /// The product's own row was refused, and so are the rows that add to it.
    #[error("the product's row on line {line} was rejected")]
    ProductRefused {
        /// The line of the product's row.
        line: u64,
    },
    /// No character of the text can be part of a handle.
    #[error(transparent)]
    Handle(#[from] InvalidHandle),
    /// The price is not digits with at most one decimal point.
    #[error("not a price: use digits with a decimal point, without currency symbol or separators")]
    NotAPrice,
    /// The price is negative.
    #[error("below zero")]
    NegativePrice,
    /// The price has more decimals than the currency.
    #[error("{currency} has {} decimals", currency.decimals())]
    TooManyDecimals {
        /// The currency of the price.
        currency: Currency,
    },
    /// The price is larger than the largest amount that can be charged.
    #[error("more than {AMOUNT_MAX} minor units")]
    PriceTooLarge,
    /// The currency is unknown, or not in use.
    #[error(transparent)]
    Currency(#[from] MoneyError),
    /// The currency differs from the rows of the product above.
    #[error("the product's prices are in {own}")]
    SecondCurrency {
        /// The currency of the product.
        own: Currency,
    },
    /// The row has a variant without a price. It is not imported as free of charge.
    #[error("a variant requires a price")]
    PriceMissing,
    /// The quantity is not a whole number.
    #[error("not a whole number")]
    NotAQuantity,
    /// The quantity is larger than [`QUANTITY_MAX`].
    #[error("more than {QUANTITY_MAX} units")]
    QuantityTooLarge,
    /// The product is a gift card, which has no stock.
    #[error("gift cards are not imported")]
    GiftCard,
    /// Another variant in the file has this SKU.
    #[error("the sku {sku} is on line {first_line} already")]
    DuplicateSku {
        /// The SKU.
        sku: Sku,
        /// The line of the first variant.
        first_line: u64,
    },
    /// Another row of the product has the same option values.
    #[error("the product has these option values on line {first_line} already")]
    DuplicateVariant {
        /// The line of the first row.
        first_line: u64,
    },
    /// The SKU has control characters or is too long.
    #[error("not a valid sku")]
    InvalidSku,
    /// The row has no value for an option of the product.
    #[error("the product has this option, and the row has no value for it")]
    OptionMissing,
    /// The row has a value for an option that the product does not have.
    #[error("the product has no option for this value")]
    OptionUnknown,
    /// Two options have the same name.
    #[error("two options have the same name")]
    OptionDoubled,
    /// The value is neither true nor false.
    #[error("must be true or false")]
    NotAFlag,
    /// The value is not a status in Shopify.
    #[error("must be active, draft or archived")]
    UnknownStatus,
    /// The value is not an inventory policy in Shopify.
    #[error("must be deny or continue")]
    UnknownPolicy,
    /// The text is longer than the limit for its column.
    #[error("more than {max} characters")]
    TextTooLong {
        /// The maximum number of characters.
        max: usize,
    },
    /// The description is too long, or too expensive to parse.
    #[error(transparent)]
    Description(#[from] InvalidDescription),
    /// The product has more than [`TAGS_MAX`] tags.
    #[error("more than {TAGS_MAX} tags")]
    TooManyTags,
    /// The product has more than [`VARIANTS_MAX`] variants in the file.
    #[error("a product has at most {VARIANTS_MAX} variants")]
    TooManyVariants,
    /// The product has more than [`IMAGES_MAX`] images in the file.
    #[error("a product has at most {IMAGES_MAX} images")]
    TooManyImages,
    /// The value is not a URL that a page can show.
    #[error("not an http(s) URL")]
    InvalidImage,
    /// The image is in the file itself (`data:`).
    #[error("embedded images (data:) are not imported: use a URL")]
    ImageWithin,
    /// The URL is longer than [`IMAGE_SRC_CHARS_MAX`].
    #[error("an image URL has at most {IMAGE_SRC_CHARS_MAX} characters")]
    ImageTooLong,
    /// The cell has several URLs.
    #[error("more than one URL: put each image on a separate row")]
    SeveralImages,
    /// The position is not a whole number from 1.
    #[error("not a position: use a whole number from 1")]
    NotAPosition,
    /// The product rejected the import: see [`ProductRows::refuse`](super::ProductRows::refuse).
    #[error("{}", text_of(.0))]
    Rejected(ProductRejection),
}

/// Returns a product's rejection in words for the reader of a file, without a pointer into JSON.
fn text_of(rejection: &ProductRejection) -> String {
    match rejection {
        ProductRejection::Invalid { why, .. } => why.to_string(),
        other => other.to_string(),
    }
}

/// A warning about a value that was imported with a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The line of the row.
    pub line: u64,
    /// The kind of warning.
    pub kind: WarningKind,
}

/// A kind of warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WarningKind {
    /// Columns without a known meaning.
    #[error("ignored columns: {}", names.join(", "))]
    IgnoredColumns {
        /// The names of the columns, as in the header.
        names: Vec<String>,
    },
    /// The file has no column of handles, so every handle is derived from the product's title.
    #[error("the file has no handles: they are derived from the titles")]
    NoHandles,
    /// The handle was blank, and was derived from the title.
    #[error("the empty handle is derived from the title: {handle}")]
    HandleFromTitle {
        /// The derived handle.
        handle: Handle,
    },
    /// The handle had invalid characters, and was changed.
    #[error("the handle is changed to {handle}")]
    HandleSpelled {
        /// The changed handle.
        handle: Handle,
    },
    /// The row has fewer cells than the header: the missing cells count as blank.
    #[error("the row has only {cells} cells: the others are treated as empty")]
    ShortRow {
        /// The number of cells in the row.
        cells: usize,
    },
    /// Shopify does not track the variant; its quantity is imported as stock.
    #[error("not tracked in Shopify: the quantity is taken as stock")]
    Untracked,
    /// Shopify sells the variant without stock; here it is sold out at zero.
    #[error("selling without stock is not possible: the variant will be sold out at zero")]
    NoBackorders,
    /// The product is unlisted, that is, visible only by its URL; here it becomes a draft.
    #[error("unlisted products are drafts here")]
    Unlisted,
    /// The quantity is negative, which is how Shopify exports oversold stock.
    #[error("{quantity} units: the stock is set to 0")]
    BelowZero {
        /// The content of the cell.
        quantity: String,
    },
    /// An image was left out, and the rest of the row was imported.
    #[error("the image was not imported: {why}")]
    ImageLeftOut {
        /// The reason, with the content of the cell.
        why: String,
    },
    /// Parts of the description that could act on the page, or do not belong in it, were removed.
    #[error("removed from the description: {0}")]
    LeftOut(LeftOut),
    /// Another variant in the file has the SKU: the SKU was derived from the options instead.
    #[error("the sku {sku} is on line {first_line} already: it is {derived} here")]
    SkuDerived {
        /// The SKU in the file.
        sku: Sku,
        /// The line of the first variant.
        first_line: u64,
        /// The derived SKU.
        derived: Sku,
    },
    /// Another variant in the shop has the SKU: the SKU was derived from the options instead.
    #[error("another variant of the shop has the sku {sku}: a new variant gets {derived} here")]
    SkuTaken {
        /// The SKU in the file.
        sku: Sku,
        /// The derived SKU, which the variant gets unless it has a SKU already.
        derived: Sku,
    },
}
