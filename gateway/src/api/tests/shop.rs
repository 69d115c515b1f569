//! From the catalogue to the paid order.

use engine::time::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::forget_expired,
    testing::{Shop, Visitor, eventually, payment},
};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

pub(in crate::api) fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

/// Creates a shirt in two sizes, with ten units of each.
pub(in crate::api) async fn shirt(shop: &Shop) -> String {
    let body = json!({"title": "Ocean Blue Shirt", "description_html": "<p>Blue.<script>x()</script></p>", "vendor": "Ocean",
        "type": "Shirt", "tags": ["summer"], "options": ["Size"],
        "variants": [{"options": ["S"], "sku": "SHIRT-S", "price": usd(1999), "compare_at_price": usd(2999)},
                     {"options": ["M"], "price": usd(2099)}]});
    let made = shop.vendor().post("/v1/products", "shirt", body).await.has(201);
    for sku in ["SHIRT-S", "ocean-blue-shirt.M"] {
        let path = format!("/v1/inventory/{sku}/adjustments");
        shop.vendor().post(&path, &format!("stock {sku}"), json!({"delta": 10, "reason": "first"})).await.has(200);
    }
    made.text("/id").to_owned()
}

/// Deletes what has expired, as if so many days had passed.
pub(in crate::api) async fn after_days(shop: &Shop, days: u64) {
    let now = Timestamp(shop.gateway.now().0 + days * DAY_MS);
    forget_expired(&shop.gateway, now).await.unwrap();
}

pub(in crate::api) async fn cart_with(buyer: &Visitor<'_>, quantity: i64) -> String {
    let cart = buyer.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
    let line = json!({"sku": "SHIRT-S", "quantity": quantity});
    buyer.post(&format!("/v1/carts/{cart}/lines"), "line", line).await.has(201);
    cart
}

#[tokio::test]
async fn a_product_is_made_shown_changed_and_archived() {
    let shop = Shop::open().await;
    let id = shirt(&shop).await;
    let (vendor, nobody, place) = (shop.vendor(), shop.nobody(), format!("/v1/products/{id}"));
    let product = nobody.get(&place).await.has(200);
    assert_eq!((product.text("/handle"), product.text("/status")), ("ocean-blue-shirt", "active"));
    assert_eq!((product.text("/variants/1/sku"), product.text("/variants/1/title")), ("ocean-blue-shirt.M", "M"));
    assert_eq!(product.text("/description_html"), "<p>Blue.</p>");
    nobody.get_unless(&place, product.header("etag")).await;

    let again = json!({"title": "Ocean Blue Shirt", "variants": [{"price": usd(1)}]});
    let taken = vendor.post("/v1/products", "other", again).await.refuses(409, "handle_taken");
    assert_eq!(taken.text("/product_id"), id);
    let other = json!({"title": "Other", "variants": [{"sku": "SHIRT-S", "price": usd(1)}]});
    vendor.post("/v1/products", "sku", other).await.refuses(409, "sku_taken");

    vendor.patch(&place, "", json!({"title": "New"})).await.refuses(428, "version_required");
    let variant = product.text("/variants/0/id");
    let change = json!({"title": "New", "variants": [{"id": variant, "price": usd(1500), "compare_at_price": null}]});
    let changed = vendor.patch(&place, "\"1\"", change).await.has(200);
    assert_eq!((changed.text("/title"), changed.number("/version")), ("New", 2));
    assert_eq!(changed.body["variants"][0].get("compare_at_price"), None);
    vendor.patch(&place, "\"1\"", json!({"title": "Newer"})).await.refuses(412, "stale_version");

    let listed =
        eventually(|| nobody.get("/v1/products?query=new&tag=summer"), |answer| answer.items().len() == 1).await;
    assert_eq!(listed.items()[0]["id"], id.as_str());
    vendor.delete(&place).await.has(204);
    nobody.get(&place).await.refuses(404, "not_found");
    assert_eq!(vendor.get(&place).await.has(200).text("/status"), "archived");
    eventually(|| nobody.get("/v1/products"), |answer| answer.items().is_empty()).await;
    eventually(|| vendor.get("/v1/products?status=archived"), |answer| answer.items().len() == 1).await;
}

