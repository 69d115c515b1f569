//! Links that are mailed to the owner of an account and identified by the hash of a token.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use super::{ReadSide, StoreError, TokenHash, blob, number};

/// A kind of links: the table that has them, with the columns `tenant`, `token_hash`, `subject`, `created_at` and
/// `expires_at`.
pub(super) struct AccountLinks {
    pub(super) table: &'static str,
    /// The maximum number of links of one account. A new link replaces the oldest.
    pub(super) max: u32,
}

impl ReadSide {
    /// Creates a link for `subject`. Returns false, and creates nothing, if the account does not exist or was erased.
    pub(super) async fn create_account_link(
        &self,
        AccountLinks { table, max }: &AccountLinks,
        (tenant, subject): (&TenantId, SubjectId),
        token: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let sql = format!(
            "INSERT INTO {table} (tenant, token_hash, subject, created_at, expires_at)
             SELECT tenant, ?3, subject, ?4, ?5 FROM accounts
             WHERE tenant = ?1 AND subject = ?2 AND erased_at IS NULL"
        );
        let made = sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .bind(token.0.as_slice())
            .bind(number(now.0))
            .bind(number(expires_at.0))
            .execute(&mut *tx)
            .await?;
        if made.rows_affected() == 0 {
            return Ok(false);
        }
        let sql = format!(
            "DELETE FROM {table} WHERE tenant = ?1 AND subject = ?2 AND token_hash NOT IN
             (SELECT token_hash FROM {table} WHERE tenant = ?1 AND subject = ?2
              ORDER BY created_at DESC, token_hash = ?3 DESC LIMIT ?4)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .bind(token.0.as_slice())
            .bind(*max)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}
