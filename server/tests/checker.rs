//! Tests of the external checker against a faulty mock shop: each fault is detected, and a correct shop passes.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use black_box::{
    ApiClient, Books, Buyer, Sale,
    checker::{CAP, ClaimState, Customer, Load},
    until,
};
use futures::{FutureExt, future::join_all};
use parking_lot::Mutex;
use serde_json::{Value, json};

const BUYERS: u64 = 6;
/// More than the buyers may have in total: a correct shop is never sold out.
const UNITS: u64 = 40;
/// The number of responses after which every buyer has held, released and sold some claims.
const ANSWERS: u64 = 150;
/// How long to wait for correct numbers. Those of this shop do not change, so a short time is enough.
const PATIENCE: Duration = Duration::from_millis(50);

/// A fault of the mock shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    // While the sale runs.
    BeyondTheCap,
    SoldOutWithUnits,
    // After the sale, about a single claim.
    Lost,
    MadeTwice,
    AnsweredOtherwise,
    OtherPrice,
    OtherEnd,
    HeldAgain,
    OtherOrder,
    PaymentLost,
    OtherNumber,
    AddressLost,
    // After the sale, about all claims.
    LostFromTheList,
    ListedTwice,
    ListedForNobody,
    UnitTooMany,
    DoesNotAddUp,
    StockDoesNotAddUp,
}

/// Each fault, and the checker's message for it.
const FAULTS: [(Fault, &str); 18] = [
    (Fault::BeyondTheCap, "beyond the cap"),
    (Fault::SoldOutWithUnits, "sold out, with units"),
    (Fault::Lost, "is missing"),
    (Fault::MadeTwice, "a repeated request gets another answer"),
    (Fault::AnsweredOtherwise, "a repeated request gets another answer"),
    (Fault::OtherPrice, "unit_price of"),
    (Fault::OtherEnd, "the end of a hold changed"),
    (Fault::HeldAgain, "state: Released } is"),
    (Fault::OtherOrder, "the order of"),
    (Fault::PaymentLost, "a payment that completed"),
    (Fault::OtherNumber, "an order keeps its number"),
    (Fault::AddressLost, "the address of"),
    (Fault::LostFromTheList, "claims are not listed"),
    (Fault::ListedTwice, "the claim is unknown or listed twice"),
    (Fault::ListedForNobody, "the claim is unknown or listed twice"),
    (Fault::UnitTooMany, "quantity, available, held and sold are"),
    (Fault::DoesNotAddUp, "the drop's numbers do not add up"),
    (Fault::StockDoesNotAddUp, "the stock does not add up"),
];

struct Claim {
    key: String,
    buyer: String,
    body: Value,
}

impl Claim {
    fn units(&self) -> u64 {
        self.body["quantity"].as_u64().unwrap()
    }

    fn is(&self, state: &str) -> bool {
        self.body["state"] == state
    }
}

#[derive(Default)]
struct Shelf {
    fault: Option<Fault>,
    claims: BTreeMap<String, Claim>,
    /// By order.
    emails: BTreeMap<String, Value>,
    reads: u64,
}

impl Shelf {
    fn units(&self, met: impl Fn(&Claim) -> bool) -> u64 {
        self.claims.values().filter(|claim| met(claim)).map(Claim::units).sum()
    }

