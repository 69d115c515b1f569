//! Claims.

use serde_json::json;

use crate::testing::{FAR, Shop, eventually};

#[tokio::test]
async fn a_claim_holds_units_at_the_price_of_its_making() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let guest = shop.guest().await;
    let claim = guest.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 2})).await.has(201);
    assert_eq!((claim.text("/drop_id"), claim.text("/sku"), claim.text("/state")), (drop.as_str(), "S", "held"));
    assert_eq!(claim.body["unit_price"], json!({"amount": 1999, "currency": "USD"}));
    let location = claim.header("location").to_owned();
    assert_eq!(location, format!("/v1/drops/{drop}/claims/{}", claim.text("/id")));
    assert_eq!(guest.get(&location).await.has(200).body, claim.body);
}

#[tokio::test]
async fn the_same_key_is_the_same_claim() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let (guest, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    let first = guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
    assert_eq!(again.header("location"), first.header("location"));
    guest.post(&path, "k", json!({"quantity": 2})).await.refuses(422, "idempotency_key_reused");
    guest.post(&path, "", json!({"quantity": 1})).await.refuses(400, "idempotency_key_required");
    let other = shop.guest().await.post(&path, "k", json!({"quantity": 1})).await.has(201);
    assert_ne!(other.text("/id"), first.text("/id"), "another buyer's key is another key");
}

#[tokio::test]
async fn a_rejection_does_not_bind_its_key() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(2).await;
    let path = format!("/v1/drops/{drop}/claims");
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let held = ann.post(&path, "a", json!({"quantity": 2})).await.has(201);
    let answer = bob.post(&path, "k", json!({"quantity": 1})).await.refuses(409, "sold_out");
    assert_eq!((answer.number("/available"), &answer.body["may_return"]), (0, &json!(true)));
    ann.delete(held.header("location")).await.has(204);
    ann.delete(held.header("location")).await.has(204);
    bob.post(&path, "k", json!({"quantity": 2})).await.has(201);
}

#[tokio::test]
async fn values_out_of_range_are_refused_before_a_command_is_sent() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(2).await;
    let (guest, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    for quantity in [json!(0), json!(-1), json!(100_000_001), json!(1e30)] {
        let answer = guest.post(&path, "k", json!({"quantity": quantity})).await.refuses(422, "out_of_range");
        assert_eq!(answer.text("/errors/0/pointer"), "/quantity");
    }
    guest.post(&path, "k", json!({"quantity": "1"})).await.refuses(400, "invalid_request");
    let answer = guest.post(&path, "k", json!({"quantity": 1, "sku": "XL"})).await.refuses(422, "out_of_range");
    assert_eq!(answer.text("/errors/0/pointer"), "/sku");
    guest.post(&path, "k", json!({"quantity": 1, "sku": "S"})).await.has(201);
}

#[tokio::test]
async fn a_claim_is_its_buyers_and_the_vendors() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let place = claim.header("location");
    bob.get(place).await.refuses(404, "not_found");
    bob.delete(place).await.refuses(404, "not_found");
    shop.vendor().get(place).await.has(200);
    shop.nobody().get(place).await.refuses(401, "authentication_required");
}

#[tokio::test]
async fn a_drop_for_customers_wants_an_account() {
    let shop = Shop::open().await;
    shop.stock(5, &["S"]).await;
    let body = json!({"sku": "S", "quantity": 5, "price": {"amount": 1, "currency": "USD"}, "per_buyer_max": 1,
        "hold_seconds": 60, "ends_at": FAR, "audience": "customers"});
    let drop = shop.vendor().post("/v1/drops", "d", body).await.has(201).text("/id").to_owned();
    let (guest, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    guest.post(&path, "k", json!({"quantity": 1})).await.refuses(403, "account_required");
    let account = json!({"email": "ann@example.com", "password": "correct horse"});
    let account = guest.post("/v1/accounts", "", account).await.has(201);
    shop.with(account.text("/token")).post(&path, "k", json!({"quantity": 1})).await.has(201);
}

#[tokio::test]
async fn a_buyer_lists_its_claims_by_pages() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(9).await;
    let (ann, path) = (shop.guest().await, format!("/v1/drops/{drop}/claims"));
    let one = ann.post(&path, "1", json!({"quantity": 1})).await.has(201);
    let two = ann.post(&path, "2", json!({"quantity": 1})).await.has(201);
    shop.guest().await.post(&path, "3", json!({"quantity": 1})).await.has(201);
    ann.delete(one.header("location")).await.has(204);

    let all = eventually(|| ann.get("/v1/claims"), |answer| answer.items().len() == 2).await;
    assert_eq!(all.items()[0]["id"], two.body["id"], "newest first");
    assert_eq!(ann.get("/v1/claims?state=held").await.items().len(), 1);
    assert_eq!(ann.get("/v1/claims?state=released").await.items()[0]["released"], "given_back");
    ann.get("/v1/claims?state=lost").await.refuses(400, "invalid_request");
    let first = ann.get("/v1/claims?limit=1").await.has(200);
    let next = ann.get(&format!("/v1/claims?limit=1&cursor={}", first.text("/next_cursor"))).await.has(200);
    assert_eq!((next.items()[0]["id"].as_str(), next.body["next_cursor"].is_null()), (Some(one.text("/id")), true));

    let page = shop.vendor().get(&format!("{path}?limit=2")).await.has(200);
    assert_eq!(page.items().len(), 2);
    let rest = shop.vendor().get(&format!("{path}?limit=2&cursor={}", page.text("/next_cursor"))).await.has(200);
    assert_eq!((rest.items().len(), rest.body["next_cursor"].is_null()), (1, true));
    ann.get(&path).await.refuses(403, "forbidden");
}
