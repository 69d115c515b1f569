//! The live doors, over real sockets, with an independent client.

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tungstenite::{Message, WebSocket, client::IntoClientRequest, http::HeaderValue};

use crate::{
    edge::{Door, serve},
    testing::{Shop, eventually, payment},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A shop that is served.
struct Served {
    shop: Shop,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Served {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let door = Door::new(shop.gateway.clone());
        let running = tokio::spawn(serve(door, listener, async move { stopped.await.unwrap_or_default() }));
        Self { shop, address, stop: Some(stop), running }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address, "fusion.v1.json", None).await.unwrap()
    }

    /// A client that has said hello.
    async fn greeted(&self, token: Option<&str>) -> Client {
        let mut client = self.client().await;
        client.say(json!({"op": "hello", "token": token, "client": "test"})).await;
        assert_eq!(client.hear("welcome").await["ping_ms"], 25_000);
        client
    }
}

/// A blocking client, each step on a thread of its own.
struct Client(Option<WebSocket<TcpStream>>);

impl Client {
    async fn connect(address: SocketAddr, protocol: &'static str, origin: Option<&'static str>) -> Result<Self, u16> {
        let connected = tokio::task::spawn_blocking(move || {
            let mut request = format!("ws://{address}/v1/ws").into_client_request().unwrap();
            let headers = request.headers_mut();
            if !protocol.is_empty() {
                headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
            }
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            match tungstenite::client(request, stream) {
                Ok((socket, _)) => Ok(Self(Some(socket))),
                Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                    Err(answer.status().as_u16())
                }
                Err(error) => panic!("{error}"),
            }
        });
        connected.await.unwrap()
    }

    async fn on_socket<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut WebSocket<TcpStream>) -> T + Send + 'static,
    ) -> T {
        let mut socket = self.0.take().unwrap();
        let (socket, result) = tokio::task::spawn_blocking(move || {
            let result = step(&mut socket);
            (socket, result)
        })
        .await
        .unwrap();
        self.0 = Some(socket);
        result
    }

    async fn say_text(&mut self, text: String) {
        self.on_socket(move |socket| socket.send(Message::text(text)).unwrap()).await;
    }

    async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    async fn message(&mut self) -> Message {
        self.on_socket(|socket| socket.read().unwrap()).await
    }

    async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame with this `op`; others are passed over.
    async fn hear(&mut self, op: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["op"] == op {
                return frame;
            }
        }
    }

    /// States of a topic, until one fits.
    async fn state(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.hear("state").await;
            if fits(&frame["data"]) {
                return frame;
            }
        }
    }

    /// The code with which the server ends the connection.
    async fn ended(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(close)) = self.message().await {
                return close.code.into();
            }
        }
    }
}

#[tokio::test]
async fn a_sale_is_seen_as_it_happens_and_bought_on_the_same_socket() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let guest = served.shop.guest().await;
    let mut watcher = served.greeted(None).await;
    let topic = format!("drop:{drop}");
    watcher.say(json!({"op": "subscribe", "topic": topic})).await;
    let subscribed = watcher.hear("subscribed").await;
    assert_eq!((&subscribed["topic"], &subscribed["state"]["available"]), (&json!(topic), &json!(5)));

    let mut buyer = served.greeted(Some(guest.token())).await;
    let claim = |id: u64, quantity: u64| {
        json!({"op": "command", "id": id, "key": format!("k{id}"), "name": "create_claim", "params": {"id": drop},
            "body": {"quantity": quantity}})
    };
    buyer.say(claim(1, 2)).await;
    let reply = buyer.hear("reply").await;
    assert_eq!((&reply["id"], &reply["status"], &reply["body"]["state"]), (&json!(1), &json!(201), &json!("held")));
    watcher.state(|state| state["available"] == 3 && state["held"] == 2).await;

    // The same again, and one that is refused, in one message.
    buyer.say_text(json!([claim(1, 2), claim(2, 5)]).to_string()).await;
    let mut replies = [buyer.hear("reply").await, buyer.hear("reply").await];
    replies.sort_by_key(|reply| reply["id"].as_u64());
    assert_eq!((&replies[0]["body"], &replies[0]["replayed"]), (&reply["body"], &json!(true)));
    assert_eq!((&replies[1]["status"], &replies[1]["problem"]["code"]), (&json!(409), &json!("limit_reached")));

    buyer.say(json!({"op": "subscribe", "topic": topic})).await;
    buyer.hear("subscribed").await;
    watcher.state(|state| state["viewers"] == 2).await;
    let vendor = served.shop.vendor();
    vendor.post(&format!("/v1/drops/{drop}/end"), "end", json!({})).await.has(200);
    let event = watcher.hear("event").await;
    assert_eq!((&event["offset"], &event["type"]), (&json!(1), &json!("drop_ended")));
    watcher.state(|state| state["state"] == "ended").await;
}

