//! Tests with complete files: our own samples, and random input.

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../../examples/products.csv");
const DEMO: &str = include_str!("../../../../server/src/demo/catalogue.csv");

#[test]
fn our_samples_are_imported_to_the_last_row() {
    for sample in [EXAMPLE, DEMO] {
        let file = read(sample);
        assert_eq!((file.refused.len(), file.file_warnings.len()), (0, 0));
        assert!(file.products.len() >= 12, "enough for a shop window");
        for product in &file.products {
            assert!(product.warnings.is_empty(), "{:?}", product.warnings);
            assert!(product.change.variants.iter().all(|variant| variant.price.is_some_and(|price| price > 0)));
            assert!(product.variants.iter().all(|row| row.stock.is_some()));
        }
    }
}

/// Reads rows as in Shopify's own sample files: no SKUs, no tracker, `Default Title`.
#[test]
fn a_shopify_sample_is_read_as_people_expect() {
    let file = read(
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,\
         Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,\
         Image Src,Image Position,Image Alt Text,Gift Card,Variant Weight Unit\n\
         pot,Clay Pot,<p>Clay</p>,Company,Outdoor,\"Pot, Plants\",true,Size,Regular,,,,0,,1,deny,9.99,,https://x.example/a.jpg,1,,false,kg\n\
         pot,,,,,,,,Large,,,,0,,3,deny,15.99,,https://x.example/b.jpg,2,,,kg\n\
         lamp,Lamp,,Company,,,true,Title,Default Title,,,,0,,2,deny,59.99,75,https://x.example/c.jpg,1,,false,kg\n",
    );
    assert_eq!((file.refused.len(), file.handles()), (0, vec!["pot", "lamp"]));
    assert_eq!(values(&file.products[0]), ["Regular", "Large"]);
    assert_eq!(warnings(&file.products[0]), [&WarningKind::Untracked; 2]);
    assert_eq!((values(&file.products[1]), file.products[1].variants[0].stock), (vec![String::new()], Some(2)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_every_row_is_imported_or_refused(
        rows in prop::collection::vec(
            prop::collection::vec(prop::sample::select(vec!["", "a", "b", "A", "Title", "Default Title", "5", "-1", "true", "\"", "\"a\nb\"", "\"\"", "https://x.example/a", "\r", "é"]), 0..12),
            0..12,
        ),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        at in 0..400usize,
    ) {
        let header = "Handle,Title,Option1 Name,Option1 Value,Option2 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src,Gift Card,Status\n";
        let mut bytes = rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n").into_bytes();
        let at = at.min(bytes.len());
        bytes.splice(at..at, noise);
        read_bytes(&[header.as_bytes(), &bytes].concat());
    }
}
