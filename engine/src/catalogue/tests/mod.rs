#![allow(clippy::unwrap_used)]

mod faults;
mod headers;
mod merging;
mod pictures;
mod refusing;
mod round_trip;
mod samples;

use super::*;
use crate::product::{ImageChange, ImportVariant, Status};

fn currency() -> Currency {
    Currency::USD
}

/// The items of a file, by kind.
struct Read {
    products: Vec<ProductRows>,
    refused: Vec<RefusedRow>,
    file_warnings: Vec<Warning>,
}

fn read_bytes(file: &[u8]) -> Read {
    read_with(file, DuplicateSku::Refuse)
}

fn read_with(file: &[u8], duplicates: DuplicateSku) -> Read {
    let mut reader = Reader::new(file, currency(), duplicates).unwrap();
    let (mut products, mut refused) = (Vec::new(), Vec::new());
    for item in reader.by_ref() {
        match item.unwrap() {
            Item::Product(rows) => products.push(*rows),
            Item::Refused(row) => refused.push(row),
        }
    }
    let imported = products.iter().flat_map(|product| product.rows.iter().map(|row| row.line));
    let mut lines: Vec<u64> = imported.chain(refused.iter().map(|row| row.line)).collect();
    assert_eq!(lines.len() as u64, reader.rows(), "every row is imported or refused");
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len() as u64, reader.rows(), "and no row is both");
    assert!(refused.iter().all(|row| !row.words().contains('/') || row.cell.is_some()), "no pointer: {refused:?}");
    Read { products, refused, file_warnings: reader.warnings().to_vec() }
}

fn read(file: &str) -> Read {
    read_bytes(file.as_bytes())
}

impl Read {
    /// Returns the only product of a file without refusals.
    fn product(&self) -> &ProductRows {
        assert_eq!(self.refused, [], "nothing is refused");
        let [product] = &self.products[..] else { panic!("one product, not {}", self.products.len()) };
        product
    }

    /// Returns the only refusal: its line, its column and the reason.
    fn refusal(&self) -> (u64, &str, &Refusal) {
        let [row] = &self.refused[..] else { panic!("one refused row: {:?}", self.refused) };
        (row.line, row.column.as_deref().unwrap_or(""), &row.reason)
    }

    fn handles(&self) -> Vec<&str> {
        self.products.iter().map(|product| product.change.handle.as_str()).collect()
    }
}

fn values(product: &ProductRows) -> Vec<String> {
    product.change.variants.iter().map(|variant| variant.options.join("/")).collect()
}

fn warnings(product: &ProductRows) -> Vec<&WarningKind> {
    product.warnings.iter().map(|warning| &warning.kind).collect()
}

fn error(file: &[u8]) -> CatalogueError {
    Reader::new(file, currency(), DuplicateSku::Refuse).err().expect("the header is refused")
}

/// Returns a file with the columns that most rules are about.
fn shop(rows: &str) -> String {
    format!("Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\n{rows}")
}
