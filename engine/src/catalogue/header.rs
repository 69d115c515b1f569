//! Which column says what: both generations of Shopify's headers, in any order.

use super::{CatalogueError, record::Record};
use crate::product::OPTIONS_MAX;

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The product's name in URLs.
    Handle,
    /// What the product is called; only a product's own row has one.
    Title,
    /// What is said of it, in HTML.
    Description,
    /// Who makes it.
    Vendor,
    /// What kind of thing it is.
    Type,
    /// Words to find it by, with commas between them.
    Tags,
    /// Whether it is in the shop: true or false.
    Published,
    /// Active, draft or archived.
    Status,
    /// Whether it is a gift card.
    GiftCard,
    /// The name of an option, 0 to 2.
    OptionName(usize),
    /// The variant's value of an option, 0 to 2.
    OptionValue(usize),
    /// What is counted.
    Sku,
    /// The variant's price.
    Price,
    /// What it costs elsewhere.
    CompareAt,
    /// The currency of the product's prices. Shopify has no such column: its files have the shop's one currency.
    Currency,
    /// Who tracks its stock.
    Tracker,
    /// Its stock.
    Quantity,
    /// Whether it is sold without stock.
    Policy,
    /// An image's address.
    ImageSrc,
    /// Its place.
    ImagePosition,
    /// What it shows, in words.
    ImageAlt,
    /// The address of the variant's picture.
    VariantImage,
}

impl Column {
    /// Its name in the newer generation of files, as exports spell it.
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

/// Every column, with its names in lower case: the newer one, which exports have, then the others. The names are those
/// of Shopify's sample files and exports; `Custom Product Type` was in those of 2021 and 2022.
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

/// Where a file has which column.
#[derive(Debug)]
pub(super) struct Header {
    /// For each of [`NAMES`], the field and the name as the file spells it.
    places: [Option<(usize, String)>; NAMES.len()],
    /// The names of all other columns.
    pub(super) ignored: Vec<String>,
    /// How many columns there are.
    pub(super) len: usize,
}

impl Header {
    /// Reads a header, or says what it lacks.
    pub(super) fn read(record: &Record) -> Result<Self, CatalogueError> {
        let line = record.line;
        if record.fault.is_some() || record.fields_seen > record.len() {
            return Err(CatalogueError::HeaderTooLong { line });
        }
        let mut header = Self { places: [const { None }; NAMES.len()], ignored: Vec::new(), len: record.len() };
        for (field, bytes) in record.fields().enumerate() {
            let name = std::str::from_utf8(bytes).map_err(|_| CatalogueError::NotUtf8 { line })?;
            // A byte order mark may stand within the first cell's quotes.
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

    /// Which field of a row says this, if the file has the column.
    pub(super) fn field(&self, column: Column) -> Option<usize> {
        self.place(column).map(|place| place.0)
    }

    /// How the file spells the column.
    pub(super) fn name(&self, column: Column) -> Option<&str> {
        self.place(column).map(|place| place.1.as_str())
    }

    /// What this field says, if it means something here.
    pub(super) fn column_of_field(&self, field: usize) -> Option<Column> {
        let has = |place: &Option<(usize, String)>| place.as_ref().is_some_and(|place| place.0 == field);
        self.places.iter().position(has).map(|index| NAMES[index].0)
    }
}
