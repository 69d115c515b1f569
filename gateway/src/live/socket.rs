//! The life cycle of a WebSocket: the handshake, reading, and closing.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::{Buf, BytesMut};
use engine::id::TenantId;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    net::tcp::OwnedReadHalf,
    time::{Instant, sleep_until, timeout},
};
use tungstenite::{
    Error, Message,
    error::{CapacityError, ProtocolError},
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::{
    CLOSE_TIMEOUT, Close, EXPIRING, HELLO_TIMEOUT, MESSAGE_BYTES_MAX, MESSAGE_TIMEOUT, MESSAGES_A_SECOND_MAX,
    PING_EVERY, UNFINISHED_BYTES_PER_ADDRESS_MAX, binary,
    connection::Connection,
    encoding::Encoding,
    hub::{ConnectionPlace, Hub},
    session::Session,
    spread, text,
    unfinished::{Frames, UnfinishedBytes},
};
use crate::{
    auth::TENANT,
    edge::{Arrival, ClientStream, ConnectionPermit, PublicApi},
    problem::{Code, Problem},
};

/// The supported subprotocols; the first one is the default.
const SUBPROTOCOLS: [(&str, Encoding); 2] =
    [("fusion.v1.json", Encoding::Json), ("fusion.v1.protobuf", Encoding::Protobuf)];
/// The maximum number of bytes of one read.
const READ_BYTES: usize = 8 * 1024;
/// The send buffer of the system for a connection, beside [`QUEUE_BYTES_MAX`](super::QUEUE_BYTES_MAX): a burst to a
/// distant client.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
/// The read buffer of the WebSocket parser. Each connection keeps one of this size.
const UNDERSTAND_BYTES: usize = 256;

/// Answers the handshake and continues with the connection in a task.
pub(crate) async fn upgrade(api: PublicApi, parts: &mut Parts, arrival: Arrival) -> Result<Response, Problem> {
    let gateway = api.gateway();
    let accept = accept_key(&parts.headers)?;
    let protocol = subprotocol(&parts.headers)?;
    if !is_from_here(&parts.headers, &gateway.settings.public_url)
        && !parts.headers.get(header::ORIGIN).is_none_or(|origin| gateway.settings.origins.allows(origin))
    {
        return Err(Problem::new(Code::Forbidden).with_detail("this origin may not open a WebSocket"));
    }
    let shop = gateway.tenants.of_request(&gateway.read_side, &gateway.settings, &parts.uri, &parts.headers).await;
    // The token in `hello` may name the shop.
    let shop = match shop {
        Err(problem) if problem.code() == Code::TenantRequired && !parts.headers.contains_key(TENANT) => None,
        shop => Some(shop?),
    };
    let place = Hub::place(&api, arrival.address, gateway.limits.is_free(arrival.address))?;
    let Some(upgrading) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(Problem::new(Code::InvalidRequest).with_detail("this connection cannot be upgraded"));
    };
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    let permit = parts.extensions.remove::<ConnectionPermit>();
    let opening = Opening { api: api.clone(), arrival, shop, encoding, place, permit };
    api.hub().tracker.spawn(async move {
        match upgrading.await {
            Ok(upgraded) => opening.go_on(upgraded),
            Err(error) => tracing::debug!(%error, "the upgrade failed"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some((name, _)) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// The supported version, sent to a client that uses another one: RFC 6455, section 4.4.
const VERSION: (HeaderName, HeaderValue) = (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));

/// The response to a rejected handshake, with the supported version.
pub(crate) fn refuse(problem: Problem) -> Response {
    let mut response = problem.into_response();
    let (name, version) = VERSION;
    response.headers_mut().insert(name, version);
    response
}

/// Whether it is 16 bytes in base64: RFC 6455, section 4.1.
fn is_key(key: &HeaderValue) -> bool {
    let Some(letters) = key.to_str().ok().and_then(|key| key.trim().strip_suffix("==")) else { return false };
    letters.len() == 22 && letters.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"+/".contains(&letter))
}

fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let says = |name, what: &str| {
        let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(what)))
    };
    let asks = says(header::UPGRADE, "websocket") && says(header::CONNECTION, "upgrade");
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter().filter(|key| is_key(key));
    let key = keys.next().filter(|_| asks && says(header::SEC_WEBSOCKET_VERSION, "13"));
    let key = key.map(|key| derive_accept_key(key.as_bytes())).and_then(|accept| HeaderValue::from_str(&accept).ok());
    key.ok_or_else(|| {
        Problem::new(Code::InvalidRequest)
            .with_detail("this endpoint requires a WebSocket upgrade, version 13 (RFC 6455)")
    })
}