#[tokio::test]
async fn all_errors_of_a_product_are_reported_at_once() {
    let shop = Shop::open().await;
    let odd = json!({"title": "???", "variants": [{"price": usd(-1)}, {"sku": " x", "price": {"amount": 1, "currency": "EUR"}}]});
    let answer = shop.vendor().post("/v1/products", "k", odd).await.refuses(422, "out_of_range");
    let pointers: Vec<_> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/title", "/variants/0/price/amount", "/variants/1/sku", "/variants/1/price/currency"]);
    let answer = shop.vendor().post("/v1/products", "k", json!({"title": "A", "variants": []})).await;
    assert_eq!(answer.refuses(422, "out_of_range").text("/errors/0/pointer"), "/variants");
}

#[tokio::test]
async fn a_cart_is_filled_and_changed_by_its_buyer_alone() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let cart = cart_with(&ann, 2).await;
    let place = format!("/v1/carts/{cart}");
    let shown = ann.get(&place).await.has(200);
    assert_eq!((shown.text("/lines/0/sku"), shown.body["subtotal"].clone()), ("SHIRT-S", usd(3998)));
    let again = ann.post(&format!("{place}/lines"), "line", json!({"sku": "SHIRT-S", "quantity": 2})).await.has(201);
    assert_eq!((again.header("idempotency-replayed"), again.number("/lines/0/quantity")), ("true", 2));
    let line = format!("{place}/lines/{}", shown.text("/lines/0/id"));
    assert_eq!(ann.patch(&line, "", json!({"quantity": 3})).await.has(200).number("/lines/0/quantity"), 3);
    bob.get(&place).await.refuses(404, "not_found");
    bob.patch(&line, "", json!({"quantity": 1})).await.refuses(404, "not_found");
    let unknown = ann.post(&format!("{place}/lines"), "no", json!({"sku": "NOPE", "quantity": 1})).await;
    assert_eq!(unknown.refuses(409, "not_for_sale").text("/sku"), "NOPE");
    ann.delete(&line).await.has(204);
    assert!(ann.get(&place).await.body["lines"].as_array().unwrap().is_empty());
    ann.delete(&place).await.has(204);
    ann.get(&place).await.refuses(404, "not_found");
}

#[tokio::test]
async fn a_guest_cart_is_available_after_the_sign_in() {
    let shop = Shop::open().await;
    let credentials = json!({"email": "ann@example.com", "password": "correct horse"});
    shop.guest().await.post("/v1/accounts", "", credentials.clone()).await.has(201);
    let guest = shop.guest().await;
    let cart = guest.post("/v1/carts", "k", json!({})).await.has(201);
    let session = guest.post("/v1/sessions", "", credentials).await.has(201);
    let again = shop.with(session.text("/token")).post("/v1/carts", "k", json!({})).await.has(201);
    assert_eq!((again.text("/id"), again.header("idempotency-replayed")), (cart.text("/id"), "true"));
}

