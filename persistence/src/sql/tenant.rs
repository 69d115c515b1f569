//! Tenants: the merchants of this installation.

use engine::{id::TenantId, money::Currency, time::Timestamp};
use serde_json::{Map, Value};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    ReadSide, RowExt, StoreError,
    error::{is_orphan, is_taken, store_errors},
    number,
};

/// The maximum number of host names of one tenant.
pub const HOSTS_MAX: usize = 32;

/// A merchant.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// The name of the tenant, which is part of every key.
    pub tenant: TenantId,
    /// The default currency of prices.
    pub currency: Currency,
    /// The host names of the shop, in lower case and sorted, without a port.
    pub hosts: Vec<String>,
    /// The gateway's settings for the merchant; a JSON object.
    pub settings: Map<String, Value>,
    /// The time of creation.
    pub created_at: Timestamp,
}

/// A reason why a tenant cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveTenantError {
    /// No tenant has this name.
    #[error("no such tenant")]
    NotFound,
    /// The tenant has accounts, or data from the journal.
    #[error("it has {}", .what.join(", "))]
    InUse {
        /// What the tenant has, with the number of each.
        what: Vec<String>,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(RemoveTenantError);

/// The tables that prevent the removal of a tenant: the table, a condition, and the name of its rows in messages.
const KEEPS: [(&str, &str, &str); 6] = [
    ("products", "TRUE", "products"),
    ("stock", "TRUE", "stock items"),
    ("drops", "TRUE", "drops"),
    ("checkouts", "TRUE", "checkouts"),
    ("orders", "TRUE", "orders"),
    ("accounts", "erased_at IS NULL", "accounts"),
];

/// The tables that are deleted with a tenant, in an order that their references allow.
const GOES: [&str; 16] = [
    "email_verifications",
    "sign_in_counts",
    "ended_tokens",
    "ended_subjects",
    "password_resets",
    "refresh_tokens",
    "aliases",
    "contacts",
    "made_products",
    "undelivered_mails",
    "drop_viewers",
    "import_rejected_rows",
    "imports",
    "accounts",
    "tenant_hosts",
    "tenants",
];

/// A reason why a tenant cannot be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// A tenant with this name exists.
    #[error("there is a tenant of this name")]
    NameTaken,
    /// No tenant has this name.
    #[error("no such tenant")]
    NotFound,
    /// Another tenant has this host name.
    #[error("another tenant has the host name {host}")]
    HostTaken {
        /// The host name.
        host: String,
    },
    /// There are more host names than [`HOSTS_MAX`].
    #[error("at most {HOSTS_MAX} host names")]
    TooManyHosts,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(TenantError);

impl ReadSide {
    /// Creates a tenant. Its host names are converted to lower case.
    pub async fn create_tenant(&self, new: &Tenant) -> Result<(), TenantError> {
        let mut tx = self.begin().await?;
        let settings = Value::Object(new.settings.clone()).to_string();
        sqlx::query("INSERT INTO tenants (tenant, currency, settings, created_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(new.tenant.as_str())
            .bind(new.currency.code())
            .bind(settings)
            .bind(number(new.created_at.0))
            .execute(&mut *tx)
            .await
            .map_err(|error| if is_taken(&error) { TenantError::NameTaken } else { error.into() })?;
        add_hosts(&mut tx, &new.tenant, &new.hosts).await?;
        Ok(tx.commit().await?)
    }

    /// Returns the tenant with this name.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>, StoreError> {
        let sql =
            "SELECT *, (SELECT json_group_array(host) FROM (SELECT host FROM tenant_hosts h WHERE h.tenant = t.tenant
                   ORDER BY host)) AS hosts FROM tenants t WHERE tenant = ?1";
        let row = sqlx::query(sql).bind(tenant.as_str()).fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(read_tenant).transpose()?)
    }

    /// Returns the name of the tenant whose shop has this host name. Case and a port do not matter.
    pub async fn tenant_of_host(&self, host: &str) -> Result<Option<TenantId>, StoreError> {
        let sql = "SELECT tenant FROM tenant_hosts WHERE host = ?1";
        let row = sqlx::query(sql).bind(plain_host(host)).fetch_optional(&self.readers).await?;
        Ok(row.map(|row| row.parsed("tenant")).transpose()?)
    }

    /// Returns every tenant, by name. An installation is expected to have few, so the list has no pages.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let sql =
            "SELECT *, (SELECT json_group_array(host) FROM (SELECT host FROM tenant_hosts h WHERE h.tenant = t.tenant
                   ORDER BY host)) AS hosts FROM tenants t ORDER BY tenant";
        let rows = sqlx::query(sql).fetch_all(&self.readers).await?;
        Ok(rows.iter().map(read_tenant).collect::<sqlx::Result<_>>()?)
    }

    /// Removes a tenant that has neither history nor accounts, such as one that was created by mistake or for a trial.
    pub async fn remove_tenant(&self, tenant: &TenantId) -> Result<(), RemoveTenantError> {
        let mut tx = self.begin().await?;
        let mut what = Vec::new();
        for (table, condition, name) in KEEPS {
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant = ?1 AND {condition}");
            let count: i64 =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(tenant.as_str()).fetch_one(&mut *tx).await?;
            if count > 0 {
                what.push(format!("{count} {name}"));
            }
        }
        if !what.is_empty() {
            return Err(RemoveTenantError::InUse { what });
        }
        let mut removed = 0;
        for table in GOES {
            let sql = format!("DELETE FROM {table} WHERE tenant = ?1");
            let done = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tenant.as_str()).execute(&mut *tx).await;
            removed = match done {
                Ok(done) => done.rows_affected(),
                // A table that is missing in both lists above still refers to the tenant.
                Err(error) if is_orphan(&error) => {
                    return Err(RemoveTenantError::InUse { what: vec!["other records".to_owned()] });
                }
                Err(error) => return Err(error.into()),
            };
        }
        if removed == 0 {
            return Err(RemoveTenantError::NotFound);
        }
        Ok(tx.commit().await?)
    }

    /// Replaces the host names of a tenant.
    pub async fn set_tenant_hosts(&self, tenant: &TenantId, hosts: &[String]) -> Result<(), TenantError> {
        let mut tx = self.begin().await?;
        let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant = ?1)")
            .bind(tenant.as_str())
            .fetch_one(&mut *tx)
            .await?;
        if !found {
            return Err(TenantError::NotFound);
        }
        sqlx::query("DELETE FROM tenant_hosts WHERE tenant = ?1").bind(tenant.as_str()).execute(&mut *tx).await?;
        add_hosts(&mut tx, tenant, hosts).await?;
        Ok(tx.commit().await?)
    }

    /// Replaces the settings of a tenant.
    pub async fn set_tenant_settings(
        &self,
        tenant: &TenantId,
        settings: &Map<String, Value>,
    ) -> Result<(), TenantError> {
        let done = sqlx::query("UPDATE tenants SET settings = ?2 WHERE tenant = ?1")
            .bind(tenant.as_str())
            .bind(Value::Object(settings.clone()).to_string())
            .execute(&self.writer)
            .await?;
        if done.rows_affected() == 0 { Err(TenantError::NotFound) } else { Ok(()) }
    }
}

