//! Sessions as families of refresh tokens.
//!
//! A refresh token is valid for one use, which returns its successor in the family. A second use means that the token
//! was stolen, so the family ends (RFC 9700, section 4.14.2). There is one exception: a client that lost the response
//! may repeat the rotation to the same successor, until the successor is used.

use engine::{
    id::{SubjectId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, TokenHash, blob, error::store_errors, number};

/// How long a rotation may be repeated: a phone may be in a tunnel. A stolen token and its key give no more than that.
const REPEAT_MS_MAX: u64 = 10 * 60 * 1_000;
/// The maximum number of expired rows of each table that one call of [`ReadSide::forget_expired_tokens`] removes. It
/// keeps the transactions short.
const FORGOTTEN_AT_ONCE: i64 = 5_000;

/// The first token of a family, created by a sign-in.
#[derive(Debug, Clone)]
pub struct NewRefreshToken {
    /// The hash of the token.
    pub token: TokenHash,
    /// The family: a random number, or one derived from the sign-in.
    pub family: u128,
    /// The subject that signed in.
    pub subject: SubjectId,
    /// The time of the sign-in.
    pub created_at: Timestamp,
    /// The first instant at which the token is no longer valid.
    pub expires_at: Timestamp,
    /// The time at which the password was entered; `None` for guests.
    pub signed_in_at: Option<Timestamp>,
}

/// The result of a rotation: the old token is used, and its successor is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The subject of the session.
    pub subject: SubjectId,
    /// The family of the session.
    pub family: u128,
    /// The time at which the password was entered; `None` for guests, and where it is not known.
    pub signed_in_at: Option<Timestamp>,
}

/// A reason why a token is not valid.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The token was never issued, its family has ended, or it expired long ago.
    #[error("unknown refresh token")]
    Unknown,
    /// The token has expired.
    #[error("the refresh token has expired")]
    Expired,
    /// The token was used before. Its family has now ended.
    #[error("the refresh token was used before")]
    Reused {
        /// The subject of the session.
        subject: SubjectId,
        /// The family that has ended.
        family: u128,
    },
    /// The database failed; whether the token was used is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(RotateError);

