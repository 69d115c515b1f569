//! The messages to `fusion` over a WebSocket, and its answers, in both encodings.
//!
//! The generator shares the cores with the server, so JSON is not parsed: of an answer only the id and the status are
//! needed, which come first. A message in another form is an error, not a guess.

use memchr::memmem;
use prost::Message;
use serde_json::json;

use super::websocket::{BINARY, TEXT};
use crate::{
    error::{BenchError, Result},
    shop::Keys,
};

/// The code generated from the schema.
#[allow(clippy::all, missing_docs, unreachable_pub, dead_code)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/fusion.v1.rs"));
}

use proto::{Command, CreateClaim, Frame, Frames, Hello, command::Ask, frame::Op};

/// The beginning of an answer. `id` and `status` follow.
const REPLY: &[u8] = b"\"op\":\"reply\",\"id\":";

/// A subprotocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `fusion.v1.json`.
    Json,
    /// `fusion.v1.protobuf`.
    Protobuf,
}

impl Encoding {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Protobuf => "protobuf",
        }
    }

    /// The name in a handshake.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Json => "fusion.v1.json",
            Self::Protobuf => "fusion.v1.protobuf",
        }
    }

    /// The opcode of its messages.
    pub(crate) fn opcode(self) -> u8 {
        match self {
            Self::Json => TEXT,
            Self::Protobuf => BINARY,
        }
    }

    /// The first message of a connection.
    pub(crate) fn hello(self, token: &str) -> Vec<u8> {
        match self {
            Self::Json => json!({"op": "hello", "token": token}).to_string().into_bytes(),
            Self::Protobuf => {
                let hello = Hello { token: Some(token.to_owned()), client: None };
                Frames { frames: vec![Frame { op: Some(Op::Hello(hello)) }] }.encode_to_vec()
            }
        }
    }

    /// Whether a message is the answer to `hello`.
    pub(crate) fn is_welcome(self, message: &[u8]) -> bool {
        match self {
            Self::Json => message.starts_with(b"{\"op\":\"welcome\""),
            Self::Protobuf => Frames::decode(message)
                .is_ok_and(|frames| matches!(&frames.frames[..], [Frame { op: Some(Op::Welcome(_)) }])),
        }
    }

    /// Calls `each` with the id and the status of every answer in a message, and returns their number: 0 for any other
    /// message.
    pub(crate) fn replies(self, message: &[u8], mut each: impl FnMut(u64, u16) -> Result<()>) -> Result<usize> {
        let odd = || BenchError::unexpected("a message from fusion", 0, message);
        if self == Self::Protobuf {
            let frames = Frames::decode(message).map_err(|_| odd())?.frames;
            let mut count = 0;
            for frame in frames {
                if let Some(Op::Reply(reply)) = frame.op {
                    let status = u16::try_from(reply.status).map_err(|_| odd())?;
                    each(reply.id, status)?;
                    count += 1;
                }
            }
            return Ok(count);
        }
        let mut count = 0;
        for at in memmem::find_iter(message, REPLY) {
            let rest = &message[at + REPLY.len()..];
            let (id, rest) = number(rest).ok_or_else(odd)?;
            let (status, _) = rest.strip_prefix(b",\"status\":").and_then(number).ok_or_else(odd)?;
            each(id, u16::try_from(status).map_err(|_| odd())?)?;
            count += 1;
        }
        if count == 0 && !message.starts_with(b"{\"op\":\"") {
            return Err(odd());
        }
        Ok(count)
    }
}

/// The number at the beginning of a text, and the rest.
pub(crate) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// The number after the last occurrence of a key in JSON.
pub(crate) fn field(message: &[u8], key: &[u8]) -> Option<u64> {
    Some(number(&message[memmem::rfind(message, key)? + key.len()..])?.0)
}

/// Writes messages with claims of one unit each.
pub(crate) struct ClaimWriter {
    encoding: Encoding,
    sku: String,
    keys: Keys,
    /// Reused from message to message, so that nothing is allocated.
    frames: Frames,
}

impl ClaimWriter {
    /// Creates a writer. `family` makes the idempotency keys unique.
    pub(crate) fn new(encoding: Encoding, sku: &str, family: u16) -> Self {
        Self { encoding, sku: sku.to_owned(), keys: Keys::new(family), frames: Frames { frames: Vec::new() } }
    }

