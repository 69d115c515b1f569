//! Sessions and accounts, through the API.

use std::time::Duration;

use serde_json::json;

use super::Role;
use crate::{
    Rates, Settings,
    limits::rate,
    testing::{AWAY, Answer, Shop, eventually, settings},
};

const PASSWORD: &str = "correct horse";

async fn register(shop: &Shop, email: &str) -> Answer {
    shop.guest().await.post("/v1/accounts", "", json!({"email": email, "password": PASSWORD})).await.has(201)
}

async fn refresh(shop: &Shop, token: &str) -> Answer {
    shop.nobody().post("/v1/sessions/refresh", "", json!({"refresh_token": token})).await
}

#[tokio::test]
async fn a_guest_gets_a_session_and_has_no_role() {
    let shop = Shop::open().await;
    let session = shop.nobody().post("/v1/sessions", "", json!({})).await.has(201);
    assert_eq!(session.header("location"), "/v1/me");
    assert!(session.body.get("role").is_none());
    let me = shop.with(session.text("/token")).get("/v1/me").await.has(200);
    assert_eq!((me.text("/subject"), me.text("/tenant")), (session.text("/subject"), "acme"));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_everywhere() {
    let shop = Shop::open().await;
    shop.nobody().get("/v1/me").await.refuses(401, "authentication_required");
    let answer = shop.with("nonsense").get("/v1/me").await.refuses(401, "invalid_token");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    shop.with("nonsense").get("/v1/drops").await.refuses(401, "invalid_token");
}

#[tokio::test]
async fn roles_grant_access() {
    let shop = Shop::open().await;
    shop.stock(5, &["S"]).await;
    shop.guest().await.get("/v1/inventory/S").await.refuses(403, "forbidden");
    for role in [Role::Customer, Role::Host] {
        shop.staff(role).get("/v1/inventory/S").await.refuses(403, "forbidden");
    }
    for role in [Role::Vendor, Role::Admin] {
        shop.staff(role).get("/v1/inventory/S").await.has(200);
    }
}

#[tokio::test]
async fn a_guest_who_makes_an_account_stays_the_same_subject() {
    let shop = Shop::open().await;
    let guest = shop.guest().await;
    let subject = guest.get("/v1/me").await.text("/subject").to_owned();
    let account =
        guest.post("/v1/accounts", "", json!({"email": "Ann@Example.com", "password": PASSWORD})).await.has(201);
    assert_eq!((account.text("/subject"), account.text("/role")), (subject.as_str(), "customer"));
    guest.get("/v1/me").await.refuses(401, "invalid_token");
    let customer = shop.with(account.text("/token"));
    let me = customer.get("/v1/me").await.has(200);
    assert_eq!((me.text("/role"), me.text("/email")), ("customer", "Ann@Example.com"));
    let again = json!({"email": "ann@example.com", "password": PASSWORD});
    customer.post("/v1/accounts", "", again.clone()).await.refuses(409, "already_customer");
    shop.guest().await.post("/v1/accounts", "", again).await.refuses(409, "email_taken");
}

#[tokio::test]
async fn a_sign_in_hands_the_guests_claims_over() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let account = register(&shop, "ann@example.com").await;
    let guest = shop.guest().await;
    let claims = format!("/v1/drops/{drop}/claims");
    let claim = guest.post(&claims, "k", json!({"quantity": 1})).await.has(201).text("/id").to_owned();
    let credentials = json!({"email": " ANN@example.com ", "password": PASSWORD});
    let session = guest.post("/v1/sessions", "", credentials).await.has(201);
    assert_eq!(session.text("/subject"), account.text("/subject"));

    let ann = shop.with(session.text("/token"));
    ann.get(&format!("{claims}/{claim}")).await.has(200);
    guest.get("/v1/me").await.refuses(401, "invalid_token");
    // The idempotency key and the cap belong to the account, too.
    let again = ann.post(&claims, "k", json!({"quantity": 1})).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (claim.as_str(), "true"));
    let answer = ann.post(&claims, "k2", json!({"quantity": 2})).await.refuses(409, "limit_reached");
    assert_eq!(answer.number("/remaining"), 1);
}