async fn add_hosts(connection: &mut SqliteConnection, tenant: &TenantId, hosts: &[String]) -> Result<(), TenantError> {
    if hosts.len() > HOSTS_MAX {
        return Err(TenantError::TooManyHosts);
    }
    for host in hosts {
        let host = plain_host(host);
        let sql = "INSERT INTO tenant_hosts (host, tenant) VALUES (?1, ?2)
                   ON CONFLICT (host) DO UPDATE SET tenant = tenant WHERE tenant = excluded.tenant";
        let done = sqlx::query(sql).bind(&host).bind(tenant.as_str()).execute(&mut *connection).await?;
        if done.rows_affected() == 0 {
            return Err(TenantError::HostTaken { host });
        }
    }
    Ok(())
}

/// Returns the normal form of a host name: lower case, without a port. An IPv6 address keeps its brackets.
fn plain_host(host: &str) -> String {
    let host = host.trim();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn read_tenant(row: &SqliteRow) -> sqlx::Result<Tenant> {
    Ok(Tenant {
        tenant: row.parsed("tenant")?,
        currency: row.parsed("currency")?,
        hosts: row.json("hosts")?,
        settings: row.json("settings")?,
        created_at: row.time("created_at")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    fn merchant(name: &str, hosts: &[&str]) -> Tenant {
        Tenant {
            tenant: tenant(name),
            currency: Currency::USD,
            hosts: hosts.iter().map(|host| host.to_string()).collect(),
            settings: Map::new(),
            created_at: Timestamp(1_000),
        }
    }

    #[tokio::test]
    async fn a_shop_is_found_by_its_host_name() {
        let shop = Shop::open().await;
        shop.read_side.create_tenant(&merchant("zeta", &["Zeta.example", "shop.zeta.example"])).await.unwrap();
        for host in ["zeta.example", "ZETA.EXAMPLE:8080", "zeta.example."] {
            assert_eq!(shop.read_side.tenant_of_host(host).await.unwrap(), Some(tenant("zeta")), "{host}");
        }
        for host in ["other.example", "", ":80", "[::1]:8080"] {
            assert_eq!(shop.read_side.tenant_of_host(host).await.unwrap(), None, "{host}");
        }
        let found = shop.read_side.tenant(&tenant("zeta")).await.unwrap().unwrap();
        assert_eq!(found.hosts, ["shop.zeta.example", "zeta.example"]);
    }

    #[tokio::test]
    async fn a_tenant_without_history_can_be_removed() {
        let shop = Shop::open().await;
        let read_side = &shop.read_side;
        read_side.create_tenant(&merchant("zeta", &["zeta.example"])).await.unwrap();
        read_side.remove_tenant(&tenant("zeta")).await.unwrap();
        assert_eq!(read_side.tenant(&tenant("zeta")).await.unwrap(), None);
        assert_eq!(read_side.tenant_of_host("zeta.example").await.unwrap(), None);
        assert!(matches!(read_side.remove_tenant(&tenant("zeta")).await, Err(RemoveTenantError::NotFound)));
        // `acme` has an account: nothing is removed before the account is erased, and everything after.
        let ada = shop.customer("ada").await;
        let refused = read_side.remove_tenant(&tenant("acme")).await.unwrap_err();
        assert_eq!(refused.to_string(), "it has 1 accounts");
        assert!(read_side.tenant(&tenant("acme")).await.unwrap().is_some());
        read_side.erase_personal_data(&tenant("acme"), ada, Timestamp(9)).await.unwrap();
        read_side.remove_tenant(&tenant("acme")).await.unwrap();
    }

    #[tokio::test]
    async fn a_removed_tenant_loses_its_counters_and_records() {
        let shop = Shop::open().await;
        let (read_side, zeta) = (&shop.read_side, tenant("zeta"));
        read_side.create_tenant(&merchant("zeta", &["zeta.example"])).await.unwrap();
        let subject = crate::sql::testing::subject("ada");
        for (name, is_over) in [("receipt-1", false), ("receipt-2", true)] {
            let noted = read_side.note_undelivered(&zeta, name, "account zeta 1", "refused", Timestamp(5), is_over);
            noted.await.unwrap();
        }
        read_side.begin_sign_in(&zeta, 1, 2, Timestamp(5), |_| 0).await.unwrap().unwrap();
        read_side.end_token(&zeta, 7, Timestamp(9)).await.unwrap();
        read_side.end_subject_tokens(&zeta, subject, Timestamp(5), Timestamp(9)).await.unwrap();
        read_side.remove_tenant(&zeta).await.unwrap();
        // No table may keep rows of the tenant, because a later shop may have the same name.
        let tables = "SELECT sqlite_master.name FROM sqlite_master, pragma_table_info(sqlite_master.name) AS columns
                      WHERE sqlite_master.type = 'table' AND columns.name = 'tenant'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&read_side.readers).await.unwrap();
        assert!(tables.len() > 10 && tables.iter().any(|name| name == "undelivered_mails"), "{tables:?}");
        for table in tables {
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant = 'zeta'");
            let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&read_side.readers).await.unwrap();
            assert_eq!(left, 0, "{table}");
        }
    }

    #[tokio::test]
    async fn names_and_hosts_belong_to_one_tenant() {
        let shop = Shop::open().await;
        shop.read_side.create_tenant(&merchant("zeta", &["zeta.example"])).await.unwrap();
        let again = shop.read_side.create_tenant(&merchant("zeta", &[])).await;
        assert!(matches!(again, Err(TenantError::NameTaken)));
        let thief = shop.read_side.create_tenant(&merchant("thief", &["thief.example", "zeta.example"])).await;
        assert!(matches!(thief, Err(TenantError::HostTaken { host }) if host == "zeta.example"));
        assert_eq!(shop.read_side.tenant(&tenant("thief")).await.unwrap(), None, "nothing of a refused one stays");
        assert_eq!(shop.read_side.tenant_of_host("thief.example").await.unwrap(), None);
    }

    #[tokio::test]
    async fn hosts_and_settings_change() {
        let shop = Shop::open().await;
        shop.read_side.create_tenant(&merchant("zeta", &["old.example"])).await.unwrap();
        let hosts = ["new.example".to_owned(), "new.example".to_owned()];
        shop.read_side.set_tenant_hosts(&tenant("zeta"), &hosts).await.unwrap();
        let settings = Map::from_iter([("tax_basis_points".to_owned(), Value::from(1_900))]);
        shop.read_side.set_tenant_settings(&tenant("zeta"), &settings).await.unwrap();
        let found = shop.read_side.tenant(&tenant("zeta")).await.unwrap().unwrap();
        assert_eq!((found.hosts, found.settings), (vec!["new.example".to_owned()], settings.clone()));
        assert_eq!(shop.read_side.tenant_of_host("old.example").await.unwrap(), None);

        let nobody = shop.read_side.set_tenant_settings(&tenant("nobody"), &settings).await;
        assert!(matches!(nobody, Err(TenantError::NotFound)));
        let nobody = shop.read_side.set_tenant_hosts(&tenant("nobody"), &[]).await;
        assert!(matches!(nobody, Err(TenantError::NotFound)));
    }
}
