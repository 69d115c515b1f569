//! Tests of creating products.

use super::*;

#[test]
fn a_product_is_there_when_the_inventory_has_adopted_its_skus() {
    let mut shop = Shop::default();
    let Answer::Deferred(deferred) = shop.send(1, create(shirt())).unwrap() else {
        panic!("the inventory has to answer first")
    };
    shop.answer_one();
    assert_eq!(shop.product.deferred_reply(&deferred, Timestamp(0)), None);
    assert_eq!(shop.ask(9, ProductCommand::View), Err(ProductRejection::NotFound));
    shop.answer_one();
    assert_eq!(
        shop.product.deferred_reply(&deferred, Timestamp(0)),
        Some(Ok(ProductReply::Product(Arc::new(shop.view()))))
    );
    let view = shop.view();
    assert_eq!((view.id, view.version), (view.handle.product(&tenant()), 1));
    assert_eq!(view.options, [OptionView { name: "Size".into(), values: strings(&["S", "M"]) }]);
    assert_eq!(view.variants[1].price, Money::new(1_200, Currency::USD).unwrap());
    shop.product.assert_settled();
}

#[test]
fn a_taken_sku_refuses_the_creation_and_leaves_the_id_free() {
    let mut shop = Shop::default().taken_by_another("M-1");
    let refused = ProductRejection::SkuTaken { sku: sku("M-1"), product: OTHER };
    assert_eq!(shop.ask(1, create(shirt())), Err(refused));
    assert_eq!(shop.skus.len(), 1, "the adopted SKU is released: {:?}", shop.skus);
    assert_eq!(shop.ask(2, ProductCommand::View), Err(ProductRejection::NotFound));
    shop.skus.clear();
    assert!(shop.ask(1, create(shirt())).is_ok(), "the same key may try again");
    shop.product.assert_settled();
}

#[test]
fn a_second_attempt_waits_until_the_first_ones_skus_are_given_up() {
    let mut shop = Shop::default().taken_by_another("M-1");
    shop.send(1, create(shirt())).unwrap();
    shop.answer_one();
    shop.answer_one();
    let mut smaller = shirt();
    smaller.variants.pop();
    let Answer::Deferred(deferred) = shop.send(2, create(smaller)).unwrap() else { panic!() };
    let [effect] = &shop.product.outstanding()[..] else { panic!("one thing at a time for one sku") };
    assert!(matches!(&effect.request, Request::Stock(_, StockCommand::Disown { .. })));
    shop.answer_one();
    shop.answer_one();
    assert!(matches!(shop.product.deferred_reply(&deferred, Timestamp(0)), Some(Ok(_))));
    shop.product.assert_settled();
}

#[test]
fn a_repeat_is_answered_as_the_first_was() {
    let mut shop = Shop::default();
    let Answer::Deferred(first) = shop.send(1, create(shirt())).unwrap() else { panic!() };
    assert_eq!(
        shop.send(1, create(shirt())),
        Ok(Answer::Deferred(DeferredReply { duplicate: true, ..first })),
        "while it waits"
    );
    let reply = shop.ask(1, create(shirt())).unwrap();
    shop.ask(2, ProductCommand::Archive).unwrap();
    assert_eq!(shop.send(1, create(shirt())), Ok(Answer::Duplicate(reply)), "after it has changed");
    let mut other = shop.context(1);
    other.fingerprint = Fingerprint(5);
    assert_eq!(shop.product.decide(&create(shirt()), &other), Err(KeyReused.into()));
}

#[test]
fn a_handle_is_taken_once() {
    let mut shop = Shop::with_shirt();
    let product = shop.view().id;
    assert_eq!(shop.ask(2, create(shirt())), Err(ProductRejection::HandleTaken { product }));
}

#[test]
fn a_change_under_way_keeps_others_waiting() {
    let mut shop = Shop::default();
    shop.send(1, create(shirt())).unwrap();
    assert_eq!(shop.send(2, create(shirt())), Err(ProductRejection::Busy));
    assert_eq!(shop.send(3, import(shirt_file())), Err(ProductRejection::Busy));
}

#[test]
fn a_variant_without_a_sku_gets_a_derived_one() {
    let mut shop = Shop::default();
    shop.ask(1, create(NewProduct { variants: vec![new_variant("", &["S"], 1)], ..shirt() })).unwrap();
    assert_eq!(shop.view().variants[0].sku, sku("shirt.S"));
}

