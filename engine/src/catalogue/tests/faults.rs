//! Tests that an error affects only the variant, image or product that it belongs to.

use super::*;

const HEADER: &str =
    "Handle,Title,Vendor,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src\n";

/// Reads a product of three rows, where row `row` has `cells` (from the option value to the image).
fn shirt(row: usize, cells: &str) -> Read {
    let good = |value: &str| format!("{value},,5,1,https://x.example/{value}.jpg");
    let rows = ["S", "M", "L"].iter().enumerate().map(|(index, value)| {
        let of_product = if index == 0 { "Shirt,Loom,Size" } else { ",," };
        let of_variant = if index == row { cells.to_owned() } else { good(value) };
        format!("shirt,{of_product},{of_variant}\n")
    });
    read(&format!("{HEADER}{}", rows.collect::<String>()))
}

fn images(product: &ProductRows) -> Vec<&str> {
    match &product.change.images {
        ImageChange::Keep => Vec::new(),
        ImageChange::Replace(images) | ImageChange::Add(images) => {
            images.iter().map(|image| image.src.as_str()).collect()
        }
    }
}

#[test]
fn a_bad_cell_of_a_variant_costs_that_variant_in_every_row() {
    let cells = [
        ("Q,,x,1,", "Variant Price", "\"x\": not a price"),
        ("Q,,9.999,1,", "Variant Price", "\"9.999\": USD has 2 decimals"),
        ("Q,,,1,", "Variant Price", "a variant requires a price"),
        ("Q,,5,many,", "Variant Inventory Qty", "\"many\": not a whole number"),
        (",,5,1,", "Option1 Value", "the product has this option"),
    ];
    for row in 0..3 {
        for (cells, column, words) in cells {
            let file = shirt(row, cells);
            let [refused] = &file.refused[..] else { panic!("{cells} in row {row}: {:?}", file.refused) };
            assert_eq!((refused.line, refused.column.as_deref()), (row as u64 + 2, Some(column)));
            assert!(refused.words().starts_with(words), "{}", refused.words());
            let product = &file.products[0];
            assert_eq!(
                (product.change.title.as_deref(), product.change.vendor.as_deref()),
                (Some("Shirt"), Some("Loom"))
            );
            assert_eq!((product.change.variants.len(), product.rows.len()), (2, 2), "the others stay");
            assert_eq!(images(product).len(), 2);
        }
    }
}

#[test]
fn the_image_beside_a_bad_variant_stays() {
    let file = shirt(0, "Q,,x,1,https://x.example/q.jpg");
    assert_eq!((file.refusal().0, images(&file.products[0]).len()), (2, 3));
}

#[test]
fn an_invalid_variant_row_rejects_that_variant() {
    let file = [HEADER.as_bytes(), b"shirt,Shirt,,Size,S,A\xff,5,1,\nshirt,,,,M,,5,1,\nshirt,,,,\xff,,5,1,\n"].concat();
    let file = read_bytes(&file);
    let refused: Vec<_> = file.refused.iter().map(|row| (row.line, row.column.as_deref().unwrap())).collect();
    assert_eq!(refused, [(2, "Variant SKU"), (4, "Option1 Value")]);
    assert_eq!(values(&file.products[0]), ["M"]);
}

#[test]
fn a_bad_image_costs_the_image_in_every_row() {
    let long = format!("https://x.example/{}", "a".repeat(2_048));
    for row in 0..3 {
        for (image, words) in [
            ("javascript:x", "Image Src \"javascript:x\": not an http(s) URL"),
            ("data:image/png;base64", "Image Src \"data:image/png;base64\": embedded images (data:)"),
            (&*long, "Image Src \"https://x.example/aaa"),
        ] {
            let file = shirt(row, &format!("Q,,5,1,{image}"));
            let product = file.product();
            assert_eq!((product.rows.len(), product.change.variants.len(), images(product).len()), (3, 3, 2));
            let [warning] = &product.warnings[..] else { panic!("{:?}", product.warnings) };
            let WarningKind::ImageLeftOut { why } = &warning.kind else { panic!("{warning:?}") };
            assert!(warning.line == row as u64 + 2 && why.starts_with(words), "{why}");
        }
    }
    let file = read(&format!("{HEADER}mug,Mug,,,,,5,1,\nmug,,,,,,,,ftp://x.example/a\n"));
    assert_eq!(file.refusal(), (3, "Image Src", &Refusal::InvalidImage), "a row that says nothing else");
}

#[test]
fn images_that_are_all_bad_clear_none_that_the_product_has() {
    let file = read(&format!("{HEADER}mug,Mug,,,,,5,1,a.jpg\n"));
    assert_eq!(file.product().change.images, ImageChange::Keep);
}

#[test]
fn a_product_of_which_no_row_is_taken_changes_nothing() {
    let file = read(&format!("{HEADER}mug,Mug,,,,,x,1,\nbowl,Bowl,,,,,5,1,\n"));
    assert_eq!((file.refusal().0, file.handles()), (2, vec!["bowl"]));
}

#[test]
fn stock_below_zero_is_none_with_a_warning() {
    let file = shirt(1, "M,,5,-3.0,");
    let stock: Vec<_> = file.product().variants.iter().map(|row| row.stock).collect();
    assert_eq!(stock, [Some(1), Some(0), Some(1)]);
    assert_eq!(
        file.product().warnings,
        [Warning { line: 3, kind: WarningKind::BelowZero { quantity: "-3.0".into() } }]
    );
    assert_eq!(shirt(0, "S,,5,10.0,").product().variants[0].stock, Some(10));
    let file = read("Handle,Title,Image Src,Image Position\nmug,Mug,/a,2.0\nmug,,/b,1.0\n");
    let ImageChange::Replace(images) = &file.product().change.images else { panic!() };
    assert_eq!(images.iter().map(|image| image.position).collect::<Vec<_>>(), [2, 1], "as spreadsheets write numbers");
}

