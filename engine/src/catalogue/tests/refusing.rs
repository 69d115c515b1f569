//! Tests of refusals: what is refused, where, and how it affects the other rows.

use super::*;
use crate::product::{DESCRIPTION_CHARS_MAX, IMAGES_MAX, InvalidDescription, VARIANTS_MAX};

#[test]
fn a_bad_cell_is_refused_with_its_line_and_column() {
    let refused = |header: &str, cell: &str| {
        let file = read(
            &format!("Handle,Title,{header}\nbowl,Bowl,\nmug,Mug,{cell}\n").replace("bowl,Bowl,\n", "bowl,Bowl\n"),
        );
        let (line, column, reason) = file.refusal();
        assert_eq!((line, column), (3, header));
        reason.clone()
    };
    assert_eq!(refused("Variant Price", "9.999"), Refusal::TooManyDecimals { currency: currency() });
    assert_eq!(refused("Variant Compare At Price", "-1"), Refusal::NegativePrice);
    assert_eq!(refused("Inventory quantity", "many"), Refusal::NotAQuantity);
    assert_eq!(refused("Inventory quantity", "4000000000"), Refusal::QuantityTooLarge);
    assert_eq!(refused("Gift card", "TRUE"), Refusal::GiftCard);
    assert_eq!(refused("Published", "perhaps"), Refusal::NotAFlag);
    assert_eq!(refused("Status", "gone"), Refusal::UnknownStatus);
    assert_eq!(refused("Vendor", &"x".repeat(256)), Refusal::TextTooLong { max: 255 });
    assert_eq!(refused("SKU", &"x".repeat(256)), Refusal::InvalidSku);
    assert_eq!(
        refused("Description", &"x".repeat(DESCRIPTION_CHARS_MAX + 1)),
        Refusal::Description(InvalidDescription::TooLong)
    );
    let file = format!("Handle,Title,Description\nmug,Mug,{}\n", "😀".repeat(DESCRIPTION_CHARS_MAX));
    let longest = read(&file).product().change.description.clone().unwrap();
    assert_eq!(longest.as_str().chars().count(), DESCRIPTION_CHARS_MAX);
}

#[test]
fn a_variant_without_a_price_is_refused() {
    let file = read(&shop("shirt,Shirt,,Size,S,,,1\n"));
    assert_eq!(file.refusal(), (2, "Variant Price", &Refusal::PriceMissing));
}

#[test]
fn a_bad_policy_or_position_is_refused() {
    let file = read("Handle,Title,Variant Price,Variant Inventory Policy\nmug,Mug,5,maybe\n");
    assert_eq!(file.refusal().2, &Refusal::UnknownPolicy);
    let file = read("Handle,Title,Image Src,Image Position\nmug,Mug,,\nmug,,https://x.example/a.jpg,0\n");
    assert_eq!(file.refusal(), (3, "Image Position", &Refusal::NotAPosition));
}

