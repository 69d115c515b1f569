//! The encodings of frames on a connection.

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

/// The encoding of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// WebSocket, `fusion.v1.json`.
    Json,
    /// WebSocket, `fusion.v1.protobuf`.
    Protobuf,
    /// Server-sent events: JSON.
    Events,
}

impl Encoding {
    /// Encodes a frame as the bytes that go over the connection.
    pub(super) fn encode(self, frame: Frame<'_>) -> Bytes {
        match self {
            Encoding::Json => message(text::write(&frame), Data::Text),
            Encoding::Protobuf => message(binary::write(std::iter::once(binary::message(frame))), Data::Binary),
            Encoding::Events => [b"data: ", &text::write(&frame)[..], b"\n\n"].concat().into(),
        }
    }

    /// Encodes replies that are ready at the same time as one message.
    pub(super) fn replies(self, mut replies: Vec<Reply>) -> Bytes {
        match (self, replies.len()) {
            (Encoding::Protobuf, _) => {
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

/// A frame for many connections, encoded once per encoding.
#[derive(Clone)]
pub(super) struct Shared {
    json: Bytes,
    protobuf: Bytes,
    events: Bytes,
}

impl Shared {
    /// Encodes a frame in every encoding.
    pub(super) fn of<'a>(frame: impl Fn() -> Frame<'a>) -> Self {
        Self::for_some(frame, |_| true)
    }

    /// Encodes a frame in the encodings that are `wanted`; the others stay empty.
    pub(super) fn for_some<'a>(frame: impl Fn() -> Frame<'a>, wanted: impl Fn(Encoding) -> bool) -> Self {
        let encode = |encoding: Encoding| if wanted(encoding) { encoding.encode(frame()) } else { Bytes::new() };
        Self { json: encode(Encoding::Json), protobuf: encode(Encoding::Protobuf), events: encode(Encoding::Events) }
    }

    pub(super) fn get(&self, encoding: Encoding) -> &Bytes {
        match encoding {
            Encoding::Json => &self.json,
            Encoding::Protobuf => &self.protobuf,
            Encoding::Events => &self.events,
        }
    }

    /// Concatenates several frames.
    pub(super) fn joined<'a>(all: impl Iterator<Item = &'a Shared> + Clone) -> Self {
        let join = |encoding| all.clone().map(|one| &one.get(encoding)[..]).collect::<Vec<_>>().concat().into();
        Self { json: join(Encoding::Json), protobuf: join(Encoding::Protobuf), events: join(Encoding::Events) }
    }
}

fn message(payload: Vec<u8>, kind: Data) -> Bytes {
    written(Message::message(payload, OpCode::Data(kind), true))
}

/// The frame that closes a WebSocket, with the reason.
pub(super) fn closing(why: Close) -> Bytes {
    written(Message::close(Some(CloseFrame { code: (why as u16).into(), reason: why.reason().into() })))
}

fn written(message: Message) -> Bytes {
    let mut bytes = Vec::with_capacity(message.len());
    // Writing to memory cannot fail.
    let _ = message.format(&mut bytes);
    bytes.into()
}
