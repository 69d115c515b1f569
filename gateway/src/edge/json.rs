//! Request bodies in JSON.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use serde::de::DeserializeOwned;

use super::{body, strict::Strict};
use crate::problem::{Code, FieldCode, Problem};

/// The maximum size of a JSON body in bytes, unless a route sets another: a cart or a drop of 100 items takes some 16
/// KiB.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
/// The maximum size of a product as JSON in bytes: the longest description takes at most 2 MiB, and 6 MiB with each of
/// its characters as two `\\u` escapes. Only vendors send one.
pub const PRODUCT_JSON_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The maximum nesting depth of arrays and objects: serde_json's bound on its recursion.
pub const JSON_DEPTH_MAX: usize = 128;

/// A JSON body that fits `T`, of at most `BYTES_MAX` bytes.
///
/// 415 for another type, 413 for a longer body, 400 with pointers for what does not fit.
#[derive(Debug)]
pub struct Json<T, const BYTES_MAX: usize = JSON_BYTES_MAX>(pub T);

impl<T: DeserializeOwned, S: Send + Sync, const BYTES_MAX: usize> FromRequest<S> for Json<T, BYTES_MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_type(request.headers(), is_json, "application/json")?;
        let bytes = body::read(request, BYTES_MAX).await?;
        parse(&bytes).map(Self)
    }
}

/// Rejects a body with another type, an encoding, or a charset other than UTF-8, which would be misread.
pub(crate) fn check_type(headers: &HeaderMap, fits: fn(&str) -> bool, expected: &'static str) -> Result<(), Problem> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or(""));
    let (value, is_one) = (types.next().unwrap_or(""), types.next().is_none());
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let is_plain = encodings.all(|list| list.split(',').all(|one| matches_word(one, &["", "identity"])));
    if !is_one || !fits(essence.trim()) || !is_plain {
        let problem = Problem::new(Code::UnsupportedMediaType);
        return Err(problem.with_detail(format!("the body must be {expected} without a content encoding")));
    }
    match charset(parameters) {
        None => Ok(()),
        Some(charset) if matches_word(charset, &["utf-8", "utf8", "us-ascii", "ascii"]) => Ok(()),
        Some(_) => Err(Problem::new(Code::UnsupportedMediaType).with_detail("the charset of the body must be utf-8")),
    }
}

fn matches_word(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// The value of `charset` among the parameters of a media type: RFC 9110, section 8.3.1.
fn charset(parameters: &str) -> Option<&str> {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| matches_word(name, &["charset"]))?;
    Some(value.trim().trim_matches('"'))
}

fn is_json(essence: &str) -> bool {
    let essence = essence.to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Parses `bytes` as JSON that fits `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = T::deserialize(Strict(&mut deserializer)).and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| explain::<T>(bytes, &error))
}

/// Parses a second time, slower, to find the path of the error.
fn explain<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    if bytes.is_empty() {
        return Problem::invalid("", FieldCode::Malformed, "the body is empty");
    }
    if !error.is_data() {
        return Problem::invalid("", FieldCode::Malformed, error.to_string());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Err(found) = serde_path_to_error::deserialize::<_, T>(Strict(&mut deserializer)) else {
        return Problem::invalid("", FieldCode::Malformed, error.to_string());
    };
    let message = found.inner().to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let pointer = pointer_of(found.path());
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    let child = |name: &str| format!("{}/{}", pointer.trim_end_matches('/'), escape(name));
    if let Some(name) = named("missing field `") {
        Problem::invalid(child(name), FieldCode::Missing, "is required")
    } else if let Some(name) = named("unknown field `") {
        let parent = parent_of(&pointer, name);
        Problem::invalid(format!("{parent}/{}", escape(name)), FieldCode::Unknown, "is not a known field")
    } else if let Some(name) = named("duplicate field `") {
        let parent = parent_of(&pointer, name);
        Problem::invalid(format!("{parent}/{}", escape(name)), FieldCode::Doubled, "is duplicated")
    } else if message.starts_with("invalid value: integer") || message.starts_with("invalid value: floating point") {
        Problem::out_of_range(pointer, "exceeds the range of this field")
    } else {
        Problem::invalid(pointer, FieldCode::WrongType, message.to_owned())
    }
}

