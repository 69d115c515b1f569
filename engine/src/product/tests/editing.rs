//! Tests of edits by merchants.

use super::*;

#[test]
fn an_edit_raises_the_version_and_changes_what_it_names() {
    let mut shop = Shop::with_shirt();
    let small = shop.variant(&["S"]);
    let price =
        VariantEdit { id: Some(small.id), price: Some(900), compare_at: Some(Some(1_000)), ..VariantEdit::default() };
    let input = ProductEdit { title: Some("Tee".into()), tags: Some(Vec::new()), ..with_variants(vec![price]) };
    shop.ask(2, edit(1, input)).unwrap();
    let view = shop.view();
    assert_eq!((view.title.as_str(), view.vendor.as_str(), view.version), ("Tee", "Loom", 2));
    assert!(view.tags.is_empty());
    assert_eq!(
        (view.variants[0].price.amount, view.variants[0].compare_at.map(|money| money.amount)),
        (900, Some(1_000))
    );
    assert_eq!(view.variants[1].price.amount, 1_200);
}

#[test]
fn an_edit_of_an_older_version_is_refused() {
    let mut shop = Shop::with_shirt();
    assert_eq!(shop.ask(2, edit(7, ProductEdit::default())), Err(ProductRejection::StaleVersion { current: 1 }));
}

#[test]
fn an_edit_that_changes_nothing_is_no_new_version() {
    let mut shop = Shop::with_shirt();
    let before = shop.history.len();
    shop.ask(2, edit(1, ProductEdit { title: Some(" Shirt ".into()), ..ProductEdit::default() })).unwrap();
    assert_eq!((shop.view().version, shop.history.len()), (1, before));
}

#[test]
fn a_new_variant_comes_when_its_sku_is_adopted() {
    let mut shop = Shop::with_shirt();
    let large = VariantEdit { options: Some(strings(&["L"])), price: Some(1_500), ..VariantEdit::default() };
    assert!(matches!(shop.send(2, edit(1, with_variants(vec![large.clone()]))), Ok(Answer::Deferred(_))));
    assert_eq!(shop.view().variants.len(), 2);
    shop.answer_one();
    assert_eq!((shop.view().variants.len(), shop.view().version), (3, 2));
    assert_eq!(shop.variant(&["L"]).sku, sku("shirt.L"));
    assert_eq!(shop.variant(&["L"]).id, variant_id(shop.view().id, &strings(&["L"]), 0));
    let priceless = VariantEdit { price: None, options: Some(strings(&["XL"])), ..large };
    assert_eq!(invalid_at(shop.ask(3, edit(2, with_variants(vec![priceless])))), "/variants/0/price");
}

#[test]
fn a_refused_sku_leaves_the_product_as_it_was() {
    let mut shop = Shop::with_shirt().taken_by_another("X");
    let (before, small) = (shop.view(), shop.variant(&["S"]).id);
    let change = |sku_text| VariantEdit { sku: Some(sku(sku_text)), ..VariantEdit::default() };
    let variants = vec![
        VariantEdit { id: Some(small), ..change("Y") },
        VariantEdit { options: Some(strings(&["L"])), price: Some(1), ..change("X") },
    ];
    let refused = ProductRejection::SkuTaken { sku: sku("X"), product: OTHER };
    assert_eq!(shop.ask(2, edit(1, with_variants(variants))), Err(refused));
    assert_eq!(shop.view(), before);
    assert!(!shop.skus.contains_key("Y"));
    shop.product.assert_settled();
}

#[test]
fn a_sku_that_is_given_up_is_disowned() {
    let mut shop = Shop::with_shirt();
    let small = shop.variant(&["S"]).id;
    let change = VariantEdit { id: Some(small), sku: Some(sku("S-2")), ..VariantEdit::default() };
    shop.ask(2, edit(1, with_variants(vec![change]))).unwrap();
    assert_eq!(shop.skus.keys().collect::<Vec<_>>(), ["M-1", "S-2"]);
    shop.send(3, edit(2, ProductEdit { remove: vec![small], ..ProductEdit::default() })).unwrap();
    assert_eq!(shop.view().variants.len(), 1);
    shop.answer_one();
    assert_eq!(shop.skus.keys().collect::<Vec<_>>(), ["M-1"]);
    shop.product.assert_settled();
}

