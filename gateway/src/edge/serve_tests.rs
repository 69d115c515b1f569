//! Connections, panics and timeouts.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    routing::{get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::Instant,
};

use super::{PublicApi, activity::HEAD_TIMEOUT, serve};
use crate::{
    Gateway, Settings,
    testing::{Answer, Shop, settings},
};

/// A server of a whole shop, and the handle to stop it.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _shop: Shop,
}

async fn start(settings: Settings) -> Server {
    start_with(settings, PublicApi::new).await
}

async fn start_with(settings: Settings, api: impl FnOnce(Gateway) -> PublicApi) -> Server {
    let shop = Shop::open_with(settings).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let api = api(shop.gateway.clone());
    let running = tokio::spawn(serve(api, listener, async move { stopped.await.unwrap_or_default() }));
    Server { address, stop, running, _shop: shop }
}

async fn connect(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut text));
    read.await.expect("the server hangs up").unwrap();
    text
}

async fn once(server: &Server, request: &str) -> String {
    rest(connect(server, request).await).await
}

#[tokio::test]
async fn a_server_answers_and_keeps_the_connection() {
    let server = start(settings()).await;
    let two = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let text = once(&server, two).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    let malformed = once(&server, "GET /livez HTTP/1.1\r\nno colon\r\n\r\n").await;
    assert!(malformed.starts_with("HTTP/1.1 400"), "{malformed:?}");
}

/// The head of a request that is rejected for its token, whatever its body is.
fn refused(bytes: usize, more: &str) -> String {
    format!("POST /v1/carts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: {bytes}\r\n{more}\r\n")
}

const LAST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_continues_after_a_refusal_with_a_late_body() {
    let server = start(settings()).await;
    for bytes in [1, 64 << 10] {
        let mut stream = connect(&server, &refused(bytes, "")).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(&vec![b' '; bytes]).await.unwrap();
        stream.write_all(LAST.as_bytes()).await.unwrap();
        let text = rest(stream).await;
        assert!(text.starts_with("HTTP/1.1 401 ") && text.contains("HTTP/1.1 200 OK"), "{bytes}: {text}");
    }
    let chunked = refused(0, "").replace("content-length: 0", "transfer-encoding: chunked") + "1\r\nx\r\n0\r\n\r\n";
    let text = once(&server, &(chunked + LAST)).await;
    assert!(text.starts_with("HTTP/1.1 401 ") && text.contains("HTTP/1.1 200 OK"), "{text}");
}

#[tokio::test]
async fn a_refusal_announces_the_end_of_the_connection() {
    let server = start(settings()).await;
    let too_much = refused((64 << 10) + 1, "") + &" ".repeat((64 << 10) + 1);
    for request in [refused(1, ""), refused(1, "expect: 100-continue\r\n"), too_much] {
        let text = once(&server, &request).await;
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 401 ") && head.contains("connection: close"), "{head}");
    }
}

#[tokio::test]
async fn a_stopping_server_completes_running_requests() {
    let server = start(settings()).await;
    let half = "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    let (idle, mut begun) = (connect(&server, "").await, connect(&server, half).await);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    assert_eq!(rest(idle).await, "", "an idle connection ends at once");
    begun.write_all(b"}").await.unwrap();
    assert!(rest(begun).await.starts_with("HTTP/1.1 201"));
    server.running.await.unwrap();
}

