//! Access tokens that were revoked before they expired and belong to no session.

use std::time::Duration;

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, blob, number};

/// The longest lifetime of an access token: a year, for integrations. Revocations are kept for as long.
pub const TOKEN_TTL_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

impl ReadSide {
    /// Revokes the token with this id until it would have expired. Idempotent.
    pub async fn end_token(&self, tenant: &TenantId, token: u128, expires_at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO ended_tokens (tenant, token, expires_at) VALUES (?1, ?2, ?3)
                   ON CONFLICT (tenant, token) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at)";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(token)).bind(number(expires_at.0));
        query.execute(&self.writer).await?;
        Ok(())
    }

    /// Whether the token with this id was revoked.
    pub async fn token_has_ended(&self, tenant: &TenantId, token: u128) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM ended_tokens WHERE tenant = ?1 AND token = ?2)";
        Ok(sqlx::query_scalar(sql).bind(tenant.as_str()).bind(blob(token)).fetch_one(&self.readers).await?)
    }

    /// Revokes the tokens of a subject without an account that were issued before `before`. The last of them expires at
    /// `until`.
    pub async fn end_subject_tokens(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
        before: Timestamp,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO ended_subjects (tenant, subject, tokens_from, expires_at) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (tenant, subject) DO UPDATE SET
                       tokens_from = max(tokens_from, excluded.tokens_from),
                       expires_at = max(expires_at, excluded.expires_at)";
        let query = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0));
        query.bind(number(before.0)).bind(number(until.0)).execute(&self.writer).await?;
        Ok(())
    }

    /// Returns the time from which tokens of a subject without an account are valid, if earlier ones were revoked.
    pub async fn subject_tokens_from(
        &self,
        tenant: &TenantId,
        subject: SubjectId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT tokens_from FROM ended_subjects WHERE tenant = ?1 AND subject = ?2";
        let row = sqlx::query(sql).bind(tenant.as_str()).bind(blob(subject.0)).fetch_optional(&self.readers).await?;
        Ok(row.map(|row| row.time("tokens_from")).transpose()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, subject, tenant};

    const END: Timestamp = Timestamp(5_000);

    #[tokio::test]
    async fn an_ended_token_is_remembered_until_it_would_have_expired() {
        let shop = Shop::open().await;
        let (acme, bolt) = (tenant("acme"), tenant("bolt"));
        for _ in 0..2 {
            shop.read_side.end_token(&acme, 7, END).await.unwrap();
        }
        shop.read_side.forget_expired_tokens(Timestamp(END.0 - 1)).await.unwrap();
        assert!(shop.read_side.token_has_ended(&acme, 7).await.unwrap());
        assert!(!shop.read_side.token_has_ended(&acme, 8).await.unwrap());
        assert!(!shop.read_side.token_has_ended(&bolt, 7).await.unwrap());
        assert_eq!(shop.read_side.forget_expired_tokens(END).await.unwrap(), 1);
        assert!(!shop.read_side.token_has_ended(&acme, 7).await.unwrap());
    }

    #[tokio::test]
    async fn a_subjects_tokens_end_by_their_age() {
        let shop = Shop::open().await;
        let (acme, ada) = (tenant("acme"), subject("ada"));
        for before in [20, 10] {
            shop.read_side.end_subject_tokens(&acme, ada, Timestamp(before), END).await.unwrap();
        }
        let from = async |tenant| shop.read_side.subject_tokens_from(tenant, ada).await.unwrap();
        assert_eq!(from(&acme).await, Some(Timestamp(20)));
        let bolt = tenant("bolt");
        assert_eq!(from(&bolt).await, None);
        assert_eq!(shop.read_side.forget_expired_tokens(END).await.unwrap(), 1);
        assert_eq!(from(&acme).await, None);
    }
}
