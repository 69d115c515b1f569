//! `fusion token`: creates a token for the API, signed with the folder's key.

use std::{path::PathBuf, time::Duration};

use actors::{Clock, SystemClock};
use engine::id::{SubjectId, TenantId};
use gateway::auth::{Issuer, KeyError, Keys, TOKEN_TTL_MAX};
use persistence::sql::ReadSide;

use crate::{
    app::{KEYS_FOLDER, READ_SIDE_FILE, is_development},
    cli::{Role, Token},
    config::{Config, NoTenant},
};

/// A token that cannot be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The folder has no keys to sign with.
    #[error("{} has no keys yet: start `fusion serve` once, or use another --data-dir", .0.display())]
    NoKeys(PathBuf),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The lifetime is too short or too long.
    #[error("--ttl must be between 1s and 366d")]
    Ttl,
    /// The tenant does not exist, so the token would be refused.
    #[error("tenant {0} does not exist: create it with `{program} tenants add {0} --currency USD`", program = crate::program::name())]
    UnknownTenant(TenantId),
    /// The tenants cannot be read.
    #[error(transparent)]
    ReadSide(#[from] persistence::sql::OpenError),
    /// No tenant was given.
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
}

/// `fusion token`.
pub(crate) async fn run(token: &Token, config: &Config) -> Result<(), TokenError> {
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    let folder = config.data_dir.join(KEYS_FOLDER);
    if !folder.is_dir() {
        return Err(TokenError::NoKeys(config.data_dir.clone()));
    }
    if token.ttl < Duration::from_secs(1) || token.ttl > TOKEN_TTL_MAX {
        return Err(TokenError::Ttl);
    }
    if !ReadSide::file_has_tenant(&config.data_dir.join(READ_SIDE_FILE), &tenant).await? {
        return Err(TokenError::UnknownTenant(tenant));
    }
    let issuer = Issuer::new(&config.api.issuer, &Keys::open(&folder)?);
    let subject = token.subject.unwrap_or_else(|| subject_of(token.role, &tenant));
    let minted = issuer.mint(&tenant, subject, Some(token.role.into()), SystemClock.now(), token.ttl)?;
    println!("{}", minted.token);
    Ok(())
}

/// Returns the subject of a token. Staff roles have a fixed one, so that idempotency keys find earlier requests. Each
/// customer is new.
fn subject_of(role: Role, tenant: &TenantId) -> SubjectId {
    match role {
        Role::Customer => SubjectId::derive(&[b"customer", crate::import::fresh_key().as_bytes()]),
        Role::Vendor => staff(b"vendor", tenant),
        Role::Host => staff(b"host", tenant),
        Role::Admin => staff(b"admin", tenant),
    }
}

/// Returns the subject of a member of staff identified only by the role.
pub(crate) fn staff(role: &[u8], tenant: &TenantId) -> SubjectId {
    SubjectId::derive(&[b"staff", role, tenant.as_str().as_bytes()])
}
