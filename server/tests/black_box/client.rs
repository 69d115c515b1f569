//! Requests and responses.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The client's timeout: longer than the server's.
const REQUEST_MAX: Duration = Duration::from_secs(40);

/// A complete response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub kind: String,
    /// The `ETag`.
    pub version: String,
    /// Whether it is a replay of an earlier response.
    pub replayed: bool,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// Returns the problem's code, or an empty text.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Returns the body, and asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Asserts that the response is this problem, as a complete problem document.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        assert_eq!(self.kind, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        for name in ["title", "request_id"] {
            assert!(self.body[name].is_string(), "no {name}: {}", self.body);
        }
    }
}

/// The URL of a server, with a client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// `http://127.0.0.1:…`.
    pub url: String,
    client: Client,
}

impl ApiClient {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: Client::builder().timeout(REQUEST_MAX).build().unwrap() }
    }

    /// Sends a request. An error means that the outcome is unknown: the connection was refused or cut.
    pub async fn try_ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&str>,
    ) -> Result<Answer, reqwest::Error> {
        self.try_send(self.request(method, path, token, key, body)).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: Option<&str>,
    ) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        request
    }

    async fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, replayed) = (header("content-type").to_owned(), header("idempotency-replayed") == "true");
        let version = header("etag").to_owned();
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        Ok(Answer { status, kind, version, replayed, body })
    }

    /// Opens a connection without sending anything.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await
    }

    /// Signs in a new guest.
    pub async fn guest(&self) -> Buyer {
        let answer = self.try_ask(Method::POST, "/v1/sessions", None, None, Some("{}")).await.unwrap();
        let session = answer.expect(201);
        Buyer { api: self.clone(), token: session["token"].as_str().unwrap().to_owned() }
    }
}

/// A client with a token.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// The server.
    pub api: ApiClient,
    /// The token.
    pub token: String,
}

/// Returns an idempotency key that was never used.
pub fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("key-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Buyer {
    /// Sends a request to a server that is expected to answer.
    pub async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let answer = self.api.try_ask(method.clone(), path, Some(&self.token), key, body.as_deref()).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Changes an object that has this version.
    pub async fn change(&self, path: &str, version: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let request = self.api.request(Method::PATCH, path, Some(&self.token), Some(&fresh_key()), Some(&body));
        let answer = self.api.try_send(request.header("if-match", version)).await;
        answer.unwrap_or_else(|error| panic!("PATCH {path}: {error:?}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None).await
    }

    /// Posts with a fresh idempotency key.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, Some(&fresh_key()), Some(body)).await
    }

    pub async fn claim(&self, drop: &str, quantity: u64) -> Answer {
        self.post(&format!("/v1/drops/{drop}/claims"), &json!({"quantity": quantity})).await
    }

    /// Pays for claims.
    pub async fn pay(&self, claims: &[&str], token: &str, email: &str) -> Answer {
        self.post("/v1/checkouts", &payment(claims, token, email)).await
    }

    /// Pays for claims and waits until the checkout has ended. On a slow disk it may be pending at first.
    pub async fn pay_to_the_end(&self, claims: &[&str], token: &str, email: &str) -> Answer {
        let mut answer = self.pay(claims, token, email).await;
        if answer.body["state"] == "pending" {
            let path = format!("/v1/checkouts/{}", answer.body["id"].as_str().unwrap());
            let ended = async || {
                let seen = self.get(&path).await.expect(200);
                (seen["state"] != "pending").then_some(seen)
            };
            answer.body = super::until("the checkout has ended", ended).await;
        }
        answer
    }
}

/// Returns the body of a checkout.
pub fn payment(claims: &[&str], token: &str, email: &str) -> Value {
    json!({
        "claims": claims, "payment": {"provider": "sandbox", "token": token}, "email": email,
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"},
    })
}
