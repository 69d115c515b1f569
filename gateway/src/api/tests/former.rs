//! Guests' commands that are repeated by the account, and commands whose fingerprint an earlier version wrote.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actors::{AskError, CommandMeta, node::Tuning, permits::ENTITY_CALLERS_MAX};
use engine::{
    cart::{Cart, CartCommand, CartRejection},
    id::{CartId, CommandId, Fingerprint, SubjectId, TenantId, digest128},
};
use futures::stream;
use serde_json::json;
use streaming::{
    ShardId,
    batch::Header,
    memory::{Fault, Faults, MemoryJournal},
};

use crate::{
    api::former_ids::first_found,
    problem::Code,
    testing::{Shop, settings},
};

/// How long an append takes while the journal is stalled: longer than the test.
const STALL: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Stalling(AtomicBool);

impl Faults for Stalling {
    fn on_append(&self, _: ShardId, _: &Header) -> Fault {
        if self.0.load(Ordering::SeqCst) { Fault::Delay(STALL) } else { Fault::None }
    }
}

fn command_id(subject: SubjectId, operation: &str, key: &str) -> CommandId {
    CommandId::derive(&[b"acme", &subject.to_bytes(), operation.as_bytes(), b"", key.as_bytes()])
}

#[tokio::test]
async fn an_unreadable_former_id_prevents_a_creation_under_the_new_one() {
    let faults = Arc::new(Stalling::default());
    let journal = Arc::new(MemoryJournal::with_faults(1, 7, faults.clone()));
    let shop = Shop::open_on(journal, settings(), Tuning::default(), crate::ops::metrics::detached()).await;
    let guest = shop.nobody().post("/v1/sessions", "", json!({})).await.has(201);
    let subject: SubjectId = guest.text("/subject").parse().unwrap();
    let account = json!({"email": "ann@example.com", "password": "correct horse battery"});
    shop.guest().await.post("/v1/accounts", "", account.clone()).await.has(201);

    // The guest's command is stalled in the journal, and so many reads wait for its cart that further ones are refused.
    faults.0.store(true, Ordering::SeqCst);
    let (tenant, cart) = (TenantId::new("acme").unwrap(), CartId(command_id(subject, "create_cart", "k").0));
    let first = shop.with(guest.text("/token"));
    let making = first.post("/v1/carts", "k", json!({}));
    let key = cart.key(&tenant);
    let views = (0..ENTITY_CALLERS_MAX - 1).map(|_| (CartCommand::View { buyer: None }, CommandMeta::read())).collect();
    let looking = shop.gateway.commerce.ask_many::<Cart>(&key, views);
    let repeating = async {
        let signed_in = first.post("/v1/sessions", "", account).await.has(201);
        let look = || shop.gateway.commerce.ask::<Cart>(&key, CartCommand::View { buyer: None }, CommandMeta::read());
        while !matches!(look().await, Err(AskError::Overloaded { .. })) {
            tokio::task::yield_now().await;
        }
        shop.with(signed_in.text("/token")).post("/v1/carts", "k", json!({})).await.refuses(503, "overloaded");
    };
    tokio::select! {
        _ = async { tokio::join!(making, looking) } => panic!("the journal did not stall"),
        () = repeating => {}
    }
}

#[tokio::test]
async fn only_a_definite_not_found_lets_a_new_thing_be_made() {
    let wait = Duration::from_secs(1);
    let not_found = || Err(AskError::Rejected(CartRejection::NotFound));
    let of = |looks: Vec<Result<(), AskError<CartRejection>>>| async move {
        let looks = (1..).map(CommandId).zip(looks);
        first_found(stream::iter(looks), &CartRejection::NotFound).await.map_err(|problem| problem.code())
    };
    assert_eq!(of(vec![not_found(), not_found()]).await, Ok(None));
    assert_eq!(of(vec![not_found(), Ok(()), not_found()]).await, Ok(Some(CommandId(2))));
    for (error, code) in [
        (AskError::Overloaded { retry_after: wait }, Code::Overloaded),
        (AskError::Unavailable { retry_after: wait }, Code::Unavailable),
        (AskError::Unknown, Code::OutcomeUnknown),
        (AskError::Quarantined, Code::Parked),
    ] {
        assert_eq!(of(vec![not_found(), Err(error), not_found()]).await, Err(code));
    }
}

