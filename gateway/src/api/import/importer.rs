//! The importer of a single product of a file.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actors::{AskError, CommandMeta, Commerce};
use backon::{ConstantBuilder, ExponentialBuilder, Retryable};
use engine::{
    catalogue::{Column, DuplicateSku, ProductRows, RefusedRow, Warning},
    id::{CommandId, EntityKey, Fingerprint, Sku},
    kinds::Entity,
    product::{Handle, ImportOutcome, Imported, Product, ProductCommand, ProductRejection, ProductReply},
    stock::{StockChange, StockCommand, StockItem},
};
use persistence::sql::RejectedRow;
use tokio::time::Instant;

use super::{dry_run, job::ImportJob};

/// How long a command is retried before the import fails: longer than a shard takes to recover.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause before a retry. Each further pause is twice as long, up to the maximum.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often a product is retried because another product has one of its SKUs. Each retry drops all SKUs that are known
/// to be taken; beyond this number, the product is rejected.
const SKU_TRIES: usize = 8;
/// The reason in the stock history for stock that an import has set.
const REASON: &str = "import";

/// Why an import stopped, as a sentence for the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped(pub(super) String);

/// The result of importing a product.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) warnings: Vec<Warning>,
    /// The outcome, and how many of its variants are new. `None`: the product was rejected.
    pub(super) product: Option<(ImportOutcome, u64)>,
    pub(super) stock_set: u64,
    /// The number of rows that were imported. Together with the rejected ones these are all rows of the product.
    pub(super) rows: u64,
    pub(super) rejected: Vec<RejectedRow>,
}

impl Taken {
    fn reject(&mut self, rows: Vec<RefusedRow>) {
        let rejected = |row: RefusedRow| RejectedRow { line: row.line, reason: row.words(), column: row.column };
        self.rejected.extend(rows.into_iter().map(rejected));
    }
}

/// Imports products for one import. Cheap to clone.
#[derive(Clone)]
pub(super) struct Importer<'a> {
    job: &'a ImportJob,
}

impl<'a> Importer<'a> {
    pub(super) fn new(job: &'a ImportJob) -> Self {
        Self { job }
    }

    /// Imports a product with its stock. Rejected rows are no error.
    pub(super) async fn take(&self, mut rows: Box<ProductRows>) -> (Handle, Result<Taken, Stopped>) {
        let handle = rows.change.handle.clone();
        let mut taken = Taken::default();
        let done = self.take_rows(&mut rows, &mut taken).await;
        taken.warnings = std::mem::take(&mut rows.warnings);
        (handle, done.map(|()| taken))
    }

    /// Removes the rows that the product rejects, until it accepts the rest.
    async fn take_rows(&self, rows: &mut ProductRows, taken: &mut Taken) -> Result<(), Stopped> {
        let mut tries = 0;
        let mut sku_tries = 0;
        while !rows.rows.is_empty() {
            let rejection = match self.import(rows, tries).await? {
                Ok(imported) => return self.stock(rows, &imported, taken).await,
                Err(rejection) => rejection,
            };
            tries += 1;
            match &rejection {
                ProductRejection::SkuTaken { .. } | ProductRejection::SkuRefused { .. } if sku_tries == SKU_TRIES => {
                    taken.reject(rows.refuse_all(&rejection));
                }
                ProductRejection::SkuTaken { sku, .. } | ProductRejection::SkuRefused { sku } => {
                    sku_tries += 1;
                    let mut skus = self.skus_elsewhere(rows).await?;
                    skus.insert(sku.clone());
                    for sku in skus {
                        self.give_up(&sku, rows, taken);
                    }
                }
                _ => taken.reject(rows.refuse(&rejection)),
            }
        }
        Ok(())
    }

    /// Handles a SKU of another product: its variant is rejected, or gets a derived SKU.
    fn give_up(&self, sku: &Sku, rows: &mut ProductRows, taken: &mut Taken) {
        if self.job.duplicates == DuplicateSku::Derive && rows.derive_sku(sku) {
            return;
        }
        taken.reject(rows.refuse_sku(sku));
    }

    /// Returns the SKUs of the file that are known to belong to other products.
    async fn skus_elsewhere(&self, rows: &ProductRows) -> Result<BTreeSet<Sku>, Stopped> {
        let (job, own) = (self.job, rows.change.handle.product(&self.job.tenant));
        let mut elsewhere = BTreeSet::new();
        for sku in rows.change.variants.iter().filter_map(|variant| variant.sku.as_ref()) {
            let owner = job.read_side.variant_of_sku(&job.tenant, sku).await;
            let owner = owner.map_err(|error| Stopped(error.to_string()))?;
            if owner.is_some_and(|(product, _)| product != own) {
                elsewhere.insert(sku.clone());
            }
        }
        Ok(elsewhere)
    }

