//! Conditional requests: versions, ETags, `If-Match` and `If-None-Match`.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::problem::{Code, FieldCode, Problem};

/// The versions that a change is based on. Required: 428 without. RFC 9110, section 13.1.1.
///
/// Accepts `*`, or a list of versions: `"3"`, `3`, or an ETag of this API, which starts with the version. ETags of
/// other servers match no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Any version.
    Any,
    /// One of these.
    OneOf(Vec<u64>),
}

impl IfMatch {
    /// Returns the version to change: the given one, or the `present` one if several or any are allowed.
    pub(crate) async fn version(self, present: impl Future<Output = Result<u64, Problem>>) -> Result<u64, Problem> {
        match self {
            IfMatch::OneOf(versions) if versions.len() == 1 => Ok(versions[0]),
            IfMatch::Any => present.await,
            IfMatch::OneOf(versions) => {
                let present = present.await?;
                match versions.contains(&present) {
                    true => Ok(present),
                    false => Err(Problem::new(Code::StaleVersion).with("version", present)),
                }
            }
        }
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let lines: Option<Vec<_>> =
            headers.get_all(header::IF_MATCH).iter().map(|line| line.to_str().ok().map(str::trim)).collect();
        let lines = lines?;
        if lines == ["*"] {
            return Some(IfMatch::Any);
        }
        let elements = lines.iter().flat_map(|line| elements(line)).filter(|element| !element.is_empty());
        let elements: Vec<_> = elements.collect();
        if elements.is_empty() || !elements.iter().all(|element| is_number(element) || opaque(element).is_some()) {
            return None;
        }
        Some(IfMatch::OneOf(elements.into_iter().filter_map(version_of).collect()))
    }
}

/// Splits a list into trimmed elements. A comma within a quoted tag does not separate elements.
fn elements(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = line.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    parts.map(str::trim)
}

/// Returns the quoted part of an entity tag: RFC 9110, section 8.8.3.
fn opaque(tag: &str) -> Option<&str> {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    opaque.bytes().all(|byte| byte != b'"' && byte > b' ' && byte != 0x7f).then_some(opaque)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn version_of(text: &str) -> Option<u64> {
    if is_number(text) {
        return text.parse().ok();
    }
    let quoted = opaque(text)?;
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
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Err(Problem::new(Code::VersionRequired));
        }
        let said = Self::read(&parts.headers);
        said.ok_or_else(|| Problem::invalid("If-Match", FieldCode::WrongType, "is not a valid version"))
    }
}

/// The ETags that the client has cached.
#[derive(Debug, Clone, Default)]
pub(crate) struct IfNoneMatch(Vec<HeaderValue>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect()))
    }
}

impl IfNoneMatch {
    /// Whether one of the tags matches, by weak comparison (RFC 9110, section 13.1.2). The header may have several
    /// lines.
    fn has(&self, etag: &str) -> bool {
        let lines = self.0.iter().filter_map(|line| line.to_str().ok());
        let mut tags = lines.flat_map(elements);
        let etag = opaque(etag);
        tags.any(|tag| tag == "*" || (etag.is_some() && opaque(tag) == etag))
    }
}

/// Returns the ETag of a state: the version of the part that vendors edit, and a hash. It is weak, because fields like
/// `as_of` are not included.
pub(crate) fn etag(version: u64, state: &[u8]) -> String {
    format!("W/\"{version}-{:016x}\"", xxh3_64(state))
}

/// Returns `body` as JSON, or 304 if the client has it. `public`: shared caches may store it, but must revalidate.
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

    fn versions(lines: &[&str]) -> Option<IfMatch> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        IfMatch::read(&headers)
    }

    #[test]
    fn a_version_is_read_from_every_spelling() {
        for text in ["3", "\"3\"", "W/\"3-0123456789abcdef\"", "\"3-0123456789abcdef\""] {
            assert_eq!(versions(&[text]), Some(IfMatch::OneOf(vec![3])), "{text}");
        }
        for text in ["", "-3", "+3", "\"3", "3-0", "*, 3", "3 4", "w/\"3\"", "\"a\"b\""] {
            assert_eq!(versions(&[text]), None, "{text}");
        }
        for text in ["\"\"", "\"x\"", "\"3-0\"", "\"99999999999999999999\""] {
            assert_eq!(versions(&[text]), Some(IfMatch::OneOf(vec![])), "a tag of someone else's: {text}");
        }
    }

    #[test]
    fn versions_come_in_lists_and_lines_and_as_any() {
        assert_eq!(versions(&["*"]), Some(IfMatch::Any));
        let listed = Some(IfMatch::OneOf(vec![3, 4, 5]));
        assert_eq!(versions(&["\"x,3\", \"3\",, W/\"4-0123456789abcdef\"", " 5 "]), listed);
    }

    #[tokio::test]
    async fn an_if_match_list_is_compared_with_the_current_version() {
        let present = || async { Ok(4) };
        let unasked = async { panic!("one version needs no look") };
        assert_eq!(IfMatch::OneOf(vec![3]).version(unasked).await.unwrap(), 3);
        assert_eq!(IfMatch::Any.version(present()).await.unwrap(), 4);
        assert_eq!(IfMatch::OneOf(vec![3, 4]).version(present()).await.unwrap(), 4);
        for stale in [vec![3, 5], vec![]] {
            let refused = IfMatch::OneOf(stale).version(present()).await.unwrap_err();
            assert_eq!(refused.code(), Code::StaleVersion);
        }
    }

    #[test]
    fn a_known_etag_is_found_in_a_list_and_in_any_line() {
        let known =
            |lines: &[&str]| IfNoneMatch(lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect());
        let tag = etag(1, b"state");
        assert!(known(&[&format!("\"x\", {tag}")]).has(&tag) && known(&[tag.trim_start_matches("W/")]).has(&tag));
        assert!(known(&["\"x\"", &tag]).has(&tag) && known(&["\"x\"", "*"]).has(&tag));
        assert!(known(&["*"]).has(&tag) && !known(&["\"x\""]).has(&tag) && !known(&[]).has(&tag));
        assert!(!known(&[&format!("\"a,{tag}")]).has(&tag) && !known(&["x"]).has("x"));
        assert_ne!(etag(1, b"state"), etag(2, b"state"));
    }
}
