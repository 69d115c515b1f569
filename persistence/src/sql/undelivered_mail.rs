//! E-mails that could not be sent yet, so that operators can see them.

use engine::{id::TenantId, time::Timestamp};
use sqlx::{Row, sqlite::SqliteRow};

use super::{ReadSide, RowExt, StoreError, number};

/// The maximum number of e-mails that [`ReadSide::undelivered_mails`] returns: a page that a person can read through.
pub const UNDELIVERED_SHOWN_MAX: u32 = 200;
/// The maximum number kept for one tenant. The oldest abandoned ones are removed first.
pub const UNDELIVERED_KEPT_MAX: u32 = 10_000;
/// How long an abandoned e-mail is kept.
const FAILED_KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;
/// The maximum length of a stored reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// An e-mail that could not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeliveredMail {
    /// The tenant of the e-mail.
    pub tenant: TenantId,
    /// The name of the e-mail: `receipt-{order}`.
    pub name: String,
    /// The number of attempts.
    pub tries: u64,
    /// The reason of the last failure.
    pub reason: String,
    /// The time of the first attempt.
    pub first_at: Timestamp,
    /// The time of the last attempt.
    pub last_at: Timestamp,
    /// The time at which it was abandoned; `None` if it will be retried.
    pub failed_at: Option<Timestamp>,
}

/// The number of e-mails that could not be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndeliveredSummary {
    /// The number of e-mails that will be retried.
    pub waiting: u64,
    /// The time of the first attempt of the oldest of these.
    pub oldest_at: Option<Timestamp>,
    /// The number of abandoned e-mails, as far as they are still stored.
    pub failed: u64,
}

impl ReadSide {
    /// Records that an e-mail could not be sent, and returns the time of the first attempt. `is_over`: it is abandoned.
    pub async fn note_undelivered(
        &self,
        tenant: &TenantId,
        name: &str,
        recipient: &str,
        reason: &str,
        at: Timestamp,
        is_over: bool,
    ) -> Result<Timestamp, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query(
            "INSERT INTO undelivered_mails (tenant, name, recipient, tries, reason, first_at, last_at, failed_at)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5, ?6)
             ON CONFLICT (tenant, name) DO UPDATE SET
                 tries = tries + 1, reason = excluded.reason, last_at = excluded.last_at, failed_at = excluded.failed_at
             RETURNING first_at",
        )
        .bind(tenant.as_str())
        .bind(name)
        .bind(recipient)
        .bind(reason.chars().take(REASON_CHARS_MAX).collect::<String>())
        .bind(number(at.0))
        .bind(is_over.then(|| number(at.0)))
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM undelivered_mails WHERE failed_at <= ?2 OR (tenant = ?1 AND name IN
                 (SELECT name FROM undelivered_mails WHERE tenant = ?1 ORDER BY failed_at IS NULL DESC, last_at DESC
                  LIMIT -1 OFFSET ?3))",
        )
        .bind(tenant.as_str())
        .bind(number(at.0.saturating_sub(FAILED_KEPT_MS)))
        .bind(UNDELIVERED_KEPT_MAX)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(row.time("first_at")?)
    }

    /// Deletes the record of an e-mail that has been sent.
    pub async fn note_delivered(&self, tenant: &TenantId, name: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM undelivered_mails WHERE tenant = ?1 AND name = ?2";
        sqlx::query(sql).bind(tenant.as_str()).bind(name).execute(&self.writer).await?;
        Ok(())
    }

    /// Deletes the records of the e-mails to these recipients.
    pub async fn forget_undelivered(&self, recipients: &[String]) -> Result<(), StoreError> {
        let sql = "DELETE FROM undelivered_mails WHERE recipient IN (SELECT value FROM json_each(?1))";
        sqlx::query(sql).bind(serde_json::json!(recipients).to_string()).execute(&self.writer).await?;
        Ok(())
    }

    /// Returns the e-mails of a tenant, or of all, that could not be sent, at most [`UNDELIVERED_SHOWN_MAX`]: those
    /// that will be retried, oldest first, then the abandoned ones, newest first.
    pub async fn undelivered_mails(&self, tenant: Option<&TenantId>) -> Result<Vec<UndeliveredMail>, StoreError> {
        let sql = "SELECT * FROM undelivered_mails WHERE ?1 IS NULL OR tenant = ?1
                   ORDER BY failed_at IS NOT NULL, coalesce(-failed_at, first_at), tenant, name LIMIT ?2";
        let query = sqlx::query(sql).bind(tenant.map(TenantId::as_str)).bind(UNDELIVERED_SHOWN_MAX);
        let rows = query.fetch_all(&self.readers).await?;
        Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
    }

    /// Returns the number of e-mails of a tenant, or of all, that could not be sent.
    pub async fn undelivered_summary(&self, tenant: Option<&TenantId>) -> Result<UndeliveredSummary, StoreError> {
        let sql = "SELECT count(*) FILTER (WHERE failed_at IS NULL) AS waiting,
                       min(first_at) FILTER (WHERE failed_at IS NULL) AS oldest_at,
                       count(failed_at) AS failed
                   FROM undelivered_mails WHERE ?1 IS NULL OR tenant = ?1";
        let row = sqlx::query(sql).bind(tenant.map(TenantId::as_str)).fetch_one(&self.readers).await?;
        Ok(UndeliveredSummary {
            waiting: row.count("waiting")?,
            oldest_at: row.opt_time("oldest_at")?,
            failed: row.count("failed")?,
        })
    }
}

