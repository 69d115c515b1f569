//! Password attempts, through the API: their number, their strength, and the warnings to the owner.

use std::{net::IpAddr, time::Duration};

use axum::{body::Body, http::Request};
use engine::{id::TenantId, time::Timestamp};
use persistence::sql::NewRefreshToken;
use serde_json::{Value, json};

use super::{Role, attempts::FREE_TRIES, email::Email, password::WAITING_MAX, token_hash};
use crate::{
    Rates, Settings,
    limits::{SIGN_UPS_OF_ADDRESS, rate},
    notices::MAILS_PER_MAILBOX_AN_HOUR,
    problem::Code,
    testing::{AWAY, Answer, Shop, eventually, settings},
};

const PASSWORD: &str = "correct horse";
const WRONG: &str = "wrong horse!";
const ANN: &str = "ann@example.com";
const NOBODY: &str = "nobody@example.com";
const HOME: &str = "192.0.2.7:40000";
const ELSEWHERE: &str = "198.51.100.7:40000";

/// A shop in which only the counts of accounts limit sign-ins.
async fn open() -> Shop {
    let rates = Rates { passwords: rate(10_000, 10_000), sessions: rate(10_000, 10_000), ..Rates::default() };
    Shop::open_with(Settings { rates, ..settings() }).await
}

