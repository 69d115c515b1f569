//! Drops.

use serde_json::{Value, json};

use crate::testing::{FAR, Shop, eventually};

fn sale(items: Value) -> Value {
    json!({"title": "Sale", "items": items, "per_buyer_max": 2, "hold_seconds": 300, "ends_at": FAR})
}

fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

#[tokio::test]
async fn a_drop_takes_its_units_from_the_inventory_or_is_not_made() {
    let shop = Shop::open().await;
    shop.stock(10, &["S", "M"]).await;
    let vendor = shop.vendor();
    let items = json!([{"sku": "S", "quantity": 4, "price": usd(1999), "compare_at_price": usd(2999)},
                       {"sku": "M", "quantity": 6, "price": usd(1999)}]);
    let drop = vendor.post("/v1/drops", "k", sale(items.clone())).await.has(201);
    assert_eq!((drop.text("/state"), drop.number("/quantity"), drop.number("/available")), ("open", 10, 10));
    assert_eq!(drop.header("location"), format!("/v1/drops/{}", drop.text("/id")));
    let levels = vendor.get("/v1/inventory/M").await.has(200);
    assert_eq!((levels.number("/available"), levels.number("/allocated")), (4, 6));

    let answer = vendor.post("/v1/drops", "k2", sale(json!([{"sku": "M", "quantity": 5, "price": usd(1)}]))).await;
    let answer = answer.refuses(409, "insufficient_stock");
    assert_eq!((answer.text("/sku"), answer.number("/available")), ("M", 4));
    let again = vendor.post("/v1/drops", "k", sale(items)).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (drop.text("/id"), "true"));
    // A refused creation leaves its key free.
    vendor.post("/v1/drops", "k2", sale(json!([{"sku": "M", "quantity": 4, "price": usd(1)}]))).await.has(201);
}

#[tokio::test]
async fn all_errors_of_a_drop_are_reported_at_once() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let mut odd = sale(json!([{"sku": " S", "quantity": 0, "price": {"amount": -1, "currency": "USD"}},
                              {"sku": "M", "quantity": 1, "price": {"amount": 1, "currency": "EUR"}}]));
    odd["hold_seconds"] = json!(1);
    let answer = vendor.post("/v1/drops", "k", odd).await.refuses(422, "out_of_range");
    let pointers: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        ["/items/0/sku", "/items/0/quantity", "/items/0/price/amount", "/items/1/price/currency", "/hold_seconds"]
    );
    let mut both = sale(json!([{"sku": "S", "quantity": 1, "price": usd(1)}]));
    both["sku"] = json!("S");
    let answer = vendor.post("/v1/drops", "k", both).await.refuses(400, "invalid_request");
    assert_eq!((answer.text("/errors/0/pointer"), answer.text("/errors/0/code")), ("/sku", "unknown"));
    let neither = json!({"per_buyer_max": 1, "hold_seconds": 60, "ends_at": FAR});
    let answer = vendor.post("/v1/drops", "k", neither).await.refuses(400, "invalid_request");
    assert_eq!((answer.text("/errors/0/pointer"), answer.text("/errors/0/code")), ("/items", "missing"));
    let mut past = sale(json!([{"sku": "S", "quantity": 1, "price": usd(1)}]));
    past["ends_at"] = json!("2001-01-01T00:00:00Z");
    let answer = vendor.post("/v1/drops", "k", past).await.refuses(422, "out_of_range");
    assert_eq!(answer.text("/errors/0/pointer"), "/ends_at");
}

#[tokio::test]
async fn a_draft_is_the_vendors_until_it_is_published() {
    let shop = Shop::open().await;
    shop.stock(5, &["S"]).await;
    let vendor = shop.vendor();
    let mut body = sale(json!([{"sku": "S", "quantity": 5, "price": usd(1)}]));
    body["draft"] = json!(true);
    let draft = vendor.post("/v1/drops", "k", body).await.has(201);
    assert_eq!(draft.text("/state"), "draft");
    let place = draft.header("location").to_owned();
    shop.nobody().get(&place).await.refuses(404, "not_found");
    shop.guest().await.get(&place).await.refuses(404, "not_found");
    vendor.get(&place).await.has(200);
    eventually(|| vendor.get("/v1/drops"), |answer| answer.items().len() == 1).await;
    assert!(shop.nobody().get("/v1/drops").await.items().is_empty());

    vendor.post(&format!("{place}/publish"), "", json!(null)).await.refuses(400, "idempotency_key_required");
    let published = vendor.post(&format!("{place}/publish"), "p", json!(null)).await.has(200);
    assert_eq!(published.text("/state"), "open");
    let again = vendor.post(&format!("{place}/publish"), "p", json!(null)).await.has(200);
    assert_eq!(again.header("idempotency-replayed"), "true");
    vendor.post(&format!("{place}/publish"), "p2", json!(null)).await.refuses(409, "not_allowed");
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/drops"), |answer| answer.items().len() == 1).await;
}

