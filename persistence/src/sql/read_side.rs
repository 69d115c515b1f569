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

/// Connections that read side by side. Each is a thread; more than a few only share the same cores and page cache.
pub const READERS: u32 = 4;
/// How long a statement waits for another process (a backup, a person with `sqlite3`) to let go of the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that each connection keeps prepared: all of ours.
const STATEMENTS_CACHED: usize = 256;
/// SQLite's page cache for each connection; negative means KiB (<https://sqlite.org/pragma.html#pragma_cache_size>).
const PAGE_CACHE_KIB: &str = "-16000";

/// The SQL read side. Clones share one database: one connection that writes, and [`READERS`] that read.
///
/// A write that returned is on the disk. Readers see whole transactions only, and never wait for the writer.
#[derive(Debug, Clone)]
pub struct ReadSide {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    pub(super) contacts: Arc<ContactQueue>,
}

/// A database that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or read.
    #[error("cannot open {path}: {why}")]
    File {
        /// Which file.
        path: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file is not a database, is damaged, or is busy.
    #[error("cannot open {path}: {why}")]
    Database {
        /// Which file.
        path: String,
        /// What SQLite says.
        why: sqlx::Error,
    },
    /// The tables cannot be brought to this program's layout.
    #[error("cannot use {path}: {why}")]
    Migration {
        /// Which file.
        path: String,
        /// Why not.
        why: MigrationError,
    },
}

impl ReadSide {
    /// Opens the database at `path`, and makes it when there is none; brings its tables up to date.
    ///
    /// The caller holds the data folder's lock: two processes that migrate at once are not kept apart here.
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
            // What is erased is overwritten, not only unlinked.
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

    /// Whether the database at `path` has a tenant. Only reads, so that it may be asked beside a running server.
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

    /// Waits for what is under way and closes the database. Every clone is closed too.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write. It holds the only writing connection until it is committed or dropped.
    pub(crate) async fn begin(&self) -> sqlx::Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

/// Connections stay open: each is local, and a new one would start with a cold cache.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Makes the file readable by its owner alone, before anything personal is in it.
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
    async fn a_database_opens_again_with_what_was_written() {
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
