//! Imports of catalogue files, and their rejected rows.

use std::{fmt, str::FromStr};

use engine::{
    aggregate::KeyReused,
    id::{CommandId, Fingerprint, SubjectId, TenantId},
    money::Currency,
    time::Timestamp,
};
use serde_json::{Map, Value};
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Column, List, Page, PageRequest, ReadSide, RowExt, StoreError, Table, blob, bulk::cells, error::store_errors,
    number,
};

/// The maximum number of warnings kept for one import. The gateway puts the number of further ones in the last warning.
pub const WARNINGS_MAX: usize = 1_000;
/// The maximum number of rejected rows kept for one import. Further ones are only counted.
pub const REJECTED_ROWS_MAX: u64 = 100_000;

const REJECTED_ROWS: Table = Table {
    name: "import_rejected_rows",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("import"),
        Column::Plain("ordinal"),
        Column::Plain("line"),
        Column::Plain("field"),
        Column::Plain("reason"),
    ],
    key: 3,
};

/// The state of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportState {
    /// Rows are being imported.
    Running,
    /// Every row was imported or rejected.
    Completed,
    /// The import ended before the last row. Imported rows are kept.
    Failed,
}

impl ImportState {
    /// Returns the name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            ImportState::Running => "running",
            ImportState::Completed => "completed",
            ImportState::Failed => "failed",
        }
    }
}

impl fmt::Display for ImportState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ImportState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let all = [ImportState::Running, ImportState::Completed, ImportState::Failed];
        all.into_iter().find(|state| state.as_str() == text).ok_or("not a state of an import")
    }
}

/// An import to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImport {
    /// The id of the import: that of the command that requests it, so that a repeated command finds it.
    pub import: CommandId,
    /// The fingerprint of the command, including the file.
    pub fingerprint: Fingerprint,
    /// The subject that requests the import.
    pub subject: SubjectId,
    /// The currency of the prices.
    pub currency: Currency,
    /// Whether the import is a dry run.
    pub dry_run: bool,
    /// Whether the import sets stock that was counted before.
    pub set_stock: bool,
    /// The time at which the import begins.
    pub started_at: Timestamp,
}

/// The current state of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The request.
    pub new: NewImport,
    /// The state.
    pub state: ImportState,
    /// The counts so far; a JSON object of the gateway's.
    pub counts: Map<String, Value>,
    /// Warnings for the merchant, at most [`WARNINGS_MAX`].
    pub warnings: Vec<String>,
    /// The reason for a failure.
    pub problem: Option<String>,
    /// The number of rejected rows, including those beyond [`REJECTED_ROWS_MAX`].
    pub rejected: u64,
    /// The time at which the import ended.
    pub ended_at: Option<Timestamp>,
}

/// A rejected row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The line in the file, from 1 on.
    pub line: u64,
    /// The header of the column at fault. `None` if the whole row is at fault.
    pub column: Option<String>,
    /// The reason, in a sentence for the merchant.
    pub reason: String,
}

/// The result of beginning an import.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The import is new: import the rows.
    New,
    /// The command is a duplicate of the one that began this import.
    Again(Box<Import>),
}

/// A reason why an import cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginImportError {
    /// The idempotency key was used for another file or other options.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
store_errors!(BeginImportError);

impl ReadSide {
    /// Begins an import, or returns the one that the same command has begun.
    pub async fn begin_import(&self, tenant: &TenantId, new: &NewImport) -> Result<Begun, BeginImportError> {
        let done = sqlx::query(
            "INSERT INTO imports (tenant, import, fingerprint, subject, currency, dry_run, set_stock, state, counts,
                                  warnings, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'running', '{}', '[]', ?8) ON CONFLICT (tenant, import) DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(blob(new.import.0))
        .bind(blob(new.fingerprint.0))
        .bind(blob(new.subject.0))
        .bind(new.currency.code())
        .bind(new.dry_run)
        .bind(new.set_stock)
        .bind(number(new.started_at.0))
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 1 {
            return Ok(Begun::New);
        }
        match self.import(tenant, new.import).await? {
            Some(import) if import.new.fingerprint == new.fingerprint => Ok(Begun::Again(Box::new(import))),
            _ => Err(KeyReused.into()),
        }
    }

