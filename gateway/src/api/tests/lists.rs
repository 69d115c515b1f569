//! The content and the maximum size of lists.

use persistence::sql::PAGE_LINES_MAX;
use serde_json::{Value, json};

use crate::testing::{Shop, eventually};

/// Returns a product with this many variants, and a description of this length.
fn product(title: &str, variants: usize, description: usize) -> Value {
    let price = json!({"amount": 1999, "currency": "USD"});
    let variants: Vec<_> = (0..variants)
        .map(|n| json!({"options": [format!("No. {n}")], "price": price, "compare_at_price": {"amount": 2999, "currency": "USD"}}))
        .collect();
    let images = [json!({"src": "https://pictures.example/1.jpg"}), json!({"src": "https://pictures.example/2.jpg"})];
    json!({"title": title, "description_html": format!("<p>{}</p>", "long ".repeat(description / 5)), "options": ["Size"],
        "images": images, "tags": ["a", "b"], "variants": variants})
}

#[tokio::test]
async fn a_list_of_products_shows_summaries() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    let made = vendor.post("/v1/products", "k", product("Shirt", 101, 20_000)).await.has(201);
    let list = eventually(|| vendor.get("/v1/products"), |answer| answer.items().len() == 1).await;
    let summary = &list.items()[0];
    assert_eq!((summary.get("description_html"), summary.get("options")), (None, None));
    assert_eq!(summary["images"], json!([made.body["images"][0]]));
    assert_eq!((&summary["variants_count"], summary["variants"].as_array().unwrap().len()), (&json!(101), 100));
    for (listed, whole) in summary["variants"].as_array().unwrap().iter().zip(made.body["variants"].as_array().unwrap())
    {
        for name in ["id", "sku", "title", "price", "compare_at_price", "in_stock"] {
            assert_eq!(listed[name], whole[name], "{name}");
        }
        assert_eq!(listed.as_object().unwrap().len(), 6);
    }
    for name in ["id", "handle", "title", "vendor", "type", "tags", "status", "version", "created_at", "updated_at"] {
        assert_eq!(summary[name], made.body[name], "{name}");
    }
    assert!(list.bytes.len() < 25_000, "{}", list.bytes.len());
}

#[tokio::test]
async fn a_page_of_carts_is_limited_by_lines_and_has_a_next_page() {
    let shop = Shop::open().await;
    let made = shop.vendor().post("/v1/products", "k", product("Shirt", 100, 5)).await.has(201);
    let skus: Vec<_> = made.body["variants"].as_array().unwrap().iter().map(|one| one["sku"].clone()).collect();
    for sku in &skus {
        let path = format!("/v1/inventory/{}/adjustments", sku.as_str().unwrap());
        shop.vendor().post(&path, &format!("{sku}"), json!({"delta": 20, "reason": "first"})).await.has(200);
    }
    let buyer = shop.guest().await;
    const CARTS: usize = PAGE_LINES_MAX / 100 + 1;
    for n in 0..CARTS {
        let cart = buyer.post("/v1/carts", &format!("cart {n}"), json!({})).await.has(201).text("/id").to_owned();
        let path = format!("/v1/carts/{cart}/lines");
        for sku in &skus {
            buyer.post(&path, &format!("{n} {sku}"), json!({"sku": sku, "quantity": 1})).await.has(201);
        }
    }
    // The list may know a cart before all its lines: the page queries the carts themselves.
    let first = eventually(|| buyer.get("/v1/carts?limit=200"), |answer| answer.items().len() >= CARTS - 1).await;
    assert_eq!(first.items().len(), CARTS - 1);
    assert!(first.bytes.len() < 1 << 20, "{}", first.bytes.len());
    let rest = buyer.get(&format!("/v1/carts?limit=200&cursor={}", first.text("/next_cursor"))).await.has(200);
    assert_eq!((rest.items().len(), rest.body["next_cursor"].clone()), (1, Value::Null));
    assert!(first.items().iter().all(|cart| cart["id"] != rest.items()[0]["id"]));
}

#[tokio::test]
async fn a_page_of_large_products_is_shortened_and_has_a_next_page() {
    let shop = Shop::open().await;
    let vendor = shop.vendor();
    for n in 0..30 {
        vendor
            .post("/v1/products", &format!("k{n}"), product(&format!("Shirt unlike{n:02}"), 100, 1_000))
            .await
            .has(201);
    }
    // Thirty products of a hundred variants exceed the size of a page.
    for n in 0..30 {
        let find = format!("/v1/products?query=unlike{n:02}");
        eventually(|| vendor.get(&find), |answer| answer.items().len() == 1).await;
    }
    let first = vendor.get("/v1/products?query=shirt&limit=200").await.has(200);
    assert_eq!(first.items().len(), 20);
    assert!(first.bytes.len() < 1 << 20, "{}", first.bytes.len());
    let rest = |cursor: String| async move {
        vendor.get(&format!("/v1/products?query=shirt&limit=200&cursor={cursor}")).await
    };
    let rest = rest(first.text("/next_cursor").to_owned()).await.has(200);
    let mut titles: Vec<_> =
        first.items().iter().chain(rest.items()).map(|item| item["title"].as_str().unwrap().to_owned()).collect();
    titles.sort();
    titles.dedup();
    assert_eq!((titles.len(), rest.body["next_cursor"].clone()), (30, Value::Null));
}