/// Selects the first offered subprotocol that is supported, in the client's order; `None` where none was offered.
fn subprotocol(headers: &HeaderMap) -> Result<Option<(&'static str, Encoding)>, Problem> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = offers.iter().filter_map(|offer| offer.to_str().ok()).flat_map(|offer| offer.split(','));
    let spoken = names.find_map(|name| SUBPROTOCOLS.into_iter().find(|(spoken, _)| *spoken == name.trim()));
    match (offers.iter().next(), spoken) {
        (Some(_), None) => {
            let problem = Problem::new(Code::InvalidRequest);
            Err(problem.with_detail("the supported subprotocols are fusion.v1.json and fusion.v1.protobuf"))
        }
        (_, spoken) => Ok(spoken),
    }
}

/// Whether the request comes from a page of this shop: without an `Origin`, or with that of the requested host.
fn is_from_here(headers: &HeaderMap, public_url: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, from)) = origin.split_once("://") else { return false };
    // Browsers omit a scheme's default port in the origin; proxies may keep it in `Host`.
    let default_port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let without_port = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin.eq_ignore_ascii_case(public_url) || host.is_some_and(|host| without_port(host) == without_port(from))
}

/// The bytes that were read and not parsed yet, and the protocol's own output, such as pongs.
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

impl Pipe {
    /// Reads what has arrived and passes it to `frames`. Returns how many frames begin in it; `None` at the end of the
    /// stream.
    fn fill(&mut self, read: &OwnedReadHalf, frames: &mut Frames) -> Option<u32> {
        // On the stack, so that a silent connection holds no buffer.
        let mut bytes = [0; READ_BYTES];
        match read.try_read(&mut bytes) {
            Ok(0) => None,
            Ok(count) => {
                self.input.extend_from_slice(&bytes[..count]);
                Some(frames.take(&bytes[..count]))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }
}

/// The parts of a connection that is being opened.
struct Opening {
    api: PublicApi,
    arrival: Arrival,
    shop: Option<TenantId>,
    encoding: Encoding,
    place: ConnectionPlace,
    permit: Option<ConnectionPermit>,
}

impl Opening {
    /// Continues with the connection in a task of its own, which is as small as possible, because there are many.
    fn go_on(self, upgraded: Upgraded) {
        let Opening { api, arrival, shop, encoding, place, permit } = self;
        let Ok(parts) = upgraded.downcast::<TokioIo<ClientStream>>() else {
            return tracing::error!("an upgraded connection is not a TCP stream");
        };
        let stream = parts.io.into_inner().into_inner();
        // By default the system would hold megabytes for a client that does not read. If it rejects this bound, the
        // queue's bound remains.
        if let Err(error) = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "the send buffer stays as it is");
        }
        let (read, write) = stream.into_split();
        let pipe = Pipe { input: BytesMut::from(&parts.read_buf[..]), output: Vec::new() };
        let tracker = api.hub().tracker.clone();
        let connection = Arc::new(Connection::socket(write, encoding, api.hub().backlog.clone()));
        let unfinished = UnfinishedBytes::new(api.hub().unfinished.clone(), place.address());
        let session = Session::new(api, arrival, shop, connection);
        let conversation = Box::new(Conversation::new(session, read, pipe, unfinished, (place, permit)));
        tracker.spawn(hold(conversation));
    }
}