#[tokio::test]
async fn a_cart_is_paid_and_becomes_an_order() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let ann = shop.guest().await;
    let cart = cart_with(&ann, 2).await;
    let body = payment("tok_approve", json!({"cart_id": cart}));
    let checkout = ann.post("/v1/checkouts", "pay", body.clone()).await.has(201);
    let place = checkout.header("location").to_owned();
    let paid = eventually(|| ann.get(&place), |answer| answer.text("/state") == "completed").await;
    assert_eq!(paid.body["total"], usd(3998));
    let again = ann.post("/v1/checkouts", "pay", body).await.has(201);
    assert_eq!((again.body.clone(), again.header("idempotency-replayed")), (checkout.body.clone(), "true"));

    let order = format!("/v1/orders/{}", paid.text("/order_id"));
    let shown = eventually(|| ann.get(&order), |answer| answer.text("/payment_state") == "paid").await;
    assert_eq!((shown.text("/number").len(), shown.text("/email")), (8, "ann@example.com"));
    assert_eq!((shown.text("/shipping_address/line1"), shown.number("/lines/0/quantity")), ("1 Main St", 2));
    shop.guest().await.get(&order).await.refuses(404, "not_found");
    shop.nobody().get(&order).await.refuses(401, "authentication_required");
    let access = shown.text("/access_url").split("#access=").nth(1).unwrap().to_owned();
    let linked = shop.nobody().get(&format!("{order}?access={access}")).await.has(200);
    assert!(linked.body.get("email").is_none() && linked.body.get("shipping_address").is_none());
    let list = eventually(|| ann.get("/v1/orders"), |answer| answer.items().len() == 1).await;
    assert_eq!(list.items()[0]["number"], shown.body["number"]);
    assert!(shop.guest().await.get("/v1/orders").await.items().is_empty());
    eventually(|| ann.get("/v1/checkouts?state=completed"), |answer| answer.items().len() == 1).await;

    let vendor = shop.vendor();
    let spoken = shown.text("/number").to_lowercase();
    for (words, found) in [(&spoken[..], 1), ("ANN@Example", 1), ("main%20st", 0), ("%25", 0), ("", 1)] {
        assert_eq!(vendor.get(&format!("/v1/orders?query={words}")).await.items().len(), found, "{words}");
    }
    vendor.get(&format!("/v1/orders?query={}", "x".repeat(256))).await.refuses(422, "out_of_range");
    assert!(shop.guest().await.get(&format!("/v1/orders?query={spoken}")).await.items().is_empty());

    let refund = json!({"amount": usd(1000), "reason": "scratched"});
    let refunded = vendor.post(&format!("{order}/refunds"), "r", refund).await.has(201);
    assert_eq!(
        (refunded.text("/payment_state"), refunded.number("/totals/refunded/amount")),
        ("partially_refunded", 1000)
    );
    let too_much = json!({"amount": usd(9000), "reason": "more"});
    let answer = vendor.post(&format!("{order}/refunds"), "r2", too_much).await.refuses(409, "refund_too_large");
    assert_eq!(answer.body["refundable"], usd(2998));
    let sent = vendor.post(&format!("{order}/fulfillments"), "f", json!({"tracking": "T1"})).await.has(201);
    assert_eq!((sent.text("/fulfillment_state"), sent.text("/tracking")), ("fulfilled", "T1"));
    let cancel = json!({"reason": "late", "restock": true});
    vendor.post(&format!("{order}/cancel"), "c", cancel).await.refuses(409, "not_allowed");
    ann.post(&format!("{order}/fulfillments"), "f", json!({})).await.refuses(403, "forbidden");
}

#[tokio::test]
async fn a_declined_payment_is_an_answer_and_leaves_the_claim_held() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let ann = shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let claims = json!({"claims": [claim.text("/id")]});
    let failed = ann.post("/v1/checkouts", "1", payment("tok_decline", claims.clone())).await.has(201);
    let failed = eventually(|| ann.get(failed.header("location")), |answer| answer.text("/state") == "failed").await;
    assert_eq!(
        (failed.text("/problem/code"), failed.text("/problem/type")),
        ("payment_declined", "/problems/payment_declined")
    );
    assert_eq!(ann.get(claim.header("location")).await.text("/state"), "held");

    let wrong = payment("tok_approve", json!({"claims": [claim.text("/id")], "expected_total": usd(1)}));
    assert_eq!(ann.post("/v1/checkouts", "2", wrong).await.refuses(409, "price_changed").body["total"], usd(1999));
    let paid = ann.post("/v1/checkouts", "3", payment("tok_approve", claims.clone())).await.has(201);
    eventually(|| ann.get(paid.header("location")), |answer| answer.text("/state") == "completed").await;
    assert_eq!(ann.get(claim.header("location")).await.text("/state"), "sold");
    ann.post("/v1/checkouts", "4", payment("tok_approve", claims)).await.refuses(409, "already_sold");
    ann.delete(claim.header("location")).await.refuses(409, "already_sold");
}

#[tokio::test]
async fn a_challenge_is_passed_or_the_checkout_called_off() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let ann = shop.guest().await;
    let cart = cart_with(&ann, 1).await;
    let body = payment("tok_challenge", json!({"cart_id": cart}));
    let checkout = ann.post("/v1/checkouts", "1", body.clone()).await.has(201);
    let place = checkout.header("location").to_owned();
    let waiting = eventually(|| ann.get(&place), |answer| answer.text("/state") == "requires_action").await;
    assert_eq!(waiting.text("/next_action/type"), "redirect");
    let busy = ann.post("/v1/checkouts", "2", body.clone()).await.refuses(409, "checkout_in_progress");
    assert_eq!(busy.text("/checkout_id"), waiting.text("/id"));
    let cancelled = ann.post(&format!("{place}/cancel"), "c", json!(null)).await.has(200);
    assert_eq!(cancelled.text("/state"), "failed");
    assert_eq!(cancelled.text("/problem/code"), "cancelled");

    let checkout = ann.post("/v1/checkouts", "3", body).await.has(201);
    let place = checkout.header("location").to_owned();
    eventually(|| ann.get(&place), |answer| answer.text("/state") == "requires_action").await;
    ann.post(&format!("{place}/confirm"), "f", json!(null)).await.has(200);
    eventually(|| ann.get(&place), |answer| answer.text("/state") == "completed").await;
}