    /// Appends one message with a claim for each of `claims`: its id, and the drop.
    pub(crate) fn write<'d>(&mut self, claims: impl ExactSizeIterator<Item = (u64, &'d str)>, out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Json => self.write_json(claims, out),
            Encoding::Protobuf => self.write_protobuf(claims, out),
        }
    }

    fn write_json<'d>(&mut self, claims: impl ExactSizeIterator<Item = (u64, &'d str)>, out: &mut Vec<u8>) {
        use std::io::Write;
        let many = claims.len() > 1;
        out.extend_from_slice(if many { b"[" } else { b"" });
        for (index, (id, drop)) in claims.enumerate() {
            out.extend_from_slice(if index > 0 { b"," } else { b"" });
            // Writing to memory cannot fail.
            let _ = write!(out, "{{\"op\":\"command\",\"id\":{id},\"key\":\"");
            self.keys.write(out);
            for part in
                ["\",\"name\":\"create_claim\",\"params\":{\"id\":\"", drop, "\"},\"body\":{\"sku\":\"", &self.sku]
            {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(b"\",\"quantity\":1}}");
        }
        out.extend_from_slice(if many { b"]" } else { b"" });
    }

    fn write_protobuf<'d>(&mut self, claims: impl ExactSizeIterator<Item = (u64, &'d str)>, out: &mut Vec<u8>) {
        let sku = &self.sku;
        self.frames.frames.resize_with(claims.len(), || {
            let claim = CreateClaim { drop_id: String::new(), sku: Some(sku.clone()), quantity: 1 };
            let command = Command { id: 0, key: Some(String::new()), ask: Some(Ask::CreateClaim(claim)) };
            Frame { op: Some(Op::Command(command)) }
        });
        let mut key_bytes = Vec::with_capacity(crate::shop::KEY_BYTES);
        for ((id, drop), frame) in claims.zip(&mut self.frames.frames) {
            let Some(Op::Command(command)) = &mut frame.op else { continue };
            command.id = id;
            if let Some(key) = &mut command.key {
                key_bytes.clear();
                self.keys.write(&mut key_bytes);
                key.clear();
                key.push_str(std::str::from_utf8(&key_bytes).unwrap_or_default());
            }
            if let Some(Ask::CreateClaim(claim)) = &mut command.ask {
                claim.drop_id.clear();
                claim.drop_id.push_str(drop);
            }
        }
        // A vector grows as needed, so this cannot fail.
        let _ = self.frames.encode(out);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn on_message(encoding: Encoding, message: &[u8]) -> Result<Vec<(u64, u16)>> {
        let mut all = Vec::new();
        let count = encoding.replies(message, |id, status| {
            all.push((id, status));
            Ok(())
        })?;
        assert_eq!(count, all.len());
        Ok(all)
    }

    #[test]
    fn every_answer_of_a_message_is_counted_with_its_own_name() {
        let one = |id: u64, status: u16| format!(r#"{{"op":"reply","id":{id},"status":{status},"body":{{"id":"x"}}}}"#);
        assert_eq!(on_message(Encoding::Json, one(7, 201).as_bytes()).expect("one"), [(7, 201)]);
        let many = format!("[{},{},{}]", one(0, 201), one(63, 409), one(5, 503));
        assert_eq!(on_message(Encoding::Json, many.as_bytes()).expect("three"), [(0, 201), (63, 409), (5, 503)]);
        assert_eq!(on_message(Encoding::Json, br#"{"op":"ping"}"#).expect("a ping"), []);
        for odd in [&b"[]"[..], b"", b"{}", br#"{"op":"reply","id":"text","status":1}"#, br#"{"op":"reply","id":1}"#] {
            assert!(on_message(Encoding::Json, odd).is_err(), "{}", String::from_utf8_lossy(odd));
        }
    }

    #[test]
    fn an_answer_inside_a_string_is_ignored() {
        let message = br#"{"op":"reply","id":1,"status":409,"problem":{"detail":"\"op\":\"reply\",\"id\":2"}}"#;
        assert_eq!(on_message(Encoding::Json, message).expect("one"), [(1, 409)]);
    }

    #[test]
    fn the_same_in_protobuf() {
        let reply = |id, status| Frame { op: Some(Op::Reply(proto::Reply { id, status, ..proto::Reply::default() })) };
        let ping = Frame { op: Some(Op::Ping(proto::Ping {})) };
        let message = Frames { frames: vec![reply(3, 201), ping, reply(4, 409)] }.encode_to_vec();
        assert_eq!(on_message(Encoding::Protobuf, &message).expect("two"), [(3, 201), (4, 409)]);
        assert!(on_message(Encoding::Protobuf, b"\xff\xff").is_err());
    }

    #[test]
    fn a_message_of_claims_has_each_of_them_with_a_key_of_its_own() {
        for count in [1_u64, 3] {
            let claims = || (0..count).map(|id| (id, "DROP")).collect::<Vec<_>>().into_iter();
            let mut json = Vec::new();
            ClaimWriter::new(Encoding::Json, "SKU", 1).write(claims(), &mut json);
            let received: Value = serde_json::from_slice(&json).expect("JSON");
            let frames = received.as_array().cloned().unwrap_or_else(|| vec![received.clone()]);
            assert_eq!((frames.len() as u64, received.is_array()), (count, count > 1));

            let mut bytes = Vec::new();
            let mut writer = ClaimWriter::new(Encoding::Protobuf, "SKU", 1);
            writer.write(vec![(9, "OTHER"); 5].into_iter(), &mut Vec::new());
            writer.write(claims(), &mut bytes);
            let binary = Frames::decode(&bytes[..]).expect("protobuf").frames;
            assert_eq!(binary.len() as u64, count, "nothing is left of a longer message before it");

            let mut keys = std::collections::HashSet::new();
            for (id, (json, binary)) in frames.iter().zip(binary).enumerate() {
                assert_eq!(json["id"], id);
                assert_eq!(json["body"], serde_json::json!({"sku": "SKU", "quantity": 1}));
                let Some(Op::Command(command)) = binary.op else { panic!("a command") };
                assert_eq!((command.id as usize, &json["params"]["id"]), (id, &Value::from("DROP")));
                let Some(Ask::CreateClaim(claim)) = command.ask else { panic!("a claim") };
                assert_eq!((&claim.drop_id[..], claim.sku.as_deref(), claim.quantity), ("DROP", Some("SKU"), 1));
                assert!(keys.insert(json["key"].to_string()) && keys.insert(command.key.expect("a key")));
            }
        }
    }

    #[test]
    fn numbers_are_found_behind_their_keys() {
        let state = br#"{"items":[{"held":3}],"held":41,"sold":0}"#;
        assert_eq!((field(state, b"\"held\":"), field(state, b"\"gone\":")), (Some(41), None));
        assert_eq!(number(b"12,"), Some((12, &b","[..])));
        assert_eq!(number(b"x"), None);
    }
}
