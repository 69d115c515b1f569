//! Tests of how rows are collected into products.

use super::*;

#[test]
fn rows_without_a_title_add_variants_and_images_to_the_product_above() {
    let file = read(
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src,Image Position\n\
         shirt,Shirt,Size,S,5,https://x.example/b.jpg,2\n\
         shirt,,,M,6,https://x.example/a.jpg,1\n\
         ,,,L,7,,\n\
         shirt,,,,,https://x.example/c.jpg,\n",
    );
    let product = file.product();
    assert_eq!(values(product), ["S", "M", "L"]);
    assert_eq!(product.change.options, Some(vec!["Size".to_owned()]));
    let ImageChange::Replace(images) = &product.change.images else { panic!("{:?}", product.change.images) };
    let seen: Vec<_> = images.iter().map(|image| (image.src.rsplit('/').next().unwrap(), image.position)).collect();
    assert_eq!(seen, [("b.jpg", 2), ("a.jpg", 1), ("c.jpg", 1)]);
    assert_eq!(product.variants.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(product.first_line, 2);
    let rows: Vec<_> = product.rows.iter().map(|row| (row.line, row.only_image)).collect();
    assert_eq!(rows, [(2, false), (3, false), (4, false), (5, true)]);
}

#[test]
fn lines_count_what_stands_between_quotes() {
    let file = read("Handle,Title,Body (HTML),Variant Price\nmug,Mug,\"<p>one\n\ntwo</p>\",5\nbowl,Bowl,,x\n");
    assert_eq!(file.refusal(), (5, "Variant Price", &Refusal::NotAPrice));
    assert_eq!(file.products[0].change.description.as_ref().unwrap().as_str(), "<p>one\n\ntwo</p>");
}

#[test]
fn a_handle_that_returns_is_another_change_of_the_same_product() {
    let file = read(&shop("mug,Mug,,,,,5,1\nbowl,Bowl,,,,,6,1\nmug,Big Mug,,,,,7,1\n"));
    assert_eq!(file.handles(), ["mug", "bowl", "mug"]);
    assert_eq!(file.refused, [], "its sku is its own");
    assert_eq!(file.products[2].change.title.as_deref(), Some("Big Mug"));
}

#[test]
fn a_repeated_handle_without_a_title_only_adds() {
    let file = read(&shop("shirt,Shirt,Loom,Size,S,,5,1\nmug,Mug,,,,,6,1\nshirt,,Other,,M,,7,1\n"));
    let change = &file.products[2].change;
    assert_eq!((change.title.as_ref(), change.vendor.as_ref(), change.options.as_ref()), (None, None, None));
    assert_eq!((values(&file.products[2]), &change.images), (vec!["M".to_owned()], &ImageChange::Keep));
}

#[test]
fn a_title_on_each_row_makes_one_product() {
    let file = read(&shop("shirt,Shirt,Loom,Size,S,,5,1\nshirt,Shirt,Loom,Size,M,,6,1\nshirt,Shirt,Loom,,L,,6,1\n"));
    assert_eq!(values(file.product()), ["S", "M", "L"]);
    assert_eq!(file.product().change.options, Some(vec!["Size".to_owned()]));
}

#[test]
fn an_absent_column_changes_nothing_and_an_empty_cell_clears() {
    let change = read("Handle,Title,Vendor,Tags,Status,Variant Compare At Price,Variant Price\nmug,Mug,,,,,5\n")
        .product()
        .change
        .clone();
    assert_eq!(
        (change.vendor.as_deref(), change.tags, change.status),
        (Some(""), Some(Vec::new()), Some(Status::Active))
    );
    assert_eq!((change.description, change.product_type, change.images), (None, None, ImageChange::Keep));
    assert_eq!(change.variants[0].compare_at, Some(None));
    let change = read("Handle,Title,Variant SKU\nmug,Mug,M-1\n").product().change.clone();
    assert_eq!(
        (change.vendor, change.status, change.variants[0].price, change.variants[0].compare_at),
        (None, None, None, None)
    );
    let blank_image = read("Handle,Title,Image Src\nmug,Mug,\n").product().change.images.clone();
    assert_eq!(blank_image, ImageChange::Replace(Vec::new()));
}

#[test]
fn a_row_without_variant_cells_is_no_variant() {
    let file =
        read("Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant Inventory Policy\nmug,Mug,,,,deny\n");
    assert_eq!(file.product().change.variants, []);
}

#[test]
fn default_title_means_no_option() {
    for file in [
        "Handle,Title,Option1 Name,Option1 Value,Variant Price\nmug,Mug,Title,Default Title,5\n",
        "Handle,Title,Option1 Name,Option1 Value,Variant Price\nmug,Mug,,Default Title,5\n",
    ] {
        let change = read(file).product().change.clone();
        assert_eq!((change.options, change.variants[0].options.len()), (Some(Vec::new()), 0));
    }
    let real = read("Handle,Title,Option1 Name,Option1 Value,Variant Price\nbook,Book,Title,Hardcover,5\n");
    assert_eq!(values(real.product()), ["Hardcover"]);
    assert_eq!(real.product().change.options, Some(vec!["Title".to_owned()]));
}

#[test]
fn a_blank_sku_is_left_to_the_product_which_derives_it() {
    let file = read(&shop("shirt,Shirt,,Size,S,,5,1\n"));
    assert_eq!(file.product().change.variants[0].sku, None);
}

#[test]
fn stock_is_set_from_the_file_or_not_at_all() {
    let stock = |file: &str| read(file).product().variants[0].stock;
    assert_eq!(stock("Handle,Title,Variant Price,Variant Inventory Qty\nmug,Mug,5,12\n"), Some(12));
    assert_eq!(stock("Handle,Title,Variant Price,Variant Inventory Qty\nmug,Mug,5,\n"), None);
    assert_eq!(stock("Handle,Title,Variant Price\nmug,Mug,5\n"), None);
}

#[test]
fn a_blank_tracker_takes_the_quantity_with_a_warning() {
    let file = read(
        "Handle,Title,Variant Price,Variant Inventory Qty,Variant Inventory Tracker\nmug,Mug,5,12,\nbowl,Bowl,5,12,shopify\n",
    );
    assert_eq!(
        (file.products[0].variants[0].stock, warnings(&file.products[0])),
        (Some(12), vec![&WarningKind::Untracked])
    );
    assert!(file.products[1].warnings.is_empty());
}

#[test]
fn selling_without_stock_is_imported_as_deny_with_a_warning() {
    let file = read("Handle,Title,Variant Price,Variant Inventory Policy\nmug,Mug,5,continue\nbowl,Bowl,5,deny\n");
    assert_eq!(warnings(&file.products[0]), [&WarningKind::NoBackorders]);
    assert!(file.products[1].warnings.is_empty());
}

#[test]
fn descriptions_are_cleaned() {
    let file = read("Handle,Title,Body (HTML)\nmug,Mug,\"<b onclick=\"\"x()\"\">Big</b><script>x()</script>\"\n");
    assert_eq!(file.product().change.description.as_ref().unwrap().as_str(), "<b>Big</b>");
}

#[test]
fn a_handle_is_spelled_as_handles_are() {
    let file = read("Handle,Title\nBlue Mug,Blue Mug\n,Green Mug\n");
    assert_eq!(file.handles(), ["blue-mug", "green-mug"]);
    assert!(matches!(warnings(&file.products[0])[..], [WarningKind::HandleSpelled { .. }]));
    assert!(matches!(warnings(&file.products[1])[..], [WarningKind::HandleFromTitle { .. }]));
}

#[test]
fn a_short_row_counts_as_blank_with_a_warning_and_blank_rows_do_not_count() {
    let file = read(&shop("mug,Mug,,,,,5\n,,,,,,,\n\n   ,\n"));
    assert_eq!(warnings(file.product()), [&WarningKind::ShortRow { cells: 7 }]);
    assert_eq!(file.product().variants[0].stock, None);
}

#[test]
fn an_image_that_comes_twice_counts_once() {
    let file = read(
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Image Src\n\
         shirt,Shirt,Size,S,5,https://x.example/a.jpg\nshirt,,,M,5,https://x.example/a.jpg\n",
    );
    assert!(matches!(&file.product().change.images, ImageChange::Replace(images) if images.len() == 1));
}
