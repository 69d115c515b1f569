//! The part of a request's body that its handler has not read. A client that reuses its connection must not find it
//! closed without notice: the rest is read if it is small and arrives soon, and otherwise the response announces that
//! the connection ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::{EXPECT, HeaderMap},
};
use parking_lot::Mutex;

/// The maximum number of bytes that are drained: as many as most requests have in all.
const DRAINED_BYTES_MAX: usize = 64 << 10;
/// The maximum time for draining. The response waits for it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Shared {
    incoming: Incoming,
    begun: bool,
    ended: bool,
}

/// The body as its handler reads it.
struct Reading(Arc<Mutex<Shared>>);

/// The same body, for draining the rest.
pub(super) struct Unread {
    shared: Arc<Mutex<Shared>>,
    /// The client sends the body only after `100 Continue`.
    waits: bool,
}

impl HttpBody for Reading {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let shared = &mut *self.0.lock();
        shared.begun = true;
        let polled = Pin::new(&mut shared.incoming).poll_frame(context);
        if let Poll::Ready(None) = polled {
            shared.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().incoming.size_hint()
    }
}

/// Splits a body into the one for the handler and the one for the rest; `None` where there is no body.
pub(super) fn share(headers: &HeaderMap, incoming: Incoming) -> (Body, Option<Unread>) {
    if incoming.is_end_stream() {
        return (Body::empty(), None);
    }
    let shared = Arc::new(Mutex::new(Shared { incoming, begun: false, ended: false }));
    let unread = Unread { shared: shared.clone(), waits: headers.contains_key(EXPECT) };
    (Body::new(Reading(shared)), Some(unread))
}

impl Unread {
    /// Drains the rest. Returns false when it is too large or did not arrive, and the connection cannot be reused.
    pub(super) async fn drain(self) -> bool {
        {
            let shared = self.shared.lock();
            if shared.ended || shared.incoming.is_end_stream() {
                return true;
            }
            // Reading now would send `100 Continue`.
            if self.waits && !shared.begun {
                return false;
            }
        }
        let mut rest = Reading(self.shared);
        let drained = async {
            let mut left = DRAINED_BYTES_MAX;
            while let Some(frame) = rest.frame().await {
                let bytes = frame.ok()?.into_data().map_or(0, |data| data.len());
                left = left.checked_sub(bytes)?;
            }
            Some(())
        };
        matches!(tokio::time::timeout(DRAIN_TIMEOUT, drained).await, Ok(Some(())))
    }
}
