//! The real-time API over real sockets, with an independent client.

mod client;
mod hostile;
mod sessions;
mod strangers;
mod topics;
mod viewers;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tungstenite::Message;

use self::client::{Client, EventStream};
use super::binary::proto::{self, frame::Op};
use crate::{
    Settings,
    edge::{PublicApi, serve},
    testing::{Shop, eventually, payment, settings},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A shop that is being served.
struct Served {
    shop: Shop,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    api: PublicApi,
}

impl Served {
    async fn open() -> Self {
        Self::open_with(settings()).await
    }

    async fn open_with(settings: Settings) -> Self {
        let shop = Shop::open_with(settings).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let api = PublicApi::new(shop.gateway.clone());
        let running = tokio::spawn(serve(api.clone(), listener, async move { stopped.await.unwrap_or_default() }));
        Self { shop, address, stop: Some(stop), running, api }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address, "fusion.v1.json", None).await.unwrap()
    }

    /// A client of the binary subprotocol that has sent hello.
    async fn binary(&self, token: Option<&str>) -> Client {
        let mut client = Client::connect(self.address, "fusion.v1.protobuf", None).await.unwrap();
        let hello = proto::Hello { token: token.map(str::to_owned), client: None };
        client.send_frames(vec![Op::Hello(hello)]).await;
        assert!(matches!(&client.frames().await[..], [Op::Welcome(welcome)] if welcome.ping_ms == 25_000));
        client
    }

    /// A client that has sent hello.
    async fn greeted(&self, token: Option<&str>) -> Client {
        let mut client = self.client().await;
        client.say(json!({"op": "hello", "token": token, "client": "test"})).await;
        assert_eq!(client.receive("welcome").await["ping_ms"], 25_000);
        client
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
    let subscribed = watcher.receive("subscribed").await;
    assert_eq!((&subscribed["topic"], &subscribed["state"]["available"]), (&json!(topic), &json!(5)));

    let mut buyer = served.greeted(Some(guest.token())).await;
    let claim = |id: u64, quantity: u64| {
        json!({"op": "command", "id": id, "key": format!("k{id}"), "name": "create_claim", "params": {"id": drop},
            "body": {"quantity": quantity}})
    };
    buyer.say(claim(1, 2)).await;
    let reply = buyer.receive("reply").await;
    assert_eq!((&reply["id"], &reply["status"], &reply["body"]["state"]), (&json!(1), &json!(201), &json!("held")));
    watcher.state(|state| state["available"] == 3 && state["held"] == 2).await;

    // A duplicate of the first claim, and a claim that is refused, in one message.
    buyer.say_text(json!([claim(1, 2), claim(2, 5)]).to_string()).await;
    let mut replies = [buyer.receive("reply").await, buyer.receive("reply").await];
    replies.sort_by_key(|reply| reply["id"].as_u64());
    assert_eq!((&replies[0]["body"], &replies[0]["replayed"]), (&reply["body"], &json!(true)));
    assert_eq!((&replies[1]["status"], &replies[1]["problem"]["code"]), (&json!(409), &json!("limit_reached")));

    buyer.say(json!({"op": "subscribe", "topic": topic})).await;
    buyer.receive("subscribed").await;
    watcher.state(|state| state["viewers"] == 2).await;
    let vendor = served.shop.vendor();
    // A vendor who watches from the dashboard is not counted as a viewer.
    let mut dashboard = served.greeted(Some(vendor.token())).await;
    dashboard.say(json!({"op": "subscribe", "topic": topic})).await;
    assert_eq!(dashboard.receive("subscribed").await["state"]["viewers"], 2);
    vendor.post(&format!("/v1/drops/{drop}/end"), "end", json!({})).await.has(200);
    let event = watcher.receive("event").await;
    assert_eq!((&event["offset"], &event["type"]), (&json!(1), &json!("drop_ended")));
    watcher.state(|state| state["state"] == "ended").await;
}

#[tokio::test]
async fn the_protobuf_encoding_has_the_same_frames() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let guest = served.shop.guest().await;
    let mut buyer = served.binary(Some(guest.token())).await;
    let topic = format!("drop:{drop}");
    buyer.send_frames(vec![Op::Subscribe(proto::Subscribe { topic: topic.clone(), since: None })]).await;
    let [Op::Subscribed(subscribed)] = &buyer.frames().await[..] else { panic!() };
    let Some(proto::data::Of::Drop(state)) = subscribed.state.clone().unwrap().of else { panic!() };
    assert_eq!((&state.id, &state.state[..], state.available, state.viewers), (&drop, "open", 5, 1));
    let rest = served.shop.nobody().get(&format!("/v1/drops/{drop}")).await;
    assert_eq!((&state.title[..], &state.items[0].sku[..]), (rest.text("/title"), rest.text("/items/0/sku")));
    assert_eq!(state.items[0].price.clone().unwrap().amount, rest.number("/items/0/price/amount"));

    let command =
        |id, key: Option<&str>, ask| Op::Command(proto::Command { id, key: key.map(str::to_owned), ask: Some(ask) });
    let claim =
        |quantity| proto::command::Ask::CreateClaim(proto::CreateClaim { drop_id: drop.clone(), sku: None, quantity });
    let call = proto::Call { name: "get_me".to_owned(), ..proto::Call::default() };
    let commands = vec![
        command(1, Some("a"), claim(2)),
        command(2, Some("b"), claim(9)),
        command(3, None, claim(1)),
        command(4, None, proto::command::Ask::Call(call)),
    ];
    buyer.send_frames(commands).await;
    let mut replies = Vec::new();
    while replies.len() < 4 {
        replies.extend(buyer.frames().await.into_iter().filter_map(|op| match op {
            Op::Reply(reply) => Some(reply),
            _ => None,
        }));
    }
    replies.sort_by_key(|reply| reply.id);
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [201, 409, 400, 200]);
    let Some(proto::reply::Answer::Claim(claim)) = replies[0].answer.clone() else { panic!() };
    assert_eq!((&claim.drop_id, claim.quantity, &claim.state[..]), (&drop, 2, "held"));
    let Some(proto::reply::Answer::Problem(problem)) = replies[1].answer.clone() else { panic!() };
    assert_eq!(serde_json::from_slice::<Value>(&problem).unwrap()["code"], "limit_reached");

    let release = proto::ReleaseClaim { drop_id: drop.clone(), claim_id: claim.id.clone() };
    buyer.send_frames(vec![command(5, None, proto::command::Ask::ReleaseClaim(release))]).await;
    loop {
        let frames = buyer.frames().await;
        if let Some(Op::Reply(reply)) = frames.iter().find(|op| matches!(op, Op::Reply(_))) {
            assert_eq!((reply.id, reply.status, &reply.answer), (5, 204, &None));
            break;
        }
    }
    let shown = guest.get(&format!("/v1/drops/{drop}/claims/{}", claim.id)).await;
    assert_eq!((shown.text("/state"), shown.text("/released")), ("released", "given_back"));
    buyer.on_socket(|socket| socket.send(Message::text("{}")).unwrap()).await;
    assert_eq!(buyer.ended().await, 4500);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_topics_come_as_server_sent_events() {
    let served = Served::open().await;
    let (drop, vendor) = (served.shop.open_drop(5).await, served.shop.vendor());
    let path = format!("/v1/stream?topic=drop%3A{drop}&topic=orders");
    let (head, mut events) = EventStream::open(served.address, &path, "");
    assert!(
        head.starts_with("HTTP/1.1 200")
            && head.contains("text/event-stream")
            && head.contains("x-accel-buffering: no")
    );
    let (subscribed, id) = events.next();
    assert_eq!((&subscribed["op"], &subscribed["state"]["available"]), (&json!("subscribed"), &json!(5)));
    // A state of the drop may come before.
    let mut others = std::iter::repeat_with(|| events.next());
    let (refused, nothing) = others.find(|(frame, _)| frame["op"] != "state").unwrap();
    assert_eq!((&refused["problem"]["code"], nothing), (&json!("authentication_required"), None));
    std::mem::drop(events);
    let version = vendor.get(&format!("/v1/drops/{drop}")).await.number("/version").to_string();
    vendor.patch(&format!("/v1/drops/{drop}"), &version, json!({"per_buyer_max": 3})).await.has(200);
    // Resumed: the fact that was missed comes first, then the state.
    let headers = format!("last-event-id: {}\r\n", id.unwrap());
    let (_, mut again) = EventStream::open(served.address, &path, &headers);
    assert_eq!(again.next().0.get("state"), None);
    let (edited, id) = again.next();
    assert_eq!((&edited["type"], &edited["offset"]), (&json!("drop_edited"), &json!(1)));
    assert!(id.unwrap().ends_with(".1"));
    while again.next().0["data"]["per_buyer_max"] != 3 {}

    served.shop.nobody().get("/v1/stream").await.refuses(400, "invalid_request");
    served.shop.nobody().get("/v1/stream?topic=orders&limit=1").await.refuses(400, "invalid_request");
    served.shop.with("forged").get("/v1/stream?topic=orders").await.refuses(401, "invalid_token");
    let token = format!("authorization: Bearer {}\r\n", vendor.token());
    let (_, mut feed) = EventStream::open(served.address, "/v1/stream?topic=orders", &token);
    assert_eq!(feed.next().0["op"], "subscribed");
}