async fn ask(shop: &Shop, from: &str, method: &str, path: &str, token: Option<&str>, body: Value) -> Answer {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    shop.send_from(from, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn sign_in(shop: &Shop, from: &str, email: &str, password: &str) -> Answer {
    ask(shop, from, "POST", "/v1/sessions", None, json!({"email": email, "password": password})).await
}

async fn sign_up(shop: &Shop, from: &str, email: &str, password: &str) -> Answer {
    let guest = shop.guest().await;
    let body = json!({"email": email, "password": password});
    ask(shop, from, "POST", "/v1/accounts", Some(guest.token()), body).await
}

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn address(peer: &str) -> IpAddr {
    peer.parse::<std::net::SocketAddr>().unwrap().ip()
}

/// Waits for something that no request waits for.
async fn until(shop: &Shop, met: impl Fn() -> bool) {
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/drops"), |_| met()).await;
}

/// Makes `count` password attempts from an address, each as early as allowed, the last one just now.
async fn tried(shop: &Shop, count: u32, email: &str, from: &str) {
    // The wait before an attempt is the delay that the one before has caused.
    let waits: Vec<u64> = (0..count).map(|n| n.checked_sub(FREE_TRIES).map_or(0, |n| 1_000 << n)).collect();
    let mut at = Timestamp(shop.gateway.now().0 - waits.iter().sum::<u64>());
    for wait in waits {
        at = at.plus_ms(wait);
        shop.gateway.sessions.attempts.begin(&tenant(), email, address(from), at).await.unwrap();
    }
}

/// The secret of the newest mailed link.
async fn mailed_token(shop: &Shop, email: &str) -> String {
    shop.nobody().post("/v1/password-resets", "", json!({"email": email})).await.has(202);
    let is_reset = |mail: &crate::auth::Mail| mail.to == email && mail.body.contains("#token=");
    until(shop, || shop.mails.0.lock().iter().any(is_reset)).await;
    let mails = shop.mails.0.lock().clone();
    let mail = mails.iter().rev().find(|mail| is_reset(mail)).unwrap();
    mail.body.split("#token=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn after_five_wrong_passwords_the_next_has_to_wait_a_second_then_two() {
    let shop = open().await;
    let (attempts, now, from) = (&shop.gateway.sessions.attempts, shop.gateway.now(), address(AWAY));
    let begin = async |ms: u64| attempts.begin(&tenant(), ANN, from, now.plus_ms(ms)).await.map(drop);
    for _ in 0..FREE_TRIES {
        begin(0).await.unwrap();
    }
    for (ms, fits) in [(0, false), (999, false), (1_000, true), (2_999, false), (3_000, true), (6_999, false)] {
        let begun = begin(ms).await;
        assert_eq!(begun.is_ok(), fits, "{ms}");
        assert!(fits || begun.unwrap_err().code() == Code::TooManyAttempts);
    }
}

#[tokio::test]
async fn an_early_password_is_refused_without_a_check() {
    let mut shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    for email in [ANN, NOBODY] {
        tried(&shop, 12, email, AWAY).await;
    }
    for restarted in [false, true] {
        if restarted {
            shop.restart_gateway();
        }
        let mut answers = Vec::new();
        for (email, password) in [(ANN, PASSWORD), (ANN, WRONG), ("Ann@EXAMPLE.com", PASSWORD), (NOBODY, WRONG)] {
            let answer = sign_in(&shop, ELSEWHERE, email, password).await.refuses(429, "too_many_attempts");
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((60..=128).contains(&wait), "{wait}");
            let mut body = answer.body.clone();
            for changing in ["request_id", "retry_after"] {
                body.as_object_mut().unwrap().remove(changing);
            }
            answers.push(body);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
    sign_in(&shop, AWAY, "bob@example.com", WRONG).await.refuses(401, "invalid_credentials");
}

#[tokio::test]
async fn strangers_cannot_keep_the_owner_out() {
    let shop = open().await;
    let session = sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    tried(&shop, 14, ANN, AWAY).await;
    // Existing sessions continue, and the owner can sign in again from a network that was used before.
    shop.with(session.text("/token")).get("/v1/me").await.has(200);
    sign_in(&shop, HOME, ANN, PASSWORD).await.has(201);
    sign_in(&shop, AWAY, ANN, PASSWORD).await.refuses(429, "too_many_attempts");
    // From elsewhere the mailed link works, and the network where it was used is known from then on.
    sign_in(&shop, ELSEWHERE, ANN, PASSWORD).await.refuses(429, "too_many_attempts");
    let path = format!("/v1/password-resets/{}", mailed_token(&shop, ANN).await);
    ask(&shop, ELSEWHERE, "PUT", &path, None, json!({"password": "another horse"})).await.has(204);
    sign_in(&shop, AWAY, ANN, "another horse").await.has(201);
    tried(&shop, 14, ANN, "203.0.113.200:1").await;
    sign_in(&shop, ELSEWHERE, ANN, "another horse").await.has(201);
    // The owner's own network has its own count, and no more tries than others.
    tried(&shop, 14, ANN, HOME).await;
    sign_in(&shop, HOME, ANN, "another horse").await.refuses(429, "too_many_attempts");
}

#[tokio::test]
async fn a_correct_password_resets_the_count() {
    let shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    tried(&shop, FREE_TRIES - 1, ANN, AWAY).await;
    sign_in(&shop, AWAY, ANN, PASSWORD).await.has(201);
    for _ in 0..FREE_TRIES - 1 {
        sign_in(&shop, ELSEWHERE, ANN, WRONG).await.refuses(401, "invalid_credentials");
    }
    sign_in(&shop, ELSEWHERE, ANN, PASSWORD).await.has(201);
}

#[tokio::test]
async fn concurrent_attempts_are_limited_like_sequential_ones() {
    let shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    let began = std::time::Instant::now();
    let all = (0..40).map(|n| sign_in(&shop, AWAY, ANN, if n == 39 { PASSWORD } else { WRONG }));
    let answers = futures::future::join_all(all).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    let more = began.elapsed().as_secs() as usize;
    assert!((1..=FREE_TRIES as usize + more).contains(&looked_at), "{looked_at}");
    assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status.as_u16())));
}

#[tokio::test]
async fn a_password_that_confirms_an_erasure_is_counted_too() {
    let shop = open().await;
    let account = sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    let (subject, hour) = (account.text("/subject").parse().unwrap(), Duration::from_secs(3_600));
    let issuer = shop.gateway.sessions.issuer();
    let minted = issuer.mint(&tenant(), subject, Some(Role::Customer), shop.gateway.now(), hour).unwrap();
    let erase = async |from, password: &str| {
        ask(&shop, from, "DELETE", "/v1/me", Some(&minted.token), json!({"password": password})).await
    };
    tried(&shop, 11, ANN, AWAY).await;
    erase(AWAY, PASSWORD).await.refuses(429, "too_many_attempts");
    sign_in(&shop, AWAY, ANN, PASSWORD).await.refuses(429, "too_many_attempts");
    erase(HOME, WRONG).await.refuses(401, "invalid_credentials");
    erase(HOME, PASSWORD).await.has(204);
    // The next owner of the address starts with a new count.
    sign_up(&shop, ELSEWHERE, ANN, PASSWORD).await.has(201);
    sign_in(&shop, AWAY, ANN, WRONG).await.refuses(401, "invalid_credentials");
}

#[tokio::test]
async fn the_owner_is_notified_once_of_password_attempts() {
    let shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    for email in [NOBODY, ANN] {
        tried(&shop, FREE_TRIES - 1, email, AWAY).await;
        sign_in(&shop, AWAY, email, WRONG).await.refuses(401, "invalid_credentials");
    }
    let mails = || shop.mails.0.lock().clone();
    until(&shop, || !mails().is_empty()).await;
    let warning = mails().remove(0);
    assert_eq!((warning.to.as_str(), warning.subject.as_str()), (ANN, "Failed sign-in attempts on your account"));
    assert!(warning.body.contains("/reset-password\n") && !warning.body.contains("#token"), "{}", warning.body);
    // A count that starts again causes no second warning on the same day.
    shop.gateway.sessions.attempts.clear(&tenant(), ANN, address(HOME), shop.gateway.now()).await.unwrap();
    for _ in 0..FREE_TRIES {
        sign_in(&shop, AWAY, ANN, WRONG).await.refuses(401, "invalid_credentials");
    }
    mailed_token(&shop, ANN).await;
    let to: Vec<_> = mails().into_iter().map(|mail| (mail.to, mail.subject)).collect();
    let [first, second] = &to[..] else { panic!("{to:?}") };
    assert_eq!((first.1.as_str(), second.1.as_str()), (warning.subject.as_str(), "Set a new password"));
}

#[tokio::test]
async fn passwords_that_are_guessed_first_are_refused_with_the_reason() {
    let shop = open().await;
    for (password, code) in [
        ("password1", "too_common"),
        ("Qwerty123!", "too_common"),
        ("Ann@example.com", "too_guessable"),
        ("abcabcabcabc", "too_guessable"),
        ("short", "out_of_range"),
    ] {
        let answer = sign_up(&shop, HOME, ANN, password).await.refuses(422, "out_of_range");
        let found = (answer.text("/errors/0/pointer"), answer.text("/errors/0/code"));
        assert_eq!(found, ("/password", code), "{password}");
    }
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    let path = format!("/v1/password-resets/{}", mailed_token(&shop, ANN).await);
    for (password, code) in [("iloveyou1", "too_common"), ("ann@example.com", "too_guessable")] {
        let answer = shop.nobody().put(&path, json!({"password": password})).await.refuses(422, "out_of_range");
        assert_eq!(answer.text("/errors/0/code"), code, "{password}");
    }
    shop.nobody().put(&path, json!({"password": "another horse"})).await.has(204);
}

#[tokio::test]
async fn addresses_are_not_harvested_by_signing_up() {
    let shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    for _ in 0..SIGN_UPS_OF_ADDRESS {
        sign_up(&shop, AWAY, ANN, PASSWORD).await.refuses(409, "email_taken");
    }
    let answer = sign_up(&shop, AWAY, ANN, PASSWORD).await.refuses(429, "rate_limited");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 30);
    sign_up(&shop, AWAY, NOBODY, PASSWORD).await.refuses(429, "rate_limited");
    sign_up(&shop, ELSEWHERE, NOBODY, PASSWORD).await.has(201);
}

#[tokio::test]
async fn mails_per_mailbox_and_hour_are_limited() {
    let shop = open().await;
    let kim = "kim@münchen.example";
    for email in [kim, ANN] {
        sign_up(&shop, HOME, email, PASSWORD).await.has(201);
    }
    let spellings = [kim, "KIM@xn--mnchen-3ya.example", "kim@mu\u{308}nchen.example"];
    for n in 0..MAILS_PER_MAILBOX_AN_HOUR + 3 {
        let body = json!({"email": spellings[n % spellings.len()]});
        shop.nobody().post("/v1/password-resets", "", body).await.has(202);
    }
    let sent_to = |email: &str| shop.mails.0.lock().iter().filter(|mail| mail.to == email).count();
    until(&shop, || sent_to(kim) >= MAILS_PER_MAILBOX_AN_HOUR).await;
    mailed_token(&shop, ANN).await;
    assert_eq!((sent_to(kim), sent_to(ANN)), (MAILS_PER_MAILBOX_AN_HOUR, 1));
    assert!(Email::new(kim).is_ok());
}

#[tokio::test]
async fn an_attempt_that_is_refused_for_load_is_not_counted() {
    let shop = open().await;
    sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    let passwords = &shop.gateway.sessions.passwords;
    let waiting: Vec<_> = (0..WAITING_MAX).map(|_| passwords.take_place().unwrap()).collect();
    for _ in 0..2 * FREE_TRIES {
        sign_in(&shop, ELSEWHERE, ANN, PASSWORD).await.refuses(503, "overloaded");
    }
    drop(waiting);
    sign_in(&shop, ELSEWHERE, ANN, PASSWORD).await.has(201);
}

#[tokio::test]
async fn a_password_is_looked_at_for_the_holder_of_a_link_alone() {
    let shop = open().await;
    let path = "/v1/password-resets/nothing";
    let answer = ask(&shop, HOME, "PUT", path, None, json!({"password": "password1"})).await;
    answer.refuses(409, "reset_ended");
}

#[tokio::test]
async fn a_sign_in_that_a_password_reset_overtakes_leaves_no_session() {
    let shop = open().await;
    let account = sign_up(&shop, HOME, ANN, PASSWORD).await.has(201);
    let subject = account.text("/subject").parse().unwrap();
    let (sessions, read_side) = (&shop.gateway.sessions, &shop.gateway.read_side);
    // The password is known to be right; then the owner sets another; then the session begins.
    let began = shop.gateway.now();
    let reset = began.plus_seconds(60);
    let ends = reset.plus_seconds(60);
    read_side.create_password_reset(&tenant(), subject, token_hash("link"), began, ends).await.unwrap();
    let from = address(HOME);
    sessions.reset_password(&tenant(), "link", "another long password".to_owned(), from, || reset).await.unwrap();
    assert!(sessions.start_stored(&tenant(), subject, Some(Role::Customer), began).await.is_err());
    // Nor is it renewed, if its first token went out before.
    let token = "r1.acme.0123456789";
    let (family, signed_in_at) = (9, Some(began));
    let stored = NewRefreshToken {
        token: token_hash(token),
        family,
        subject,
        created_at: began,
        expires_at: ends,
        signed_in_at,
    };
    read_side.start_session(&tenant(), &stored).await.unwrap();
    let answer = ask(&shop, HOME, "POST", "/v1/sessions/refresh", None, json!({"refresh_token": token})).await;
    answer.refuses(401, "invalid_refresh_token");
}
