//! Answers: their status and the headers that go with it.

use axum::{
    body::Body,
    http::{HeaderValue, Response as HttpResponse, StatusCode, header},
    response::Response,
};
use serde::Serialize;

use crate::idempotency::IDEMPOTENCY_REPLAYED;

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(384);
    // Our answers have string keys only: writing them to memory cannot fail.
    let _ = serde_json::to_writer(&mut bytes, body);
    let mut response = HttpResponse::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 200 with a body.
pub(crate) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

/// 201 with a body, and where the new thing is.
pub(crate) fn created(location: &str, body: &impl Serialize) -> Response {
    let mut response = json(StatusCode::CREATED, body);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 204.
pub(crate) fn done() -> Response {
    let mut response = HttpResponse::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Says of an answer that it was given before.
pub(crate) fn replayed(mut response: Response, again: bool) -> Response {
    if again {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
