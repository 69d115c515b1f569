//! Sessions: how they start, are renewed, are transferred to an account, and end.
//!
//! A session is a family of refresh tokens, each for single use. A stored one is `r1.{tenant}.{secret}`. The first one
//! of a guest is signed instead and stored in no table: many new guests cost signatures, not transactions. It is stored
//! when it is used, and rejected once its family was ended or its guest has an account.

use std::{sync::Arc, time::Duration};

use data_encoding::HEXLOWER;
use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use persistence::sql::{NewRefreshToken, ReadSide, RotateError, Rotated, StoreError, TokenHash};
use sha2::{Digest, Sha256};

use super::{
    attempts::Attempts,
    cache::{Known, TokenCache},
    identity::Identity,
    keys::{KeyError, Keys, keyed_hash, random, random128},
    password::Passwords,
    subject_status::{SubjectStatus, SubjectStatuses},
    token::{Bearer, InvalidToken, Issuer, Role},
};
use crate::{
    Settings,
    idempotency::Key,
    problem::{Code, Problem},
};

/// The prefix of a stored refresh token.
const STORED: &str = "r1";
/// The lifetime of an access token, and how long a session may continue without being used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    access: Duration,
    pub(super) refresh: Duration,
}

/// The tokens of a session that is started or renewed.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// The access token.
    pub token: String,
    /// The first instant at which it is no longer valid.
    pub expires_at: Timestamp,
    /// The refresh token that buys the next tokens, once.
    pub refresh_token: String,
    /// The subject: the guest, or the account.
    pub subject: SubjectId,
    /// The role.
    pub role: Option<Role>,
}

/// Why the caller of a request is not recognized.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrecognised {
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// The token could not be checked.
    #[error("{0:?}")]
    Trouble(Problem),
}

impl From<Problem> for Unrecognised {
    fn from(problem: Problem) -> Self {
        Unrecognised::Trouble(problem)
    }
}

impl From<StoreError> for Unrecognised {
    fn from(why: StoreError) -> Self {
        Unrecognised::Trouble(why.into())
    }
}

impl From<Unrecognised> for Problem {
    fn from(why: Unrecognised) -> Self {
        match why {
            Unrecognised::Token(why) => invalid(why),
            Unrecognised::Trouble(problem) => problem,
        }
    }
}

/// Starts sessions and identifies callers.
pub struct Sessions {
    issuer: Issuer,
    pub(super) cache: TokenCache,
    pub(super) subject_statuses: SubjectStatuses,
    pub(super) read_side: ReadSide,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(super) lifetimes: Lifetimes,
    /// The key that the next refresh token derives with.
    refresh_key: [u8; 32],
}

impl Sessions {
    pub(crate) fn new(
        issuer: Issuer,
        keys: &Keys,
        read_side: ReadSide,
        passwords: Passwords,
        settings: &Settings,
    ) -> Self {
        let lifetimes = Lifetimes { access: settings.token_ttl, refresh: settings.refresh_ttl };
        let (cache, subject_statuses) = (TokenCache::default(), SubjectStatuses::default());
        let refresh_key = keys.derive("refresh tokens");
        let attempts = Attempts::new(keys, read_side.clone());
        Self { issuer, cache, subject_statuses, read_side, passwords, attempts, lifetimes, refresh_key }
    }

    /// The issuer that signs tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the identity of a token.
    pub(crate) async fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, Problem> {
        Ok(self.recognise(token, now).await?)
    }

    /// Returns the identity of a token, or why there is none.
    pub(crate) async fn recognise(&self, token: &str, now: Timestamp) -> Result<Identity, Unrecognised> {
        let known = match self.cache.find(token, now) {
            Some(known) => known,
            None => self.look_closer(token, now).await?,
        };
        let subject_status = known.subject_status();
        let bearer = &known.bearer;
        // A guest's token ends when the guest gets an account: another person who knew it must not act for the account.
        let was_guest = bearer.role.is_none() && (subject_status.customer || subject_status.subject != bearer.subject);
        let is_older = |from| bearer.issued_at < from;
        if was_guest
            || subject_status.erased
            || subject_status.tokens_from.is_some_and(is_older)
            || known.cell.has_ended(bearer.issued_at)
        {
            return Err(InvalidToken::Ended.into());
        }
        Ok(Identity::new(known, subject_status))
    }

    /// Verifies a token that is not cached: sessions that ended before a restart stay ended.
    async fn look_closer(&self, token: &str, now: Timestamp) -> Result<Arc<Known>, Unrecognised> {
        let bearer = self.issuer.verify_access(token, now)?;
        // The shop was never created, or is removed: data written for it would belong to no one.
        if self.read_side.tenant(&bearer.tenant).await?.is_none() {
            return Err(InvalidToken::Ended.into());
        }
        if self.was_ended(&bearer, now).await? {
            return Err(InvalidToken::Ended.into());
        }
        let cell = self.subject_statuses.cell(&self.read_side, &bearer.tenant, bearer.subject).await?;
        let known = Arc::new(Known { bearer, cell });
        self.cache.keep(token, known.clone())?;
        Ok(known)
    }

