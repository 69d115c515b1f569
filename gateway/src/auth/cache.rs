//! A cache of verified tokens: verifying a signature costs more than a reservation.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use parking_lot::{Mutex, RwLock};
use quick_cache::{Equivalent, sync::Cache};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    subject_status::{Cell, SubjectStatus},
    token::{Bearer, InvalidToken},
};

/// The maximum number of cached tokens, at some 700 bytes each. Beyond it the signatures of the least used are verified
/// again.
const TOKENS_MAX: usize = 262_144;
/// The number of parts of the ended sessions, each with its own lock.
const PARTS: usize = 64;
/// The maximum number of ended sessions and of ended subjects that are remembered until their tokens have expired.
const ENDED_MAX: usize = 262_144;

/// A verified token.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) bearer: Bearer,
    pub(crate) cell: Arc<Cell>,
}

impl Known {
    /// The current status of its subject.
    pub(crate) fn subject_status(&self) -> Arc<SubjectStatus> {
        self.cell.subject_status()
    }
}

/// The text of a token. Its hash is that of the last 64 characters of its signature, which no caller can choose;
/// equality compares the whole token.
#[derive(Debug, PartialEq, Eq)]
struct Token(Box<str>);

/// A token for a lookup.
struct TokenText<'a>(&'a str);

impl Hash for TokenText<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.as_bytes();
        state.write_u64(xxh3_64(&bytes[bytes.len().saturating_sub(64)..]));
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TokenText(&self.0).hash(state);
    }
}

impl Equivalent<Token> for TokenText<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        *self.0 == *token.0
    }
}

/// Verified tokens, and the sessions and subjects that ended early.
///
/// Ending a session costs the same however many tokens are cached: each lookup checks whether its session has ended, so
/// ending one does not have to search for its tokens.
#[derive(Debug)]
pub(crate) struct TokenCache {
    tokens: Cache<Token, Arc<Known>>,
    /// Ended sessions, and until when their tokens would have been valid.
    ended_sessions: Vec<RwLock<HashMap<u128, Timestamp>>>,
    /// Subjects: tokens issued before the first instant are invalid; the second is when those tokens expire.
    ended_subjects: Mutex<HashMap<(TenantId, SubjectId), (Timestamp, Timestamp)>>,
}

impl Default for TokenCache {
    fn default() -> Self {
        Self {
            tokens: Cache::new(TOKENS_MAX),
            ended_sessions: (0..PARTS).map(|_| RwLock::default()).collect(),
            ended_subjects: Mutex::default(),
        }
    }
}