fn read(row: &SqliteRow) -> sqlx::Result<UndeliveredMail> {
    Ok(UndeliveredMail {
        tenant: row.parsed("tenant")?,
        name: row.try_get("name")?,
        tries: row.count("tries")?,
        reason: row.try_get("reason")?,
        first_at: row.time("first_at")?,
        last_at: row.time("last_at")?,
        failed_at: row.opt_time("failed_at")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    #[tokio::test]
    async fn a_mail_is_known_from_its_first_failure_until_it_is_handed_over() {
        let shop = Shop::open().await;
        let (acme, read_side) = (tenant("acme"), &shop.read_side);
        let note = async |name, at, is_over| {
            read_side.note_undelivered(&acme, name, "contact acme 1", "busy", Timestamp(at), is_over).await.unwrap()
        };
        assert_eq!(
            (note("receipt-1", 5, false).await, note("receipt-1", 9, false).await),
            (Timestamp(5), Timestamp(5))
        );
        note("receipt-2", 7, true).await;
        let summary = UndeliveredSummary { waiting: 1, oldest_at: Some(Timestamp(5)), failed: 1 };
        assert_eq!(read_side.undelivered_summary(Some(&acme)).await.unwrap(), summary);
        assert_eq!(read_side.undelivered_summary(Some(&tenant("bolt"))).await.unwrap(), UndeliveredSummary::default());
        let mails = read_side.undelivered_mails(Some(&acme)).await.unwrap();
        let seen: Vec<_> = mails.iter().map(|mail| (&mail.name[..], mail.tries, mail.failed_at)).collect();
        assert_eq!(seen, [("receipt-1", 2, None), ("receipt-2", 1, Some(Timestamp(7)))]);
        read_side.note_delivered(&acme, "receipt-1").await.unwrap();
        read_side.forget_undelivered(&["contact acme 1".to_owned()]).await.unwrap();
        assert_eq!(read_side.undelivered_mails(None).await.unwrap(), []);
    }

    #[tokio::test]
    async fn failed_mails_are_deleted_after_their_retention() {
        let shop = Shop::open().await;
        let (acme, read_side) = (tenant("acme"), &shop.read_side);
        for (name, at, is_over) in [("old", 1, true), ("waiting", 1, false), ("new", 2 + FAILED_KEPT_MS, true)] {
            read_side.note_undelivered(&acme, name, "r", "gone", Timestamp(at), is_over).await.unwrap();
        }
        let names: Vec<_> =
            read_side.undelivered_mails(None).await.unwrap().into_iter().map(|mail| mail.name).collect();
        assert_eq!(names, ["waiting", "new"]);
    }
}
