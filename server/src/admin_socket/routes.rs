//! The operator-only routes, reached over the admin socket or in the same process.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use engine::{
    id::{SubjectId, TenantId},
    money::Currency,
    time::Timestamp,
};
use gateway::auth::{PUBLIC_URL_SETTING, email::Email};
use persistence::sql::{
    AccountError, Cursor, LIMIT_MAX, Limit, List, NewAccount, PageRequest, RemoveTenantError, Tenant, TenantError,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::Backends,
    cli::Role,
    doctor, export,
    export::{ExportFormat, Exported},
    program,
};

type Shared = State<Arc<Backends>>;

pub(super) fn all(backends: Arc<Backends>) -> Router {
    Router::new()
        .route("/local/tenants", post(add_tenant).get(list_tenants))
        .route("/local/tenants/{name}", delete(remove_tenant))
        .route("/local/users", post(add_user).get(list_users).delete(remove_user))
        .route("/local/announced", get(announced))
        .route("/local/export", get(give_out))
        .route("/local/currencies", get(currencies))
        .route("/local/doctor", get(examine))
        .with_state(backends)
}

/// The request to create a tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewTenant {
    pub(crate) name: TenantId,
    pub(crate) currency: Currency,
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    pub(crate) public_url: Option<String>,
}

/// A created tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeTenant {
    pub(crate) name: TenantId,
}

async fn add_tenant(State(backends): Shared, Json(new): Json<NewTenant>) -> Result<Json<MadeTenant>, Refusal> {
    if let Some(host) = new.hosts.iter().find(|host| !is_host(host)) {
        let why = format!("{host:?} is not a host name: write it without scheme and path, such as shop.example");
        return Err(Refusal::refused(&why));
    }
    let tenant = Tenant {
        tenant: new.name.clone(),
        currency: new.currency.in_use().map_err(|error| Refusal::refused(&format!("{} is {error}", new.currency)))?,
        hosts: new.hosts,
        settings: new.public_url.into_iter().map(|url| (PUBLIC_URL_SETTING.to_owned(), url.into())).collect(),
        created_at: backends.gateway.now(),
    };
    let (name, fusion) = (&new.name, program::name());
    backends.read_side.create_tenant(&tenant).await.map_err(|error| match error {
        TenantError::Store(error) => Refusal::failed(&error),
        TenantError::NameTaken => Refusal::refused(&format!(
            "a tenant of this name exists: choose another name, or create a token for it with `{fusion} token --role vendor \
             --tenant {name}`; `{fusion} tenants list` shows all"
        )),
        taken @ TenantError::HostTaken { .. } => {
            Refusal::refused(&format!("{taken}: choose another with --host; `{fusion} tenants list` shows its tenant"))
        }
        refused => Refusal::refused(&refused),
    })?;
    Ok(Json(MadeTenant { name: new.name }))
}

/// Whether `host` can be the host name of a shop: no scheme, no path.
fn is_host(host: &str) -> bool {
    let host = host.trim();
    !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._[]:".contains(c))
}

/// A tenant in the list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnownTenant {
    pub(crate) name: TenantId,
    pub(crate) currency: Currency,
    pub(crate) hosts: Vec<String>,
    pub(crate) created_at: Timestamp,
}

async fn list_tenants(State(backends): Shared) -> Result<Json<Vec<KnownTenant>>, Refusal> {
    let tenants = backends.read_side.tenants().await.map_err(|error| Refusal::failed(&error))?;
    let known = |tenant: Tenant| KnownTenant {
        name: tenant.tenant,
        currency: tenant.currency,
        hosts: tenant.hosts,
        created_at: tenant.created_at,
    };
    Ok(Json(tenants.into_iter().map(known).collect()))
}

async fn remove_tenant(State(backends): Shared, Path(name): Path<TenantId>) -> Result<StatusCode, Refusal> {
    // Entries accepted a moment ago count too.
    export::wait_for_read_side(&backends).await.map_err(|error| Refusal::failed(&error))?;
    let fusion = program::name();
    backends.read_side.remove_tenant(&name).await.map_err(|error| match error {
        RemoveTenantError::Store(error) => Refusal::failed(&error),
        RemoveTenantError::NotFound => {
            Refusal::refused(&format!("tenant {name} does not exist: `{fusion} tenants list` shows all tenants"))
        }
        in_use @ RemoveTenantError::InUse { .. } => Refusal::refused(&format!(
            "tenant {name} cannot be removed: {in_use}. Remove accounts with `{fusion} users remove`; orders and stock \
             stay in the journal"
        )),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// The request to create an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewUser {
    pub(crate) tenant: TenantId,
    pub(crate) role: Role,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// A created account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeUser {
    pub(crate) subject: SubjectId,
}

async fn add_user(State(backends): Shared, Json(new): Json<NewUser>) -> Result<Json<MadeUser>, Refusal> {
    let email = Email::new(&new.email).map_err(|error| Refusal::refused(&format!("{} {error}", new.email)))?;
    let now = backends.gateway.now();
    // The e-mail address is unique, so a second `users add` after a lost reply reports that the account exists.
    let subject =
        SubjectId::derive(&[new.tenant.as_str().as_bytes(), email.mailbox().as_bytes(), &now.0.to_be_bytes()]);
    crate::users::check(&new.password, &email).map_err(|why| Refusal::refused(&why))?;
    let password = crate::users::hash(&backends, new.password).await.map_err(|why| Refusal::refused(&why))?;
    let account = NewAccount {
        subject,
        email: email.as_str().to_owned(),
        password: Some(password),
        role: new.role.into(),
        created_at: now,
    };
    backends.read_side.create_account(&new.tenant, &account).await.map_err(|error| match error {
        AccountError::Store(error) => Refusal::failed(&error),
        none @ AccountError::NoTenant => {
            Refusal::refused(&format!("{none} {}: `{} tenants list` shows all", new.tenant, program::name()))
        }
        refused => Refusal::refused(&refused),
    })?;
    // An operator has entered the address, so it needs no verification.
    backends.read_side.verify_account(&new.tenant, subject, now).await.map_err(|error| Refusal::failed(&error))?;
    Ok(Json(MadeUser { subject }))
}

/// An account in the list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnownUser {
    pub(crate) subject: SubjectId,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) created_at: Timestamp,
}

