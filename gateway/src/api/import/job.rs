//! Runs an import from the first row to the last.

use std::{
    collections::HashSet,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actors::{Clock, Commerce};
use engine::{
    catalogue::{CatalogueError, DuplicateSku, Item, ProductRows, Reader, Warning},
    id::{CommandId, TenantId},
    money::Currency,
    product::Handle,
};
use futures::{StreamExt, stream::FuturesUnordered};
use persistence::sql::{ReadSide, StoreError};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    importer::{Importer, Stopped, Taken},
    notes::{Counts, Notes},
};

/// The maximum number of products in progress: enough for the journal to write them in large groups.
const AT_ONCE: usize = 64;
/// The maximum number of products that are read ahead. With the bounds of a single product it limits the memory of an
/// import.
const READ_AHEAD: usize = 64;
/// The number of rejected rows that are written together.
const REJECTED_AT_ONCE: usize = 500;
/// The interval at which the import's record is updated with the progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// An import of a catalogue file. Its record exists: [`ReadSide::begin_import`] has returned `New`.
#[derive(Clone)]
pub(super) struct ImportJob {
    /// The entities.
    pub(super) commerce: Commerce,
    /// The store of its record.
    pub(super) read_side: ReadSide,
    /// The clock.
    pub(super) clock: Arc<dyn Clock>,
    /// The tenant whose catalogue it is.
    pub(super) tenant: TenantId,
    /// The id of the import. The id of every command derives from it and a line number.
    pub(super) import: CommandId,
    /// The currency of prices for which the file names none.
    pub(super) currency: Currency,
    /// What to do with a SKU that another variant has.
    pub(super) duplicates: DuplicateSku,
    /// Whether to report only what would be done.
    pub(super) dry_run: bool,
    /// Whether to set the stock of existing variants, too.
    pub(super) set_stock: bool,
    /// The id of the request that started it.
    pub(super) request_id: u128,
}

/// The result of an import, as in its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// The counts.
    pub(super) counts: Counts,
    /// The warnings for the merchant.
    pub(super) warnings: Vec<String>,
    /// Why it ended before the last row. Products imported until then stay.
    pub(super) problem: Option<String>,
}

/// A message from the reading thread.
enum FromFile {
    Item(Item),
    Warnings(Vec<Warning>),
    Failed(CatalogueError),
}

impl ImportJob {
    /// Imports the file to its end, or until an error stops it, and completes the import's record. Rejected rows stop
    /// nothing.
    ///
    /// Returns an error only when the record itself cannot be written.
    pub(super) async fn run(self, file: impl Read + Send + 'static) -> Result<Ended, StoreError> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let rows = Arc::new(AtomicU64::new(0));
        let (currency, duplicates, read) = (self.currency, self.duplicates, rows.clone());
        // Dropping the receiver ends the thread at its next row.
        let reading = tokio::task::spawn_blocking(move || read_file(file, currency, duplicates, &read, &sender));
        let mut run = Run { notes: Notes::default(), rows, job: &self, importer: Importer::new(&self) };
        let problem = run.take_all(receiver).await?.map(|stopped| stopped.0);
        // The thread returns no result: its errors came through the channel.
        drop(reading);
        run.write_rejected().await?;
        run.count_rows();
        let counts = &mut run.notes.counts;
        let known = counts.rows_imported + counts.rows_rejected;
        debug_assert!(problem.is_some() || counts.rows == known, "{counts:?}");
        if problem.is_some() {
            // Rows that were read ahead when it stopped count as not read.
            counts.rows = known;
        }
        let (counts, warnings) = (run.notes.counts, run.notes.all_warnings());
        let now = self.clock.now();
        self.read_side
            .end_import(&self.tenant, self.import, &counts.to_json(), &warnings, problem.as_deref(), now)
            .await?;
        tracing::info!(import = %self.import, rows = counts.rows, rejected = counts.rows_rejected, problem, "import ended");
        Ok(Ended { counts, warnings, problem })
    }
}

struct Run<'a> {
    job: &'a ImportJob,
    importer: Importer<'a>,
    notes: Notes,
    rows: Arc<AtomicU64>,
}

