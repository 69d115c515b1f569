//! The totals of a checkout, quoted and paid, and the effects of a refused one.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use crate::{
    Settings,
    api::tests::{
        private::journal,
        shop::{cart_with, shirt, usd},
    },
    testing::{AWAY, Answer, Shop, Visitor, eventually, payment, settings},
};

/// Opens a shop that adds shipping and tax.
async fn taxing_shop() -> Shop {
    Shop::open_with(Settings { shipping_flat: 932, tax_basis_points: 2_300, ..settings() }).await
}

async fn claim(buyer: &Visitor<'_>, drop: &str) -> String {
    let claim = buyer.post(&format!("/v1/drops/{drop}/claims"), "claim", json!({"quantity": 1})).await.has(201);
    claim.text("/id").to_owned()
}

/// Returns the lines and totals of a quote or a checkout.
fn sums(answer: &Answer) -> Vec<Value> {
    ["lines", "subtotal", "shipping_total", "tax_total", "total"].map(|name| answer.body[name].clone()).to_vec()
}

#[tokio::test]
async fn the_first_payment_of_a_quote_succeeds() {
    let shop = taxing_shop().await;
    shirt(&shop).await;
    let drop = shop.open_drop(2).await;
    let ann = shop.guest().await;
    let goods = [json!({"cart_id": cart_with(&ann, 2).await}), json!({"claims": [claim(&ann, &drop).await]})];
    for (index, goods) in goods.into_iter().enumerate() {
        let quote = ann.post("/v1/checkouts/quote", "", goods.clone()).await.has(200);
        let mut paying = goods;
        paying["expected_total"] = quote.body["total"].clone();
        let paid = ann.post("/v1/checkouts", &format!("pay {index}"), payment("tok_approve", paying)).await.has(201);
        let paid = eventually(|| ann.get(paid.header("location")), |answer| answer.text("/state") == "completed").await;
        assert_eq!(sums(&quote), sums(&paid));
        assert_eq!(quote.body["shipping_total"], usd(932));
        let place = format!("/v1/orders/{}", paid.text("/order_id"));
        let order = eventually(|| ann.get(&place), |one| one.status == 200).await;
        assert_eq!(order.body["totals"]["total"], quote.body["total"]);
    }
}

#[tokio::test]
async fn a_quote_changes_nothing_and_follows_the_catalogue() {
    let shop = taxing_shop().await;
    let product = shirt(&shop).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let cart = cart_with(&ann, 2).await;
    let goods = json!({"cart_id": cart, "shipping_address": {"country": "US"}});
    let before = journal(&shop).await;
    let quote = ann.post("/v1/checkouts/quote", "", goods.clone()).await.has(200);
    assert_eq!(
        [&quote.body["subtotal"], &quote.body["tax_total"], &quote.body["total"]],
        [&usd(3_998), &usd(920), &usd(5_850)]
    );
    assert_eq!(journal(&shop).await, before);
    assert!(ann.get(&format!("/v1/carts/{cart}")).await.body.get("checkout_id").is_none());

    let place = format!("/v1/products/{product}");
    let variant = shop.vendor().get(&place).await.text("/variants/0/id").to_owned();
    let price = json!({"variants": [{"id": variant, "price": usd(1_000)}]});
    shop.vendor().patch(&place, "\"1\"", price).await.has(200);
    assert_eq!(ann.post("/v1/checkouts/quote", "", goods.clone()).await.has(200).body["subtotal"], usd(2_000));

    bob.post("/v1/checkouts/quote", "", goods.clone()).await.refuses(404, "not_found");
    shop.nobody().post("/v1/checkouts/quote", "", goods).await.refuses(401, "authentication_required");
    let empty = ann.post("/v1/carts", "empty", json!({})).await.text("/id").to_owned();
    ann.post("/v1/checkouts/quote", "", json!({"cart_id": empty})).await.refuses(409, "cart_empty");
    shop.vendor().delete(&place).await.has(204);
    let gone = ann.post("/v1/checkouts/quote", "", json!({"cart_id": cart})).await.refuses(409, "not_for_sale");
    assert_eq!(gone.text("/sku"), "SHIRT-S");
}

#[tokio::test]
async fn a_quote_names_the_claims_that_cannot_be_paid() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(3).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let claim = claim(&ann, &drop).await;
    let goods = json!({"claims": [claim]});
    bob.post("/v1/checkouts/quote", "", goods.clone()).await.refuses(404, "not_found");
    let doubled = json!({"claims": [claim, claim]});
    let doubled = ann.post("/v1/checkouts/quote", "", doubled).await.refuses(422, "out_of_range");
    assert_eq!(doubled.text("/errors/0/pointer"), "/claims/1");
    ann.post("/v1/checkouts/quote", "", json!({})).await.refuses(400, "invalid_request");
    ann.delete(&format!("/v1/drops/{drop}/claims/{claim}")).await.has(204);
    let gone = ann.post("/v1/checkouts/quote", "", goods).await.refuses(409, "already_released");
    assert_eq!(gone.text("/claim_id"), claim);
}

#[tokio::test]
async fn a_checkout_that_is_not_found_stores_nothing() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let drop = shop.open_drop(3).await;
    let (ann, bob) = (shop.guest().await, shop.guest().await);
    let (cart, claim) = (cart_with(&ann, 1).await, claim(&ann, &drop).await);
    let before = journal(&shop).await;
    let unknown = "00000000000000000000000000";
    for (index, goods) in [
        json!({"cart_id": cart}),
        json!({"cart_id": unknown}),
        json!({"claims": [claim]}),
        json!({"claims": [format!("{drop}-{unknown}")]}),
        json!({"claims": [format!("{unknown}-{unknown}")]}),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = bob.post("/v1/checkouts", &index.to_string(), payment("tok_approve", goods)).await;
        answer.refuses(404, "not_found");
    }
    assert_eq!(journal(&shop).await, before);
    assert_eq!(bob.get("/v1/me/export").await.has(200).body["contacts"], json!([]));
    assert_eq!(bob.get("/v1/checkouts").await.items(), &[] as &[Value]);
}

#[tokio::test]
async fn failed_checkouts_are_limited() {
    let shop = Shop::open().await;
    let token = shop.guest().await.token().to_owned();
    let unknown = payment("tok_approve", json!({"cart_id": "00000000000000000000000000"})).to_string();
    let attempt = |key: u32| {
        let request = Request::builder().method("POST").uri("/v1/checkouts");
        let request = request.header("authorization", format!("Bearer {token}")).header("idempotency-key", key);
        let request = request.header("content-type", "application/json").body(Body::from(unknown.clone()));
        shop.send_from(AWAY, request.unwrap())
    };
    for key in 0..=crate::limits::FAILED_CHECKOUTS_OF_IDENTITY {
        assert_eq!(attempt(key).await.status, StatusCode::NOT_FOUND, "{key}");
    }
    let limited = attempt(1_000).await.refuses(429, "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() <= 30);
}
