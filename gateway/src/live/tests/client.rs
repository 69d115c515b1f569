//! Clients of the real-time API that share only the schema with it.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
};

use prost::Message as _;
use serde_json::Value;
use tungstenite::{Message, WebSocket, client::IntoClientRequest, http::HeaderValue};

use super::{
    super::binary::proto::{self, frame::Op},
    PATIENCE,
};

/// A blocking client that runs each step on a blocking thread.
pub(super) struct Client {
    pub(super) socket: Option<WebSocket<TcpStream>>,
    unread: VecDeque<Value>,
}

impl Client {
    pub(super) async fn connect(
        address: SocketAddr,
        protocol: &'static str,
        origin: Option<&'static str>,
    ) -> Result<Self, u16> {
        let connected = tokio::task::spawn_blocking(move || {
            let mut request = format!("ws://{address}/v1/ws").into_client_request().unwrap();
            let headers = request.headers_mut();
            if !protocol.is_empty() {
                headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
            }
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            match tungstenite::client(request, stream) {
                Ok((socket, _)) => Ok(Self { socket: Some(socket), unread: VecDeque::new() }),
                Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                    Err(answer.status().as_u16())
                }
                Err(error) => panic!("{error}"),
            }
        });
        connected.await.unwrap()
    }

    pub(super) async fn on_socket<T: Send + 'static>(
        &mut self,
        step: impl FnOnce(&mut WebSocket<TcpStream>) -> T + Send + 'static,
    ) -> T {
        let mut socket = self.socket.take().unwrap();
        let (socket, result) = tokio::task::spawn_blocking(move || {
            let result = step(&mut socket);
            (socket, result)
        })
        .await
        .unwrap();
        self.socket = Some(socket);
        result
    }

    pub(super) async fn say_text(&mut self, text: String) {
        self.on_socket(move |socket| socket.send(Message::text(text)).unwrap()).await;
    }

    pub(super) async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    pub(super) async fn send_frames(&mut self, frames: Vec<Op>) {
        let frames = frames.into_iter().map(|op| proto::Frame { op: Some(op) }).collect();
        let bytes = proto::Frames { frames }.encode_to_vec();
        self.on_socket(move |socket| socket.send(Message::binary(bytes)).unwrap()).await;
    }

    /// The frames of the next message.
    pub(super) async fn frames(&mut self) -> Vec<Op> {
        let Message::Binary(bytes) = self.message().await else { panic!("not a binary message") };
        proto::Frames::decode(bytes).unwrap().frames.into_iter().map(|frame| frame.op.unwrap()).collect()
    }

    pub(super) async fn message(&mut self) -> Message {
        self.on_socket(|socket| socket.read().unwrap()).await
    }

    /// The next frame, of however many a message has.
    pub(super) async fn next(&mut self) -> Value {
        while self.unread.is_empty() {
            match self.message().await {
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    Value::Array(frames) => self.unread.extend(frames),
                    frame => self.unread.push_back(frame),
                },
                other => panic!("{other:?}"),
            }
        }
        self.unread.pop_front().unwrap()
    }

    /// The next frame with this `op`; skips others.
    pub(super) async fn receive(&mut self, op: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["op"] == op {
                return frame;
            }
        }
    }

    /// The next state of a topic that satisfies `fits`.
    pub(super) async fn state(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.receive("state").await;
            if fits(&frame["data"]) {
                return frame;
            }
        }
    }

    /// The code with which the server closes the connection.
    pub(super) async fn ended(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(close)) = self.message().await {
                return close.code.into();
            }
        }
    }
}

/// Reads server-sent events.
pub(super) struct EventStream(BufReader<TcpStream>);

impl EventStream {
    /// The status of the response, and the stream after its head.
    pub(super) fn open(address: SocketAddr, path: &str, headers: &str) -> (String, Self) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n").unwrap();
        let mut events = Self(BufReader::new(stream));
        let head: Vec<_> = std::iter::from_fn(|| Some(events.line()).filter(|line| !line.is_empty())).collect();
        (head.join("\n"), events)
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event with data, and the id that the client has after it. Skips chunk headers.
    pub(super) fn next(&mut self) -> (Value, Option<String>) {
        let mut id = None;
        loop {
            let line = self.line();
            if let Some(data) = line.strip_prefix("data: ") {
                return (serde_json::from_str(data).unwrap(), id);
            }
            if let Some(place) = line.strip_prefix("id: ") {
                id = Some(place.to_owned());
            }
        }
    }
}
