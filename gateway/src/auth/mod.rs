//! Authentication: tokens, sessions, accounts, shops.
//!
//! ```text
//!   Authorization ─► token cache ─► Session {tenant, role} ─► Cell ─► Standing {subject, former guests, account}
//!                        │ miss                               ▲
//!                        └─► signature, revocations ─► SQL ───┘◄── sign-in, registration, erasure
//! ```
//!
//! A token names the subject that it was issued to. The *current* status of that subject is in its `Cell`, which all
//! its tokens share. A guest's tokens end the moment the guest signs in or signs up: another person who knew one must
//! not act for the account.

mod account;
#[cfg(test)]
mod attempt_tests;
pub mod attempts;
mod cache;
pub mod email;
mod error;
#[cfg(test)]
mod handover_tests;
mod identity;
pub mod keys;
pub mod mail;
pub mod password;
mod removal;
pub mod sealing;
mod sessions;
pub mod strength;
mod subject_status;
mod tenants;
#[cfg(test)]
mod tests;
mod token;
mod verification;
#[cfg(test)]
mod verification_tests;
mod warning;

pub(crate) use self::account::Refused;
pub(crate) use self::identity::bearer_token;
pub(crate) use self::sessions::{Unrecognised, hash as token_hash, new_secret};
pub(crate) use self::tenants::FUSION_TENANT as TENANT;
pub use persistence::sql::TOKEN_TTL_MAX;

pub use self::{
    identity::{Caller, Identity, Shop, Vendor},
    keys::{KeyError, Keys},
    mail::{Mail, MailError, Mailer, NoMailer},
    password::Passwords,
    sessions::{Grant, Sessions},
    subject_status::SubjectStatus,
    tenants::{PUBLIC_URL_SETTING, Tenants, is_public_url},
    token::{InvalidToken, Issuer, Minted, Role, TOKEN_BYTES_MAX},
};
