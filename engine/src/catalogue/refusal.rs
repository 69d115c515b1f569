//! What is not imported, and what is imported otherwise than it was written.

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
    /// The line that it starts on, as a person sees it in the file.
    pub line: u64,
    /// The column at fault, as the file's header spells it, if one is.
    pub column: Option<String>,
    /// What the file says there, if a cell is at fault.
    pub cell: Option<String>,
    /// Why.
    pub reason: Refusal,
}

/// As much of a cell as is shown.
pub(super) const CELL_CHARS_SHOWN: usize = 80;

impl RefusedRow {
    /// The reason, with the words of the file before it.
    pub fn words(&self) -> String {
        match self.cell.as_deref() {
            None | Some("") => self.reason.to_string(),
            Some(cell) => format!("\"{}\": {}", shown(cell), self.reason),
        }
    }
}

/// A cell as it is shown: on one line, and no longer than [`CELL_CHARS_SHOWN`].
pub(super) fn shown(cell: &str) -> String {
    let line = single_line(cell);
    match line.char_indices().nth(CELL_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
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
    /// Not a currency that prices can be made in.
    #[error(transparent)]
    Currency(#[from] MoneyError),
    /// Another currency than on the product's rows above.
    #[error("the product's prices are in {own}")]
    SecondCurrency {
        /// The product's.
        own: Currency,
    },
    /// A variant's row without a price. Nothing is given away by mistake.
    #[error("a variant needs a price")]
    PriceMissing,
    /// Not a whole number.
    #[error("not a whole number")]
    NotAQuantity,
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
    /// An image within the file.
    #[error("an image within the file (data:) is not imported: write its address")]
    ImageWithin,
    /// An address longer than [`IMAGE_SRC_CHARS_MAX`].
    #[error("an image's address has at most {IMAGE_SRC_CHARS_MAX} characters")]
    ImageTooLong,
    /// Several addresses in one cell.
    #[error("more than one address: write each image on a row of its own")]
    SeveralImages,
    /// Not a whole number from 1 on.
    #[error("not a position: a whole number from 1 on")]
    NotAPosition,
    /// The product refused it: see [`ProductRows::refuse`](super::ProductRows::refuse).
    #[error("{}", said(.0))]
    Rejected(ProductRejection),
}

/// What a product says of a request, for people who read a file: no pointer into JSON.
fn said(rejection: &ProductRejection) -> String {
    match rejection {
        ProductRejection::Invalid { why, .. } => (*why).to_owned(),
        other => other.to_string(),
    }
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
    /// Shopify exports what was sold beyond the stock as a number below zero.
    #[error("{said} units: the stock is set to 0")]
    BelowZero {
        /// What the file says.
        said: String,
    },
    /// An image was left out; the rest of the row was taken.
    #[error("the image was left out: {why}")]
    ImageLeftOut {
        /// Why, with the words of the file.
        why: String,
    },
    /// Parts of the description that could act on the page, or do not belong in it.
    #[error("left out of the description: {0}")]
    LeftOut(LeftOut),
    /// Another variant of the file has the SKU: it was derived from the options instead.
    #[error("the sku {sku} is on line {first_line} already: it is {derived} here")]
    SkuDerived {
        /// What the file says.
        sku: Sku,
        /// The line of the first.
        first_line: u64,
        /// What it is instead.
        derived: Sku,
    },
    /// A variant of the shop has the SKU: it was derived from the options instead.
    #[error("another variant of the shop has the sku {sku}: a new variant gets {derived} here")]
    SkuTaken {
        /// What the file says.
        sku: Sku,
        /// What it is instead, unless the variant had another.
        derived: Sku,
    },
}
