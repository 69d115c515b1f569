//! Guests who have signed in: the account takes over what belonged to the guest.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, blob, error::store_errors, number};

/// The maximum number of former guests of one account, because every command of its owner carries them. A device adds
/// one with each sign-in that follows a guest's cart.
pub const ALIASES_MAX: usize = 256;

/// A reason why a guest cannot be added to an account.
#[derive(Debug, thiserror::Error)]
pub enum AliasError {
    /// The guest already belongs to another account, or has its own account.
    #[error("the guest belongs to another account")]
    Taken,
    /// The account has [`ALIASES_MAX`] former guests. Sign in without adding the guest.
    #[error("an account has at most {ALIASES_MAX} former guests")]
    TooMany,
    /// The account does not exist or was erased.
    #[error("no such account")]
    NotFound,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(AliasError);

impl ReadSide {
    /// Transfers what belongs to `guest` to `account`. Idempotent.
    pub async fn add_alias(
        &self,
        tenant: &TenantId,
        guest: SubjectId,
        account: SubjectId,
        at: Timestamp,
    ) -> Result<(), AliasError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "SELECT (SELECT account FROM aliases WHERE tenant = ?1 AND guest = ?2) AS present,
                    EXISTS (SELECT 1 FROM accounts WHERE tenant = ?1 AND subject = ?2) AS guest_has_account,
                    EXISTS (SELECT 1 FROM accounts WHERE tenant = ?1 AND subject = ?3 AND erased_at IS NULL) AS has_account,
                    (SELECT count(*) FROM aliases WHERE tenant = ?1 AND account = ?3) AS aliases",
        )
        .bind(tenant.as_str())
        .bind(blob(guest.0))
        .bind(blob(account.0))
        .fetch_one(&mut *tx)
        .await?;
        match row.opt_id("present")? {
            Some(present) if present == account.0 => return Ok(()),
            Some(_) => return Err(AliasError::Taken),
            None => {}
        }
        if row.count("has_account")? == 0 {
            return Err(AliasError::NotFound);
        }
        if row.count("guest_has_account")? == 1 {
            return Err(AliasError::Taken);
        }
        if row.count("aliases")? >= ALIASES_MAX as u64 {
            return Err(AliasError::TooMany);
        }
        sqlx::query("INSERT INTO aliases (tenant, guest, account, created_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(tenant.as_str())
            .bind(blob(guest.0))
            .bind(blob(account.0))
            .bind(number(at.0))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Returns the former guests of `account`, at most [`ALIASES_MAX`].
    pub async fn former_subjects(&self, tenant: &TenantId, account: SubjectId) -> Result<Vec<SubjectId>, StoreError> {
        let rows = sqlx::query("SELECT guest FROM aliases WHERE tenant = ?1 AND account = ?2 ORDER BY guest")
            .bind(tenant.as_str())
            .bind(blob(account.0))
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(|row| row.id("guest").map(SubjectId)).collect::<sqlx::Result<_>>()?)
    }

    /// Returns the account that `subject` now belongs to if it is a former guest, otherwise `subject` itself.
    pub async fn resolve_subject(&self, tenant: &TenantId, subject: SubjectId) -> Result<SubjectId, StoreError> {
        let row = sqlx::query("SELECT account FROM aliases WHERE tenant = ?1 AND guest = ?2")
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|row| row.id("account").map(SubjectId)).transpose()?.unwrap_or(subject))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, subject, tenant};

    const AT: Timestamp = Timestamp(7);

    #[tokio::test]
    async fn a_guest_who_signs_in_becomes_the_account() {
        let shop = Shop::open().await;
        let (acme, bolt, guest) = (tenant("acme"), tenant("bolt"), subject("guest"));
        let ada = shop.customer("ada").await;
        for _ in 0..2 {
            shop.read_side.add_alias(&acme, guest, ada, AT).await.unwrap();
        }
        assert_eq!(shop.read_side.former_subjects(&acme, ada).await.unwrap(), [guest]);
        assert_eq!(shop.read_side.resolve_subject(&acme, guest).await.unwrap(), ada);
        assert_eq!(shop.read_side.resolve_subject(&acme, ada).await.unwrap(), ada);

        assert_eq!(shop.read_side.former_subjects(&bolt, ada).await.unwrap(), []);
        assert_eq!(shop.read_side.resolve_subject(&bolt, guest).await.unwrap(), guest);
    }

    #[tokio::test]
    async fn a_guest_belongs_to_one_account() {
        let shop = Shop::open().await;
        let (acme, guest) = (tenant("acme"), subject("guest"));
        let (ada, bob) = (shop.customer("ada").await, shop.customer("bob").await);
        shop.read_side.add_alias(&acme, guest, ada, AT).await.unwrap();
        assert!(matches!(shop.read_side.add_alias(&acme, guest, bob, AT).await, Err(AliasError::Taken)));
        assert!(matches!(shop.read_side.add_alias(&acme, ada, bob, AT).await, Err(AliasError::Taken)));
        let nobody = shop.read_side.add_alias(&acme, subject("other"), subject("nobody"), AT).await;
        assert!(matches!(nobody, Err(AliasError::NotFound)));
        let elsewhere = shop.read_side.add_alias(&tenant("bolt"), subject("other"), ada, AT).await;
        assert!(matches!(elsewhere, Err(AliasError::NotFound)));
    }

    #[tokio::test]
    async fn former_guests_are_bounded() {
        let shop = Shop::open().await;
        let (acme, ada) = (tenant("acme"), shop.customer("ada").await);
        for n in 0..ALIASES_MAX {
            shop.read_side.add_alias(&acme, subject(&n.to_string()), ada, AT).await.unwrap();
        }
        let more = shop.read_side.add_alias(&acme, subject("more"), ada, AT).await;
        assert!(matches!(more, Err(AliasError::TooMany)));
    }
}
