//! Tests of quotes.

use super::*;

#[test]
fn a_variant_is_quoted_by_its_id_or_its_sku() {
    let mut shop = Shop::with_shirt();
    let small = shop.variant(&["S"]);
    let by_sku = shop.ask(2, ProductCommand::Quote(VariantSelector::Sku(small.sku.clone()))).unwrap();
    assert_eq!(shop.ask(3, ProductCommand::Quote(VariantSelector::Variant(small.id))).unwrap(), by_sku);
    let ProductReply::Quote(quote) = by_sku else { panic!() };
    assert_eq!((quote.product, quote.price, quote.variant_title.as_str()), (shop.view().id, small.price, "S"));
    assert_eq!(
        shop.ask(4, ProductCommand::Quote(VariantSelector::Sku(sku("Z")))),
        Err(ProductRejection::VariantNotFound)
    );
}

#[test]
fn unknown_items_are_not_quoted() {
    let mut shop = Shop::with_shirt();
    let quote = ProductCommand::Quote(VariantSelector::Sku(sku("S-1")));
    assert_eq!(Shop::default().ask(2, quote.clone()), Err(ProductRejection::NotFound));
    shop.ask(2, ProductCommand::Archive).unwrap();
    assert_eq!(shop.ask(3, quote), Err(ProductRejection::NotActive { status: Status::Archived }));
    let before = shop.history.len();
    shop.ask(4, ProductCommand::Archive).unwrap();
    assert_eq!(shop.history.len(), before, "archiving twice is archiving once");
    assert!(shop.skus.contains_key("S-1"), "an archived product keeps its skus");
}
