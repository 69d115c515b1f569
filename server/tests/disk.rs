//! The built program on a disk that is slow to sync, or full. A shim library simulates the disk.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use std::time::Duration;

use black_box::{
    Answer, Buyer, LOOK, Sale, Shim, Shop, assert_no_panic, fresh_key, in_seconds, payment,
    round::{ANSWERS_MAX, BUYERS, Round, seed},
    until,
};
use futures::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

/// How long syncs are held: longer than the two seconds after which a checkout in progress is answered as `pending`.
const HELD_FOR: Duration = Duration::from_millis(2_500);
/// The maximum time of a response that depends on no held sync.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The files whose syncs are held, by their path below the data folder.
const JOURNAL: &str = "journal/";
const READ_SIDE: &str = "fusion.sqlite";
const LEDGER: &str = "sandbox.jsonl";
/// The exit code after a fatal error.
const EXIT_FATAL: i32 = 70;

/// A request that is not sent yet, with its expected status codes.
struct Request {
    who: Buyer,
    method: Method,
    path: String,
    body: Option<Value>,
    /// The version of the object to change, for `If-Match`.
    version: Option<String>,
    statuses: &'static [u16],
}

impl Request {
    fn new(who: &Buyer, method: Method, path: &str, body: Option<Value>, statuses: &'static [u16]) -> Self {
        Self { who: who.clone(), method, path: path.to_owned(), body, version: None, statuses }
    }

    /// Creates a change of the object's present version.
    async fn change(who: &Buyer, path: &str, body: Value) -> Self {
        let version = who.get(path).await.version;
        Self { version: Some(version), ..Self::new(who, Method::PATCH, path, Some(body), &[200]) }
    }

    fn post(who: &Buyer, path: &str, body: Value, statuses: &'static [u16]) -> Self {
        Self::new(who, Method::POST, path, Some(body), statuses)
    }

    fn get(who: &Buyer, path: &str) -> Self {
        Self::new(who, Method::GET, path, None, &[200])
    }

    fn send(self) -> Pending {
        let what = format!("{} {}", self.method, self.path);
        let Self { who, method, path, body, version, statuses } = self;
        let answer = tokio::spawn(async move {
            match (version, &body) {
                (Some(version), Some(body)) => who.change(&path, &version, body).await,
                _ => who.ask(method, &path, Some(&fresh_key()), body.as_ref()).await,
            }
        });
        Pending { what, statuses, answer }
    }
}

/// A request in progress.
struct Pending {
    what: String,
    statuses: &'static [u16],
    answer: JoinHandle<Answer>,
}

/// Asserts that no request is answered while syncs of `what` are held, and repeats `meanwhile` during this time.
async fn none_is_answered(disk: &Shim, what: &str, pending: &mut [Pending], meanwhile: impl AsyncFn()) {
    let (synced, until) = (disk.syncs(what), Instant::now() + HELD_FOR);
    while Instant::now() < until {
        meanwhile().await;
        for pending in &mut *pending {
            let early = (&mut pending.answer).now_or_never();
            assert!(early.is_none(), "{} is answered before its sync: {early:?}", pending.what);
        }
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(disk.syncs(what), synced, "the disk synced all the same");
}

async fn all_are_answered(pending: Vec<Pending>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for Pending { what, statuses, answer } in pending {
        let answer = answer.await.unwrap();
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.body);
        answers.push(answer);
    }
    answers
}

