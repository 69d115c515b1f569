//! Addresses in checkouts, and the formats for address forms.

use serde_json::{Value, json};

use crate::{
    api::tests::shop::{cart_with, shirt},
    testing::{Shop, eventually, payment},
};

/// Returns a checkout of a missing cart to this address. Errors of the address are reported first.
fn to(address: Value) -> Value {
    let mut body = payment("tok_approve", json!({"cart_id": "00000000000000000000000000"}));
    body["shipping_address"] = address;
    body
}

/// Returns the pointers and codes of the errors in a response.
fn faults(body: &Value) -> Vec<(&str, &str)> {
    let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|one| (one["pointer"].as_str().unwrap(), one["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn parcels_go_to_real_addresses_only() {
    let shop = Shop::open().await;
    let ann = shop.guest().await;
    let refused =
        async |address: Value| ann.post("/v1/checkouts", "k", to(address)).await.refuses(422, "out_of_range").body;
    let [name, line1, country, city, postal, region] =
        ["name", "line1", "country", "city", "postal_code", "region"].map(|name| format!("/shipping_address/{name}"));
    let (missing, wrong) = ("missing", "out_of_range");

    let nothing = refused(json!({})).await;
    assert_eq!(faults(&nothing), [(&name[..], missing), (&line1, missing), (&country, missing)]);
    let blank =
        refused(json!({"name": " ", "line1": "\u{a0}", "city": "", "postal_code": "\u{200b}", "country": "DE"})).await;
    assert_eq!(faults(&blank), [(&name[..], missing), (&line1, missing), (&city, missing), (&postal, missing)]);
    let nowhere = refused(json!({"name": "Ann", "line1": "1 Main St", "city": "A", "country": "Nowhere"})).await;
    assert_eq!(faults(&nowhere), [(&country[..], wrong)]);
    let state =
        refused(json!({"name": "Ann", "line1": "1 Main St", "city": "A", "postal_code": "62701", "country": "US"}))
            .await;
    assert_eq!(faults(&state), [(&region[..], missing)]);
    let odd = json!({"name": "Ann", "line1": "1 Main St", "city": "A", "region": "Bavaria", "postal_code": "X", "country": "US"});
    assert_eq!(faults(&refused(odd).await), [(&region[..], wrong), (&postal, wrong)]);
    let lines = json!({"name": "Ann\nBob", "line1": "1 Main St", "city": "A", "postal_code": "10115", "country": "DE"});
    assert_eq!(faults(&refused(lines).await), [(&name[..], wrong)]);

    // These addresses are valid, so the response reports the missing cart.
    for address in [
        json!({"name": "Ann", "line1": "1 Nathan Road", "city": "Mong Kok", "region": "Kowloon", "country": "HK"}),
        json!({"name": "Ann", "line1": "1 Marina Walk", "region": "Dubai", "country": "AE"}),
        json!({"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "us"}),
        json!({"name": "Ann", "line1": "1 Main St", "city": "Dublin", "country": "IE", "phone": "+353 1", "company": null}),
    ] {
        ann.post("/v1/checkouts", "k", to(address)).await.refuses(404, "not_found");
    }
}

#[tokio::test]
async fn an_order_has_its_address_as_labels_have_it() {
    let shop = Shop::open().await;
    shirt(&shop).await;
    let ann = shop.guest().await;
    let mut body = payment("tok_approve", json!({"cart_id": cart_with(&ann, 1).await}));
    body["shipping_address"] = json!({"name": " Ann ", "line1": "1 Main St", "line2": " ", "city": "Springfield",
        "region": "illinois", "postal_code": "62701", "country": "us"});
    let paid = ann.post("/v1/checkouts", "pay", body).await.has(201);
    let paid = eventually(|| ann.get(paid.header("location")), |answer| answer.text("/state") == "completed").await;
    let place = format!("/v1/orders/{}", paid.text("/order_id"));
    let order = eventually(|| ann.get(&place), |one| one.status == 200).await;
    let kept = json!({"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL", "postal_code": "62701",
        "country": "US"});
    assert_eq!(order.body["shipping_address"], kept);
    assert_eq!(order.body["shipping_lines"], json!(["Ann", "1 Main St", "Springfield, IL 62701", "US"]));
}

#[tokio::test]
async fn forms_are_laid_out_by_the_format_of_the_country() {
    let shop = Shop::open().await;
    let nobody = shop.nobody();
    let countries = nobody.get("/v1/address-formats").await.has(200);
    let codes = countries.body["countries"].as_array().unwrap();
    assert!(["AE", "HK", "US", "ZW"].iter().all(|code| codes.contains(&json!(code))), "{codes:?}");
    let format = async |country: &str| nobody.get(&format!("/v1/address-formats/{country}")).await.has(200);
    for code in codes {
        let format = format(code.as_str().unwrap()).await;
        let fields = format.body["fields"].as_array().unwrap();
        let needs = |name: &str| fields.iter().any(|field| field["name"] == name && field["required"] == true);
        assert!(needs("name") && needs("line1"), "{code}");
    }
    let us = format("us").await;
    let names: Vec<_> = us.body["fields"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["name", "line1", "line2", "city", "region", "postal_code"]);
    assert_eq!((us.text("/fields/4/kind"), us.text("/fields/5/kind")), ("state", "zip"));
    assert_eq!(us.body["fields"][4]["options"][0], json!({"key": "AL", "name": "Alabama"}));
    nobody.get_unless("/v1/address-formats/US", us.header("etag")).await;
    assert!(us.header("cache-control").contains("public"));
    let hong_kong = format("HK").await;
    assert!(hong_kong.body["fields"].as_array().unwrap().iter().all(|field| field["name"] != "postal_code"));
    nobody.get("/v1/address-formats/Nowhere").await.refuses(404, "not_found");
}
