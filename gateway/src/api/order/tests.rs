//! What vendors do with orders: parcels, tracking, refunds by line.

use serde_json::{Value, json};

use crate::testing::{Shop, Visitor, eventually, payment};

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

/// Creates a shirt in two sizes, with ten units of each.
async fn shirts(shop: &Shop) {
    let body = json!({"title": "Shirt", "options": ["Size", "Colour"],
        "variants": [{"options": ["S", "Blue"], "sku": "SHIRT-S", "price": usd(1000)},
                     {"options": ["M", "Blue"], "sku": "SHIRT-M", "price": usd(2000)}]});
    shop.vendor().post("/v1/products", "shirts", body).await.has(201);
    for sku in ["SHIRT-S", "SHIRT-M"] {
        let path = format!("/v1/inventory/{sku}/adjustments");
        shop.vendor().post(&path, &format!("stock {sku}"), json!({"delta": 10, "reason": "first"})).await.has(200);
    }
}

/// Returns the path of a paid order of three shirts in S and one in M.
async fn paid_order(buyer: &Visitor<'_>) -> String {
    let cart = buyer.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
    for (sku, quantity) in [("SHIRT-S", 3), ("SHIRT-M", 1)] {
        let line = json!({"sku": sku, "quantity": quantity});
        buyer.post(&format!("/v1/carts/{cart}/lines"), sku, line).await.has(201);
    }
    let checkout = buyer.post("/v1/checkouts", "pay", payment("tok_approve", json!({"cart_id": cart}))).await.has(201);
    let paid = eventually(|| buyer.get(checkout.header("location")), |got| got.text("/state") == "completed").await;
    let order = format!("/v1/orders/{}", paid.text("/order_id"));
    eventually(|| buyer.get(&order), |answer| answer.text("/payment_state") == "paid").await;
    order
}

#[tokio::test]
async fn an_order_is_shipped_in_parcels_with_updated_tracking() {
    let shop = Shop::open().await;
    shirts(&shop).await;
    let (ann, vendor) = (shop.guest().await, shop.vendor());
    let order = paid_order(&ann).await;
    let shown = vendor.get(&order).await.has(200);
    let (small, medium) = (shown.text("/lines/0/id"), shown.text("/lines/1/id"));
    assert_eq!(shown.body["fulfillments"], json!([]));

    let parcels = format!("{order}/fulfillments");
    let first = json!({"lines": [{"line_id": small, "quantity": 2}], "tracking": "T1"});
    let sent = vendor.post(&parcels, "1", first.clone()).await.has(201);
    assert_eq!((sent.text("/fulfillment_state"), sent.text("/tracking")), ("partially_fulfilled", "T1"));
    assert_eq!(sent.body["fulfillments"][0]["lines"], json!([{"line_id": small, "quantity": 2}]));
    assert_eq!((sent.number("/lines/0/fulfilled_quantity"), sent.number("/lines/0/remaining_quantity")), (2, 1));
    assert_eq!(sent.body.get("fulfilled_at"), None);
    let again = vendor.post(&parcels, "1", first).await.has(201);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &sent.body));

    let too_many = json!({"lines": [{"line_id": small, "quantity": 2}]});
    let refused = vendor.post(&parcels, "2", too_many).await.refuses(409, "not_allowed");
    assert_eq!((refused.text("/line_id"), refused.number("/remaining")), (small, 1));
    for lines in [
        json!([]),
        json!([{"line_id": small, "quantity": 0}]),
        json!([{"line_id": "00000000000000000000000000", "quantity": 1}]),
        json!([{"line_id": small, "quantity": 1}, {"line_id": small, "quantity": 1}]),
    ] {
        vendor.post(&parcels, "odd", json!({"lines": lines})).await.refuses(422, "out_of_range");
    }
    vendor
        .post(&parcels, "odd", json!({"lines": [{"line_id": "x", "quantity": 1}]}))
        .await
        .refuses(400, "invalid_request");
    eventually(|| vendor.get("/v1/orders?state=partially_fulfilled"), |answer| answer.items().len() == 1).await;

    let rest = vendor.post(&parcels, "3", json!({})).await.has(201);
    assert_eq!(rest.text("/fulfillment_state"), "fulfilled");
    let lines = json!([{"line_id": small, "quantity": 1}, {"line_id": medium, "quantity": 1}]);
    assert_eq!(rest.body["fulfillments"][1]["lines"], lines);

    let parcel = format!("{parcels}/{}", sent.text("/fulfillments/0/id"));
    let corrected = vendor.patch(&parcel, "", json!({"tracking": "T9"})).await.has(200);
    assert_eq!((corrected.text("/fulfillments/0/tracking"), corrected.body.get("tracking")), ("T9", None));
    vendor.patch(&parcel, "", json!({})).await.refuses(400, "invalid_request");
    vendor.patch(&parcel, "", json!({"tracking": "x".repeat(501)})).await.refuses(422, "out_of_range");
    vendor
        .patch(&format!("{parcels}/00000000000000000000000000"), "", json!({"tracking": "T"}))
        .await
        .refuses(404, "not_found");
    ann.patch(&parcel, "", json!({"tracking": "T"})).await.refuses(403, "forbidden");
    let cleared = vendor.patch(&parcel, "", json!({"tracking": null})).await.has(200);
    assert_eq!(cleared.body["fulfillments"][0].get("tracking"), None);
    assert_eq!(ann.get(&order).await.has(200).body["fulfillments"], cleared.body["fulfillments"]);
}

