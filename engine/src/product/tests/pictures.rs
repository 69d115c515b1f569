//! Tests of which image shows which variant.

use super::*;

fn image(src: &str, skus: Option<&[&str]>) -> ImageEdit {
    let variants = skus.map(|skus| skus.iter().map(|text| sku(text)).collect());
    ImageEdit { src: src.into(), alt: String::new(), position: 1, variants }
}

fn with_images(images: Vec<ImageEdit>) -> ProductEdit {
    ProductEdit { images: Some(images), ..ProductEdit::default() }
}

/// A shirt with an image of each size, and one of the label.
fn pictured() -> Shop {
    let images = vec![image("/label", None), image("/small", Some(&["S-1"])), image("/medium", Some(&["M-1", "M-1"]))];
    let mut shop = Shop::default();
    shop.ask(1, create(NewProduct { images, ..shirt() })).unwrap();
    shop
}

/// Returns each image with the SKUs that it shows: `/small S-1`.
fn shown(shop: &Shop) -> Vec<String> {
    let view = shop.view();
    let words = |image: &Image| {
        let skus: Vec<_> = view.skus_of(image).iter().map(ToString::to_string).collect();
        format!("{} {}", image.src, skus.join("+")).trim_end().to_owned()
    };
    view.images.iter().map(words).collect()
}

fn quoted(shop: &mut Shop, command: u128, name: &str) -> Option<String> {
    let reply = shop.ask(command, ProductCommand::Quote(VariantSelector::Sku(sku(name)))).unwrap();
    let ProductReply::Quote(quote) = reply else { panic!("{reply:?}") };
    quote.image
}

#[test]
fn a_variant_has_the_picture_that_shows_it() {
    let mut shop = pictured();
    assert_eq!(shown(&shop), ["/label", "/small S-1", "/medium M-1"]);
    assert_eq!(quoted(&mut shop, 2, "M-1").as_deref(), Some("/medium"));

    // Images refer to the SKUs that variants have after the change, derived SKUs included.
    let large = VariantEdit { options: Some(strings(&["L"])), price: Some(1), ..VariantEdit::default() };
    let edit_ = ProductEdit {
        variants: vec![large],
        ..with_images(vec![image("/label", None), image("/both", Some(&["shirt.L", "S-1"]))])
    };
    shop.ask(3, edit(1, edit_)).unwrap();
    assert_eq!(shown(&shop), ["/label", "/both S-1+shirt.L"]);
    assert_eq!(quoted(&mut shop, 4, "M-1").as_deref(), Some("/label"), "the first, without one of its own");
}

#[test]
fn a_sku_that_the_product_does_not_have_is_named() {
    let unknown = |images| invalid_at(Shop::default().ask(1, create(NewProduct { images, ..shirt() })));
    let wrong = vec![image("/a", None), image("/b", Some(&["M-1", "X"]))];
    assert_eq!(unknown(wrong), "/images/1/variant_skus/1");
    let too_many = vec!["M-1"; VARIANTS_MAX + 1];
    assert_eq!(unknown(vec![image("/a", Some(&too_many))]), "/images/0/variant_skus");
    assert!(
        Shop::default()
            .ask(1, create(NewProduct { images: vec![image("/a", Some(&too_many[1..]))], ..shirt() }))
            .is_ok()
    );
    let mut shop = pictured();
    let gone =
        ProductEdit { remove: vec![shop.variant(&["S"]).id], ..with_images(vec![image("/small", Some(&["S-1"]))]) };
    assert_eq!(invalid_at(shop.ask(2, edit(1, gone))), "/images/0/variant_skus/0");
}

