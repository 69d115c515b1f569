//! Accounts.

use std::{collections::HashMap, fmt, str::FromStr};

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    List, Page, PageRequest, ReadSide, RowExt, StoreError, blob,
    derived::norms_of,
    email::normalise_email,
    error::{is_orphan, is_taken, store_errors},
    number,
};

/// The permissions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May buy.
    Customer,
    /// May manage the catalogue, the drops and the orders.
    Vendor,
    /// May run livestream rooms.
    Host,
    /// May do everything.
    Admin,
}

impl Role {
    /// Returns the name of the role, as used in tokens and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "customer",
            Role::Vendor => "vendor",
            Role::Host => "host",
            Role::Admin => "admin",
        }
    }
}

/// A name that is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is customer, vendor, host or admin")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        [Role::Customer, Role::Vendor, Role::Host, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(InvalidRole)
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The subject of the account.
    pub subject: SubjectId,
    /// The e-mail address, as its owner entered it. `None` once erased.
    pub email: Option<String>,
    /// The hash of the password, as a PHC string. `None` if the account cannot sign in by password.
    pub password: Option<String>,
    /// The role of the account.
    pub role: Role,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time at which the owner had the account erased.
    pub erased_at: Option<Timestamp>,
    /// The time of the last password reset. Tokens issued before are invalid.
    pub tokens_from: Option<Timestamp>,
    /// The time at which the owner proved to receive mail at the address.
    pub verified_at: Option<Timestamp>,
}

impl fmt::Debug for Account {
    /// Omits personal and secret fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("subject", &self.subject)
            .field("role", &self.role)
            .field("created_at", &self.created_at)
            .field("erased_at", &self.erased_at)
            .field("tokens_from", &self.tokens_from)
            .field("verified_at", &self.verified_at)
            .finish_non_exhaustive()
    }
}

/// An account to create.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The subject of the account: a new one, or the guest who registers.
    pub subject: SubjectId,
    /// The e-mail address, as its owner entered it.
    pub email: String,
    /// The hash of the password, as a PHC string.
    pub password: Option<String>,
    /// The role of the account.
    pub role: Role,
    /// The time of creation.
    pub created_at: Timestamp,
}

/// A reason why an account cannot be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Another account of the tenant has this e-mail address.
    #[error("another account has this e-mail address")]
    EmailTaken,
    /// The subject has an account, had one that was erased, or is a former guest of an account.
    #[error("the subject has an account")]
    SubjectTaken,
    /// The account does not exist or was erased.
    #[error("no such account")]
    NotFound,
    /// The tenant does not exist.
    #[error("no such tenant")]
    NoTenant,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(AccountError);

