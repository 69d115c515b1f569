//! The routes of imports.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    response::Response,
};
use engine::{
    catalogue::DuplicateSku,
    id::{CommandId, TenantId},
    money::Currency,
};
use persistence::sql::{BeginImportError, Begun, List, NewImport};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    job::ImportJob,
    upload,
    wire::{ImportWire, RejectedRowPage, RejectedRowWire},
};
use crate::{
    Gateway, Problem,
    auth::Vendor,
    edge::{FromQuery, Parameters, Path, Query, check_type},
    idempotency::Key,
    ops::openapi::KeyHeader,
    problem::{Code, Faults, FieldCode},
    wire::{CurrencySchema, IdSchema, PageQuery, PageWire, created, ok, replayed},
};

/// How long the response waits for an import that completes quickly.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);
/// The `Retry-After` when too many imports are running.
const BUSY_WAIT: Duration = Duration::from_secs(10);

/// Returns the routes of imports.
pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(create_import)).routes(routes!(get_import)).routes(routes!(list_rejected_rows))
}

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
