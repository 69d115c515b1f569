//! Frames as JSON.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Error, value::RawValue};

use super::frames::{Ask, Call, ClientFrame, Command, CommandName, Frame, Parameter, Place};

/// The name of a frame. Its fields are parsed once the name is known.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    token: Option<String>,
    client: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Auth {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe<'a> {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    topic: String,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsubscribe {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    topic: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Commanded<'a> {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    id: CommandName,
    name: String,
    key: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, Parameter>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    if_match: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pong {
    #[serde(rename = "op")]
    _op: IgnoredAny,
}

/// Parses a message: one frame, or an array of frames.
pub(super) fn read(text: &str) -> Result<Vec<ClientFrame>, Error> {
    if text.trim_start().starts_with('[') {
        let frames: Vec<&RawValue> = serde_json::from_str(text)?;
        return frames.into_iter().map(|frame| frame_of(frame.get())).collect();
    }
    frame_of(text).map(|frame| vec![frame])
}

fn frame_of(text: &str) -> Result<ClientFrame, Error> {
    is_object(text)?;
    let Named { op } = serde_json::from_str(text)?;
    Ok(match &*op {
        "hello" => {
            let Hello { token, client, .. } = serde_json::from_str(text)?;
            ClientFrame::Hello { token, client }
        }
        "auth" => ClientFrame::Auth { token: serde_json::from_str::<Auth>(text)?.token },
        "subscribe" => {
            let Subscribe { topic, since, .. } = serde_json::from_str(text)?;
            ClientFrame::Subscribe { topic, since: since.map(|since| place_of(since.get())).transpose()? }
        }
        "unsubscribe" => ClientFrame::Unsubscribe { topic: serde_json::from_str::<Unsubscribe>(text)?.topic },
        "command" => ClientFrame::Command(command_of(serde_json::from_str(text)?)),
        "pong" => {
            serde_json::from_str::<Pong>(text)?;
            ClientFrame::Pong
        }
        _ => return Err(serde::de::Error::custom("is not a known frame type")),
    })
}

fn place_of(text: &str) -> Result<Place, Error> {
    is_object(text)?;
    serde_json::from_str(text)
}

fn command_of(command: Commanded<'_>) -> Command {
    let Commanded { id, name, key, params, body, if_match, .. } = command;
    let call = Call { name, params, body: body.map_or_else(Bytes::new, |body| body.get().to_owned().into()), if_match };
    Command { id, key, ask: quick(call) }
}

/// Rejects an array, which serde would accept as the fields of an object in their order, contrary to the documentation.
fn is_object(text: &str) -> Result<(), Error> {
    match text.trim_start().starts_with('{') {
        true => Ok(()),
        false => Err(serde::de::Error::custom("must be an object")),
    }
}

/// Recognizes claims and releases, which have a fast path. Any irregularity is left to the operation itself to report.
fn quick(mut call: Call) -> Ask {
    let named = |call: &mut Call, name: &str| match call.params.remove(name) {
        Some(Parameter::Text(text)) => Some(text),
        Some(other) => {
            call.params.insert(name.to_owned(), other);
            None
        }
        None => None,
    };
    if call.if_match.is_some() {
        return Ask::Call(call);
    }
    match (&call.name[..], call.params.len()) {
        ("create_claim", 1) if call.body.starts_with(b"{") && !call.body.windows(4).any(|word| word == b"null") => {
            let Ok(body) = serde_json::from_slice(&call.body) else { return Ask::Call(call) };
            match named(&mut call, "id") {
                Some(drop) => Ask::Claim { drop, body },
                None => Ask::Call(call),
            }
        }
        ("release_claim", 2) if call.body.is_empty() => {
            let names = (named(&mut call, "id"), named(&mut call, "claim_id"));
            match names {
                (Some(drop), Some(claim)) => Ask::Release { drop, claim },
                (drop, claim) => {
                    let back = [("id", drop), ("claim_id", claim)].into_iter();
                    let back = back.filter_map(|(name, text)| Some((name.to_owned(), Parameter::Text(text?))));
                    call.params.extend(back);
                    Ask::Call(call)
                }
            }
        }
        _ => Ask::Call(call),
    }
}

/// Serializes a frame. Frames have string keys only, so writing them to memory cannot fail.
pub(super) fn write(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let _ = serde_json::to_writer(&mut bytes, frame);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_frame_or_many_and_nothing_else() {
        assert!(matches!(&read(r#"{"op":"pong"}"#).unwrap()[..], [ClientFrame::Pong]));
        let two = r#" [{"op":"subscribe","topic":"orders"},{"op":"command","id":"a","name":"get_me"}]"#;
        assert_eq!(read(two).unwrap().len(), 2);
        for wrong in [
            "",
            "1",
            "{}",
            r#"{"op":"welcome"}"#,
            r#"{"op":"auth"}"#,
            r#"{"op":"auth","token":"x","extra":1}"#,
            r#"{"op":"auth","token":"x","token":"y"}"#,
            r#"{"op":"command","id":1.5,"name":"get_me"}"#,
            r#"{"op":"command","id":-1,"name":"get_me"}"#,
            r#"{"op":"pong","op":"pong"}"#,
            r#"[["pong"]]"#,
            r#"{"op":"subscribe","topic":"orders","since":["e",1]}"#,
            "[[]]",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn claims_are_recognised_and_others_are_passed_to_the_operation() {
        let ask = |rest: &str| match read(&format!(r#"{{"op":"command","id":1,{rest}}}"#)).unwrap().pop() {
            Some(ClientFrame::Command(command)) => command.ask,
            other => panic!("{other:?}"),
        };
        let claim = ask(r#""name":"create_claim","params":{"id":"D"},"body":{"quantity":2}"#);
        assert!(matches!(&claim, Ask::Claim { drop, .. } if drop == "D"), "{claim:?}");
        let release = ask(r#""name":"release_claim","params":{"id":"D","claim_id":"C"}"#);
        assert!(matches!(&release, Ask::Release { drop, claim } if drop == "D" && claim == "C"), "{release:?}");
        for odd in [
            r#""name":"create_claim","params":{"id":"D"},"body":{"quantity":"2"}"#,
            r#""name":"create_claim","params":{"id":"D"},"body":{"quantity":1,"sku":null}"#,
            r#""name":"create_claim","params":{"id":7},"body":{"quantity":1}"#,
            r#""name":"create_claim","params":{"id":"D","limit":1},"body":{"quantity":1}"#,
            r#""name":"create_claim","params":{"id":"D"},"body":["SKU",1]"#,
            r#""name":"create_claim","params":{"id":"D"}"#,
            r#""name":"release_claim","params":{"id":"D","claim_id":1}"#,
            r#""name":"get_me""#,
        ] {
            let Ask::Call(call) = ask(odd) else { panic!("{odd}") };
            let params_kept =
                odd.matches("\":").count() - 1 - usize::from(odd.contains("params")) - odd.matches("body").count();
            let inner = odd.matches("quantity").count() + odd.matches("sku").count();
            assert_eq!(call.params.len(), params_kept - inner, "{odd}");
        }
    }
}
