//! A shop to measure: products, stock, drops and guests, created through the REST API as by any client.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    driver::{Driver, Verdict},
    error::{BenchError, Result},
    http::{Answer, Client, Http, Work, judge, write_request},
    pace::Plan,
    server::Server,
};

/// The lifetime of a hold: longer than any run, so that no expiry falls into a window.
const HOLD_SECONDS: u32 = 7_200;
/// How long to wait until a drop's public numbers, which may lag, show what it has acknowledged.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// Tokens that expire sooner than this are not used for another window.
const TOKEN_REST: SignedDuration = SignedDuration::from_mins(5);

/// A vendor's access to a running server.
pub(crate) struct Shop {
    client: Client,
    address: SocketAddr,
    pid: u32,
    vendor: String,
    keys: Keys,
}

/// Idempotency keys in the form that most clients use (a UUID), unique in one process.
#[derive(Debug)]
pub(crate) struct Keys {
    next: u64,
}

/// The length of a key, in bytes.
pub(crate) const KEY_BYTES: usize = 36;

impl Keys {
    /// Creates keys that are unique to `family`.
    pub(crate) fn new(family: u16) -> Self {
        Self { next: u64::from(family) << 32 }
    }

    /// Appends the next key.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.next += 1;
        out.extend_from_slice(b"0be0c400-0000-4000-8000-");
        out.extend((0..12).rev().map(|nibble| DIGITS[(self.next >> (nibble * 4)) as usize & 15]));
    }

    fn text(&mut self) -> String {
        let mut key = Vec::with_capacity(KEY_BYTES);
        self.write(&mut key);
        String::from_utf8_lossy(&key).into_owned()
    }
}

impl Shop {
    /// Connects to `server` as a vendor.
    pub(crate) fn open(server: &Server) -> Result<Self> {
        let vendor = server.vendor_token()?;
        let client = Client::connect(server.address())?;
        Ok(Self { client, address: server.address(), pid: server.pid(), vendor, keys: Keys::new(0) })
    }

    /// The address that the server listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The vendor's token.
    pub(crate) fn vendor(&self) -> &str {
        &self.vendor
    }

    /// Connects to the same shop at another address, after a restart.
    pub(crate) fn reopen(&mut self, server: &Server) -> Result<()> {
        self.client = Client::connect(server.address())?;
        (self.address, self.pid) = (server.address(), server.pid());
        Ok(())
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        let key = self.keys.text();
        self.client.call("POST", path, Some(&self.vendor), Some(&key), Some(body))
    }

    /// Creates a product with one variant, without stock.
    pub(crate) fn product(&mut self, sku: &str) -> Result<()> {
        let body = json!({
            "handle": sku.to_lowercase(),
            "title": format!("Bench {sku}"),
            "status": "active",
            "variants": [{"sku": sku, "price": {"amount": 1_999, "currency": "USD"}}],
        });
        self.post("/v1/products", &body)?.json(201).map(drop)
    }

    /// Adds units to the stock of a SKU.
    pub(crate) fn stock(&mut self, sku: &str, delta: u64) -> Result<()> {
        let path = format!("/v1/inventory/{sku}/adjustments");
        let answer = self.post(&path, &json!({"delta": delta, "reason": "bench"}))?;
        // The contract allows both 201 and 200 as the answer to an adjustment.
        answer.json(if answer.status == 201 { 201 } else { 200 }).map(drop)
    }