#[test]
fn default_title_means_no_option() {
    let mut shop = Shop::default();
    let new =
        NewProduct { options: strings(&["Title"]), variants: vec![new_variant("A", &["Default Title"], 1)], ..shirt() };
    shop.ask(1, create(new)).unwrap();
    let view = shop.view();
    assert!(view.options.is_empty() && view.variants[0].options.is_empty() && view.variants[0].title.is_empty());
    let two = vec![new_variant("A", &["Default Title"], 1), new_variant("B", &["Long"], 1)];
    let new = NewProduct { options: strings(&["Title"]), variants: two, ..shirt() };
    assert_eq!(invalid_at(Shop::default().ask(1, create(new))), "/variants/0/options");
}

#[test]
fn values_out_of_range_are_refused_at_their_field() {
    let long = "x".repeat(TEXT_CHARS_MAX + 1);
    let refused = |change: &dyn Fn(&mut NewProduct)| {
        let mut new = shirt();
        change(&mut new);
        invalid_at(Shop::default().ask(1, create(new)))
    };
    assert_eq!(refused(&|new| new.title = " \n".into()), "/title");
    assert_eq!(refused(&|new| new.title = long.clone()), "/title");
    assert_eq!(refused(&|new| new.vendor = long.clone()), "/vendor");
    assert_eq!(refused(&|new| new.product_type = long.clone()), "/type");
    assert_eq!(refused(&|new| new.tags[1] = "a,b".into()), "/tags/1");
    assert_eq!(refused(&|new| new.tags = (0..=TAGS_MAX).map(|n| n.to_string()).collect()), "/tags");
    assert_eq!(refused(&|new| new.options = strings(&["Size", "Size"])), "/options");
    assert_eq!(refused(&|new| new.options = strings(&["A", "B", "C", "D"])), "/options");
    assert_eq!(refused(&|new| new.options = strings(&["Size", "Colour"])), "/variants/0/options");
    assert_eq!(refused(&|new| new.variants[1].options = strings(&["S"])), "/variants/1/options");
    assert_eq!(refused(&|new| new.variants[1].price = -1), "/variants/1/price");
    assert_eq!(refused(&|new| new.variants[1].compare_at = Some(-1)), "/variants/1/compare_at_price");
    assert_eq!(refused(&|new| new.variants.clear()), "/variants");
    let image = |src: &str| ImageEdit { src: src.into(), alt: String::new(), position: 1, variants: None };
    for wrong in ["javascript:steal()", "data:image/png;base64,x", "//evil.example/a", "https://", "https://a/b c", ""]
    {
        assert_eq!(refused(&|new| new.images = vec![image(wrong)]), "/images/0/src", "{wrong}");
    }
    assert_eq!(refused(&|new| new.images = (0..=IMAGES_MAX).map(|n| image(&format!("/{n}"))).collect()), "/images");
}

#[test]
fn a_product_has_a_bound_in_all() {
    let wide = |n: usize| new_variant(&format!("{n}"), &[&format!("{n:é>250}")], 1);
    let too_many = NewProduct { variants: (0..=VARIANTS_MAX).map(wide).collect(), ..shirt() };
    assert_eq!(invalid_at(Shop::default().ask(1, create(too_many))), "/variants");
    let description = SafeHtml::known(&"😀".repeat(DESCRIPTION_CHARS_MAX));
    let longest = NewProduct { description: description.clone(), ..shirt() };
    assert!(Shop::default().ask(1, create(longest)).is_ok(), "the longest description fits");
    let too_large = NewProduct { variants: (0..VARIANTS_MAX).map(wide).collect(), description, ..shirt() };
    assert_eq!(invalid_at(Shop::default().ask(1, create(too_large))), "");
}

#[test]
fn an_image_s_address_is_counted_in_characters() {
    for letter in ["a", "ł", "抹", "😀"] {
        let longest = format!("/{}", letter.repeat(IMAGE_SRC_CHARS_MAX - 1));
        let with = |src: &str| {
            let image = ImageEdit { src: src.into(), alt: String::new(), position: 1, variants: None };
            Shop::default().ask(1, create(NewProduct { images: vec![image], ..shirt() }))
        };
        assert!(with(&longest).is_ok(), "{letter}");
        assert_eq!(invalid_at(with(&format!("{longest}a"))), "/images/0/src", "{letter}");
    }
}

#[test]
fn images_are_ordered_and_numbered() {
    let image = |src: &str, position| ImageEdit { src: src.into(), alt: " front\t ".into(), position, variants: None };
    let mut shop = Shop::default();
    let images = vec![image("/b", 7), image("/a", 2), image("/b", 9)];
    shop.ask(1, create(NewProduct { images, ..shirt() })).unwrap();
    let seen: Vec<_> = shop.view().images.into_iter().map(|image| (image.src, image.alt, image.position)).collect();
    assert_eq!(seen, [("/a".into(), "front".into(), 1), ("/b".into(), "front".into(), 2)]);
}
