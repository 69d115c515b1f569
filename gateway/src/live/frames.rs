//! Frames as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest name that a client may give a command.
const COMMAND_ID_BYTES_MAX: usize = 64;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    Hello {
        #[serde(default)]
        token: Option<String>,
        #[serde(default)]
        client: Option<String>,
    },
    Auth {
        token: String,
    },
    Subscribe {
        topic: String,
        #[serde(default)]
        since: Option<Place>,
    },
    Unsubscribe {
        topic: String,
    },
    Command(Command),
    Pong {},
}

/// Where a client was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

/// An operation of the REST API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Command {
    pub(super) id: CommandName,
    pub(super) name: String,
    #[serde(default)]
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) params: BTreeMap<String, Parameter>,
    #[serde(default)]
    pub(super) body: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) if_match: Option<u64>,
}

/// A client's own name of a command.
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

/// What stands in a path or a query.
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

/// Reads a message: one frame, or an array of them.
pub(super) fn read(text: &str) -> Result<Vec<Said>, serde_json::Error> {
    match text.trim_start().starts_with('[') {
        true => serde_json::from_str(text),
        false => serde_json::from_str(text).map(|frame| vec![frame]),
    }
}

/// What the server says.
#[derive(Debug, Serialize)]
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
        state: Option<&'a RawValue>,
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
        data: &'a RawValue,
    },
    Gap {
        topic: &'a str,
    },
    Reply {
        id: &'a CommandName,
        status: u16,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'a RawValue>,
    },
    Expiring {
        in_ms: u64,
    },
    Draining {
        reconnect_in_ms: u64,
    },
    Ping {},
}

/// What a client may do, in `welcome`.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    message_bytes: usize,
    frames: usize,
    subscriptions: usize,
    commands_in_flight: usize,
}

impl Limits {
    pub(super) const PRESENT: Self = Self {
        message_bytes: super::MESSAGE_BYTES_MAX,
        frames: super::FRAMES_MAX,
        subscriptions: super::SUBSCRIPTIONS_MAX,
        commands_in_flight: super::COMMANDS_MAX,
    };
}

impl Frame<'_> {
    /// As text. Our frames have string keys only: writing them to memory cannot fail.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// JSON that was written elsewhere.
pub(super) fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_frame_or_many_and_nothing_else() {
        assert!(matches!(&read(r#"{"op":"pong"}"#).unwrap()[..], [Said::Pong {}]));
        let two = r#" [{"op":"subscribe","topic":"orders"},{"op":"command","id":"a","name":"get_me"}]"#;
        assert_eq!(read(two).unwrap().len(), 2);
        for wrong in [
            "",
            "1",
            "{}",
            r#"{"op":"welcome"}"#,
            r#"{"op":"auth"}"#,
            r#"{"op":"auth","token":"x","extra":1}"#,
            r#"{"op":"command","id":1.5,"name":"get_me"}"#,
            r#"{"op":"command","id":-1,"name":"get_me"}"#,
            "[[]]",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