    /// Opens a drop at once, for a day. Its units are allocated when this returns.
    pub(crate) fn open_drop(&mut self, sku: &str, quantity: u64, per_buyer_max: u64) -> Result<String> {
        let ends_at = (Timestamp::now() + SignedDuration::from_hours(24)).to_string();
        let body = json!({
            "sku": sku,
            "quantity": quantity,
            "price": {"amount": 1_499, "currency": "USD"},
            "per_buyer_max": per_buyer_max,
            "hold_seconds": HOLD_SECONDS,
            "ends_at": ends_at,
        });
        let answer = self.post("/v1/drops", &body)?;
        let id = answer.text(201, "/id")?;
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let seen = self.client.call("GET", &format!("/v1/drops/{id}"), None, None, None)?;
            match seen.text(200, "/state")?.as_str() {
                "open" => return Ok(id),
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                state => return Err(BenchError::Setup(format!("drop {id} is {state} and not open"))),
            }
        }
    }

    /// Waits until the drop's public numbers show exactly `acknowledged` held units.
    pub(crate) fn expect_held(&mut self, drop: &str, acknowledged: u64) -> Result<()> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let seen = self.client.call("GET", &format!("/v1/drops/{drop}"), None, None, None)?.json(200)?;
            let recorded = seen.get("held").and_then(Value::as_u64).unwrap_or(0);
            if recorded == acknowledged {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(BenchError::Mislaid { peer: "fusion".to_owned(), acknowledged, recorded });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an order is paid.
    pub(crate) fn expect_paid(&mut self, order: &str) -> Result<()> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let seen = self.client.call("GET", &format!("/v1/orders/{order}"), Some(&self.vendor), None, None)?;
            match seen.text(200, "/payment_state")?.as_str() {
                "paid" => return Ok(()),
                _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                state => return Err(BenchError::Setup(format!("order {order} is {state} and not paid"))),
            }
        }
    }

    /// Creates `count` guests, over `clients` connections at once.
    pub(crate) fn guests(&self, count: usize, clients: usize) -> Result<Guests> {
        let mut entry = Entry::new(count);
        let window = Driver::connect(self.address, clients)?.run(
            &mut Http { work: &mut entry },
            &Plan::all_of_it(),
            self.pid,
        )?;
        if entry.tokens.len() < count {
            let (made, refused) = (entry.tokens.len(), window.refused);
            return Err(BenchError::Setup(format!("only {made} of {count} guests got in, {refused} were refused")));
        }
        Ok(Guests { tokens: entry.tokens, expires_at: entry.expires_at })
    }
}

/// The tokens of guests.
#[derive(Debug)]
pub(crate) struct Guests {
    /// One token for each guest.
    pub(crate) tokens: Vec<String>,
    expires_at: Option<Timestamp>,
}

impl Guests {
    /// Whether the tokens are valid long enough for another window.
    pub(crate) fn last(&self) -> bool {
        self.expires_at.is_none_or(|end| end - TOKEN_REST > Timestamp::now())
    }
}

/// The work of creating guests: `POST /v1/sessions {}`.
struct Entry {
    left: usize,
    tokens: Vec<String>,
    expires_at: Option<Timestamp>,
    request: Vec<u8>,
}

impl Entry {
    fn new(count: usize) -> Self {
        let mut request = Vec::new();
        write_request(&mut request, "POST", "/v1/sessions", b"", Some(b"{}"));
        Self { left: count, tokens: Vec::with_capacity(count), expires_at: None, request }
    }
}

impl Work for Entry {
    fn ask(&mut self, _connection: usize, out: &mut Vec<u8>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        out.extend_from_slice(&self.request);
        true
    }

    fn answered(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Verdict> {
        let verdict = judge("POST /v1/sessions", if status == 200 { 200 } else { 201 }, status, body)?;
        if verdict == Verdict::Done {
            let session: Value = serde_json::from_slice(body).unwrap_or_default();
            let Some(token) = session.get("token").and_then(Value::as_str) else {
                return Err(BenchError::unexpected("POST /v1/sessions (no token)", status, body));
            };
            self.tokens.push(token.to_owned());
            if self.expires_at.is_none() {
                self.expires_at = session.get("expires_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
            }
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_of_a_uuid_and_do_not_repeat() {
        let mut keys = Keys::new(3);
        let (first, second) = (keys.text(), keys.text());
        assert_eq!(first, "0be0c400-0000-4000-8000-000300000001");
        assert_eq!(first.len(), KEY_BYTES);
        assert_ne!(first, second);
    }
}
