//! Records all responses that buyers get, and compares them with the server's data afterwards.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use engine::{checkout::ARRIVE_WITHIN_MS, time::Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Buyer, Sale, fresh_key, now, payment};

/// The maximum number of units of a drop for each buyer.
pub const CAP: u64 = 3;

/// The state of a claim as its buyer knows it.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimState {
    Held,
    Released,
    /// Sold, with the id of the order.
    Sold(String),
}

impl ClaimState {
    /// Returns the state's name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Sold(_) => "sold",
        }
    }
}

#[derive(Debug, Clone)]
struct Known {
    /// The body of the 201 response that created it.
    body: Value,
    key: String,
    state: ClaimState,
}

/// A request that got no response.
#[derive(Debug, Clone)]
enum Request {
    Claim { quantity: u64, key: String },
    Release { claim: String },
    Pay { claim: String, token: &'static str, key: String },
}

/// The number of responses so far, and whether to stop.
#[derive(Debug, Clone, Default)]
pub struct Load {
    pub answers: Arc<AtomicU64>,
    pub over: Arc<AtomicBool>,
}

/// A buyer at a drop, with the data of all responses that it got.
#[derive(Clone)]
pub struct Customer {
    pub buyer: Buyer,
    sale: Sale,
    claims: HashMap<String, Known>,
    /// Completed checkouts, with their orders' ids, and the numbers once they were read.
    orders: HashMap<String, (String, Option<String>)>,
    unknown: Option<Request>,
    /// Responses with an internal error. They leave the outcome unknown, and should not occur.
    pub faults: Vec<Answer>,
    random: fastrand::Rng,
    email: String,
}

impl Customer {
    pub fn new(buyer: Buyer, sale: &Sale, seed: u64) -> Self {
        Self {
            buyer,
            sale: sale.clone(),
            claims: HashMap::new(),
            orders: HashMap::new(),
            unknown: None,
            faults: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            email: format!("{}@example.com", fresh_key()),
        }
    }

    /// Whether its last request got no response.
    pub fn has_no_answer(&self) -> bool {
        self.unknown.is_some()
    }

    fn path(&self, claim: &str) -> String {
        format!("/v1/drops/{}/claims/{claim}", self.sale.drop)
    }

    /// Returns every claim that it made: its id, units and state.
    pub fn claims(&self) -> impl Iterator<Item = (&str, u64, &ClaimState)> {
        let units = |known: &Known| known.body["quantity"].as_u64().unwrap();
        self.claims.iter().map(move |(id, known)| (id.as_str(), units(known), &known.state))
    }

    /// Returns the units held and sold.
    pub fn units(&self) -> (u64, u64) {
        let units = |met: fn(&ClaimState) -> bool| {
            self.claims().filter(|(_, _, state)| met(state)).map(|(_, units, _)| units).sum()
        };
        (units(|state| *state == ClaimState::Held), units(|state| matches!(state, ClaimState::Sold(_))))
    }