/// Runs a connection until either side ends it.
async fn hold(mut conversation: Box<Conversation>) {
    let session = conversation.session.clone();
    tokio::select! {
        () = conversation.go_on() => {}
        () = session.connection.flush() => {}
    }
    session.leave();
    // Send what is still queued, if the client takes it.
    session.connection.end();
    if session.connection.is_slow() {
        return;
    }
    session.connection.flush().await;
    if conversation.is_ours_to_end {
        listen_out(&conversation.read).await;
    }
}

/// Reads and discards what the client still sends, so that it can receive the close frame: closing a socket with unread
/// data would reset it and discard the close frame.
async fn listen_out(read: &OwnedReadHalf) {
    let _ = SockRef::from(read.as_ref()).shutdown(Shutdown::Write);
    let rest = async {
        let mut bytes = [0; 1024];
        while read.readable().await.is_ok() {
            match read.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = Box::pin(timeout(CLOSE_TIMEOUT, rest)).await;
}

/// The reading end of a connection and its timers.
struct Conversation {
    session: Arc<Session>,
    read: OwnedReadHalf,
    pipe: Pipe,
    context: WebSocketContext,
    began: Instant,
    received_at: Instant,
    ping_at: Instant,
    expiry_announced: bool,
    /// The start of the current second, and the frames that the client has sent in it.
    second: (Instant, u32),
    frames: Frames,
    unfinished: UnfinishedBytes,
    /// When the unfinished message began.
    message_began: Option<Instant>,
    /// Whether the server ends the connection, not the client.
    is_ours_to_end: bool,
    _place: (ConnectionPlace, Option<ConnectionPermit>),
}

/// What a timer is due for.
#[derive(Clone, Copy)]
enum Due {
    NoHello,
    Silent,
    Unfinished,
    Ping,
    Expiring,
    TokenEnded,
}

impl Conversation {
    fn new(
        session: Arc<Session>,
        read: OwnedReadHalf,
        pipe: Pipe,
        unfinished: UnfinishedBytes,
        place: (ConnectionPlace, Option<ConnectionPermit>),
    ) -> Self {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX))
            .read_buffer_size(UNDERSTAND_BYTES);
        let context = WebSocketContext::new(Role::Server, Some(config));
        let began = Instant::now();
        let (received_at, ping_at) = (began, began + PING_EVERY);
        let mut frames = Frames::default();
        let second = (began, frames.take(&pipe.input));
        Self {
            session,
            read,
            pipe,
            context,
            began,
            received_at,
            ping_at,
            expiry_announced: false,
            second,
            frames,
            unfinished,
            message_began: None,
            is_ours_to_end: false,
            _place: place,
        }
    }

    /// Runs until either side ends the connection, or the server stops.
    async fn go_on(&mut self) {
        let session = self.session.clone();
        let stop = session.api.hub().stop.clone();
        let close = tokio::select! {
            biased;
            () = stop.cancelled() => {
                // The client learns first when to reconnect, then running commands get their replies, and the close
                // frame is last.
                session.draining(spread());
                session.finish().await;
                Some(Close::Stopping)
            }
            close = self.listen() => close,
        };
        if let Some(close) = close {
            self.is_ours_to_end = true;
            session.connection.close(close);
        }
    }

    /// Reads messages. `None`: the client has ended the connection.
    async fn listen(&mut self) -> Option<Close> {
        loop {
            let understood = self.understand().await;
            // Pongs, and the answer to a close.
            self.session.connection.write([&std::mem::take(&mut self.pipe.output).into()]);
            if let Err(close) = understood {
                return close;
            }
            if self.pipe.input.is_empty() {
                self.pipe.input = BytesMut::new();
            }
            let (due_at, due) = self.next_due();
            tokio::select! {
                // Biased, so that a client that sends without pause does not delay a timer.
                biased;
                () = sleep_until(due_at) => match due {
                    Due::Ping => {
                        self.session.ping();
                        self.ping_at = Instant::now() + PING_EVERY;
                    }
                    Due::Expiring => {
                        self.session.expiring();
                        self.expiry_announced = true;
                    }
                    Due::NoHello => return Some(Close::NoHello),
                    Due::Silent => return Some(Close::Silent),
                    Due::Unfinished => return Some(Close::BeyondLimits),
                    Due::TokenEnded => return Some(Close::TokenEnded),
                },
                readable = self.read.readable() => {
                    if readable.is_err() {
                        return None;
                    }
                    let frames = self.pipe.fill(&self.read, &mut self.frames)?;
                    self.received_at = Instant::now();
                    if !self.count(frames) {
                        return Some(Close::BeyondLimits);
                    }
                }
            }
        }
    }

    /// Counts frames and the bytes of an unfinished message. Returns false when a limit is exceeded.
    fn count(&mut self, frames: u32) -> bool {
        let (since, count) = &mut self.second;
        if since.elapsed() >= Duration::from_secs(1) {
            (*since, *count) = (self.received_at, 0);
        }
        *count += frames;
        let is_too_often = *count > MESSAGES_A_SECOND_MAX;
        self.message_began = match self.frames.is_in_message() {
            true => self.message_began.or(Some(self.received_at)),
            false => None,
        };
        let is_too_much = self.unfinished.set(self.frames.message_bytes()) > UNFINISHED_BYTES_PER_ADDRESS_MAX;
        let session = &self.session;
        !(is_too_often || is_too_much) || session.api.gateway().limits.is_free(session.arrival.address)
    }

    /// Returns the next timer that is due if nothing is received.
    fn next_due(&mut self) -> (Instant, Due) {
        let mut dues = vec![(self.received_at + 2 * PING_EVERY, Due::Silent), (self.ping_at, Due::Ping)];
        if let Some(began) = self.message_began {
            dues.push((began + MESSAGE_TIMEOUT, Due::Unfinished));
        }
        if !self.session.is_greeted() {
            dues.push((self.began + HELLO_TIMEOUT, Due::NoHello));
        }
        if let Some(ends) = self.session.token_ends() {
            let now = Instant::now();
            let ends_at = now + Duration::from_millis(ends.ms_since(self.session.api.gateway().now()));
            dues.push((ends_at, Due::TokenEnded));
            // The client is notified again for a newer token.
            self.expiry_announced &= ends_at <= now + EXPIRING;
            if !self.expiry_announced {
                dues.push((ends_at.checked_sub(EXPIRING).unwrap_or(now), Due::Expiring));
            }
        }
        dues.into_iter().min_by_key(|(at, _)| *at).unwrap_or((self.ping_at, Due::Ping))
    }

    /// Handles every complete message. `Err(None)`: the connection is over.
    async fn understand(&mut self) -> Result<(), Option<Close>> {
        loop {
            let read = self.context.read(&mut self.pipe);
            let frames = match (read, self.session.connection.encoding) {
                (Ok(Message::Text(text)), Encoding::Json) => text::read(&text).map_err(|_| Close::Malformed),
                (Ok(Message::Binary(bytes)), Encoding::Protobuf) => binary::read(bytes).map_err(|_| Close::Malformed),
                (Ok(Message::Text(_) | Message::Binary(_)), _) => Err(Close::Malformed),
                (Ok(_), _) => continue,
                (Err(Error::Io(error)), _) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                (Err(error), _) => return Err(ended_by(&error)),
            };
            // Send a pong before replies that come later.
            self.session.connection.write([&std::mem::take(&mut self.pipe.output).into()]);
            // Boxed, so that a silent connection does not hold the memory that an answer needs.
            Box::pin(self.session.handle(frames?)).await?;
        }
    }
}

/// The close code for a protocol error of the client. RFC 6455, section 7.4.1.
fn ended_by(error: &Error) -> Option<Close> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Close::BeyondLimits),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::ConnectionClosed => None,
        Error::Utf8(_) => Some(Close::NotText),
        _ => Some(Close::Protocol),
    }
}
