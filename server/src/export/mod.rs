//! Exports the catalogue and the orders, page by page.

mod orders;

use std::{
    collections::HashMap,
    io::Write,
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use engine::{
    catalogue::Exporter,
    id::{Sku, TenantId},
    money::Currency,
    order::{OrderView, number},
    product::ProductView,
};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use persistence::sql::{
    Contact, Cursor, LIMIT_MAX, Limit, PageRequest, READERS, ReadSide, StoreError,
    lists::{OrderFilter, ProductFilter},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use streaming::{Journal, ShardId};

use crate::{
    admin_socket::{ShopAccess, ShopAccessError, request},
    app::{Backends, is_development},
    cli::{Export, ExportTo, Format},
    config::Config,
};

/// How long to wait until the read side has every entry that was accepted before the export began.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exported {
    /// The catalogue.
    Products,
    /// The orders.
    Orders,
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportFormat {
    /// Comma-separated values.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

impl ExportFormat {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
        }
    }
}

/// An export that did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The shop was not reached, or refused the request.
    #[error(transparent)]
    ShopAccess(#[from] ShopAccessError),
    /// The output cannot be written.
    #[error("cannot write {path}: {why}")]
    Write {
        /// The output's path or name.
        path: String,
        /// The system's error.
        why: std::io::Error,
    },
    /// A query of the read side failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row cannot be encoded as CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// No tenant was given.
    #[error(transparent)]
    NoTenant(#[from] crate::config::NoTenant),
    /// The read side did not catch up.
    #[error("the read side did not catch up with the journal within {CATCH_UP_MAX:?}: try again later")]
    Behind,
}

/// `fusion export`.
pub(crate) async fn run(what: &Export, config: &Config) -> Result<(), ExportError> {
    let (what, to, only) = match what {
        Export::Products(products) => ("products", &products.to, products.only_currency),
        Export::Orders(to) => ("orders", to, None),
    };
    let tenant = config.tenant_or_demo(is_development(&config.data_dir))?;
    let format = match to.format {
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    let access = ShopAccess::open(config).await?;
    let mut path = format!("/local/export?what={what}&tenant={tenant}&format={format}");
    if let Some(only) = only {
        path.push_str(&format!("&currency={only}"));
    }
    let mut done = copy(&access, &path, to).await;
    if done.is_ok() && what == "products" && to.format == Format::Csv && only.is_none() {
        done = say_currencies(&access, tenant.as_str()).await;
    }
    access.close().await;
    done
}

/// Warns if the file has prices in several currencies: Shopify would read all of them as amounts in its own.
async fn say_currencies(access: &ShopAccess, tenant: &str) -> Result<(), ExportError> {
    let currencies: Vec<Currency> = access.get(None, &format!("/local/currencies?tenant={tenant}")).await?;
    if let [first, _, ..] = currencies[..] {
        let all = currencies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        eprintln!(
            "The prices are in {all}, as given in the column \"Currency\". A program that ignores this column reads them as one \
             currency; for such a program, export one currency at a time: --only-currency {first}"
        );
    }
    Ok(())
}

async fn copy(access: &ShopAccess, path: &str, to: &ExportTo) -> Result<(), ExportError> {
    let answer = access.send(request(axum::http::Method::GET, None, path, Body::empty())?).await?.accepted().await?;
    let name = to.output.as_ref().map_or("standard output".to_owned(), |path| path.display().to_string());
    let failed = |why| ExportError::Write { path: name.clone(), why };
    let is_file = to.output.is_some() || is_new_file(&std::io::stdout());
    let mut output: Box<dyn Write + Send> = match &to.output {
        Some(path) => Box::new(std::fs::File::create(path).map_err(failed)?),
        None => Box::new(std::io::stdout()),
    };
    if is_file && to.format == Format::Csv {
        // Without a byte order mark, Excel reads a file in a legacy character set. Programs behind a pipe expect none.
        output.write_all("\u{feff}".as_bytes()).map_err(failed)?;
    }
    let mut body = answer.body;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ShopAccessError::Broken(error.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            output.write_all(&bytes).map_err(failed)?;
        }
    }
    output.flush().map_err(failed)
}

/// Whether the output goes to a file that is still empty, as with `> orders.csv`.
fn is_new_file(output: &impl AsFd) -> bool {
    let file = output.as_fd().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|about| about.is_file() && about.len() == 0)
}

/// Returns the export as a streaming body. Pages are read on demand, so a slow reader does not make data pile up.
///
/// `only`: exports only products with prices in this currency.
pub(crate) fn stream(
    backends: Arc<Backends>,
    what: Exported,
    tenant: TenantId,
    format: ExportFormat,
    only: Option<Currency>,
) -> Body {
    let exporting = Exporting { backends, what, tenant, only, writer: None, format, cursor: Some(None) };
    Body::from_stream(futures::stream::try_unfold(exporting, |mut exporting| async move {
        let page = exporting.next_page().await.inspect_err(|error| tracing::error!(%error, "export aborted"))?;
        Ok::<_, ExportError>(page.map(|bytes| (bytes, exporting)))
    }))
}

struct Exporting {
    backends: Arc<Backends>,
    what: Exported,
    tenant: TenantId,
    only: Option<Currency>,
    format: ExportFormat,
    writer: Option<Writer>,
    /// The start of the next page; `None` after the last.
    cursor: Option<Option<Cursor>>,
}

impl Exporting {
    /// Returns the next page, encoded, or `None` at the end.
    async fn next_page(&mut self) -> Result<Option<Bytes>, ExportError> {
        let Some(after) = self.cursor else { return self.finish() };
        if self.writer.is_none() {
            wait_for_read_side(&self.backends).await?;
            self.writer = Some(Writer::new(self.what, self.format)?);
        }
        let page = PageRequest { limit: Limit::new(LIMIT_MAX).unwrap_or_default(), after };
        let Some(writer) = &mut self.writer else { return Ok(None) };
        let (read_side, tenant) = (&self.backends.read_side, &self.tenant);
        self.cursor = match self.what {
            Exported::Products => {
                let mut page = read_side.products(tenant, &ProductFilter::default(), page).await?;
                page.items.retain(|listed| self.only.is_none_or(|only| listed.product.currency == only));
                let skus = page.items.iter().flat_map(|listed| &listed.product.variants).map(|variant| &variant.sku);
                let stock = on_hand(read_side, tenant, skus.cloned().collect()).await?;
                for listed in page.items {
                    writer.product(&listed.product, |sku| stock.get(sku).copied())?;
                }
                page.next.map(Some)
            }
            Exported::Orders => {
                let page = read_side.orders(tenant, &OrderFilter::default(), page).await?;
                let contacts: Vec<_> = page.items.iter().map(|order| order.contact).collect();
                let contacts = read_side.contacts(tenant, &contacts).await?;
                let contacts: HashMap<_, _> = contacts.iter().map(|contact| (contact.contact, contact)).collect();
                for order in &page.items {
                    let number = number::spell(&self.backends.gateway.order_number_key, order.number);
                    writer.order(order, &number, contacts.get(&order.contact).copied())?;
                }
                page.next.map(Some)
            }
        };
        Ok(Some(writer.take()))
    }

    fn finish(&mut self) -> Result<Option<Bytes>, ExportError> {
        self.writer.take().map(Writer::finish).transpose()
    }
}

/// Returns the units on hand of these SKUs. SKUs without a stock record are left out.
async fn on_hand(read_side: &ReadSide, tenant: &TenantId, skus: Vec<Sku>) -> Result<HashMap<Sku, u64>, StoreError> {
    let reads = futures::stream::iter(skus).map(|sku| async move { read_side.stock(tenant, &sku).await });
    let rows: Vec<_> = reads.buffer_unordered(READERS as usize).try_collect().await?;
    Ok(rows.into_iter().flatten().map(|row| (row.sku, row.levels.on_hand)).collect())
}

/// A buffer for the output of a CSV writer.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

struct Writer {
    pipe: Pipe,
    form: Form,
}

enum Form {
    Catalogue(Exporter<Pipe>),
    Orders(csv::Writer<Pipe>),
    Lines,
}

impl Writer {
    fn new(what: Exported, format: ExportFormat) -> Result<Self, ExportError> {
        let pipe = Pipe::default();
        let form = match (what, format) {
            (_, ExportFormat::Jsonl) => Form::Lines,
            (Exported::Products, ExportFormat::Csv) => Form::Catalogue(Exporter::new(pipe.clone())?),
            (Exported::Orders, ExportFormat::Csv) => {
                let mut csv = csv::Writer::from_writer(pipe.clone());
                csv.write_record(orders::header())?;
                Form::Orders(csv)
            }
        };
        Ok(Self { pipe, form })
    }

    fn product(&mut self, product: &ProductView, stock: impl Fn(&Sku) -> Option<u64>) -> Result<(), ExportError> {
        match &mut self.form {
            Form::Catalogue(exporter) => exporter.product(product, stock)?,
            Form::Orders(_) | Form::Lines => self.line(&product_json(product, stock)),
        }
        Ok(())
    }

    fn order(&mut self, order: &OrderView, number: &str, contact: Option<&Contact>) -> Result<(), ExportError> {
        let Form::Orders(csv) = &mut self.form else {
            self.line(&orders::object(order, number, contact));
            return Ok(());
        };
        for row in orders::rows(order, number, contact) {
            csv.write_record(row)?;
        }
        Ok(())
    }

    fn line(&mut self, value: &serde_json::Value) {
        // Writing to memory cannot fail.
        let _ = writeln!(self.pipe, "{value}");
    }

    fn take(&mut self) -> Bytes {
        self.pipe.take()
    }

    fn finish(self) -> Result<Bytes, ExportError> {
        let failed = |why| ExportError::Write { path: "the export".into(), why };
        match self.form {
            Form::Catalogue(exporter) => drop(exporter.finish().map_err(failed)?),
            Form::Orders(mut csv) => csv.flush().map_err(failed)?,
            Form::Lines => {}
        }
        Ok(self.pipe.take())
    }
}

fn product_json(product: &ProductView, stock: impl Fn(&Sku) -> Option<u64>) -> serde_json::Value {
    let variant = |variant: &engine::product::VariantView| {
        json!({
            "id": variant.id, "sku": variant.sku, "options": variant.options, "price": variant.price,
            "compare_at_price": variant.compare_at, "on_hand": stock(&variant.sku),
        })
    };
    let image = |image: &engine::product::Image| {
        json!({
            "src": image.src, "alt": image.alt, "position": image.position, "variant_skus": product.skus_of(image),
        })
    };
    json!({
        "id": product.id, "handle": product.handle, "currency": product.currency, "title": product.title,
        "description_html": product.description.as_str(), "vendor": product.vendor, "type": product.product_type,
        "tags": product.tags, "images": product.images.iter().map(image).collect::<Vec<_>>(), "options": product.options, "status": product.status,
        "version": product.version, "variants": product.variants.iter().map(variant).collect::<Vec<_>>(),
    })
}

/// Waits until the lists have every entry accepted until now, so that an export includes the latest change.
pub(crate) async fn wait_for_read_side(backends: &Backends) -> Result<(), ExportError> {
    let journal = &backends.journal;
    let mut wanted = Vec::new();
    for shard in (0..journal.shards()).map(ShardId) {
        let end = journal.accepted_now(shard).map(|position| position.0).unwrap_or_default();
        wanted.push((shard.0, end));
    }
    let began = Instant::now();
    loop {
        let reached = backends.read_side.positions().await?;
        if wanted.iter().all(|(shard, end)| reached.get(shard).copied().unwrap_or_default() >= *end) {
            return Ok(());
        }
        if began.elapsed() > CATCH_UP_MAX {
            return Err(ExportError::Behind);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_rows_are_output_once() {
        let mut pipe = Pipe::default();
        pipe.write_all(b"ab").expect("memory");
        assert_eq!((&pipe.take()[..], &pipe.take()[..]), (&b"ab"[..], &b""[..]));
    }
}
