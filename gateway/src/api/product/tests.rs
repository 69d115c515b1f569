//! Pictures of products and of their variants.

use serde_json::{Value, json};

use crate::{
    api::tests::shop::usd,
    testing::{Shop, eventually},
};

fn coat(images: Value) -> Value {
    json!({"title": "Coat", "options": ["Colour"], "images": images,
        "variants": [{"options": ["Moss"], "sku": "COAT-M", "price": usd(1000)},
                     {"options": ["Slate"], "sku": "COAT-S", "price": usd(1000)}]})
}

/// Returns each image with the SKUs that it shows.
fn shown(product: &Value) -> Vec<(String, Value)> {
    let images = product["images"].as_array().unwrap();
    images.iter().map(|image| (image["src"].as_str().unwrap().to_owned(), image["variant_skus"].clone())).collect()
}

#[tokio::test]
async fn an_image_lists_its_variants() {
    let shop = Shop::open().await;
    let (vendor, nobody) = (shop.vendor(), shop.nobody());
    let images = json!([{"src": "/all"}, {"url": "/moss", "alt": "Moss", "variant_skus": ["COAT-M"]},
        {"src": "/slate", "variant_skus": ["COAT-S", "COAT-S"]}]);
    let made = vendor.post("/v1/products", "coat", coat(images.clone())).await.has(201);
    let (all, moss, slate) = ("/all".to_owned(), "/moss".to_owned(), "/slate".to_owned());
    let expected = [(all.clone(), Value::Null), (moss.clone(), json!(["COAT-M"])), (slate.clone(), json!(["COAT-S"]))];
    assert_eq!(shown(&made.body), expected);
    let again = vendor.post("/v1/products", "coat", coat(images)).await.has(201);
    assert_eq!((again.header("idempotency-replayed"), shown(&again.body)), ("true", expected.to_vec()));
    let place = format!("/v1/products/{}", made.text("/id"));
    assert_eq!(shown(&nobody.get(&place).await.has(200).body), expected);

    let renamed = json!({"variants": [{"id": made.text("/variants/0/id"), "sku": "MOSS"}],
        "images": [{"src": "/slate"}, {"src": "/moss", "variant_skus": ["MOSS", "COAT-S"]}]});
    let changed = vendor.patch(&place, "\"1\"", renamed).await.has(200);
    assert_eq!(
        shown(&changed.body),
        [(slate, json!(["COAT-S"])), (moss, json!(["MOSS", "COAT-S"]))],
        "an image without a word of variants keeps them"
    );
    let listed = eventually(
        || nobody.get("/v1/products?query=coat"),
        |answer| answer.items().first().is_some_and(|item| item["version"] == 2),
    )
    .await;
    assert_eq!(shown(&listed.items()[0]), [("/slate".to_owned(), Value::Null)], "lists have the first image alone");
}

#[tokio::test]
async fn an_image_of_an_unknown_sku_is_refused_at_its_field() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let wrong = coat(json!([{"src": "/a"}, {"src": "/b", "variant_skus": ["COAT-M", "SHIRT"]}]));
    let refused = vendor.post("/v1/products", "wrong", wrong).await.refuses(422, "out_of_range");
    assert_eq!(refused.text("/errors/0/pointer"), "/images/1/variant_skus/1");
    let made = vendor.post("/v1/products", "coat", coat(json!([]))).await.has(201);
    let place = format!("/v1/products/{}", made.text("/id"));
    for (images, pointer) in [
        (json!([{"src": "/a", "variant_skus": ["SHIRT"]}]), "/images/0/variant_skus/0"),
        (json!([{"src": "/a"}, {"src": "/b", "variant_skus": [" x"]}]), "/images/1/variant_skus/0"),
        (json!([{"src": "/a", "variant_skus": vec!["COAT-M"; 2_049]}]), "/images/0/variant_skus"),
    ] {
        let refused = vendor.patch(&place, "\"1\"", json!({"images": images})).await.refuses(422, "out_of_range");
        assert_eq!(refused.text("/errors/0/pointer"), pointer);
    }
    let both = json!({"images": [{"src": "/a", "url": "/b"}]});
    vendor.patch(&place, "\"1\"", both).await.refuses(400, "invalid_request");
    // The SKU of a variant that the same patch removes counts as unknown.
    let gone = json!({"remove_variants": [made.text("/variants/1/id")],
        "images": [{"src": "/a", "variant_skus": ["COAT-S"]}]});
    let refused = vendor.patch(&place, "\"1\"", gone).await.refuses(422, "out_of_range");
    assert_eq!(refused.text("/errors/0/pointer"), "/images/0/variant_skus/0");
}
