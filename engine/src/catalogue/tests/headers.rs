//! Tests of the accepted files, and of the meaning of their columns.

use super::*;

#[test]
fn both_generations_of_headers_say_the_same() {
    let older = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,\
        Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Image Src,Image Position,Image Alt Text,Gift Card,Status\n\
        shirt,Shirt,<p>Soft</p>,Loom,Apparel,\"a, b\",true,Size,S,S-1,shopify,7,deny,9.99,12,https://x.example/a.jpg,1,front,false,draft\n";
    let newer = "URL handle,Title,Description,Vendor,Type,Tags,Published on online store,Option1 name,Option1 value,SKU,Inventory tracker,\
        Inventory quantity,Continue selling when out of stock,Price,Compare-at price,Product image URL,Image position,Image alt text,Gift card,Status\n\
        shirt,Shirt,<p>Soft</p>,Loom,Apparel,\"a, b\",TRUE,Size,S,S-1,shopify,7,FALSE,9.99,12,https://x.example/a.jpg,1,front,FALSE,Draft\n";
    let (older, newer) = (read(older), read(newer));
    assert_eq!(older.product().change, newer.product().change);
    assert_eq!(older.product().variants, newer.product().variants);
    let change = &newer.product().change;
    assert_eq!(
        (change.title.as_deref(), change.vendor.as_deref(), change.status),
        (Some("Shirt"), Some("Loom"), Some(Status::Draft))
    );
    let size = ImportVariant {
        options: vec!["S".into()],
        sku: Sku::new("S-1").ok(),
        price: Some(999),
        compare_at: Some(Some(1_200)),
        image: None,
    };
    assert_eq!(change.variants, [size]);
    assert_eq!(newer.product().variants, [VariantRow { line: 2, stock: Some(7) }]);
    assert!(matches!(&change.images, ImageChange::Replace(images) if images[0].alt == "front"));
    assert!(newer.file_warnings.is_empty());
}

#[test]
fn columns_come_in_any_order_and_any_case() {
    let file = read("variant price, TITLE ,handle\n5,Mug,mug\n");
    assert_eq!(
        (file.product().change.title.as_deref(), file.product().change.variants[0].price),
        (Some("Mug"), Some(500))
    );
}

#[test]
fn a_byte_order_mark_and_crlf_make_no_difference() {
    let file = read("\u{feff}\"Handle\",Title\r\nmug,Mug\r\n\r\nbowl,Bowl\r\n");
    assert_eq!(file.handles(), ["mug", "bowl"]);
    assert_eq!(file.products[1].first_line, 4);
}

#[test]
fn a_line_that_names_the_separator_is_no_row() {
    for start in ["sep=,\r\n", "\u{feff}sep=,\n", "\u{feff}\u{feff}", "\u{feff}\"\u{feff}Handle\",Title\n"] {
        let header = if start.contains("Handle") { "" } else { "Handle,Title\n" };
        let file = read(&format!("{start}{header}mug,Mug\n"));
        assert_eq!((file.handles(), file.file_warnings.len()), (vec!["mug"], 0), "{start:?}");
    }
    let file = read("sep=;\nHandle;Title;Variant Price\nmug;Mug, big;9.90\nbowl;Bowl;x\n");
    assert_eq!(file.products[0].change.title.as_deref(), Some("Mug, big"));
    assert_eq!(file.refusal().0, 4, "lines are those of the file");
}

#[test]
fn unknown_columns_are_ignored_with_a_warning() {
    let file = read("Handle,Title,Variant Grams,SEO Title\nmug,Mug,300,x\n");
    let names = vec!["Variant Grams".to_owned(), "SEO Title".to_owned()];
    assert_eq!(file.file_warnings, [Warning { line: 1, kind: WarningKind::IgnoredColumns { names } }]);
    assert_eq!(file.product().change.variants, []);
}

#[test]
fn a_file_without_titles_is_refused_by_name() {
    assert_eq!(error(b"Handle,Vendor\nmug,Loom\n").to_string(), "the file has no column \"Title\"");
    assert!(error(b"Handle;Title\nmug;Mug\n").to_string().contains("not by semicolons"));
    assert!(error(b"Handle\tTitle\nmug\tMug\n").to_string().contains("not by tabs"));
}

#[test]
fn a_file_without_handles_gets_them_from_its_titles() {
    let file = read("Title,Variant Price\nBlue Mug,5\nGreen Mug,6\n");
    assert_eq!(file.handles(), ["blue-mug", "green-mug"]);
    assert_eq!(file.file_warnings, [Warning { line: 1, kind: WarningKind::NoHandles }]);
    assert!(file.products[0].warnings.is_empty(), "said once, not in each row");
}

#[test]
fn two_columns_that_say_the_same_are_refused() {
    let doubled = error(b"Handle,Title,Price,Variant Price\n");
    assert!(
        matches!(doubled, CatalogueError::DoubledColumn { first, second } if first == "Price" && second == "Variant Price")
    );
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    assert!(matches!(error(b""), CatalogueError::Empty));
    assert!(matches!(error(b"\n\n"), CatalogueError::Empty));
    assert!(matches!(error(b"\n\xff\xfeH\0a\0"), CatalogueError::NotUtf8 { line: 2 }));
    assert!(matches!(error(b"Handle,\"Title\nmug,Mug\n"), CatalogueError::HeaderTooLong { line: 1 }));
    let wide = ["Title"].repeat(COLUMNS_MAX + 1).join(",");
    assert!(matches!(error(wide.as_bytes()), CatalogueError::HeaderTooLong { line: 1 }));
}

#[test]
fn a_reader_that_fails_is_an_error_and_the_last_item() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let file = std::io::Read::chain(&b"Handle,Title\nmug,Mug\nbowl,Bowl\n"[..], Broken);
    let items: Vec<_> = Reader::new(file, currency(), DuplicateSku::Refuse).unwrap().collect();
    assert!(matches!(items.last(), Some(Err(CatalogueError::Io(_)))), "{items:?}");
    assert!(matches!(items.first(), Some(Ok(Item::Product(_)))), "what came before is as good as it was");
}
