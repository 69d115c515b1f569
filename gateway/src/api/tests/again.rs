//! Commands that are repeated after the state has changed, and shops without a payment provider.

use serde_json::{Value, json};

use crate::{
    Settings,
    testing::{Shop, settings},
};

fn shirt(handle: &str) -> Value {
    json!({"title": handle, "handle": handle, "variants": [{"price": {"amount": 100, "currency": "USD"}}]})
}

#[tokio::test]
async fn one_key_makes_one_product_whatever_its_handle() {
    let mut shop = Shop::open().await;
    let first = shop.vendor().post("/v1/products", "k", shirt("first")).await.has(201);
    for _ in 0..2 {
        let other = shop.vendor().post("/v1/products", "k", shirt("second")).await;
        other.refuses(422, "idempotency_key_reused");
        let again = shop.vendor().post("/v1/products", "k", shirt("first")).await.has(201);
        assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (first.text("/id"), "true"));
        shop.restart_gateway();
    }
    // A refused request does not bind its key.
    shop.vendor().post("/v1/products", "other", shirt("first")).await.refuses(409, "handle_taken");
    let second = shop.vendor().post("/v1/products", "other", shirt("second")).await.has(201);
    assert_ne!(second.text("/id"), first.text("/id"));
    shop.vendor().post("/v1/products", "other", shirt("third")).await.refuses(422, "idempotency_key_reused");
}

#[tokio::test]
async fn two_concurrent_products_with_one_key_are_one_product() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let (one, two) =
        tokio::join!(vendor.post("/v1/products", "k", shirt("one")), vendor.post("/v1/products", "k", shirt("two")),);
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
}

#[tokio::test]
async fn a_repeated_addition_is_answered_after_its_product_was_archived() {
    let shop = Shop::open().await;
    let product = shop.vendor().post("/v1/products", "p", shirt("hat")).await.has(201);
    let sku = product.text("/variants/0/sku");
    let ann = shop.guest().await;
    let cart = ann.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
    let lines = format!("/v1/carts/{cart}/lines");
    let line = json!({"sku": sku, "quantity": 1});
    let added = ann.post(&lines, "line", line.clone()).await.has(201);
    shop.vendor().delete(&format!("/v1/products/{}", product.text("/id"))).await.has(204);

    let again = ann.post(&lines, "line", line.clone()).await.has(201);
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&added.body, "true"));
    ann.post(&lines, "line", json!({"sku": sku, "quantity": 2})).await.refuses(422, "idempotency_key_reused");
    ann.post(&lines, "new", line.clone()).await.refuses(409, "not_for_sale");
    shop.guest().await.post(&lines, "line", line).await.refuses(409, "not_for_sale");
    assert_eq!(ann.get(&format!("/v1/carts/{cart}")).await.body, added.body, "asking changes nothing");
}

#[tokio::test]
async fn removing_a_line_is_idempotent() {
    let shop = Shop::open().await;
    let product = shop.vendor().post("/v1/products", "p", shirt("hat")).await.has(201);
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let cart = ann.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
    let line = json!({"sku": product.text("/variants/0/sku"), "quantity": 1});
    let added = ann.post(&format!("/v1/carts/{cart}/lines"), "line", line).await.has(201);
    let line = format!("/v1/carts/{cart}/lines/{}", added.text("/lines/0/id"));
    for _ in 0..2 {
        ann.delete(&line).await.has(204);
    }
    bob.delete(&line).await.refuses(404, "not_found");
    ann.patch(&line, "", json!({"quantity": 1})).await.refuses(404, "not_found");
}

#[tokio::test]
async fn an_unknown_provider_is_refused_before_any_effect() {
    let shop = Shop::open_with(Settings { payment_providers: Vec::new(), ..settings() }).await;
    let drop = shop.open_drop(1).await;
    let ann = shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let body = json!({"claims": [claim.text("/id")], "email": "ann@example.com",
        "payment": {"provider": "sandbox", "token": "tok_approve"},
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"}});
    // More attempts than a claim allows.
    for key in 0..7 {
        let refused = ann.post("/v1/checkouts", &key.to_string(), body.clone()).await;
        assert_eq!(refused.refuses(422, "payment_provider_unknown").body["providers"], json!([]));
    }
    assert_eq!(ann.get(claim.header("location")).await.text("/state"), "held");
    assert!(ann.get("/v1/checkouts").await.items().is_empty());
}

#[tokio::test]
async fn a_repeated_checkout_is_answered_without_the_provider() {
    let mut shop = Shop::open().await;
    let drop = shop.open_drop(1).await;
    let token = shop.guest().await.token.unwrap();
    let claim = shop.with(&token).post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let body = json!({"claims": [claim.text("/id")], "email": "ann@example.com",
        "payment": {"provider": "sandbox", "token": "tok_approve"},
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"}});
    let paid = shop.with(&token).post("/v1/checkouts", "pay", body.clone()).await.has(201);
    shop.restart_gateway_with(Settings { payment_providers: Vec::new(), ..settings() });
    let again = shop.with(&token).post("/v1/checkouts", "pay", body).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (paid.text("/id"), "true"));
}
