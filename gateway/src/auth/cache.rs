//! Tokens that were found good: a signature check costs more than a reservation.

use std::{collections::HashMap, sync::Arc};

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use parking_lot::{Mutex, RwLock};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    standing::{Cell, Standing},
    token::{Bearer, InvalidToken},
};

/// The most tokens that are kept, at some 700 bytes each. Beyond that a token's signature is checked anew.
const TOKENS_MAX: usize = 262_144;
/// Parts with a lock of their own.
const PARTS: usize = 64;
/// The most sessions and subjects whose end is remembered until their tokens have expired.
const ENDED_MAX: usize = 262_144;

/// A token that was found good.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) bearer: Bearer,
    pub(crate) cell: Arc<Cell>,
}

impl Known {
    /// What its subject is by now.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.cell.standing()
    }
}

type Part = HashMap<u64, (Box<str>, Arc<Known>)>;

/// Good tokens, and what ended before its time.
#[derive(Debug)]
pub(crate) struct TokenCache {
    parts: Vec<RwLock<Part>>,
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    /// Sessions, and until when their tokens would have been good.
    sessions: HashMap<u128, Timestamp>,
    /// Subjects: tokens given out before the first instant are worthless; the second is when they expire.
    subjects: HashMap<(TenantId, SubjectId), (Timestamp, Timestamp)>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| RwLock::default()).collect(), ended: Mutex::default() }
    }
}

impl TokenCache {
    /// Where a token is kept: by its signature's last 64 characters, which nobody can choose. Two tokens with the same
    /// hash displace each other; the whole token is compared.
    fn hash(token: &str) -> u64 {
        let bytes = token.as_bytes();
        xxh3_64(&bytes[bytes.len().saturating_sub(64)..])
    }

    fn part(&self, hash: u64) -> &RwLock<Part> {
        &self.parts[(hash >> 48) as usize % PARTS]
    }

    /// The token, if it was found good and still is.
    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Arc<Known>> {
        let hash = Self::hash(token);
        let part = self.part(hash).read();
        let (text, known) = part.get(&hash)?;
        (**text == *token && known.bearer.expires_at > now).then(|| known.clone())
    }

    /// Keeps a token that was found good, unless its session has ended meanwhile.
    pub(crate) fn keep(&self, token: &str, known: Arc<Known>, now: Timestamp) -> Result<(), InvalidToken> {
        let hash = Self::hash(token);
        {
            let mut part = self.part(hash).write();
            if part.len() >= TOKENS_MAX / PARTS && !part.contains_key(&hash) {
                part.retain(|_, (_, known)| known.bearer.expires_at > now);
                if part.len() >= TOKENS_MAX / PARTS {
                    let any = part.keys().next().copied();
                    any.map(|any| part.remove(&any));
                }
            }
            part.insert(hash, (token.into(), known.clone()));
        }
        // Looked at after the token is in: an end that came in between has either removed it, or is seen here.
        if self.has_ended(&known.bearer) {
            self.part(hash).write().remove(&hash);
            return Err(InvalidToken::Ended);
        }
        Ok(())
    }

    fn has_ended(&self, bearer: &Bearer) -> bool {
        let ended = self.ended.lock();
        bearer.session.is_some_and(|session| ended.sessions.contains_key(&session))
            || ended
                .subjects
                .get(&(bearer.tenant.clone(), bearer.subject))
                .is_some_and(|(before, _)| bearer.issued_at < *before)
    }

    /// Makes the tokens of a session worthless. The longest-lived would be good until `until`.
    pub(crate) fn end_session(&self, session: u128, until: Timestamp) {
        {
            let mut ended = self.ended.lock();
            if ended.sessions.len() < ENDED_MAX {
                ended.sessions.insert(session, until);
            }
        }
        self.forget(|bearer| bearer.session == Some(session));
    }

    /// Makes the tokens worthless that a subject was given before `before`.
    pub(crate) fn end_subject(&self, tenant: &TenantId, subject: SubjectId, before: Timestamp, until: Timestamp) {
        {
            let mut ended = self.ended.lock();
            if ended.subjects.len() < ENDED_MAX {
                ended.subjects.insert((tenant.clone(), subject), (before, until));
            }
        }
        self.forget(|bearer| bearer.subject == subject && bearer.tenant == *tenant && bearer.issued_at < before);
    }

    fn forget(&self, which: impl Fn(&Bearer) -> bool) {
        for part in &self.parts {
            part.write().retain(|_, (_, known)| !which(&known.bearer));
        }
    }

    /// Forgets what has expired.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.forget(|bearer| bearer.expires_at <= now);
        let mut ended = self.ended.lock();
        ended.sessions.retain(|_, until| *until > now);
        ended.subjects.retain(|_, (_, until)| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(subject: u128, session: u128, issued_at: u64) -> Arc<Known> {
        let bearer = Bearer {
            tenant: TenantId::new("acme").unwrap(),
            subject: SubjectId(subject),
            role: None,
            session: Some(session),
            issued_at: Timestamp(issued_at),
            expires_at: Timestamp(1_000),
        };
        Arc::new(Known { bearer, cell: Cell::of(Standing::guest(SubjectId(subject))) })
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let cache = TokenCache::default();
        cache.keep("token", known(1, 1, 0), Timestamp(0)).unwrap();
        assert!(cache.find("token", Timestamp(999)).is_some());
        assert!(cache.find("token", Timestamp(1_000)).is_none());
        assert!(cache.find("tokem", Timestamp(0)).is_none());
    }

    #[test]
    fn an_ended_session_takes_its_tokens_along_and_lets_none_in() {
        let cache = TokenCache::default();
        cache.keep("a", known(1, 1, 0), Timestamp(0)).unwrap();
        cache.keep("b", known(1, 2, 0), Timestamp(0)).unwrap();
        cache.end_session(1, Timestamp(1_000));
        assert!(cache.find("a", Timestamp(0)).is_none() && cache.find("b", Timestamp(0)).is_some());
        assert_eq!(cache.keep("a", known(1, 1, 0), Timestamp(0)), Err(InvalidToken::Ended));
        assert!(cache.find("a", Timestamp(0)).is_none());
    }

    #[test]
    fn a_subjects_older_tokens_end_and_newer_ones_do_not() {
        let cache = TokenCache::default();
        cache.keep("old", known(1, 1, 10), Timestamp(0)).unwrap();
        cache.end_subject(&TenantId::new("acme").unwrap(), SubjectId(1), Timestamp(20), Timestamp(1_000));
        assert!(cache.find("old", Timestamp(0)).is_none());
        assert!(cache.keep("new", known(1, 1, 20), Timestamp(0)).is_ok());
        cache.sweep(Timestamp(1_000));
        assert!(cache.find("new", Timestamp(0)).is_none());
    }

    #[test]
    fn a_full_cache_stays_bounded() {
        let cache = TokenCache::default();
        for n in 0..TOKENS_MAX + 10_000 {
            cache.keep(&format!("token {n}"), known(n as u128, 1, 0), Timestamp(0)).unwrap();
        }
        let kept: usize = cache.parts.iter().map(|part| part.read().len()).sum();
        assert!(kept <= TOKENS_MAX);
    }
}
