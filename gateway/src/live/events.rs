//! The real-time API as server-sent events, for clients whose proxies let no WebSocket through.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use futures::stream;
use tokio::time::{Instant, sleep_until};

use super::{
    SUBSCRIPTIONS_MAX, at,
    connection::{Connection, read_places},
    frames::{Frame, Place},
    hub::{ConnectionPlace, Hub},
    session::Session,
    spread,
};
use crate::{
    auth::bearer_token,
    edge::{Arrival, PublicApi},
    problem::{FieldCode, Problem},
};

/// The interval between comments, so that intermediaries keep the stream open.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// The position of the client: the last `id` that it received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Handles `GET /v1/stream?topic=…&topic=…`.
pub(crate) async fn stream(api: PublicApi, parts: &Parts, arrival: Arrival) -> Result<Response, Problem> {
    let gateway = api.gateway();
    let StreamQuery { topics, last_event_id } = parse_query(parts.uri.query().unwrap_or_default())?;
    let token = bearer_token(&parts.headers)?.map(str::to_owned);
    let identity = match &token {
        Some(token) => Some(gateway.sessions.identify(token, gateway.now()).await?),
        None => None,
    };
    let shop = match &identity {
        Some(identity) => identity.tenant().clone(),
        None => gateway.tenants.of_request(&gateway.read_side, &gateway.settings, &parts.uri, &parts.headers).await?,
    };
    let place = Hub::place(&api, arrival.address, gateway.limits.is_free(arrival.address))?;
    let connection = Arc::new(Connection::events(api.hub().backlog.clone()));
    let session = Session::new(api.clone(), arrival, Some(shop), connection);
    if let Some((identity, token)) = identity.zip(token) {
        session.introduce(identity, token);
    }
    let mut places = places(&parts.headers, last_event_id);
    for topic in topics {
        let since = places.remove(&topic);
        session.subscribe(&topic, since).await;
    }
    let now = Instant::now();
    let ends_at = session.token_ends().map(|ends| now + Duration::from_millis(ends.ms_since(api.gateway().now())));
    let listening = Listening { session, ends_at, comment_at: now + COMMENT_EVERY, _place: place };
    let mut response = Response::new(Body::from_stream(stream::unfold(listening, Listening::next)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The parameters of a request for a stream.
#[derive(Debug)]
struct StreamQuery {
    /// The topics, without duplicates.
    topics: BTreeSet<String>,
    /// The position of a client that cannot set a header: polyfills of `EventSource` put it into the URL.
    last_event_id: Option<String>,
}

/// Whether a parameter is the last event id under one of the names that polyfills use: `lastEventId`, `last_event_id`,
/// `Last-Event-ID`.
fn is_last_event_id(name: &str) -> bool {
    let letters =
        name.bytes().filter(|letter| !matches!(letter, b'-' | b'_')).map(|letter| letter.to_ascii_lowercase());
    letters.eq(b"lasteventid".iter().copied())
}

fn parse_query(query: &str) -> Result<StreamQuery, Problem> {
    let (mut topics, mut last_event_id) = (BTreeSet::new(), None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_last_event_id(name) {
            // Form encoding is accepted as well: a plus is a space.
            let value = value.replace('+', " ");
            last_event_id = Some(percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned());
            continue;
        }
        if name != "topic" {
            return Err(Problem::invalid(
                format!("?{name}"),
                FieldCode::Unknown,
                "is not a known parameter: use topic and lastEventId",
            ));
        }
        let value = percent_encoding::percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| Problem::invalid("?topic", FieldCode::Malformed, "is not UTF-8"))?;
        topics.insert(value.into_owned());
    }
    match topics.len() {
        0 => Err(Problem::invalid(
            "?topic",
            FieldCode::Missing,
            "at least one topic is required: drop:{id}, cart:{id}, …",
        )),
        1..=SUBSCRIPTIONS_MAX => Ok(StreamQuery { topics, last_event_id }),
        _ => Err(Problem::out_of_range("?topic", "too many topics on this connection")),
    }
}

/// The positions of the client in its topics. The header comes from the browser itself and is newer than the URL.
fn places(headers: &HeaderMap, in_address: Option<String>) -> BTreeMap<String, Place> {
    let in_header = headers.get(LAST_EVENT_ID).and_then(|last| last.to_str().ok());
    in_header.or(in_address.as_deref()).map(read_places).unwrap_or_default()
}

/// An open stream.
struct Listening {
    session: Arc<Session>,
    ends_at: Option<Instant>,
    comment_at: Instant,
    _place: ConnectionPlace,
}

impl Listening {
    /// Returns the next bytes for the connection.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let stop = self.session.api.hub().stop.clone();
        let connection = self.session.connection.clone();
        let message = tokio::select! {
            biased;
            message = connection.next() => message?,
            () = stop.cancelled(), if !connection.is_ended() => {
                let reconnect_in_ms = spread();
                connection.write([&format!("retry: {reconnect_in_ms}\n").into()]);
                connection.say(Frame::Draining { reconnect_in_ms });
                connection.end();
                connection.next().await?
            }
            () = at(self.ends_at) => return None,
            () = sleep_until(self.comment_at) => Bytes::from_static(b": here\n\n"),
        };
        self.comment_at = Instant::now() + COMMENT_EVERY;
        Some((Ok(message), self))
    }
}