    /// Shops until the load is over or a request gets no response.
    pub async fn shop(mut self, load: Load) -> Self {
        while !load.over.load(Ordering::Relaxed) && self.unknown.is_none() {
            let request = self.choose();
            if self.ask(request, false).await {
                load.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
        self
    }

    fn choose(&mut self) -> Request {
        let held: Vec<_> =
            self.claims.iter().filter(|(_, known)| known.state == ClaimState::Held).map(|(id, _)| id.clone()).collect();
        let some = (!held.is_empty()).then(|| held[self.random.usize(..held.len())].clone());
        match (some, self.random.u8(..10)) {
            (Some(claim), 0) => {
                let token = if self.random.bool() { "tok_approve" } else { "tok_decline" };
                Request::Pay { claim, token, key: fresh_key() }
            }
            (Some(claim), 1..=5) => Request::Release { claim },
            _ => Request::Claim { quantity: self.random.u64(1..=2), key: fresh_key() },
        }
    }

    /// Repeats the request that got no response.
    pub async fn settle(&mut self) {
        let Some(request) = self.unknown.take() else { return };
        let answered = self.ask(request.clone(), true).await;
        assert!(answered, "no answer from a server that is ready: {request:?} {:?}", self.faults);
    }

    /// Sends a request and records the response. Returns whether there was one.
    async fn ask(&mut self, request: Request, is_retry: bool) -> bool {
        let (method, path, key, body) = match &request {
            Request::Claim { quantity, key } => (
                Method::POST,
                format!("/v1/drops/{}/claims", self.sale.drop),
                Some(key.as_str()),
                Some(json!({"quantity": quantity})),
            ),
            Request::Release { claim } => (Method::DELETE, self.path(claim), None, None),
            Request::Pay { claim, token, key } => (
                Method::POST,
                "/v1/checkouts".to_owned(),
                Some(key.as_str()),
                Some(payment(&[claim], token, &self.email)),
            ),
        };
        let body = body.map(|body| body.to_string());
        let answer = self.buyer.api.try_ask(method, &path, Some(&self.buyer.token), key, body.as_deref()).await;
        let answer = match answer {
            // 503 and 504 leave the outcome unknown: the request is repeated.
            Ok(answer) if answer.status < 500 => answer,
            unknown => {
                self.faults.extend(unknown.ok().filter(|answer| !matches!(answer.status, 503 | 504)));
                self.unknown = Some(request);
                return false;
            }
        };
        let (held, sold) = self.units();
        match (&request, answer.status, answer.code()) {
            (Request::Claim { quantity, key }, 201, _) => {
                assert!(
                    held + sold + quantity <= CAP,
                    "beyond the cap with {held} held and {sold} sold: {}",
                    answer.body
                );
                assert_eq!(answer.body["quantity"], *quantity);
                let id = answer.body["id"].as_str().unwrap().to_owned();
                let known = Known { body: answer.body, key: key.clone(), state: ClaimState::Held };
                assert!(self.claims.insert(id, known).is_none(), "two claims of one id");
            }
            (Request::Claim { quantity, .. }, 409, "sold_out") => {
                assert!(
                    answer.body["available"].as_u64().unwrap() < *quantity,
                    "sold out, with units: {}",
                    answer.body
                );
            }
            (Request::Claim { quantity, .. }, 409, "limit_reached") => {
                assert!(held + sold + quantity > CAP, "limited with {held} held, {sold} sold: {}", answer.body);
                assert_eq!(answer.body["remaining"], CAP - held - sold, "{}", answer.body);
            }
            (Request::Release { claim }, 204, _) => self.claims.get_mut(claim).unwrap().state = ClaimState::Released,
            (Request::Pay { claim, token, key }, 201, _) => {
                let (claim, token, key) = (claim.clone(), *token, key.clone());
                return self.paid(answer.body, Request::Pay { claim, token, key }).await;
            }
            _ => panic!(
                "{request:?} (again: {is_retry}) with {held} held and {sold} sold, {:?}: {} {}",
                self.claims, answer.status, answer.body
            ),
        }
        true
    }

    /// Waits until a checkout is completed or failed.
    async fn paid(&mut self, mut checkout: Value, request: Request) -> bool {
        let Request::Pay { claim, token, .. } = &request else { unreachable!() };
        let path = format!("/v1/checkouts/{}", checkout["id"].as_str().unwrap());
        let deadline = tokio::time::Instant::now() + super::PATIENCE;
        while checkout["state"] == "pending" {
            assert!(tokio::time::Instant::now() < deadline, "a checkout stays pending: {checkout}");
            match self.buyer.api.try_ask(Method::GET, &path, Some(&self.buyer.token), None, None).await {
                Ok(answer) if answer.status == 200 => checkout = answer.body,
                Ok(answer) if answer.status < 500 => panic!("{path}: {} {}", answer.status, answer.body),
                _ => {
                    self.unknown = Some(request);
                    return false;
                }
            }
        }
        match (*token, checkout["state"].as_str().unwrap()) {
            ("tok_approve", "completed") => {
                let order = checkout["order_id"].as_str().unwrap().to_owned();
                self.claims.get_mut(claim).unwrap().state = ClaimState::Sold(order.clone());
                self.orders.insert(checkout["id"].as_str().unwrap().to_owned(), (order, None));
            }
            // The server was down when the steps' deadline passed: the checkout fails and charges nothing.
            (_, "failed") if checkout["problem"]["code"] == "unavailable" && is_overdue(&checkout) => {}
            ("tok_decline", "failed") => assert_eq!(checkout["problem"]["code"], "payment_declined", "{checkout}"),
            _ => panic!("{request:?}: {checkout}"),
        }
        true
    }

    /// Asserts that the server's data matches all recorded responses.
    pub async fn check(&mut self) {
        for (id, known) in &self.claims {
            let now = self.buyer.get(&self.path(id)).await;
            assert_eq!(now.status, 200, "{:?} is missing: {}", known, now.body);
            for field in ["id", "drop_id", "sku", "quantity", "unit_price"] {
                assert_eq!(now.body[field], known.body[field], "{field} of {}", now.body);
            }
            if let ClaimState::Sold(order) = &known.state {
                assert_eq!(now.body["order_id"], *order, "the order of {}", now.body);
            }
            assert_eq!(now.body["state"], known.state.name(), "{known:?} is {}", now.body);
            if known.state == ClaimState::Held {
                assert_eq!(now.body["expires_at"], known.body["expires_at"], "the end of a hold changed");
                let body = json!({"quantity": known.body["quantity"]});
                let path = format!("/v1/drops/{}/claims", self.sale.drop);
                let is_retry = self.buyer.ask(Method::POST, &path, Some(&known.key), Some(&body)).await;
                assert_eq!(
                    (is_retry.status, is_retry.replayed, &is_retry.body),
                    (201, true, &known.body),
                    "a repeated request gets another answer"
                );
            }
        }
        for (checkout, (order, number)) in &mut self.orders {
            let seen = self.buyer.get(&format!("/v1/checkouts/{checkout}")).await.expect(200);
            let now = (&seen["state"], &seen["order_id"]);
            assert_eq!(now, (&json!("completed"), &json!(order)), "a payment that completed is now {seen}");
            let seen = self.buyer.get(&format!("/v1/orders/{order}")).await.expect(200);
            assert_eq!(seen["email"], self.email, "the address of {seen}");
            let now = seen["number"].as_str().unwrap();
            assert_eq!(now, number.get_or_insert_with(|| now.to_owned()), "an order keeps its number");
        }
    }
}

/// Whether the deadline for the steps of a checkout has passed since it was created.
fn is_overdue(checkout: &Value) -> bool {
    let begun: Timestamp = checkout["created_at"].as_str().unwrap().parse().unwrap();
    now().ms_since(begun) > ARRIVE_WITHIN_MS
}
