//! Request ids, in responses, in logs and in the journal.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use engine::id::{CommandId, crockford};

/// The header with the request id, in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a request id from a client: two UUIDs. It is in every log line.
pub const REQUEST_ID_BYTES_MAX: usize = 64;

/// A request id: the client's if it is valid, else a new one of 26 Crockford base32 characters.
#[derive(Debug, Clone)]
pub struct RequestId(Name);

#[derive(Debug, Clone)]
enum Name {
    /// A generated id, formatted when it is needed.
    Ours(u128),
    /// The client's id.
    Theirs(HeaderValue),
}

impl RequestId {
    /// The id of the request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(REQUEST_ID) {
            Some(value) if is_sane(value.as_bytes()) => Self(Name::Theirs(value.clone())),
            _ => Self::next(),
        }
    }

    /// A new id: 48 bits of the clock, 40 of this process, 40 of a counter. Sorts by time.
    pub(crate) fn next() -> Self {
        static PROCESS: LazyLock<u128> = LazyLock::new(|| {
            let mut bits = [0u8; 5];
            // Without randomness ids may repeat after a restart in the same millisecond, which is harmless.
            let _ = aws_lc_rs::rand::fill(&mut bits);
            bits.iter().fold(0, |all, &byte| (all << 8) | u128::from(byte))
        });
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let count = u128::from(COUNT.fetch_add(1, Ordering::Relaxed)) & ((1 << 40) - 1);
        Self(Name::Ours(((millis & ((1 << 48) - 1)) << 80) | (*PROCESS << 40) | count))
    }

    /// The id as text.
    pub fn text(&self) -> String {
        match &self.0 {
            Name::Ours(number) => crockford::<26>(*number).as_str().to_owned(),
            Name::Theirs(value) => value.to_str().unwrap_or_default().to_owned(),
        }
    }

    /// The id as the journal keeps it: the number itself if it has the format of a generated one, else a hash.
    pub fn number(&self) -> u128 {
        match &self.0 {
            Name::Ours(number) => *number,
            Name::Theirs(value) => number_of(value),
        }
    }

    pub(crate) fn header(&self) -> HeaderValue {
        match &self.0 {
            // 26 letters and digits.
            Name::Ours(number) => {
                HeaderValue::from_str(crockford::<26>(*number).as_str()).unwrap_or(HeaderValue::from_static("0"))
            }
            Name::Theirs(value) => value.clone(),
        }
    }
}

fn is_sane(value: &[u8]) -> bool {
    !value.is_empty() && value.len() <= REQUEST_ID_BYTES_MAX && value.iter().all(u8::is_ascii_graphic)
}

fn number_of(value: &HeaderValue) -> u128 {
    let own = value.to_str().ok().and_then(|text| text.parse::<CommandId>().ok());
    own.map_or_else(|| xxhash_rust::xxh3::xxh3_128(value.as_bytes()), |id| id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_valid_request_id_is_kept_and_others_are_replaced() {
        assert_eq!(of(b"checkout-42").text(), "checkout-42");
        assert_eq!(of(&[b'a'; REQUEST_ID_BYTES_MAX]).text().len(), 64);
        for odd in [&[b'a'; REQUEST_ID_BYTES_MAX + 1][..], b"", b"a b", b"a\tb", "ä".as_bytes()] {
            assert_eq!(of(odd).text().len(), 26, "{odd:?}");
        }
    }

    #[test]
    fn generated_request_ids_are_unique_and_keep_their_number() {
        let (one, two) = (RequestId::next(), RequestId::next());
        assert_ne!(one.text(), two.text());
        assert_eq!(of(one.text().as_bytes()).number(), one.number());
        assert_eq!(CommandId(one.number()).to_string(), one.text());
    }
}
