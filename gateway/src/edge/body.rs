//! Request bodies, with bounds on their bytes and on the time they take.

use std::{error::Error, pin::pin, task::Poll, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::header,
};
use bytes::Bytes;

use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::{Code, FieldCode, Problem};

/// The maximum time for a body from its first byte to its last. Whole requests arrive at once, except from clients that
/// try to hold a connection.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of bytes of an oversized body that are read and discarded before its connection ends.
const DISCARD_BYTES_MAX: usize = 16 << 20;
/// The maximum time for discarding them.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the whole body, at most `bytes_max` bytes.
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    if declared_bytes(&request).is_some_and(|length| length > bytes_max as u64) {
        // A client that sent `Expect: 100-continue` has sent nothing yet, and reading would make it send the body.
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body()).await;
        }
        return Err(too_large(bytes_max));
    }
    let mut whole = pin!(collect(request.into_body(), bytes_max));
    // Most bodies arrive with their head: set a timer only for those that did not.
    let read = match futures::poll!(&mut whole) {
        Poll::Ready(read) => read,
        Poll::Pending => match tokio::time::timeout(BODY_TIMEOUT, whole).await {
            Ok(read) => read,
            Err(_) => return Err(Problem::new(Code::RequestTimeout)),
        },
    };
    read.map_err(|error| broken(error.as_ref(), bytes_max))
}

/// Collects a body. A body in one piece, as most are, is not copied.
async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut body = Limited::new(body, bytes_max);
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        first = frame?.into_data().unwrap_or_default();
        if !first.is_empty() || body.is_end_stream() {
            break;
        }
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = body.collect().await?.to_bytes();
    Ok([first, rest].concat().into())
}

/// Reads and discards a body for a while: a client that is still writing would not receive the response.
async fn discard(body: Body) {
    let whole = async {
        let (mut body, mut read) = (body, 0);
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARD_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, whole).await;
}

/// Converts an error of a body to a problem: too large, or truncated.
pub(crate) fn broken(error: &(dyn Error + 'static), bytes_max: usize) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large(bytes_max);
        }
        cause = error.source();
    }
    Problem::invalid("", FieldCode::Malformed, "the body is incomplete")
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).with("bytes_max", bytes_max)
}

/// The body as a stream of at most `bytes_max` bytes. [`broken`] converts its errors.
pub(crate) fn stream(request: Request, bytes_max: usize) -> Result<Body, Problem> {
    // Rejected before any of it is read: the response to `Expect: 100-continue`.
    if declared_bytes(&request).is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    Ok(Body::new(Limited::new(request.into_body(), bytes_max)))
}

/// The length of the body that the client declares.
fn declared_bytes(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
