//! The OpenAPI document, and the page that shows it.

use std::collections::HashSet;

use serde_json::Value;

use crate::testing::Shop;

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = crate::Gateway::openapi();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn operations_are_named_once_and_documented() {
    let document = crate::Gateway::openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["summary"].is_string(), "{method} {path}");
            let is_command = method == "post" && path.starts_with("/v1/");
            let has_key =
                operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "Idempotency-Key");
            let needs_none = ["/v1/sessions", "/v1/accounts", "/v1/password-resets", "/v1/checkouts/quote"]
                .iter()
                .any(|free| path.starts_with(free));
            // A renewal whose response was lost may be repeated with a key.
            let may_have_one = path == "/v1/sessions/refresh";
            assert!(!is_command || has_key != needs_none || may_have_one, "{method} {path}");
        }
    }
    assert!(names.contains("create_claim") && names.contains("release_claim"));
}

#[test]
fn links_lead_to_operations_that_are_there() {
    let document = crate::Gateway::openapi();
    let operations: Vec<&Value> =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values()).collect();
    let answers = operations.iter().flat_map(|operation| operation["responses"].as_object().unwrap().values());
    let links: Vec<_> =
        answers.filter_map(|answer| answer["links"].as_object()).flat_map(|links| links.values()).collect();
    assert!(links.len() >= 25);
    for link in links {
        let next = operations.iter().find(|operation| operation["operationId"] == link["operationId"]);
        let next = next.unwrap_or_else(|| panic!("{link} leads nowhere"));
        for name in link["parameters"].as_object().unwrap().keys() {
            let name = name.rsplit('.').next().unwrap();
            let known = next["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["name"] == name);
            assert!(known, "{link}: no parameter {name}");
        }
        assert!(link["requestBody"].is_null() || next["requestBody"].is_object(), "{link}: no body is expected");
    }
}

#[test]
fn a_link_to_a_change_names_its_version_as_a_header_does() {
    let document = crate::Gateway::openapi();
    for (path, next) in [("/v1/products", "update_product"), ("/v1/drops", "update_drop")] {
        let link = &document["paths"][path]["post"]["responses"]["201"]["links"][next];
        assert_eq!(link["parameters"]["header.If-Match"], "\"{$response.body#/version}\"", "{path}");
    }
}

#[test]
fn request_schemas_refuse_unknown_fields() {
    let document = crate::Gateway::openapi();
    for name in ["NewClaim", "NewDropItem", "DropPatch", "ItemPatch", "NewAccount", "Money", "Renewal"] {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
    }
}

#[tokio::test]
async fn the_document_and_its_reader_are_served_by_this_server_alone() {
    let shop = Shop::open().await;
    let document = shop.nobody().get("/openapi.json").await.has(200);
    assert_eq!(document.body, crate::Gateway::openapi());
    shop.nobody().get_unless("/openapi.json", document.header("etag")).await.has(304);
    let page = shop.nobody().get("/docs").await.has(200);
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "no other server");
    for part in ["/docs/reader.js", "/docs/reader.css"] {
        assert!(html.contains(part));
        shop.nobody().get(part).await.has(200);
    }
}

#[tokio::test]
async fn problems_have_pages() {
    let shop = Shop::open().await;
    let page = shop.nobody().get("/problems/sold_out").await.has(200);
    assert!(String::from_utf8_lossy(&page.bytes).contains("may_return"));
    shop.nobody().get("/problems").await.has(200);
    shop.nobody().get("/problems/nonsense").await.refuses(404, "not_found");
}

#[tokio::test]
async fn health_and_numbers() {
    let shop = Shop::open().await;
    assert_eq!(shop.nobody().get("/livez").await.has(200).text("/status"), "ok");
    assert_eq!(shop.nobody().get("/readyz").await.has(200).text("/status"), "ready");
    shop.nobody().get("/metrics").await.has(200);
}
