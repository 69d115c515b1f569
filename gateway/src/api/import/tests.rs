//! Product imports from files.

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
    import(&shop, "", "k", "text/csv; charset=windows-1252", FILE).await.refuses(415, "unsupported_media_type");
    for (key, kind) in ["text/plain", "application/vnd.ms-excel", "Text/CSV; charset=UTF-8"].into_iter().enumerate() {
        import(&shop, "?dry_run=true", &format!("kind-{key}"), kind, FILE).await.has(201);
    }
    import(&shop, "?currency=usd", "k", "text/csv", FILE).await.refuses(422, "out_of_range");
    import(&shop, "?dry_run=perhaps", "k", "text/csv", FILE).await.refuses(400, "invalid_request");
    import(&shop, "?stock=add", "k", "text/csv", FILE).await.refuses(400, "invalid_request");
    shop.guest().await.post("/v1/imports", "k", json!({})).await.refuses(403, "forbidden");
    shop.vendor().get("/v1/imports/00000000000000000000000000").await.refuses(404, "not_found");
}

/// Runs an import to its end and returns it. Asserts that every row is imported or refused, and that no message
/// mentions JSON.
async fn completed(shop: &Shop, query: &str, key: &str, file: &str) -> (Answer, Vec<serde_json::Value>) {
    let begun = import(shop, query, key, "text/csv", file).await.has(201);
    let place = begun.header("location").to_owned();
    let vendor = shop.vendor();
    let done = eventually(|| vendor.get(&place), |answer| answer.text("/state") == "completed").await;
    let counts = ["rows_imported", "rows_rejected", "rows"].map(|name| done.number(&format!("/counts/{name}")));
    assert_eq!(counts[0] + counts[1], counts[2], "{}", done.body);
    let refused = vendor.get(&format!("{place}/rejected-rows")).await.has(200).items().to_vec();
    assert_eq!(i64::try_from(refused.len()).unwrap(), counts[1]);
    assert!(refused.iter().all(|row| !row["reason"].as_str().unwrap().contains("/variants")), "{refused:?}");
    (done, refused)
}

const HEADER: &str =
    "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Inventory Qty,Image Src\n";

#[tokio::test]
async fn a_bad_first_row_costs_its_variant_and_no_more() {
    let shop = Shop::open().await;
    let file = format!("{HEADER}cap,Cap,Size,S,CAP-S,x,1,\ncap,,,M,CAP-M,5,-2,ftp://x\ncap,,,L,CAP-L,5,10.0,\n");
    let (done, refused) = completed(&shop, "", "k", &file).await;
    assert_eq!((done.number("/counts/variants_created"), done.number("/counts/rows_imported")), (2, 2));
    let [row] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&row["line"], &row["column"]), (&json!(2), &json!("Variant Price")));
    assert!(row["reason"].as_str().unwrap().starts_with("\"x\": not a price"), "{row}");
    let warnings = done.body["warnings"].to_string();
    assert!(warnings.contains("line 3: -2 units") && warnings.contains("Image Src") && warnings.contains("ftp://x"));
    assert_eq!(shop.vendor().get("/v1/inventory/CAP-M").await.has(200).number("/available"), 0);
    assert_eq!(shop.vendor().get("/v1/inventory/CAP-L").await.has(200).number("/available"), 10);
}

#[tokio::test]
async fn a_sku_of_another_product_costs_its_variant_or_is_derived() {
    for dry_run in [false, true] {
        let shop = Shop::open().await;
        completed(&shop, "", "k", &format!("{HEADER}mug,Mug,Size,S,ONE,5,1,\nmug,,,M,TWO,5,1,\n")).await;
        // A dry run looks up SKUs in the lists.
        let vendor = shop.vendor();
        eventually(|| vendor.get("/v1/products"), |answer| answer.items().len() == 1).await;
        let query = |rest: &str| format!("?dry_run={dry_run}{rest}");
        let cup = format!(
            "{HEADER}cup,Cup,Size,S,ONE,5,1,\ncup,,,M,TWO,5,1,\ncup,,,L,THREE,5,1,\ncup,,,,,,,https://x.example/a\n"
        );
        let (done, refused) = completed(&shop, &query(""), "refuse", &cup).await;
        assert_eq!((done.number("/counts/products_created"), done.number("/counts/variants_created")), (1, 1));
        let lines: Vec<_> = refused.iter().map(|row| (row["line"].clone(), row["column"].clone())).collect();
        assert_eq!(lines, [(json!(2), json!("Variant SKU")), (json!(3), json!("Variant SKU"))]);
        assert_eq!(refused[0]["reason"], "\"ONE\": another variant has the sku ONE");
        let (done, refused) = completed(&shop, &query("&duplicate_sku=derive"), "derive", &cup).await;
        assert_eq!((refused.len(), done.number("/counts/variants_created")), (0, if dry_run { 3 } else { 2 }));
        assert!(done.body["warnings"].to_string().contains("cup.S"), "{}", done.body);
        if !dry_run {
            let again = completed(&shop, "?duplicate_sku=derive", "again", &cup).await.0;
            assert_eq!(again.number("/counts/products_unchanged"), 1, "what is derived stays: {}", again.body);
        }
    }
}

#[tokio::test]
async fn a_rejected_product_rejects_each_of_its_rows() {
    let shop = Shop::open().await;
    let file = "Handle,Title,Variant SKU\nmug,Mug,A\nmug,,B\nmug,,C\n";
    let (_, refused) = completed(&shop, "", "k", file).await;
    let mut lines: Vec<_> = refused.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3, 4]);
}

#[tokio::test]
async fn prices_come_in_by_the_currency_of_the_file_and_in_currencies_in_use() {
    let shop = Shop::open().await;
    let (_, refused) = completed(
        &shop,
        "?currency=EUR",
        "k",
        "Handle,Title,Price,Currency\nhuf,Huf,2499,HUF\nyen,Yen,2499,JPY\neur,Eur,2499,\nold,Old,5,BGN\n",
    )
    .await;
    assert_eq!(refused[0]["line"], json!(5));
    for (handle, amount, currency) in [("huf", 249_900, "HUF"), ("yen", 2_499, "JPY"), ("eur", 249_900, "EUR")] {
        let vendor = shop.vendor();
        let list = eventually(|| vendor.get("/v1/products"), |answer| answer.items().len() == 3).await;
        let product = list.items().iter().find(|one| one["handle"] == handle).cloned().unwrap();
        assert_eq!(product["variants"][0]["price"], json!({"amount": amount, "currency": currency}));
    }
    for code in ["XXX", "XTS", "XAU", "HRK", "BGN"] {
        import(&shop, &format!("?currency={code}"), "z", "text/csv", FILE).await.refuses(422, "out_of_range");
    }
    import(&shop, "?duplicate_sku=maybe", "y", "text/csv", FILE).await.refuses(400, "invalid_request");
}