impl ReadSide {
    /// Starts a family.
    pub async fn start_session(&self, tenant: &TenantId, new: &NewRefreshToken) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        insert_token(&mut tx, tenant, new).await?;
        Ok(tx.commit().await?)
    }

    /// Uses the token `old` and makes `next` its successor.
    pub async fn rotate_session(
        &self,
        tenant: &TenantId,
        old: TokenHash,
        next: TokenHash,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Rotated, RotateError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("SELECT * FROM refresh_tokens WHERE tenant = ?1 AND token_hash = ?2")
            .bind(tenant.as_str())
            .bind(old.0.as_slice())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(RotateError::Unknown)?;
        let rotated = Rotated {
            subject: SubjectId(row.id("subject")?),
            family: row.id("family")?,
            signed_in_at: row.opt_time("signed_in_at")?,
        };
        if let Some(rotated_at) = row.opt_time("rotated_at")? {
            let lately = now.ms_since(rotated_at) <= REPEAT_MS_MAX;
            if lately && is_good(&mut tx, tenant, rotated.family, next, now).await? {
                return Ok(rotated);
            }
            delete_family(&mut tx, tenant, rotated.family).await?;
            tx.commit().await?;
            return Err(RotateError::Reused { subject: rotated.subject, family: rotated.family });
        }
        if row.time("expires_at")? <= now {
            return Err(RotateError::Expired);
        }
        sqlx::query("UPDATE refresh_tokens SET rotated_at = ?3 WHERE tenant = ?1 AND token_hash = ?2")
            .bind(tenant.as_str())
            .bind(old.0.as_slice())
            .bind(number(now.0))
            .execute(&mut *tx)
            .await?;
        let successor = NewRefreshToken {
            token: next,
            family: rotated.family,
            subject: rotated.subject,
            created_at: now,
            expires_at,
            signed_in_at: rotated.signed_in_at,
        };
        insert_token(&mut tx, tenant, &successor).await?;
        tx.commit().await?;
        Ok(rotated)
    }

    /// Ends the session of `family`. Idempotent.
    pub async fn end_session(&self, tenant: &TenantId, family: u128) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        delete_family(&mut tx, tenant, family).await?;
        Ok(tx.commit().await?)
    }

    /// Ends every session of `subject`.
    pub async fn end_sessions(&self, tenant: &TenantId, subject: SubjectId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM refresh_tokens WHERE tenant = ?1 AND subject = ?2")
            .bind(tenant.as_str())
            .bind(blob(subject.0))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Whether the session of `family` is open: its newest token has not expired.
    pub async fn has_session(&self, tenant: &TenantId, family: u128, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM refresh_tokens
                   WHERE tenant = ?1 AND family = ?2 AND rotated_at IS NULL AND expires_at > ?3)";
        let query = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(blob(family)).bind(number(now.0));
        Ok(query.fetch_one(&self.readers).await?)
    }

    /// Removes some of the refresh, reset and verification tokens, revocations and sign-in counts of all tenants that
    /// expired before `now`, and returns their number. Call it periodically, and again at once while it removes any.
    pub async fn forget_expired_tokens(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for sql in [
            "DELETE FROM refresh_tokens WHERE (tenant, token_hash) IN
             (SELECT tenant, token_hash FROM refresh_tokens WHERE expires_at <= ?1 LIMIT ?2)",
            "DELETE FROM password_resets WHERE (tenant, token_hash) IN
             (SELECT tenant, token_hash FROM password_resets WHERE expires_at <= ?1 LIMIT ?2)",
            "DELETE FROM email_verifications WHERE (tenant, token_hash) IN
             (SELECT tenant, token_hash FROM email_verifications WHERE expires_at <= ?1 LIMIT ?2)",
            "DELETE FROM ended_tokens WHERE (tenant, token) IN
             (SELECT tenant, token FROM ended_tokens WHERE expires_at <= ?1 LIMIT ?2)",
            "DELETE FROM ended_subjects WHERE (tenant, subject) IN
             (SELECT tenant, subject FROM ended_subjects WHERE expires_at <= ?1 LIMIT ?2)",
            "DELETE FROM sign_in_counts WHERE (tenant, account, network) IN
             (SELECT tenant, account, network FROM sign_in_counts WHERE expires_at <= ?1 LIMIT ?2)",
        ] {
            let query = sqlx::query(sql).bind(number(now.0)).bind(FORGOTTEN_AT_ONCE);
            removed += query.execute(&self.writer).await?.rows_affected();
        }
        Ok(removed)
    }
}

/// Whether a token is the one of its family that may be used.
async fn is_good(
    connection: &mut sqlx::SqliteConnection,
    tenant: &TenantId,
    family: u128,
    token: TokenHash,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM refresh_tokens
               WHERE tenant = ?1 AND token_hash = ?2 AND family = ?3 AND rotated_at IS NULL AND expires_at > ?4)";
    let query = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(token.0.as_slice()).bind(blob(family));
    query.bind(number(now.0)).fetch_one(connection).await
}