#[tokio::test]
async fn an_address_has_so_many_live_connections() {
    // In `dev` mode, loopback has no limits.
    let hosts = BTreeMap::from([("127.0.0.1".to_owned(), engine::id::TenantId::new("acme").unwrap())]);
    let settings = Settings { dev: false, default_tenant: None, hosts, live_per_address_max: 2, ..settings() };
    let served = Served::open_with(settings).await;
    let (first, _second) = (served.client().await, served.client().await);
    let connect = || Client::connect(served.address, "fusion.v1.json", None);
    assert_eq!(connect().await.err(), Some(503));
    std::mem::drop(first);
    while connect().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_returning_subscriber_resumes_at_its_position() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let (topic, vendor) = (format!("drop:{drop}"), served.shop.vendor());
    let mut first = served.greeted(None).await;
    first.say(json!({"op": "subscribe", "topic": topic})).await;
    let place = first.receive("subscribed").await;
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
    // Another epoch of the topic: the client gets the state, as a new subscriber does.
    let mut stranger = served.greeted(None).await;
    stranger.say(json!({"op": "subscribe", "topic": topic, "since": {"epoch": "x", "offset": 0}})).await;
    assert_eq!(stranger.next().await["state"]["per_buyer_max"], 3);
}

#[tokio::test]
async fn the_newest_state_is_sent_last_after_a_concurrent_read() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(40).await;
    let mut watcher = served.greeted(None).await;
    watcher.say(json!({"op": "subscribe", "topic": format!("drop:{drop}")})).await;
    watcher.receive("subscribed").await;
    for left in (30..40).rev() {
        let guest = served.shop.guest().await;
        // Wait until after the next state, so that the next change is read while this read is cached.
        tokio::time::sleep(2 * super::STATE_EVERY).await;
        served.shop.nobody().get(&format!("/v1/drops/{drop}")).await.has(200);
        guest.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
        watcher.state(|state| state["available"] == left).await;
    }
}

