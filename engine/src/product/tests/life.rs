//! Random sequences of commands, with the invariants checked at every step and after a snapshot.

use proptest::prelude::*;

use super::*;
use crate::view::View;

/// One step of a random sequence: a command with a few small names, or an answer of a stock item.
#[derive(Debug, Clone)]
enum Step {
    Create(Vec<u8>),
    Import(Vec<(u8, u8, i64)>),
    Edit(Vec<(u8, u8)>, Option<u8>),
    Archive,
    Answer,
    Steal(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..4u8;
    prop_oneof![
        1 => prop::collection::vec(name.clone(), 1..3).prop_map(Step::Create),
        1 => prop::collection::vec((name.clone(), name.clone(), 0..3i64), 0..3).prop_map(Step::Import),
        1 => (prop::collection::vec((name.clone(), name.clone()), 0..3), prop::option::of(name.clone())).prop_map(|(put, gone)| Step::Edit(put, gone)),
        1 => Just(Step::Archive),
        4 => Just(Step::Answer),
        1 => name.prop_map(Step::Steal),
    ]
}

fn take(shop: &mut Shop, number: u128, step: Step) {
    let (value, name) = (|n: u8| vec![format!("v{n}")], |n: u8| sku(&format!("sku{n}")));
    let exists = shop.product.details.is_some();
    let variants = if exists { shop.view().variants } else { Vec::new() };
    let command = match step {
        Step::Create(values) => {
            let variants = values.iter().map(|&n| NewVariant {
                sku: Some(name(n)),
                options: value(n),
                price: 1,
                compare_at: None,
            });
            create(NewProduct { variants: variants.collect(), ..shirt() })
        }
        Step::Import(rows) => {
            let row = |(v, s, price)| ImportVariant {
                options: value(v),
                sku: Some(name(s)),
                price: Some(price),
                compare_at: None,
                image: None,
            };
            import(ImportChange { variants: rows.into_iter().map(row).collect(), ..shirt_file() })
        }
        Step::Edit(put, gone) => {
            let put = put.into_iter().map(|(v, s)| {
                let id = variants.iter().find(|variant| variant.options == value(v)).map(|variant| variant.id);
                VariantEdit {
                    id,
                    sku: Some(name(s)),
                    options: Some(value(v)),
                    price: Some(2),
                    ..VariantEdit::default()
                }
            });
            let gone = gone.and_then(|n| variants.get(n as usize)).map(|variant| variant.id);
            let version = if exists { shop.view().version } else { 0 };
            edit(version, ProductEdit { remove: gone.into_iter().collect(), ..with_variants(put.collect()) })
        }
        Step::Archive => ProductCommand::Archive,
        Step::Answer => return shop.answer_one(),
        Step::Steal(n) => {
            shop.skus.entry(name(n).to_string()).or_insert((OTHER, VariantId(7)));
            return;
        }
    };
    // A rejection is fine here: the test checks only the invariants afterwards.
    let _ = shop.send(number, command);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_random_life_keeps_every_promise(steps in prop::collection::vec(step(), 0..60), cut in 0..60usize) {
        let mut shop = Shop::default();
        for (number, step) in steps.into_iter().enumerate() {
            take(&mut shop, number as u128, step);
            let mut fields = None;
            let events = shop.history.iter().filter(|event| ProductFields::concerns(event));
            events.for_each(|event| ProductFields::fold(&mut fields, event));
            let own = shop.product.details.as_ref().map(|details| details.fields.clone());
            prop_assert_eq!(fields, own, "the events alone give the fields");
            if number == cut {
                let bytes = shop.product.to_snapshot().unwrap();
                shop.product = Product::thaw(&bytes).unwrap();
            }
        }
        let written = shop.product.to_snapshot().unwrap();
        let mut folded = Product::default();
        shop.history.iter().for_each(|event| folded.apply(event));
        prop_assert_eq!(&written, &folded.to_snapshot().unwrap(), "a snapshot and its tail are the whole history");
        let thawed = Product::thaw(&written).unwrap();
        prop_assert_eq!(&written, &thawed.to_snapshot().unwrap());
        prop_assert_eq!(&thawed.open, &shop.product.open);
        while !shop.asked.is_empty() {
            shop.answer_one();
        }
        shop.product.assert_settled();
        let own = shop.skus.values().filter(|holder| holder.0 != OTHER).count();
        prop_assert_eq!(own, shop.product.details.as_ref().map_or(0, |details| details.variants.len()), "the shards agree");
    }
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let shop = Shop::with_shirt();
    let bytes = shop.product.to_snapshot().unwrap();
    for cut in 0..bytes.len() {
        assert!(Product::thaw(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}
