//! The JSON types of imports.

use engine::{id::CommandId, money::Currency, time::Timestamp};
use persistence::sql::{Import, ImportState, RejectedRow};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::notes::Counts;
use crate::wire::{IdSchema, RecordedCurrencySchema};

/// An import of a catalogue file.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub(crate) struct ImportWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: CommandId,
    /// The state. `failed`: the import ended before the last row; imported rows are kept.
    #[schema(value_type = String, pattern = "^(running|completed|failed)$")]
    state: &'static str,
    /// The currency of the prices.
    #[schema(value_type = RecordedCurrencySchema)]
    currency: Currency,
    /// Whether the import is a dry run.
    dry_run: bool,
    /// Whether the stock of existing variants is set.
    set_stock: bool,
    /// The counts.
    counts: CountsWire,
    /// Warnings, the first 1,000.
    warnings: Vec<String>,
    /// The reason of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// The end time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    ended_at: Option<Timestamp>,
}

/// The counts of an import. For a dry run, the expected counts.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportCounts)]
pub(crate) struct CountsWire {
    /// Rows read, including rejected ones.
    rows: u64,
    /// New products.
    products_created: u64,
    /// Changed products.
    products_updated: u64,
    /// Unchanged products.
    products_unchanged: u64,
    /// New variants.
    variants_created: u64,
    /// SKUs whose stock was set.
    stock_set: u64,
    /// Rows imported. Together with the rejected rows, these are all rows. 0 for old imports, which did not count them.
    rows_imported: u64,
    /// Rows rejected; see `rejected-rows`.
    rows_rejected: u64,
    /// Warnings, including those that were not kept.
    warnings: u64,
}

impl CountsWire {
    fn of(counts: Map<String, Value>) -> Self {
        let counts: Counts = serde_json::from_value(Value::Object(counts)).unwrap_or_default();
        let Counts {
            rows,
            products_created,
            products_updated,
            products_unchanged,
            variants_created,
            stock_set,
            rows_imported,
            rows_rejected,
            warnings,
        } = counts;
        Self {
            rows,
            products_created,
            products_updated,
            products_unchanged,
            variants_created,
            stock_set,
            rows_imported,
            rows_rejected,
            warnings,
        }
    }
}

impl From<Import> for ImportWire {
    fn from(import: Import) -> Self {
        let Import { new, state, counts, warnings, problem, rejected: _, ended_at } = import;
        Self {
            id: new.import,
            state: match state {
                ImportState::Running => "running",
                ImportState::Completed => "completed",
                ImportState::Failed => "failed",
            },
            currency: new.currency,
            dry_run: new.dry_run,
            set_stock: new.set_stock,
            counts: CountsWire::of(counts),
            warnings,
            problem,
            started_at: new.started_at,
            ended_at,
        }
    }
}

/// A rejected row.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedRow)]
pub(crate) struct RejectedRowWire {
    /// The line in the file, starting at 1.
    #[schema(minimum = 1)]
    line: u64,
    /// The invalid column. Null if the whole row is invalid.
    column: Option<String>,
    /// The reason.
    reason: String,
}

impl From<RejectedRow> for RejectedRowWire {
    fn from(row: RejectedRow) -> Self {
        let RejectedRow { line, column, reason } = row;
        Self { line, column, reason }
    }
}

/// A page of rejected rows.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<RejectedRowWire>`")]
pub(crate) struct RejectedRowPage {
    /// The rows, in the order of their rejection.
    items: Vec<RejectedRowWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
