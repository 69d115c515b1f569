//! Pages of other sites, and topics of things that do not exist.

use serde_json::json;

use super::{Client, Served};
use crate::{Settings, edge::Origins, testing::settings};

const PROTOCOL: &str = "fusion.v1.json";

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket_unless_it_is_listed() {
    let foreign = ["https://evil.example", "null", "https://127.0.0.1.evil.example", "http://127.0.0.1:1"];
    let served = Served::open().await;
    for origin in foreign {
        assert_eq!(Client::connect(served.address, PROTOCOL, Some(origin)).await.err(), Some(403), "{origin}");
    }
    let own: &'static str = format!("http://{}", served.address).leak();
    let shouted: &'static str = own.to_uppercase().leak();
    for origin in [None, Some(own), Some(shouted), Some("http://127.0.0.1:8080")] {
        assert!(Client::connect(served.address, PROTOCOL, origin).await.is_ok(), "{origin:?}");
    }

    let listed = Origins::These(vec!["https://partner.example".to_owned()]);
    let served = Served::open_with(Settings { origins: listed, ..settings() }).await;
    assert!(Client::connect(served.address, PROTOCOL, Some("https://partner.example")).await.is_ok());
    assert_eq!(Client::connect(served.address, PROTOCOL, Some("https://evil.example")).await.err(), Some(403));
    let served = Served::open_with(Settings { origins: Origins::Any, ..settings() }).await;
    assert!(Client::connect(served.address, PROTOCOL, Some("https://evil.example")).await.is_ok());
}

#[tokio::test]
async fn topics_of_things_that_are_not_there_take_no_memory() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(1).await;
    let ann = served.shop.guest().await;
    let mut client = served.greeted(Some(ann.token())).await;
    client.say(json!({"op": "subscribe", "topic": format!("drop:{drop}")})).await;
    client.receive("subscribed").await;
    let before = served.shop.gateway.commerce.entities_in_memory();
    for number in 0..50u128 {
        let id = engine::id::DropId(number << 64);
        for kind in ["drop", "cart", "checkout", "order"] {
            client.say(json!({"op": "subscribe", "topic": format!("{kind}:{id}")})).await;
            assert_eq!(client.receive("refused").await["problem"]["code"], "not_found");
        }
        let claim = json!({"op": "command", "id": number as u64 + 1, "key": format!("k{number}"), "name": "create_claim",
            "params": {"id": id.to_string()}, "body": {"quantity": 1}});
        client.say(claim).await;
        assert_eq!(client.receive("reply").await["problem"]["code"], "not_found");
    }
    assert_eq!(served.shop.gateway.commerce.entities_in_memory(), before);
    assert_eq!(served.api.hub().topics(), 1);
}