    /// Sends the import command. `tries`: how often the product has rejected some of these rows.
    async fn import(&self, rows: &ProductRows, tries: u64) -> Result<Result<Arc<Imported>, ProductRejection>, Stopped> {
        let job = self.job;
        let command = ProductCommand::Import {
            tenant: job.tenant.clone(),
            currency: rows.currency,
            change: Box::new(rows.change.clone()),
        };
        if job.dry_run {
            return dry_run::import(job, &rows.change, &command).await.map_err(Stopped);
        }
        let key = rows.change.handle.product(&job.tenant).key(&job.tenant);
        // The rows have changed since the last try, so this is another command with another id.
        let what = if tries == 0 { "product".to_owned() } else { format!("product {tries}") };
        let mut meta = self.meta(rows.first_line, what.as_bytes(), Fingerprint::of(&rows.change));
        meta.former_fingerprint = Some(Fingerprint::with_nulls(&rows.change));
        let started = Instant::now();
        let import = || async {
            match ask::<Product>(&job.commerce, &key, &command, &meta).await {
                // Another change of the product waits for its SKUs.
                Ok(Err(busy @ ProductRejection::Busy)) => Err(busy),
                answered => Ok(answered),
            }
        };
        let pauses = ConstantBuilder::default().with_delay(PAUSE).without_max_times();
        let answered = import.retry(pauses).when(|_| started.elapsed() < PATIENCE).await;
        match answered.unwrap_or_else(|busy| Ok(Err(busy)))? {
            Ok(ProductReply::Imported(imported)) => Ok(Ok(imported)),
            Ok(other) => Err(Stopped(format!("unexpected reply of a product to an import: {other:?}"))),
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    /// Sets the stock of new variants, and of existing ones if the merchant wants that.
    async fn stock(&self, rows: &ProductRows, imported: &Imported, taken: &mut Taken) -> Result<(), Stopped> {
        let created = imported.variants.iter().filter(|(variant, _)| variant.new).count() as u64;
        taken.product = Some((imported.outcome, created));
        taken.rows = rows.rows.len() as u64;
        for (row, (variant, sku)) in rows.variants.iter().zip(&imported.variants) {
            let Some(units) = row.stock else { continue };
            let change = match self.job.set_stock {
                true => StockChange::To { units, expected: None },
                // Counts nothing twice: a variant that was counted before keeps its number.
                false => StockChange::First(units),
            };
            if self.job.dry_run {
                taken.stock_set += u64::from(variant.new || self.job.set_stock);
                continue;
            }
            match self.adjust(row.line, sku, change).await? {
                Ok(()) => taken.stock_set += u64::from(variant.new || self.job.set_stock),
                Err(reason) => {
                    let column = rows.column_name(Column::Quantity).map(str::to_owned);
                    taken.rejected.push(RejectedRow { line: row.line, column, reason });
                    // A row is either rejected or imported.
                    taken.rows -= u64::from(rows.rows.iter().any(|imported| imported.line == row.line));
                }
            }
        }
        Ok(())
    }

    /// Adjusts the stock. The inner error is a rejection, as a sentence.
    async fn adjust(&self, line: u64, sku: &Sku, change: StockChange) -> Result<Result<(), String>, Stopped> {
        let command = StockCommand::Adjust { change, reason: REASON.to_owned() };
        let said = format!("{sku} {change:?}");
        let meta = self.meta(line, b"stock", Fingerprint::derive(&[said.as_bytes()]));
        match ask::<StockItem>(&self.job.commerce, &sku.key(&self.job.tenant), &command, &meta).await? {
            Ok(_) => Ok(Ok(())),
            Err(rejection) => Ok(Err(format!("{sku} was imported, but its stock could not be set: {rejection}"))),
        }
    }

    fn meta(&self, line: u64, what: &[u8], fingerprint: Fingerprint) -> CommandMeta {
        let command_id = CommandId::derive(&[&self.job.import.to_bytes(), what, &line.to_be_bytes()]);
        CommandMeta { fingerprint, request_id: self.job.request_id, ..CommandMeta::effect(command_id) }
    }
}

/// Retries until there is a definite answer, within [`PATIENCE`].
async fn ask<A: Entity>(
    commerce: &Commerce,
    key: &EntityKey,
    command: &A::Command,
    meta: &CommandMeta,
) -> Result<Result<A::Reply, A::Rejection>, Stopped> {
    let started = Instant::now();
    let pauses = ExponentialBuilder::default().with_min_delay(PAUSE).with_max_delay(PAUSE_MAX).without_max_times();
    let answered = (|| commerce.ask::<A>(key, command.clone(), meta.clone()))
        .retry(pauses)
        .when(|error| !matches!(error, AskError::Rejected(_) | AskError::Quarantined) && started.elapsed() < PATIENCE)
        .await;
    match answered {
        Ok(answered) => Ok(Ok(answered.reply)),
        Err(AskError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(AskError::Quarantined) => Err(Stopped(format!("{key} is quarantined after repeated failures"))),
        Err(indefinite) => Err(Stopped(format!("no answer from {key}: {indefinite}"))),
    }
}