/// Asserts that a request which depends on no held sync is answered in time.
async fn at_once(pending: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(AT_ONCE, pending).await.expect("an answer waits for a sync that it does not need")
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

fn of_drop(sale: &Sale, what: &str) -> String {
    format!("/v1/drops/{}/{what}", sale.drop)
}

/// Returns the body of a checkout of the claim at a path.
fn of_claim(claim: &str, token: &str) -> Value {
    let claim = claim.rsplit('/').next().unwrap();
    payment(&[claim], token, &format!("{}@example.com", fresh_key()))
}

/// Returns the body of a checkout of the cart at a path.
fn of_cart(cart: &str) -> Value {
    let mut body = payment(&[], "tok_approve", "cart@example.com");
    body.as_object_mut().unwrap().remove("claims");
    body["cart_id"] = cart.rsplit('/').next().into();
    body
}

/// Returns a buyer with a claim, and the claim's path.
async fn with_claim(shop: &Shop, sale: &Sale) -> (Buyer, String) {
    let buyer = shop.api().guest().await;
    let claim = buyer.claim(&sale.drop, 1).await.expect(201);
    (buyer, of_drop(sale, &format!("claims/{}", text(&claim, "id"))))
}

/// Returns a buyer with a cart that contains a mug, the cart's path, and the path of the line.
async fn with_cart(shop: &Shop) -> (Buyer, String, String) {
    let buyer = shop.api().guest().await;
    let cart = buyer.post("/v1/carts", &json!({})).await.expect(201);
    let path = format!("/v1/carts/{}", text(&cart, "id"));
    let cart = buyer.post(&format!("{path}/lines"), &mugs(1)).await.expect(201);
    let line = format!("{path}/lines/{}", text(&cart["lines"][0], "id"));
    (buyer, path, line)
}

/// Returns the path of a paid order.
async fn with_order(shop: &Shop, sale: &Sale) -> String {
    let (buyer, claim) = with_claim(shop, sale).await;
    let claim = claim.rsplit('/').next().unwrap();
    let email = format!("{}@example.com", fresh_key());
    let paid = buyer.pay_to_the_end(&[claim], "tok_approve", &email).await.expect(201);
    format!("/v1/orders/{}", text(&paid, "order_id"))
}

fn mugs(quantity: u64) -> Value {
    json!({"sku": "MUG", "quantity": quantity})
}

fn product(title: &str, sku: &str) -> Value {
    json!({"title": title, "variants": [{"sku": sku, "price": {"amount": 500, "currency": "USD"}}]})
}

/// Returns the changes that buyers make: to claims, carts, and checkouts of both.
async fn changes_of_buyers(shop: &Shop, sale: &Sale) -> Vec<Request> {
    let (releasing, released) = with_claim(shop, sale).await;
    let (paying, paid) = with_claim(shop, sale).await;
    let (declined, refused) = with_claim(shop, sale).await;
    let (adding, cart, _) = with_cart(shop).await;
    let (changing, _, changed) = with_cart(shop).await;
    let (removing, _, removed) = with_cart(shop).await;
    let (deleting, deleted, _) = with_cart(shop).await;
    let (buying, bought, _) = with_cart(shop).await;
    let guest = shop.api().guest().await;
    vec![
        Request::post(&guest, &of_drop(sale, "claims"), json!({"quantity": 1}), &[201]),
        Request::new(&releasing, Method::DELETE, &released, None, &[204]),
        Request::post(&paying, "/v1/checkouts", of_claim(&paid, "tok_approve"), &[201]),
        Request::post(&declined, "/v1/checkouts", of_claim(&refused, "tok_decline"), &[201]),
        Request::post(&buying, "/v1/checkouts", of_cart(&bought), &[201]),
        Request::post(&guest, "/v1/carts", json!({}), &[201]),
        Request::post(&adding, &format!("{cart}/lines"), mugs(2), &[201]),
        Request::new(&changing, Method::PATCH, &changed, Some(json!({"quantity": 3})), &[200]),
        Request::new(&removing, Method::DELETE, &removed, None, &[204]),
        Request::new(&deleting, Method::DELETE, &deleted, None, &[204]),
    ]
}

/// Returns the changes that vendors make: to products, stock, drops, and orders.
async fn changes_of_vendors(shop: &Shop, sale: &Sale, mug: &str) -> Vec<Request> {
    let vendor = &shop.vendor;
    let (ends, falls_out, waits) = (shop.sell("ENDS", 5, 1).await, shop.sell("OUT", 5, 1).await, early(shop).await);
    let draft = json!({
        "sku": "MUG", "quantity": 2, "price": {"amount": 400, "currency": "USD"}, "per_buyer_max": 1,
        "hold_seconds": 60, "ends_at": in_seconds(3_600), "draft": true,
    });
    let draft =
        Sale { drop: text(&vendor.post("/v1/drops", &draft).await.expect(201), "id").into(), sku: "MUG".into() };
    let sold = [with_order(shop, sale).await, with_order(shop, sale).await, with_order(shop, sale).await];
    let hundred = json!({"amount": {"amount": 100, "currency": "USD"}, "reason": "late"});
    vec![
        Request::post(vendor, "/v1/products", product("Hat", "HAT"), &[201]),
        Request::change(vendor, mug, json!({"title": "Cup"})).await,
        Request::post(vendor, "/v1/inventory/MUG/adjustments", json!({"delta": 5, "reason": "delivery"}), &[200]),
        Request::post(vendor, &of_drop(&draft, "publish"), json!({}), &[200]),
        Request::change(vendor, &format!("/v1/drops/{}", waits.drop), json!({"per_buyer_max": 2})).await,
        Request::post(vendor, &of_drop(&ends, "end"), json!({}), &[200]),
        Request::post(vendor, &of_drop(&falls_out, "cancel"), json!({}), &[200]),
        Request::post(vendor, &format!("{}/refunds", sold[0]), hundred, &[201]),
        Request::post(
            vendor,
            &format!("{}/fulfillments", sold[1]),
            json!({"tracking": "https://parcels.example/1"}),
            &[201],
        ),
        Request::post(vendor, &format!("{}/cancel", sold[2]), json!({"reason": "no", "restock": true}), &[200]),
    ]
}

/// Creates a drop that opens in an hour.
async fn early(shop: &Shop) -> Sale {
    shop.sell_with(&fresh_key(), 5, 1, json!({"starts_at": in_seconds(3_600)})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_waits_for_its_sync() {
    let (shop, disk) = Shop::open_behind_shim().await;
    let vendor = &shop.vendor;
    let (sale, last, quiet) = (shop.sell("HELD", 50, 5).await, shop.sell("LAST", 1, 1).await, early(&shop).await);
    let mug =
        format!("/v1/products/{}", text(&vendor.post("/v1/products", &product("Mug", "MUG")).await.expect(201), "id"));
    let delivery = json!({"delta": 9, "reason": "delivery"});
    vendor.post("/v1/inventory/MUG/adjustments", &delivery).await.expect(200);
    let other = shop.sell("OTHER", 5, 1).await;
    let (watching, watched) = with_claim(&shop, &other).await;
    let mut changes = changes_of_buyers(&shop, &sale).await;
    changes.extend(changes_of_vendors(&shop, &sale, &mug).await);
    let ends = changes.len();
    // Only one of these two can succeed, and the refusal of the other depends on it.
    for rival in shop.guests(2).await {
        changes.push(Request::post(&rival, &of_drop(&last, "claims"), json!({"quantity": 1}), &[201, 409]));
    }
    let orders = until("three orders are listed", async || {
        let orders = vendor.get("/v1/orders").await.expect(200);
        let paid = |order: &Value| order["payment_state"] == "paid";
        orders["items"].as_array().is_some_and(|listed| listed.len() == 3 && listed.iter().all(paid)).then_some(orders)
    })
    .await;
    let (synced, held) = (disk.syncs(JOURNAL), disk.held(JOURNAL));
    assert!(synced > 0, "the shim sees no syncs: is the program linked statically?");

    disk.hold(JOURNAL);
    // Reads and refusals that depend on no held sync are answered.
    at_once(watching.get(&watched)).await.expect(200);
    at_once(vendor.get("/v1/inventory/MUG")).await.expect(200);
    at_once(watching.claim(&quiet.drop, 1)).await.expect_problem(409, "not_open");
    let mut pending: Vec<_> = changes.into_iter().map(Request::send).collect();
    disk.until_one_waits(JOURNAL, held).await;
    none_is_answered(&disk, JOURNAL, &mut pending, async || {
        // Lists and sessions never wait, and lists only show what was accepted.
        at_once(watching.get("/v1/me")).await.expect(200);
        let listed = at_once(vendor.get("/v1/orders")).await.expect(200);
        assert_eq!(listed["items"], orders["items"], "no other order is visible yet");
    })
    .await;
    // A read of a changed entity waits for the change.
    for path in [format!("/v1/drops/{}", sale.drop), "/v1/inventory/MUG".to_owned(), mug] {
        pending.push(Request::get(vendor, &path).send());
    }
    none_is_answered(&disk, JOURNAL, &mut pending, async || ()).await;
    disk.release();

    let answers = all_are_answered(pending).await;
    let mut rivals = [answers[ends].status, answers[ends + 1].status];
    rivals.sort_unstable();
    assert_eq!(rivals, [201, 409], "there was one unit");
    assert_eq!(answers.last().unwrap().body["title"], "Cup");
    assert!(disk.syncs(JOURNAL) > synced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_outside_the_journal_waits_for_its_own_sync() {
    let (shop, disk) = Shop::open_behind_shim().await;
    let sale = shop.sell("BESIDE", 100_000, 5).await;
    let (paying, paid) = with_claim(&shop, &sale).await;
    let (other, also_paid) = with_claim(&shop, &sale).await;
    let (registering, erased) = (shop.api().guest().await, shop.api().guest().await);
    let account = |email: &str| json!({"email": email, "password": "correct horse"});
    let session = erased.post("/v1/accounts", &account("gone@example.com")).await.expect(201);
    let erased = Buyer { token: text(&session, "token").to_owned(), ..erased };
    let claims_while_held = async || {
        at_once(shop.api().guest().await.claim(&sale.drop, 1)).await.expect(201);
    };

    // Accounts, and the address that a checkout refers to, are stored in the read side.
    let held = disk.held(READ_SIDE);
    disk.hold(READ_SIDE);
    let pending = [
        Request::post(&registering, "/v1/accounts", account("new@example.com"), &[201]),
        Request::new(&erased, Method::DELETE, "/v1/me", None, &[204]),
        Request::post(&paying, "/v1/checkouts", of_claim(&paid, "tok_approve"), &[201]),
    ];
    let mut pending: Vec<_> = pending.into_iter().map(Request::send).collect();
    disk.until_one_waits(READ_SIDE, held).await;
    none_is_answered(&disk, READ_SIDE, &mut pending, async || claims_while_held().await).await;
    disk.release();
    all_are_answered(pending).await;

    // The provider's ledger records its authorisations. Until it is synced, the checkout is answered as pending.
    let held = disk.held(LEDGER);
    disk.hold(LEDGER);
    let checkout = other.post("/v1/checkouts", &of_claim(&also_paid, "tok_approve")).await.expect(201);
    assert!(disk.held(LEDGER) > held, "the ledger was synced");
    assert_eq!(checkout["state"], "pending", "{checkout}");
    claims_while_held().await;
    disk.release();
    let path = format!("/v1/checkouts/{}", text(&checkout, "id"));
    until("it completes", async || (other.get(&path).await.expect(200)["state"] == "completed").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_server_and_loses_nothing_that_was_answered() {
    let mut random = fastrand::Rng::with_seed(seed());
    let (mut shop, disk) = Shop::open_behind_shim().await;
    let mut buyers = shop.guests(BUYERS).await;
    let folder = shop.data().display().to_string();
    for (name, log_is_there_too) in [("FULL-1", false), ("FULL-2", false), ("FULL-LOG", true)] {
        if log_is_there_too {
            shop.stop().await;
            shop.log_into_the_data_folder();
            shop.start().await;
            buyers.iter_mut().for_each(|buyer| buyer.api = shop.api().clone());
        }
        let mut round = Round::run(&mut shop, &buyers, name, &mut random, ANSWERS_MAX, async |shop: &mut Shop| {
            disk.fill();
            let ended = shop.ended().await;
            assert_eq!(ended.code(), Some(EXIT_FATAL), "{ended}\n{}", shop.log());
        })
        .await;
        if !log_is_there_too {
            let log = shop.log();
            let lines: Vec<_> = log.lines().filter(|line| line.starts_with("fusion:")).collect();
            let has_line = |words: &str| lines.iter().any(|line| line.contains(words));
            assert!(
                has_line(&folder) && has_line("No space left") && has_line("make room"),
                "the place, the reason and the remedy are named: {lines:?}"
            );
            assert_no_panic(&log);
        }

        let refused = shop.try_start().await.expect_err("the disk is still full");
        if !log_is_there_too {
            let last = refused.last_words();
            println!("{name}: {last}");
            assert!(last.contains(&folder) && last.contains("No space left"), "where, and why: {last}");
        }

        disk.make_room();
        shop.start().await;
        buyers.iter_mut().for_each(|buyer| buyer.api = shop.api().clone());
        round.check(&shop).await;
        round.sell_the_rest(&shop).await;
    }
}