impl ReadSide {
    /// Creates an account.
    pub async fn create_account(&self, tenant: &TenantId, new: &NewAccount) -> Result<(), AccountError> {
        let mut tx = self.begin().await?;
        let is_subject_taken: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM accounts WHERE tenant = ?1 AND subject = ?2)
                 OR EXISTS (SELECT 1 FROM aliases WHERE tenant = ?1 AND guest = ?2)",
        )
        .bind(tenant.as_str())
        .bind(blob(new.subject.0))
        .fetch_one(&mut *tx)
        .await?;
        if is_subject_taken {
            return Err(AccountError::SubjectTaken);
        }
        sqlx::query(
            "INSERT INTO accounts (tenant, subject, email, email_norm, password, role, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(tenant.as_str())
        .bind(blob(new.subject.0))
        .bind(&new.email)
        .bind(normalise_email(&new.email))
        .bind(&new.password)
        .bind(new.role.as_str())
        .bind(number(new.created_at.0))
        .execute(&mut *tx)
        .await
        .map_err(|error| match error {
            error if is_taken(&error) => AccountError::EmailTaken,
            error if is_orphan(&error) => AccountError::NoTenant,
            error => error.into(),
        })?;
        Ok(tx.commit().await?)
    }

    /// Returns the account of this subject, even if it was erased.
    pub async fn account(&self, tenant: &TenantId, subject: SubjectId) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT * FROM accounts WHERE tenant = ?1 AND subject = ?2";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0));
        Ok(query.fetch_optional(&self.readers).await?.as_ref().map(read_account).transpose()?)
    }

    /// Returns, for each of these subjects, the address of the account that it has or now belongs to. Guests and erased
    /// accounts are omitted.
    pub async fn emails_of(
        &self,
        tenant: &TenantId,
        subjects: &[SubjectId],
    ) -> Result<HashMap<SubjectId, String>, StoreError> {
        let sql = "SELECT unhex(j.value) AS subject, a.email FROM json_each(?2) j
                       LEFT JOIN aliases g ON g.tenant = ?1 AND g.guest = unhex(j.value)
                       CROSS JOIN accounts a ON a.tenant = ?1 AND a.subject = coalesce(g.account, unhex(j.value))
                       WHERE a.erased_at IS NULL";
        let subjects: Vec<_> = subjects.iter().map(|subject| format!("{:032x}", subject.0)).collect();
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(serde_json::json!(subjects).to_string());
        let rows = query.fetch_all(&self.readers).await?;
        let pair = |row: &SqliteRow| Ok((SubjectId(row.id("subject")?), row.text("email")?));
        Ok(rows.iter().map(pair).collect::<sqlx::Result<_>>()?)
    }

    /// Returns the account with this address, however the address is spelled.
    pub async fn account_by_email(&self, tenant: &TenantId, email: &str) -> Result<Option<Account>, StoreError> {
        // An account from before the current rules may still have an address in a former spelling. It matches what is
        // typed.
        let [norm, decomposed, former] = norms_of(email);
        let sql = "SELECT * FROM accounts WHERE tenant = ?1 AND email_norm IN (?2, ?3, ?4)
                   ORDER BY email_norm = ?4 DESC, email_norm = ?2 DESC LIMIT 1";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(norm).bind(decomposed).bind(former);
        Ok(query.fetch_optional(&self.readers).await?.as_ref().map(read_account).transpose()?)
    }

    /// Lists the accounts of a tenant, newest first, including erased ones; only those with `role` if it is given.
    pub async fn accounts(
        &self,
        tenant: &TenantId,
        role: Option<Role>,
        page: PageRequest,
    ) -> Result<Page<Account>, StoreError> {
        let (at, id) = page.newest_first(List::Accounts);
        let rows = sqlx::query(
            "SELECT * FROM accounts
             WHERE tenant = ?1 AND (created_at, subject) < (?2, ?3) AND role = coalesce(?4, role)
             ORDER BY created_at DESC, subject DESC LIMIT ?5",
        )
        .bind(tenant.as_str())
        .bind(at)
        .bind(id)
        .bind(role.map(Role::as_str))
        .bind(page.limit.with_next())
        .fetch_all(&self.readers)
        .await?;
        let accounts = rows.iter().map(read_account).collect::<sqlx::Result<_>>()?;
        Ok(Page::cut(accounts, page.limit, List::Accounts, |account| (account.created_at, account.subject.0)))
    }

    /// Sets the password of an account, as a PHC string. With `former`, only while that is its password: otherwise the
    /// account counts as not found. Sessions continue: end them with
    /// [`end_sessions`](ReadSide::end_sessions) if the password was lost rather than changed.
    pub async fn set_password(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        former: Option<&str>,
        password: &str,
    ) -> Result<(), AccountError> {
        let sql = "UPDATE accounts SET password = ?3
                   WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL AND coalesce(?4, password) IS password";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).bind(password).bind(former);
        self.change_account(query).await
    }

    /// Changes the role of an account. Tokens that were already issued keep the old role until they expire.
    pub async fn set_role(&self, tenant: &TenantId, subject: SubjectId, role: Role) -> Result<(), AccountError> {
        let sql = "UPDATE accounts SET role = ?3 WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL";
        self.change_account(sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).bind(role.as_str())).await
    }

    async fn change_account(
        &self,
        query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<(), AccountError> {
        let done = query.execute(&self.writer).await?;
        if done.rows_affected() == 0 { Err(AccountError::NotFound) } else { Ok(()) }
    }
}

