//! Clients that try to exhaust the server, and polyfills that are harmless.

use tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use super::*;
use crate::live::{MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT, MESSAGES_A_SECOND_MAX, UNFINISHED_BYTES_PER_ADDRESS_MAX};

/// A shop in which loopback has the limits of any other address.
async fn limited() -> Served {
    let hosts = BTreeMap::from([("127.0.0.1".to_owned(), engine::id::TenantId::new("acme").unwrap())]);
    Served::open_with(Settings { dev: false, default_tenant: None, hosts, ..settings() }).await
}

/// A fragment of a message, not its last.
fn part(kind: Data, bytes: usize) -> Message {
    Message::Frame(Frame::message(vec![b' '; bytes], OpCode::Data(kind), false))
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_continuations_are_counted_as_messages_are() {
    let served = limited().await;
    let mut client = served.client().await;
    client
        .on_socket(|socket| {
            socket.write(part(Data::Text, 0)).unwrap();
            for _ in 0..2 * MESSAGES_A_SECOND_MAX {
                // The server may have closed the connection already.
                if socket.write(part(Data::Continue, 0)).is_err() {
                    break;
                }
            }
            let _ = socket.flush();
        })
        .await;
    assert_eq!(client.ended().await, 4502);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_messages_of_an_address_have_a_bound_together() {
    let served = limited().await;
    let mut clients = Vec::new();
    for _ in 0..UNFINISHED_BYTES_PER_ADDRESS_MAX / MESSAGE_BYTES_MAX {
        let mut client = served.client().await;
        client.on_socket(|socket| socket.send(part(Data::Text, MESSAGE_BYTES_MAX)).unwrap()).await;
        clients.push(client);
    }
    let held = || served.api.hub().unfinished.bytes();
    let full = async {
        while held() < UNFINISHED_BYTES_PER_ADDRESS_MAX {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("all of them wait for their ends");
    let mut late = served.client().await;
    late.on_socket(|socket| socket.send(part(Data::Text, 1)).unwrap()).await;
    assert_eq!(late.ended().await, 4502);
    clients.clear();
    let given_back = async {
        while held() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, given_back).await.expect("what they had is given back");
    served.greeted(None).await;
}

#[tokio::test]
async fn a_message_has_a_time_to_end_in() {
    let served = limited().await;
    let mut client = served.greeted(None).await;
    client.on_socket(|socket| socket.send(part(Data::Text, 1)).unwrap()).await;
    let held = || served.api.hub().unfinished.bytes();
    while held() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(MESSAGE_TIMEOUT - Duration::from_secs(1)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(held(), 1, "it may still end");
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(client.ended().await, 4502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polyfill_sends_the_last_event_id_in_the_query() {
    let served = Served::open().await;
    let (drop, vendor) = (served.shop.open_drop(5).await, served.shop.vendor());
    let path = format!("/v1/stream?topic=drop%3A{drop}");
    let (_, mut events) = EventStream::open(served.address, &path, "");
    let id = events.next().1.unwrap();
    std::mem::drop(events);
    let version = vendor.get(&format!("/v1/drops/{drop}")).await.number("/version").to_string();
    vendor.patch(&format!("/v1/drops/{drop}"), &version, json!({"per_buyer_max": 3})).await.has(200);
    let id = id.replace(':', "%3A").replace('=', "%3D").replace(' ', "%20");
    for name in ["lastEventId", "Last-Event-ID", "last_event_id"] {
        let (head, mut again) = EventStream::open(served.address, &format!("{path}&{name}={id}"), "");
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        assert_eq!(again.next().0.get("state"), None, "{name}: it goes on where it was");
        assert_eq!(again.next().0["type"], "drop_edited", "{name}");
    }
    // On the first connection, polyfills send it empty.
    let (head, mut first) = EventStream::open(served.address, &format!("{path}&lastEventId="), "");
    assert!(head.starts_with("HTTP/1.1 200") && first.next().0["state"].is_object(), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_websocket_version_gets_the_supported_version() {
    let served = Served::open().await;
    let ask = |version: &str, key: &str| {
        let headers = format!("connection: upgrade\r\nupgrade: websocket\r\n{version}sec-websocket-key: {key}\r\n");
        EventStream::open(served.address, "/v1/ws", &headers).0
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    for version in ["sec-websocket-version: 12\r\n", "sec-websocket-version: 8\r\n", ""] {
        let head = ask(version, key);
        assert!(head.starts_with("HTTP/1.1 400") && head.contains("sec-websocket-version: 13"), "{version}: {head}");
    }
    for key in ["", "short", "dGhlIHNhbXBsZSBub25jZQ="] {
        assert!(ask("sec-websocket-version: 13\r\n", key).starts_with("HTTP/1.1 400"), "{key}");
    }
    assert!(ask("sec-websocket-version: 13\r\n", key).starts_with("HTTP/1.1 101"));
}
