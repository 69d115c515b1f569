//! Errors of the API: RFC 9457 problem details.
//!
//! ```text
//!   rejection, AskError, bad input ──► Problem ──► (response extension) ──► edge: adds request_id, writes the body
//! ```
//!
//! [`table`] defines the meaning of each code. A rejection names its own code where it is defined, in `engine`. The
//! rejections of a kind that carry more than a code and a text are [explained](Explain) in the kind's slice.

mod ask;
mod body;
pub(crate) mod pages;
mod rejection;
mod store;
pub mod table;

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::body::{FieldErrorDoc, ProblemDoc, from_json as schema_of};
pub use self::{rejection::Explain, table::Code};

/// The maximum number of field errors in a problem. A body of 64 KiB can contain thousands.
pub const FIELD_ERRORS_MAX: usize = 50;

/// An error response of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone, PartialEq)]
struct Inner {
    code: Code,
    detail: Option<Cow<'static, str>>,
    errors: Vec<FieldError>,
    members: Vec<(&'static str, Value)>,
    retry_after: Option<u32>,
}

/// An error in a single field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The location: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// The kind of error.
    pub code: FieldCode,
    /// A description for people.
    pub detail: Cow<'static, str>,
}

/// The kinds of errors in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// The text is not valid JSON.
    Malformed,
    /// A required field is missing.
    Missing,
    /// No field of this name exists.
    Unknown,
    /// The field is duplicated.
    Doubled,
    /// The value has the wrong type or format.
    WrongType,
    /// The value is out of range, or contradicts other fields.
    OutOfRange,
    /// The password is used by many people.
    TooCommon,
    /// The password is easy to guess.
    TooGuessable,
}

impl FieldCode {
    /// Whether the value conforms to the schema and is refused for its content.
    fn is_of_value(self) -> bool {
        matches!(self, FieldCode::OutOfRange | FieldCode::TooCommon | FieldCode::TooGuessable)
    }

    /// Returns its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            FieldCode::Malformed => "malformed",
            FieldCode::Missing => "missing",
            FieldCode::Unknown => "unknown",
            FieldCode::Doubled => "doubled",
            FieldCode::WrongType => "wrong_type",
            FieldCode::OutOfRange => "out_of_range",
            FieldCode::TooCommon => "too_common",
            FieldCode::TooGuessable => "too_guessable",
        }
    }
}

impl Problem {
    /// Creates a problem with this code and no details.
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner { code, detail: None, errors: Vec::new(), members: Vec::new(), retry_after: None }))
    }

    /// Creates a problem for a request that does not conform to its schema because of this field.
    pub fn invalid(pointer: impl Into<String>, code: FieldCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest).with_error(FieldError { pointer: pointer.into(), code, detail: detail.into() })
    }

    /// Creates a problem for a value out of range.
    pub fn out_of_range(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let error = FieldError { pointer: pointer.into(), code: FieldCode::OutOfRange, detail: detail.into() };
        Self::new(Code::OutOfRange).with_error(error)
    }

    /// Creates a problem for something that does not exist, or that the caller may not see.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// Creates a problem for an internal error. `what` and `why` are logged, but never sent to the client.
    pub fn internal(what: &'static str, why: &dyn std::fmt::Display) -> Self {
        tracing::error!(what, %why, "internal problem");
        Self::new(Code::Internal)
    }

    /// Sets the description of this occurrence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a field error, unless there are already [`FIELD_ERRORS_MAX`].
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        if self.0.errors.len() < FIELD_ERRORS_MAX {
            self.0.errors.push(error);
        }
        self
    }

    /// Adds an extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Sets `Retry-After`, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        self.0.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Returns the code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.entry().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the field errors.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Returns the problem as a part of another response, such as that of a failed checkout.
    pub(crate) fn to_part(&self) -> Value {
        body::part(&self.0)
    }

    /// Returns the body, with the id of the request.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        body::write(&self.0, request_id)
    }
}

