//! Caps by e-mail address: different spellings of an address count as the same buyer.

use serde_json::json;

use crate::testing::{Answer, Shop, payment};

/// Lets a new guest claim a unit and pay with this e-mail address.
async fn buy(shop: &Shop, drop: &str, email: &str) -> Answer {
    let guest = shop.guest().await;
    let claim = guest.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let checkout = payment("tok_approve", json!({"claims": [claim.text("/id")], "email": email}));
    guest.post("/v1/checkouts", "k", checkout).await
}

#[tokio::test]
async fn every_spelling_of_an_address_counts_as_one_mailbox() {
    let shop = Shop::open().await;
    let mailboxes: [&[&str]; 4] = [
        &[
            "kim@münchen.example",
            "kim@xn--mnchen-3ya.example",
            "KIM@MÜNCHEN.example",
            "kim@mu\u{308}nchen.example",
            "kim+drop@XN--MNCHEN-3YA.EXAMPLE",
            "kim@münchen。example",
            "kim@ｍünchen.example",
        ],
        &["rené@example.com", "rene\u{301}@example.com", "RENE\u{301}@EXAMPLE.COM", "RENÉ+x@example.com"],
        &["ann.b@gmail.com", "annb@googlemail.com", "A.N.N.B+sale@GMAIL.com"],
        &["петров@почта.example", "ПЕТРОВ@ПОЧТА.example", "Петров@xn--80a1acny.example"],
    ];
    shop.stock(60, &["S"]).await;
    for (index, spellings) in mailboxes.into_iter().enumerate() {
        // Each buyer may have two.
        let drop = shop.open_drop_of("S", 10, &format!("make {index}")).await;
        for (bought, email) in spellings.iter().enumerate() {
            let answer = buy(&shop, &drop, email).await;
            let code = answer.body.pointer("/code").and_then(|code| code.as_str()).unwrap_or("taken");
            assert_eq!(code, if bought < 2 { "taken" } else { "limit_reached" }, "{email}: {answer:?}");
        }
        buy(&shop, &drop, "lee@example.com").await.has(201);
    }
}
