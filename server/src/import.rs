//! `fusion import products`: uploads a file, waits for its import, and shows the progress.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Method, header},
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use gateway::ImportCounts;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::{
    admin_socket::{ShopAccess, ShopAccessError, request},
    app::is_development,
    cli::{ImportProducts, OfDuplicateSku, Stock},
    config::{Config, NoTenant},
};

/// Bytes that are read and sent at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// The interval at which a running import is polled.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// The maximum number of rejected rows and warnings shown. The API lists all of them.
const SHOWN_MAX: usize = 100;

/// An import that did not start or did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file cannot be read.
    #[error("{path}: {why}", path = .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
    /// The shop was not reached, or refused the request.
    #[error(transparent)]
    ShopAccess(#[from] ShopAccessError),
    /// No tenant was given.
    #[error(transparent)]
    NoTenant(#[from] NoTenant),
}

/// An import in the API's representation.
#[derive(Debug, Deserialize)]
pub(crate) struct Import {
    id: String,
    state: String,
    dry_run: bool,
    counts: ImportCounts,
    warnings: Vec<String>,
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RejectedRows {
    items: Vec<RejectedRow>,
}

#[derive(Debug, Deserialize)]
struct RejectedRow {
    line: u64,
    column: Option<String>,
    reason: String,
}

/// `fusion import products`.
pub(crate) async fn run(import: &ImportProducts, config: &Config) -> Result<ExitCode, ImportError> {
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    let failed = |why| ImportError::File { path: import.file.clone(), why };
    let file = tokio::fs::File::open(&import.file).await.map_err(failed)?;
    let bytes = file.metadata().await.map_err(failed)?.len();
    let access = ShopAccess::open(config).await?;
    let options = Options {
        currency: import.currency.map(|currency| currency.to_string()),
        dry_run: import.dry_run,
        set_stock: import.stock == Stock::Set,
        derive_skus: import.duplicate_sku == OfDuplicateSku::Derive,
    };
    let imported = through(&access, tenant.as_str(), file, bytes, &options).await;
    access.close().await;
    imported.map_err(ImportError::from)
}

/// The options of an import.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) currency: Option<String>,
    pub(crate) dry_run: bool,
    pub(crate) set_stock: bool,
    pub(crate) derive_skus: bool,
}

impl Options {
    pub(crate) fn path(&self) -> String {
        let mut query = format!("/v1/imports?dry_run={}", self.dry_run);
        if let Some(currency) = &self.currency {
            query.push_str(&format!("&currency={currency}"));
        }
        if self.set_stock {
            query.push_str("&stock=set");
        }
        if self.derive_skus {
            query.push_str("&duplicate_sku=derive");
        }
        query
    }
}

async fn through(
    access: &ShopAccess,
    tenant: &str,
    file: tokio::fs::File,
    bytes: u64,
    options: &Options,
) -> Result<ExitCode, ShopAccessError> {
    let bar = ProgressBar::new(bytes.max(1));
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {binary_bytes}/{binary_total_bytes} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("sending");
    let mut request = request(Method::POST, Some(tenant), &options.path(), body_of(file, bar.clone()))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"));
    let key = HeaderValue::from_str(&fresh_key()).map_err(|error| ShopAccessError::Unreadable(error.to_string()))?;
    headers.insert("idempotency-key", key);
    let mut import: Import = access.send(request).await?.json().await?;

    bar.finish_and_clear();
    let bar = ProgressBar::new_spinner();
    while import.state == "running" {
        let counts = import.counts;
        let products = counts.products_created + counts.products_updated + counts.products_unchanged;
        bar.set_message(format!("{products} products of {} rows so far", counts.rows));
        bar.tick();
        tokio::time::sleep(ASK_EVERY).await;
        import = access.get(Some(tenant), &format!("/v1/imports/{}", import.id)).await?;
    }
    bar.finish_and_clear();
    let path = format!("/v1/imports/{}/rejected-rows?limit={SHOWN_MAX}", import.id);
    let rejected: RejectedRows = access.get(Some(tenant), &path).await?;
    print!("{}", report(&import, &rejected.items));
    Ok(if import.state == "completed" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the file as a streaming body that moves the progress bar.
fn body_of(file: tokio::fs::File, bar: ProgressBar) -> Body {
    Body::from_stream(futures::stream::try_unfold((file, bar), |(mut file, bar)| async move {
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = file.read(&mut chunk).await?;
        chunk.truncate(count);
        bar.inc(count as u64);
        Ok::<_, std::io::Error>((count > 0).then(|| (Bytes::from(chunk), (file, bar))))
    }))
}

/// Returns a new idempotency key for each run: a command that is run again must import again.
pub(crate) fn fresh_key() -> String {
    use std::hash::BuildHasher;
    let random = std::hash::RandomState::new();
    let now = std::time::SystemTime::now();
    format!("fusion-{:016x}{:016x}", random.hash_one(now), random.hash_one(std::process::id()))
}

/// Groups warnings with the same text, each with its first line numbers.
fn together(warnings: &[String]) -> Vec<String> {
    let mut by_words: Vec<(&str, Vec<&str>)> = Vec::new();
    for warning in warnings {
        let (line, words) = warning.split_once(": ").unwrap_or(("", warning));
        let known = by_words.iter().position(|(known, _)| *known == words);
        match known {
            Some(index) => by_words[index].1.push(line),
            // Bounded, so that the table stays readable whatever the file contains.
            None if by_words.len() < SHOWN_MAX => by_words.push((words, vec![line])),
            None => {}
        }
    }
    let report = |(words, lines): (&str, Vec<&str>)| match lines.as_slice() {
        [""] => words.to_owned(),
        [line] => format!("{line}: {words}"),
        [first, .., last] => format!("{first} to {last}, {} times: {words}", lines.len()),
        [] => String::new(),
    };
    by_words.into_iter().map(report).collect()
}

/// Formats counts, warnings and rejected rows for a terminal.
fn report(import: &Import, rejected: &[RejectedRow]) -> String {
    use std::fmt::Write;
    let counts = import.counts;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if import.dry_run {
        let _ = writeln!(text, "Dry run: nothing was changed. The import would give:");
    }
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_header([
        "Rows",
        "Created",
        "Updated",
        "Unchanged",
        "Variants",
        "Stock set",
        "Imported",
        "Rejected",
    ]);
    table.add_row(
        [
            counts.rows,
            counts.products_created,
            counts.products_updated,
            counts.products_unchanged,
            counts.variants_created,
            counts.stock_set,
            counts.rows_imported,
            counts.rows_rejected,
        ]
        .map(|count| count.to_string()),
    );
    let _ = writeln!(text, "{table}");
    if counts.warnings > 0 {
        let _ = writeln!(text, "\n{} warnings", counts.warnings);
        for warning in together(&import.warnings) {
            let _ = writeln!(text, "  {warning}");
        }
    }
    if !rejected.is_empty() {
        let mut table = Table::new();
        table.load_preset(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["Line", "Column", "Reason"]);
        for row in rejected {
            table.add_row([row.line.to_string(), row.column.clone().unwrap_or_default(), row.reason.clone()]);
        }
        let _ = writeln!(text, "\n{} rejected rows\n{table}", counts.rows_rejected);
        if counts.rows_rejected > rejected.len() as u64 {
            let _ = writeln!(text, "… see GET /v1/imports/{}/rejected-rows for the others", import.id);
        }
    }
    if let Some(problem) = &import.problem {
        let _ = writeln!(text, "\nThe import ended before the last row: {problem}\nRows that were imported are kept.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_prints_its_result() {
        let import = Import {
            id: "X".into(),
            state: "failed".into(),
            dry_run: true,
            counts: ImportCounts {
                rows: 7,
                products_created: 3,
                rows_rejected: 2,
                warnings: 1,
                ..ImportCounts::default()
            },
            warnings: vec!["line 2: odd".into()],
            problem: Some("the file is incomplete".into()),
        };
        let row = RejectedRow { line: 5, column: Some("Price".into()), reason: "below zero".into() };
        let text = report(&import, &[row]);
        for part in [
            "Dry run",
            "7",
            "1 warnings",
            "line 2: odd",
            "2 rejected rows",
            "Price",
            "below zero",
            "the others",
            "is incomplete",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn warnings_of_the_same_words_are_one() {
        let warnings = ["line 2: odd", "line 3: even", "line 9: odd", "and 7 more"].map(str::to_owned);
        assert_eq!(together(&warnings), ["line 2 to line 9, 2 times: odd", "line 3: even", "and 7 more"]);
    }

    #[test]
    fn options_are_parameters_of_the_api() {
        let options = Options { currency: Some("EUR".into()), dry_run: true, set_stock: true, derive_skus: true };
        assert_eq!(options.path(), "/v1/imports?dry_run=true&currency=EUR&stock=set&duplicate_sku=derive");
        assert_ne!(fresh_key(), fresh_key());
    }
}
