//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037) by this installation.

use std::str::FromStr;
use std::time::Duration;

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::keys::{KeyError, Keys, random128};

/// The maximum length of a token that is parsed: ours have some 400 bytes.
pub const TOKEN_BYTES_MAX: usize = 2_048;
/// The audience of access tokens.
const AUDIENCE: &str = "fusion-api";
/// The audience of a guest's first refresh token: the sessions of this installation.
const REFRESH_AUDIENCE: &str = "fusion-refresh";

/// A role: permissions beyond those of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys with an account.
    Customer,
    /// Manages the catalogue, the drops and the orders.
    Vendor,
    /// Runs livestream rooms.
    Host,
    /// May do everything.
    Admin,
}

impl Role {
    /// The name in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Vendor => "vendor",
            Role::Host => "host",
            Role::Admin => "admin",
        }
    }
}

impl From<persistence::sql::Role> for Role {
    fn from(role: persistence::sql::Role) -> Self {
        match role {
            persistence::sql::Role::Customer => Role::Customer,
            persistence::sql::Role::Vendor => Role::Vendor,
            persistence::sql::Role::Host => Role::Host,
            persistence::sql::Role::Admin => Role::Admin,
        }
    }
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    aud: String,
    sub: String,
    tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// The session: the family of its refresh tokens. Tokens from the command line have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    iat: u64,
    /// The milliseconds beyond the second in `iat`: a password reset ends the tokens from before it, and not those from
    /// right after it.
    #[serde(default)]
    iat_ms: u16,
    exp: u64,
    /// When the password was given (OpenID Connect Core, section 2), in seconds. Guests and the command line have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    jti: String,
}

/// Why a token is invalid. The reason is logged at most; callers get the same response for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It is not a token of this installation, or was changed.
    #[error("the token was not issued by this server")]
    Foreign,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// Its session has ended, or its subject was erased.
    #[error("the token's session has ended")]
    Ended,
}

/// The subject and properties of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) tenant: TenantId,
    pub(crate) subject: SubjectId,
    pub(crate) role: Option<Role>,
    /// The id of the token: its `jti`.
    pub(crate) id: u128,
    pub(crate) session: Option<u128>,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// When the password was given, if it was.
    pub(crate) signed_in_at: Option<Timestamp>,
}

impl Bearer {
    /// The id that must end for the token to end early: its session, or the token itself if it has none.
    pub(crate) fn family(&self) -> u128 {
        self.session.unwrap_or(self.id)
    }
}

/// A signed token.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token.
    pub token: String,
    /// The first instant at which it is no longer valid.
    pub expires_at: Timestamp,
}

/// Signs and verifies tokens.
pub struct Issuer {
    name: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    access: Validation,
    refresh: Validation,
}

impl Issuer {
    /// The issuer with this name and the installation's keys.
    pub fn new(name: &str, keys: &Keys) -> Self {
        let validation = |audience: &str| {
            let mut validation = Validation::new(Algorithm::EdDSA);
            validation.set_issuer(&[name]);
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            // Expiry is checked below, with the clock that the rest of the program uses.
            validation.validate_exp = false;
            validation
        };
        Self {
            name: name.to_owned(),
            signing: EncodingKey::from_ed_der(keys.signing_pkcs8()),
            verifying: DecodingKey::from_ed_der(keys.public()),
            access: validation(AUDIENCE),
            refresh: validation(REFRESH_AUDIENCE),
        }
    }

