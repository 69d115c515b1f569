//! Claims on one drop over REST: the request that is measured.

use crate::{
    driver::Verdict,
    error::Result,
    guests::Walk,
    http::{Work, judge},
    reserve::UNITS_PER_BUYER_MAX,
    shop::{Guests, Keys},
};

/// Claims of one unit each, by guests that take turns, each up to its cap.
pub(crate) struct Claims<'a> {
    front: Vec<u8>,
    back: Vec<u8>,
    guests: &'a Guests,
    walk: Walk,
    keys: Keys,
    left: u64,
}

impl<'a> Claims<'a> {
    /// Creates at most `count` claims on `drop`. `family` makes the idempotency keys unique.
    pub(crate) fn new(
        drop: &str,
        sku: &str,
        guests: &'a Guests,
        connections: usize,
        family: u16,
        count: Option<u64>,
    ) -> Self {
        let body = format!("{{\"sku\":\"{sku}\",\"quantity\":1}}");
        let front = format!("POST /v1/drops/{drop}/claims HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ");
        let length = body.len();
        let back = format!("\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let walk = Walk::new(guests.tokens.len(), connections, UNITS_PER_BUYER_MAX);
        let left = count.unwrap_or(u64::MAX);
        Self { front: front.into_bytes(), back: back.into_bytes(), guests, walk, keys: Keys::new(family), left }
    }

    /// Sets how many more claims may be made. The guests continue where they were.
    pub(crate) fn allow(&mut self, count: Option<u64>) {
        self.left = count.unwrap_or(u64::MAX);
    }
}

impl Work for Claims<'_> {
    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        if self.left == 0 {
            return false;
        }
        let Some(guest) = self.walk.next(connection) else { return false };
        self.left -= 1;
        out.extend_from_slice(&self.front);
        out.extend_from_slice(self.guests.tokens[guest].as_bytes());
        out.extend_from_slice(b"\r\nIdempotency-Key: ");
        self.keys.write(out);
        out.extend_from_slice(&self.back);
        true
    }

    fn answered(&mut self, _connection: usize, status: u16, body: &[u8]) -> Result<Verdict> {
        judge("POST /v1/drops/{id}/claims", 201, status, body)
    }
}
