//! What an open connection receives after its session, or another session of the same person, has ended.

use serde_json::json;

use super::Served;

#[tokio::test]
async fn sessions_of_one_account_end_independently() {
    let served = Served::open().await;
    let credentials = json!({"email": "ann@example.com", "password": "correct horse"});
    served.shop.guest().await.post("/v1/accounts", "", credentials.clone()).await.has(201);
    let session = async || {
        let made = served.shop.nobody().post("/v1/sessions", "", credentials.clone()).await.has(201);
        served.shop.with(made.text("/token"))
    };
    let (phone, laptop) = (session().await, session().await);
    let cart = phone.post("/v1/carts", "c", json!({})).await.has(201).text("/id").to_owned();
    let topic = json!({"op": "subscribe", "topic": format!("cart:{cart}")});
    let (mut at_phone, mut at_laptop) =
        (served.greeted(Some(phone.token())).await, served.greeted(Some(laptop.token())).await);
    for client in [&mut at_phone, &mut at_laptop] {
        client.say(topic.clone()).await;
        client.receive("subscribed").await;
    }
    laptop.delete("/v1/sessions/current").await.has(204);
    let price = json!({"amount": 500, "currency": "USD"});
    let product = json!({"title": "Lamp", "variants": [{"sku": "S", "price": price}]});
    served.shop.vendor().post("/v1/products", "p", product).await.has(201);
    phone.post(&format!("/v1/carts/{cart}/lines"), "l", json!({"sku": "S", "quantity": 2})).await.has(201);
    at_phone.state(|state| state["lines"][0]["quantity"] == 2).await;
    assert_eq!(at_laptop.receive("refused").await["problem"]["code"], "invalid_token");
}

#[tokio::test]
async fn a_guest_that_has_signed_in_elsewhere_receives_nothing_of_the_accounts_cart() {
    let served = Served::open().await;
    let guest = served.shop.guest().await;
    let cart = guest.post("/v1/carts", "c", json!({})).await.has(201).text("/id").to_owned();
    let topic = json!({"op": "subscribe", "topic": format!("cart:{cart}")});
    // Two connections with the guest's token; one of them gets the account's.
    let (mut owner, mut stranger) =
        (served.greeted(Some(guest.token())).await, served.greeted(Some(guest.token())).await);
    for client in [&mut owner, &mut stranger] {
        client.say(topic.clone()).await;
        client.receive("subscribed").await;
    }
    let account = json!({"email": "ann@example.com", "password": "correct horse"});
    let ann = guest.post("/v1/accounts", "", account).await.has(201);
    owner.say(json!({"op": "auth", "token": ann.text("/token")})).await;
    owner.receive("welcome").await;
    assert_eq!(owner.receive("subscribed").await["state"]["id"], cart);
    let price = json!({"amount": 500, "currency": "USD"});
    let product = json!({"title": "Lamp", "variants": [{"sku": "S", "price": price}]});
    served.shop.vendor().post("/v1/products", "p", product).await.has(201);
    let ann = served.shop.with(ann.text("/token"));
    ann.post(&format!("/v1/carts/{cart}/lines"), "l", json!({"sku": "S", "quantity": 2})).await.has(201);
    owner.state(|state| state["lines"][0]["quantity"] == 2).await;
    assert_eq!(stranger.receive("refused").await["problem"]["code"], "invalid_token");
    let mut late = served.client().await;
    late.say(json!({"op": "hello", "token": guest.token()})).await;
    assert_eq!(late.ended().await, 4004);
}
