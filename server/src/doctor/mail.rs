//! Checks that mails are delivered.

use engine::time::Timestamp;
use persistence::sql::{ReadSide, StoreError, UndeliveredMail};

use super::Check;

/// How long a mail may wait before it counts as a problem. Maintenance of a mail server takes up to this long.
const WAITS_MS_MAX: u64 = 3_600 * 1_000;
/// How long a failed mail counts as a problem. Within this time the buyer may still be contacted in another way.
const FAILED_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;

pub(super) async fn check(read_side: &ReadSide, now: Timestamp) -> Check {
    let mut check = Check::new("mail");
    if let Err(error) = look(read_side, now, &mut check).await {
        check.problem(error.to_string());
    }
    check
}

async fn look(read_side: &ReadSide, now: Timestamp, check: &mut Check) -> Result<(), StoreError> {
    let summary = read_side.undelivered_summary(None).await?;
    check.found = format!("{} waiting, {} failed", summary.waiting, summary.failed);
    for UndeliveredMail { tenant, name, reason, first_at, failed_at, .. } in read_side.undelivered_mails(None).await? {
        match failed_at {
            None if now.ms_since(first_at) > WAITS_MS_MAX => {
                check.problem(format!("{tenant} {name} has been waiting since {first_at}: {reason}"));
            }
            Some(at) if now.ms_since(at) <= FAILED_MS_MAX => {
                check.problem(format!("{tenant} {name} failed at {at}: {reason}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::{id::TenantId, money::Currency};
    use persistence::sql::Tenant;

    use super::*;

    #[tokio::test]
    async fn long_waiting_and_failed_mails_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let read_side = ReadSide::open(&folder.path().join("fusion.sqlite")).await.unwrap();
        let tenant = TenantId::new("acme").unwrap();
        let (settings, hosts) = (serde_json::Map::new(), Vec::new());
        let made =
            Tenant { tenant: tenant.clone(), currency: Currency::USD, hosts, settings, created_at: Timestamp(0) };
        read_side.create_tenant(&made).await.unwrap();
        let note = async |name, is_over| {
            read_side.note_undelivered(&tenant, name, "r", "refused", Timestamp(10), is_over).await.unwrap();
        };
        note("receipt-1", false).await;
        let at = |ms| Timestamp(10 + ms);
        let problems = async |now| check(&read_side, now).await.problems.len();
        assert_eq!((problems(at(WAITS_MS_MAX)).await, problems(at(WAITS_MS_MAX + 1)).await), (0, 1));
        note("receipt-1", true).await;
        assert_eq!((problems(at(FAILED_MS_MAX)).await, problems(at(FAILED_MS_MAX + 1)).await), (1, 0));
        assert_eq!(check(&read_side, at(0)).await.found, "0 waiting, 1 failed");
    }
}
