//! Password attempts per address, and the networks from which its owner is known to sign in.
//!
//! A network from which an account was signed in to has its own count, so that strangers who try passwords elsewhere do
//! not lock the owner out.

use engine::{id::TenantId, time::Timestamp};
use sqlx::Row;

use super::{ReadSide, RowExt, StoreError, blob, error::is_orphan, number};

/// How long a count is kept after the last attempt: at the longest delay, 96 passwords are tried in that time.
const COUNT_KEPT_MS: u64 = 24 * 3_600 * 1_000;
/// How long a network is known after the last sign-in from it: 90 days, for those who buy now and then.
const NETWORK_KNOWN_MS: u64 = 90 * 24 * 3_600 * 1_000;
/// The maximum number of known networks of one account. A new network replaces the least recently used.
pub const KNOWN_NETWORKS_MAX: u32 = 8;
/// The maximum number of counts for unknown networks: some 100 MB, and more passwords than a machine checks in a
/// morning. The counts that expire first are removed.
pub const SIGN_IN_COUNTS_MAX: u32 = 1_000_000;
/// The network of the count that all unknown networks share.
const STRANGERS: &[u8] = &[];

/// A password attempt, counted as wrong until the password is known to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInTry {
    /// The number of attempts since the last right password, including this one.
    pub failures: u32,
    /// The network of the count.
    network: Vec<u8>,
}

impl ReadSide {
    /// Counts one more password attempt for an address, unless the delay of the previous attempt has not passed: then
    /// `Err` contains the end of the delay. `delay_ms` maps the number of attempts to the delay before the next one.
    ///
    /// The attempt is counted before the password is checked: concurrent attempts get no more checks than sequential
    /// ones.
    pub async fn begin_sign_in(
        &self,
        tenant: &TenantId,
        account: u128,
        network: u128,
        now: Timestamp,
        delay_ms: impl Fn(u32) -> u64 + Send,
    ) -> Result<Result<SignInTry, Timestamp>, StoreError> {
        // Refuses most of a flood here, without taking the writing connection.
        if let Some(until) = count_of(&self.readers, tenant, account, network, now).await?.wait_until(now) {
            return Ok(Err(until));
        }
        let mut tx = self.begin().await?;
        // Checked again with the writing connection: another attempt may have been counted in the meantime.
        let count = count_of(&mut *tx, tenant, account, network, now).await?;
        if let Some(until) = count.wait_until(now) {
            return Ok(Err(until));
        }
        let (network, failures) = (count.network, count.failures.saturating_add(1));
        let expires_at = count.known_until.unwrap_or(now.plus_ms(COUNT_KEPT_MS));
        let counted = sqlx::query(
            "INSERT INTO sign_in_counts (tenant, account, network, failures, wait_until, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, account, network) DO UPDATE SET
                 failures = excluded.failures, wait_until = excluded.wait_until, expires_at = excluded.expires_at",
        )
        .bind(tenant.as_str())
        .bind(blob(account))
        .bind(&network)
        .bind(i64::from(failures))
        .bind(number(now.plus_ms(delay_ms(failures)).0))
        .bind(number(expires_at.0))
        .execute(&mut *tx)
        .await;
        match counted {
            // A tenant that does not exist has no accounts to guess passwords for.
            Err(error) if is_orphan(&error) => return Ok(Ok(SignInTry { failures, network })),
            counted => counted?,
        };
        tx.commit().await?;
        Ok(Ok(SignInTry { failures, network }))
    }

