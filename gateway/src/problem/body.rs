//! A problem as JSON, and its OpenAPI schema.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::{Code, Inner};

struct Written<'a> {
    problem: &'a Inner,
    /// `None` if the problem is a part of another response.
    request_id: Option<&'a str>,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Inner { code, detail, errors, members, retry_after } = self.problem;
        let entry = code.entry();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("/problems/{}", entry.code))?;
        map.serialize_entry("code", entry.code)?;
        map.serialize_entry("title", entry.title)?;
        map.serialize_entry("status", &entry.status)?;
        map.serialize_entry("detail", detail.as_deref().unwrap_or(entry.meaning))?;
        if let Some(request_id) = self.request_id {
            map.serialize_entry("request_id", request_id)?;
        }
        if let Some(seconds) = retry_after {
            map.serialize_entry("retry_after", seconds)?;
        }
        if !errors.is_empty() {
            map.serialize_entry("errors", errors)?;
        }
        for (name, value) in members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

pub(super) fn write(problem: &Inner, request_id: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(320);
    // Strings, numbers and booleans under string keys: writing them to memory cannot fail.
    let _ = serde_json::to_writer(&mut bytes, &Written { problem, request_id: Some(request_id) });
    bytes
}

pub(super) fn part(problem: &Inner) -> serde_json::Value {
    serde_json::to_value(Written { problem, request_id: None }).unwrap_or_default()
}

/// The schema `Problem` of the OpenAPI document. Its enumeration has all codes of the table.
pub(crate) struct ProblemDoc;

impl PartialSchema for ProblemDoc {
    fn schema() -> RefOr<Schema> {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.entry().code).collect();
        from_json(json!({
            "type": "object",
            "description": "A problem (RFC 9457). Further members depend on the code and are listed on its page.",
            "required": ["type", "code", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference", "description": "The page that describes the code.",
                         "examples": ["/problems/sold_out"]},
                "code": {"type": "string", "enum": codes, "description": "The stable code for clients to branch on."},
                "title": {"type": "string", "description": "A summary of the problem, the same for every occurrence."},
                "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599},
                "detail": {"type": "string", "description": "The details of this occurrence."},
                "request_id": {"type": "string", "description": "Identifies this request in the server's logs; absent in a problem that is part of another response."},
                "retry_after": {"type": "integer", "format": "int64", "minimum": 1, "description": "Seconds to wait before a retry, as in `Retry-After`."},
                "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"},
                           "description": "The invalid fields."}
            }
        }))
    }
}

impl ToSchema for ProblemDoc {
    fn name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FieldErrorDoc::name().into_owned(), FieldErrorDoc::schema()));
    }
}

/// The schema `FieldError` of the OpenAPI document.
pub(crate) struct FieldErrorDoc;

impl PartialSchema for FieldErrorDoc {
    fn schema() -> RefOr<Schema> {
        use super::FieldCode::{Doubled, Malformed, Missing, OutOfRange, TooCommon, TooGuessable, Unknown, WrongType};
        let codes: Vec<_> = [Malformed, Missing, Unknown, Doubled, WrongType, OutOfRange, TooCommon, TooGuessable]
            .into_iter()
            .map(super::FieldCode::name)
            .collect();
        from_json(json!({
            "type": "object",
            "description": "An invalid field.",
            "required": ["pointer", "code", "detail"],
            "properties": {
                "pointer": {"type": "string", "description": "A JSON pointer into the body, or `?name` for a query parameter.",
                            "examples": ["/items/0/quantity"]},
                "code": {"type": "string", "enum": codes},
                "detail": {"type": "string"}
            }
        }))
    }
}

impl ToSchema for FieldErrorDoc {
    fn name() -> std::borrow::Cow<'static, str> {
        "FieldError".into()
    }
}

/// Parses a schema from JSON. The callers' literals are valid: the OpenAPI test covers them.
pub(crate) fn from_json(schema: serde_json::Value) -> RefOr<Schema> {
    serde_json::from_value(schema).unwrap_or_else(|_| RefOr::T(Schema::default()))
}
