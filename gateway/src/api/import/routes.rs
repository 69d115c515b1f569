//! `/v1/imports`: product imports from files.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use engine::{
    catalogue::DuplicateSku,
    id::{CommandId, TenantId},
    money::Currency,
    time::Timestamp,
};
use persistence::sql::{BeginImportError, Begun, Import, ImportState, List, NewImport, RejectedRow};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{job::ImportJob, notes::Counts, upload};
use crate::{
    Gateway, Problem,
    auth::Vendor,
    edge::{FromQuery, Parameters, Path, Query, check_type},
    idempotency::Key,
    ops::openapi::KeyHeader,
    problem::{Code, Faults, FieldCode},
    wire::{CurrencySchema, IdSchema, PageQuery, PageWire, RecordedCurrencySchema, created, ok, replayed},
};

/// How long the response waits for an import that completes quickly.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);
/// The `Retry-After` when too many imports are running.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// The options of an import.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct ImportQuery {
    /// The currency of prices without a value in the column `Currency`. The default is the shop's currency.
    #[param(value_type = Option<CurrencySchema>, nullable = false)]
    currency: Option<String>,
    /// `true`: a dry run, which changes nothing.
    #[param(nullable = false)]
    dry_run: Option<bool>,
    /// `set`: also set the stock of existing variants.
    #[param(pattern = "^set$", nullable = false)]
    stock: Option<String>,
    /// How to treat a SKU that another variant of the file or the shop has. `refuse`, the default: the row is rejected.
    /// `derive`: the variant gets a SKU derived from its handle and options, with a warning.
    #[param(pattern = "^(refuse|derive)$", nullable = false)]
    duplicate_sku: Option<String>,
    #[param(ignore)]
    said: Said,
}

/// The parsed query parameters.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    currency: Option<Currency>,
    dry_run: bool,
    set_stock: bool,
    duplicates: DuplicateSku,
}

impl FromQuery for ImportQuery {
    const NAMES: &'static [&'static str] = &["currency", "dry_run", "stock", "duplicate_sku"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let currency = parameters.text("currency").and_then(|code| faults.range("?currency", Currency::new(code)));
        let dry_run = parameters.parsed::<bool>("dry_run", faults).unwrap_or(false);
        let set_stock = match parameters.text("stock") {
            None => false,
            Some("set") => true,
            Some(_) => {
                faults.add("?stock", FieldCode::WrongType, "must be set, if given");
                false
            }
        };
        let duplicates = match parameters.text("duplicate_sku") {
            None | Some("refuse") => DuplicateSku::Refuse,
            Some("derive") => DuplicateSku::Derive,
            Some(_) => {
                faults.add("?duplicate_sku", FieldCode::WrongType, "must be refuse or derive");
                DuplicateSku::Refuse
            }
        };
        let said = Said { currency, dry_run, set_stock, duplicates };
        Some(Self { currency: None, dry_run: None, stock: None, duplicate_sku: None, said })
    }
}

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

/// The media types that browsers, spreadsheets and scripts use for CSV files.
const CSV_TYPES: [&str; 4] = ["text/csv", "application/csv", "text/plain", "application/vnd.ms-excel"];

fn is_csv(essence: &str) -> bool {
    CSV_TYPES.iter().any(|name| essence.eq_ignore_ascii_case(name))
}

/// Import a catalogue
///
/// Accepts Shopify's product CSV, in the old and the new format. Rejected rows do not stop the import and are listed.
/// The response is sent when the file has been imported, or after a short time as `running`.
#[utoipa::path(post, path = "/v1/imports", operation_id = "create_import", tag = "imports", security(("bearer" = ["vendor"])),
    params(ImportQuery, KeyHeader), request_body(content = String, content_type = "text/csv", description = "The file."),
    responses((status = 201, description = "The import", body = ImportWire)))]