    /// Records the progress of a running import.
    pub async fn note_import_progress(
        &self,
        tenant: &TenantId,
        import: CommandId,
        counts: &Map<String, Value>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE imports SET counts = ?3 WHERE tenant = ?1 AND import = ?2 AND state = 'running'";
        sqlx::query(sql)
            .bind(tenant.as_str())
            .bind(blob(import.0))
            .bind(Value::Object(counts.clone()).to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Adds rejected rows to a running import.
    pub async fn reject_rows(
        &self,
        tenant: &TenantId,
        import: CommandId,
        rows: &[RejectedRow],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let after: Option<i64> = sqlx::query_scalar(
            "UPDATE imports SET rejected = rejected + ?3
             WHERE tenant = ?1 AND import = ?2 AND state = 'running' RETURNING rejected",
        )
        .bind(tenant.as_str())
        .bind(blob(import.0))
        .bind(number(rows.len() as u64))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(after) = after else { return Ok(()) };
        let before = after.unsigned_abs() - rows.len() as u64;
        let kept = (before + 1..=REJECTED_ROWS_MAX).zip(rows).map(|(ordinal, row)| {
            cells![tenant.as_str(), import.0, ordinal, row.line, row.column.as_deref(), row.reason.as_str()]
        });
        REJECTED_ROWS.put(&mut tx, kept.collect()).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a running import: completed, or failed if there is a `problem`.
    pub async fn end_import(
        &self,
        tenant: &TenantId,
        import: CommandId,
        counts: &Map<String, Value>,
        warnings: &[String],
        problem: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let warnings = &warnings[..warnings.len().min(WARNINGS_MAX)];
        let state = if problem.is_some() { ImportState::Failed } else { ImportState::Completed };
        sqlx::query(
            "UPDATE imports SET state = ?3, counts = ?4, warnings = ?5, problem = ?6, ended_at = ?7
             WHERE tenant = ?1 AND import = ?2 AND state = 'running'",
        )
        .bind(tenant.as_str())
        .bind(blob(import.0))
        .bind(state.as_str())
        .bind(Value::Object(counts.clone()).to_string())
        .bind(Value::from(warnings.to_vec()).to_string())
        .bind(problem)
        .bind(number(at.0))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Marks the imports of all tenants that were running when the program stopped as failed, and returns their number.
    /// Call it at start.
    pub async fn fail_running_imports(&self, problem: &str, at: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE imports SET state = 'failed', problem = ?1, ended_at = ?2 WHERE state = 'running'";
        Ok(sqlx::query(sql).bind(problem).bind(number(at.0)).execute(&self.writer).await?.rows_affected())
    }

    /// Returns the import with this id.
    pub async fn import(&self, tenant: &TenantId, import: CommandId) -> Result<Option<Import>, StoreError> {
        let row = sqlx::query("SELECT * FROM imports WHERE tenant = ?1 AND import = ?2")
            .bind(tenant.as_str())
            .bind(blob(import.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_import).transpose()?)
    }

    /// Lists the imports of a tenant, newest first.
    pub async fn imports(&self, tenant: &TenantId, page: PageRequest) -> Result<Page<Import>, StoreError> {
        let (at, id) = page.newest_first(List::Imports);
        let rows = sqlx::query(
            "SELECT * FROM imports WHERE tenant = ?1 AND (started_at, import) < (?2, ?3)
             ORDER BY started_at DESC, import DESC LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(at)
        .bind(id)
        .bind(page.limit.with_next())
        .fetch_all(&self.readers)
        .await?;
        let imports = rows.iter().map(read_import).collect::<sqlx::Result<_>>()?;
        let place = |import: &Import| (import.new.started_at, import.new.import.0);
        Ok(Page::cut(imports, page.limit, List::Imports, place))
    }

    /// Lists the rejected rows of an import, in the order of their rejection.
    pub async fn rejected_rows(
        &self,
        tenant: &TenantId,
        import: CommandId,
        page: PageRequest,
    ) -> Result<Page<RejectedRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM import_rejected_rows WHERE tenant = ?1 AND import = ?2 AND ordinal > ?3 ORDER BY ordinal LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(blob(import.0))
        .bind(page.oldest_first(List::RejectedRows))
        .bind(page.limit.with_next())
        .fetch_all(&self.readers)
        .await?;
        let read = |row: &SqliteRow| {
            let rejected =
                RejectedRow { line: row.count("line")?, column: row.try_get("field")?, reason: row.text("reason")? };
            Ok((row.count("ordinal")?, rejected))
        };
        let rows: Vec<(u64, RejectedRow)> = rows.iter().map(read).collect::<sqlx::Result<_>>()?;
        let page = Page::cut(rows, page.limit, List::RejectedRows, |(ordinal, _)| (Timestamp(*ordinal), 0));
        Ok(Page { items: page.items.into_iter().map(|(_, row)| row).collect(), next: page.next })
    }
}

fn read_import(row: &SqliteRow) -> sqlx::Result<Import> {
    Ok(Import {
        new: NewImport {
            import: CommandId(row.id("import")?),
            fingerprint: Fingerprint(row.id("fingerprint")?),
            subject: SubjectId(row.id("subject")?),
            currency: row.parsed("currency")?,
            dry_run: row.try_get("dry_run")?,
            set_stock: row.try_get("set_stock")?,
            started_at: row.time("started_at")?,
        },
        state: row.parsed("state")?,
        counts: row.json("counts")?,
        warnings: row.json("warnings")?,
        problem: row.try_get("problem")?,
        rejected: row.count("rejected")?,
        ended_at: row.opt_time("ended_at")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::{
        Limit,
        testing::{Shop, subject, tenant},
    };

    fn new(key: u128) -> NewImport {
        NewImport {
            import: CommandId(key),
            fingerprint: Fingerprint(9),
            subject: subject("vendor"),
            currency: Currency::USD,
            dry_run: false,
            set_stock: true,
            started_at: Timestamp(key as u64),
        }
    }

    fn rejected(lines: std::ops::Range<u64>) -> Vec<RejectedRow> {
        lines.map(|line| RejectedRow { line, column: None, reason: "no title".to_owned() }).collect()
    }

    #[tokio::test]
    async fn an_import_is_begun_once() {
        let shop = Shop::open().await;
        let acme = tenant("acme");
        assert_eq!(shop.read_side.begin_import(&acme, &new(1)).await.unwrap(), Begun::New);
        let again = shop.read_side.begin_import(&acme, &new(1)).await.unwrap();
        assert!(matches!(again, Begun::Again(import) if import.new == new(1) && import.state == ImportState::Running));
        let other = NewImport { fingerprint: Fingerprint(10), ..new(1) };
        let reused = shop.read_side.begin_import(&acme, &other).await;
        assert!(matches!(reused, Err(BeginImportError::KeyReused(_))));
        assert_eq!(shop.read_side.begin_import(&tenant("bolt"), &other).await.unwrap(), Begun::New);
    }

    #[tokio::test]
    async fn the_result_of_an_import_is_stored() {
        let shop = Shop::open().await;
        let (acme, id) = (tenant("acme"), CommandId(1));
        let read_side = &shop.read_side;
        read_side.begin_import(&acme, &new(1)).await.unwrap();
        let counts = Map::from_iter([("created".to_owned(), Value::from(3))]);
        read_side.note_import_progress(&acme, id, &counts).await.unwrap();
        read_side.reject_rows(&acme, id, &rejected(2..4)).await.unwrap();
        read_side.reject_rows(&acme, id, &rejected(7..8)).await.unwrap();
        let warnings = ["a blank tracker took the quantity as stock".to_owned()];
        read_side.end_import(&acme, id, &counts, &warnings, None, Timestamp(50)).await.unwrap();
        // An import that has ended does not change.
        read_side.end_import(&acme, id, &Map::new(), &[], Some("late"), Timestamp(60)).await.unwrap();
        read_side.reject_rows(&acme, id, &rejected(9..10)).await.unwrap();

        let import = read_side.import(&acme, id).await.unwrap().unwrap();
        assert_eq!((import.state, import.counts, import.rejected), (ImportState::Completed, counts, 3));
        assert_eq!((import.problem, import.ended_at, import.warnings.len()), (None, Some(Timestamp(50)), 1));
        let mut page = PageRequest { limit: Limit::new(2).unwrap(), after: None };
        let first = read_side.rejected_rows(&acme, id, page).await.unwrap();
        page.after = first.next;
        let second = read_side.rejected_rows(&acme, id, page).await.unwrap();
        let lines: Vec<u64> = first.items.iter().chain(&second.items).map(|row| row.line).collect();
        assert_eq!((lines, second.next), (vec![2, 3, 7], None));
    }

    #[tokio::test]
    async fn tenants_never_see_each_others_imports() {
        let shop = Shop::open().await;
        let (acme, bolt, id) = (tenant("acme"), tenant("bolt"), CommandId(1));
        let read_side = &shop.read_side;
        read_side.begin_import(&acme, &new(1)).await.unwrap();
        read_side.reject_rows(&acme, id, &rejected(1..2)).await.unwrap();
        read_side.reject_rows(&bolt, id, &rejected(1..2)).await.unwrap();
        read_side.end_import(&bolt, id, &Map::new(), &[], None, Timestamp(5)).await.unwrap();
        assert_eq!(read_side.import(&bolt, id).await.unwrap(), None);
        assert_eq!(read_side.imports(&bolt, PageRequest::default()).await.unwrap().items, []);
        assert_eq!(read_side.rejected_rows(&bolt, id, PageRequest::default()).await.unwrap().items, []);
        let import = read_side.import(&acme, id).await.unwrap().unwrap();
        assert_eq!((import.state, import.rejected), (ImportState::Running, 1));
        assert_eq!(read_side.imports(&acme, PageRequest::default()).await.unwrap().items, [import]);
    }

    #[tokio::test]
    async fn an_import_that_a_stop_cut_off_has_failed() {
        let shop = Shop::open().await;
        shop.read_side.begin_import(&tenant("acme"), &new(1)).await.unwrap();
        assert_eq!(shop.read_side.fail_running_imports("the server stopped", Timestamp(9)).await.unwrap(), 1);
        let import = shop.read_side.import(&tenant("acme"), CommandId(1)).await.unwrap().unwrap();
        assert_eq!((import.state, import.problem.as_deref()), (ImportState::Failed, Some("the server stopped")));
    }
}