    /// Records that the password was right: resets its count and remembers the network.
    pub async fn end_sign_in(
        &self,
        tenant: &TenantId,
        account: u128,
        network: u128,
        attempt: &SignInTry,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE sign_in_counts SET failures = 0, wait_until = 0 WHERE tenant = ?1 AND account = ?2 AND network = ?3",
        )
        .bind(tenant.as_str())
        .bind(blob(account))
        .bind(&attempt.network)
        .execute(&mut *tx)
        .await?;
        know(&mut tx, tenant, account, network, now).await?;
        Ok(tx.commit().await?)
    }

    /// Records that the owner used a mailed link: resets every count of the address and remembers the network.
    pub async fn clear_sign_ins(
        &self,
        tenant: &TenantId,
        account: u128,
        network: u128,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE sign_in_counts SET failures = 0, wait_until = 0 WHERE tenant = ?1 AND account = ?2")
            .bind(tenant.as_str())
            .bind(blob(account))
            .execute(&mut *tx)
            .await?;
        know(&mut tx, tenant, account, network, now).await?;
        Ok(tx.commit().await?)
    }

    /// Records that the owner is being warned of the attempts. Returns whether no warning was recorded since `since`.
    pub async fn note_sign_in_warning(
        &self,
        tenant: &TenantId,
        account: u128,
        attempt: &SignInTry,
        now: Timestamp,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE sign_in_counts SET mailed_at = ?4 WHERE tenant = ?1 AND account = ?2 AND network = ?3
                 AND NOT EXISTS (SELECT 1 FROM sign_in_counts WHERE tenant = ?1 AND account = ?2 AND mailed_at > ?5)",
        )
        .bind(tenant.as_str())
        .bind(blob(account))
        .bind(&attempt.network)
        .bind(number(now.0))
        .bind(number(since.0))
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Deletes the counts and the networks of an address.
    pub async fn forget_sign_ins(&self, tenant: &TenantId, account: u128) -> Result<(), StoreError> {
        let sql = "DELETE FROM sign_in_counts WHERE tenant = ?1 AND account = ?2";
        sqlx::query(sql).bind(tenant.as_str()).bind(blob(account)).execute(&self.writer).await?;
        Ok(())
    }

    /// Removes counts beyond [`SIGN_IN_COUNTS_MAX`], those that expire first. Known networks are kept: their number is
    /// bounded by the number of accounts.
    pub async fn bound_sign_in_counts(&self) -> Result<u64, StoreError> {
        self.keep_sign_in_counts(SIGN_IN_COUNTS_MAX).await
    }

    async fn keep_sign_in_counts(&self, max: u32) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sign_in_counts WHERE (tenant, account, network) IN
                   (SELECT tenant, account, network FROM sign_in_counts WHERE network = ?1
                    ORDER BY expires_at DESC LIMIT -1 OFFSET ?2)";
        Ok(sqlx::query(sql).bind(STRANGERS).bind(max).execute(&self.writer).await?.rows_affected())
    }
}

/// The count that an attempt belongs to.
struct Count {
    network: Vec<u8>,
    failures: u32,
    wait_until: Timestamp,
    /// The time until which the network is known; `None` for the shared count.
    known_until: Option<Timestamp>,
}

impl Count {
    fn wait_until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.wait_until > now).then_some(self.wait_until)
    }
}