    fn has_fault(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The response to the request that made the claim.
    fn as_made(claim: &Claim) -> Value {
        let mut body = claim.body.clone();
        body["state"] = "held".into();
        body.as_object_mut().unwrap().remove("order_id");
        body
    }
}

type Shared = Arc<Mutex<Shelf>>;

fn refusal(code: &str, more: (&str, u64)) -> Response {
    (StatusCode::CONFLICT, Json(json!({"code": code, more.0: more.1}))).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn claim(State(shelf): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut shelf = shelf.lock();
    let (key, buyer) = (text(&headers, "idempotency-key"), text(&headers, header::AUTHORIZATION.as_str()));
    let units = body["quantity"].as_u64().unwrap();
    if !shelf.has_fault(Fault::MadeTwice)
        && let Some(known) = shelf.claims.values().find(|known| known.key == key)
    {
        let mut body = Shelf::as_made(known);
        if shelf.has_fault(Fault::AnsweredOtherwise) {
            body["unit_price"]["amount"] = 1.into();
        }
        let replayed = [("idempotency-replayed", HeaderValue::from_static("true"))];
        return (StatusCode::CREATED, replayed, Json(body)).into_response();
    }
    let has = shelf.units(|claim| claim.buyer == buyer && !claim.is("released"));
    if shelf.has_fault(Fault::SoldOutWithUnits) {
        return refusal("sold_out", ("available", 5));
    }
    if has + units > CAP && !shelf.has_fault(Fault::BeyondTheCap) {
        return refusal("limit_reached", ("remaining", CAP - has));
    }
    let id = format!("claim-{}", shelf.claims.len());
    let body = json!({
        "id": id, "drop_id": "drop", "sku": "SKU", "quantity": units, "unit_price": {"amount": 5, "currency": "USD"},
        "state": "held", "expires_at": "2040-01-01T00:00:00Z",
    });
    shelf.claims.insert(id, Claim { key: key.into(), buyer: buyer.into(), body: body.clone() });
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn read_claim(State(shelf): State<Shared>, Path((_, id)): Path<(String, String)>) -> Response {
    let shelf = shelf.lock();
    if shelf.has_fault(Fault::Lost) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut body = shelf.claims[&id].body.clone();
    match shelf.fault {
        Some(Fault::OtherPrice) => body["unit_price"]["amount"] = 1.into(),
        Some(Fault::OtherEnd) => body["expires_at"] = "2040-01-01T00:00:01Z".into(),
        Some(Fault::HeldAgain) if body["state"] == "released" => body["state"] = "held".into(),
        Some(Fault::OtherOrder) if body["state"] == "sold" => body["order_id"] = "another".into(),
        _ => {}
    }
    Json(body).into_response()
}

async fn release(State(shelf): State<Shared>, Path((_, id)): Path<(String, String)>) -> StatusCode {
    shelf.lock().claims.get_mut(&id).unwrap().body["state"] = "released".into();
    StatusCode::NO_CONTENT
}

async fn list(State(shelf): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let shelf = shelf.lock();
    let mut items: Vec<Value> = shelf.claims.values().map(|claim| claim.body.clone()).collect();
    match shelf.fault {
        Some(Fault::LostFromTheList) => drop(items.pop()),
        Some(Fault::ListedTwice) => items.extend(items.first().cloned()),
        Some(Fault::ListedForNobody) => {
            items.push(json!({"id": "unknown-claim", "quantity": 1, "state": "held"}));
        }
        _ => {}
    }
    // In pages of two, so that pagination is tested as well.
    let from: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let to = items.len().min(from + 2);
    let next = (to < items.len()).then(|| to.to_string());
    Json(json!({"items": items[from..to], "next_cursor": next}))
}

async fn pay(State(shelf): State<Shared>, Json(body): Json<Value>) -> Response {
    let id = body["claims"][0].as_str().unwrap();
    let checkout = match body["payment"]["token"].as_str() {
        Some("tok_approve") => {
            let mut shelf = shelf.lock();
            shelf.emails.insert(format!("order-of-{id}"), body["email"].clone());
            let claim = shelf.claims.get_mut(id).unwrap();
            (claim.body["state"], claim.body["order_id"]) = ("sold".into(), format!("order-of-{id}").into());
            json!({"id": format!("checkout-of-{id}"), "state": "completed", "order_id": format!("order-of-{id}")})
        }
        _ => json!({"id": "checkout", "state": "failed", "problem": {"code": "payment_declined"}}),
    };
    (StatusCode::CREATED, Json(checkout)).into_response()
}

async fn checkout(State(shelf): State<Shared>, Path(id): Path<String>) -> Json<Value> {
    let state = if shelf.lock().has_fault(Fault::PaymentLost) { "failed" } else { "completed" };
    let order = id.replace("checkout-of", "order-of");
    Json(json!({"id": id, "state": state, "order_id": order}))
}

async fn order(State(shelf): State<Shared>, Path(id): Path<String>) -> Json<Value> {
    let mut shelf = shelf.lock();
    shelf.reads += 1;
    let number = if shelf.has_fault(Fault::OtherNumber) { shelf.reads } else { 0 };
    let email = if shelf.has_fault(Fault::AddressLost) { None } else { shelf.emails.get(&id) };
    Json(json!({"id": id, "number": format!("{number:08}"), "email": email}))
}

async fn numbers(State(shelf): State<Shared>) -> Json<Value> {
    let shelf = shelf.lock();
    let (mut held, sold) = (shelf.units(|claim| claim.is("held")), shelf.units(|claim| claim.is("sold")));
    let mut available = UNITS - held - sold;
    available += u64::from(shelf.has_fault(Fault::UnitTooMany) || shelf.has_fault(Fault::DoesNotAddUp));
    held -= u64::from(shelf.has_fault(Fault::UnitTooMany));
    Json(json!({"quantity": UNITS, "available": available, "held": held, "sold": sold}))
}

async fn stock(State(shelf): State<Shared>) -> Json<Value> {
    let on_hand = if shelf.lock().has_fault(Fault::StockDoesNotAddUp) { UNITS - 1 } else { UNITS };
    Json(json!({"on_hand": on_hand, "available": 0, "held": 0, "allocated": UNITS}))
}

/// Starts a shop with this fault, lets customers shop there, and returns them with their vendor.
async fn shopping(shelf: &Shared) -> (Buyer, Sale, Vec<Customer>) {
    let routes = Router::new()
        .route("/v1/drops/{drop}/claims", post(claim).get(list))
        .route("/v1/drops/{drop}/claims/{id}", get(read_claim).delete(release))
        .route("/v1/drops/{drop}", get(numbers))
        .route("/v1/inventory/{sku}", get(stock))
        .route("/v1/checkouts", post(pay))
        .route("/v1/checkouts/{id}", get(checkout))
        .route("/v1/orders/{id}", get(order))
        .with_state(shelf.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = ApiClient::new(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let (sale, load) = (Sale { drop: "drop".into(), sku: "SKU".into() }, Load::default());
    let buyer = |name: String| Buyer { api: api.clone(), token: name };
    let customers = (0..BUYERS).map(|number| Customer::new(buyer(format!("buyer-{number}")), &sale, number));
    let shopping: Vec<_> = customers.map(|customer| tokio::spawn(customer.shop(load.clone()))).collect();
    until("enough answers", async || {
        let failed = shopping.iter().any(tokio::task::JoinHandle::is_finished);
        (failed || load.answers.load(Ordering::Relaxed) >= ANSWERS).then_some(())
    })
    .await;
    load.over.store(true, Ordering::Relaxed);
    let mut customers = Vec::new();
    for ended in join_all(shopping).await {
        match ended {
            Ok(customer) => customers.push(customer),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    (buyer("vendor".into()), sale, customers)
}

/// Runs all checks that follow a crash.
async fn check(vendor: &Buyer, sale: &Sale, units: u64, customers: &mut [Customer]) {
    // Twice: some values only have to stay the same.
    for _ in 0..2 {
        for customer in customers.iter_mut() {
            customer.check().await;
        }
    }
    Books::new(vendor, sale, units).looked_at_for(PATIENCE).check(customers).await;
}

/// Returns the failure that the checker reports, if any.
async fn verdict(checked: impl Future<Output = ()>) -> Result<(), String> {
    let Err(panic) = AssertUnwindSafe(checked).catch_unwind().await else { return Ok(()) };
    let words = panic.downcast_ref::<String>().cloned();
    Err(words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned())).unwrap())
}

#[tokio::test]
async fn an_honest_shop_passes_and_has_claims_of_every_kind() {
    let (vendor, sale, mut customers) = shopping(&Shared::default()).await;
    check(&vendor, &sale, UNITS, &mut customers).await;
    let kinds: [fn(&ClaimState) -> bool; 3] = [
        |state| *state == ClaimState::Held,
        |state| *state == ClaimState::Released,
        |state| matches!(state, ClaimState::Sold(_)),
    ];
    for kind in kinds {
        assert!(customers.iter().flat_map(Customer::claims).any(|(_, _, state)| kind(state)));
    }
}

#[tokio::test]
async fn every_lie_is_caught_and_named() {
    for (fault, named) in FAULTS {
        let shelf = Shared::default();
        let message = verdict(async move {
            if matches!(fault, Fault::BeyondTheCap | Fault::SoldOutWithUnits) {
                shelf.lock().fault = Some(fault);
            }
            let (vendor, sale, mut customers) = shopping(&shelf).await;
            shelf.lock().fault = Some(fault);
            check(&vendor, &sale, UNITS, &mut customers).await;
        });
        let message = message.await.expect_err(&format!("{fault:?} was not caught"));
        assert!(message.contains(named), "{fault:?}: {message}");
    }
}

#[tokio::test]
async fn a_claim_that_two_were_given_and_more_than_there_is_are_caught() {
    let message = verdict(async {
        let (vendor, sale, mut customers) = shopping(&Shared::default()).await;
        customers.push(customers[0].clone());
        check(&vendor, &sale, UNITS, &mut customers).await;
    });
    let message = message.await.unwrap_err();
    assert!(message.contains("was given to two buyers"), "{message}");

    let message = verdict(async {
        let (vendor, sale, mut customers) = shopping(&Shared::default()).await;
        let given: u64 = customers.iter().map(Customer::units).map(|(held, sold)| held + sold).sum();
        check(&vendor, &sale, given - 1, &mut customers).await;
    });
    let message = message.await.unwrap_err();
    assert!(message.contains("oversold"), "{message}");
}
