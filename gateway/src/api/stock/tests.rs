//! Stock levels.

use serde_json::json;

use crate::testing::{Answer, Shop, eventually};

#[tokio::test]
async fn stock_is_changed_by_a_delta_or_to_a_number_that_was_seen() {
    let shop = Shop::open().await;
    shop.stock(10, &["S"]).await;
    let (vendor, path) = (shop.vendor(), "/v1/inventory/S/adjustments");
    let levels = vendor.post(path, "1", json!({"delta": 5, "reason": "delivery"})).await.has(200);
    assert_eq!((levels.text("/sku"), levels.number("/on_hand"), levels.number("/available")), ("S", 15, 15));
    let again = vendor.post(path, "1", json!({"delta": 5, "reason": "delivery"})).await.has(200);
    assert_eq!((again.number("/on_hand"), again.header("idempotency-replayed")), (15, "true"));
    let count = json!({"set_to": 7, "expected": 15, "reason": "count"});
    assert_eq!(vendor.post(path, "2", count.clone()).await.has(200).number("/on_hand"), 7);
    assert_eq!(vendor.post(path, "3", count).await.refuses(409, "unexpected_level").number("/on_hand"), 7);
    let answer = vendor.post(path, "4", json!({"delta": -8, "reason": "loss"})).await;
    assert_eq!(answer.refuses(409, "insufficient_available").number("/available"), 7);
    vendor.post(path, "", json!({"delta": 1, "reason": "x"})).await.refuses(400, "idempotency_key_required");
}

#[tokio::test]
async fn an_adjustment_is_by_delta_or_to_a_number() {
    let shop = Shop::open().await;
    shop.stock(10, &["S"]).await;
    let (vendor, path) = (shop.vendor(), "/v1/inventory/S/adjustments");
    for (body, status, pointer) in [
        (json!({"delta": 1, "set_to": 2, "expected": 10, "reason": "x"}), 400, "/set_to"),
        (json!({"reason": "x"}), 400, "/delta"),
        (json!({"set_to": 2, "reason": "x"}), 400, "/expected"),
        (json!({"delta": 1, "expected": 2, "reason": "x"}), 400, "/expected"),
        (json!({"delta": 1}), 400, "/reason"),
        (json!({"delta": 1, "reason": ""}), 422, "/reason"),
        (json!({"set_to": -1, "expected": 10, "reason": "x"}), 422, "/set_to"),
        (json!({"delta": 9_007_199_254_740_991i64, "reason": "x"}), 422, "/delta"),
    ] {
        let answer = vendor.post(path, "k", body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errors/0/pointer")), (status, pointer), "{body}");
    }
}

#[tokio::test]
async fn a_sku_may_need_escaping_and_an_unknown_one_is_not_there() {
    let shop = Shop::open().await;
    shop.stock(3, &["Größe/M 2"]).await;
    let levels = shop.vendor().get("/v1/inventory/Gr%C3%B6%C3%9Fe%2FM%202").await.has(200);
    assert_eq!(levels.text("/sku"), "Größe/M 2");
    shop.vendor().get("/v1/inventory/NOPE").await.refuses(404, "not_found");
    shop.vendor().get("/v1/inventory/%20").await.refuses(404, "not_found");
}

#[tokio::test]
async fn the_numbers_of_all_skus_are_listed_in_pages() {
    let shop = Shop::open().await;
    let long = "ü".repeat(255);
    shop.stock(3, &["B", "A", &long]).await;
    let vendor = shop.vendor();
    // The list shows a stock item before its units: they are added by a later command.
    let is_counted = |answer: &Answer| answer.items().iter().filter(|levels| levels["available"] == 3).count() == 3;
    eventually(|| vendor.get("/v1/inventory"), is_counted).await;
    let (mut skus, mut path) = (Vec::new(), "/v1/inventory?limit=1".to_owned());
    loop {
        let page = vendor.get(&path).await.has(200);
        skus.extend(page.items().iter().map(|levels| levels["sku"].as_str().unwrap().to_owned()));
        assert_eq!(page.items()[0]["available"], 3);
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        path = format!("/v1/inventory?limit=1&cursor={next}");
    }
    assert_eq!(skus, ["A", "B", &long]);
    for cursor in ["%20", "a%00", &"4".repeat(256)] {
        vendor.get(&format!("/v1/inventory?cursor={cursor}")).await.refuses(422, "out_of_range");
    }
    vendor.get("/v1/inventory?limit=201").await.refuses(422, "out_of_range");
    shop.guest().await.get("/v1/inventory").await.refuses(403, "forbidden");
}
