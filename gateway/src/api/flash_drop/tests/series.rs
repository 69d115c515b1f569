//! A drop's series, and the buyers of its claims.

use serde_json::{Value, json};

use crate::{
    auth::Role,
    testing::{Answer, FAR, Shop, eventually, payment},
};

fn points(answer: &Answer) -> &[Value] {
    answer.body["points"].as_array().map_or(&[], Vec::as_slice)
}

fn sum(answer: &Answer, pointer: &str) -> i64 {
    points(answer).iter().map(|point| point.pointer(pointer).and_then(Value::as_i64).unwrap()).sum()
}

#[tokio::test]
async fn a_series_has_claims_releases_and_sales() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(20).await;
    let (vendor, path) = (shop.vendor(), format!("/v1/drops/{drop}/claims"));
    let series = format!("/v1/drops/{drop}/series");
    let before = vendor.get(&series).await.has(200);
    assert_eq!((points(&before).len(), &before.body["next"]), (0, &Value::Null));
    let created = vendor.get(&format!("/v1/drops/{drop}")).await.text("/created_at").to_owned();
    assert!(before.text("/as_of") >= &created[..]);

    let mut claims = Vec::new();
    for n in 0..5 {
        let guest = shop.guest().await;
        let claim = guest.post(&path, "k", json!({"quantity": 2})).await.has(201);
        claims.push((guest, claim, n));
    }
    claims[0].0.delete(claims[0].1.header("location")).await.has(204);
    let paid = payment("tok_approve", json!({"claims": [claims[1].1.text("/id")]}));
    claims[1].0.post("/v1/checkouts", "pay", paid).await.has(201);
    let after = eventually(|| vendor.get(&series), |answer| sum(answer, "/sold") == 2).await.has(200);
    let counted = (sum(&after, "/claims"), sum(&after, "/released"), sum(&after, "/revenue/amount"));
    assert_eq!(counted, (10, 2, 2 * 1999));
    let last = points(&after).last().unwrap();
    assert_eq!((&last["held"], &last["sold_total"]), (&json!(6), &json!(2)));
    assert_eq!(last["revenue_total"], json!({"amount": 2 * 1999, "currency": "USD"}));
    assert_eq!(last["resolution_seconds"], 1);
    let view = format!("/v1/drops/{drop}");
    // The drop's view agrees, but it may be 50 ms old.
    eventually(|| vendor.get(&view), |view| (view.number("/held"), view.number("/sold")) == (6, 2)).await;

    let from = last["at"].as_str().unwrap();
    let rest = vendor.get(&format!("{series}?from={from}")).await.has(200);
    assert_eq!(points(&rest), &points(&after)[points(&after).len() - 1..]);
    let future = vendor.get(&format!("{series}?from={FAR}")).await.has(200);
    assert_eq!((points(&future).len(), future.text("/as_of")), (0, after.text("/as_of")));
}

#[tokio::test]
async fn a_series_is_its_vendors_alone() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let series = format!("/v1/drops/{drop}/series");
    shop.nobody().get(&series).await.refuses(401, "authentication_required");
    shop.guest().await.get(&series).await.refuses(403, "forbidden");
    shop.staff(Role::Host).get(&series).await.refuses(403, "forbidden");
    shop.staff_of("bolt", Role::Vendor).get(&series).await.refuses(404, "not_found");
    shop.staff(Role::Admin).get(&series).await.has(200);
    let vendor = shop.vendor();
    vendor.get("/v1/drops/0000000000000000000000000Z/series").await.refuses(404, "not_found");
    for (query, status, code) in [
        ("from=yesterday", 400, "invalid_request"),
        ("from=", 400, "invalid_request"),
        ("from=1969-12-31T23:59:59Z", 422, "out_of_range"),
        ("until=2026-01-01T00:00:00Z", 400, "invalid_request"),
        ("from=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", 400, "invalid_request"),
    ] {
        vendor.get(&format!("{series}?{query}")).await.refuses(status, code);
    }
}

#[tokio::test]
async fn a_vendor_sees_when_a_claim_was_made_and_masked_by_whom() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let (vendor, path) = (shop.vendor(), format!("/v1/drops/{drop}/claims"));
    let guest = shop.guest().await;
    let subject = guest.get("/v1/me").await.text("/subject").to_owned();
    let claim = guest.post(&path, "k", json!({"quantity": 1})).await.has(201);
    assert_eq!(claim.body.get("buyer"), None, "buyers do not see who claimed");
    let customer = shop.guest().await;
    let account = json!({"email": "kim@example.com", "password": "correct horse battery"});
    let session = customer.post("/v1/accounts", "", account).await.has(201);
    shop.with(session.text("/token")).post(&path, "k", json!({"quantity": 1})).await.has(201);

    let list = vendor.get(&path).await.has(200);
    let buyers: Vec<_> = list.items().iter().map(|claim| &claim["buyer"]).collect();
    assert_eq!((&buyers[0]["kind"], &buyers[0]["email"]), (&json!("customer"), &json!("k…@example.com")));
    assert_eq!(buyers[1], &json!({"kind": "guest", "id_ending": &subject[subject.len() - 4..]}));
    assert!(list.items().iter().all(|claim| claim["created_at"].is_string()));
    assert!(!String::from_utf8_lossy(&list.bytes).contains("kim@"));
    let one = vendor.get(claim.header("location")).await.has(200);
    assert_eq!(one.body["buyer"], *buyers[1]);
    assert_eq!(guest.get(claim.header("location")).await.body.get("buyer"), None);
    let own = eventually(|| guest.get("/v1/claims"), |answer| answer.items().len() == 1).await;
    assert_eq!(own.items()[0].get("buyer"), None);
}
