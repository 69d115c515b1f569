//! The numbers of viewers in the series of a drop.

use serde_json::{Value, json};

use super::Served;
use crate::testing::{Answer, eventually};

fn newest(answer: &Answer) -> Value {
    let points = answer.body["points"].as_array();
    points.and_then(|points| points.last()).cloned().unwrap_or_default()
}

#[tokio::test]
async fn viewers_of_an_open_drop_are_in_its_series_and_its_vendor_is_not() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let (vendor, topic) = (served.shop.vendor(), format!("drop:{drop}"));
    let path = format!("/v1/drops/{drop}/series");
    let mut watchers = Vec::new();
    for token in [None, None, Some(vendor.token())] {
        let mut watcher = served.greeted(token).await;
        watcher.say(json!({"op": "subscribe", "topic": topic})).await;
        watcher.receive("subscribed").await;
        watchers.push(watcher);
    }
    let two = eventually(|| vendor.get(&path), |answer| newest(answer)["viewers"] == 2).await;
    assert_eq!((&newest(&two)["claims"], &newest(&two)["resolution_seconds"]), (&json!(0), &json!(1)));
    watchers[0].say(json!({"op": "unsubscribe", "topic": topic})).await;
    eventually(|| vendor.get(&path), |answer| newest(answer)["viewers"] == 1).await;

    vendor.post(&format!("/v1/drops/{drop}/end"), "end", json!({})).await.has(200);
    let ended = eventually(|| vendor.get(&path), |answer| newest(answer).get("viewers").is_none()).await;
    assert!(ended.body["points"][0]["viewers"].is_number(), "they were counted before");
}

#[tokio::test]
async fn viewers_are_not_counted_while_the_server_is_down() {
    let mut served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let (vendor, path) = (served.shop.vendor(), format!("/v1/drops/{drop}/series"));
    let mut watcher = served.greeted(None).await;
    watcher.say(json!({"op": "subscribe", "topic": format!("drop:{drop}")})).await;
    eventually(|| vendor.get(&path), |answer| newest(answer)["viewers"] == 1).await;
    served.stop.take().unwrap().send(()).unwrap();
    eventually(|| vendor.get(&path), |answer| newest(answer).get("viewers").is_none()).await;
}
