//! Catalogue files.

use axum::{body::Body, http::Request};
use serde_json::json;

use crate::testing::{Answer, Shop, eventually};

const FILE: &str = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty\r\n\
    shirt,Shirt,Size,S,SHIRT-S,19.99,5\r\n\
    shirt,,,M,SHIRT-M,19.99,7\r\n\
    mug,Mug,Title,Default Title,MUG,twelve,1\r\n";

async fn import(shop: &Shop, query: &str, key: &str, kind: &str, file: &str) -> Answer {
    let token = shop.vendor().token.unwrap();
    let request = Request::post(format!("/v1/imports{query}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", kind)
        .header("idempotency-key", key);
    shop.send(request.body(Body::from(file.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_file_is_taken_in_and_its_refused_rows_are_listed() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let begun = import(&shop, "?currency=USD", "k", "text/csv; charset=utf-8", FILE).await.has(201);
    let place = begun.header("location").to_owned();
    let done = eventually(|| vendor.get(&place), |answer| answer.text("/state") == "completed").await;
    assert_eq!((done.number("/counts/products_created"), done.number("/counts/variants_created")), (1, 2));
    assert_eq!(done.number("/counts/rows_rejected"), 1);
    let rows = vendor.get(&format!("{place}/rejected-rows")).await.has(200);
    assert_eq!(rows.items()[0]["line"], json!(4));
    assert_eq!(vendor.get("/v1/inventory/SHIRT-M").await.has(200).number("/available"), 7);

    let again = import(&shop, "?currency=USD", "k", "text/csv", FILE).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (done.text("/id"), "true"));
    import(&shop, "?currency=USD", "k", "text/csv", "Handle\r\n").await.refuses(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let begun = import(&shop, "?dry_run=true", "k", "text/csv", FILE).await.has(201);
    let place = begun.header("location").to_owned();
    let done = eventually(|| vendor.get(&place), |answer| answer.text("/state") == "completed").await;
    assert_eq!((done.body["dry_run"].clone(), done.number("/counts/products_created")), (json!(true), 1));
    vendor.get("/v1/inventory/SHIRT-M").await.refuses(404, "not_found");
}

#[tokio::test]
async fn an_import_has_manners() {
    let shop = Shop::open().await;
    import(&shop, "", "k", "application/json", "{}").await.refuses(415, "unsupported_media_type");
    import(&shop, "?currency=usd", "k", "text/csv", FILE).await.refuses(422, "out_of_range");
    import(&shop, "?dry_run=perhaps", "k", "text/csv", FILE).await.refuses(400, "invalid_request");
    import(&shop, "?stock=add", "k", "text/csv", FILE).await.refuses(400, "invalid_request");
    shop.guest().await.post("/v1/imports", "k", json!({})).await.refuses(403, "forbidden");
    shop.vendor().get("/v1/imports/00000000000000000000000000").await.refuses(404, "not_found");
}