pub(super) fn read_account(row: &SqliteRow) -> sqlx::Result<Account> {
    Ok(Account {
        subject: SubjectId(row.id("subject")?),
        email: row.try_get("email")?,
        password: row.try_get("password")?,
        role: row.parsed("role")?,
        created_at: row.time("created_at")?,
        erased_at: row.opt_time("erased_at")?,
        tokens_from: row.opt_time("tokens_from")?,
        verified_at: row.opt_time("verified_at")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::{
        Limit,
        testing::{Shop, subject, tenant},
    };

    fn ada(email: &str) -> NewAccount {
        NewAccount {
            subject: subject(email),
            email: email.to_owned(),
            password: None,
            role: Role::Vendor,
            created_at: Timestamp(5),
        }
    }

    #[tokio::test]
    async fn an_account_is_found_by_its_address_however_it_is_spelled() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        shop.read_side.create_account(&acme, &ada("Ada@Example.com")).await.unwrap();
        let found = shop.read_side.account_by_email(&acme, " ADA@example.COM ").await.unwrap().unwrap();
        assert_eq!((found.email.as_deref(), found.role), (Some("Ada@Example.com"), Role::Vendor));
        assert_eq!(shop.read_side.account(&acme, found.subject).await.unwrap(), Some(found));
    }

    #[tokio::test]
    async fn addresses_are_found_by_the_accounts_and_their_former_guests() {
        let shop = Shop::open().await;
        let (ada, of_bolt) = (shop.customer("ada").await, shop.customer_of("bolt", "eve").await);
        let (guest, other) = (SubjectId(7), SubjectId(8));
        let acme = tenant("acme");
        shop.read_side.add_alias(&acme, guest, ada, Timestamp(2_000)).await.unwrap();
        let found = shop.read_side.emails_of(&acme, &[ada, guest, other, of_bolt, guest]).await.unwrap();
        let ada_at = "ada@example.com".to_owned();
        assert_eq!(found, HashMap::from([(ada, ada_at.clone()), (guest, ada_at)]));
        assert!(shop.read_side.emails_of(&acme, &[]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_address_is_unique_within_a_tenant_only() {
        let shop = Shop::open().await;
        shop.read_side.create_account(&tenant("acme"), &ada("ada@example.com")).await.unwrap();
        let mut other = ada("ADA@example.com");
        let taken = shop.read_side.create_account(&tenant("acme"), &other).await;
        assert!(matches!(taken, Err(AccountError::EmailTaken)));
        other.subject = subject("ada@example.com");
        let taken = shop.read_side.create_account(&tenant("acme"), &other).await;
        assert!(matches!(taken, Err(AccountError::SubjectTaken)));
        shop.read_side.create_account(&tenant("bolt"), &other).await.unwrap();
        let nowhere = shop.read_side.create_account(&tenant("nowhere"), &other).await;
        assert!(matches!(nowhere, Err(AccountError::NoTenant)));
    }

    #[tokio::test]
    async fn tenants_never_see_each_others_accounts() {
        let shop = Shop::open().await;
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        let ada = shop.customer_of("acme", "ada").await;
        assert_eq!(shop.read_side.account(&bolt, ada).await.unwrap(), None);
        assert_eq!(shop.read_side.account_by_email(&bolt, "ada@example.com").await.unwrap(), None);
        assert!(matches!(shop.read_side.set_password(&bolt, ada, None, "x").await, Err(AccountError::NotFound)));
        assert!(matches!(shop.read_side.set_role(&bolt, ada, Role::Admin).await, Err(AccountError::NotFound)));
        let page = shop.read_side.accounts(&bolt, None, PageRequest::default()).await.unwrap();
        assert_eq!(page.items, []);

        shop.read_side.set_password(&acme, ada, None, "x").await.unwrap();
        assert!(matches!(shop.read_side.set_password(&acme, ada, Some("w"), "z").await, Err(AccountError::NotFound)));
        shop.read_side.set_password(&acme, ada, Some("x"), "x").await.unwrap();
        shop.read_side.set_role(&acme, ada, Role::Admin).await.unwrap();
        let found = shop.read_side.account(&acme, ada).await.unwrap().unwrap();
        assert_eq!((found.password.as_deref(), found.role), (Some("x"), Role::Admin));
    }

    #[tokio::test]
    async fn accounts_are_listed_in_pages() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        for n in 0..5 {
            let new = NewAccount { created_at: Timestamp(10 + n / 2), ..ada(&format!("{n}@example.com")) };
            shop.read_side.create_account(&acme, &new).await.unwrap();
        }
        shop.customer("late").await;
        let mut page = PageRequest { limit: Limit::new(2).unwrap(), after: None };
        let mut seen = Vec::new();
        loop {
            let found = shop.read_side.accounts(&acme, Some(Role::Vendor), page).await.unwrap();
            seen.extend(found.items.into_iter().map(|account| account.created_at.0));
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [12, 11, 11, 10, 10]);
    }
}