#[test]
fn a_refused_variant_leaves_the_others_of_its_product() {
    let file = read(&shop("shirt,Shirt,,Size,S,,5,1\nshirt,,,,M,,x,1\nshirt,,,,L,,6,1\n"));
    assert_eq!(file.refusal(), (3, "Variant Price", &Refusal::NotAPrice));
    assert_eq!(values(&file.products[0]), ["S", "L"]);
    assert_eq!(file.products[0].variants.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn rows_of_a_rejected_product_are_rejected() {
    let long = "x".repeat(256);
    let file = read(&shop(&format!(
        "mug,Mug,,,,,5,1\nshirt,Shirt,{long},Size,S,,5,1\nshirt,,,,M,,6,1\n,,,,L,,6,1\nbowl,Bowl,,,,,5,1\n"
    )));
    assert_eq!(file.handles(), ["mug", "bowl"]);
    let lines: Vec<_> = file.refused.iter().map(|row| row.line).collect();
    assert_eq!(lines, [3, 4, 5]);
    assert!(file.refused[1..].iter().all(|row| row.reason == Refusal::ProductRefused { line: 3 }));
}

#[test]
fn a_rejected_product_may_appear_again() {
    let long = "x".repeat(256);
    let file = read(&shop(&format!("mug,Mug,{long},,,,5,1\nmug,Mug,,,,,5,1\n")));
    assert_eq!((file.refusal().0, file.products[0].first_line), (2, 3));
    // After another product has started, a row with the handle of the refused product is a product by itself again.
    let file = read(&shop(&format!("mug,Mug,{long},,,,5,1\nbowl,Bowl,,,,,5,1\nmug,,,,,,6,1\n")));
    assert_eq!((file.refusal().0, file.handles()), (2, vec!["bowl", "mug"]));
}

#[test]
fn a_row_that_belongs_to_nothing_is_refused() {
    assert_eq!(read(&shop(",,,,M,,6,1\n")).refusal(), (2, "", &Refusal::NoProduct));
}

#[test]
fn a_title_that_makes_no_handle_is_refused() {
    let file = read(&shop(",!!!,,,,,6,1\n,,,,M,,6,1\n"));
    assert_eq!((file.refused[0].line, file.refused[0].column.as_deref()), (2, Some("Handle")));
    assert_eq!(file.refused[1].reason, Refusal::ProductRefused { line: 2 });
}

#[test]
fn a_sku_that_comes_twice_is_refused_naming_the_first_row() {
    let file = read(&shop("mug,Mug,,,,A-1,5,1\nshirt,Shirt,,Size,S,B-1,5,1\nshirt,,,,M,A-1,5,1\n"));
    let sku = Sku::new("A-1").unwrap();
    assert_eq!(file.refusal(), (4, "Variant SKU", &Refusal::DuplicateSku { sku, first_line: 2 }));
    let file = read(&shop("mug,Mug,,,,,5,1\nbowl,Bowl,,,,mug,5,1\n"));
    assert!(matches!(file.refusal().2, Refusal::DuplicateSku { first_line: 2, .. }), "a derived sku counts too");
    let file = read(&shop("ab,A,,Size,c,X,5,1\na,A,,Size,bc,X,5,1\n"));
    assert!(
        matches!(file.refusal().2, Refusal::DuplicateSku { first_line: 2, .. }),
        "names do not run into each other"
    );
}

#[test]
fn a_sku_of_a_refused_row_is_free() {
    let file = read(&shop("mug,Mug,,,,A-1,x,1\nbowl,Bowl,,,,A-1,5,1\n"));
    assert_eq!((file.refusal().0, file.handles()), (2, vec!["bowl"]));
}

#[test]
fn option_values_that_come_twice_are_refused() {
    let file = read(&shop("shirt,Shirt,,Size,S,A,5,1\nshirt,,,,S,B,5,1\n"));
    assert_eq!(file.refusal(), (3, "Option1 Value", &Refusal::DuplicateVariant { first_line: 2 }));
}

#[test]
fn options_and_values_must_fit() {
    let header = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Price\n";
    let refused = |rows: &str| {
        let file = read(&format!("{header}{rows}"));
        let (line, column, reason) = file.refusal();
        (line, column.to_owned(), reason.clone())
    };
    assert_eq!(refused("a,A,Size,S,Colour,,5\n"), (2, "Option2 Value".into(), Refusal::OptionMissing));
    assert_eq!(refused("a,A,Size,S,,Red,5\n"), (2, "Option2 Value".into(), Refusal::OptionUnknown));
    assert_eq!(refused("a,A,,S,Colour,Red,5\n"), (2, "Option1 Name".into(), Refusal::OptionMissing));
    assert_eq!(refused("a,A,Size,S,Size,M,5\n"), (2, "Option2 Name".into(), Refusal::OptionDoubled));
    assert_eq!(refused("a,A,Size,S,,,5\na,,,,,,6\n"), (3, "Option1 Value".into(), Refusal::OptionMissing));
}

#[test]
fn bytes_that_are_no_text_refuse_their_row_alone() {
    let file = read_bytes(b"Handle,Title,Vendor\nmug,Mug,Caf\xe9\nmug,,\nbowl,Bowl,Caf\xc3\xa9\n");
    assert_eq!(
        (file.refused[0].line, file.refused[0].column.as_deref(), &file.refused[0].reason),
        (2, Some("Vendor"), &Refusal::NotUtf8)
    );
    assert_eq!(file.refused[1].reason, Refusal::ProductRefused { line: 2 });
    assert_eq!((file.handles(), file.products[0].change.vendor.as_deref()), (vec!["bowl"], Some("Café")));
    let file = read_bytes(b"Handle,Title\nmug,M\xffg\nmug,\nb\xffwl,Bowl\n,\xff\n");
    assert_eq!(file.refused.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[test]
fn a_row_with_too_many_cells_is_refused() {
    let file = read("Handle,Title\nmug,Mug, big\nbowl,Bowl,,\n");
    assert_eq!(file.refusal(), (2, "", &Refusal::TooManyCells { cells: 3, columns: 2 }));
    assert_eq!(file.handles(), ["bowl"], "blank ones say nothing");
}

#[test]
fn a_quote_left_open_refuses_the_row_that_it_is_in() {
    let file = read("Handle,Title,Vendor\nbowl,Bowl,Loom\nmug,Mug,\"Loom\nplate,Plate,Loom\n");
    assert_eq!(file.refusal(), (3, "Vendor", &Refusal::OpenQuote));
    let long = format!("Handle,Title,Vendor\nmug,Mug,\"{}\"\nbowl,Bowl,Loom\n", "x".repeat(FIELD_BYTES_MAX + 1));
    let file = read(&long);
    assert_eq!((file.refusal(), file.handles()), ((2, "Vendor", &Refusal::FieldTooLong), vec!["bowl"]));
    let image = format!("Handle,Title,Image Src\nmug,Mug,data:image/png;base64{}\n", "x".repeat(FIELD_BYTES_MAX));
    assert!(matches!(warnings(read(&image).product())[..], [WarningKind::ImageLeftOut { .. }]), "its own fault alone");
}

#[test]
fn a_product_has_at_most_so_many_variants_and_images() {
    let rows: String =
        (0..=VARIANTS_MAX).map(|n| format!("shirt,{},,Size,{n},,5,1\n", if n == 0 { "Shirt" } else { "" })).collect();
    let file = read(&shop(&rows));
    assert_eq!(file.refusal(), (VARIANTS_MAX as u64 + 2, "", &Refusal::TooManyVariants));
    let rows: String =
        (0..=IMAGES_MAX).map(|n| format!("mug,{},https://x.example/{n}\n", if n == 0 { "Mug" } else { "" })).collect();
    let file = read(&format!("Handle,Title,Image Src\n{rows}"));
    assert_eq!(file.refusal(), (IMAGES_MAX as u64 + 2, "Image Src", &Refusal::TooManyImages));
}

#[test]
fn a_file_has_at_most_so_many_rows() {
    // The rows are generated while they are read, so the reader must not need all of them at once.
    struct Endless;
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let row = b"x,\n";
            let count = buffer.len() / row.len();
            (0..count).for_each(|n| buffer[n * row.len()..][..row.len()].copy_from_slice(row));
            Ok(count * row.len())
        }
    }
    let file = std::io::Read::chain(&b"Handle,Title\n"[..], Endless);
    let error = Reader::new(file, currency(), DuplicateSku::Refuse).unwrap().find_map(Result::err);
    assert!(matches!(error, Some(CatalogueError::TooManyRows { line }) if line == ROWS_MAX + 2), "{error:?}");
}
