//! Limits of claims by network.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::testing::{Answer, FAR, Shop};

async fn drop(shop: &Shop, units: u64, more: Value) -> Value {
    shop.stock(units, &["S"]).await;
    let mut body = json!({"title": "Sale", "sku": "S", "quantity": units, "price": {"amount": 1999, "currency": "USD"},
        "per_buyer_max": 1, "hold_seconds": 300, "ends_at": FAR});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    shop.vendor().post("/v1/drops", "make", body).await.has(201).body
}

/// Lets a new guest claim from an address.
async fn claim(shop: &Shop, drop: &Value, address: &str) -> Answer {
    let guest = shop.guest().await;
    let request = Request::post(format!("/v1/drops/{}/claims", drop["id"].as_str().unwrap()))
        .header("authorization", format!("Bearer {}", guest.token()))
        .header("content-type", "application/json")
        .header("idempotency-key", "k");
    shop.send_from(address, request.body(Body::from(r#"{"quantity": 1}"#)).unwrap()).await
}

#[tokio::test]
async fn sixty_guests_of_one_address_do_not_take_a_drop() {
    let shop = Shop::open().await;
    let drop = drop(&shop, 60, json!({})).await;
    assert_eq!(drop["per_network_max"], 15);
    let mut taken = 0;
    for guest in 0..60 {
        let answer = claim(&shop, &drop, &format!("203.0.113.{guest}:40000")).await;
        match answer.status.as_u16() {
            201 => taken += 1,
            _ => assert_eq!(answer.refuses(409, "network_limit").body["remaining"], 0),
        }
    }
    assert_eq!(taken, 15);
    claim(&shop, &drop, "198.51.100.7:40000").await.has(201);
    for address in ["[2001:db8:1::1]:40000", "[2001:db8:1:2::3]:40000"] {
        claim(&shop, &drop, address).await.has(201);
    }
    // Loopback addresses are exempt from the standard limit, for development.
    for _ in 0..20 {
        claim(&shop, &drop, "127.0.0.1:40000").await.has(201);
    }
}

#[tokio::test]
async fn the_drops_owner_sets_the_limit() {
    let shop = Shop::open().await;
    let limited = drop(&shop, 20, json!({"per_network_max": 2})).await;
    assert_eq!(limited["per_network_max"], 2);
    for _ in 0..2 {
        claim(&shop, &limited, "127.0.0.1:40000").await.has(201);
    }
    claim(&shop, &limited, "127.0.0.1:40000").await.refuses(409, "network_limit");
    let path = format!("/v1/drops/{}", limited["id"].as_str().unwrap());
    let open = shop.vendor().patch(&path, "\"1\"", json!({"per_network_max": null})).await.has(200);
    assert!(open.body.get("per_network_max").is_none());
    claim(&shop, &limited, "127.0.0.1:40000").await.has(201);
    for (odd, status, code) in [(json!(0), 422, "out_of_range"), (json!("2"), 400, "invalid_request")] {
        shop.vendor().patch(&path, "\"2\"", json!({"per_network_max": odd})).await.refuses(status, code);
    }
}
