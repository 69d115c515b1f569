//! What goes wrong, as callers hear it: RFC 9457 problem details.
//!
//! ```text
//!   rejection, AskError, bad input ──► Problem ──► (response extension) ──► edge: adds request_id, writes the body
//! ```
//!
//! [`table`] says what each code means; a file for each aggregate says which code its rejections have.

mod ask;
mod body;
mod carts;
mod checkouts;
mod drops;
mod inventory;
mod orders;
pub(crate) mod pages;
mod products;
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
pub use self::table::Code;

/// The most field errors that one problem lists: a body of 64 KiB can hold thousands.
pub const FIELD_ERRORS_MAX: usize = 50;

/// A problem that a caller is told.
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

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What kind of fault.
    pub code: FieldCode,
    /// What is wrong, in words.
    pub detail: Cow<'static, str>,
}

/// The kinds of faults of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// Not JSON.
    Malformed,
    /// It must be there.
    Missing,
    /// There is no such field.
    Unknown,
    /// It stands twice.
    Doubled,
    /// A value of another type, or another format, is expected.
    WrongType,
    /// The value is out of its range, or does not fit the others.
    OutOfRange,
    /// A password that many people have.
    TooCommon,
    /// A password that follows from little.
    TooGuessable,
}

impl FieldCode {
    /// Whether the schema cannot be held responsible: the value has its form, and is refused for what it is.
    fn is_of_value(self) -> bool {
        matches!(self, FieldCode::OutOfRange | FieldCode::TooCommon | FieldCode::TooGuessable)
    }

    /// Its name in answers.
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
    /// The problem with this code, and nothing else to say.
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner { code, detail: None, errors: Vec::new(), members: Vec::new(), retry_after: None }))
    }

    /// A request that does not fit its schema, because of one field.
    pub fn invalid(pointer: impl Into<String>, code: FieldCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest).with_error(FieldError { pointer: pointer.into(), code, detail: detail.into() })
    }

    /// A value that is out of its range.
    pub fn out_of_range(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        let error = FieldError { pointer: pointer.into(), code: FieldCode::OutOfRange, detail: detail.into() };
        Self::new(Code::OutOfRange).with_error(error)
    }

    /// There is no such thing, or none that the caller may see.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// A fault of our own. `what` and `why` are logged, and never told.
    pub fn internal(what: &'static str, why: &dyn std::fmt::Display) -> Self {
        tracing::error!(what, %why, "internal problem");
        Self::new(Code::Internal)
    }

    /// Says what happened this time.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what is wrong with a field; beyond [`FIELD_ERRORS_MAX`] nothing is added.
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        if self.0.errors.len() < FIELD_ERRORS_MAX {
            self.0.errors.push(error);
        }
        self
    }

    /// Adds a member of its own (RFC 9457, section 3.2).
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Says when to try again: whole seconds, rounded up, at least one.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
        self.0.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.entry().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong with which field.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// What happened, as a part of another answer: of something that has failed.
    pub(crate) fn to_part(&self) -> Value {
        body::part(&self.0)
    }

    /// The body, with the id of the request that it answers.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        body::write(&self.0, request_id)
    }
}

/// The response has no body yet: the edge, which knows the request's id, writes it.
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

/// All of `values`, if each is there. Unlike `collect`, it looks at every one, so that every fault is noted.
pub(crate) fn all_of<T>(values: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let values: Vec<Option<T>> = values.collect();
    values.into_iter().collect()
}

/// Gathers what is wrong with the values of a request, so that the caller hears it all at once.
#[derive(Debug, Default)]
pub struct Faults {
    errors: Vec<FieldError>,
    schema: bool,
}

impl Faults {
    /// The value, or `None` with a note that it is out of its range.
    pub fn range<T, E: std::fmt::Display>(&mut self, pointer: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(pointer, FieldCode::OutOfRange, why.to_string())).ok()
    }

    /// The value, or `None` with a note that its format is another.
    pub fn format<T, E: std::fmt::Display>(&mut self, pointer: impl Into<String>, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(pointer, FieldCode::WrongType, why.to_string())).ok()
    }

    /// The value, or `None` with a note that it is missing.
    pub fn present<T>(&mut self, pointer: impl Into<String>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(pointer, FieldCode::Missing, "is required");
        }
        value
    }

    /// Notes a fault unless `holds`.
    pub fn check(&mut self, pointer: impl Into<String>, holds: bool, detail: impl Into<Cow<'static, str>>) {
        if !holds {
            self.add(pointer, FieldCode::OutOfRange, detail);
        }
    }

    /// Notes that a field is missing which the schema leaves out for others: the value as a whole is out of its range.
    pub fn needs(&mut self, pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError { pointer: pointer.into(), code: FieldCode::Missing, detail: detail.into() });
    }

    /// Notes a fault.
    pub fn add(&mut self, pointer: impl Into<String>, code: FieldCode, detail: impl Into<Cow<'static, str>>) {
        self.schema |= !code.is_of_value();
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The problem, if there were faults: 400 when the schema is broken anywhere, else 422.
    pub fn into_result(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let code = if self.schema { Code::InvalidRequest } else { Code::OutOfRange };
        Err(self.errors.into_iter().fold(Problem::new(code), Problem::with_error))
    }

    /// `value`, if there were no faults. It is there whenever there were none.
    pub fn give<T>(self, value: Option<T>) -> Result<T, Problem> {
        self.into_result()?;
        value.ok_or_else(|| Problem::internal("a value is missing without a fault", &"Faults::give"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_with_what_is_known_of_it() {
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
