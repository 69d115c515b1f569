//! Guests' tokens after the guest gets an account, and the confirmation that an erasure requires.

use serde_json::json;

use super::account::FRESH_SIGN_IN;
use crate::testing::{Answer, Shop};

const PASSWORD: &str = "correct horse";
const ANN: &str = "ann@example.com";

async fn register(shop: &Shop, email: &str) -> Answer {
    shop.guest().await.post("/v1/accounts", "", json!({"email": email, "password": PASSWORD})).await.has(201)
}

async fn refresh(shop: &Shop, token: &str) -> Answer {
    shop.nobody().post("/v1/sessions/refresh", "", json!({"refresh_token": token})).await
}

/// A guest's tokens: both access tokens of its family, and both refresh tokens.
async fn planted(shop: &Shop) -> ([String; 2], [String; 2]) {
    let first = shop.nobody().post("/v1/sessions", "", json!({})).await.has(201);
    let second = refresh(shop, first.text("/refresh_token")).await.has(200);
    let of = |name: &str| [&first, &second].map(|answer| answer.text(name).to_owned());
    (of("/token"), of("/refresh_token"))
}

async fn has_ended(shop: &Shop, (access, refreshes): &([String; 2], [String; 2]), when: &str) {
    for token in access {
        let guest = shop.with(token);
        for path in ["/v1/me", "/v1/me/export", "/v1/orders"] {
            guest.get(path).await.refuses(401, "invalid_token");
        }
        guest.delete("/v1/me").await.refuses(401, "invalid_token");
        guest.post("/v1/carts", when, json!({})).await.refuses(401, "invalid_token");
    }
    for token in refreshes {
        refresh(shop, token).await.refuses(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn a_guest_token_is_invalid_after_the_sign_in() {
    let mut shop = Shop::open().await;
    register(&shop, ANN).await;
    let planted = planted(&shop).await;
    let credentials = json!({"email": ANN, "password": PASSWORD});
    // With the older token: the whole family ends, not the token alone.
    let session = shop.with(&planted.0[0]).post("/v1/sessions", "", credentials).await.has(201);
    has_ended(&shop, &planted, "signed in").await;
    shop.restart_gateway();
    has_ended(&shop, &planted, "restarted").await;
    let me = shop.with(session.text("/token"));
    assert_eq!(me.get("/v1/me").await.has(200).text("/email"), ANN);
    me.delete("/v1/sessions/current").await.has(204);
    has_ended(&shop, &planted, "signed out").await;
    shop.restart_gateway();
    has_ended(&shop, &planted, "restarted again").await;
}

#[tokio::test]
async fn a_guest_token_is_invalid_after_the_sign_up() {
    let mut shop = Shop::open().await;
    let planted = planted(&shop).await;
    let account = json!({"email": ANN, "password": PASSWORD});
    let session = shop.with(&planted.0[1]).post("/v1/accounts", "", account).await.has(201);
    has_ended(&shop, &planted, "signed up").await;
    shop.restart_gateway();
    has_ended(&shop, &planted, "restarted").await;
    let me = shop.with(session.text("/token"));
    assert_eq!(me.get("/v1/me").await.has(200).text("/role"), "customer");
    // After the account is erased, no guest remains that could continue.
    me.delete("/v1/me").await.has(204);
    has_ended(&shop, &planted, "erased").await;
    shop.restart_gateway();
    has_ended(&shop, &planted, "erased and restarted").await;
}

#[tokio::test]
async fn a_guest_that_cannot_be_handed_over_ends_all_the_same() {
    let shop = Shop::open().await;
    let account = register(&shop, ANN).await;
    let tenant = engine::id::TenantId::new("acme").unwrap();
    let subject = account.text("/subject").parse().unwrap();
    for guest in 0..persistence::sql::ALIASES_MAX as u128 {
        let guest = engine::id::SubjectId(guest + 1);
        shop.gateway.read_side.add_alias(&tenant, guest, subject, shop.gateway.now()).await.unwrap();
    }
    let planted = planted(&shop).await;
    let credentials = json!({"email": ANN, "password": PASSWORD});
    shop.with(&planted.0[0]).post("/v1/sessions", "", credentials).await.has(201);
    has_ended(&shop, &planted, "full").await;
}

#[tokio::test]
async fn erasing_an_account_requires_its_password_or_a_recent_sign_in() {
    let shop = Shop::open().await;
    let signed_in = register(&shop, ANN).await;
    // Renewing the token does not change the time of the sign-in.
    let renewed = refresh(&shop, signed_in.text("/refresh_token")).await.has(200);
    let identity = async |ago_ms: u64| {
        let later = shop.gateway.now().plus_ms(ago_ms);
        let who = shop.gateway.sessions.identify(renewed.text("/token"), shop.gateway.now()).await.unwrap();
        let from = std::net::Ipv4Addr::LOCALHOST.into();
        shop.gateway.sessions.confirm(&who, None, from, later).await.map_err(|why| shop.gateway.refused(why))
    };
    identity(FRESH_SIGN_IN.as_millis() as u64 - 5_000).await.unwrap();
    let refused = identity(FRESH_SIGN_IN.as_millis() as u64 + 1_000).await.unwrap_err();
    assert_eq!(refused.code(), crate::problem::Code::PasswordRequired);

    // A token without a sign-in, as from the command line.
    let subject = signed_in.text("/subject").parse().unwrap();
    let tenant = engine::id::TenantId::new("acme").unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    let role = Some(super::Role::Customer);
    let issuer = shop.gateway.sessions.issuer();
    let minted = issuer.mint(&tenant, subject, role, shop.gateway.now(), hour).unwrap();
    let me = shop.with(&minted.token);
    me.delete("/v1/me").await.refuses(403, "password_required");
    me.delete_with("/v1/me", json!({})).await.refuses(403, "password_required");
    me.delete_with("/v1/me", json!({"password": "wrong horse"})).await.refuses(401, "invalid_credentials");
    me.delete_with("/v1/me", json!({"password": "x".repeat(257)})).await.refuses(422, "out_of_range");
    me.get("/v1/me").await.has(200);
    me.delete_with("/v1/me", json!({"password": PASSWORD})).await.has(204);
    me.get("/v1/me").await.refuses(401, "invalid_token");
}

#[tokio::test]
async fn a_guest_is_erased_by_its_token() {
    let shop = Shop::open().await;
    let guest = shop.guest().await;
    guest.delete("/v1/me").await.has(204);
    guest.get("/v1/me").await.refuses(401, "invalid_token");
}

/// A token without a session, as from the command line.
fn minted(shop: &Shop, subject: u128, role: Option<super::Role>) -> String {
    let tenant = engine::id::TenantId::new("acme").unwrap();
    let (issuer, hour) = (shop.gateway.sessions.issuer(), std::time::Duration::from_secs(3_600));
    issuer.mint(&tenant, engine::id::SubjectId(subject), role, shop.gateway.now(), hour).unwrap().token
}

#[tokio::test]
async fn a_token_of_no_session_ends_alone_and_stays_ended_after_a_restart() {
    let mut shop = Shop::open().await;
    for role in [Some(super::Role::Vendor), Some(super::Role::Customer), None] {
        let [ended, other] = [minted(&shop, 7, role), minted(&shop, 7, role)];
        shop.with(&ended).delete("/v1/sessions/current").await.has(204);
        shop.with(&ended).get("/v1/me").await.refuses(401, "invalid_token");
        shop.restart_gateway();
        shop.with(&ended).get("/v1/me").await.refuses(401, "invalid_token");
        shop.with(&ended).delete("/v1/sessions/current").await.refuses(401, "invalid_token");
        shop.with(&other).get("/v1/me").await.has(200);
    }
}

#[tokio::test]
async fn an_erasure_by_a_command_line_token_survives_a_restart() {
    let mut shop = Shop::open().await;
    let customer = Some(super::Role::Customer);
    let (used, other) = (minted(&shop, 8, customer), minted(&shop, 8, customer));
    let nobody_else = minted(&shop, 9, customer);
    shop.with(&used).delete("/v1/me").await.has(204);
    for restarted in [false, true] {
        if restarted {
            shop.restart_gateway();
        }
        for token in [&used, &other] {
            shop.with(token).get("/v1/me").await.refuses(401, "invalid_token");
        }
        shop.with(&nobody_else).get("/v1/me").await.has(200);
    }
    // A token issued after the erasure is valid.
    let later = eventually_later(&shop, 8, customer).await;
    shop.with(&later).get("/v1/me").await.has(200);

    // An account that is erased through such a token loses all of its tokens.
    let account = register(&shop, ANN).await;
    let subject: engine::id::SubjectId = account.text("/subject").parse().unwrap();
    let (used, other) = (minted(&shop, subject.0, customer), minted(&shop, subject.0, customer));
    shop.with(&used).delete_with("/v1/me", json!({"password": PASSWORD})).await.has(204);
    shop.restart_gateway();
    for token in [&used, &other, account.text("/token")] {
        shop.with(token).get("/v1/me").await.refuses(401, "invalid_token");
    }
}

/// A token issued in a later millisecond than now.
async fn eventually_later(shop: &Shop, subject: u128, role: Option<super::Role>) -> String {
    let now = shop.gateway.now();
    while shop.gateway.now() <= now {
        tokio::task::yield_now().await;
    }
    minted(shop, subject, role)
}
