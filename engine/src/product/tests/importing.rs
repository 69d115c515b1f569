//! Tests of imports from files.

use super::*;

#[test]
fn a_file_makes_a_product_and_says_which_variants_are_new() {
    let mut shop = Shop::default();
    let first = imported(shop.ask(1, import(shirt_file())).unwrap());
    assert_eq!((first.outcome, first.version), (ImportOutcome::Created, 1));
    assert!(first.variants.iter().all(|(variant, _)| variant.new));
    assert_eq!(first.variants.iter().map(|(_, sku)| sku.as_str()).collect::<Vec<_>>(), ["S-1", "M-1"]);
    let again = shop.ask(1, import(shirt_file())).unwrap();
    assert_eq!(imported(again), first, "a repeat is answered as the first was");
}

#[test]
fn a_file_that_says_nothing_new_changes_nothing() {
    let mut shop = Shop::with_shirt();
    let before = (shop.history.len(), shop.view());
    let reply = imported(shop.ask(2, import(shirt_file())).unwrap());
    assert_eq!((reply.outcome, reply.version), (ImportOutcome::Unchanged, 1));
    assert!(reply.variants.iter().all(|(variant, _)| !variant.new));
    assert_eq!((shop.history.len(), shop.view()), before);
}

#[test]
fn an_absent_column_stays_and_a_blank_cell_clears() {
    let mut shop = Shop::with_shirt();
    let change =
        ImportChange { vendor: Some(String::new()), title: None, tags: None, variants: Vec::new(), ..shirt_file() };
    let reply = imported(shop.ask(2, import(change)).unwrap());
    assert_eq!((reply.outcome, reply.version), (ImportOutcome::Updated, 2));
    let view = shop.view();
    assert_eq!((view.vendor.as_str(), view.title.as_str(), view.tags.len()), ("", "Shirt", 2));
}

#[test]
fn variants_merge_by_their_values_and_the_others_stay() {
    let mut shop = Shop::with_shirt();
    let variant = |value: &str, price| ImportVariant {
        options: strings(&[value]),
        sku: None,
        price,
        compare_at: None,
        image: None,
    };
    let variants = vec![variant("M", Some(1_300)), variant("L", Some(1_400))];
    let change = ImportChange { variants, ..ImportChange::new(Handle::new("shirt").unwrap()) };
    let reply = imported(shop.ask(2, import(change)).unwrap());
    assert_eq!(
        reply.variants.iter().map(|(variant, sku)| (variant.new, sku.as_str())).collect::<Vec<_>>(),
        [(false, "M-1"), (true, "shirt.L")]
    );
    let seen: Vec<_> = shop.view().variants.into_iter().map(|variant| (variant.title, variant.price.amount)).collect();
    assert_eq!(seen, [("S".into(), 1_000), ("M".into(), 1_300), ("L".into(), 1_400)]);
}

#[test]
fn a_product_that_is_new_needs_a_title_and_prices() {
    let untitled = ImportChange { title: None, ..shirt_file() };
    assert_eq!(invalid_at(Shop::default().ask(1, import(untitled))), "/title");
    let mut priceless = shirt_file();
    priceless.variants[1].price = None;
    assert_eq!(invalid_at(Shop::default().ask(1, import(priceless))), "/variants/1/price");
    let bare = ImportChange { variants: Vec::new(), ..shirt_file() };
    assert_eq!(invalid_at(Shop::default().ask(1, import(bare))), "/variants");
}

#[test]
fn a_file_with_other_options_than_the_product_is_refused() {
    let mut shop = Shop::with_shirt();
    let mut change = shirt_file();
    change.options = Some(strings(&["Size", "Colour"]));
    assert_eq!(invalid_at(shop.ask(2, import(change))), "/variants/0/options");
}

#[test]
fn a_taken_sku_refuses_the_product() {
    let mut shop = Shop::default().taken_by_another("S-1");
    let refused = ProductRejection::SkuTaken { sku: sku("S-1"), product: OTHER };
    assert_eq!(shop.ask(1, import(shirt_file())), Err(refused));
}

#[test]
fn images_are_replaced_or_added() {
    let image = |src: &str, alt: &str| ImageEdit { src: src.into(), alt: alt.into(), position: 1, variants: None };
    let mut shop = Shop::with_shirt();
    let with = |images| ImportChange { images, ..ImportChange::new(Handle::new("shirt").unwrap()) };
    shop.ask(2, import(with(ImageChange::Add(vec![image("/a", ""), image("/b", "")])))).unwrap();
    shop.ask(3, import(with(ImageChange::Add(vec![image("/c", ""), image("/a", "front")])))).unwrap();
    let seen =
        |shop: &Shop| shop.view().images.iter().map(|image| format!("{}{}", image.src, image.alt)).collect::<Vec<_>>();
    assert_eq!(seen(&shop), ["/afront", "/b", "/c"]);
    shop.ask(4, import(with(ImageChange::Replace(vec![image("/c", "")])))).unwrap();
    assert_eq!(seen(&shop), ["/c"]);
    assert_eq!(imported(shop.ask(5, import(with(ImageChange::Keep))).unwrap()).outcome, ImportOutcome::Unchanged);
}

#[test]
fn an_archived_product_comes_back_by_an_import() {
    let mut shop = Shop::with_shirt();
    shop.ask(2, ProductCommand::Archive).unwrap();
    shop.ask(3, import(shirt_file())).unwrap();
    assert_eq!((shop.view().status, shop.view().version), (Status::Active, 3));
}
