//! Data and limits that are separate for each tenant of an installation.

use axum::{body::Body, http::Request};
use serde_json::{Map, json};

use crate::{
    api::import::IMPORTS_PER_TENANT,
    testing::{Shop, eventually, payment},
};

#[tokio::test]
async fn links_lead_to_the_shops_own_address() {
    let shop = Shop::open().await;
    let link = async |name: &str, email: &str| {
        let body = json!({"email": email, "password": "correct horse battery"});
        let tenant = |path: &str, body: &serde_json::Value| {
            let request = Request::post(path).header("fusion-tenant", name).header("content-type", "application/json");
            request.body(Body::from(body.to_string())).unwrap()
        };
        let guest = shop.send(tenant("/v1/sessions", &json!({}))).await.has(201);
        shop.with(guest.text("/token")).post("/v1/accounts", "", body).await.has(201);
        shop.send(tenant("/v1/password-resets", &json!({"email": email}))).await.has(202);
        let nobody = shop.nobody();
        eventually(|| nobody.get("/livez"), |_| !shop.mails.0.lock().is_empty()).await;
        let mail = shop.mails.0.lock().pop().unwrap();
        mail.body.split_whitespace().find(|word| word.contains("/reset-password")).unwrap().to_owned()
    };
    let acme = link("acme", "ann@example.com").await;
    assert!(acme.starts_with("http://acme.example:8080/reset-password#token="), "{acme}");
    let bolt = link("bolt", "ann@example.com").await;
    assert!(bolt.starts_with("http://bolt.example:8080/reset-password#token="), "{bolt}");

    // The operator's setting has precedence over host names.
    let settings = Map::from_iter([("public_url".to_owned(), json!("https://bolts.example"))]);
    let bolt = engine::id::TenantId::new("bolt").unwrap();
    shop.gateway.read_side.set_tenant_settings(&bolt, &settings).await.unwrap();
    let known = async || shop.gateway.shop_url(&bolt).await.unwrap() == "https://bolts.example";
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !known().await && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(known().await, "what is remembered of a tenant is looked at again");
}

#[tokio::test]
async fn the_address_of_an_order_is_its_shops() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(1).await;
    let ann = shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let paid = ann.post("/v1/checkouts", "c", payment("tok_approve", json!({"claims": [claim.text("/id")]}))).await;
    let order = paid.has(201).text("/order_id").to_owned();
    let url = ann.get(&format!("/v1/orders/{order}")).await.has(200).text("/access_url").to_owned();
    assert!(url.starts_with(&format!("http://acme.example:8080/orders/{order}#access=")), "{url}");
}

#[tokio::test]
async fn the_imports_of_one_shop_leave_permits_for_another() {
    let shop = Shop::open().await;
    let acme = engine::id::TenantId::new("acme").unwrap();
    let taken: Vec<_> = (0..IMPORTS_PER_TENANT).map(|_| shop.gateway.imports.take(&acme).unwrap()).collect();
    let import = async |name: &str| {
        let token = shop.staff_of(name, crate::auth::Role::Vendor).token.unwrap();
        let request = Request::post("/v1/imports?currency=USD")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "text/csv")
            .header("idempotency-key", "k");
        shop.send(request.body(Body::from("Handle,Title,Variant Price\r\nmug,Mug,9.99\r\n")).unwrap()).await
    };
    import("acme").await.refuses(503, "overloaded");
    import("bolt").await.has(201);
    drop(taken);
    import("acme").await.has(201);
}

#[tokio::test]
async fn a_token_for_a_shop_that_does_not_exist_is_no_token() {
    let shop = Shop::open().await;
    let nobodys = shop.staff_of("nobody", crate::auth::Role::Vendor);
    for path in ["/v1/me", "/v1/drops", "/v1/products", "/v1/orders", "/v1/inventory/S", "/v1/me/export"] {
        nobodys.get(path).await.refuses(401, "invalid_token");
    }
    nobodys.post("/v1/carts", "k", json!({})).await.refuses(401, "invalid_token");
    nobodys
        .post("/v1/checkouts", "k", payment("tok_approve", json!({"cart_id": "x"})))
        .await
        .refuses(401, "invalid_token");
    nobodys.delete("/v1/me").await.refuses(401, "invalid_token");
    nobodys.delete("/v1/sessions/current").await.refuses(401, "invalid_token");
}