async fn insert_token(
    connection: &mut sqlx::SqliteConnection,
    tenant: &TenantId,
    new: &NewRefreshToken,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO refresh_tokens (tenant, token_hash, family, subject, created_at, expires_at, signed_in_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(tenant.as_str())
    .bind(new.token.0.as_slice())
    .bind(blob(new.family))
    .bind(blob(new.subject.0))
    .bind(number(new.created_at.0))
    .bind(number(new.expires_at.0))
    .bind(new.signed_in_at.map(|at| number(at.0)))
    .execute(connection)
    .await?;
    Ok(())
}

async fn delete_family(connection: &mut sqlx::SqliteConnection, tenant: &TenantId, family: u128) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM refresh_tokens WHERE tenant = ?1 AND family = ?2")
        .bind(tenant.as_str())
        .bind(blob(family))
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, subject, tenant};

    const NOW: Timestamp = Timestamp(1_000);
    const END: Timestamp = Timestamp(5_000);

    fn token(n: u8) -> TokenHash {
        TokenHash([n; 32])
    }

    async fn signed_in() -> Shop {
        let shop = Shop::open().await;
        let new = NewRefreshToken {
            token: token(1),
            family: 77,
            subject: subject("ada"),
            created_at: NOW,
            expires_at: END,
            signed_in_at: Some(NOW),
        };
        shop.read_side.start_session(&tenant("acme"), &new).await.unwrap();
        shop
    }

    #[tokio::test]
    async fn each_token_gives_the_next_one() {
        let shop = signed_in().await;
        let acme = tenant("acme");
        for n in 1..5 {
            let rotated = shop.read_side.rotate_session(&acme, token(n), token(n + 1), NOW, END).await.unwrap();
            assert_eq!(rotated, Rotated { subject: subject("ada"), family: 77, signed_in_at: Some(NOW) });
        }
        assert!(shop.read_side.has_session(&acme, 77, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn an_old_token_ends_the_family() {
        let shop = signed_in().await;
        let acme = tenant("acme");
        shop.read_side.rotate_session(&acme, token(1), token(2), NOW, END).await.unwrap();
        shop.read_side.rotate_session(&acme, token(2), token(3), NOW, END).await.unwrap();
        let stolen = shop.read_side.rotate_session(&acme, token(1), token(9), NOW, END).await;
        assert!(matches!(stolen, Err(RotateError::Reused { family: 77, .. })));
        for n in [1, 2, 3, 9] {
            let over = shop.read_side.rotate_session(&acme, token(n), token(10 + n), NOW, END).await;
            assert!(matches!(over, Err(RotateError::Unknown)), "{n}");
        }
        assert!(!shop.read_side.has_session(&acme, 77, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_lost_answer_can_be_repeated_until_the_next_token_is_used() {
        let shop = signed_in().await;
        let acme = tenant("acme");
        let rotate = async |old, next| shop.read_side.rotate_session(&acme, token(old), token(next), NOW, END).await;
        assert_eq!(rotate(1, 2).await.unwrap(), rotate(1, 2).await.unwrap());
        rotate(2, 3).await.unwrap();
        assert!(matches!(rotate(1, 2).await, Err(RotateError::Reused { family: 77, .. })));
        assert!(!shop.read_side.has_session(&acme, 77, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_lost_answer_can_be_repeated_for_a_limited_time() {
        let (shop, acme, far) = (signed_in().await, tenant("acme"), Timestamp(NOW.0 + 10 * REPEAT_MS_MAX));
        let rotate = async |ms| shop.read_side.rotate_session(&acme, token(1), token(2), NOW.plus_ms(ms), far).await;
        rotate(0).await.unwrap();
        assert!(rotate(REPEAT_MS_MAX).await.is_ok());
        assert!(matches!(rotate(REPEAT_MS_MAX + 1).await, Err(RotateError::Reused { .. })));
    }

    #[tokio::test]
    async fn of_two_uses_at_once_one_wins_and_the_family_ends() {
        let shop = signed_in().await;
        let acme = tenant("acme");
        let (one, two) = tokio::join!(
            shop.read_side.rotate_session(&acme, token(1), token(2), NOW, END),
            shop.read_side.rotate_session(&acme, token(1), token(3), NOW, END),
        );
        assert!(one.is_ok() != two.is_ok());
        assert!(!shop.read_side.has_session(&acme, 77, NOW).await.unwrap());
    }

    #[tokio::test]
    async fn a_token_expires_and_is_forgotten() {
        let shop = signed_in().await;
        let acme = tenant("acme");
        let late = shop.read_side.rotate_session(&acme, token(1), token(2), END, Timestamp(9_000)).await;
        assert!(matches!(late, Err(RotateError::Expired)));
        assert_eq!(shop.read_side.forget_expired_tokens(Timestamp(END.0 - 1)).await.unwrap(), 0);
        assert_eq!(shop.read_side.forget_expired_tokens(END).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn tenants_never_share_sessions() {
        let shop = signed_in().await;
        let bolt = tenant("bolt");
        let foreign = shop.read_side.rotate_session(&bolt, token(1), token(2), NOW, END).await;
        assert!(matches!(foreign, Err(RotateError::Unknown)));
        shop.read_side.end_session(&bolt, 77).await.unwrap();
        shop.read_side.end_sessions(&bolt, subject("ada")).await.unwrap();
        assert!(!shop.read_side.has_session(&bolt, 77, NOW).await.unwrap());
        assert!(shop.read_side.has_session(&tenant("acme"), 77, NOW).await.unwrap());
        shop.read_side.end_sessions(&tenant("acme"), subject("ada")).await.unwrap();
        assert!(!shop.read_side.has_session(&tenant("acme"), 77, NOW).await.unwrap());
    }
}
