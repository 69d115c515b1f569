//! The columns of a file: both generations of Shopify's headers, in any order.

use super::{CatalogueError, record::Record};
use crate::product::OPTIONS_MAX;

/// The meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The product's name in URLs.
    Handle,
    /// The product's title; only the product's own row has one.
    Title,
    /// The product's description, in HTML.
    Description,
    /// The vendor.
    Vendor,
    /// The product type.
    Type,
    /// The tags, separated by commas.
    Tags,
    /// Whether the product is in the shop: true or false.
    Published,
    /// The product's status: active, draft or archived.
    Status,
    /// Whether the product is a gift card.
    GiftCard,
    /// The name of an option, 0 to 2.
    OptionName(usize),
    /// The variant's value of an option, 0 to 2.
    OptionValue(usize),
    /// The variant's SKU.
    Sku,
    /// The variant's price.
    Price,
    /// The variant's compare-at price.
    CompareAt,
    /// The currency of the product's prices. Shopify has no such column: the prices in its files are in the shop's
    /// currency.
    Currency,
    /// The system that tracks the variant's stock.
    Tracker,
    /// The variant's stock.
    Quantity,
    /// Whether the variant is sold without stock.
    Policy,
    /// The URL of an image.
    ImageSrc,
    /// The position of the image.
    ImagePosition,
    /// The alternative text of the image.
    ImageAlt,
    /// The URL of the variant's image.
    VariantImage,
}

impl Column {
    /// Returns the name of the column in the newer generation of headers, as in exports.
    pub fn title(self) -> &'static str {
        match self {
            Column::Handle => "URL handle",
            Column::Title => "Title",
            Column::Description => "Description",
            Column::Vendor => "Vendor",
            Column::Type => "Type",
            Column::Tags => "Tags",
            Column::Published => "Published on online store",
            Column::Status => "Status",
            Column::GiftCard => "Gift card",
            Column::OptionName(0) => "Option1 name",
            Column::OptionName(1) => "Option2 name",
            Column::OptionName(_) => "Option3 name",
            Column::OptionValue(0) => "Option1 value",
            Column::OptionValue(1) => "Option2 value",
            Column::OptionValue(_) => "Option3 value",
            Column::Sku => "SKU",
            Column::Price => "Price",
            Column::CompareAt => "Compare-at price",
            Column::Currency => "Currency",
            Column::Tracker => "Inventory tracker",
            Column::Quantity => "Inventory quantity",
            Column::Policy => "Continue selling when out of stock",
            Column::ImageSrc => "Product image URL",
            Column::ImagePosition => "Image position",
            Column::ImageAlt => "Image alt text",
            Column::VariantImage => "Variant image URL",
        }
    }
}

/// Every column with its names in lower case: first the newer name, which exports have, then the others. The names are
/// those of Shopify's sample files and exports; `Custom Product Type` was in those of 2021 and 2022.
pub(super) const NAMES: [(Column, &[&str]); 26] = [
    (Column::Title, &["title"]),
    (Column::Handle, &["url handle", "handle"]),
    (Column::Description, &["description", "body (html)", "body html"]),
    (Column::Vendor, &["vendor"]),
    (Column::Type, &["type", "custom product type"]),
    (Column::Tags, &["tags"]),
    (Column::Published, &["published on online store", "published"]),
    (Column::Status, &["status"]),
    (Column::Sku, &["sku", "variant sku"]),
    (Column::OptionName(0), &["option1 name"]),
    (Column::OptionValue(0), &["option1 value"]),
    (Column::OptionName(1), &["option2 name"]),
    (Column::OptionValue(1), &["option2 value"]),
    (Column::OptionName(2), &["option3 name"]),
    (Column::OptionValue(2), &["option3 value"]),
    (Column::Price, &["price", "variant price"]),
    (Column::CompareAt, &["compare-at price", "compare at price", "variant compare at price"]),
    (Column::Currency, &["currency", "price currency"]),
    (Column::Tracker, &["inventory tracker", "variant inventory tracker"]),
    (Column::Quantity, &["inventory quantity", "variant inventory qty", "variant inventory quantity"]),
    (Column::Policy, &["continue selling when out of stock", "variant inventory policy"]),
    (Column::ImageSrc, &["product image url", "image src"]),
    (Column::ImagePosition, &["image position"]),
    (Column::ImageAlt, &["image alt text"]),
    (Column::VariantImage, &["variant image url", "variant image"]),
    (Column::GiftCard, &["gift card"]),
];

const _: () = assert!(OPTIONS_MAX == 3, "the file has columns for three options");

/// The positions of the columns in a file.
#[derive(Debug)]
pub(super) struct Header {
    /// The field and the name in the file of each of [`NAMES`].
    places: [Option<(usize, String)>; NAMES.len()],
    /// The names of all other columns.
    pub(super) ignored: Vec<String>,
    /// The number of columns.
    pub(super) len: usize,
}

impl Header {
    /// Reads a header, or returns the error in it.
    pub(super) fn read(record: &Record) -> Result<Self, CatalogueError> {
        let line = record.line;
        if record.fault.is_some() || record.fields_seen > record.len() {
            return Err(CatalogueError::HeaderTooLong { line });
        }
        let mut header = Self { places: [const { None }; NAMES.len()], ignored: Vec::new(), len: record.len() };
        for (field, bytes) in record.fields().enumerate() {
            let name = std::str::from_utf8(bytes).map_err(|_| CatalogueError::NotUtf8 { line })?;
            // A byte order mark may be inside the quotes of the first cell.
            let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            let plain = name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            let Some(known) = NAMES.iter().position(|(_, names)| names.contains(&plain.as_str())) else {
                if !name.is_empty() {
                    header.ignored.push(name.to_owned());
                }
                continue;
            };
            if let Some((_, first)) = &header.places[known] {
                return Err(CatalogueError::DoubledColumn { first: first.clone(), second: name.to_owned() });
            }
            header.places[known] = Some((field, name.to_owned()));
        }
        if header.field(Column::Title).is_none() {
            let hint = match &header.ignored[..] {
                [only] if header.len == 1 && only.contains(';') => ": separate columns by commas, not by semicolons",
                [only] if header.len == 1 && only.contains('\t') => ": separate columns by commas, not by tabs",
                _ => "",
            };
            return Err(CatalogueError::MissingColumn { name: "Title", hint });
        }
        Ok(header)
    }

    fn place(&self, column: Column) -> Option<&(usize, String)> {
        let index = NAMES.iter().position(|(known, _)| *known == column)?;
        self.places[index].as_ref()
    }

    /// Returns the index of the field with this column, if the file has the column.
    pub(super) fn field(&self, column: Column) -> Option<usize> {
        self.place(column).map(|place| place.0)
    }

    /// Returns the name of the column as in the file.
    pub(super) fn name(&self, column: Column) -> Option<&str> {
        self.place(column).map(|place| place.1.as_str())
    }

    /// Returns the column of this field, if the field has a known meaning.
    pub(super) fn column_of_field(&self, field: usize) -> Option<Column> {
        let has = |place: &Option<(usize, String)>| place.as_ref().is_some_and(|place| place.0 == field);
        self.places.iter().position(has).map(|index| NAMES[index].0)
    }
}
