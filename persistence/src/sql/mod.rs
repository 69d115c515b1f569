//! The SQL read side: accounts and lists in one SQLite file.
//!
//! ```text
//!   gateway ──► tenants, accounts, contacts, tokens, imports ──┐
//!                                                              ├──► one writer ──► fusion.sqlite ──► readers ──► lists
//!   journal ──► Projector (crate::views) ────────────────────┘
//! ```
//!
//! There are two kinds of tables. The data that the gateway writes (people, and where they are reached) exists nowhere
//! else, and [rebuilding](crate::views::Projector::clear_for_rebuild) never touches it. The data that projections
//! write can be rebuilt from the journal. Every function takes the tenant, and no query crosses from one tenant to
//! another.

mod account;
mod account_link;
mod alias;
mod bulk;
mod column;
mod contact;
mod contact_expiry;
mod contact_queue;
mod derived;
pub mod drop_series;
mod email;
mod email_verification;
mod ended_token;
pub(crate) mod error;
mod import;
pub mod lists;
mod made_product;
mod migrations;
mod page;
mod password_reset;
mod personal_data;
mod read_side;
mod refresh_token;
pub(crate) mod search;
mod sign_in_count;
mod summary;
mod tenant;
#[cfg(test)]
pub(crate) mod testing;
mod undelivered_mail;

pub use self::{
    account::{Account, AccountError, NewAccount, Role},
    alias::{ALIASES_MAX, AliasError},
    contact::{Contact, ContactError},
    contact_expiry::{CONTACTS_WITHOUT_ORDER_MAX, ContactFate, WithoutOrder},
    email::{ascii_domain, normalise_email},
    email_verification::{VERIFICATIONS_OPEN_MAX, VerificationError},
    ended_token::TOKEN_TTL_MAX,
    error::StoreError,
    import::{BeginImportError, Begun, Import, ImportState, NewImport, REJECTED_ROWS_MAX, RejectedRow, WARNINGS_MAX},
    migrations::MigrationError,
    page::{
        Cursor, InvalidCursor, InvalidLimit, LIMIT_DEFAULT, LIMIT_MAX, Limit, List, PAGE_LINES_MAX, Page, PageRequest,
    },
    password_reset::{RESETS_OPEN_MAX, ResetError},
    personal_data::PersonalData,
    read_side::{OpenError, READERS, ReadSide},
    refresh_token::{NewRefreshToken, RotateError, Rotated},
    sign_in_count::{KNOWN_NETWORKS_MAX, SIGN_IN_COUNTS_MAX, SignInTry},
    summary::{ProjectionSummary, Summary},
    tenant::{HOSTS_MAX, RemoveTenantError, Tenant, TenantError},
    undelivered_mail::{UNDELIVERED_KEPT_MAX, UNDELIVERED_SHOWN_MAX, UndeliveredMail, UndeliveredSummary},
};
pub(crate) use self::{
    bulk::{Cell, Column, Table, cells},
    column::{RowExt, blob, damaged, number},
    error::store_errors,
};

/// A hash of a token, computed by the gateway. The token itself is never stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash(…)")
    }
}
