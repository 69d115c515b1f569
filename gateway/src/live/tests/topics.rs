//! The state of a topic is what the REST route of the same entity answers.

use serde_json::{Value, json};

use super::Served;
use crate::testing::{eventually, payment};

#[tokio::test]
async fn a_topic_shows_what_its_route_answers() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let ann = served.shop.guest().await;
    let cart = ann.post("/v1/carts", "c", json!({})).await.has(201).text("/id").to_owned();
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let checkout = payment("tok_approve", json!({"claims": [claim.text("/id")]}));
    let checkout = ann.post("/v1/checkouts", "pay", checkout).await.has(201).text("/id").to_owned();
    let path = format!("/v1/checkouts/{checkout}");
    let paid = eventually(|| ann.get(&path), |answer| answer.text("/state") == "completed").await;
    let order = paid.text("/order_id").to_owned();
    let path = format!("/v1/orders/{order}");
    eventually(|| ann.get(&path), |answer| answer.text("/payment_state") == "paid").await;

    for viewer in [&ann, &served.shop.vendor()] {
        let mut client = served.greeted(Some(viewer.token())).await;
        for (kind, id) in [("cart", &cart), ("checkout", &checkout), ("order", &order), ("drop", &drop)] {
            client.say(json!({"op": "subscribe", "topic": format!("{kind}:{id}")})).await;
            let mut shown = client.receive("subscribed").await["state"].clone();
            let mut answered = viewer.get(&format!("/v1/{kind}s/{id}")).await.has(200).body;
            if kind == "drop" {
                let members = [shown.as_object_mut().unwrap(), answered.as_object_mut().unwrap()];
                let [viewers, nothing] = members.map(|members| {
                    members.remove("as_of").unwrap();
                    members.remove("viewers")
                });
                assert!(viewers.is_some_and(|viewers| viewers.is_u64()) && nothing.is_none());
            }
            assert_eq!(shown, answered, "{kind}");
            assert_ne!(answered, Value::Null);
        }
    }
}