#[tokio::test]
async fn a_checkout_says_what_it_needs() {
    let shop = Shop::open().await;
    let ann = shop.guest().await;
    for (what, pointer) in [
        (json!({}), "/cart_id"),
        (json!({"claims": ["x"]}), "/claims/0"),
        (json!({"claims": []}), "/claims"),
        (json!({"cart_id": "x"}), "/cart_id"),
    ] {
        let answer = ann.post("/v1/checkouts", "k", payment("tok_approve", what.clone())).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{what}");
        assert_eq!(answer.text("/errors/0/pointer"), pointer, "{what}");
    }
    let mut odd = payment("tok_approve", json!({"cart_id": "00000000000000000000000000"}));
    odd["shipping_address"]["name"] = json!(7);
    let answer = ann.post("/v1/checkouts", "k", odd.clone()).await.refuses(400, "invalid_request");
    assert_eq!(answer.text("/errors/0/pointer"), "/shipping_address/name");
    odd["shipping_address"]["name"] = json!("Ann");
    ann.post("/v1/checkouts", "k", odd).await.refuses(404, "not_found");
}

#[tokio::test]
async fn products_are_found_by_handle_and_sku_and_sorted() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let (vendor, nobody) = (shop.vendor(), shop.nobody());
    for (title, price) in [("apron", 3000), ("Zebra", 500), ("Mug", 500)] {
        let body = json!({"title": title, "variants": [{"sku": format!("SKU-{title}"), "price": usd(price)}]});
        vendor.post("/v1/products", title, body).await.has(201);
    }
    let titles = |answer: &crate::testing::Answer| -> Vec<String> {
        answer.items().iter().map(|product| product["title"].as_str().unwrap().to_owned()).collect()
    };
    eventually(|| nobody.get("/v1/products"), |answer| answer.items().len() == 4).await;
    for (query, expected) in [
        ("handle=ocean-blue-shirt", &["Ocean Blue Shirt"][..]),
        ("handle=ocean", &[]),
        ("handle=%2F%2F", &[]),
        ("sku=SHIRT-S", &["Ocean Blue Shirt"]),
        ("sku=shirt-s", &[]),
        ("sku=SKU-Mug&handle=apron", &[]),
        ("sort=title", &["apron", "Mug", "Ocean Blue Shirt", "Zebra"]),
        ("sort=-title", &["Zebra", "Ocean Blue Shirt", "Mug", "apron"]),
    ] {
        assert_eq!(titles(&nobody.get(&format!("/v1/products?{query}")).await.has(200)), expected, "{query}");
    }
    let mut newest = titles(&nobody.get("/v1/products?sort=-created_at").await.has(200));
    newest.reverse();
    assert_eq!(titles(&nobody.get("/v1/products?sort=created_at").await.has(200)), newest);
    for (sort, first, last) in [
        ("price", "", "apron"),
        ("-price", "apron", ""),
        ("updated_at", "Ocean Blue Shirt", ""),
        ("-updated_at", "", "Ocean Blue Shirt"),
    ] {
        // Pages of two contain every product once, in the order of the whole list.
        let whole = titles(&nobody.get(&format!("/v1/products?sort={sort}")).await.has(200));
        let mut pages = Vec::new();
        let mut path = format!("/v1/products?sort={sort}&limit=2");
        loop {
            let page = nobody.get(&path).await.has(200);
            pages.extend(titles(&page));
            let Some(next) = page.body["next_cursor"].as_str() else { break };
            path = format!("/v1/products?sort={sort}&limit=2&cursor={next}");
        }
        assert_eq!(pages, whole, "{sort}");
        let is_edge =
            |expected: &str, found: Option<&String>| expected.is_empty() || found.is_some_and(|it| it == expected);
        assert!(is_edge(first, whole.first()) && is_edge(last, whole.last()), "{sort}: {whole:?}");
    }
    nobody.get("/v1/products?sort=cheapest").await.refuses(400, "invalid_request");
}
