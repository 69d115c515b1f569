//! The routes of accounts.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use engine::id::TenantId;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::wire::{NewAccount, NewPassword, NewPasswordReset, Verification};
use crate::{
    Gateway, Problem,
    api::session::SessionWire,
    auth::{Identity, Mail, Shop, email::Email, new_secret, token_hash},
    edge::{Arrival, Json, Path},
    notices::Why,
    ops::openapi::ShopHeader,
    problem::{Code, Faults},
    wire::{created, done},
};

/// Returns the routes of accounts.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(create_account))
        .routes(routes!(verify_email))
        .routes(routes!(create_verification_mail))
        .routes(routes!(create_password_reset))
        .routes(routes!(set_password))
}

/// Create an account
///
/// The guest of the token becomes a customer with the same subject and keeps its carts, claims and orders. The guest's
/// tokens are revoked; the response contains new ones.
#[utoipa::path(post, path = "/v1/accounts", operation_id = "create_account", tag = "sessions", request_body = NewAccount,
    responses((status = 201, description = "A session of the new account", body = SessionWire),
        (status = 409, description = "`email_taken`, `already_customer`")))]
pub(crate) async fn create_account(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
    Json(body): Json<NewAccount>,
) -> Result<Response, Problem> {
    gateway.limits.password(arrival.address)?;
    let mut faults = Faults::default();
    let email = faults.range("/email", Email::new(&body.email));
    gateway.sessions.passwords.check_new(&body.password, email.as_ref(), &mut faults).await?;
    let email = faults.give(email)?;
    // `email_taken` reveals which addresses have accounts, so the number of attempts is limited.
    gateway.limits.sign_up(arrival.address)?;
    let grant = gateway.sessions.register(&identity, &email, body.password, arrival.address, gateway.now()).await?;
    gateway.greet(identity.tenant(), grant.subject);
    Ok(created("/v1/me", &SessionWire::from(grant)))
}

/// Verify an e-mail address
///
/// Takes the token from the verification link, which can be used once. A shop can require a verified address for claims
/// and checkouts (`email_unverified`).
#[utoipa::path(post, path = "/v1/accounts/verify", operation_id = "verify_email", tag = "sessions",
    security((), ("bearer" = [])), params(ShopHeader), request_body = Verification,
    responses((status = 204, description = "The address is verified"),
        (status = 409, description = "`verification_ended`")))]
pub(crate) async fn verify_email(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Json(body): Json<Verification>,
) -> Result<Response, Problem> {
    gateway.limits.password(arrival.address)?;
    let (token, now) = (token_hash(&body.token), gateway.now());
    let subject = gateway.read_side.use_email_verification(&shop.tenant, token, now).await?;
    gateway.sessions.account_changed(&shop.tenant, subject).await?;
    Ok(done())
}

/// Request a verification link
///
/// The link is sent to the account's e-mail address, at most five times an hour, and is valid for one day.
#[utoipa::path(post, path = "/v1/accounts/verification-mails", operation_id = "create_verification_mail", tag = "sessions",
    responses((status = 202, description = "The link is being sent"),
        (status = 403, description = "`account_required`"),
        (status = 409, description = "`not_allowed`: the address is verified")))]
pub(crate) async fn create_verification_mail(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    identity: Identity,
) -> Result<Response, Problem> {
    gateway.limits.password(arrival.address)?;
    if !identity.subject_status().customer {
        return Err(Problem::new(Code::AccountRequired).with_detail("a guest has no e-mail address to verify"));
    }
    if identity.subject_status().verified {
        return Err(Problem::new(Code::NotAllowed).with_detail("the address is already verified"));
    }
    gateway.send_verification(identity.tenant(), identity.subject()).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Request a password reset
///
/// Sends a link to the address if it has an account, at most five times an hour. The response is the same if there is
/// no such account.
#[utoipa::path(post, path = "/v1/password-resets", operation_id = "create_password_reset", tag = "sessions",
    security((), ("bearer" = [])), params(ShopHeader), request_body = NewPasswordReset,
    responses((status = 202, description = "The link is being sent if there is such an account")))]
pub(crate) async fn create_password_reset(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Json(body): Json<NewPasswordReset>,
) -> Result<Response, Problem> {
    gateway.limits.password(arrival.address)?;
    let mut faults = Faults::default();
    let email = faults.range("/email", Email::new(&body.email));
    let email = faults.give(email)?;
    // In the background, so that the response takes the same time if no account has this address.
    tokio::spawn(async move {
        if let Err(problem) = send_link(&gateway, &shop.tenant, &email).await {
            tracing::warn!(tenant = %shop.tenant, code = problem.code().entry().code, "sending a password link failed");
        }
    });
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn send_link(gateway: &Gateway, tenant: &TenantId, email: &Email) -> Result<(), Problem> {
    let Some(account) = gateway.read_side.account_by_email(tenant, email.as_str()).await? else { return Ok(()) };
    let Some(to) = account.email else { return Ok(()) };
    let now = gateway.now();
    // Checked before the link is created: a new link invalidates the previous one.
    if gateway.notices.take_place(Why::PasswordReset, tenant, &to, now).is_err() {
        return Ok(());
    }
    let secret = new_secret()?;
    let expires_at = now.plus_seconds(gateway.settings.reset_ttl.as_secs());
    gateway.read_side.create_password_reset(tenant, account.subject, token_hash(&secret), now, expires_at).await?;
    // In the fragment: so the token reaches no server log, and no other site through a `Referer`.
    let link = format!("{}/reset-password#token={secret}", gateway.shop_url(tenant).await?);
    let minutes = gateway.settings.reset_ttl.as_secs() / 60;
    let mail = Mail {
        tenant: tenant.clone(),
        recipient: account.subject,
        to,
        subject: "Set a new password".to_owned(),
        body: format!(
            "A password reset was requested for your account. To set a new password, follow this link within {minutes} \
             minutes:\n\n{link}\n\nIf you did not request it, ignore this e-mail. Your password is unchanged.\n"
        ),
    };
    gateway.notices.send(mail).await
}

/// Set a new password
///
/// Takes the token from the password link. Ends every session of the account, and the delay after wrong passwords.
#[utoipa::path(put, path = "/v1/password-resets/{token}", operation_id = "set_password", tag = "sessions",
    security((), ("bearer" = [])),
    params(("token" = String, Path, description = "The token from the link.", max_length = 64), ShopHeader),
    request_body = NewPassword,
    responses((status = 204, description = "The password is set"), (status = 409, description = "`reset_ended`")))]
pub(crate) async fn set_password(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    shop: Shop,
    Path(token): Path<String>,
    Json(body): Json<NewPassword>,
) -> Result<Response, Problem> {
    gateway.limits.password(arrival.address)?;
    let now = gateway.now();
    let email = gateway.read_side.password_reset_email(&shop.tenant, token_hash(&token), now).await?;
    // Before the password is looked at, which takes CPU time that only the holder of a link may cause.
    let email = email.ok_or_else(|| Problem::new(Code::ResetEnded))?;
    let mut faults = Faults::default();
    gateway.sessions.passwords.check_new(&body.password, Email::new(&email).ok().as_ref(), &mut faults).await?;
    faults.into_result()?;
    let clock = || gateway.now();
    gateway.sessions.reset_password(&shop.tenant, &token, body.password, arrival.address, clock).await?;
    Ok(done())
}
