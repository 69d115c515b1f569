//! Personal data: where it is stored, and that it is erased.

use engine::id::{CheckoutId, ContactId, Fingerprint};
use futures::StreamExt;
use serde_json::json;
use streaming::{Position, ShardId};

use crate::{
    api::checkout::input::NewCheckout,
    testing::{Shop, eventually},
};

/// Returns all entries of the journal.
pub(in crate::api) async fn journal(shop: &Shop) -> Vec<u8> {
    let mut bytes = Vec::new();
    for shard in 0..shop.journal.shards() {
        let mut batches = shop.journal.read(ShardId(shard), Position(0));
        while let Some(batch) = batches.next().await {
            batch.unwrap().entries().for_each(|(_, entry)| bytes.extend_from_slice(&entry.events));
        }
    }
    bytes
}

#[tokio::test]
async fn addresses_cannot_be_probed_and_an_erasure_deletes_mails() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(1).await;
    let (account, other) = (json!({"email": "ann@example.com", "password": "correct horse"}), "bob@example.com");
    let token = shop.guest().await.post("/v1/accounts", "", account).await.has(201).text("/token").to_owned();
    let ann = shop.with(&token);
    let bob = json!({"email": other, "password": "correct horse"});
    shop.guest().await.post("/v1/accounts", "", bob).await.has(201);
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let body = json!({"claims": [claim.text("/id")], "email": "ann@example.com",
        "payment": {"provider": "sandbox", "token": "tok_approve"},
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"}});
    let checkout = ann.post("/v1/checkouts", "pay", body.clone()).await.has(201);
    let again = ann.post("/v1/checkouts", "pay", body.clone()).await.has(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let contact: ContactId = ann.get("/v1/me/export").await.text("/contacts/0/id").parse().unwrap();

    let parsed: NewCheckout = serde_json::from_value(body).unwrap();
    let said = serde_json::to_vec(&("ann@example.com", &parsed.shipping_address.to_map())).unwrap();
    let checkout: CheckoutId = checkout.text("/id").parse().unwrap();
    let journal = journal(&shop).await;
    let has = |id: u128| journal.windows(16).any(|bytes| bytes == id.to_be_bytes());
    assert!(has(contact.0), "the search works");
    let spells = |text: &str| journal.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(spells(engine::payment::SEALED_TOKEN_PREFIX) && !spells("tok_approve"), "payment methods are encrypted");
    assert!(!has(ContactId::derive(&[b"contact", &checkout.to_bytes(), &said]).0));
    assert!(!has(Fingerprint::of(&parsed).0));

    for email in ["ann@example.com", other] {
        shop.nobody().post("/v1/password-resets", "", json!({"email": email})).await.has(202);
    }
    eventually(|| ann.get("/v1/me"), |_| shop.mails.0.lock().len() == 2).await;
    ann.delete("/v1/me").await.has(204);
    let left: Vec<_> = shop.mails.0.lock().iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(left, [other]);
    assert!(shop.mails.1.lock().contains(&contact));
}
