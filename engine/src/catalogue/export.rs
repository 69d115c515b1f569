//! Exports a catalogue in a form that imports as the same catalogue.

use std::io::Write;

use super::{
    guard::guarded,
    header::{Column, NAMES},
    rules::format_price,
};
use crate::{
    id::Sku,
    product::{Image, NO_OPTION, ProductView, Status, VariantView},
};

/// Writes products with Shopify's newer generation of headers: one row for each variant, with the images next to them,
/// and the product's own values in the first row.
///
/// The column `Currency` has the currency of each product's prices. An import here uses it; Shopify ignores it and
/// treats all prices as in the shop's currency. Cells that a spreadsheet would run as formulas are guarded.
pub struct Exporter<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> Exporter<W> {
    /// Writes the header.
    pub fn new(output: W) -> Result<Self, csv::Error> {
        let mut csv = csv::WriterBuilder::new().from_writer(output);
        csv.write_record(NAMES.iter().map(|(column, _)| column.title()))?;
        Ok(Self { csv })
    }

    /// Writes one product. `stock` returns the units on hand of a SKU, if they are known.
    pub fn product(&mut self, product: &ProductView, stock: impl Fn(&Sku) -> Option<u64>) -> Result<(), csv::Error> {
        for index in 0..product.variants.len().max(product.images.len()) {
            let row = Row {
                product,
                first: index == 0,
                stock: product.variants.get(index).and_then(|variant| stock(&variant.sku)),
                variant: product.variants.get(index),
                image: product.images.get(index),
            };
            self.csv.write_record(NAMES.iter().map(|(column, _)| guarded(&row.cell(*column)).into_owned()))?;
        }
        Ok(())
    }

    /// Flushes the buffer and returns the output.
    pub fn finish(self) -> Result<W, std::io::Error> {
        self.csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

struct Row<'a> {
    product: &'a ProductView,
    first: bool,
    variant: Option<&'a VariantView>,
    stock: Option<u64>,
    image: Option<&'a Image>,
}

impl Row<'_> {
    fn cell(&self, column: Column) -> String {
        match column {
            Column::Handle => self.product.handle.to_string(),
            Column::ImageSrc => self.image.map(|image| image.src.clone()).unwrap_or_default(),
            Column::ImagePosition => self.image.map(|image| image.position.to_string()).unwrap_or_default(),
            Column::ImageAlt => self.image.map(|image| image.alt.clone()).unwrap_or_default(),
            column => self.product_cell(column).or_else(|| self.variant_cell(column)).unwrap_or_default(),
        }
    }

    fn product_cell(&self, column: Column) -> Option<String> {
        let product = self.first.then_some(self.product)?;
        Some(match column {
            Column::Title => product.title.clone(),
            Column::Description => product.description.as_str().to_owned(),
            Column::Vendor => product.vendor.clone(),
            Column::Type => product.product_type.clone(),
            Column::Tags => product.tags.join(", "),
            Column::Published => if product.status == Status::Active { "TRUE" } else { "FALSE" }.to_owned(),
            Column::Status => match product.status {
                Status::Active => "Active",
                Status::Draft => "Draft",
                Status::Archived => "Archived",
            }
            .to_owned(),
            Column::GiftCard => "FALSE".to_owned(),
            Column::Currency => product.currency.to_string(),
            Column::OptionName(0) if product.options.is_empty() => NO_OPTION.0.to_owned(),
            Column::OptionName(index) => product.options.get(index).map(|option| option.name.clone())?,
            _ => return None,
        })
    }

    fn variant_cell(&self, column: Column) -> Option<String> {
        let variant = self.variant?;
        Some(match column {
            Column::Sku => variant.sku.to_string(),
            Column::OptionValue(0) if variant.options.is_empty() => NO_OPTION.1.to_owned(),
            Column::OptionValue(index) => variant.options.get(index)?.clone(),
            Column::Price => format_price(variant.price.amount, variant.price.currency),
            Column::CompareAt => variant.compare_at.map(|money| format_price(money.amount, money.currency))?,
            Column::Tracker => "shopify".to_owned(),
            Column::Quantity => self.stock?.to_string(),
            Column::Policy => "deny".to_owned(),
            Column::VariantImage => self.product.picture_of(variant.id)?.src.clone(),
            _ => return None,
        })
    }
}
