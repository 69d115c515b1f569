//! What only an operator may ask, over the socket or in the same process.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::{
    id::{SubjectId, TenantId},
    money::Currency,
};
use gateway::auth::email::Email;
use persistence::sql::{AccountError, NewAccount, Tenant, TenantError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    cli::Role,
    doctor, export,
    export::{ExportFormat, Exported},
    wiring::Rooms,
};

type Shared = State<Arc<Rooms>>;

pub(super) fn all(rooms: Arc<Rooms>) -> Router {
    Router::new()
        .route("/local/tenants", post(add_tenant))
        .route("/local/users", post(add_user))
        .route("/local/export", get(give_out))
        .route("/local/doctor", get(examine))
        .with_state(rooms)
}

/// A shop to be made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewTenant {
    pub(crate) name: TenantId,
    pub(crate) currency: Currency,
    pub(crate) hosts: Vec<String>,
}

/// A shop that was made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeTenant {
    pub(crate) name: TenantId,
}

async fn add_tenant(State(rooms): Shared, Json(new): Json<NewTenant>) -> Result<Json<MadeTenant>, Refusal> {
    let tenant = Tenant {
        tenant: new.name.clone(),
        currency: new.currency,
        hosts: new.hosts,
        settings: serde_json::Map::new(),
        created_at: rooms.gateway.now(),
    };
    rooms.read_side.create_tenant(&tenant).await.map_err(|error| match error {
        TenantError::Store(error) => Refusal::failed(&error),
        refused => Refusal::refused(&refused),
    })?;
    Ok(Json(MadeTenant { name: new.name }))
}

/// An account to be made.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewUser {
    pub(crate) tenant: TenantId,
    pub(crate) role: Role,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// An account that was made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MadeUser {
    pub(crate) subject: SubjectId,
}

async fn add_user(State(rooms): Shared, Json(new): Json<NewUser>) -> Result<Json<MadeUser>, Refusal> {
    let email = Email::new(&new.email).map_err(|error| Refusal::refused(&format!("{} {error}", new.email)))?;
    let now = rooms.gateway.now();
    // Unique by address, so that a second `users add` after a lost answer says that there is one.
    let subject =
        SubjectId::derive(&[new.tenant.as_str().as_bytes(), email.mailbox().as_bytes(), &now.0.to_be_bytes()]);
    let password = crate::users::hash(&rooms, new.password).await.map_err(|why| Refusal::refused(&why))?;
    let account = NewAccount {
        subject,
        email: email.as_str().to_owned(),
        password: Some(password),
        role: new.role.into(),
        created_at: now,
    };
    rooms.read_side.create_account(&new.tenant, &account).await.map_err(|error| match error {
        AccountError::Store(error) => Refusal::failed(&error),
        refused => Refusal::refused(&refused),
    })?;
    Ok(Json(MadeUser { subject }))
}

/// What is to be given out.
#[derive(Debug, Deserialize)]
struct Wanted {
    what: Exported,
    tenant: TenantId,
    format: ExportFormat,
}

async fn give_out(State(rooms): Shared, Query(wanted): Query<Wanted>) -> Result<Response, Refusal> {
    let exists = rooms.read_side.tenant(&wanted.tenant).await.map_err(|error| Refusal::failed(&error))?.is_some();
    if !exists {
        return Err(Refusal::refused(&format!("there is no tenant {}", wanted.tenant)));
    }
    let body = export::stream(rooms, wanted.what, wanted.tenant, wanted.format);
    Ok(([(header::CONTENT_TYPE, wanted.format.content_type())], body).into_response())
}

async fn examine(State(rooms): Shared) -> Json<doctor::Report> {
    Json(doctor::examine_running(&rooms).await)
}

/// Why an operator does not get what was asked for.
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