#[test]
fn a_sku_moves_to_another_variant_in_two_steps() {
    let mut shop = Shop::with_shirt();
    let (small, medium) = (shop.variant(&["S"]).id, shop.variant(&["M"]).id);
    let named = |id, text| VariantEdit { id: Some(id), sku: Some(sku(text)), ..VariantEdit::default() };
    let own = shop.view().id;
    let swap = with_variants(vec![named(small, "M-1"), named(medium, "S-1")]);
    assert!(matches!(shop.ask(2, edit(1, swap)), Err(ProductRejection::SkuTaken { product, .. }) if product == own));
    shop.ask(3, edit(1, ProductEdit { remove: vec![small], ..ProductEdit::default() })).unwrap();
    shop.ask(4, edit(2, with_variants(vec![named(medium, "S-1")]))).unwrap();
    assert_eq!(shop.skus.keys().collect::<Vec<_>>(), ["S-1"]);
}

#[test]
fn two_variants_of_a_product_cannot_have_one_sku() {
    let variants = vec![new_variant("A", &["S"], 1), new_variant("A", &["M"], 1)];
    let answer = Shop::default().ask(1, create(NewProduct { variants, ..shirt() }));
    assert!(matches!(answer, Err(ProductRejection::SkuTaken { sku: taken, .. }) if taken == sku("A")));
}

#[test]
fn a_variant_keeps_its_id_when_its_values_are_edited() {
    let mut shop = Shop::with_shirt();
    let small = shop.variant(&["S"]).id;
    let rename = VariantEdit { id: Some(small), options: Some(strings(&["Small"])), ..VariantEdit::default() };
    shop.ask(2, edit(1, with_variants(vec![rename]))).unwrap();
    assert_eq!(shop.variant(&["Small"]).id, small);
    let again = VariantEdit { options: Some(strings(&["S"])), price: Some(1), ..VariantEdit::default() };
    shop.ask(3, edit(2, with_variants(vec![again]))).unwrap();
    assert_ne!(shop.variant(&["S"]).id, small, "the derived id is in use");
    shop.product.assert_settled();
}

#[test]
fn unknown_variants_and_other_currencies_are_refused() {
    let mut shop = Shop::with_shirt();
    let small = shop.variant(&["S"]).id;
    let unknown = VariantEdit { id: Some(VariantId(5)), ..VariantEdit::default() };
    assert_eq!(shop.ask(2, edit(1, with_variants(vec![unknown]))), Err(ProductRejection::VariantNotFound));
    let remove = ProductEdit { remove: vec![VariantId(5)], ..ProductEdit::default() };
    assert_eq!(shop.ask(2, edit(1, remove)), Err(ProductRejection::VariantNotFound));
    let priced = VariantEdit { id: Some(small), price: Some(1), ..VariantEdit::default() };
    let yen = ProductEdit { currency: Some(Currency::new("JPY").unwrap()), ..with_variants(vec![priced]) };
    assert_eq!(shop.ask(2, edit(1, yen)), Err(ProductRejection::OtherCurrency { currency: Currency::USD }));
    let nothing_left = ProductEdit { remove: vec![small, shop.variant(&["M"]).id], ..ProductEdit::default() };
    assert_eq!(invalid_at(shop.ask(2, edit(1, nothing_left))), "/variants");
}

#[test]
fn a_product_remembers_a_day_of_answers_and_no_more_than_it_can() {
    let mut shop = Shop::default();
    let text = |n: u128| SafeHtml::known(&format!("{n} {}", "x".repeat(DESCRIPTION_CHARS_MAX - 64)));
    shop.ask(1, create(NewProduct { description: text(1), ..shirt() })).unwrap();
    let change = |version: u64| {
        let description = Some(text(u128::from(version) + 1));
        edit(version, ProductEdit { description, ..ProductEdit::default() })
    };
    let mut version = 1;
    while shop.ask(u128::from(version) + 1, change(version)).is_ok() {
        version += 1;
    }
    assert_eq!(version as usize, ANSWERS_BYTES_MAX / DESCRIPTION_CHARS_MAX - 1);
    assert_eq!(shop.ask(1_000, change(version)), Err(ProductRejection::TooManyChanges));
    assert!(shop.ask(1_000, ProductCommand::Archive).is_ok(), "taking it out of the shop always works");
    shop.now = PROCESSED_COMMANDS_KEPT_MS + 1;
    assert!(shop.ask(1_001, change(version + 1)).is_ok());
    assert_eq!(shop.product.processed_commands.len(), 1);
}
