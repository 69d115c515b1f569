//! Requests and answers.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Longer than the server lets a request take.
const REQUEST_MAX: Duration = Duration::from_secs(40);

/// An answer that came in whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`.
    pub kind: String,
    /// Its `ETag`.
    pub version: String,
    /// Whether it was given before.
    pub replayed: bool,
    /// Its body; null when it has none.
    pub body: Value,
}

impl Answer {
    /// The problem's code, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Its body, which must have come with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// It must be this refusal, as a whole problem document.
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

/// Where a server is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Door {
    /// `http://127.0.0.1:…`.
    pub url: String,
    client: Client,
}

impl Door {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: Client::builder().timeout(REQUEST_MAX).build().unwrap() }
    }

    /// Asks. An error means that the outcome is not known: the connection was refused or cut.
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

    /// A connection and no more.
    pub async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await
    }

    /// A new guest.
    pub async fn guest(&self) -> Buyer {
        let answer = self.try_ask(Method::POST, "/v1/sessions", None, None, Some("{}")).await.unwrap();
        let session = answer.expect(201);
        Buyer { door: self.clone(), token: session["token"].as_str().unwrap().to_owned() }
    }
}

/// Someone with a token.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Where they go.
    pub door: Door,
    /// Who they are.
    pub token: String,
}

/// A key that was never used.
pub fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("key-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Buyer {
    /// Asks a server that stays up.
    pub async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let asked = self.door.try_ask(method.clone(), path, Some(&self.token), key, body.as_deref()).await;
        asked.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Changes a thing that is at this version.
    pub async fn change(&self, path: &str, version: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let request = self.door.request(Method::PATCH, path, Some(&self.token), Some(&fresh_key()), Some(&body));
        let asked = self.door.try_send(request.header("if-match", version)).await;
        asked.unwrap_or_else(|error| panic!("PATCH {path}: {error:?}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, None).await
    }

    /// Posts with a key of its own.
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

    /// Pays for claims, and waits until it is known how that ended: on a slow disk it may be pending at first.
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

/// The body of a checkout.
pub fn payment(claims: &[&str], token: &str, email: &str) -> Value {
    json!({
        "claims": claims, "payment": {"provider": "sandbox", "token": token}, "email": email,
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"},
    })
}