impl Run<'_> {
    async fn take_all(&mut self, mut items: mpsc::Receiver<FromFile>) -> Result<Option<Stopped>, StoreError> {
        let importer = self.importer.clone();
        let mut under_way = FuturesUnordered::new();
        let mut handles: HashSet<Handle> = HashSet::new();
        let mut waiting: Option<Box<ProductRows>> = None;
        let mut file_ended = false;
        let mut stopped = None;
        let mut progress = tokio::time::interval_at(Instant::now() + PROGRESS_EVERY, PROGRESS_EVERY);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Rows of a product whose earlier rows are in progress wait until those are done.
            if let Some(product) = waiting.take_if(|product| !handles.contains(&product.change.handle)) {
                handles.insert(product.change.handle.clone());
                under_way.push(importer.take(product));
            }
            if stopped.is_some() {
                file_ended = true;
                waiting = None;
            }
            if file_ended && waiting.is_none() && under_way.is_empty() {
                return Ok(stopped);
            }
            let may_read = !file_ended && waiting.is_none() && under_way.len() < AT_ONCE;
            tokio::select! {
                biased;
                Some((handle, taken)) = under_way.next() => {
                    handles.remove(&handle);
                    match taken {
                        Ok(taken) => self.note(taken),
                        Err(error) => stopped = stopped.or(Some(error)),
                    }
                }
                item = items.recv(), if may_read => match item {
                    None => file_ended = true,
                    Some(FromFile::Item(Item::Product(product))) => waiting = Some(product),
                    Some(FromFile::Item(Item::Refused(row))) => self.notes.refused(&row),
                    Some(FromFile::Warnings(warnings)) => warnings.iter().for_each(|warning| self.notes.warn(warning)),
                    Some(FromFile::Failed(error)) => stopped = Some(Stopped(error.to_string())),
                },
                _ = progress.tick() => self.show_progress().await?,
            }
            if self.notes.rejected.len() >= REJECTED_AT_ONCE {
                self.write_rejected().await?;
            }
        }
    }

    fn note(&mut self, taken: Taken) {
        taken.warnings.iter().for_each(|warning| self.notes.warn(warning));
        if let Some((outcome, variants_created)) = taken.product {
            self.notes.product(outcome, variants_created);
        }
        self.notes.counts.stock_set += taken.stock_set;
        self.notes.counts.rows_imported += taken.rows;
        taken.rejected.into_iter().for_each(|row| self.notes.reject(row));
    }

    fn count_rows(&mut self) {
        self.notes.counts.rows = self.rows.load(Ordering::Relaxed);
    }

    async fn show_progress(&mut self) -> Result<(), StoreError> {
        self.count_rows();
        let counts = self.notes.counts.to_json();
        self.job.read_side.note_import_progress(&self.job.tenant, self.job.import, &counts).await
    }

    async fn write_rejected(&mut self) -> Result<(), StoreError> {
        let rows = std::mem::take(&mut self.notes.rejected);
        if rows.is_empty() {
            return Ok(());
        }
        self.job.read_side.reject_rows(&self.job.tenant, self.job.import, &rows).await
    }
}

/// Reads the file to its end, or until the receiver is dropped.
fn read_file(
    file: impl Read,
    currency: Currency,
    duplicates: DuplicateSku,
    rows: &AtomicU64,
    items: &mpsc::Sender<FromFile>,
) {
    let mut reader = match Reader::new(file, currency, duplicates) {
        Ok(reader) => reader,
        Err(error) => {
            let _ = items.blocking_send(FromFile::Failed(error));
            return;
        }
    };
    if items.blocking_send(FromFile::Warnings(reader.warnings().to_vec())).is_err() {
        return;
    }
    while let Some(item) = reader.next() {
        rows.store(reader.rows(), Ordering::Relaxed);
        let item = item.map_or_else(FromFile::Failed, FromFile::Item);
        if items.blocking_send(item).is_err() {
            return;
        }
    }
    rows.store(reader.rows(), Ordering::Relaxed);
}
