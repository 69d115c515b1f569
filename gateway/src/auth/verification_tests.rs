//! Verified addresses, through the API.

use serde_json::{Value, json};

use crate::{
    Settings,
    notices::MAILS_PER_MAILBOX_AN_HOUR,
    testing::{Answer, Shop, Visitor, eventually, payment, settings},
};

const ANN: &str = "ann@example.com";

/// A shop that requires verified addresses.
async fn open() -> Shop {
    Shop::open_with(Settings { require_verified_email: true, ..settings() }).await
}

async fn sign_up<'a>(shop: &'a Shop, email: &str) -> Visitor<'a> {
    let body = json!({"email": email, "password": "correct horse"});
    let account = shop.guest().await.post("/v1/accounts", "", body).await.has(201);
    shop.with(account.text("/token"))
}

/// The secrets of the verification links, once `count` of them were mailed.
async fn links(shop: &Shop, count: usize) -> Vec<String> {
    let links = || {
        let mails = shop.mails.0.lock();
        let links = mails.iter().filter_map(|mail| mail.body.split("/verify#token=").nth(1));
        links.map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/drops"), |_| links().len() >= count).await;
    links()
}

async fn verify(shop: &Shop, token: &str) -> Answer {
    shop.nobody().post("/v1/accounts/verify", "", json!({"token": token})).await
}

/// Tries what an unverified account may and may not do.
async fn try_to_buy(drop: &str, who: &Visitor<'_>, key: &str) -> [Answer; 2] {
    let cart = who.post("/v1/carts", key, json!({})).await.has(201);
    let lines = format!("/v1/carts/{}/lines", cart.text("/id"));
    assert_ne!(who.post(&lines, key, json!({"sku": "S", "quantity": 1})).await.status, 403);
    who.get(&format!("/v1/drops/{drop}")).await.has(200);
    let claims = format!("/v1/drops/{drop}/claims");
    let claim = who.post(&claims, key, json!({"quantity": 1})).await;
    let source = match claim.body.get("id") {
        Some(id) => json!({"claims": [id]}),
        None => json!({"cart_id": cart.text("/id")}),
    };
    let checkout = who.post("/v1/checkouts", key, payment("tok_approve", source)).await;
    [claim, checkout]
}

#[tokio::test]
async fn an_account_buys_once_its_address_is_verified() {
    let shop = open().await;
    let drop = shop.open_drop(10).await;
    let ann = sign_up(&shop, ANN).await;
    let subject_status = async |who: &Visitor<'_>| {
        let me = who.get("/v1/me").await.has(200).body;
        [me["verified"].clone(), me["verification_required"].clone()]
    };
    assert_eq!(subject_status(&ann).await, [json!(false), json!(true)]);
    for answer in try_to_buy(&drop, &ann, "a").await {
        answer.refuses(403, "email_unverified");
    }
    let link = links(&shop, 1).await.remove(0);
    verify(&shop, "0123456789abcdef").await.refuses(409, "verification_ended");
    verify(&shop, &link).await.has(204);
    assert_eq!(subject_status(&ann).await, [json!(true), json!(false)]);
    for answer in try_to_buy(&drop, &ann, "a").await {
        answer.has(201);
    }
    verify(&shop, &link).await.refuses(409, "verification_ended");
    ann.post("/v1/accounts/verification-mails", "", json!({})).await.refuses(409, "not_allowed");
    // Guests, and tokens made on the command line, have no address to verify.
    let guest = shop.guest().await;
    assert_eq!(subject_status(&guest).await, [Value::Null, Value::Null]);
    for answer in try_to_buy(&drop, &guest, "g").await {
        answer.has(201);
    }
    guest.post("/v1/accounts/verification-mails", "", json!({})).await.refuses(403, "account_required");
}

#[tokio::test]
async fn another_link_is_sent_a_few_times_an_hour() {
    let shop = open().await;
    let ann = sign_up(&shop, ANN).await;
    links(&shop, 1).await;
    for _ in 1..MAILS_PER_MAILBOX_AN_HOUR {
        ann.post("/v1/accounts/verification-mails", "", json!({})).await.has(202);
    }
    let refused = ann.post("/v1/accounts/verification-mails", "", json!({})).await.refuses(429, "rate_limited");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 3_000);
    let links = links(&shop, MAILS_PER_MAILBOX_AN_HOUR).await;
    assert_eq!(links.len(), MAILS_PER_MAILBOX_AN_HOUR);
    verify(&shop, &links[0]).await.has(204);
    verify(&shop, &links[1]).await.refuses(409, "verification_ended");
}

#[tokio::test]
async fn a_link_to_set_a_password_verifies_the_address_too() {
    let shop = open().await;
    sign_up(&shop, ANN).await;
    shop.nobody().post("/v1/password-resets", "", json!({"email": ANN})).await.has(202);
    let secret = || {
        let mails = shop.mails.0.lock();
        let mut links = mails.iter().filter_map(|mail| mail.body.split("/reset-password#token=").nth(1));
        links.next().map(|rest| rest.split_whitespace().next().unwrap().to_owned())
    };
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/drops"), |_| secret().is_some()).await;
    let path = format!("/v1/password-resets/{}", secret().unwrap());
    nobody.put(&path, json!({"password": "another horse"})).await.has(204);
    let body = json!({"email": ANN, "password": "another horse"});
    let session = nobody.post("/v1/sessions", "", body).await.has(201);
    let me = shop.with(session.text("/token")).get("/v1/me").await.has(200);
    assert_eq!(me.body["verified"], true);
}

#[tokio::test]
async fn a_shop_without_verification_sends_no_link_and_accepts_every_account() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(10).await;
    let ann = sign_up(&shop, ANN).await;
    let me = ann.get("/v1/me").await.has(200);
    assert_eq!((&me.body["verified"], &me.body["verification_required"]), (&json!(false), &json!(false)));
    for answer in try_to_buy(&drop, &ann, "a").await {
        answer.has(201);
    }
    assert!(shop.mails.0.lock().is_empty());
    // The owner may still verify the address.
    ann.post("/v1/accounts/verification-mails", "", json!({})).await.has(202);
    let link = links(&shop, 1).await.remove(0);
    verify(&shop, &link).await.has(204);
    assert_eq!(ann.get("/v1/me").await.has(200).body["verified"], true);
}

#[tokio::test]
async fn a_repeated_checkout_gets_the_first_answer() {
    let shop = open().await;
    let drop = shop.open_drop(10).await;
    let guest = shop.guest().await;
    let claim = guest.post(&format!("/v1/drops/{drop}/claims"), "c", json!({"quantity": 1})).await.has(201);
    let body = payment("tok_approve", json!({"claims": [claim.text("/id")]}));
    let first = guest.post("/v1/checkouts", "pay", body.clone()).await.has(201);
    let account = json!({"email": ANN, "password": "correct horse"});
    let account = guest.post("/v1/accounts", "", account).await.has(201);
    let ann = shop.with(account.text("/token"));
    let again = ann.post("/v1/checkouts", "pay", body.clone()).await.has(201);
    assert_eq!(again.body["id"], first.body["id"]);
    ann.post("/v1/checkouts", "another", body).await.refuses(403, "email_unverified");
}
