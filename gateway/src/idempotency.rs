//! Idempotency: the key of a request, and the command ids derived from it.

use actors::CommandMeta;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use engine::id::{CommandId, Fingerprint, SubjectId};
use serde::Serialize;

use crate::{
    auth::Identity,
    edge::Arrival,
    problem::{Code, Problem},
};

/// The header with the key.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that marks the response of a duplicate.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The maximum length of a key in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// The idempotency key of a request, with its request id. As an extractor: 400 without a key.
#[derive(Debug, Clone)]
pub struct Key {
    text: String,
    request_id: u128,
}

/// An idempotency key where it is optional: a change that names the version it is based on is harmless to repeat.
/// Without a key every request is a command of its own.
#[derive(Debug, Clone)]
pub struct OptionalKey(pub Key);

/// Keyed locks: commands with the same id run one after the other, where no single entity sees them all.
#[derive(Debug)]
pub(crate) struct Turns([tokio::sync::Mutex<()>; TURNS]);

/// Enough that commands with different ids seldom wait for each other.
const TURNS: usize = 64;

impl Default for Turns {
    fn default() -> Self {
        Self([const { tokio::sync::Mutex::const_new(()) }; TURNS])
    }
}

impl Turns {
    /// Waits for the lock of a command id and holds it until the guard is dropped.
    pub(crate) async fn take(&self, name: CommandId) -> tokio::sync::MutexGuard<'_, ()> {
        self.0[(name.0 % TURNS as u128) as usize].lock().await
    }
}

fn read(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut key_of = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = key_of.next() else { return Ok(None) };
    match key.to_str() {
        Ok(text) if fits(text) && key_of.next().is_none() => Ok(Some(text)),
        _ => Err(Problem::new(Code::IdempotencyKeyInvalid)),
    }
}

/// Whether a text is a valid key.
fn fits(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

impl Key {
    fn of(text: String, parts: &Parts) -> Self {
        let request_id = parts.extensions.get::<Arrival>().map_or(0, |arrival| arrival.id.number());
        Self { text, request_id }
    }

    /// The key of a command that arrives by another way than HTTP.
    pub fn new(text: &str, request_id: u128) -> Result<Self, Problem> {
        // HTTP ignores whitespace around the value of a header.
        let text = text.trim_matches([' ', '\t']);
        match fits(text) {
            true => Ok(Self { text: text.to_owned(), request_id }),
            false => Err(Problem::new(Code::IdempotencyKeyInvalid)),
        }
    }

    /// The text of the key.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The metadata of `command`, which `identity` sends as `operation` on `target`.
    ///
    /// The same operation, target and key of the same person give the same command id. `target` is empty for a command
    /// that creates something.
    pub fn meta(&self, identity: &Identity, operation: &str, target: &[u8], command: &impl Serialize) -> CommandMeta {
        let name = |subject: SubjectId| {
            CommandId::derive(&[
                identity.tenant().as_str().as_bytes(),
                &subject.to_bytes(),
                operation.as_bytes(),
                target,
                self.text.as_bytes(),
            ])
        };
        let (fingerprint, former) = (Fingerprint::of(command), Fingerprint::with_nulls(command));
        CommandMeta {
            command_id: name(identity.subject()),
            former_ids: identity.subject_status().former.iter().copied().map(name).collect(),
            fingerprint,
            former_fingerprint: (former != fingerprint).then_some(former),
            request_id: self.request_id,
            timeout: actors::ask::ASK_TIMEOUT,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = read(&parts.headers)?.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))?.to_owned();
        Ok(Self::of(text, parts))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OptionalKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = match read(&parts.headers)? {
            Some(text) => text.to_owned(),
            // A generated key has a control character in it, so that no caller can have chosen it.
            None => {
                format!("\u{1}{}", crate::auth::keys::random128().map_err(|error| Problem::internal("keys", &error))?)
            }
        };
        Ok(Self(Key::of(text, parts)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key_of(keys: &[&[u8]]) -> Result<Option<String>, Code> {
        let values = keys.iter().map(|key| (IDEMPOTENCY_KEY, HeaderValue::from_bytes(key).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        read(&headers).map(|key| key.map(str::to_owned)).map_err(|problem| problem.code())
    }

    #[test]
    fn a_key_has_rules() {
        assert_eq!(key_of(&[]), Ok(None));
        assert_eq!(key_of(&[b"order 7~"]), Ok(Some("order 7~".to_owned())));
        assert!(key_of(&[&[b'k'; KEY_BYTES_MAX]]).is_ok());
        for odd in [&[b'k'; KEY_BYTES_MAX + 1][..], b"", b"a\tb", "ä".as_bytes(), b"\xff"] {
            assert_eq!(key_of(&[odd]), Err(Code::IdempotencyKeyInvalid), "{odd:?}");
        }
        assert_eq!(key_of(&[b"a", b"b"]), Err(Code::IdempotencyKeyInvalid));
    }
}
