//! How frames go over a connection.

use bytes::Bytes;
use tungstenite::protocol::{
    CloseFrame,
    frame::{
        Frame as Message,
        coding::{Data, OpCode},
    },
};

use super::{
    Close, binary,
    frames::{Frame, Reply},
    text,
};

/// How a connection spells its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// WebSocket, `fusion.v1.json`.
    Json,
    /// WebSocket, `fusion.v1.protobuf`.
    Protobuf,
    /// Server-sent events: JSON.
    Events,
}

impl Wire {
    /// A frame, as the bytes that go over the connection.
    pub(super) fn encode(self, frame: Frame<'_>) -> Bytes {
        match self {
            Wire::Json => message(text::write(&frame), Data::Text),
            Wire::Protobuf => message(binary::write(std::iter::once(binary::message(frame))), Data::Binary),
            Wire::Events => [b"data: ", &text::write(&frame)[..], b"\n\n"].concat().into(),
        }
    }

    /// Replies that are there at once, as one message.
    pub(super) fn replies(self, mut replies: Vec<Reply>) -> Bytes {
        match (self, replies.len()) {
            (Wire::Protobuf, _) => {
                let frames = replies.into_iter().map(|reply| binary::message(Frame::Reply(reply)));
                message(binary::write(frames), Data::Binary)
            }
            (_, 1) => replies.pop().map_or_else(Bytes::new, |reply| self.encode(Frame::Reply(reply))),
            _ => {
                let mut bytes = vec![b'['];
                for (number, reply) in replies.into_iter().enumerate() {
                    if number > 0 {
                        bytes.push(b',');
                    }
                    // Writing to memory cannot fail.
                    let _ = serde_json::to_writer(&mut bytes, &Frame::Reply(reply));
                }
                bytes.push(b']');
                message(bytes, Data::Text)
            }
        }
    }
}

/// A frame that many hear, written once for each way that someone listens.
#[derive(Clone)]
pub(super) struct Shared {
    json: Bytes,
    protobuf: Bytes,
    events: Bytes,
}

impl Shared {
    /// For every way.
    pub(super) fn of<'a>(frame: impl Fn() -> Frame<'a>) -> Self {
        Self::for_some(frame, |_| true)
    }

    /// For those ways that are wanted; the others get nothing.
    pub(super) fn for_some<'a>(frame: impl Fn() -> Frame<'a>, wanted: impl Fn(Wire) -> bool) -> Self {
        let encode = |wire: Wire| if wanted(wire) { wire.encode(frame()) } else { Bytes::new() };
        Self { json: encode(Wire::Json), protobuf: encode(Wire::Protobuf), events: encode(Wire::Events) }
    }

    pub(super) fn get(&self, wire: Wire) -> &Bytes {
        match wire {
            Wire::Json => &self.json,
            Wire::Protobuf => &self.protobuf,
            Wire::Events => &self.events,
        }
    }

    /// Several, one after the other.
    pub(super) fn joined<'a>(all: impl Iterator<Item = &'a Shared> + Clone) -> Self {
        let join = |wire| all.clone().map(|one| &one.get(wire)[..]).collect::<Vec<_>>().concat().into();
        Self { json: join(Wire::Json), protobuf: join(Wire::Protobuf), events: join(Wire::Events) }
    }
}

fn message(payload: Vec<u8>, kind: Data) -> Bytes {
    written(Message::message(payload, OpCode::Data(kind), true))
}

/// The frame that ends a WebSocket, with the reason.
pub(super) fn closing(why: Close) -> Bytes {
    written(Message::close(Some(CloseFrame { code: (why as u16).into(), reason: why.reason().into() })))
}

fn written(message: Message) -> Bytes {
    let mut bytes = Vec::with_capacity(message.len());
    // Writing to memory cannot fail.
    let _ = message.format(&mut bytes);
    bytes.into()
}