#[test]
fn a_picture_stays_with_its_variant_until_it_is_taken_away() {
    let mut shop = pictured();
    let small = shop.variant(&["S"]).id;
    let renamed = VariantEdit { id: Some(small), sku: Some(sku("S-2")), ..VariantEdit::default() };
    shop.ask(2, edit(1, with_variants(vec![renamed]))).unwrap();
    assert_eq!(shown(&shop), ["/label", "/small S-2", "/medium M-1"]);

    // An image without a list of variants keeps its variants; an empty list removes them.
    let again = vec![image("/medium", Some(&[])), image("/small", None), image("/new", None)];
    shop.ask(3, edit(2, with_images(again))).unwrap();
    assert_eq!(shown(&shop), ["/medium", "/small S-2", "/new"]);

    // A new variant with the same option values is a different variant.
    shop.ask(4, edit(3, ProductEdit { remove: vec![small], ..ProductEdit::default() })).unwrap();
    let same = VariantEdit { options: Some(strings(&["S"])), price: Some(1), ..VariantEdit::default() };
    shop.ask(5, edit(4, with_variants(vec![same]))).unwrap();
    assert_eq!(shown(&shop), ["/medium", "/small", "/new"]);
}

/// An import of the shirt with these images for its two sizes.
fn file(images: ImageChange, pictures: [Option<Option<&str>>; 2]) -> ProductCommand {
    let mut change = ImportChange { images, ..shirt_file() };
    for (variant, picture) in change.variants.iter_mut().zip(pictures) {
        variant.image = picture.map(|src| src.map(ToOwned::to_owned));
    }
    import(change)
}

#[test]
fn a_file_gives_each_variant_its_picture() {
    let mut shop = pictured();
    let all = || ImageChange::Replace(vec![image("/label", None), image("/medium", None)]);
    // Without a column for variant images, variants keep theirs.
    shop.ask(2, file(all(), [None, None])).unwrap();
    assert_eq!(shown(&shop), ["/label", "/medium M-1"]);
    shop.ask(3, file(all(), [Some(Some("/new")), Some(None)])).unwrap();
    assert_eq!(
        shown(&shop),
        ["/label", "/medium", "/new S-1"],
        "a blank cell takes it away, and a new picture is added"
    );
    shop.ask(4, file(ImageChange::Keep, [Some(Some("/label")), Some(Some("/label"))])).unwrap();
    assert_eq!(shown(&shop), ["/label S-1+M-1", "/medium", "/new"]);
    let again = imported(shop.ask(5, file(ImageChange::Keep, [Some(Some("/label")), Some(Some("/label"))])).unwrap());
    assert_eq!(again.outcome, ImportOutcome::Unchanged);
}

#[test]
fn a_file_says_the_first_picture_of_a_variant_and_leaves_the_others() {
    let mut shop = Shop::default();
    let images = vec![image("/front", Some(&["S-1"])), image("/back", Some(&["S-1", "M-1"]))];
    shop.ask(1, create(NewProduct { images, ..shirt() })).unwrap();
    let same = file(ImageChange::Keep, [Some(Some("/front")), Some(Some("/back"))]);
    assert_eq!(imported(shop.ask(2, same).unwrap()).outcome, ImportOutcome::Unchanged);
    assert_eq!(shown(&shop), ["/front S-1", "/back S-1+M-1"]);
}

#[test]
fn pictures_of_variants_count_among_the_images() {
    let images: Vec<_> = (1..=IMAGES_MAX).map(|n| image(&format!("/{n}"), None)).collect();
    let mut shop = Shop::default();
    shop.ask(1, create(NewProduct { images, ..shirt() })).unwrap();
    shop.ask(2, file(ImageChange::Keep, [Some(Some("/250")), None])).unwrap();
    assert_eq!(invalid_at(shop.ask(3, file(ImageChange::Keep, [Some(Some("/251")), None]))), "/images");
}

#[test]
fn commands_without_images_have_the_fingerprint_of_earlier_versions() {
    let said = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(said(serde_json::to_value(image("/a", None)).unwrap()), ["alt", "position", "src"]);
    let variant = shirt_file().variants.remove(0);
    assert_eq!(said(serde_json::to_value(variant).unwrap()), ["compare_at", "options", "price", "sku"]);
    let edit = VariantEdit::default();
    assert_eq!(said(serde_json::to_value(edit).unwrap()), ["compare_at", "id", "options", "price", "sku"]);
    let first = serde_json::to_string(&image("/a", None)).unwrap();
    assert_eq!(first, r#"{"src":"/a","alt":"","position":1}"#);
}
