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

/// How a file is taken in.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct ImportQuery {
    /// The currency of prices of which the file itself says none (column `Currency`); the shop's when it is left out.
    #[param(value_type = Option<CurrencySchema>, nullable = false)]
    currency: Option<String>,
    /// `true`: only say what would be done.
    #[param(nullable = false)]
    dry_run: Option<bool>,
    /// `set`: set the stock of variants that are known already, too.
    #[param(pattern = "^set$", nullable = false)]
    stock: Option<String>,
    /// What becomes of a SKU that another variant of the file or the shop has. `refuse`, as when it is left out: the row
    /// is refused. `derive`: the variant gets a SKU made of its handle and options, with a warning.
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
                faults.add("?stock", FieldCode::WrongType, "is set, or left out");
                false
            }
        };
        let duplicates = match parameters.text("duplicate_sku") {
            None | Some("refuse") => DuplicateSku::Refuse,
            Some("derive") => DuplicateSku::Derive,
            Some(_) => {
                faults.add("?duplicate_sku", FieldCode::WrongType, "is refuse or derive, or left out");
                DuplicateSku::Refuse
            }
        };
        let said = Said { currency, dry_run, set_stock, duplicates };
        Some(Self { currency: None, dry_run: None, stock: None, duplicate_sku: None, said })
    }
}

/// A catalogue file that is taken in, or was.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub(crate) struct ImportWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: CommandId,
    /// Where it stands. `failed`: it ended before the last row; what was taken in stays.
    #[schema(value_type = String, pattern = "^(running|completed|failed)$")]
    state: &'static str,
    /// The currency of its prices.
    #[schema(value_type = RecordedCurrencySchema)]
    currency: Currency,
    /// Whether it only said what it would do.
    dry_run: bool,
    /// Whether it set stock that was counted before.
    set_stock: bool,
    /// What it has come to.
    counts: CountsWire,
    /// What the merchant should know; the first 1,000.
    warnings: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    ended_at: Option<Timestamp>,
}

/// Numbers of an import. Of a dry run: what they would be.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportCounts)]
pub(crate) struct CountsWire {
    /// Rows that were read, refused ones included.
    rows: u64,
    /// Products that are new.
    products_created: u64,
    /// Products that changed.
    products_updated: u64,
    /// Products of which the file said nothing new.
    products_unchanged: u64,
    /// Variants that are new.
    variants_created: u64,
    /// SKUs whose stock was set.
    stock_set: u64,
    /// Rows that were imported; with those that were refused, all of them. 0 of imports from before this was counted.
    rows_imported: u64,
    /// Rows that were refused: see `rejected-rows`.
    rows_rejected: u64,
    /// Warnings, those that were not kept included.
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

/// A row that was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedRow)]
pub(crate) struct RejectedRowWire {
    /// Its line in the file, from 1 on.
    #[schema(minimum = 1)]
    line: u64,
    /// The column at fault; null: the whole row.
    column: Option<String>,
    /// Why.
    reason: String,
}

impl From<RejectedRow> for RejectedRowWire {
    fn from(row: RejectedRow) -> Self {
        let RejectedRow { line, column, reason } = row;
        Self { line, column, reason }
    }
}

/// A page of refused rows.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<RejectedRowWire>`")]
pub(crate) struct RejectedRowPage {
    /// The rows, in the order they were refused.
    items: Vec<RejectedRowWire>,
    /// What to send as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// The media types that browsers, spreadsheets and scripts use for CSV files.
const CSV_TYPES: [&str; 4] = ["text/csv", "application/csv", "text/plain", "application/vnd.ms-excel"];

fn is_csv(essence: &str) -> bool {
    CSV_TYPES.iter().any(|name| essence.eq_ignore_ascii_case(name))
}

/// Take a catalogue file in
///
/// Shopify's product CSV, of either generation. Refused rows stop nothing, and are listed. Answered when the file has
/// arrived and was taken in, or soon as `running`.
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
            let why = |error| format!("the shop's own, {own}, is {error}: name another");
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
            tracing::error!(%error, "an import's record could not be written");
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

/// An import
#[utoipa::path(get, path = "/v1/imports/{id}", operation_id = "get_import", tag = "imports", security(("bearer" = ["vendor"])),
    params(("id" = IdSchema, Path, description = "The import.")), responses((status = 200, description = "The import", body = ImportWire)))]
pub(crate) async fn get_import(
    State(gateway): State<Gateway>,
    vendor: Vendor,
    Path(import): Path<CommandId>,
) -> Result<Response, Problem> {
    Ok(ok(&find(&gateway, vendor.0.tenant(), import).await?))
}

/// The rows of an import that were refused
///
/// In the order they were refused; at most 100,000 are kept.
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