pub(crate) async fn create_import(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    idempotency: Key,
    Query(ImportQuery { said, .. }): Query<ImportQuery>,
    request: Request,
) -> Result<Response, Problem> {
    check_type(request.headers(), is_csv, "text/csv")?;
    let (tenant, subject) = (vendor.0.tenant().clone(), vendor.0.subject());
    let currency = match said.currency {
        Some(currency) => currency,
        None => {
            let own = gateway.tenants.currency(&gateway.read_side, &tenant).await?.ok_or_else(Problem::not_found)?;
            let why = |error| format!("the shop's currency {own} is {error}: set another currency");
            own.in_use().map_err(|error| Problem::out_of_range("?currency", why(error)))?
        }
    };
    // Before the file is received, so that the limit also covers uploads in progress.
    let place = gateway.imports.take(&tenant);
    let place = place.ok_or_else(|| Problem::new(Code::Overloaded).retry_after(BUSY_WAIT))?;
    let file = upload::receive(request, gateway.settings.upload_bytes_max).await?;
    let command = (currency.code(), said.dry_run, said.set_stock, &file.hash);
    let meta = match said.duplicates {
        DuplicateSku::Refuse => idempotency.meta(&vendor.0, "create_import", b"", &command),
        DuplicateSku::Derive => idempotency.meta(&vendor.0, "create_import", b"", &(command, "derive")),
    };
    let new = NewImport {
        import: meta.command_id,
        fingerprint: meta.fingerprint,
        subject,
        currency,
        dry_run: said.dry_run,
        set_stock: said.set_stock,
        started_at: gateway.now(),
    };
    let begun = gateway.read_side.begin_import(&tenant, &new).await.map_err(|error| match error {
        BeginImportError::KeyReused(reused) => Problem::from(reused),
        BeginImportError::Store(error) => error.into(),
    })?;
    let place_of = format!("/v1/imports/{}", meta.command_id);
    if let Begun::Again(import) = begun {
        return Ok(replayed(created(&place_of, &ImportWire::from(*import)), true));
    }
    let job = ImportJob {
        commerce: gateway.commerce.clone(),
        read_side: gateway.read_side.clone(),
        clock: gateway.clock(),
        tenant: tenant.clone(),
        import: meta.command_id,
        currency,
        duplicates: said.duplicates,
        dry_run: said.dry_run,
        set_stock: said.set_stock,
        request_id: meta.request_id,
    };
    let running = tokio::spawn(async move {
        if let Err(error) = job.run(file.content).await {
            tracing::error!(%error, "writing the record of an import failed");
        }
        drop(place);
    });
    // Dropping the handle does not stop the import.
    let _ = tokio::time::timeout(ANSWER_WITHIN, running).await;
    Ok(created(&place_of, &find(&gateway, &tenant, meta.command_id).await?))
}

async fn find(gateway: &Gateway, tenant: &TenantId, import: CommandId) -> Result<ImportWire, Problem> {
    let import = gateway.read_side.import(tenant, import).await?;
    import.map(ImportWire::from).ok_or_else(Problem::not_found)
}

/// Get an import
#[utoipa::path(get, path = "/v1/imports/{id}", operation_id = "get_import", tag = "imports", security(("bearer" = ["vendor"])),
    params(("id" = IdSchema, Path, description = "The import.")), responses((status = 200, description = "The import", body = ImportWire)))]
pub(crate) async fn get_import(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    Path(import): Path<CommandId>,
) -> Result<Response, Problem> {
    Ok(ok(&find(&gateway, vendor.0.tenant(), import).await?))
}

/// List the rejected rows of an import
///
/// In the order of their rejection; at most 100,000 are kept.
#[utoipa::path(get, path = "/v1/imports/{id}/rejected-rows", operation_id = "list_rejected_rows", tag = "imports",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The import."), PageQuery),
    responses((status = 200, description = "A page of rows", body = RejectedRowPage)))]
pub(crate) async fn list_rejected_rows(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    Path(import): Path<CommandId>,
    Query(page): Query<PageQuery>,
) -> Result<Response, Problem> {
    let tenant = vendor.0.tenant();
    find(&gateway, tenant, import).await?;
    let page = gateway.read_side.rejected_rows(tenant, import, page.request(List::RejectedRows)?).await?;
    let items: Vec<_> = page.items.into_iter().map(RejectedRowWire::from).collect();
    Ok(ok(&PageWire { items, next_cursor: page.next.map(|cursor| cursor.to_string()) }))
}
