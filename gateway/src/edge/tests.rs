//! The behaviour that all routes share.

use axum::{body::Body, http::Request};
use serde_json::json;

use super::JSON_BYTES_MAX;
use crate::{
    Rates, Settings,
    auth::Role,
    limits::rate,
    ops::health::RENDERED_TTL,
    testing::{AWAY, Answer, Shop, settings},
};

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

fn methods(answer: &Answer) -> Vec<&str> {
    let mut methods: Vec<_> = answer.header("allow").split(',').collect();
    methods.sort_unstable();
    methods
}

fn empty(builder: axum::http::request::Builder) -> Request<Body> {
    builder.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let shop = Shop::open().await;
    shop.nobody().get("/v1/nonsense").await.refuses(404, "not_found");
    shop.nobody().get("/").await.refuses(404, "not_found");
    let answer = shop.nobody().delete("/v1/drops").await.refuses(405, "method_not_allowed");
    assert_eq!(methods(&answer), ["GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_lists_the_methods() {
    let shop = Shop::open().await;
    let answer = shop.send(empty(request("HEAD", "/livez"))).await.has(200);
    assert!(answer.bytes.is_empty());
    let answer = shop.send(empty(request("OPTIONS", "/v1/drops"))).await.has(204);
    assert_eq!(methods(&answer), ["GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn the_realtime_endpoints_and_the_server_list_their_methods() {
    let shop = Shop::open().await;
    for path in ["/v1/ws", "/v1/stream"] {
        let answer = shop.send(empty(request("OPTIONS", path))).await.has(204);
        assert_eq!(methods(&answer), ["GET", "OPTIONS"], "{path}");
        for method in ["HEAD", "POST", "DELETE", "PUT", "FOO"] {
            let answer = shop.send(empty(request(method, path))).await.has(405);
            assert_eq!(methods(&answer), ["GET", "OPTIONS"], "{method} {path}");
        }
    }
    let answer = shop.send(empty(request("OPTIONS", "*"))).await.has(204);
    assert!(methods(&answer).contains(&"PATCH"));
}

#[tokio::test]
async fn a_body_with_a_too_large_content_length_is_not_read() {
    let shop = Shop::open().await;
    let never = || Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let token = shop.vendor().token.unwrap();
    for (path, kind) in [("/v1/sessions", "application/json"), ("/v1/imports", "text/csv")] {
        let large = request("POST", path)
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", "k")
            .header("content-type", kind)
            .header("content-length", u64::MAX.to_string())
            .header("expect", "100-continue");
        let refused = shop.send(large.body(never()).unwrap());
        let refused = tokio::time::timeout(std::time::Duration::from_secs(1), refused).await;
        refused.expect("nothing of it is waited for").refuses(413, "body_too_large");
    }
}

#[tokio::test]
async fn an_address_in_the_request_line_outweighs_the_host() {
    let shop = Shop::open_with(Settings { dev: false, default_tenant: None, ..settings() }).await;
    let drops = |uri: &str, host: &str| shop.send_from(AWAY, empty(request("GET", uri).header("host", host)));
    drops("/v1/drops", "acme.example:443").await.has(200);
    drops("http://acme.example/v1/drops", "nowhere.example").await.has(200);
    drops("http://nowhere.example/v1/drops", "acme.example").await.refuses(400, "tenant_required");
    drops("/v1/drops", &"a".repeat(300)).await.refuses(400, "tenant_required");
}

#[tokio::test]
async fn the_numbers_want_a_token_and_no_page_may_read_them() {
    let dev = Shop::open().await;
    let ask = |method: &str| request(method, "/metrics").header("origin", "https://else.example");
    let answer = dev.send(empty(ask("GET"))).await.has(200);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let preflight = ask("OPTIONS").header("access-control-request-method", "GET");
    assert_eq!(dev.send(empty(preflight)).await.header("access-control-allow-origin"), "");

    let settings = || Settings { dev: false, default_tenant: None, ..settings() };
    let closed = Shop::open_with(settings()).await;
    closed.nobody().get("/metrics").await.refuses(401, "authentication_required");
    let open = Shop::open_with(Settings { metrics_token: Some("numbers".to_owned()), ..settings() }).await;
    open.nobody().get("/metrics").await.refuses(401, "authentication_required");
    open.with("others").get("/metrics").await.refuses(401, "authentication_required");
    open.with("numbers").get("/metrics").await.has(200);
}

#[tokio::test]
async fn a_page_of_numbers_is_shown_for_a_second() {
    let shop = Shop::open().await;
    let shown_when_made_at = async |at: std::time::Instant| {
        *shop.gateway.rendered_metrics.lock().await = Some((at, "as it was".into()));
        shop.nobody().get("/metrics").await.has(200).bytes == b"as it was"
    };
    let now = std::time::Instant::now();
    assert!(shown_when_made_at(now + RENDERED_TTL * 3_600).await);
    assert!(!shown_when_made_at(now.checked_sub(RENDERED_TTL).unwrap()).await);
}

#[tokio::test]
async fn a_valid_request_id_is_returned_and_others_are_replaced() {
    let shop = Shop::open().await;
    let answer = shop.send(empty(request("GET", "/livez").header("x-request-id", "trace-42"))).await;
    assert_eq!(answer.header("x-request-id"), "trace-42");
    let answer = shop.send(empty(request("GET", "/v1/nonsense").header("x-request-id", "a b"))).await;
    assert_eq!(answer.header("x-request-id").len(), 26);
    answer.refuses(404, "not_found");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let shop = Shop::open().await;
    for path in ["/livez", "/v1/nonsense", "/docs", "/problems/sold_out"] {
        let answer = shop.nobody().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "only where there is TLS");
    }
    assert_eq!(shop.guest().await.get("/v1/me").await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn pages_of_other_origins_may_read_what_they_need() {
    let shop = Shop::open().await;
    let origin = "https://shop.example";
    let preflight =
        request("OPTIONS", "/v1/drops").header("origin", origin).header("access-control-request-method", "POST");
    let answer = shop.send(empty(preflight)).await.has(204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    let answer = shop.send(empty(request("GET", "/v1/drops").header("origin", origin))).await.has(200);
    for name in ["location", "etag", "retry-after", "idempotency-replayed"] {
        assert!(answer.header("access-control-expose-headers").contains(name));
    }
}

#[tokio::test]
async fn only_known_origins_may_read_when_the_operator_names_them() {
    let origins = super::Origins::These(vec!["https://shop.example".into()]);
    let shop = Shop::open_with(Settings { origins, ..settings() }).await;
    let from = |origin: &str| empty(request("GET", "/livez").header("origin", origin));
    let known = shop.send(from("https://shop.example")).await;
    assert_eq!((known.header("access-control-allow-origin"), known.header("vary")), ("https://shop.example", "origin"));
    assert_eq!(shop.send(from("https://evil.example")).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let shop = Shop::open().await;
    let post = |kind: &str, body: String| {
        request("POST", "/v1/sessions").header("content-type", kind).body(Body::from(body)).unwrap()
    };
    shop.send(post("text/plain", "{}".into())).await.refuses(415, "unsupported_media_type");
    shop.send(request("POST", "/v1/sessions").body(Body::from("{}")).unwrap())
        .await
        .refuses(415, "unsupported_media_type");
    let encoded =
        request("POST", "/v1/sessions").header("content-type", "application/json").header("content-encoding", "gzip");
    shop.send(encoded.body(Body::from("{}")).unwrap()).await.refuses(415, "unsupported_media_type");
    shop.send(post("application/json; charset=utf-8", "{}".into())).await.has(201);
    let long = format!("{{\"email\": \"{}\"}}", "a".repeat(JSON_BYTES_MAX));
    shop.send(post("application/json", long)).await.refuses(413, "body_too_large");
}

#[tokio::test]
async fn schema_violations_are_named_by_a_pointer() {
    let shop = Shop::open().await;
    let guest = shop.guest().await;
    let answer = guest.post("/v1/accounts", "", json!({"email": "ann@example.com", "passwort": "x"})).await;
    let answer = answer.refuses(400, "invalid_request");
    assert_eq!((answer.text("/errors/0/pointer"), answer.text("/errors/0/code")), ("/passwort", "unknown"));
    let answer = guest.post("/v1/accounts", "", json!({"email": "ann", "password": "short"})).await;
    let answer = answer.refuses(422, "out_of_range");
    assert_eq!((answer.text("/errors/0/pointer"), answer.text("/errors/1/pointer")), ("/email", "/password"));
    let answer = shop.nobody().get("/v1/drops?limit=0").await.refuses(422, "out_of_range");
    assert_eq!(answer.text("/errors/0/pointer"), "?limit");
    shop.nobody().get("/v1/drops?limit=x").await.refuses(400, "invalid_request");
    shop.nobody().get("/v1/drops?colour=red").await.refuses(400, "invalid_request");
    shop.nobody().get("/v1/drops?cursor=x").await.refuses(422, "out_of_range");
}

#[tokio::test]
async fn another_spelling_of_an_id_is_not_found() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    shop.nobody().get(&format!("/v1/drops/{drop}")).await.has(200);
    for odd in [drop.to_lowercase(), format!("{drop}0"), "x".into(), format!("{drop}/"), "%FF".into()] {
        shop.nobody().get(&format!("/v1/drops/{odd}")).await.refuses(404, "not_found");
    }
}

#[tokio::test]
async fn a_shop_is_found_by_token_host_header_or_default() {
    let production = Settings { dev: false, default_tenant: None, ..settings() };
    let shop = Shop::open_with(production).await;
    let ask = |name: &str, value: &str| empty(request("GET", "/v1/drops").header(name, value));
    shop.nobody().get("/v1/drops").await.refuses(400, "tenant_required");
    shop.send(ask("host", "Bolt.example:8080")).await.has(200);
    shop.send(ask("host", "other.example")).await.refuses(400, "tenant_required");
    shop.send(ask("fusion-tenant", "bolt")).await.has(200);
    shop.send(ask("fusion-tenant", "nobody")).await.refuses(404, "not_found");
    shop.send(ask("fusion-tenant", "No Body")).await.refuses(400, "tenant_required");
    shop.staff_of("bolt", Role::Vendor).get("/v1/drops").await.has(200);
}

#[tokio::test]
async fn another_tenants_thing_is_not_there() {
    let shop = Shop::open().await;
    let drop = shop.open_drop(5).await;
    let stranger = shop.staff_of("bolt", Role::Admin);
    stranger.get(&format!("/v1/drops/{drop}")).await.refuses(404, "not_found");
    stranger.post(&format!("/v1/drops/{drop}/end"), "k", json!(null)).await.refuses(404, "not_found");
    stranger.get("/v1/inventory/S").await.refuses(404, "not_found");
}

#[tokio::test]
async fn rate_limited_callers_get_a_retry_time() {
    let rates = Rates { address: rate(1, 3), ..Rates::default() };
    let shop = Shop::open_with(Settings { rates, ..settings() }).await;
    let ask = || shop.send_from(AWAY, empty(request("GET", "/v1/drops")));
    for _ in 0..3 {
        ask().await.has(200);
    }
    let answer = ask().await.refuses(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), "1");
    shop.nobody().get("/v1/drops").await.has(200);
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_can_read_them() {
    let shop = Shop::open().await;
    let ask = |encoding: &str| empty(request("GET", "/openapi.json").header("accept-encoding", encoding));
    assert_eq!(shop.send(ask("br")).await.header("content-encoding"), "br");
    assert_eq!(shop.send(ask("gzip")).await.header("content-encoding"), "gzip");
    assert_eq!(shop.send(empty(request("GET", "/openapi.json"))).await.header("content-encoding"), "");
    let small = shop.send(empty(request("GET", "/livez").header("accept-encoding", "br"))).await;
    assert_eq!(small.header("content-encoding"), "");
}
