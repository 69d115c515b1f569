//! Catalogue files: every row is accepted or rejected, each rejection names a line of the file, the result does not
//! depend on how the file is split into pieces, and importing the file a second time changes nothing.
#![no_main]

use std::{collections::HashMap, io::Read};

use engine::{
    aggregate::{Aggregate, Answer, Context, Decision, Saga},
    catalogue::{DuplicateSku, Exporter, Item, ProductRows, Reader},
    effect::Outcome,
    id::{CommandId, Fingerprint, TenantId},
    money::Currency,
    product::{ImportOutcome, Product, ProductCommand, ProductRejection, ProductReply, ProductView},
    stock::StockReply,
    time::Timestamp,
};
use libfuzzer_sys::fuzz_target;

/// The maximum number of products of one file whose merging is tested.
const PRODUCTS_MERGED_MAX: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let [pieces, file @ ..] = bytes else { return };
    // Three decimals, none, and two.
    let currency = Currency::new(["KWD", "JPY", "USD"][usize::from(pieces % 3)]).expect("a currency");
    let whole = read(file, currency);
    let in_pieces = read(Pieces { file, bytes_each: usize::from(pieces / 3) + 1 }, currency);
    assert_eq!(summary(&whole), summary(&in_pieces), "pieces of {} bytes", pieces / 3 + 1);
    let Ok(items) = whole else { return };

    let lines = 1 + file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    for item in &items {
        match item {
            Item::Refused(row) => {
                assert!((2..=lines).contains(&row.line), "line {} of {lines}: {}", row.line, row.reason);
            }
            Item::Product(rows) => {
                let first = rows.first_line;
                assert!((2..=lines).contains(&first), "line {first} of {lines}");
                assert!(rows.variants.iter().all(|row| (first..=lines).contains(&row.line)), "{:?}", rows.variants);
                assert_eq!(rows.variants.len(), rows.change.variants.len());
            }
        }
    }
    let products = items.iter().filter_map(|item| match item {
        Item::Product(rows) => Some(rows),
        Item::Refused(_) => None,
    });
    products.take(PRODUCTS_MERGED_MAX).for_each(|rows| merges(rows, lines));
});

/// Returns the items of a file, or the reason why it was refused.
fn read(file: impl Read, currency: Currency) -> Result<Vec<Item>, String> {
    let mut reader = Reader::new(file, currency, DuplicateSku::Refuse).map_err(|error| error.to_string())?;
    let mut items = Vec::new();
    let mut rows = 0;
    for item in reader.by_ref() {
        let item = item.map_err(|error| error.to_string())?;
        rows += match &item {
            Item::Product(product) => product.rows.len() as u64,
            Item::Refused(_) => 1,
        };
        items.push(item);
    }
    assert_eq!(rows, reader.rows(), "every row is taken or refused");
    Ok(items)
}

fn summary(read: &Result<Vec<Item>, String>) -> String {
    format!("{read:?}")
}

/// A reader that returns a file in small pieces.
struct Pieces<'f> {
    file: &'f [u8],
    bytes_each: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.bytes_each.min(buffer.len()).min(self.file.len());
        let (piece, rest) = self.file.split_at(bytes);
        buffer[..bytes].copy_from_slice(piece);
        self.file = rest;
        Ok(bytes)
    }
}

/// Checks that the rows make a product or are rejected with their line, and that importing them a second time, or
/// importing an export of the product, changes nothing.
fn merges(rows: &ProductRows, lines: u64) {
    let (mut product, mut rows, currency) = (Product::default(), rows.clone(), rows.currency);
    for tries in 1.. {
        let had = rows.rows.len();
        match import(&mut product, &rows, currency, 1_000 + tries) {
            Ok(outcome) => {
                assert_eq!(outcome, ImportOutcome::Created);
                break;
            }
            Err(rejection) => {
                let refused = rows.refuse(&rejection);
                assert!(refused.iter().all(|refused| (rows.first_line..=lines).contains(&refused.line)));
                assert_eq!(had, rows.rows.len() + refused.len(), "{refused:?}");
            }
        }
        if rows.rows.is_empty() {
            return;
        }
    }
    let rows = &rows;
    assert_eq!(import(&mut product, rows, currency, 2), Ok(ImportOutcome::Unchanged));

    let view = view(&mut product);
    let mut exporter = Exporter::new(Vec::new()).expect("in memory");
    let stock: HashMap<_, _> = view.variants.iter().map(|variant| (variant.sku.clone(), 7)).collect();
    exporter.product(&view, |sku| stock.get(sku).copied()).expect("in memory");
    let file = exporter.finish().expect("in memory");
    let items = read(&file[..], currency).expect("our own file");
    let [Item::Product(again)] = &items[..] else { panic!("one product: {items:?}") };
    assert_eq!(import(&mut product, again, currency, 3), Ok(ImportOutcome::Unchanged), "{view:?}");
}

fn import(
    product: &mut Product,
    rows: &ProductRows,
    currency: Currency,
    id: u128,
) -> Result<ImportOutcome, ProductRejection> {
    let tenant = TenantId::new("demo").expect("a tenant");
    let command = ProductCommand::Import { tenant, currency, change: Box::new(rows.change.clone()) };
    match ask(product, &command, id)? {
        ProductReply::Imported(imported) => Ok(imported.outcome),
        other => panic!("not an import: {other:?}"),
    }
}

fn view(product: &mut Product) -> ProductView {
    match ask(product, &ProductCommand::View, 0) {
        Ok(ProductReply::Product(view)) => (*view).clone(),
        other => panic!("not a view: {other:?}"),
    }
}

/// Sends a command to a product whose SKUs are all available.
fn ask(product: &mut Product, command: &ProductCommand, id: u128) -> Result<ProductReply, ProductRejection> {
    let context = Context {
        now: Timestamp(0),
        command_id: CommandId(id),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(id),
    };
    let Decision { events, answer } = product.decide(command, &context)?;
    events.iter().for_each(|event| product.apply(event));
    while let Some(effect) = product.outstanding().pop() {
        let done = Outcome::Stock(Ok(StockReply::Done));
        for event in product.receive_outcome(effect.id, done, Timestamp(0)).expect("adoptions go to stock items") {
            product.apply(&event);
        }
    }
    match answer {
        Answer::Now(reply) | Answer::Duplicate(reply) => Ok(reply),
        Answer::Deferred(ticket) => product.settled(&ticket, Timestamp(0)).expect("nothing is outstanding"),
    }
}