#[tokio::test]
async fn an_edit_names_the_version_that_it_is_based_on() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let (vendor, place) = (shop.vendor(), format!("/v1/drops/{drop}"));
    let change = json!({"per_buyer_max": 3});
    vendor.patch(&place, "", change.clone()).await.refuses(428, "version_required");
    vendor.patch(&place, "x", change.clone()).await.refuses(400, "invalid_request");
    let changed = vendor.patch(&place, "\"1\"", change.clone()).await.has(200);
    assert_eq!((changed.number("/version"), changed.number("/per_buyer_max")), (2, 3));
    let answer = vendor.patch(&place, "\"1\"", change.clone()).await.refuses(412, "stale_version");
    assert_eq!(answer.number("/version"), 2);
    let etag =
        eventually(|| vendor.get(&place), |answer| answer.number("/version") == 2).await.header("etag").to_owned();
    vendor.patch(&place, &etag, json!({"items": [{"sku": "S", "price": usd(5)}]})).await.has(200);
    let answer = vendor.patch(&place, "3", json!({"title": "New"})).await.refuses(409, "not_allowed");
    assert!(answer.text("/detail").contains("open drop"));
    shop.guest().await.patch(&place, "3", change).await.refuses(403, "forbidden");
}

#[tokio::test]
async fn polling_a_drop_returns_only_changes() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let place = format!("/v1/drops/{drop}");
    let first = shop.nobody().get(&place).await.has(200);
    assert!(first.header("cache-control").starts_with("public"));
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let known = first.header("etag").to_owned();
    let same = shop.nobody().get_unless(&place, &known).await.has(304);
    assert!(same.bytes.is_empty());
    shop.guest().await.post(&format!("{place}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let nobody = shop.nobody();
    let changed = eventually(|| nobody.get_unless(&place, &known), |answer| answer.status == 200).await;
    assert_eq!((changed.number("/available"), changed.number("/held")), (4, 1));
}

#[tokio::test]
async fn a_drop_ends_or_is_cancelled() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let (vendor, guest, place) = (shop.vendor(), shop.guest().await, format!("/v1/drops/{drop}"));
    let claim = guest.post(&format!("{place}/claims"), "k", json!({"quantity": 1})).await.has(201);
    assert_eq!(vendor.post(&format!("{place}/end"), "e", json!(null)).await.has(200).text("/state"), "ended");
    guest.post(&format!("{place}/claims"), "k2", json!({"quantity": 1})).await.refuses(409, "ended");
    assert_eq!(
        guest.get(claim.header("location")).await.text("/state"),
        "held",
        "made before the end, it stays payable"
    );
    assert_eq!(vendor.post(&format!("{place}/cancel"), "c", json!(null)).await.has(200).text("/state"), "cancelled");
    assert_eq!(guest.get(claim.header("location")).await.text("/state"), "released");
}

