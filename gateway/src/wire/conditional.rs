//! Versions and ETags: changing what one has seen, and not sending what the caller has.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Code, FieldCode, Problem};

/// The version that a change is based on: 428 without. Takes `"3"`, `3`, and an ETag of ours, which starts with the
/// version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) u64);

fn version_of(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?.trim();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(text) {
        return text.parse().ok();
    }
    let quoted = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.strip_suffix('"')?;
    let number = match quoted.split_once('-') {
        Some((number, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => number,
        Some(_) => return None,
        None => quoted,
    };
    if is_number(number) { number.parse().ok() } else { None }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let value = parts.headers.get(header::IF_MATCH).ok_or_else(|| Problem::new(Code::VersionRequired))?;
        let version = version_of(value);
        version
            .map(Self)
            .ok_or_else(|| Problem::invalid("If-Match", FieldCode::WrongType, "is not the version of something"))
    }
}

/// What the caller has already.
#[derive(Debug, Clone, Default)]
pub(crate) struct IfNoneMatch(Option<HeaderValue>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.headers.get(header::IF_NONE_MATCH).cloned()))
    }
}

impl IfNoneMatch {
    /// RFC 9110, section 13.1.2: the weak comparison.
    fn has(&self, etag: &str) -> bool {
        let Some(text) = self.0.as_ref().and_then(|value| value.to_str().ok()) else { return false };
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        text.trim() == "*" || text.split(',').any(|tag| opaque(tag) == opaque(etag))
    }
}

/// The ETag of what `state` says: the version of what vendors edit, and a hash. Weak: `as_of` and the like do not count.
pub(crate) fn etag(version: u64, state: &[u8]) -> String {
    format!("W/\"{version}-{:016x}\"", xxh3_64(state))
}

/// `body` as JSON, or 304 when the caller has it. `public`: caches between may keep it, and ask each time.
pub(crate) fn fresh(known: &IfNoneMatch, etag: &str, body: Vec<u8>, public: bool) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
    let cache = if public { "public, no-cache" } else { "private, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if public {
        headers.append(header::VARY, HeaderValue::from_static("authorization, fusion-tenant"));
    }
    if known.has(etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, Body::from(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_every_spelling() {
        for text in ["3", "\"3\"", "W/\"3-0123456789abcdef\"", "\"3-0123456789abcdef\""] {
            assert_eq!(version_of(&HeaderValue::from_str(text).unwrap()), Some(3), "{text}");
        }
        for text in ["*", "", "\"\"", "\"x\"", "-3", "+3", "\"3", "3-0", "\"3-0\""] {
            assert_eq!(version_of(&HeaderValue::from_str(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_known_etag_is_found_in_a_list() {
        let known = |text: &str| IfNoneMatch(Some(HeaderValue::from_str(text).unwrap()));
        let tag = etag(1, b"state");
        assert!(known(&format!("\"x\", {tag}")).has(&tag) && known(tag.trim_start_matches("W/")).has(&tag));
        assert!(known("*").has(&tag) && !known("\"x\"").has(&tag) && !IfNoneMatch(None).has(&tag));
        assert_ne!(etag(1, b"state"), etag(2, b"state"));
    }
}
