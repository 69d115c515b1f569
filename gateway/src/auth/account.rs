//! Operations of an account's owner: sign-up, sign-in, password reset, confirmation and erasure.

use std::{net::IpAddr, time::Duration};

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use persistence::sql::{Account, AccountError, AliasError, NewAccount, StoreError, TOKEN_TTL_MAX};

use super::{
    attempts::Attempt,
    email::Email,
    identity::Identity,
    password::{Fit, Waiting},
    sessions::{Grant, Sessions, hash},
    token::Role,
};
use crate::problem::{Code, Problem};

/// How long a sign-in replaces the password where an operation requires it again: long enough to read a confirmation.
pub(crate) const FRESH_SIGN_IN: Duration = Duration::from_secs(5 * 60);

/// Why a password was refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is wrong, or there is no account.
    WrongPassword(Attempt),
    /// It was not checked.
    Otherwise(Problem),
}

impl From<Problem> for Refused {
    fn from(why: Problem) -> Self {
        Refused::Otherwise(why)
    }
}

impl From<StoreError> for Refused {
    fn from(why: StoreError) -> Self {
        Refused::Otherwise(why.into())
    }
}

impl Sessions {
    /// Signs in. The data of the guest is transferred to the account, unless the guest belongs to another account
    /// already or the account has had too many guests.
    pub(crate) async fn sign_in(
        &self,
        tenant: &TenantId,
        email: &Email,
        password: String,
        guest: Option<&Identity>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, Refused> {
        // Before the attempt is counted: one that is refused for load has not tried a password.
        let place = self.passwords.take_place()?;
        let attempt = self.attempts.begin(tenant, email.as_str(), from, now).await?;
        let account = self.read_side.account_by_email(tenant, email.as_str()).await?;
        let account = self.check_password(tenant, account, password, (place, attempt), now).await?;
        if let Some(guest) = guest.filter(|guest| guest.is_guest() && guest.tenant() == tenant) {
            self.hand_over(guest, account.subject, now).await?;
        }
        Ok(self.start_stored(tenant, account.subject, Some(account.role.into()), now).await?)
    }

    /// Checks the password of an account. Takes as long where there is no account.
    async fn check_password(
        &self,
        tenant: &TenantId,
        account: Option<Account>,
        password: String,
        (place, attempt): (Waiting, Attempt),
        now: Timestamp,
    ) -> Result<Account, Refused> {
        let hash = account.as_ref().and_then(|account| account.password.clone());
        let fit = self.passwords.verify_in(place, password.clone(), hash.clone()).await?;
        let Some(account) = account.filter(|_| fit.is_same()) else { return Err(Refused::WrongPassword(attempt)) };
        self.attempts.succeeded(&attempt, now).await?;
        if fit == Fit::FormerForm {
            self.hash_anew(tenant, account.subject, password, &hash.unwrap_or_default()).await;
        }
        Ok(account)
    }

    /// Stores a password's hash in the present form. If that fails, the next sign-in tries again.
    async fn hash_anew(&self, tenant: &TenantId, subject: SubjectId, password: String, former: &str) {
        let Ok(hash) = self.passwords.hash(password).await else { return };
        match self.read_side.set_password(tenant, subject, Some(former), &hash).await {
            // Not found: the password was changed meanwhile, and the new one stays.
            Ok(()) | Err(AccountError::NotFound) => {}
            Err(error) => tracing::warn!(%tenant, %error, "a password stays in its former form"),
        }
    }

    /// Hands the data of a guest over to an account, and ends every token of the guest, whether or not that was
    /// possible.
    async fn hand_over(&self, guest: &Identity, account: SubjectId, now: Timestamp) -> Result<(), Problem> {
        let (tenant, subject) = (guest.tenant(), guest.subject());
        match self.read_side.add_alias(tenant, subject, account, now).await {
            Ok(()) | Err(AliasError::Taken | AliasError::TooMany) => {}
            Err(error) => return Err(error.into()),
        }
        self.read_side.end_sessions(tenant, subject).await?;
        self.subject_statuses.changed(&self.read_side, tenant, account).await?;
        self.end_current(guest, now).await
    }

    /// Turns a guest into an account: the same subject, now a customer.
    pub(crate) async fn register(
        &self,
        guest: &Identity,
        email: &Email,
        password: String,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, Problem> {
        if !guest.is_guest() {
            return Err(Problem::new(Code::AlreadyCustomer));
        }
        let (tenant, subject) = (guest.tenant(), guest.subject());
        let password = self.passwords.hash(password).await?;
        let new = NewAccount {
            subject,
            email: email.as_str().to_owned(),
            password: Some(password),
            role: persistence::sql::Role::Customer,
            created_at: now,
        };
        self.read_side.create_account(tenant, &new).await?;
        // At once: until then the cached status lets the guest's tokens act for the account.
        self.subject_statuses.changed(&self.read_side, tenant, subject).await?;
        self.read_side.end_sessions(tenant, subject).await?;
        self.end_current(guest, now).await?;
        self.attempts.clear(tenant, email.as_str(), from, now).await?;
        self.start_stored(tenant, subject, Some(Role::Customer), now).await
    }

    /// Confirms that the caller is the account's owner, and not someone who has only a token: by the password, or by a
    /// recent sign-in. A guest has nothing but the token.
    pub(crate) async fn confirm(
        &self,
        identity: &Identity,
        password: Option<String>,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if !identity.subject_status().customer {
            return Ok(());
        }
        let Some(password) = password else {
            let is_fresh = |at| now.ms_since(at) < FRESH_SIGN_IN.as_millis() as u64;
            let required = || Problem::new(Code::PasswordRequired);
            return Ok(identity.signed_in_at().is_some_and(is_fresh).then_some(()).ok_or_else(required)?);
        };
        // Counted as at sign-in, so that a stolen token cannot be used to try passwords.
        let tenant = identity.tenant();
        let account = self.read_side.account(tenant, identity.subject()).await?;
        let email = account.as_ref().and_then(|account| account.email.clone());
        let email = email.ok_or_else(|| Problem::new(Code::InvalidCredentials))?;
        // Before the attempt is counted: one that is refused for load has not tried a password.
        let place = self.passwords.take_place()?;
        let attempt = self.attempts.begin(tenant, &email, from, now).await?;
        self.check_password(tenant, account, password, (place, attempt), now).await.map(drop)
    }

    /// Erases the personal data of a subject, and ends its sessions.
    pub(crate) async fn erase(&self, identity: &Identity, now: Timestamp) -> Result<(), Problem> {
        let tenant = identity.tenant();
        let email = self.email_of(tenant, identity.subject()).await?;
        self.end_tokens(tenant, identity.subject_status(), now);
        self.read_side.erase_personal_data(tenant, identity.subject(), now).await?;
        if !identity.subject_status().customer {
            // A guest has no account row to record the erasure, so it is stored for as long as a token may live: a
            // session's tokens while they can be renewed, others up to the maximum lifetime.
            let lives = identity.session().map_or(TOKEN_TTL_MAX, |_| self.lifetimes.refresh);
            let until = now.plus_seconds(lives.as_secs());
            self.read_side.end_subject_tokens(tenant, identity.subject(), now, until).await?;
        }
        self.subject_statuses.changed(&self.read_side, tenant, identity.subject()).await?;
        if let Some(email) = email {
            self.attempts.forget(tenant, &email).await?;
        }
        self.end_current(identity, now).await
    }

    /// The address of an account, if there is one.
    async fn email_of(&self, tenant: &TenantId, subject: SubjectId) -> Result<Option<String>, Problem> {
        Ok(self.read_side.account(tenant, subject).await?.and_then(|account| account.email))
    }

    /// Reloads the status of an account after a change, so that every token of it is judged by the new one.
    pub(crate) async fn account_changed(&self, tenant: &TenantId, subject: SubjectId) -> Result<(), Problem> {
        self.subject_statuses.changed(&self.read_side, tenant, subject).await?;
        Ok(())
    }

    /// Sets a new password with the token of a mailed link, and ends all sessions of the account.
    pub(crate) async fn reset_password(
        &self,
        tenant: &TenantId,
        token: &str,
        password: String,
        from: IpAddr,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), Problem> {
        let password = self.passwords.hash(password).await?;
        // After the hashing, which may wait for its turn: the tokens of every sign-in that began before this end.
        let now = clock();
        let subject = self.read_side.use_password_reset(tenant, hash(token), &password, now).await?;
        let subject_status = self.subject_statuses.changed(&self.read_side, tenant, subject).await?;
        self.end_tokens(tenant, &subject_status, now);
        if let Some(email) = self.email_of(tenant, subject).await? {
            self.attempts.clear(tenant, &email, from, now).await?;
        }
        Ok(())
    }
}
