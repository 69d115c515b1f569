//! Requests that the built program must refuse.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use black_box::{Shop, fresh_key, in_seconds};
use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let sale = shop.sell("BAD", 5, 5).await;
    let buyer = shop.api().guest().await;
    let claims = format!("/v1/drops/{}/claims", sale.drop);
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!(r#"{{"quantity": 1, "sku": "{}"}}"#, "A".repeat(4 << 20));
    let refused: [(&str, u16, &str); 15] = [
        (r#"{"quantity": 1, "price": 0}"#, 400, "invalid_request"),
        (r#"{"quantity": 1, "quantity": 2}"#, 400, "invalid_request"),
        (r#"{"quantity": "1"}"#, 400, "invalid_request"),
        (r#"{"quantity": 1.5}"#, 400, "invalid_request"),
        (r#"{"quantity": null}"#, 400, "invalid_request"),
        (r#"{}"#, 400, "invalid_request"),
        (r#"[]"#, 400, "invalid_request"),
        (r#"{"quantity": 1"#, 400, "invalid_request"),
        ("", 400, "invalid_request"),
        (&deep, 400, "invalid_request"),
        (r#"{"quantity": 123456789012345678901234567890}"#, 422, "out_of_range"),
        (r#"{"quantity": -1}"#, 422, "out_of_range"),
        (r#"{"quantity": 0}"#, 422, "out_of_range"),
        (r#"{"quantity": 9007199254740993}"#, 422, "out_of_range"),
        (&long, 413, "body_too_large"),
    ];
    for (body, status, code) in refused {
        let answer =
            shop.api().try_ask(Method::POST, &claims, Some(&buyer.token), Some(&fresh_key()), Some(body)).await;
        println!("{}", body.get(..body.len().min(60)).unwrap());
        answer.unwrap().expect_problem(status, code);
    }
    let long_key = "k".repeat(256);
    let body = json!({"quantity": 1});
    buyer.ask(Method::POST, &claims, Some(&long_key), Some(&body)).await.expect_problem(400, "idempotency_key_invalid");
    for path in ["/v1/drops/nonsense", "/v1/drops/..%2f..%2fetc%2fpasswd", "/v1/nothing", "/v1/drops/%00"] {
        let answer = buyer.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {} {}", answer.status, answer.body);
        assert_eq!(answer.kind, "application/problem+json", "{path}");
    }
    buyer.ask(Method::PUT, &claims, Some("k"), Some(&body)).await.expect_problem(405, "method_not_allowed");
    let drop = json!({
        "sku": "BAD", "quantity": -5, "price": {"amount": -1, "currency": "USD"}, "per_buyer_max": 1,
        "hold_seconds": 60, "ends_at": in_seconds(60),
    });
    let answer = shop.vendor.post("/v1/drops", &drop).await;
    answer.expect_problem(422, "out_of_range");
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 2, "both are named: {}", answer.body);

    let drop = buyer.get(&format!("/v1/drops/{}", sale.drop)).await.expect(200);
    assert_eq!((&drop["available"], &drop["held"]), (&json!(5), &json!(0)), "nothing has changed");
}

#[tokio::test]
async fn a_token_that_was_not_issued_here_opens_nothing() {
    let shop = Shop::open().await;
    let guest = shop.api().guest().await.token;
    let vendor = shop.vendor.token.clone();
    let [header, claims, signature] = vendor.split('.').collect::<Vec<_>>().try_into().unwrap();
    let guests_signature = guest.rsplit('.').next().unwrap();
    let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let hmac = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let forged = [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{hmac}.{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{guests_signature}"),
        format!("{header}.{claims}"),
        "nonsense".to_owned(),
    ];
    for token in forged {
        let answer = shop.api().try_ask(Method::GET, "/v1/orders", Some(&token), None, None).await;
        answer.unwrap().expect_problem(401, "invalid_token");
    }
    let answer = shop.api().try_ask(Method::GET, "/v1/me", None, None, None).await;
    answer.unwrap().expect_problem(401, "authentication_required");
    let other = Shop::open().await;
    let answer = shop.api().try_ask(Method::GET, "/v1/me", Some(&other.vendor.token), None, None).await;
    answer.unwrap().expect_problem(401, "invalid_token");
    let guest = shop.api().guest().await;
    guest
        .post("/v1/inventory/X/adjustments", &json!({"delta": 1, "reason": "mine"}))
        .await
        .expect_problem(403, "forbidden");
}

#[tokio::test]
async fn resources_of_another_shop_are_not_found() {
    let shop = Shop::open().await;
    let added = shop.run(&["tenants", "add", "acme", "--currency", "EUR"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let sale = shop.sell("OURS", 5, 2).await;
    let buyer = shop.api().guest().await;
    let (one, two) = (buyer.claim(&sale.drop, 1).await.expect(201), buyer.claim(&sale.drop, 1).await.expect(201));
    let [one, two] = [&one, &two].map(|claim| claim["id"].as_str().unwrap());
    let checkout = buyer.pay_to_the_end(&[one], "tok_approve", "ann@example.com").await.expect(201);
    let (checkout, order) = (checkout["id"].as_str().unwrap(), checkout["order_id"].as_str().unwrap());
    let acme = black_box::Buyer { token: shop.token("vendor", "acme"), ..shop.vendor.clone() };
    acme.get("/v1/me").await.expect(200);

    let claim = format!("/v1/drops/{}/claims/{two}", sale.drop);
    for path in [
        format!("/v1/drops/{}", sale.drop),
        format!("/v1/drops/{}/claims", sale.drop),
        claim.clone(),
        format!("/v1/checkouts/{checkout}"),
        format!("/v1/orders/{order}"),
        format!("/v1/inventory/{}", sale.sku),
    ] {
        println!("{path}");
        acme.get(&path).await.expect_problem(404, "not_found");
    }
    acme.claim(&sale.drop, 1).await.expect_problem(404, "not_found");
    acme.ask(Method::DELETE, &claim, None, None).await.expect_problem(404, "not_found");
    acme.post(&format!("/v1/drops/{}/cancel", sale.drop), &json!({})).await.expect_problem(404, "not_found");
    acme.post(&format!("/v1/orders/{order}/cancel"), &json!({"reason": "x", "restock": true}))
        .await
        .expect_problem(404, "not_found");

    // Nor an object of another buyer of the same tenant.
    let stranger = shop.api().guest().await;
    for path in [claim.clone(), format!("/v1/checkouts/{checkout}"), format!("/v1/orders/{order}")] {
        stranger.get(&path).await.expect_problem(404, "not_found");
    }
    stranger.ask(Method::DELETE, &claim, None, None).await.expect_problem(404, "not_found");
    assert_eq!(buyer.get(&claim).await.expect(200)["state"], "held");
}