#[tokio::test]
async fn changes_caused_by_time_are_published() {
    let served = Served::open().await;
    let (shop, vendor) = (&served.shop, served.shop.vendor());
    shop.stock(5, &["S"]).await;
    let price = json!({"amount": 500, "currency": "USD"});
    let at = |ms| shop.gateway.now().plus_ms(ms);
    let soon = json!({"items": [{"sku": "S", "quantity": 5, "price": price}], "per_buyer_max": 1, "hold_seconds": 60,
        "starts_at": at(2_000), "ends_at": at(4_000)});
    let drop = vendor.post("/v1/drops", "soon", soon).await.has(201).text("/id").to_owned();
    let mut watcher = served.greeted(None).await;
    watcher.say(json!({"op": "subscribe", "topic": format!("drop:{drop}")})).await;
    assert_eq!(watcher.receive("subscribed").await["state"]["state"], "scheduled");
    watcher.state(|state| state["state"] == "open").await;
    watcher.state(|state| state["state"] == "ended").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_its_memory_freed() {
    let served = Served::open().await;
    let drop = served.shop.open_drop(5).await;
    let slow = served.greeted(None).await;
    let mut socket = slow.socket.unwrap();
    let ask = json!({"op": "command", "id": 1, "name": "get_drop", "params": {"id": drop}});
    let many = Value::Array(vec![ask; 200]).to_string();
    // The server queues what the kernel does not take. Beyond the bound it disconnects the client, and sending fails.
    let sending = tokio::task::spawn_blocking(move || {
        let until = std::time::Instant::now() + PATIENCE;
        socket.get_mut().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        while socket.send(Message::text(many.clone())).is_ok() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    sending.await.unwrap();
    let hub = served.api.hub();
    let gone = async {
        while hub.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_block_lists() {
    let served = Served::open().await;
    let product = json!({"title": "Long", "handle": "long", "status": "active", "description_html": "far ".repeat(100_000),
        "variants": [{"price": {"amount": 100, "currency": "USD"}}]});
    served.shop.vendor().post("/v1/products", "long", product).await.has(201);
    let nobody = served.shop.nobody();
    eventually(|| nobody.get("/v1/products"), |answer| answer.items().len() == 1).await;
    let mut slow = served.greeted(None).await;
    let ask = |id: u64| json!({"op": "command", "id": id, "name": "list_products"});
    slow.say_text(Value::Array((0..200).map(ask).collect()).to_string()).await;
    // Its replies are many times what the system and the queue hold. Other clients must not wait for it.
    for _ in 0..20 {
        let products = nobody.get("/v1/products");
        tokio::time::timeout(super::STALL_TIMEOUT / 4, products).await.unwrap().has(200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_token_identifies_the_shop_if_the_host_does_not() {
    let served = Served::open_with(Settings { dev: false, default_tenant: None, ..settings() }).await;
    let mut client = served.greeted(Some(served.shop.vendor().token())).await;
    client.say(json!({"op": "subscribe", "topic": "orders"})).await;
    client.receive("subscribed").await;
    let mut nobody = served.greeted(None).await;
    nobody.say(json!({"op": "subscribe", "topic": "drop:00000000000000000000000001"})).await;
    assert_eq!(nobody.receive("refused").await["problem"]["code"], "tenant_required");
    nobody.say(json!({"op": "command", "id": 1, "name": "list_drops"})).await;
    assert_eq!(nobody.receive("reply").await["problem"]["code"], "tenant_required");
    served.shop.nobody().get("/v1/drops").await.refuses(400, "tenant_required");
}

#[tokio::test]
async fn a_closed_connection_frees_its_permit_immediately() {
    let served = Served::open().await;
    let mut client = served.greeted(None).await;
    assert_eq!(served.api.hub().connections(), 1);
    client.on_socket(|socket| socket.close(None).unwrap()).await;
    let gone = async {
        while served.api.hub().connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await
        }
    };
    tokio::time::timeout(super::CLOSE_TIMEOUT / 2, gone).await.unwrap();
}

#[tokio::test]
async fn subscribers_receive_only_their_own_topics() {
    let served = Served::open().await;
    let (ann, bob) = (served.shop.guest().await, served.shop.guest().await);
    let cart = ann.post("/v1/carts", "c", json!({})).await.has(201).text("/id").to_owned();
    let topic = format!("cart:{cart}");
    let refused = async |token: Option<&str>, topic: &str| {
        let mut client = served.greeted(token).await;
        client.say(json!({"op": "subscribe", "topic": topic})).await;
        client.receive("refused").await["problem"]["status"].clone()
    };
    assert_eq!(refused(Some(bob.token()), &topic).await, 404);
    assert_eq!(refused(None, &topic).await, 401);
    assert_eq!(refused(None, "orders").await, 401);
    assert_eq!(refused(Some(bob.token()), "orders").await, 403);
    assert_eq!(refused(Some(bob.token()), "weather").await, 400);
    let mut owner = served.greeted(Some(ann.token())).await;
    owner.say(json!({"op": "subscribe", "topic": topic})).await;
    assert_eq!(owner.receive("subscribed").await["state"]["lines"], json!([]));
    let price = json!({"amount": 500, "currency": "USD"});
    let product = json!({"title": "Lamp", "variants": [{"sku": "S", "price": price}]});
    served.shop.vendor().post("/v1/products", "p", product).await.has(201);
    ann.post(&format!("/v1/carts/{cart}/lines"), "l", json!({"sku": "S", "quantity": 2})).await.has(201);
    owner.state(|state| state["lines"][0]["quantity"] == 2).await;
}

#[tokio::test]
async fn a_subscriber_without_access_receives_no_more() {
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
    assert_eq!(owner.receive("subscribed").await["state"]["id"], order);
    ann.delete("/v1/sessions/current").await.has(204);
    served.shop.vendor().post(&format!("/v1/orders/{order}/fulfillments"), "f", json!({})).await.has(201);
    assert_eq!(owner.receive("refused").await["problem"]["code"], "invalid_token");
    let mut again = served.client().await;
    again.say(json!({"op": "hello", "token": ann.token()})).await;
    assert_eq!(again.ended().await, 4004);
}

#[tokio::test]
async fn an_order_feed_ends_when_its_listener_no_longer_runs_the_shop() {
    let served = Served::open().await;
    let vendor = served.shop.vendor();
    let mut feed = served.greeted(Some(vendor.token())).await;
    feed.say(json!({"op": "subscribe", "topic": "orders"})).await;
    feed.receive("subscribed").await;
    // The same person with a lesser role must not receive what that role may not see.
    let drop = served.shop.open_drop(5).await;
    let issuer = served.shop.gateway.sessions.issuer();
    let tenant = engine::id::TenantId::new("acme").unwrap();
    let subject =
        served.shop.gateway.sessions.identify(vendor.token(), served.shop.gateway.now()).await.unwrap().subject();
    let day = Duration::from_secs(86_400);
    let lesser =
        issuer.mint(&tenant, subject, Some(crate::auth::Role::Customer), served.shop.gateway.now(), day).unwrap();
    feed.say(json!({"op": "auth", "token": lesser.token})).await;
    feed.receive("welcome").await;
    let ann = served.shop.guest().await;
    let claim = ann.post(&format!("/v1/drops/{drop}/claims"), "k", json!({"quantity": 1})).await.has(201);
    ann.post("/v1/checkouts", "pay", payment("tok_approve", json!({"claims": [claim.text("/id")]}))).await.has(201);
    assert_eq!(feed.receive("refused").await["problem"]["code"], "forbidden");
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
    assert!(last.receive("draining").await["reconnect_in_ms"].as_u64().unwrap() < 5_000);
    assert_eq!(last.ended().await, 4000);
    served.running.await.unwrap();
}

#[tokio::test]
async fn handshakes_that_do_not_fit_are_refused() {
    let served = Served::open().await;
    assert_eq!(Client::connect(served.address, "chat.v9", None).await.err(), Some(400));
    served.shop.nobody().get("/v1/ws").await.refuses(400, "invalid_request");
}
