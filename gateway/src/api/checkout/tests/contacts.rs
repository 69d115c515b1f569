//! The removal of contacts that have no order.

use serde_json::json;

use crate::{
    api::tests::shop::{after_days, cart_with, shirt},
    testing::{Shop, eventually, payment},
};

#[tokio::test]
async fn contacts_without_an_order_are_forgotten_after_a_week() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let ann = shop.guest().await;
    let goods = json!({"cart_id": cart_with(&ann, 1).await});
    let declined = ann.post("/v1/checkouts", "1", payment("tok_decline", goods.clone())).await.has(201);
    eventually(|| ann.get(declined.header("location")), |answer| answer.text("/state") == "failed").await;
    let mut wrong = goods.clone();
    wrong["expected_total"] = json!({"amount": 1, "currency": "USD"});
    ann.post("/v1/checkouts", "2", payment("tok_approve", wrong)).await.refuses(409, "price_changed");
    let paid = ann.post("/v1/checkouts", "3", payment("tok_approve", goods)).await.has(201);
    let paid = eventually(|| ann.get(paid.header("location")), |answer| answer.text("/state") == "completed").await;
    let contacts = async || ann.get("/v1/me/export").await.has(200).body["contacts"].as_array().unwrap().len();
    assert_eq!(contacts().await, 3);
    after_days(&shop, 6).await;
    assert_eq!(contacts().await, 3);
    after_days(&shop, 8).await;
    assert_eq!(contacts().await, 1);
    let order = ann.get(&format!("/v1/orders/{}", paid.text("/order_id"))).await.has(200);
    assert_eq!(order.text("/shipping_address/city"), "Springfield");
    after_days(&shop, 400).await;
    assert_eq!(contacts().await, 1);
}