#[tokio::test]
async fn who_comes_back_goes_on_where_it_was() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let (topic, vendor) = (format!("drop:{drop}"), served.shop.vendor());
    let mut first = served.greeted(None).await;
    first.say(json!({"op": "subscribe", "topic": topic})).await;
    let place = first.hear("subscribed").await;
    std::mem::drop(first);
    let version = vendor.get(&format!("/v1/drops/{drop}")).await.has(200).number("/version").to_string();
    vendor.patch(&format!("/v1/drops/{drop}"), &version, json!({"per_buyer_max": 3})).await.has(200);
    let mut again = served.greeted(None).await;
    let since = json!({"epoch": place["epoch"], "offset": place["offset"]});
    again.say(json!({"op": "subscribe", "topic": topic, "since": since})).await;
    let subscribed = again.next().await;
    assert_eq!((&subscribed["offset"], subscribed.get("state")), (&place["offset"], None), "{subscribed}");
    assert_eq!(again.next().await["type"], "drop_edited");
    again.state(|state| state["per_buyer_max"] == 3).await;
    // Another life of the topic: the state, as for a newcomer.
    let mut stranger = served.greeted(None).await;
    stranger.say(json!({"op": "subscribe", "topic": topic, "since": {"epoch": "x", "offset": 0}})).await;
    assert_eq!(stranger.next().await["state"]["per_buyer_max"], 3);
}

#[tokio::test]
async fn nobody_hears_what_is_not_theirs() {
    let served = Served::open().await;
    let (ann, bob) = (served.shop.guest().await, served.shop.guest().await);
    let cart = ann.post("/v1/carts", "c", json!({})).await.has(201).text("/id").to_owned();
    let topic = format!("cart:{cart}");
    let refused = async |token: Option<&str>, topic: &str| {
        let mut client = served.greeted(token).await;
        client.say(json!({"op": "subscribe", "topic": topic})).await;
        client.hear("refused").await["problem"]["status"].clone()
    };
    assert_eq!(refused(Some(bob.token()), &topic).await, 404);
    assert_eq!(refused(None, &topic).await, 401);
    assert_eq!(refused(None, "orders").await, 401);
    assert_eq!(refused(Some(bob.token()), "orders").await, 403);
    assert_eq!(refused(Some(bob.token()), "weather").await, 400);
    let mut owner = served.greeted(Some(ann.token())).await;
    owner.say(json!({"op": "subscribe", "topic": topic})).await;
    assert_eq!(owner.hear("subscribed").await["state"]["lines"], json!([]));
    let price = json!({"amount": 500, "currency": "USD"});
    let product = json!({"title": "Lamp", "variants": [{"sku": "S", "price": price}]});
    served.shop.vendor().post("/v1/products", "p", product).await.has(201);
    ann.post(&format!("/v1/carts/{cart}/lines"), "l", json!({"sku": "S", "quantity": 2})).await.has(201);
    owner.state(|state| state["lines"][0]["quantity"] == 2).await;
}

#[tokio::test]
async fn who_may_not_look_any_more_hears_no_more() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let ann = served.shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    let checkout = payment("tok_approve", json!({"claims": [claim.text("/id")]}));
    let checkout = ann.post("/v1/checkouts", "pay", checkout).await.has(201).header("location").to_owned();
    let paid = eventually(|| ann.get(&checkout), |answer| answer.text("/state") == "completed").await;
    let order = paid.text("/order_id").to_owned();
    let mut owner = served.greeted(Some(ann.token())).await;
    owner.say(json!({"op": "subscribe", "topic": format!("order:{order}")})).await;
    assert_eq!(owner.hear("subscribed").await["state"]["id"], order);
    ann.delete("/v1/sessions/current").await.has(204);
    served.shop.vendor().post(&format!("/v1/orders/{order}/fulfillments"), "f", json!({})).await.has(201);
    assert_eq!(owner.hear("refused").await["problem"]["code"], "invalid_token");
    let mut again = served.client().await;
    again.say(json!({"op": "hello", "token": ann.token()})).await;
    assert_eq!(again.ended().await, 4004);
}

#[tokio::test]
async fn connections_end_with_the_reason() {
    let mut served = Served::open().await;
    let ends = async |frame: &str| {
        let mut client = served.client().await;
        client.say_text(frame.to_owned()).await;
        client.ended().await
    };
    assert_eq!(ends("nonsense").await, 4500);
    assert_eq!(ends(r#"{"op":"subscribe","topic":"orders"}"#).await, 4500, "before hello");
    assert_eq!(ends(r#"{"op":"hello","token":"forged"}"#).await, 4501);
    let many = vec![json!({"op": "pong"}); super::FRAMES_MAX + 1];
    let mut client = served.greeted(None).await;
    client.say(Value::Array(many)).await;
    assert_eq!(client.ended().await, 4502);
    let mut client = served.greeted(None).await;
    client.say_text(format!("\"{}\"", "x".repeat(super::MESSAGE_BYTES_MAX))).await;
    assert_eq!(client.ended().await, 4502);
    let mut client = served.greeted(None).await;
    client.on_socket(|socket| socket.send(Message::binary(vec![1])).unwrap()).await;
    assert_eq!(client.ended().await, 4500);

    let mut last = served.greeted(None).await;
    served.stop.take().unwrap().send(()).unwrap();
    assert!(last.hear("draining").await["reconnect_in_ms"].as_u64().unwrap() < 5_000);
    assert_eq!(last.ended().await, 4000);
    served.running.await.unwrap();
}

#[tokio::test]
async fn handshakes_that_do_not_fit_are_refused() {
    let served = Served::open().await;
    assert_eq!(Client::connect(served.address, "chat.v9", None).await.err(), Some(400));
    served.shop.nobody().get("/v1/ws").await.refuses(400, "invalid_request");
}
