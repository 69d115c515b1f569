//! Tests that an exported catalogue imports as the same one.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{
    aggregate::{Aggregate, Answer, Context, Saga},
    effect::{Outcome, Request},
    id::{CommandId, Fingerprint, TenantId},
    money::AMOUNT_MAX,
    product::{
        Handle, ImageEdit, ImportOutcome, NewProduct, NewVariant, Product, ProductCommand, ProductReply, ProductView,
        SafeHtml,
    },
    quantity::QUANTITY_MAX,
    stock::{StockCommand, StockReply},
    time::Timestamp,
};

fn tenant() -> TenantId {
    TenantId::new("demo").unwrap()
}

/// Runs a command, with all SKUs adopted.
fn ask(product: &mut Product, command: ProductCommand) -> ProductReply {
    let context = Context {
        now: Timestamp(0),
        command_id: CommandId(1),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(1),
    };
    let decision = product.decide(&command, &context).unwrap();
    decision.events.iter().for_each(|event| product.apply(event));
    while let Some(effect) = product.outstanding().pop() {
        let Request::Stock(_, StockCommand::Adopt { .. } | StockCommand::Disown { .. }) = effect.request else {
            panic!()
        };
        for event in product.receive_outcome(effect.id, Outcome::Stock(Ok(StockReply::Done)), Timestamp(0)).unwrap() {
            product.apply(&event);
        }
    }
    match decision.answer {
        Answer::Now(reply) | Answer::Duplicate(reply) => reply,
        Answer::Deferred(deferred) => product.deferred_reply(&deferred, Timestamp(0)).unwrap().unwrap(),
    }
}

fn view(product: &mut Product) -> ProductView {
    let ProductReply::Product(view) = ask(product, ProductCommand::View) else { panic!() };
    (*view).clone()
}

fn import(product: &mut Product, rows: &ProductRows, currency: Currency) -> ImportOutcome {
    let command = ProductCommand::Import { tenant: tenant(), currency, change: Box::new(rows.change.clone()) };
    let ProductReply::Imported(imported) = ask(product, command) else { panic!() };
    imported.outcome
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "['=+@-]{1,3}[A-Za-z0-9]{1,4}",
        "[ \"',;=@<&\n\r\té抹-]{0,6}[A-Z][ \"',;\n]{0,6}",
        Just("Default Title".to_owned()),
        Just("Title".to_owned())
    ]
}

fn tag() -> impl Strategy<Value = String> {
    "[ \"';=é]{0,3}[a-z]{1,4}[\"' ]{0,2}"
}

fn image() -> impl Strategy<Value = ImageEdit> {
    ("https://x\\.example/[a-z0-9,']{1,3}", text(), 1..9u32).prop_map(|(src, alt, position)| ImageEdit {
        src,
        alt,
        position,
        variants: None,
    })
}

prop_compose! {
    fn variants(options: usize)(
        values in prop::collection::btree_set(prop::collection::vec("[ ]?[A-Za-z\"',=+@/.é抹-]{1,4}[ ]?", options), 1..if options == 0 { 2 } else { 6 }),
        skus in prop::collection::vec(prop::option::of("[A-Z\"', .=+@-]{0,3}[A-Z]"), 6),
        amounts in prop::collection::vec((0..=AMOUNT_MAX, prop::option::of(0..100_000i64)), 6),
    ) -> Vec<NewVariant> {
        let rows = values.into_iter().zip(skus).zip(amounts);
        rows.map(|((options, sku), (price, compare_at))| {
            NewVariant { sku: sku.and_then(|sku| Sku::new(&sku).ok()), options, price, compare_at }
        }).collect()
    }
}

fn product() -> impl Strategy<Value = NewProduct> {
    let names = prop::sample::subsequence(vec!["Size", "Title", "Col\"our,"], 0..=3);
    let texts = ([text(), text(), text()], "[ <p>&\"'/\n\rbé,]{0,20}", "[a-z抹0-9_-]{1,12}");
    let lists = (prop::collection::vec(tag(), 0..4), prop::collection::vec(image(), 0..8));
    let pictures = prop::collection::vec(prop::option::of(0..8usize), 6);
    let status = prop::sample::select(vec![Status::Active, Status::Draft, Status::Archived]);
    let currency = prop::sample::select(vec!["USD", "JPY", "KWD"]);
    let options = names.prop_flat_map(|names| (variants(names.len()), Just(names)));
    (options, texts, lists, (status, currency), pictures).prop_map(
        |((variants, names), (lines, html, handle), (tags, mut images), (status, code), pictures)| {
            // A file has one image for each variant.
            for (variant, picture) in variants.iter().zip(pictures) {
                let image = picture.and_then(|index| images.get_mut(index));
                if let (Some(image), Some(sku)) = (image, &variant.sku) {
                    image.variants.get_or_insert_default().push(sku.clone());
                }
            }
            let [title, vendor, product_type] = lines;
            NewProduct {
                handle: Handle::new(&handle).unwrap(),
                title,
                description: SafeHtml::clean(&html).unwrap(),
                vendor,
                product_type,
                tags,
                images,
                options: names.into_iter().map(ToOwned::to_owned).collect(),
                status,
                currency: Currency::new(code).unwrap(),
                variants,
            }
        },
    )
}

