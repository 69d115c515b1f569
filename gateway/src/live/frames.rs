//! Frames: the messages of a live connection, independent of their encoding.
//!
//! `schemas/fusion.v1.proto` defines them all. In JSON, a frame is an object; `op` names it, and its fields are beside
//! `op`.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use xxhash_rust::xxh3::xxh3_128;

use super::binary::proto;
use crate::{
    api::{ClaimWire, NewClaim},
    problem::Problem,
};

/// The maximum length in bytes of a command id chosen by a client.
const COMMAND_ID_BYTES_MAX: usize = 64;

/// The approximate size in bytes of a reply with a claim.
const REPLY_BYTES: usize = 256;

/// A frame from a client.
#[derive(Debug)]
pub(super) enum ClientFrame {
    Hello { token: Option<String>, client: Option<String> },
    Auth { token: String },
    Subscribe { topic: String, since: Option<Place> },
    Unsubscribe { topic: String },
    Command(Command),
    Pong,
}

/// The position of a client in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// A command: an operation of the REST API.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) id: CommandName,
    pub(super) key: Option<String>,
    pub(super) ask: Ask,
}

/// The operation that a command requests.
#[derive(Debug)]
pub(super) enum Ask {
    /// A claim of units of a drop. `drop` is the drop's id as the client wrote it.
    Claim { drop: String, body: NewClaim },
    /// The release of a claim.
    Release { drop: String, claim: String },
    /// Any other operation.
    Call(Call),
}

/// An operation by its `operationId`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) params: BTreeMap<String, Parameter>,
    /// JSON; empty where there is none.
    pub(super) body: Bytes,
    pub(super) if_match: Option<u64>,
}

/// A client's id of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum CommandName {
    Number(u64),
    Text(String),
}

impl CommandName {
    pub(super) fn fits(&self) -> bool {
        !matches!(self, CommandName::Text(text) if text.len() > COMMAND_ID_BYTES_MAX)
    }
}

/// A path or query parameter.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Parameter {
    Text(String),
    Number(i64),
    Truth(bool),
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Parameter::Text(text) => f.write_str(text),
            Parameter::Number(number) => number.fmt(f),
            Parameter::Truth(truth) => truth.fmt(f),
        }
    }
}

/// A frame from the server.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Frame<'a> {
    Welcome {
        server_time: u64,
        ping_ms: u64,
        limits: Limits,
    },
    Subscribed {
        topic: &'a str,
        epoch: &'a str,
        offset: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'a Standing>,
    },
    Refused {
        topic: &'a str,
        problem: &'a RawValue,
    },
    Event {
        topic: &'a str,
        offset: u64,
        r#type: &'a str,
        data: &'a serde_json::Value,
    },
    State {
        topic: &'a str,
        offset: u64,
        data: &'a Standing,
    },
    Gap {
        topic: &'a str,
    },
    Reply(Reply),
    Expiring {
        in_ms: u64,
    },
    Draining {
        reconnect_in_ms: u64,
    },
    Ping {},
}

/// The state of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The state as REST returns it.
    pub(crate) json: Box<RawValue>,
    /// The state of a drop as protobuf, for connections with that encoding.
    pub(crate) drop: Option<Box<proto::DropState>>,
    /// A version mark: two states with the same mark differ at most in their viewers.
    pub(crate) mark: Vec<u8>,
    /// The number of viewers. A change of it alone is published less often.
    pub(crate) viewers: usize,
    /// When the state changes by the clock alone.
    pub(crate) turns_at: Option<Timestamp>,
}

impl Standing {
    /// The state of a topic that has facts only.
    pub(super) fn nothing() -> Self {
        Self {
            json: raw("{}".to_owned()).unwrap_or_default(),
            drop: None,
            mark: Vec::new(),
            viewers: 0,
            turns_at: None,
        }
    }

    /// A state that is the body of a REST response.
    pub(crate) fn of(body: &impl Serialize) -> Result<Self, Problem> {
        let json = to_raw_value(body).map_err(|error| Problem::internal("topic", &error))?;
        let mark = xxh3_128(json.get().as_bytes()).to_le_bytes().to_vec();
        Ok(Self { json, drop: None, mark, viewers: 0, turns_at: None })
    }
}

impl Serialize for Standing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// The reply to a command.
#[derive(Serialize)]
pub(super) struct Reply {
    pub(super) id: CommandName,
    pub(super) status: u16,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<Box<RawValue>>,
}

impl Reply {
    /// The approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        let content_bytes = match (&self.body, &self.problem) {
            (Some(Body::Json(json)), _) | (None, Some(json)) => json.get().len(),
            _ => 0,
        };
        REPLY_BYTES + content_bytes
    }
}

/// The body of a successful reply.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body {
    Claim(Box<ClaimWire>),
    Json(Box<RawValue>),
}

/// The limits of a connection, sent in `welcome`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Limits {
    pub(super) message_bytes: usize,
    pub(super) frames: usize,
    pub(super) subscriptions: usize,
    pub(super) commands_in_flight: usize,
}

impl Limits {
    pub(super) const PRESENT: Self = Self {
        message_bytes: super::MESSAGE_BYTES_MAX,
        frames: super::FRAMES_MAX,
        subscriptions: super::SUBSCRIPTIONS_MAX,
        commands_in_flight: super::COMMANDS_MAX,
    };
}

/// Wraps JSON that was serialized elsewhere.
pub(super) fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}