    /// Whether the database records the end of a token's session. An account's session is stored until it ends. A
    /// guest's may not be stored, so its end is stored; likewise for a token without a session.
    async fn was_ended(&self, bearer: &Bearer, now: Timestamp) -> Result<bool, Problem> {
        Ok(match (bearer.session, bearer.role) {
            (None, _) => self.read_side.token_has_ended(&bearer.tenant, bearer.id).await?,
            (Some(family), Some(_)) => !self.read_side.has_session(&bearer.tenant, family, now).await?,
            (Some(family), None) => self.read_side.has_session(&bearer.tenant, end_of(family), now).await?,
        })
    }

    /// Starts a session of a new guest.
    pub(crate) fn start_guest(&self, tenant: &TenantId, now: Timestamp) -> Result<Grant, Problem> {
        let subject = SubjectId(random128().map_err(no_key)?);
        let family = random128().map_err(no_key)?;
        let bearer = |ttl| Issuer::bearer(tenant, subject, None, Some(family), now, ttl).map_err(no_key);
        let refresh_token = self.issuer.sign_refresh(&bearer(self.lifetimes.refresh)?).map_err(no_key)?.token;
        let bearer = bearer(self.lifetimes.access)?;
        let minted = self.issuer.sign_access(&bearer).map_err(no_key)?;
        // We have just signed it, so there is no need to verify it when it comes back.
        let known = Known { bearer, cell: self.subject_statuses.new_guest(tenant, subject) };
        self.cache.keep(&minted.token, Arc::new(known)).map_err(invalid)?;
        Ok(Grant { token: minted.token, expires_at: minted.expires_at, refresh_token, subject, role: None })
    }