    /// Signs a token for the command line, without a session, so that it ends alone.
    pub fn mint(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        role: Option<Role>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Minted, KeyError> {
        self.sign(AUDIENCE, &Self::bearer(tenant, subject, role, None, now, ttl)?)
    }

    pub(crate) fn bearer(
        tenant: &TenantId,
        subject: SubjectId,
        role: Option<Role>,
        session: Option<u128>,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Bearer, KeyError> {
        // `exp` counts whole seconds.
        let expires_at = Timestamp(now.0 / 1_000 * 1_000).plus_seconds(ttl.as_secs());
        let (tenant, id) = (tenant.clone(), random128()?);
        Ok(Bearer { tenant, subject, role, id, session, issued_at: now, expires_at, signed_in_at: None })
    }

    pub(crate) fn sign_access(&self, bearer: &Bearer) -> Result<Minted, KeyError> {
        self.sign(AUDIENCE, bearer)
    }

    pub(crate) fn sign_refresh(&self, bearer: &Bearer) -> Result<Minted, KeyError> {
        self.sign(REFRESH_AUDIENCE, bearer)
    }

    fn sign(&self, audience: &str, bearer: &Bearer) -> Result<Minted, KeyError> {
        let claims = Claims {
            iss: self.name.clone(),
            aud: audience.to_owned(),
            sub: bearer.subject.to_string(),
            tenant: bearer.tenant.to_string(),
            role: bearer.role,
            sid: bearer.session.map(spell),
            iat: bearer.issued_at.0 / 1_000,
            iat_ms: (bearer.issued_at.0 % 1_000) as u16,
            exp: bearer.expires_at.0 / 1_000,
            auth_time: bearer.signed_in_at.map(|at| at.0 / 1_000),
            jti: spell(bearer.id),
        };
        let token =
            encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing).map_err(|_| KeyError::NoRandomness)?;
        Ok(Minted { token, expires_at: bearer.expires_at })
    }

    pub(crate) fn verify_access(&self, token: &str, now: Timestamp) -> Result<Bearer, InvalidToken> {
        self.verify(token, &self.access, now)
    }

    pub(crate) fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<Bearer, InvalidToken> {
        self.verify(token, &self.refresh, now)
    }

    fn verify(&self, token: &str, validation: &Validation, now: Timestamp) -> Result<Bearer, InvalidToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(InvalidToken::Foreign);
        }
        let data = decode::<Claims>(token, &self.verifying, validation).map_err(|_| InvalidToken::Foreign)?;
        // RFC 7515, section 4.1.11: a critical extension that is not understood makes a token invalid.
        if data.header.crit.is_some() {
            return Err(InvalidToken::Foreign);
        }
        let bearer = read(&data.claims).ok_or(InvalidToken::Foreign)?;
        if bearer.expires_at <= now { Err(InvalidToken::Expired) } else { Ok(bearer) }
    }
}

fn read(claims: &Claims) -> Option<Bearer> {
    Some(Bearer {
        tenant: TenantId::new(&claims.tenant).ok()?,
        subject: claims.sub.parse().ok()?,
        role: claims.role,
        id: SubjectId::from_str(&claims.jti).ok()?.0,
        session: match &claims.sid {
            Some(text) => Some(SubjectId::from_str(text).ok()?.0),
            None => None,
        },
        issued_at: Timestamp(claims.iat.checked_mul(1_000)?.checked_add(u64::from(claims.iat_ms))?),
        expires_at: Timestamp(claims.exp.checked_mul(1_000)?),
        signed_in_at: match claims.auth_time {
            Some(seconds) => Some(Timestamp(seconds.checked_mul(1_000)?)),
            None => None,
        },
    })
}

/// Formats a 128-bit number as an id.
fn spell(number: u128) -> String {
    SubjectId(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000_500);

    fn issuer() -> Issuer {
        Issuer::new("fusion", &Keys::ephemeral().unwrap())
    }

    fn minted(issuer: &Issuer) -> Minted {
        let tenant = TenantId::new("acme").unwrap();
        issuer.mint(&tenant, SubjectId(7), Some(Role::Vendor), NOW, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_token_identifies_its_subject_until_it_expires() {
        let issuer = issuer();
        let minted = minted(&issuer);
        let bearer = issuer.verify_access(&minted.token, NOW).unwrap();
        assert_eq!((bearer.subject, bearer.role, bearer.tenant.as_str()), (SubjectId(7), Some(Role::Vendor), "acme"));
        assert_eq!(issuer.verify_access(&minted.token, minted.expires_at), Err(InvalidToken::Expired));
        assert!(issuer.verify_access(&minted.token, Timestamp(minted.expires_at.0 - 1)).is_ok());
    }

    #[test]
    fn a_token_of_others_or_for_others_is_foreign() {
        let (issuer, other) = (issuer(), self::issuer());
        let token = minted(&issuer).token;
        assert_eq!(other.verify_access(&token, NOW), Err(InvalidToken::Foreign));
        assert_eq!(issuer.verify_refresh(&token, NOW), Err(InvalidToken::Foreign));
        for odd in ["", "a.b.c", &token[1..], &token[..token.len() - 2], &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(issuer.verify_access(odd, NOW), Err(InvalidToken::Foreign), "{odd}");
        }
    }

    #[test]
    fn a_token_without_signature_is_foreign() {
        // {"typ":"JWT","alg":"none"}
        let token = minted(&issuer()).token;
        let claims = token.split('.').nth(1).unwrap();
        let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{claims}.");
        assert_eq!(issuer().verify_access(&unsigned, NOW), Err(InvalidToken::Foreign));
    }
}