#[test]
fn a_sku_that_comes_twice_is_derived_where_that_is_wanted() {
    let rows = "mug,Mug,,,,A-1,5,1,\nshirt,Shirt,,Size,S,A-1,5,1,\nshirt,,,,M,A-1,5,1,\nshirt,,,,L,B-1,5,1,\n";
    let file = format!("{HEADER}{rows}");
    assert_eq!(read(&file).refused.len(), 2);
    let file = read_with(file.as_bytes(), DuplicateSku::Derive);
    assert_eq!(file.refused, []);
    let skus: Vec<_> = file.products[1].change.variants.iter().map(|variant| variant.sku.clone()).collect();
    assert_eq!(skus, [None, None, Sku::new("B-1").ok()]);
    let given: Vec<_> = warnings(&file.products[1]).iter().map(ToString::to_string).collect();
    assert_eq!(given[0], "the sku A-1 is on line 2 already: it is shirt.S here");
    assert_eq!(given.len(), 2);
    // A SKU that is the derived one already cannot be replaced, so the variant is refused.
    let file = format!("{HEADER}bowl,Bowl,,,,mug,5,1,\nmug,Mug,,,,mug,5,1,\n");
    assert!(matches!(read_with(file.as_bytes(), DuplicateSku::Derive).refusal().2, Refusal::DuplicateSku { .. }));
}

#[test]
fn removed_parts_of_a_description_are_warnings() {
    let file = read("Handle,Title,Body (HTML)\nmug,Mug,<iframe src=x></iframe><p>Big</p>\nbowl,Bowl,<p>Big</p>\n");
    let [WarningKind::LeftOut(left_out)] = warnings(&file.products[0])[..] else { panic!() };
    assert_eq!(left_out.frames, 1);
    assert!(file.products[1].warnings.is_empty());
}

#[test]
fn a_product_s_prices_are_in_the_currency_that_the_file_says() {
    let file = read(
        "Handle,Title,Option1 Name,Option1 Value,Price,Currency\nmug,Mug,,,500,JPY\nbowl,Bowl,,,5,\n\
         shirt,Shirt,Size,S,1.234,kwd\nshirt,,,M,2,\nshirt,,,L,2,USD\nhat,Hat,,,5,XXX\nhat,,,Big,5,\n",
    );
    let prices: Vec<_> =
        file.products.iter().map(|rows| (rows.currency.to_string(), rows.change.variants[0].price.unwrap())).collect();
    assert_eq!(prices, [("JPY".into(), 500), ("USD".into(), 500), ("KWD".into(), 1_234)]);
    let refused: Vec<_> = file.refused.iter().map(|row| (row.line, row.words())).collect();
    assert_eq!(refused[0], (6, "\"USD\": the product's prices are in KWD".to_owned()));
    assert!(refused[1].1.starts_with("\"XXX\": not legal tender"), "{refused:?}");
    assert_eq!((refused[2].0, refused.len()), (8, 3), "nothing is priced by mistake");
}

#[test]
fn guarded_cells_are_read_as_they_were() {
    let file = read("Handle,Title,Variant SKU,Variant Price\nmug,'=1+1,'-A,5\nbowl,''@x,'B,5\n");
    let of = |index: usize| {
        let change = &file.products[index].change;
        (change.title.as_deref().unwrap(), change.variants[0].sku.as_ref().unwrap().as_str())
    };
    assert_eq!((of(0), of(1)), (("=1+1", "-A"), ("'@x", "'B")));
}

#[test]
fn parts_rejected_by_the_product_are_removed_with_their_row() {
    let file = read(&shop("shirt,Shirt,,Size,S,A,5,1\nshirt,,,,M,,5,1\nshirt,,,,L,,5,1\n"));
    let taken =
        |sku: &str| ProductRejection::SkuTaken { sku: Sku::new(sku).unwrap(), product: crate::id::ProductId(1) };
    let invalid = |pointer: &str| ProductRejection::Invalid { pointer: pointer.into(), why: "odd".into() };
    let refuse = |rejection: ProductRejection| {
        let mut rows = file.product().clone();
        let refused = rows.refuse(&rejection);
        assert_eq!(refused.len() + rows.rows.len(), 3);
        assert_eq!(rows.variants.len(), rows.change.variants.len());
        let given: Vec<_> = refused.iter().map(|row| (row.line, row.column.clone(), row.words())).collect();
        (given, values(&rows))
    };
    let place = |line, column: &str, words: &str| vec![(line, Some(column.to_owned()), words.to_owned())];
    let left = |values: [&str; 2]| values.map(str::to_owned).to_vec();
    let words = "\"A\": another variant has the sku A";
    assert_eq!(refuse(taken("A")), (place(2, "Variant SKU", words), left(["M", "L"])));
    let words = "\"M\": another variant has the sku shirt.M";
    assert_eq!(refuse(taken("shirt.M")), (place(3, "Variant SKU", words), left(["S", "L"])));
    assert_eq!(refuse(invalid("/variants/1/price")), (place(3, "Variant Price", "\"M\": odd"), left(["S", "L"])));
    let (refused, _) = refuse(invalid("/title"));
    assert_eq!(refused[0], (2, Some("Title".to_owned()), "odd".to_owned()));
    assert_eq!(refused[1], (3, None, "the product's row on line 2 was rejected".to_owned()));
    assert_eq!(refuse(ProductRejection::Busy).0.len(), 3);
}