fn written(view: &ProductView, stock: &HashMap<Sku, u64>) -> Vec<u8> {
    let mut exporter = Exporter::new(Vec::new()).unwrap();
    exporter.product(view, |sku| stock.get(sku).copied()).unwrap();
    exporter.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_imports_as_the_same_product(new in product(), units in 0..=u64::from(QUANTITY_MAX)) {
        let mut original = Product::default();
        let currency = new.currency;
        let context = Context { now: Timestamp(0), command_id: CommandId(1), former_ids: Vec::new(), former_fingerprint: None, fingerprint: Fingerprint(1) };
        let create = ProductCommand::Create { tenant: tenant(), new: Box::new(new) };
        // Option values and SKUs that clash within the product are covered by another test.
        prop_assume!(original.decide(&create, &context).is_ok());
        ask(&mut original, create);
        let before = view(&mut original);
        let stock: HashMap<Sku, u64> = before.variants.iter().map(|variant| variant.sku.clone()).zip(units.saturating_sub(3)..units).collect();

        let file = written(&before, &stock);
        let items: Vec<_> = Reader::new(&file[..], Currency::new("PLN").unwrap(), DuplicateSku::Refuse).unwrap().map(Result::unwrap).collect();
        let [Item::Product(rows)] = &items[..] else { panic!("one product: {items:?}") };
        prop_assert_eq!(warnings(rows), Vec::<&WarningKind>::new());
        let said: Vec<_> = rows.variants.iter().map(|row| row.stock).collect();
        let had: Vec<_> = before.variants.iter().map(|variant| stock.get(&variant.sku).copied()).collect();
        prop_assert_eq!(said, had);
        prop_assert_eq!(rows.currency, currency, "whatever the import's");
        let cells = csv::ReaderBuilder::new().has_headers(false).from_reader(&file[..]).into_records();
        for cell in cells.flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()) {
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "a formula: {:?}", cell);
        }

        prop_assert_eq!(import(&mut Product::default(), rows, currency), ImportOutcome::Created);
        let mut copy = Product::default();
        import(&mut copy, rows, currency);
        prop_assert_eq!(view(&mut copy), before.clone(), "the same in an empty shop");
        // The product has processed the context's command id, so use another one.
        let again = Context { command_id: CommandId(2), ..context };
        let command = ProductCommand::Import { tenant: tenant(), currency, change: Box::new(rows.change.clone()) };
        prop_assert_eq!(original.decide(&command, &again).unwrap().events, vec![], "nothing new in its own");
    }
}

#[test]
fn an_export_has_the_newer_headers() {
    let file = Exporter::new(Vec::new()).unwrap().finish().unwrap();
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(
        text.starts_with(
            "Title,URL handle,Description,Vendor,Type,Tags,Published on online store,Status,SKU,Option1 name,"
        ),
        "{text}"
    );
    let reader = Reader::new(&file[..], currency(), DuplicateSku::Refuse).unwrap();
    assert!(reader.warnings().is_empty(), "and knows all of them itself");
}

#[test]
fn an_export_has_the_columns_that_shopify_needs() {
    let mut mug = Product::default();
    let new = NewProduct {
        handle: Handle::new("mug").unwrap(),
        title: "Mug".into(),
        description: SafeHtml::default(),
        vendor: "Kiln, Yard".into(),
        product_type: String::new(),
        tags: vec!["a".into(), "b".into()],
        images: ["/a", "/b"]
            .map(|src| ImageEdit {
                src: src.into(),
                alt: String::new(),
                position: 1,
                variants: (src == "/b").then(|| vec![Sku::new("mug").unwrap()]),
            })
            .into(),
        options: Vec::new(),
        status: Status::Draft,
        currency: currency(),
        variants: vec![NewVariant { sku: None, options: Vec::new(), price: 1_805, compare_at: None }],
    };
    ask(&mut mug, ProductCommand::Create { tenant: tenant(), new: Box::new(new) });
    let stock = HashMap::from([(Sku::new("mug").unwrap(), 7)]);
    let file = String::from_utf8(written(&view(&mut mug), &stock)).unwrap();
    let rows: Vec<_> = file.lines().skip(1).collect();
    assert_eq!(
        rows,
        [
            "Mug,mug,,\"Kiln, Yard\",,\"a, b\",FALSE,Draft,mug,Title,Default Title,,,,,18.05,,USD,shopify,7,deny,/a,1,,/b,FALSE",
            ",mug,,,,,,,,,,,,,,,,,,,,/b,2,,,",
        ]
    );
}
