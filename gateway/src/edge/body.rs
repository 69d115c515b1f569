//! Bodies, with a bound on their bytes and on the time they take.

use std::{error::Error, pin::pin, task::Poll, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::header,
};
use bytes::Bytes;

use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::{Code, FieldCode, Problem};

/// How long a body may take from its first byte to its last. Whole requests arrive at once, save from those who mean to
/// hold a connection.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a body that is too large is read, and thrown away, before its connection ends.
const DISCARD_BYTES_MAX: usize = 16 << 20;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the whole body, `bytes_max` at the most.
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    if declared_bytes(&request).is_some_and(|length| length > bytes_max as u64) {
        // Whoever asks first has sent nothing, and reading would tell it to.
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body()).await;
        }
        return Err(too_large(bytes_max));
    }
    let mut whole = pin!(collect(request.into_body(), bytes_max));
    // Most bodies came with their head: a timer is set only for those that did not.
    let read = match futures::poll!(&mut whole) {
        Poll::Ready(read) => read,
        Poll::Pending => match tokio::time::timeout(BODY_TIMEOUT, whole).await {
            Ok(read) => read,
            Err(_) => return Err(Problem::new(Code::RequestTimeout)),
        },
    };
    read.map_err(|error| broken(error.as_ref(), bytes_max))
}

/// All of a body. One that comes in one piece, as most do, is not copied.
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

/// Reads on for a while and keeps nothing: a client that is still writing would not hear the answer.
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

/// What a body's error means: too long, or broken off.
pub(crate) fn broken(error: &(dyn Error + 'static), bytes_max: usize) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_large(bytes_max);
        }
        cause = error.source();
    }
    Problem::invalid("", FieldCode::Malformed, "the body broke off")
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge).with("bytes_max", bytes_max)
}

/// The body as it arrives, `bytes_max` at the most: an error of the stream is explained by [`broken`].
pub(crate) fn stream(request: Request, bytes_max: usize) -> Result<Body, Problem> {
    // Refused before any of it is asked for: the answer to `Expect: 100-continue`.
    if declared_bytes(&request).is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large(bytes_max));
    }
    Ok(Body::new(Limited::new(request.into_body(), bytes_max)))
}

/// How long the body is, as its sender says.
fn declared_bytes(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