/// Returns the count of a known network, or the count that all other networks share.
async fn count_of(
    executor: impl sqlx::SqliteExecutor<'_>,
    tenant: &TenantId,
    account: u128,
    network: u128,
    now: Timestamp,
) -> sqlx::Result<Count> {
    let row = sqlx::query(
        "SELECT network, failures, wait_until, expires_at FROM sign_in_counts
         WHERE tenant = ?1 AND account = ?2 AND network IN (?3, ?4) AND expires_at > ?5
         ORDER BY network = ?4 DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(blob(account))
    .bind(STRANGERS)
    .bind(blob(network))
    .bind(number(now.0))
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else {
        return Ok(Count { network: STRANGERS.to_vec(), failures: 0, wait_until: Timestamp(0), known_until: None });
    };
    let network: Vec<u8> = row.try_get("network")?;
    Ok(Count {
        known_until: (network != STRANGERS).then(|| row.time("expires_at")).transpose()?,
        network,
        failures: u32::try_from(row.count("failures")?).unwrap_or(u32::MAX),
        wait_until: row.time("wait_until")?,
    })
}

/// Gives a network its own count.
async fn know(
    connection: &mut sqlx::SqliteConnection,
    tenant: &TenantId,
    account: u128,
    network: u128,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO sign_in_counts (tenant, account, network, failures, wait_until, expires_at)
         VALUES (?1, ?2, ?3, 0, 0, ?4)
         ON CONFLICT (tenant, account, network) DO UPDATE SET
             failures = 0, wait_until = 0, expires_at = excluded.expires_at",
    )
    .bind(tenant.as_str())
    .bind(blob(account))
    .bind(blob(network))
    .bind(number(now.plus_ms(NETWORK_KNOWN_MS).0))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM sign_in_counts WHERE tenant = ?1 AND account = ?2 AND network IN
         (SELECT network FROM sign_in_counts WHERE tenant = ?1 AND account = ?2 AND network <> ?3
          ORDER BY expires_at DESC, network = ?4 DESC LIMIT -1 OFFSET ?5)",
    )
    .bind(tenant.as_str())
    .bind(blob(account))
    .bind(STRANGERS)
    .bind(blob(network))
    .bind(KNOWN_NETWORKS_MAX)
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    const ANN: u128 = 1;
    const HOME: u128 = 10;
    const AWAY: u128 = 11;

    /// Returns one second from the second attempt on.
    fn delay_ms(failures: u32) -> u64 {
        if failures < 2 { 0 } else { 1_000 }
    }

    async fn begin(shop: &Shop, account: u128, network: u128, now: u64) -> Result<SignInTry, Timestamp> {
        let begun = shop.read_side.begin_sign_in(&tenant("acme"), account, network, Timestamp(now), delay_ms).await;
        begun.unwrap()
    }

    #[tokio::test]
    async fn tries_are_counted_and_the_next_has_to_wait() {
        let shop = Shop::open().await;
        assert_eq!(begin(&shop, ANN, AWAY, 100).await.unwrap().failures, 1);
        assert_eq!(begin(&shop, ANN, AWAY, 100).await.unwrap().failures, 2);
        assert_eq!(begin(&shop, ANN, AWAY, 1_099).await, Err(Timestamp(1_100)));
        assert_eq!(begin(&shop, ANN, HOME, 1_099).await, Err(Timestamp(1_100)), "from wherever");
        assert_eq!(begin(&shop, 2, AWAY, 1_099).await.unwrap().failures, 1, "another account");
        let nowhere = shop.read_side.begin_sign_in(&tenant("nowhere"), ANN, AWAY, Timestamp(1), delay_ms).await;
        assert!(nowhere.unwrap().is_ok(), "a tenant that does not exist is no trouble");
        let third = begin(&shop, ANN, AWAY, 1_100).await.unwrap();
        assert_eq!(third.failures, 3);
        shop.read_side.end_sign_in(&tenant("acme"), ANN, AWAY, &third, Timestamp(1_200)).await.unwrap();
        assert_eq!(begin(&shop, ANN, HOME, 1_201).await.unwrap().failures, 1);
        assert_eq!(begin(&shop, ANN, AWAY, 1_201).await.unwrap().failures, 1);
    }

    #[tokio::test]
    async fn a_known_network_is_not_kept_out_by_strangers() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        shop.read_side.clear_sign_ins(&acme, ANN, HOME, Timestamp(1)).await.unwrap();
        for now in [100, 101] {
            begin(&shop, ANN, AWAY, now).await.unwrap();
        }
        assert!(begin(&shop, ANN, AWAY, 102).await.is_err());
        let home = begin(&shop, ANN, HOME, 102).await.unwrap();
        shop.read_side.end_sign_in(&acme, ANN, HOME, &home, Timestamp(103)).await.unwrap();
        assert!(begin(&shop, ANN, AWAY, 104).await.is_err(), "and lets none of them in");
        // The newest networks replace the earlier ones.
        for network in 100..100 + u128::from(KNOWN_NETWORKS_MAX) {
            shop.read_side.clear_sign_ins(&acme, ANN, network, Timestamp(200 + network as u64)).await.unwrap();
        }
        for now in [1_000, 1_001] {
            begin(&shop, ANN, AWAY, now).await.unwrap();
        }
        assert!(begin(&shop, ANN, HOME, 1_002).await.is_err(), "it made room");
        assert!(begin(&shop, ANN, 100, 1_002).await.is_ok());
        shop.read_side.forget_sign_ins(&acme, ANN).await.unwrap();
        assert_eq!(begin(&shop, ANN, 100, 1_003).await.unwrap().failures, 1);
    }

    #[tokio::test]
    async fn a_link_clears_every_count_and_warnings_have_their_time() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        begin(&shop, ANN, AWAY, 100).await.unwrap();
        let second = begin(&shop, ANN, AWAY, 100).await.unwrap();
        let warn = async |now: u64| {
            let since = Timestamp(now.saturating_sub(1_000));
            shop.read_side.note_sign_in_warning(&acme, ANN, &second, Timestamp(now), since).await.unwrap()
        };
        assert!(warn(100).await);
        shop.read_side.clear_sign_ins(&acme, ANN, HOME, Timestamp(101)).await.unwrap();
        assert_eq!(begin(&shop, ANN, AWAY, 102).await.unwrap().failures, 1);
        assert!(!warn(1_099).await, "the end of the count is not the end of that time");
        assert!(warn(1_100).await);
    }

    #[tokio::test]
    async fn counts_expire_and_are_bounded() {
        let shop = Shop::open().await;
        for account in 0..5 {
            begin(&shop, account, AWAY, 100 + account as u64).await.unwrap();
        }
        shop.read_side.clear_sign_ins(&tenant("acme"), 9, HOME, Timestamp(1)).await.unwrap();
        assert_eq!(shop.read_side.keep_sign_in_counts(3).await.unwrap(), 2);
        assert_eq!(begin(&shop, 4, AWAY, 200).await.unwrap().failures, 2, "the newest stay");
        let day = COUNT_KEPT_MS;
        assert_eq!(begin(&shop, 4, AWAY, 200 + day).await.unwrap().failures, 1, "a day later it starts again");
        assert_eq!(shop.read_side.forget_expired_tokens(Timestamp(102 + day)).await.unwrap(), 1);
    }
}
