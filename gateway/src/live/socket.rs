//! A WebSocket's life: the handshake, reading, and its end.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::{Buf, BytesMut};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};
use tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{
    Close, EXPIRING, HELLO_TIMEOUT, MESSAGE_BYTES_MAX, PING_EVERY, RECONNECT_SPREAD, peer::Peer, session::Session,
};
use crate::{
    edge::{Arrival, Door},
    problem::{Code, Problem},
};

/// The subprotocols that are spoken.
const JSON: &str = "fusion.v1.json";
/// What is read at once.
const READ_BYTES: usize = 8 * 1024;
/// How long a closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers the handshake, and goes on with the connection on its own.
pub(crate) async fn upgrade(door: Door, parts: &mut Parts, arrival: Arrival) -> Result<Response, Problem> {
    let gateway = door.gateway();
    let accept = accept_key(&parts.headers)?;
    let protocol = subprotocol(&parts.headers)?;
    if !is_from_here(&parts.headers, &gateway.settings.public_url)
        && !parts.headers.get(header::ORIGIN).is_none_or(|origin| gateway.settings.origins.allows(origin))
    {
        return Err(Problem::new(Code::Forbidden).with_detail("pages of this origin may not open a socket here"));
    }
    let shop = gateway.tenants.of_request(&gateway.read_side, &gateway.settings, &parts.uri, &parts.headers).await?;
    let permit = door.rooms().sockets.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new(Code::Overloaded).retry_after(Duration::from_secs(1)))?;
    let Some(upgrading) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Problem::new(Code::InvalidRequest).with_detail("this connection cannot be upgraded"));
    };
    let rooms = door.clone();
    rooms.rooms().tracker.spawn(async move {
        match upgrading.await {
            Ok(upgraded) => run(door, upgraded, arrival, shop, permit).await,
            Err(error) => tracing::debug!(%error, "the upgrade broke off"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(response)
}

fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let says = |name, what: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(what)))
    };
    let asks = says(header::UPGRADE, "websocket") && says(header::CONNECTION, "upgrade");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks && says(header::SEC_WEBSOCKET_VERSION, "13"));
    let key = key.map(|key| derive_accept_key(key.as_bytes())).and_then(|accept| HeaderValue::from_str(&accept).ok());
    key.ok_or_else(|| Problem::new(Code::InvalidRequest).with_detail("here WebSocket is spoken, version 13 (RFC 6455)"))
}

/// The subprotocol of those offered; `None` where none was.
fn subprotocol(headers: &HeaderMap) -> Result<Option<&'static str>, Problem> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = offers.iter().filter_map(|offer| offer.to_str().ok()).flat_map(|offer| offer.split(','));
    match (offers.iter().next(), names.any(|name| name.trim() == JSON)) {
        (None, _) => Ok(None),
        (Some(_), true) => Ok(Some(JSON)),
        (Some(_), false) => {
            let problem = Problem::new(Code::InvalidRequest);
            Err(problem.with_detail("the subprotocol that is spoken here is fusion.v1.json"))
        }
    }
}

/// Whether a page of this shop asks.
fn is_from_here(headers: &HeaderMap, public_url: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin == public_url || host.is_some_and(|host| origin.split_once("://").is_some_and(|(_, from)| from == host))
}

/// What was read and not understood yet, and what the protocol itself wants to say.
struct Pipe {
    input: BytesMut,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = into.len().min(self.input.len());
        self.input.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn run(
    door: Door,
    upgraded: Upgraded,
    arrival: Arrival,
    shop: engine::id::TenantId,
    _permit: OwnedSemaphorePermit,
) {
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        return tracing::error!("a connection that is no TCP stream was upgraded");
    };
    let (read, write) = parts.io.into_inner().into_split();
    let peer = Arc::new(Peer::new(write));
    let session = Session::new(door.clone(), arrival, shop, peer.clone());
    let pipe = Pipe { input: BytesMut::from(&parts.read_buf[..]), output: Vec::new() };
    tokio::select! {
        () = converse(&door, &session, read, pipe) => {}
        () = peer.flush() => {}
    }
    session.leave();
    // What was said last goes out, if the client takes it.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, peer.flush()).await;
    if peer.is_slow() {
        tracing::debug!("a client that read too slowly was cut");
    }
}

/// Reads until either side ends it.
async fn converse(door: &Door, session: &Arc<Session>, mut read: OwnedReadHalf, mut pipe: Pipe) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .read_buffer_size(READ_BYTES);
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let began = Instant::now();
    let (mut heard_at, mut ping_at, mut told_expiring) = (began, began + PING_EVERY, false);
    let stop = door.rooms().stop.clone();
    loop {
        match understand(&mut context, &mut pipe, session).await {
            Ok(()) => {}
            Err(Some(close)) => return session.peer.close(close),
            Err(None) => return,
        }
        let now = Instant::now();
        let hello_at = (!session.is_greeted()).then_some(began + HELLO_TIMEOUT);
        let silent_at = heard_at + 2 * PING_EVERY;
        let (expiring_at, ends_at) = token_turns(door, session, now);
        let expiring_at = expiring_at.filter(|_| !told_expiring);
        if expiring_at.is_none() && ends_at.is_none_or(|at| at > now + EXPIRING) {
            told_expiring = false;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                session.draining(spread());
                return session.peer.close(Close::Stopping);
            }
            read = read_some(&mut read, &mut pipe.input) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => heard_at = Instant::now(),
            },
            () = at(hello_at) => return session.peer.close(Close::NoHello),
            () = sleep_until(silent_at) => return session.peer.close(Close::Silent),
            () = sleep_until(ping_at) => {
                session.ping();
                ping_at = Instant::now() + PING_EVERY;
            }
            () = at(expiring_at) => {
                session.expiring();
                told_expiring = true;
            }
            () = at(ends_at) => return session.peer.close(Close::TokenEnded),
        }
    }
}

/// Answers every message that is whole. `Err(None)`: the connection is over.
async fn understand(
    context: &mut WebSocketContext,
    pipe: &mut Pipe,
    session: &Arc<Session>,
) -> Result<(), Option<Close>> {
    loop {
        let read = context.read(pipe);
        // Pongs, and the answer to a close.
        let said = std::mem::take(&mut pipe.output);
        session.peer.say(&said);
        match read {
            Ok(Message::Text(text)) => session.hear(&text).await.map_err(Some)?,
            Ok(Message::Binary(_)) => return Err(Some(Close::Malformed)),
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => return Err(Some(Close::BeyondLimits)),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::ConnectionClosed) => {
                return Err(None);
            }
            Err(_) => return Err(Some(Close::Malformed)),
        }
    }
}

async fn read_some(read: &mut OwnedReadHalf, into: &mut BytesMut) -> io::Result<usize> {
    use tokio::io::AsyncReadExt;
    into.reserve(READ_BYTES);
    read.read_buf(into).await
}

/// When the client is to be told that its token ends, and when it does.
fn token_turns(door: &Door, session: &Session, now: Instant) -> (Option<Instant>, Option<Instant>) {
    let Some(ends) = session.token_ends() else { return (None, None) };
    let left = Duration::from_millis(ends.ms_since(door.gateway().now()));
    let ends_at = now + left;
    (Some(ends_at.checked_sub(EXPIRING).unwrap_or(now)), Some(ends_at))
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Some time within the spread, so that not everyone comes back at once.
fn spread() -> u64 {
    let random = crate::auth::keys::random128().unwrap_or_default();
    random as u64 % RECONNECT_SPREAD.as_millis() as u64
}