/// The path of some errors ends with the field itself, that of others with its parent: the pointer must name the field
/// once.
fn parent_of<'a>(pointer: &'a str, name: &str) -> &'a str {
    pointer.strip_suffix(&format!("/{}", escape(name))).unwrap_or(pointer)
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Escapes a name as part of a JSON pointer: RFC 6901, section 3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        lines: Vec<Line>,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Line {
        sku: String,
        quantity: i64,
    }

    fn fault(json: &str) -> (u16, String, &'static str) {
        let problem = parse::<Order>(json.as_bytes()).unwrap_err();
        let error = problem.errors()[0].clone();
        (problem.status().as_u16(), error.pointer, error.code.name())
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let cases = [
            (r#"{"lines": [{"sku": "A", "quantity": 1}, {"sku": "B"}]}"#, 400, "/lines/1/quantity", "missing"),
            (r#"{"note": "x"}"#, 400, "/lines", "missing"),
            (r#"{"lines": [], "colour": 1}"#, 400, "/colour", "unknown"),
            (r#"{"lines": [{"sku": "A", "quantity": 1, "a/b~": 2}]}"#, 400, "/lines/0/a~1b~0", "unknown"),
            (r#"{"lines": [], "lines": []}"#, 400, "/lines", "doubled"),
            (r#"{"lines": [{"sku": "A", "sku": "B", "quantity": 1}]}"#, 400, "/lines/0/sku", "doubled"),
            (r#"{"lines": [{"sku": 7, "quantity": 1}]}"#, 400, "/lines/0/sku", "wrong_type"),
            (r#"{"lines": [{"sku": "A", "quantity": "1"}]}"#, 400, "/lines/0/quantity", "wrong_type"),
            (r#"{"lines": [{"sku": "A", "quantity": 1.5}]}"#, 400, "/lines/0/quantity", "wrong_type"),
            (r#"{"lines": [{"sku": "A", "quantity": 1e99}]}"#, 422, "/lines/0/quantity", "out_of_range"),
            (
                r#"{"lines": [{"sku": "A", "quantity": 99999999999999999999}]}"#,
                422,
                "/lines/0/quantity",
                "out_of_range",
            ),
            (r#"{"lines": [[]]}"#, 400, "/lines/0", "wrong_type"),
            (r#"{"lines": {}}"#, 400, "/lines", "wrong_type"),
            (r"[]", 400, "", "wrong_type"),
            (r"null", 400, "", "wrong_type"),
            (r#"{"lines": []"#, 400, "", "malformed"),
            (r#"{"lines": []} x"#, 400, "", "malformed"),
            (r"", 400, "", "malformed"),
        ];
        for (json, status, pointer, code) in cases {
            assert_eq!(fault(json), (status, pointer.to_owned(), code), "{json}");
        }
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("{{\"note\": {}{}}}", "[".repeat(JSON_DEPTH_MAX), "]".repeat(JSON_DEPTH_MAX));
        assert_eq!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().errors()[0].code, FieldCode::Malformed);
    }

    #[test]
    fn text_that_is_not_utf8_is_malformed() {
        let problem = parse::<Order>(b"{\"lines\": [], \"note\": \"\xff\"}").unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.errors()[0].code), (400, FieldCode::Malformed));
    }

    #[test]
    fn a_charset_is_utf8_or_refused() {
        use axum::http::HeaderValue;
        let fits = |kind: &'static str, encoding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.append(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            if let Some(encoding) = encoding {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            check_type(&headers, is_json, "application/json").is_ok()
        };
        for kind in [
            "application/json",
            "application/json; charset=utf-8",
            "application/json;Charset=\"UTF-8\"",
            "application/json; charset=us-ascii",
            "application/json; version=1",
            "application/json;",
        ] {
            assert!(fits(kind, None), "{kind}");
        }
        for kind in ["windows-1252", "iso-8859-1", "utf-16", "\"UTF-16LE\"", ""] {
            let kind: &'static str = Box::leak(format!("application/json; charset={kind}").into_boxed_str());
            assert!(!fits(kind, None), "{kind}");
        }
        for encoding in ["identity", "Identity", "IDENTITY", " identity , identity", ""] {
            assert!(fits("application/json", Some(encoding)), "{encoding}");
        }
        for encoding in ["gzip", "identity, gzip", "br"] {
            assert!(!fits("application/json", Some(encoding)), "{encoding}");
        }
    }

    #[test]
    fn json_has_several_names() {
        assert!(is_json("application/json") && is_json("Application/JSON") && is_json("application/merge-patch+json"));
        assert!(!is_json("text/json") && !is_json("") && !is_json("application/jsonp"));
    }
}
