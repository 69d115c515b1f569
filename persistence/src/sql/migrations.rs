//! The migrations of the tables, compiled into the program.

use sqlx::{
    SqlStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
};

/// All migrations, oldest first. A released file never changes, because its checksum is recorded. A new layout of
/// projected tables also raises [`LAYOUT`](crate::views::LAYOUT).
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tenants and accounts", include_str!("../../../migrations/sqlite/0001_tenants_and_accounts.sql")),
    (2, "imports", include_str!("../../../migrations/sqlite/0002_imports.sql")),
    (3, "projections", include_str!("../../../migrations/sqlite/0003_projections.sql")),
    (4, "product search", include_str!("../../../migrations/sqlite/0004_product_search.sql")),
    (5, "orders and checkouts", include_str!("../../../migrations/sqlite/0005_orders_and_checkouts.sql")),
    (
        6,
        "ended tokens and made products",
        include_str!("../../../migrations/sqlite/0006_ended_tokens_and_made_products.sql"),
    ),
    (7, "sign-in times", include_str!("../../../migrations/sqlite/0007_sign_in_times.sql")),
    (8, "derived texts", include_str!("../../../migrations/sqlite/0008_derived_texts.sql")),
    (9, "undelivered mails", include_str!("../../../migrations/sqlite/0009_undelivered_mails.sql")),
    (
        10,
        "carts and contacts without an order",
        include_str!("../../../migrations/sqlite/0010_carts_and_contacts_without_order.sql"),
    ),
    (11, "order changes", include_str!("../../../migrations/sqlite/0011_order_changes.sql")),
    (12, "sorted lists", include_str!("../../../migrations/sqlite/0012_sorted_lists.sql")),
    (13, "ended tokens", include_str!("../../../migrations/sqlite/0013_ended_tokens.sql")),
    (14, "sign-in counts", include_str!("../../../migrations/sqlite/0014_sign_in_counts.sql")),
    (15, "drop series", include_str!("../../../migrations/sqlite/0015_drop_series.sql")),
    (16, "verified addresses", include_str!("../../../migrations/sqlite/0016_verified_addresses.sql")),
];

/// A failure to bring the tables to this program's layout.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A newer program has changed the tables. Use that program, or restore a backup from before.
    #[error("database is at migration {found}, but this program knows only {known}: use the newer program")]
    Newer {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// A migration failed, or an applied migration differs from this program's.
    #[error("migration: {0}")]
    Failed(#[from] sqlx::migrate::MigrateError),
    /// The database could not be queried.
    #[error("migration: {0}")]
    Store(#[from] sqlx::Error),
}

/// Brings the tables to this program's layout. Changes nothing if a newer program has migrated the database.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<(), MigrationError> {
    refuse_newer(writer).await?;
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    Migrator::with_migrations(migrations.collect()).run(writer).await?;
    Ok(())
}

async fn refuse_newer(writer: &SqlitePool) -> Result<(), MigrationError> {
    let has_history = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations')";
    if !sqlx::query_scalar::<_, bool>(has_history).fetch_one(writer).await? {
        return Ok(());
    }
    let found: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(writer).await?;
    let known = MIGRATIONS.last().map_or(0, |&(version, ..)| version);
    if found > known { Err(MigrationError::Newer { found, known }) } else { Ok(()) }
}
