//! Titles and options in the lines of carts, quotes, checkouts and orders.

use serde_json::{Value, json};

use super::shop::usd;
use crate::testing::{FAR, Shop, Visitor, eventually, payment};

/// Creates a hoodie in two sizes and one colour, with ten units of each, and returns the product's id.
async fn hoodie(shop: &Shop) -> String {
    let body = json!({"title": "Hoodie", "options": ["Size", "Colour"],
        "variants": [{"options": ["S", "Black"], "sku": "HOOD-S", "price": usd(1000)},
                     {"options": ["M", "Black"], "sku": "HOOD-M", "price": usd(2000)}]});
    let made = shop.vendor().post("/v1/products", "hoodie", body).await.has(201);
    for sku in ["HOOD-S", "HOOD-M"] {
        let path = format!("/v1/inventory/{sku}/adjustments");
        shop.vendor().post(&path, &format!("stock {sku}"), json!({"delta": 10, "reason": "first"})).await.has(200);
    }
    shop.stock(10, &["LOOSE"]).await;
    let nobody = shop.nobody();
    eventually(|| nobody.get("/v1/products?sku=HOOD-M"), |answer| answer.items().len() == 1).await;
    made.text("/id").to_owned()
}

/// Opens a drop with three units of a SKU.
async fn drop_of(shop: &Shop, sku: &str, product: Option<&str>) -> String {
    let body = json!({"title": "Friday night", "product_id": product, "sku": sku, "quantity": 3, "price": usd(900),
        "per_buyer_max": 2, "hold_seconds": 300, "ends_at": FAR});
    shop.vendor().post("/v1/drops", &format!("{sku} {product:?}"), body).await.has(201).text("/id").to_owned()
}

async fn claim(buyer: &Visitor<'_>, drop: &str) -> String {
    buyer.post(&format!("/v1/drops/{drop}/claims"), drop, json!({"quantity": 1})).await.has(201).text("/id").to_owned()
}

/// Returns title, options and product of each line.
fn said(answer: &Value) -> Vec<[Value; 3]> {
    let lines = answer["lines"].as_array().unwrap();
    lines.iter().map(|line| ["title", "options", "product_id"].map(|name| line[name].clone())).collect()
}

/// Quotes and pays for the goods, and returns the order. Asserts that the lines stay the same all the way.
async fn buy(buyer: &Visitor<'_>, goods: Value) -> Value {
    let quote = buyer.post("/v1/checkouts/quote", "", goods.clone()).await.has(200);
    let paid = buyer.post("/v1/checkouts", &goods.to_string(), payment("tok_approve", goods)).await.has(201);
    let paid = eventually(|| buyer.get(paid.header("location")), |answer| answer.text("/state") == "completed").await;
    let place = format!("/v1/orders/{}", paid.text("/order_id"));
    let order = eventually(|| buyer.get(&place), |answer| answer.status == 200).await;
    assert_eq!(said(&quote.body), said(&paid.body));
    assert_eq!(said(&quote.body), said(&order.body));
    let listed = eventually(
        || buyer.get("/v1/orders"),
        |answer| answer.items().iter().any(|item| item["id"] == order.body["id"]),
    )
    .await;
    let listed = listed.items().iter().find(|item| item["id"] == order.body["id"]).unwrap().clone();
    assert_eq!(said(&listed), said(&order.body));
    order.body
}

fn options(size: &str) -> Value {
    json!([{"name": "Size", "value": size}, {"name": "Colour", "value": "Black"}])
}

#[tokio::test]
async fn the_size_that_was_put_into_a_cart_is_on_the_order() {
    let shop = Shop::open().await;
    let product = hoodie(&shop).await;
    let ann = shop.guest().await;
    let cart = ann.post("/v1/carts", "cart", json!({})).await.has(201).text("/id").to_owned();
    for sku in ["HOOD-M", "HOOD-S"] {
        let line = json!({"sku": sku, "quantity": 1});
        ann.post(&format!("/v1/carts/{cart}/lines"), sku, line).await.has(201);
    }
    let line = |size| [json!("Hoodie"), options(size), json!(product)];
    assert_eq!(said(&ann.get(&format!("/v1/carts/{cart}")).await.body), [line("M"), line("S")]);
    let order = buy(&ann, json!({"cart_id": cart})).await;
    assert_eq!(said(&order), [line("M"), line("S")]);

    // Sold lines keep their titles and options.
    let place = format!("/v1/products/{product}");
    let renamed = json!({"title": "Sweater", "options": ["Fit", "Shade"]});
    shop.vendor().patch(&place, "\"1\"", renamed).await.has(200);
    let order = ann.get(&format!("/v1/orders/{}", order["id"].as_str().unwrap())).await.has(200);
    assert_eq!(said(&order.body), [line("M"), line("S")]);
}

#[tokio::test]
async fn the_size_that_was_claimed_is_on_the_order_under_its_product_s_title() {
    let shop = Shop::open().await;
    let product = hoodie(&shop).await;
    let ann = shop.guest().await;
    let hoodie = |size| [json!("Hoodie"), options(size), json!(product)];
    let named = drop_of(&shop, "HOOD-M", Some(&product)).await;
    let unnamed = drop_of(&shop, "HOOD-S", None).await;
    let claims = json!({"claims": [claim(&ann, &named).await, claim(&ann, &unnamed).await]});
    assert_eq!(said(&buy(&ann, claims).await), [hoodie("M"), hoodie("S")]);

    // A product that is no longer in the shop can still be sold by a drop.
    shop.vendor().delete(&format!("/v1/products/{product}")).await.has(204);
    let bob = shop.guest().await;
    let claims = json!({"claims": [claim(&bob, &named).await]});
    assert_eq!(said(&buy(&bob, claims).await), [hoodie("M")]);
}

#[tokio::test]
async fn a_claimed_sku_of_no_product_is_called_as_its_drop_s_product_or_its_drop() {
    let shop = Shop::open().await;
    let product = hoodie(&shop).await;
    let ann = shop.guest().await;
    let (named, unnamed) = (drop_of(&shop, "LOOSE", Some(&product)).await, drop_of(&shop, "LOOSE", None).await);
    let claims = json!({"claims": [claim(&ann, &named).await, claim(&ann, &unnamed).await]});
    let lines = [[json!("Hoodie"), json!([]), json!(product)], [json!("Friday night"), json!([]), Value::Null]];
    assert_eq!(said(&buy(&ann, claims).await), lines);
}
