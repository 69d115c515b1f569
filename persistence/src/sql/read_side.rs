//! The handle to the database.

use std::{path::Path, sync::Arc, time::Duration};

use engine::id::TenantId;
use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    contact_queue::ContactQueue,
    derived::bring_up_to_date,
    migrations::{MigrationError, migrate},
};

/// The number of reading connections. Each is a thread; more would only share the same cores and page cache.
pub const READERS: u32 = 4;
/// How long a statement waits for another process (a backup, an operator with `sqlite3`) to release the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The number of statements that each connection keeps prepared: all of this crate's.
const STATEMENTS_CACHED: usize = 256;
/// The page cache of each connection; negative means KiB (<https://sqlite.org/pragma.html#pragma_cache_size>).
const PAGE_CACHE_KIB: &str = "-16000";

/// The SQL read side. Clones share one database, with one connection that writes and [`READERS`] that read.
///
/// A write that returned is on disk. Readers see only committed transactions and never wait for the writer.
#[derive(Debug, Clone)]
pub struct ReadSide {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    pub(super) contacts: Arc<ContactQueue>,
}

/// A database that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be created or read.
    #[error("cannot open {path}: {why}")]
    File {
        /// The path of the file.
        path: String,
        /// The error of the operating system.
        why: std::io::Error,
    },
    /// The file is not a database, is damaged, or is busy.
    #[error("cannot open {path}: {why}")]
    Database {
        /// The path of the file.
        path: String,
        /// The error of SQLite.
        why: sqlx::Error,
    },
    /// The tables cannot be brought to this program's layout.
    #[error("cannot use {path}: {why}")]
    Migration {
        /// The path of the file.
        path: String,
        /// The cause.
        why: MigrationError,
    },
}

impl ReadSide {
    /// Opens the database at `path`, or creates it, and migrates its tables.
    ///
    /// The caller must hold the lock of the data folder: this call does not protect against two processes that migrate
    /// at once.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let name = path.display().to_string();
        make_private(path).map_err(|why| OpenError::File { path: name.clone(), why })?;
        let database = |why| OpenError::Database { path: name.clone(), why };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("cache_size", PAGE_CACHE_KIB)
            // Erased data is overwritten, not only unlinked.
            .pragma("secure_delete", "ON")
            .statement_cache_capacity(STATEMENTS_CACHED)
            .disable_statement_logging();
        let writer = pool(1).connect_with(options.clone()).await.map_err(database)?;
        if let Err(why) = migrate(&writer).await {
            writer.close().await;
            return Err(OpenError::Migration { path: name, why });
        }
        bring_up_to_date(&writer).await.map_err(database)?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(database)?;
        Ok(Self { writer, readers, contacts: Arc::default() })
    }

    /// Whether the database at `path` has a tenant. Only reads, so it may be called while a server is running.
    pub async fn file_has_tenant(path: &Path, tenant: &TenantId) -> Result<bool, OpenError> {
        let name = path.display().to_string();
        let database = |why| OpenError::Database { path: name.clone(), why };
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let pool = pool(1).connect_with(options).await.map_err(database)?;
        let sql = "SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant = ?1)";
        let found = sqlx::query_scalar(sql).bind(tenant.as_str()).fetch_one(&pool).await;
        pool.close().await;
        found.map_err(database)
    }

    /// Waits for running operations and closes the database, for all clones.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a transaction that may write. It holds the only writing connection until it is committed or dropped.
    pub(crate) async fn begin(&self) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Returns the options of a pool. Connections stay open: they are local, and a new one would start with a cold cache.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Makes the file readable by its owner only, before it contains personal data.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{self, Shop};

    #[tokio::test]
    async fn a_reopened_database_has_the_written_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fusion.sqlite");
        let read_side = ReadSide::open(&path).await.unwrap();
        testing::add_tenant(&read_side, "acme").await;
        read_side.close().await;

        let read_side = ReadSide::open(&path).await.unwrap();
        assert!(read_side.tenant(&testing::tenant("acme")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
        let shop = Shop::open().await;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
             VALUES (9999, 'from the future', '2030-01-01', TRUE, x'00', 0)",
        )
        .execute(&shop.read_side.writer)
        .await
        .unwrap();
        shop.read_side.close().await;

        let error = ReadSide::open(&shop.path()).await.unwrap_err();
        assert!(
            matches!(error, OpenError::Migration { why: MigrationError::Newer { found: 9999, .. }, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("use the newer program"));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fusion.sqlite");
        std::fs::write(&path, "this is a shopping list, not a database\n".repeat(40)).unwrap();
        assert!(matches!(ReadSide::open(&path).await, Err(OpenError::Database { .. })));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let shop = Shop::open().await;
        assert_eq!(std::fs::metadata(shop.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