impl TokenCache {
    /// Returns the token if it was verified before and is still valid.
    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.tokens.get(&TokenText(token)).filter(|known| known.bearer.expires_at > now)?;
        (!self.session_has_ended(&known.bearer)).then_some(known)
    }

    /// Stores a verified token, unless its session has ended meanwhile.
    pub(crate) fn keep(&self, token: &str, known: Arc<Known>) -> Result<(), InvalidToken> {
        self.tokens.insert(Token(token.into()), known.clone());
        // Checked after the insertion: an end in between is seen either here or by the next lookup.
        if self.has_ended(&known.bearer) {
            self.tokens.remove(&TokenText(token));
            return Err(InvalidToken::Ended);
        }
        Ok(())
    }

    fn ended_part(&self, session: u128) -> &RwLock<HashMap<u128, Timestamp>> {
        &self.ended_sessions[(session >> 64) as usize % PARTS]
    }

    fn session_has_ended(&self, bearer: &Bearer) -> bool {
        let family = bearer.family();
        self.ended_part(family).read().contains_key(&family)
    }

    fn has_ended(&self, bearer: &Bearer) -> bool {
        self.session_has_ended(bearer)
            || self
                .ended_subjects
                .lock()
                .get(&(bearer.tenant.clone(), bearer.subject))
                .is_some_and(|(before, _)| bearer.issued_at < *before)
    }

    /// Invalidates the tokens of a session, or a single token without a session. The caller has stored the end in the
    /// database already. The longest-lived token would be valid until `until`.
    pub(crate) fn end_session(&self, session: u128, until: Timestamp) {
        let is_full = {
            let mut ended = self.ended_part(session).write();
            let is_full = ended.len() >= ENDED_MAX / PARTS;
            if is_full {
                ended.clear();
            }
            ended.insert(session, until);
            is_full
        };
        if is_full {
            // The ended sessions were just discarded, so drop all tokens: each is checked against the database again.
            self.tokens.clear();
        }
    }

    /// Keeps tokens that were issued to a subject before `before` from being cached. Those already cached end with the
    /// subject's [`Cell`].
    pub(crate) fn end_subject(&self, tenant: &TenantId, subject: SubjectId, before: Timestamp, until: Timestamp) {
        let mut ended = self.ended_subjects.lock();
        if ended.len() < ENDED_MAX {
            ended.insert((tenant.clone(), subject), (before, until));
        }
    }

    /// Removes expired entries.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.tokens.retain(|_, known| known.bearer.expires_at > now);
        self.ended_sessions.iter().for_each(|ended| ended.write().retain(|_, until| *until > now));
        self.ended_subjects.lock().retain(|_, (_, until)| *until > now);
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
            id: 0,
            session: Some(session),
            issued_at: Timestamp(issued_at),
            expires_at: Timestamp(1_000),
            signed_in_at: None,
        };
        Arc::new(Known { bearer, cell: Cell::of(SubjectStatus::guest(SubjectId(subject))) })
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let cache = TokenCache::default();
        cache.keep("token", known(1, 1, 0)).unwrap();
        assert!(cache.find("token", Timestamp(999)).is_some());
        assert!(cache.find("token", Timestamp(1_000)).is_none());
        assert!(cache.find("tokem", Timestamp(0)).is_none());
    }

    #[test]
    fn an_ended_session_revokes_its_tokens() {
        let cache = TokenCache::default();
        cache.keep("a", known(1, 1, 0)).unwrap();
        cache.keep("b", known(1, 2, 0)).unwrap();
        cache.end_session(1, Timestamp(1_000));
        assert!(cache.find("a", Timestamp(0)).is_none() && cache.find("b", Timestamp(0)).is_some());
        assert_eq!(cache.keep("a", known(1, 1, 0)), Err(InvalidToken::Ended));
        assert!(cache.find("a", Timestamp(0)).is_none());
    }

    #[test]
    fn a_subjects_older_tokens_end_and_newer_ones_do_not() {
        let cache = TokenCache::default();
        cache.end_subject(&TenantId::new("acme").unwrap(), SubjectId(1), Timestamp(20), Timestamp(1_000));
        assert_eq!(cache.keep("old", known(1, 1, 10)), Err(InvalidToken::Ended));
        assert!(cache.keep("new", known(1, 1, 20)).is_ok());
        cache.sweep(Timestamp(1_000));
        assert!(cache.find("new", Timestamp(0)).is_none());
    }

    #[test]
    fn a_full_cache_stays_bounded() {
        let cache = TokenCache::default();
        for n in 0..TOKENS_MAX + 10_000 {
            cache.keep(&format!("token {n}"), known(n as u128, 1, 0)).unwrap();
        }
        assert!(cache.tokens.len() <= TOKENS_MAX && cache.tokens.len() > TOKENS_MAX / 2);
        // The newest is never the one that is evicted.
        assert!(cache.find(&format!("token {}", TOKENS_MAX + 9_999), Timestamp(0)).is_some());
    }

    #[test]
    fn more_ended_sessions_than_are_remembered_end_the_cache_and_not_the_ends() {
        let cache = TokenCache::default();
        cache.keep("a", known(1, 1, 0)).unwrap();
        for session in 1..=(ENDED_MAX / PARTS) as u128 + 1 {
            cache.end_session(session, Timestamp(1_000));
        }
        assert!(cache.find("a", Timestamp(0)).is_none());
        let remembered: usize = cache.ended_sessions.iter().map(|part| part.read().len()).sum();
        assert!(remembered <= ENDED_MAX);
    }

    #[test]
    fn a_session_can_be_ended_with_any_of_its_tokens() {
        // A sweep holds the lock of the part with the only token: an end that scanned the tokens would block.
        let cache = Arc::new(TokenCache::default());
        cache.keep("a", known(1, 1, 0)).unwrap();
        let (entered, sweeping) = std::sync::mpsc::channel();
        let (finish, finishing) = std::sync::mpsc::channel::<()>();
        let swept = cache.clone();
        let sweep = std::thread::spawn(move || {
            swept.tokens.retain(|_, _| {
                let _ = entered.send(());
                finishing.recv().is_err()
            });
        });
        sweeping.recv().unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        let other = cache.clone();
        let ending = std::thread::spawn(move || {
            other.end_session(1, Timestamp(1_000));
            let _ = done.send(());
        });
        let in_time = ended.recv_timeout(std::time::Duration::from_secs(10));
        drop(finish);
        sweep.join().unwrap();
        ending.join().unwrap();
        assert!(in_time.is_ok() && cache.find("a", Timestamp(0)).is_none());
    }
}