#[tokio::test]
async fn lines_are_refunded_and_their_units_come_back() {
    let shop = Shop::open().await;
    shirts(&shop).await;
    let (ann, vendor) = (shop.guest().await, shop.vendor());
    let order = paid_order(&ann).await;
    let shown = vendor.get(&order).await.has(200);
    let (small, medium) = (shown.text("/lines/0/id"), shown.text("/lines/1/id"));
    let refunds = format!("{order}/refunds");
    let lines = json!({"lines": [{"line_id": small, "quantity": 2, "restock": true}, {"line_id": medium, "quantity": 1}],
        "reason": "too small"});
    let refunded = vendor.post(&refunds, "r", lines.clone()).await.has(201);
    assert_eq!((refunded.number("/totals/refunded/amount"), refunded.number("/lines/0/refunded_quantity")), (4000, 2));
    assert_eq!(refunded.text("/payment_state"), "partially_refunded");
    let (small_stock, medium_stock) = ("/v1/inventory/SHIRT-S", "/v1/inventory/SHIRT-M");
    eventually(|| vendor.get(small_stock), |answer| answer.number("/available") == 9).await;
    assert_eq!(vendor.get(medium_stock).await.number("/available"), 9, "not restocked");
    let again = vendor.post(&refunds, "r", lines).await.has(201);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &refunded.body));

    let too_many = json!({"lines": [{"line_id": small, "quantity": 2}]});
    assert_eq!(vendor.post(&refunds, "r2", too_many).await.refuses(409, "not_allowed").number("/remaining"), 1);
    let both = json!({"amount": usd(1), "lines": [{"line_id": small, "quantity": 1}]});
    vendor.post(&refunds, "r3", both).await.refuses(400, "invalid_request");
    vendor.post(&refunds, "r4", json!({"reason": "nothing"})).await.refuses(400, "invalid_request");

    let sent = vendor.post(&format!("{order}/fulfillments"), "f", json!({})).await.has(201);
    assert_eq!(sent.body["fulfillments"][0]["lines"], json!([{"line_id": small, "quantity": 1}]));
    let rest = vendor.post(&refunds, "r5", json!({"lines": [{"line_id": small, "quantity": 1}], "restock": true}));
    assert_eq!(rest.await.has(201).text("/payment_state"), "refunded");
    eventually(|| vendor.get(small_stock), |answer| answer.number("/available") == 10).await;
    vendor.get("/v1/orders?state=none").await.refuses(400, "invalid_request");
    eventually(|| vendor.get("/v1/orders?state=refunded&fulfillment_state=fulfilled"), |got| got.items().len() == 1)
        .await;
    assert!(vendor.get("/v1/orders?state=paid&payment_state=refunded").await.items().is_empty());
}

#[tokio::test]
async fn orders_are_listed_in_the_requested_order() {
    let shop = Shop::open().await;
    shirts(&shop).await;
    let vendor = shop.vendor();
    for quantity in [2, 3, 1] {
        let buyer = shop.guest().await;
        let cart = buyer.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
        let line = json!({"sku": "SHIRT-S", "quantity": quantity});
        buyer.post(&format!("/v1/carts/{cart}/lines"), "line", line).await.has(201);
        buyer.post("/v1/checkouts", "pay", payment("tok_approve", json!({"cart_id": cart}))).await.has(201);
        eventually(|| buyer.get("/v1/orders"), |answer| answer.items().len() == 1).await;
    }
    let said = |orders: &[Value], pointer: &str| -> Vec<Value> {
        orders.iter().map(|order| order.pointer(pointer).unwrap().clone()).collect()
    };
    let read = async |sort: &str| vendor.get(&format!("/v1/orders?sort={sort}")).await.has(200).items().to_vec();
    let totals = said(&read("total").await, "/totals/total/amount");
    assert_eq!(totals, [1_000, 2_000, 3_000]);
    assert_eq!(said(&read("-total").await, "/totals/total/amount"), [3_000, 2_000, 1_000]);
    let oldest = read("placed_at").await;
    assert!(oldest.is_sorted_by_key(|order| order["placed_at"].as_str().unwrap().to_owned()), "{oldest:?}");
    let mut newest = read("-placed_at").await;
    assert_eq!(said(&newest, "/id"), said(vendor.get("/v1/orders").await.has(200).items(), "/id"), "as without a word");
    newest.reverse();
    assert_eq!(said(&newest, "/id"), said(&oldest, "/id"));

    // All pages together are the same list, and a cursor is valid only for its own sort order.
    for sort in ["total", "-total", "placed_at", "-placed_at"] {
        let (mut orders, mut cursor) = (Vec::new(), String::new());
        for _ in 0..3 {
            let page = vendor.get(&format!("/v1/orders?sort={sort}&limit=1{cursor}")).await.has(200);
            orders.extend(page.items().to_vec());
            cursor = format!("&cursor={}", page.body["next_cursor"].as_str().unwrap_or_default());
        }
        assert_eq!(said(&orders, "/id"), said(&read(sort).await, "/id"), "{sort}");
        assert_eq!(cursor, "&cursor=", "{sort} ends");
    }
    let first = vendor.get("/v1/orders?sort=total&limit=1").await.has(200);
    let other = format!("/v1/orders?sort=-total&cursor={}", first.text("/next_cursor"));
    vendor.get(&other).await.refuses(422, "out_of_range");
    vendor.get("/v1/orders?sort=number").await.refuses(400, "invalid_request");
}