    /// Starts a session after a password was verified.
    pub(super) async fn start_stored(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<Grant, Problem> {
        let family = random128().map_err(no_key)?;
        let refresh_token = new_refresh_token(tenant)?;
        let stored = NewRefreshToken { signed_in_at: Some(now), ..self.stored(&refresh_token, family, subject, now) };
        self.read_side.start_session(tenant, &stored).await?;
        let rotated = Rotated { subject, family, signed_in_at: stored.signed_in_at };
        self.grant(tenant, rotated, role, refresh_token, now).await
    }

    fn stored(&self, token: &str, family: u128, subject: SubjectId, now: Timestamp) -> NewRefreshToken {
        let expires_at = now.plus_seconds(self.lifetimes.refresh.as_secs());
        NewRefreshToken { token: hash(token), family, subject, created_at: now, expires_at, signed_in_at: None }
    }

    async fn grant(
        &self,
        tenant: &TenantId,
        session: Rotated,
        role: Option<Role>,
        refresh_token: String,
        now: Timestamp,
    ) -> Result<Grant, Problem> {
        let Rotated { subject, family, signed_in_at } = session;
        let bearer = Issuer::bearer(tenant, subject, role, Some(family), now, self.lifetimes.access);
        let bearer = bearer.map_err(no_key)?;
        let bearer = Bearer { signed_in_at, ..bearer };
        let minted = self.issuer.sign_access(&bearer).map_err(no_key)?;
        let cell = self.subject_statuses.cell(&self.read_side, tenant, subject).await?;
        self.cache.keep(&minted.token, Arc::new(Known { bearer, cell })).map_err(invalid)?;
        Ok(Grant { token: minted.token, expires_at: minted.expires_at, refresh_token, subject, role })
    }

    /// Exchanges a refresh token, which is used up, for the next tokens. A second use ends the session unless it has
    /// the same idempotency key: the next token derives from both, so that a lost response can be repeated.
    pub(crate) async fn refresh(&self, token: &str, key: &Key, now: Timestamp) -> Result<Grant, Problem> {
        let (tenant, signed) = match token.split_once('.') {
            Some((STORED, rest)) => (rest.split_once('.').and_then(|(name, _)| TenantId::new(name).ok()), None),
            _ => match self.issuer.verify_refresh(token, now) {
                Ok(bearer) => (Some(bearer.tenant.clone()), bearer.session.map(|family| (family, bearer.subject))),
                Err(_) => (None, None),
            },
        };
        let tenant = tenant.ok_or_else(|| Problem::new(Code::InvalidRefreshToken))?;
        let secret = keyed_hash(&self.refresh_key, &[token.as_bytes(), key.text().as_bytes()]);
        let next = format!("{STORED}.{tenant}.{}", HEXLOWER.encode(&secret));
        let expires_at = now.plus_seconds(self.lifetimes.refresh.as_secs());
        let rotate = || self.read_side.rotate_session(&tenant, hash(token), hash(&next), now, expires_at);
        let mut rotated = rotate().await;
        if let (Err(RotateError::Unknown), Some((family, subject))) = (&rotated, signed) {
            self.write_down(&tenant, token, family, subject, now).await?;
            rotated = rotate().await;
        }
        let rotated = match rotated {
            Ok(rotated) => rotated,
            Err(RotateError::Reused { subject, family }) => {
                tracing::warn!(%tenant, %subject, "refresh token reused; the session has ended");
                self.end_family(&tenant, family, now).await?;
                return Err(Problem::new(Code::InvalidRefreshToken));
            }
            Err(error) => return Err(error.into()),
        };
        let role = match self.read_side.account(&tenant, rotated.subject).await? {
            Some(account) if account.erased_at.is_some() => return Err(Problem::new(Code::InvalidRefreshToken)),
            // The session of a sign-in that was under way while the password was reset.
            Some(account)
                if account.tokens_from.is_some_and(|from| rotated.signed_in_at.is_some_and(|at| at < from)) =>
            {
                self.end_family(&tenant, rotated.family, now).await?;
                return Err(Problem::new(Code::InvalidRefreshToken));
            }
            Some(account) => Some(account.role.into()),
            None => None,
        };
        self.grant(&tenant, rotated, role, next, now).await
    }

    /// Stores a guest's first refresh token, unless it is invalid by now.
    async fn write_down(
        &self,
        tenant: &TenantId,
        token: &str,
        family: u128,
        subject: SubjectId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let subject_status = self.subject_statuses.cell(&self.read_side, tenant, subject).await?.subject_status();
        let has_account = subject_status.customer || subject_status.subject != subject;
        if has_account || self.read_side.has_session(tenant, end_of(family), now).await? {
            return Err(Problem::new(Code::InvalidRefreshToken));
        }
        let stored = self.stored(token, family, subject, now);
        if let Err(error) = self.read_side.start_session(tenant, &stored).await {
            // The same token is being used concurrently: the rotation detects that.
            tracing::debug!(%error, "storing a guest's refresh token failed");
        }
        Ok(())
    }

    /// Ends the session of a token. A token without a session ends alone.
    pub(crate) async fn end_current(&self, identity: &Identity, now: Timestamp) -> Result<(), Problem> {
        match identity.session() {
            Some(family) => self.end_family(identity.tenant(), family, now).await,
            None => {
                let (token, expires_at) = (identity.token_id(), identity.expires_at());
                self.read_side.end_token(identity.tenant(), token, expires_at).await?;
                self.cache.end_session(token, expires_at);
                Ok(())
            }
        }
    }

    async fn end_family(&self, tenant: &TenantId, family: u128, now: Timestamp) -> Result<(), Problem> {
        // A guest's first token could be stored again: this row records that its family has ended.
        let mark = self.stored(&format!("ended {family}"), end_of(family), SubjectId(0), now);
        if !self.read_side.has_session(tenant, end_of(family), now).await? {
            self.read_side.start_session(tenant, &mark).await?;
        }
        // After the mark, so that a failure in between leaves no family that could be stored again; and the cache comes
        // last, once the end is durable.
        self.read_side.end_session(tenant, family).await?;
        self.cache.end_session(family, self.tokens_expire(now));
        Ok(())
    }

    /// Invalidates every token that was issued to a subject before now.
    pub(crate) fn end_tokens(&self, tenant: &TenantId, subject_status: &SubjectStatus, now: Timestamp) {
        for subject in std::iter::once(subject_status.subject).chain(subject_status.former.iter().copied()) {
            self.cache.end_subject(tenant, subject, now, self.tokens_expire(now));
            self.subject_statuses.end_tokens(tenant, subject, now);
        }
    }

    fn tokens_expire(&self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.lifetimes.access.as_secs())
    }

    /// Removes expired entries from memory.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.cache.sweep(now);
        self.subject_statuses.sweep();
    }
}

/// Returns a secret of 256 random bits in hexadecimal digits.
pub(crate) fn new_secret() -> Result<String, Problem> {
    Ok(HEXLOWER.encode(&random::<32>().map_err(no_key)?))
}

fn new_refresh_token(tenant: &TenantId) -> Result<String, Problem> {
    Ok(format!("{STORED}.{tenant}.{}", new_secret()?))
}

/// The hash under which the database stores a token. The secret has 256 random bits, so a plain hash is enough.
pub(crate) fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// The family id that marks the end of another family.
fn end_of(family: u128) -> u128 {
    engine::id::digest128(&[b"the end of", &family.to_be_bytes()])
}

fn invalid(why: InvalidToken) -> Problem {
    Problem::new(Code::InvalidToken).with_detail(why.to_string())
}

fn no_key(error: KeyError) -> Problem {
    Problem::internal("keys", &error)
}
