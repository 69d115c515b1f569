//! Lists of carts, and the removal of abandoned ones.

use serde_json::{Value, json};

use crate::{
    api::tests::shop::{after_days, cart_with, shirt},
    testing::{Answer, Shop, eventually},
};

fn ids(list: &Answer) -> Vec<Value> {
    list.items().iter().map(|cart| cart["id"].clone()).collect()
}

#[tokio::test]
async fn a_buyer_lists_its_carts_by_pages_and_keeps_them_at_sign_in() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let mut made = Vec::new();
    for key in ["1", "2", "3"] {
        made.push(ann.post("/v1/carts", key, json!({})).await.has(201).body["id"].clone());
    }
    cart_with(&bob, 1).await;
    let listed = eventually(|| ann.get("/v1/carts"), |list| list.items().len() == 3).await;
    assert_eq!(listed.body["next_cursor"], Value::Null);
    assert!(made.iter().all(|id| ids(&listed).contains(id)));
    let first = ann.get("/v1/carts?limit=2").await.has(200);
    let rest = ann.get(&format!("/v1/carts?limit=2&cursor={}", first.text("/next_cursor"))).await.has(200);
    assert_eq!([ids(&first), ids(&rest)].concat(), ids(&listed));
    ann.delete(&format!("/v1/carts/{}", made[0].as_str().unwrap())).await.has(204);
    eventually(|| ann.get("/v1/carts"), |list| list.items().len() == 2).await;
    ann.get("/v1/carts?cursor=x").await.refuses(422, "out_of_range");
    shop.nobody().get("/v1/carts").await.refuses(401, "authentication_required");

    let credentials = json!({"email": "ann@example.com", "password": "correct horse"});
    let account = ann.post("/v1/accounts", "", credentials).await.has(201);
    assert_eq!(shop.with(account.text("/token")).get("/v1/carts").await.items().len(), 2);
    let mine = eventually(|| bob.get("/v1/carts"), |list| list.items().len() == 1).await;
    assert_eq!(mine.text("/items/0/lines/0/sku"), "SHIRT-S");
}

#[tokio::test]
async fn carts_of_guests_expire_after_thirty_days_and_those_of_accounts_do_not() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let (left, kept) = (cart_with(&ann, 1).await, cart_with(&bob, 1).await);
    let credentials = json!({"email": "bob@example.com", "password": "correct horse"});
    let account = bob.post("/v1/accounts", "", credentials).await.has(201);
    let bob = shop.with(account.text("/token"));
    eventually(|| ann.get("/v1/carts"), |list| list.items().len() == 1).await;
    eventually(|| bob.get("/v1/carts"), |list| list.items().len() == 1).await;
    after_days(&shop, 29).await;
    ann.get(&format!("/v1/carts/{left}")).await.has(200);
    after_days(&shop, 31).await;
    ann.get(&format!("/v1/carts/{left}")).await.refuses(404, "not_found");
    bob.get(&format!("/v1/carts/{kept}")).await.has(200);
    eventually(|| ann.get("/v1/carts"), |list| list.items().is_empty()).await;
}