#[tokio::test]
async fn wrong_credentials_are_one_answer() {
    let shop = Shop::open().await;
    register(&shop, "ann@example.com").await;
    let ask = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        async { shop.nobody().post("/v1/sessions", "", body).await }
    };
    ask("ann@example.com", "wrong horse").await.refuses(401, "invalid_credentials");
    ask("bob@example.com", PASSWORD).await.refuses(401, "invalid_credentials");
    let answer = shop.nobody().post("/v1/sessions", "", json!({"email": "ann@example.com"})).await;
    assert_eq!(answer.refuses(400, "invalid_request").text("/errors/0/pointer"), "/password");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let shop = Shop::open().await;
    for session in [shop.nobody().post("/v1/sessions", "", json!({})).await, register(&shop, "ann@example.com").await] {
        let first = session.text("/refresh_token");
        let second = refresh(&shop, first).await.has(200);
        assert_eq!(second.text("/subject"), session.text("/subject"));
        let third = refresh(&shop, second.text("/refresh_token")).await.has(200);
        refresh(&shop, second.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
        refresh(&shop, third.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
        refresh(&shop, first).await.refuses(401, "invalid_refresh_token");
        shop.with(third.text("/token")).get("/v1/me").await.refuses(401, "invalid_token");
    }
}

#[tokio::test]
async fn a_refresh_without_a_response_is_repeated_with_its_key() {
    let shop = Shop::open().await;
    let session = shop.nobody().post("/v1/sessions", "", json!({})).await;
    let renew = async |token: &str, key: &str| {
        shop.nobody().post("/v1/sessions/refresh", key, json!({"refresh_token": token})).await
    };
    let first = session.text("/refresh_token");
    let second = renew(first, "k").await.has(200);
    let again = renew(first, "k").await.has(200);
    assert_eq!(again.text("/refresh_token"), second.text("/refresh_token"));
    renew(second.text("/refresh_token"), "l").await.has(200);
    renew(first, "k").await.refuses(401, "invalid_refresh_token");
    shop.with(second.text("/token")).get("/v1/me").await.refuses(401, "invalid_token");
}

#[tokio::test]
async fn a_guests_first_refresh_token_is_worthless_once_its_session_or_guesthood_has_ended() {
    let shop = Shop::open().await;
    let session = shop.nobody().post("/v1/sessions", "", json!({})).await;
    shop.with(session.text("/token")).delete("/v1/sessions/current").await.has(204);
    refresh(&shop, session.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");

    let session = shop.nobody().post("/v1/sessions", "", json!({})).await;
    let guest = shop.with(session.text("/token"));
    guest.post("/v1/accounts", "", json!({"email": "ann@example.com", "password": PASSWORD})).await.has(201);
    refresh(&shop, session.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
}

#[tokio::test]
async fn concurrent_uses_of_one_refresh_token_do_not_both_succeed() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        let session = shop.nobody().post("/v1/sessions", "", json!({})).await;
        let token = session.text("/refresh_token");
        let (one, two) = tokio::join!(refresh(&shop, token), refresh(&shop, token));
        // None succeeds when the reuse is noticed before the first has its response: the session has ended by then.
        assert!([one.status.as_u16(), two.status.as_u16()].iter().filter(|status| **status == 200).count() < 2);
    }
}

#[tokio::test]
async fn an_ended_session_is_invalid_immediately_and_others_continue() {
    let shop = Shop::open().await;
    let one = register(&shop, "ann@example.com").await;
    let credentials = json!({"email": "ann@example.com", "password": PASSWORD});
    let two = shop.nobody().post("/v1/sessions", "", credentials).await.has(201);
    shop.with(one.text("/token")).delete("/v1/sessions/current").await.has(204);
    shop.with(one.text("/token")).get("/v1/me").await.refuses(401, "invalid_token");
    refresh(&shop, one.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
    shop.with(two.text("/token")).get("/v1/me").await.has(200);
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_mailed_link_once() {
    let shop = Shop::open().await;
    let session = register(&shop, "ann@example.com").await;
    for email in ["ann@example.com", "nobody@example.com"] {
        shop.nobody().post("/v1/password-resets", "", json!({"email": email})).await.has(202);
    }
    let me = shop.with(session.text("/token"));
    eventually(|| me.get("/v1/me"), |_| !shop.mails.0.lock().is_empty()).await;
    let mails = shop.mails.0.lock().clone();
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["ann@example.com"]);
    let token = mails[0].body.split("#token=").nth(1).unwrap().split_whitespace().next().unwrap();

    let (path, new) = (format!("/v1/password-resets/{token}"), "another horse");
    shop.nobody().put(&path, json!({"password": "short"})).await.refuses(422, "out_of_range");
    shop.nobody().put(&path, json!({"password": new})).await.has(204);
    shop.nobody().put(&path, json!({"password": new})).await.refuses(409, "reset_ended");
    me.get("/v1/me").await.refuses(401, "invalid_token");
    let sign_in = |password: &str| json!({"email": "ann@example.com", "password": password});
    shop.nobody().post("/v1/sessions", "", sign_in(PASSWORD)).await.refuses(401, "invalid_credentials");
    let session = shop.nobody().post("/v1/sessions", "", sign_in(new)).await.has(201);
    shop.with(session.text("/token")).get("/v1/me").await.has(200);
}

#[tokio::test]
async fn an_erasure_deletes_personal_data_and_sessions() {
    let shop = Shop::open().await;
    let session = register(&shop, "ann@example.com").await;
    let me = shop.with(session.text("/token"));
    let export = me.get("/v1/me/export").await.has(200);
    assert_eq!(export.text("/me/email"), "ann@example.com");
    me.delete("/v1/me").await.has(204);
    me.get("/v1/me").await.refuses(401, "invalid_token");
    refresh(&shop, session.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
    let credentials = json!({"email": "ann@example.com", "password": PASSWORD});
    shop.nobody().post("/v1/sessions", "", credentials).await.refuses(401, "invalid_credentials");
    register(&shop, "ann@example.com").await;
}

#[tokio::test]
async fn sessions_of_one_address_are_limited() {
    let rates = Rates { sessions: rate(1, 2), passwords: rate(1, 1), ..Rates::default() };
    let shop = Shop::open_with(Settings { rates, ..settings() }).await;
    let start = |body: &str| {
        let request = axum::http::Request::post("/v1/sessions").header("content-type", "application/json");
        shop.send_from(AWAY, request.body(axum::body::Body::from(body.to_owned())).unwrap())
    };
    start("{}").await.has(201);
    start("{}").await.has(201);
    start("{}").await.refuses(429, "rate_limited");
    let credentials = r#"{"email": "ann@example.com", "password": "correct horse"}"#;
    start(credentials).await.refuses(401, "invalid_credentials");
    start(credentials).await.refuses(429, "rate_limited");
}

/// The token of the link in the newest mail.
async fn reset_token(shop: &Shop, email: &str) -> String {
    shop.nobody().post("/v1/password-resets", "", json!({"email": email})).await.has(202);
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/drops"), |_| !shop.mails.0.lock().is_empty()).await;
    let mail = shop.mails.0.lock().pop().unwrap();
    mail.body.split("#token=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn ended_sessions_stay_ended_after_a_restart() {
    let mut shop = Shop::open().await;
    let start = async |shop: &Shop| shop.nobody().post("/v1/sessions", "", json!({})).await.text("/token").to_owned();
    // Signed out: an account and a guest.
    let signed_out = register(&shop, "ann@example.com").await.text("/token").to_owned();
    let left = start(&shop).await;
    for token in [&signed_out, &left] {
        shop.with(token).delete("/v1/sessions/current").await.has(204);
    }
    // A guest's refresh token that was used twice.
    let stolen = shop.nobody().post("/v1/sessions", "", json!({})).await;
    let renewed = refresh(&shop, stolen.text("/refresh_token")).await.has(200);
    refresh(&shop, stolen.text("/refresh_token")).await.refuses(401, "invalid_refresh_token");
    // A password reset: the account's token, and that of the guest who became it.
    let guest = start(&shop).await;
    let account = json!({"email": "bob@example.com", "password": PASSWORD});
    let bob = shop.with(&guest).post("/v1/accounts", "", account).await.has(201);
    let path = format!("/v1/password-resets/{}", reset_token(&shop, "bob@example.com").await);
    shop.nobody().put(&path, json!({"password": "another horse"})).await.has(204);
    // Sessions that must survive.
    let (cara, visitor) = (register(&shop, "cara@example.com").await, start(&shop).await);
    let credentials = json!({"email": "bob@example.com", "password": "another horse"});
    let again = shop.nobody().post("/v1/sessions", "", credentials).await.has(201);

    shop.restart_gateway();
    let ended = [&signed_out, &left, stolen.text("/token"), renewed.text("/token"), &guest, bob.text("/token")];
    for (index, token) in ended.into_iter().enumerate() {
        let answer = shop.with(token).get("/v1/me").await;
        assert_eq!(answer.status.as_u16(), 401, "token {index}: {answer:?}");
    }
    for token in [cara.text("/token"), &visitor, again.text("/token")] {
        shop.with(token).get("/v1/me").await.has(200);
    }
}

#[tokio::test]
async fn a_token_outlives_the_cache() {
    let shop = Shop::open().await;
    let guest = shop.guest().await;
    shop.gateway.sessions.sweep(shop.gateway.now().plus_ms(Duration::from_secs(7_200).as_millis() as u64));
    guest.get("/v1/me").await.has(200);
}
