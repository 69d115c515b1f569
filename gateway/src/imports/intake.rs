//! One product of a file on its way into the shop.

use std::{sync::Arc, time::Duration};

use actors::{AskError, Call, Commerce};
use engine::{
    aggregate::Aggregate,
    catalogue::{ProductRows, Warning},
    id::{CommandId, EntityKey, Fingerprint, Sku},
    inventory::{Inventory, InventoryCommand, StockChange},
    product::{Handle, ImportOutcome, Imported, Product, ProductCommand, ProductRejection, ProductReply},
};
use persistence::sql::RejectedRow;
use tokio::time::Instant;

use super::{job::ImportJob, rehearsal};

/// How long a command is asked for again before the import is given up: longer than a shard takes to come back.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause before a command is asked for again; each further one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// What the merchant's books say of stock that an import has set.
const REASON: &str = "import";

/// What stopped an import, in a sentence for the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stopped(pub(super) String);

/// What a product came to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) warnings: Vec<Warning>,
    /// What became of it, and how many of its variants are new. `None`: it was refused.
    pub(super) product: Option<(ImportOutcome, u64)>,
    pub(super) stock_set: u64,
    pub(super) rejected: Vec<RejectedRow>,
}

/// Takes products in for one import. Cheap to clone.
#[derive(Clone)]
pub(super) struct Intake<'a> {
    job: &'a ImportJob,
}

impl<'a> Intake<'a> {
    pub(super) fn new(job: &'a ImportJob) -> Self {
        Self { job }
    }

    /// Takes one product in, with its stock. What is refused of it is no error.
    pub(super) async fn take(&self, rows: Box<ProductRows>) -> (Handle, Result<Taken, Stopped>) {
        let handle = rows.change.handle.clone();
        let mut taken = Taken { warnings: rows.warnings.clone(), ..Taken::default() };
        let done = match self.import(&rows).await {
            Ok(Ok(imported)) => self.stock(&rows, &imported, &mut taken).await,
            Ok(Err(rejection)) => {
                let row = rows.refusal(&rejection);
                // The product's other rows are refused with it.
                let reason = row.reason.to_string();
                taken.rejected.push(RejectedRow { line: row.line, column: row.column, reason });
                Ok(())
            }
            Err(stopped) => Err(stopped),
        };
        (handle, done.map(|()| taken))
    }

    async fn import(&self, rows: &ProductRows) -> Result<Result<Arc<Imported>, ProductRejection>, Stopped> {
        let job = self.job;
        let command = ProductCommand::Import {
            tenant: job.tenant.clone(),
            currency: job.currency,
            change: Box::new(rows.change.clone()),
        };
        if job.dry_run {
            return rehearsal::import(job, &rows.change, &command).await.map_err(Stopped);
        }
        let key = rows.change.handle.product(&job.tenant).key(&job.tenant);
        let call = self.call(rows.first_line, b"product", Fingerprint::of(&rows.change));
        let started = Instant::now();
        loop {
            match ask::<Product>(&job.commerce, &key, &command, &call).await? {
                Ok(ProductReply::Imported(imported)) => return Ok(Ok(imported)),
                Ok(other) => return Err(Stopped(format!("a product answered {other:?} to an import"))),
                // Someone else's change of the product waits for its SKUs.
                Err(ProductRejection::Busy) if started.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(rejection) => return Ok(Err(rejection)),
            }
        }
    }

    /// Sets the stock of new variants; of others if the merchant wants that.
    async fn stock(&self, rows: &ProductRows, imported: &Imported, taken: &mut Taken) -> Result<(), Stopped> {
        let created = imported.variants.iter().filter(|(variant, _)| variant.new).count() as u64;
        taken.product = Some((imported.outcome, created));
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
                Err(reason) => taken.rejected.push(RejectedRow { line: row.line, column: None, reason }),
            }
        }
        Ok(())
    }

    /// Done, or why not.
    async fn adjust(&self, line: u64, sku: &Sku, change: StockChange) -> Result<Result<(), String>, Stopped> {
        let command = InventoryCommand::Adjust { change, reason: REASON.to_owned() };
        let said = format!("{sku} {change:?}");
        let call = self.call(line, b"stock", Fingerprint::derive(&[said.as_bytes()]));
        match ask::<Inventory>(&self.job.commerce, &sku.key(&self.job.tenant), &command, &call).await? {
            Ok(_) => Ok(Ok(())),
            Err(rejection) => Ok(Err(format!("the stock cannot be set: {rejection}"))),
        }
    }

    fn call(&self, line: u64, what: &[u8], fingerprint: Fingerprint) -> Call {
        let command_id = CommandId::derive(&[&self.job.import.to_bytes(), what, &line.to_be_bytes()]);
        Call { fingerprint, request_id: self.job.request_id, ..Call::effect(command_id) }
    }
}

/// Asks until there is a definite answer, within [`PATIENCE`].
async fn ask<A: Aggregate>(
    commerce: &Commerce,
    key: &EntityKey,
    command: &A::Command,
    call: &Call,
) -> Result<Result<A::Reply, A::Rejection>, Stopped> {
    let started = Instant::now();
    let mut pause = PAUSE;
    loop {
        let indefinite = match commerce.ask::<A>(key, command.clone(), call.clone()).await {
            Ok(answered) => return Ok(Ok(answered.reply)),
            Err(AskError::Rejected(rejection)) => return Ok(Err(rejection)),
            Err(AskError::Parked) => return Err(Stopped(format!("{key} is parked after repeated failures"))),
            Err(indefinite) => indefinite,
        };
        if started.elapsed() >= PATIENCE {
            return Err(Stopped(format!("no answer from {key}: {indefinite}")));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