#[tokio::test]
async fn a_server_does_not_wait_for_ever_to_stop() {
    let server = start(Settings { drain_timeout: Duration::from_millis(200), ..settings() }).await;
    let half = "POST /v1/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{";
    let _held = connect(&server, half).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.running.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_unfinished_head_is_disconnected() {
    let server = start(Settings { idle_timeout: Duration::from_secs(1), ..settings() }).await;
    let began = Instant::now();
    once(&server, "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(began.elapsed() < Duration::from_secs(10));
}

async fn flows() -> Body {
    Body::from_stream(futures::stream::unfold(0, |number| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (number < 30).then(|| (Ok::<_, std::io::Error>(format!("line {number}\n")), number + 1))
    }))
}

#[tokio::test]
async fn an_answer_that_flows_is_not_idle() {
    let settings = Settings { idle_timeout: Duration::from_secs(1), ..settings() };
    let routes = Router::new().route("/flows", get(flows));
    let server =
        start_with(settings, |gateway| PublicApi::to(gateway, routes, &utoipa::openapi::OpenApi::default())).await;
    // The stream takes three seconds, and then the connection idles.
    let text = once(&server, "GET /flows HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(text.contains("line 29\n") && text.ends_with("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn connections_beyond_the_bound_get_a_retry_time() {
    let server = start(Settings { connections_max: 1, ..settings() }).await;
    let _first = connect(&server, "").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let text = once(&server, "").await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1"), "{head}");
    assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "overloaded");
}

#[tokio::test]
async fn an_address_has_its_own_bound_of_plain_connections() {
    let settings = Settings { dev: false, default_tenant: None, connections_per_address_max: 2, ..settings() };
    let server = start(settings).await;
    let held = [connect(&server, "").await, connect(&server, "").await];
    let text = once(&server, "").await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("too many connections from this address"), "{text}");
    drop(held);
    let ask = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let again = async {
        while !once(&server, ask).await.starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("places are given back");
}

#[tokio::test]
async fn descriptors_reserved_for_files_are_not_used_by_connections() {
    let server = start(Settings { descriptors_max: 0, ..settings() }).await;
    let mut text = String::new();
    // Closed at once; the data that was sent may turn that into a reset.
    let _ = connect(&server, "").await.read_to_string(&mut text).await;
    assert_eq!(text, "");
}

#[tokio::test]
async fn a_slow_head_is_disconnected_after_one_timeout() {
    let idle_timeout = Duration::from_secs(2);
    assert!(idle_timeout < HEAD_TIMEOUT);
    let server = start(Settings { idle_timeout, ..settings() }).await;
    let (began, mut stream) = (Instant::now(), connect(&server, "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await);
    while stream.write_all(b"x").await.is_ok() && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The connection is checked within another head's timeout; a second timeout would make it three.
    assert!(began.elapsed() < 3 * idle_timeout, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_has_a_bound_of_bytes() {
    let server = start(settings()).await;
    let ask =
        |bytes| format!("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: {}\r\n\r\n", "x".repeat(bytes));
    assert!(once(&server, &ask(15 * 1024)).await.starts_with("HTTP/1.1 200 "));
    assert!(once(&server, &ask(17 * 1024)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_malformed() {
    let server = start(settings()).await;
    for hosts in ["", "host: x\r\nhost: x\r\n", "host: a b\r\n", "host:\r\n", "host: a/b\r\n"] {
        let text = once(&server, &format!("GET /livez HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await;
        assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("invalid_request"), "{hosts:?}: {text}");
    }
    assert!(once(&server, "GET /livez HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 "));
}

async fn panics() -> &'static str {
    panic!("a test's own panic")
}

async fn sleeps() {
    std::future::pending::<()>().await;
}

async fn ask(api: &PublicApi, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    Answer::read(api.answer(request, "127.0.0.1:1".parse().unwrap()).await).await
}

#[tokio::test]
async fn panics_and_endless_handlers_are_problems() {
    let shop = Shop::open().await;
    let routes =
        Router::new().route("/panics", get(panics)).route("/sleeps", get(sleeps)).route("/sleeps-too", post(sleeps));
    let api = PublicApi::to(shop.gateway.clone(), routes, &utoipa::openapi::OpenApi::default());
    ask(&api, "GET", "/panics").await.refuses(500, "internal");
    tokio::time::pause();
    let answer = ask(&api, "GET", "/sleeps").await.refuses(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    ask(&api, "POST", "/sleeps-too").await.refuses(504, "outcome_unknown");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let shop = Shop::open().await;
    tokio::time::pause();
    let body = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post("/v1/sessions").header("content-type", "application/json").body(body).unwrap();
    shop.send(request).await.refuses(408, "request_timeout");
}