/// A page of accounts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KnownUsers {
    pub(crate) items: Vec<KnownUser>,
    pub(crate) next: Option<String>,
}

/// The filter of the account list.
#[derive(Debug, Deserialize)]
struct WhichUsers {
    tenant: TenantId,
    role: Option<Role>,
    cursor: Option<String>,
}

async fn list_users(State(backends): Shared, Query(which): Query<WhichUsers>) -> Result<Json<KnownUsers>, Refusal> {
    let after = which.cursor.map(|text| Cursor::read(List::Accounts, &text)).transpose();
    let after = after.map_err(|error| Refusal::refused(&error))?;
    let page = PageRequest { limit: Limit::new(LIMIT_MAX).unwrap_or_default(), after };
    let role = which.role.map(Into::into);
    let page = backends.read_side.accounts(&which.tenant, role, page).await.map_err(|error| Refusal::failed(&error))?;
    let known = page.items.into_iter().filter_map(|account| {
        // Erased accounts have no address.
        let email = account.email?;
        let role = account.role.as_str().to_owned();
        Some(KnownUser { subject: account.subject, email, role, created_at: account.created_at })
    });
    Ok(Json(KnownUsers { items: known.collect(), next: page.next.map(|next| next.to_string()) }))
}

/// The account to remove.
#[derive(Debug, Deserialize)]
struct WhichUser {
    tenant: TenantId,
    email: String,
}

async fn remove_user(State(backends): Shared, Query(which): Query<WhichUser>) -> Result<StatusCode, Refusal> {
    let WhichUser { tenant, email } = which;
    let account =
        backends.read_side.account_by_email(&tenant, &email).await.map_err(|error| Refusal::failed(&error))?;
    let Some(account) = account else {
        let why = format!(
            "tenant {tenant} has no account with the address {email}: `{} users list --tenant {tenant}` shows all",
            program::name()
        );
        return Err(Refusal::refused(&why));
    };
    let removed = backends.gateway.remove_account(&tenant, account.subject).await;
    removed.map_err(|problem| {
        Refusal::failed(&format!("the account may not be removed yet ({}): try again", problem.status()))
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// The announced drop of this server, and the server's URL.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Announced {
    pub(crate) url: String,
    pub(crate) drop: Option<String>,
}

async fn announced(State(backends): Shared) -> Json<Announced> {
    let url = backends.gateway.settings.public_url.clone();
    Json(Announced { url, drop: backends.announced.get().cloned() })
}

/// The parameters of an export.
#[derive(Debug, Deserialize)]
struct Wanted {
    what: Exported,
    tenant: TenantId,
    format: ExportFormat,
    /// The only price currency to export; all if `None`.
    currency: Option<Currency>,
}

async fn give_out(State(backends): Shared, Query(wanted): Query<Wanted>) -> Result<Response, Refusal> {
    let exists = backends.read_side.tenant(&wanted.tenant).await.map_err(|error| Refusal::failed(&error))?.is_some();
    if !exists {
        let why =
            format!("tenant {} does not exist: `{} tenants list` shows all tenants", wanted.tenant, program::name());
        return Err(Refusal::refused(&why));
    }
    let body = export::stream(backends, wanted.what, wanted.tenant, wanted.format, wanted.currency);
    Ok(([(header::CONTENT_TYPE, wanted.format.content_type())], body).into_response())
}

/// The tenant whose currencies are listed.
#[derive(Debug, Deserialize)]
struct OfTenant {
    tenant: TenantId,
}

/// Returns the currencies of a tenant's prices.
async fn currencies(State(backends): Shared, Query(query): Query<OfTenant>) -> Result<Json<Vec<Currency>>, Refusal> {
    let currencies = backends.read_side.product_currencies(&query.tenant).await;
    currencies.map(Json).map_err(|error| Refusal::failed(&error))
}

async fn examine(State(backends): Shared) -> Json<doctor::Report> {
    Json(doctor::examine_running(&backends).await)
}

/// The status and the reason with which an operator's request is refused.
struct Refusal(StatusCode, String);

impl Refusal {
    fn refused(why: &dyn std::fmt::Display) -> Self {
        Self(StatusCode::CONFLICT, why.to_string())
    }

    fn failed(why: &dyn std::fmt::Display) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, why.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"detail": self.1}))).into_response()
    }
}
