//! Links to set a new password.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, TokenHash, account_link::AccountLinks, blob, error::store_errors, number};

/// The maximum number of open links of one account. A new link replaces the oldest.
pub const RESETS_OPEN_MAX: u32 = 5;
const LINKS: AccountLinks = AccountLinks { table: "password_resets", max: RESETS_OPEN_MAX };

/// A reason why a link does not work.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The link was never sent, was used, is older than another that was used, or has expired. The error does not say
    /// which.
    #[error("the link is no longer valid")]
    NotGood,
    /// The account does not exist or was erased.
    #[error("no such account")]
    NotFound,
    /// The database failed; whether the password was set is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(ResetError);

impl ReadSide {
    /// Creates a link for `subject`, identified by the hash of its token.
    pub async fn create_password_reset(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        token: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), ResetError> {
        match self.create_account_link(&LINKS, (tenant, subject), token, now, expires_at).await? {
            true => Ok(()),
            false => Err(ResetError::NotFound),
        }
    }

    /// Returns the address of the account that a link belongs to, while the link works.
    pub async fn password_reset_email(
        &self,
        tenant: &TenantId,
        token: TokenHash,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT email FROM password_resets JOIN accounts USING (tenant, subject)
                   WHERE tenant = ?1 AND token_hash = ?2 AND used_at IS NULL AND expires_at > ?3";
        let query = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(token.0.as_slice()).bind(number(now.0));
        Ok(query.fetch_optional(&self.readers).await?.flatten())
    }

    /// Uses a link: sets the password (a PHC string), ends every session of the account, and invalidates its other
    /// links and the tokens issued before `now`. It also verifies the address, because the link was received there.
    /// Returns the subject.
    pub async fn use_password_reset(
        &self,
        tenant: &TenantId,
        token: TokenHash,
        password: &str,
        now: Timestamp,
    ) -> Result<SubjectId, ResetError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "UPDATE password_resets SET used_at = ?3
             WHERE tenant = ?1 AND token_hash = ?2 AND used_at IS NULL AND expires_at > ?3 RETURNING subject",
        )
        .bind(tenant.as_str())
        .bind(token.0.as_slice())
        .bind(number(now.0))
        .fetch_optional(&mut *tx)
        .await?;
        let subject = SubjectId(row.ok_or(ResetError::NotGood)?.id("subject")?);
        let changed = sqlx::query(
            "UPDATE accounts SET password = ?3, tokens_from = ?4, verified_at = coalesce(verified_at, ?4)
             WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL",
        )
        .bind(tenant.as_str())
        .bind(blob(subject.0))
        .bind(password)
        .bind(number(now.0))
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(ResetError::NotGood);
        }
        for sql in [
            "DELETE FROM refresh_tokens WHERE tenant = ?1 AND subject = ?2",
            "DELETE FROM password_resets WHERE tenant = ?1 AND subject = ?2 AND used_at IS NULL",
        ] {
            sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(subject)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::{
        NewRefreshToken,
        testing::{Shop, tenant},
    };

    const NOW: Timestamp = Timestamp(1_000);
    const END: Timestamp = Timestamp(5_000);

    fn token(n: u8) -> TokenHash {
        TokenHash([n; 32])
    }

    async fn sent(links: u8) -> (Shop, SubjectId) {
        let shop = Shop::open().await;
        let ada = shop.customer("ada").await;
        for n in 0..links {
            shop.read_side.create_password_reset(&tenant("acme"), ada, token(n), NOW, END).await.unwrap();
        }
        (shop, ada)
    }

    #[tokio::test]
    async fn a_link_sets_the_password_once_and_ends_all_sessions() {
        let (shop, ada) = sent(2).await;
        let acme = tenant("acme");
        let session = NewRefreshToken {
            token: token(9),
            family: 7,
            subject: ada,
            created_at: NOW,
            expires_at: END,
            signed_in_at: None,
        };
        shop.read_side.start_session(&acme, &session).await.unwrap();

        assert_eq!(shop.read_side.use_password_reset(&acme, token(0), "new phc", NOW).await.unwrap(), ada);
        let account = shop.read_side.account(&acme, ada).await.unwrap().unwrap();
        assert_eq!((account.password.as_deref(), account.tokens_from), (Some("new phc"), Some(NOW)));
        assert!(!shop.read_side.has_session(&acme, 7, NOW).await.unwrap());
        for n in [0, 1] {
            let again = shop.read_side.use_password_reset(&acme, token(n), "evil phc", NOW).await;
            assert!(matches!(again, Err(ResetError::NotGood)), "{n}");
        }
    }

    #[tokio::test]
    async fn a_link_expires_and_belongs_to_its_tenant() {
        let (shop, ada) = sent(1).await;
        let late = shop.read_side.use_password_reset(&tenant("acme"), token(0), "x", END).await;
        assert!(matches!(late, Err(ResetError::NotGood)));
        let foreign = shop.read_side.use_password_reset(&tenant("bolt"), token(0), "x", NOW).await;
        assert!(matches!(foreign, Err(ResetError::NotGood)));
        let foreign = shop.read_side.create_password_reset(&tenant("bolt"), ada, token(1), NOW, END).await;
        assert!(matches!(foreign, Err(ResetError::NotFound)));
    }

    #[tokio::test]
    async fn only_the_newest_links_are_open() {
        let (shop, ada) = sent(RESETS_OPEN_MAX as u8 + 1).await;
        let acme = tenant("acme");
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM password_resets")
            .fetch_one(&shop.read_side.readers)
            .await
            .unwrap();
        assert_eq!(open, i64::from(RESETS_OPEN_MAX));
        let newest = token(RESETS_OPEN_MAX as u8);
        assert_eq!(shop.read_side.use_password_reset(&acme, newest, "x", NOW).await.unwrap(), ada);
    }
}