#[tokio::test]
async fn a_drop_that_is_not_open_gives_its_start() {
    let shop = Shop::open().await;
    shop.stock(5, &["S"]).await;
    let mut body = sale(json!([{"sku": "S", "quantity": 5, "price": usd(1)}]));
    body["starts_at"] = json!("2098-01-01T00:00:00Z");
    let drop = shop.vendor().post("/v1/drops", "k", body).await.has(201);
    assert_eq!(drop.text("/state"), "scheduled");
    let claims = format!("{}/claims", drop.header("location"));
    let answer = shop.guest().await.post(&claims, "k", json!({"quantity": 1})).await.refuses(409, "not_open");
    assert_eq!(answer.text("/starts_at"), "2098-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn drops_are_paged_newest_first() {
    let shop = Shop::open().await;
    shop.stock(50, &["S"]).await;
    for n in 0..3 {
        let body = sale(json!([{"sku": "S", "quantity": 1, "price": usd(n)}]));
        shop.vendor().post("/v1/drops", &format!("k{n}"), body).await.has(201);
    }
    let nobody = shop.nobody();
    let all = eventually(|| nobody.get("/v1/drops"), |answer| answer.items().len() == 3).await;
    let first = shop.nobody().get("/v1/drops?limit=2").await.has(200);
    let rest = shop.nobody().get(&format!("/v1/drops?limit=2&cursor={}", first.text("/next_cursor"))).await.has(200);
    let ids = |items: &[Value]| items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
    assert_eq!([ids(first.items()), ids(rest.items())].concat(), ids(all.items()));
    assert!(rest.body["next_cursor"].is_null());
}

#[tokio::test]
async fn drops_are_listed_by_state_and_in_order() {
    let shop = Shop::open().await;
    shop.stock(100, &["S"]).await;
    let vendor = shop.vendor();
    let mut ids = Vec::new();
    for (name, extra) in [
        ("open", json!({})),
        ("later", json!({"starts_at": "2098-01-01T00:00:00Z"})),
        ("sold", json!({})),
        ("draft", json!({"draft": true})),
        ("over", json!({})),
    ] {
        let mut body = sale(json!([{"sku": "S", "quantity": 1, "price": usd(1)}]));
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ids.push(vendor.post("/v1/drops", name, body).await.has(201).text("/id").to_owned());
    }
    let place = |index: usize| format!("/v1/drops/{}", ids[index]);
    vendor.post(&format!("{}/cancel", place(4)), "c", json!(null)).await.has(200);
    eventually(|| vendor.get("/v1/drops"), |answer| answer.items().len() == 5).await;
    let listed = |answer: &crate::testing::Answer| -> Vec<String> {
        answer.items().iter().map(|drop| drop["id"].as_str().unwrap().to_owned()).collect()
    };
    for (state, index) in [("open", 0), ("scheduled", 1), ("draft", 3), ("cancelled", 4)] {
        let mut expected = vec![ids[index].clone()];
        expected.extend((state == "open").then(|| ids[2].clone()));
        let path = format!("/v1/drops?state={state}");
        let found = eventually(|| vendor.get(&path), |answer| answer.items().len() == expected.len()).await;
        // Drops created in the same millisecond are ordered by id.
        let mut found = listed(&found);
        found.sort_by_key(|id| ids.iter().position(|known| known == id));
        assert_eq!(found, expected, "{state}");
        let public = shop.nobody().get(&path).await.has(200);
        assert_eq!(public.items().is_empty(), state == "draft");
    }
    // Each page has one of the two open drops, although other drops are between them in the list.
    let first = vendor.get("/v1/drops?state=open&limit=1").await.has(200);
    let next = first.text("/next_cursor").to_owned();
    let second = vendor.get(&format!("/v1/drops?state=open&limit=1&cursor={next}")).await.has(200);
    assert_eq!([listed(&first), listed(&second)].concat(), listed(&vendor.get("/v1/drops?state=open").await));
    let oldest = vendor.get("/v1/drops?sort=created_at").await.has(200);
    let mut newest = listed(&vendor.get("/v1/drops?sort=-created_at").await);
    newest.reverse();
    assert_eq!(listed(&oldest), newest);
    assert_eq!(newest.len(), ids.len());
    assert_eq!(listed(&vendor.get("/v1/drops?sort=-starts_at&limit=1").await), [ids[1].clone()]);
    vendor.get(&format!("/v1/drops?sort=created_at&cursor={next}")).await.refuses(422, "out_of_range");
    vendor.get("/v1/drops?state=shut").await.refuses(400, "invalid_request");
    vendor.get("/v1/drops?sort=title").await.refuses(400, "invalid_request");
}

#[tokio::test]
async fn claims_say_when_they_were_made() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let ann = shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let (made, ends) = (claim.text("/created_at").to_owned(), claim.text("/expires_at").to_owned());
    let at = |text: &str| text.parse::<engine::time::Timestamp>().unwrap();
    let hold = shop.vendor().get(&format!("/v1/drops/{drop}")).await.number("/hold_seconds") as u64;
    assert_eq!(at(&made).plus_seconds(hold), at(&ends));
    ann.delete(claim.header("location")).await.has(204);
    let listed = shop.vendor().get(&format!("/v1/drops/{drop}/claims")).await.has(200);
    assert_eq!(
        (listed.items()[0]["created_at"].as_str(), &listed.items()[0]["state"]),
        (Some(&made[..]), &json!("released"))
    );
}