/// Builds a response without a body: the edge writes it, because it knows the id of the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns all `values` if each is present. Unlike `collect`, it consumes the whole iterator, so that every fault is
/// recorded.
pub(crate) fn all_of<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<Option<T>> = values.collect();
    values.into_iter().collect()
}

/// Collects the errors in the values of a request, so that the client gets all of them at once.
#[derive(Debug, Default)]
pub struct Faults {
    errors: Vec<FieldError>,
    schema: bool,
}

impl Faults {
    /// Returns the value, or `None` after recording that it is out of range.
    pub fn range<T, E: std::fmt::Display>(&mut self, pointer: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(pointer, FieldCode::OutOfRange, why.to_string())).ok()
    }

    /// Returns the value, or `None` after recording that its format is wrong.
    pub fn format<T, E: std::fmt::Display>(&mut self, pointer: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(pointer, FieldCode::WrongType, why.to_string())).ok()
    }

    /// Returns the value, or `None` after recording that it is missing.
    pub fn present<T>(&mut self, pointer: impl Into<String>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(pointer, FieldCode::Missing, "is required");
        }
        value
    }

    /// Records an error unless `holds`.
    pub fn check(&mut self, pointer: impl Into<String>, holds: bool, detail: impl Into<Cow<'static, str>>) {
        if !holds {
            self.add(pointer, FieldCode::OutOfRange, detail);
        }
    }

    /// Records a missing field that the schema does not require in general: the value as a whole is out of range.
    pub fn needs(&mut self, pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError { pointer: pointer.into(), code: FieldCode::Missing, detail: detail.into() });
    }

    /// Records an error.
    pub fn add(&mut self, pointer: impl Into<String>, code: FieldCode, detail: impl Into<Cow<'static, str>>) {
        self.schema |= !code.is_of_value();
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
    }

    /// Whether no error was recorded.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Returns the problem if there are errors: 400 if any of them violates the schema, else 422.
    pub fn into_result(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let code = if self.schema { Code::InvalidRequest } else { Code::OutOfRange };
        Err(self.errors.into_iter().fold(Problem::new(code), Problem::with_error))
    }

    /// Returns `value` if there are no errors. The caller makes sure that it is present then.
    pub fn give<T>(self, value: Option<T>) -> Result<T, Problem> {
        self.into_result()?;
        value.ok_or_else(|| Problem::internal("a value is missing without an error", &"Faults::give"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_with_its_members() {
        let problem = Problem::new(Code::SoldOut)
            .with_detail("3 units are available")
            .with("available", 3)
            .with("may_return", true)
            .with_error(FieldError {
                pointer: "/quantity".into(),
                code: FieldCode::OutOfRange,
                detail: "a \"b\"".into(),
            });
        let written: Value = serde_json::from_slice(&problem.to_json("REQ")).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "type": "/problems/sold_out", "code": "sold_out", "title": "Too few units are available", "status": 409,
                "detail": "3 units are available", "request_id": "REQ", "available": 3, "may_return": true,
                "errors": [{"pointer": "/quantity", "code": "out_of_range", "detail": "a \"b\""}],
            })
        );
    }

    #[test]
    fn waits_are_rounded_up() {
        let wait = |ms| Problem::new(Code::Overloaded).retry_after(Duration::from_millis(ms)).0.retry_after;
        assert_eq!((wait(0), wait(1), wait(1_000), wait(1_001)), (Some(1), Some(1), Some(1), Some(2)));
    }

    #[test]
    fn a_broken_schema_outweighs_a_range() {
        let mut faults = Faults::default();
        faults.check("/quantity", false, "too many");
        assert_eq!(faults.into_result().unwrap_err().code(), Code::OutOfRange);
        let mut faults = Faults::default();
        faults.check("/quantity", false, "too many");
        faults.add("/sku", FieldCode::Missing, "is required");
        assert_eq!(faults.into_result().unwrap_err().code(), Code::InvalidRequest);
    }
}
