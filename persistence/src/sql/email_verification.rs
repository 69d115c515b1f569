//! Verification links, by which the owner of an account proves to receive mail at its address.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, TokenHash, account_link::AccountLinks, blob, error::store_errors, number};

/// The maximum number of open links of one account. A new link replaces the oldest.
pub const VERIFICATIONS_OPEN_MAX: u32 = 5;
const LINKS: AccountLinks = AccountLinks { table: "email_verifications", max: VERIFICATIONS_OPEN_MAX };

/// A reason why a link does not work.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The link was never sent, was used or has expired. The error does not say which.
    #[error("the link is no longer valid")]
    NotGood,
    /// The account does not exist or was erased.
    #[error("no such account")]
    NotFound,
    /// The database failed; whether the address was verified is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(VerificationError);

impl ReadSide {
    /// Creates a link for `subject`, identified by the hash of its token.
    pub async fn create_email_verification(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        token: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), VerificationError> {
        match self.create_account_link(&LINKS, (tenant, subject), token, now, expires_at).await? {
            true => Ok(()),
            false => Err(VerificationError::NotFound),
        }
    }

    /// Uses a link: verifies the address of its account, invalidates the account's other links, and returns the
    /// subject.
    pub async fn use_email_verification(
        &self,
        tenant: &TenantId,
        token: TokenHash,
        now: Timestamp,
    ) -> Result<SubjectId, VerificationError> {
        let mut tx = self.begin().await?;
        let sql = "SELECT subject FROM email_verifications WHERE tenant = ?1 AND token_hash = ?2 AND expires_at > ?3";
        let row = sqlx::query(sql).bind(tenant.as_str()).bind(token.0.as_slice()).bind(number(now.0));
        let row = row.fetch_optional(&mut *tx).await?;
        let subject = SubjectId(row.ok_or(VerificationError::NotGood)?.id("subject")?);
        let sql = "UPDATE accounts SET verified_at = coalesce(verified_at, ?3)
                   WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).bind(number(now.0));
        if query.execute(&mut *tx).await?.rows_affected() == 0 {
            return Err(VerificationError::NotGood);
        }
        let sql = "DELETE FROM email_verifications WHERE tenant = ?1 AND subject = ?2";
        sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(subject)
    }

    /// Marks the address of an account as verified, on the word of an operator.
    pub async fn verify_account(&self, tenant: &TenantId, subject: SubjectId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE accounts SET verified_at = coalesce(verified_at, ?3)
                   WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).bind(number(at.0));
        query.execute(&self.writer).await?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    const NOW: Timestamp = Timestamp(1_000);
    const END: Timestamp = Timestamp(5_000);

    fn token(n: u8) -> TokenHash {
        TokenHash([n; 32])
    }

    async fn sent(links: u8) -> (Shop, SubjectId) {
        let shop = Shop::open().await;
        let ada = shop.customer("ada").await;
        for n in 0..links {
            shop.read_side.create_email_verification(&tenant("acme"), ada, token(n), NOW, END).await.unwrap();
        }
        (shop, ada)
    }

    #[tokio::test]
    async fn a_link_verifies_the_address_once() {
        let (shop, ada) = sent(2).await;
        let acme = tenant("acme");
        let verified = async || shop.read_side.account(&acme, ada).await.unwrap().unwrap().verified_at;
        assert_eq!(verified().await, None);
        assert_eq!(shop.read_side.use_email_verification(&acme, token(0), NOW).await.unwrap(), ada);
        assert_eq!(verified().await, Some(NOW));
        for n in [0, 1] {
            let again = shop.read_side.use_email_verification(&acme, token(n), NOW).await;
            assert!(matches!(again, Err(VerificationError::NotGood)), "{n}");
        }
        shop.read_side.verify_account(&acme, ada, END).await.unwrap();
        assert_eq!(verified().await, Some(NOW), "the first time stays");
    }

    #[tokio::test]
    async fn a_link_expires_and_belongs_to_its_tenant_and_account() {
        let (shop, ada) = sent(VERIFICATIONS_OPEN_MAX as u8 + 1).await;
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        for (tenant, n, at) in [(&acme, 1, END), (&bolt, 1, NOW), (&acme, 0, NOW)] {
            let refused = shop.read_side.use_email_verification(tenant, token(n), at).await;
            assert!(matches!(refused, Err(VerificationError::NotGood)), "{tenant} {n}");
        }
        let foreign = shop.read_side.create_email_verification(&bolt, ada, token(9), NOW, END).await;
        assert!(matches!(foreign, Err(VerificationError::NotFound)));
        shop.read_side.erase_personal_data(&acme, ada, NOW).await.unwrap();
        let erased = shop.read_side.use_email_verification(&acme, token(1), NOW).await;
        assert!(matches!(erased, Err(VerificationError::NotGood)));
    }

    #[tokio::test]
    async fn a_link_to_set_a_password_shows_the_same() {
        let (shop, ada) = sent(0).await;
        let acme = tenant("acme");
        shop.read_side.create_password_reset(&acme, ada, token(1), NOW, END).await.unwrap();
        shop.read_side.use_password_reset(&acme, token(1), "phc", Timestamp(2_000)).await.unwrap();
        let account = shop.read_side.account(&acme, ada).await.unwrap().unwrap();
        assert_eq!(account.verified_at, Some(Timestamp(2_000)));
    }
}