#[tokio::test]
async fn a_key_of_any_former_guest_finds_what_it_made() {
    let shop = Shop::open().await;
    let account = json!({"email": "ann@example.com", "password": "correct horse battery"});
    shop.guest().await.post("/v1/accounts", "", account.clone()).await.has(201);
    let mut carts = Vec::new();
    let mut token = String::new();
    // More former ids than the limit in an earlier version: there, the 33rd guest's cart was created twice.
    for number in 0..40 {
        let guest = shop.guest().await;
        let made = guest.post("/v1/carts", &format!("k{number}"), json!({})).await.has(201);
        carts.push(made.text("/id").to_owned());
        token = guest.post("/v1/sessions", "", account.clone()).await.has(201).text("/token").to_owned();
    }
    for (number, cart) in carts.iter().enumerate() {
        let again = shop.with(&token).post("/v1/carts", &format!("k{number}"), json!({})).await.has(201);
        assert_eq!(again.text("/id"), cart);
    }
}

#[tokio::test]
async fn a_command_that_an_earlier_version_accepted_is_known_by_its_fingerprint_of_then() {
    let shop = Shop::open().await;
    let session = shop.nobody().post("/v1/sessions", "", json!({})).await.has(201);
    let subject: SubjectId = session.text("/subject").parse().unwrap();
    let (tenant, id) = (TenantId::new("acme").unwrap(), command_id(subject, "create_cart", "k"));
    let buyer = engine::flash_drop::Buyer { subject, former: Vec::new(), customer: false };
    let create = CartCommand::Create { tenant: tenant.clone(), cart: CartId(id.0), buyer, currency: None };
    let meta =
        CommandMeta { fingerprint: Fingerprint(digest128(&[br#"{"currency":null}"#])), ..CommandMeta::effect(id) };
    shop.gateway.commerce.ask::<Cart>(&CartId(id.0).key(&tenant), create, meta).await.unwrap();

    let ann = shop.with(session.text("/token"));
    let again = ann.post("/v1/carts", "k", json!({})).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (&*CartId(id.0).to_string(), "true"));
    ann.post("/v1/carts", "k", json!({"currency": "EUR"})).await.refuses(422, "idempotency_key_reused");
}

#[tokio::test]
async fn to_take_a_price_away_is_another_command_than_to_leave_it() {
    let shop = Shop::open().await;
    let price = json!({"amount": 100, "currency": "USD"});
    let new =
        json!({"title": "hat", "variants": [{"price": price, "compare_at_price": {"amount": 200, "currency": "USD"}}]});
    let made = shop.vendor().post("/v1/products", "p", new).await.has(201);
    let path = format!("/v1/products/{}", made.text("/id"));
    let variant = made.text("/variants/0/id").to_owned();
    let patch = |body: serde_json::Value| {
        let request = axum::http::Request::builder().method("PATCH").uri(&path);
        let token = shop.vendor().token().to_owned();
        let request = request.header("authorization", format!("Bearer {token}")).header("if-match", "\"1\"");
        let request = request.header("idempotency-key", "k").header("content-type", "application/json");
        shop.send(request.body(body.to_string().into()).unwrap())
    };
    let gone = json!({"variants": [{"id": variant, "price": price, "compare_at_price": null}]});
    patch(gone.clone()).await.has(200);
    assert_eq!(patch(gone).await.has(200).header("idempotency-replayed"), "true");
    patch(json!({"variants": [{"id": variant, "price": price}]})).await.refuses(422, "idempotency_key_reused");
}
