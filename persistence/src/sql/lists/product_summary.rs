//! Product summaries for lists, without the details that only the page of a single product needs. A page is bounded in
//! rows and in bytes whatever limit was requested, because a product may have thousands of variants.

use std::collections::HashMap;

use engine::{
    id::{ProductId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    product::{Image, Status},
    time::Timestamp,
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{ProductFilter, product::product_rows};
use crate::sql::{List, Page, PageRequest, ReadSide, RowExt, StoreError};

/// The maximum number of variants of a product in a list.
pub const VARIANTS_LISTED_MAX: u64 = 100;
/// The maximum number of variants of all products of a page.
const PAGE_VARIANTS_MAX: usize = 2_000;
/// The maximum size of a page in bytes, by the length of its texts. A page always has one product.
pub const PAGE_BYTES_MAX: usize = 512 << 10;
/// The size of a product and of a variant apart from their texts, in bytes.
const PRODUCT_BYTES: usize = 400;
const VARIANT_BYTES: usize = 160;

const COLUMNS: &str = "p.product, p.handle, p.title, p.vendor, p.product_type, p.tags, \
    json_extract(p.images, '$[0]') AS image, p.status, p.currency, p.version, p.created_at, p.updated_at";

/// A product in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductSummary {
    /// The id of the product.
    pub id: ProductId,
    /// The name of the product in URLs.
    pub handle: String,
    /// The title.
    pub title: String,
    /// The vendor.
    pub vendor: String,
    /// The product type.
    pub product_type: String,
    /// The tags.
    pub tags: Vec<String>,
    /// The first image.
    pub image: Option<Image>,
    /// The status of the product.
    pub status: Status,
    /// The currency of the prices.
    pub currency: Currency,
    /// The version, raised by each edit.
    pub version: u64,
    /// The first variants, at most [`VARIANTS_LISTED_MAX`].
    pub variants: Vec<VariantSummary>,
    /// The number of variants.
    pub variants_count: u64,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

/// A variant of a product in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantSummary {
    /// The id of the variant.
    pub id: VariantId,
    /// The SKU.
    pub sku: Sku,
    /// The option values in one line.
    pub title: String,
    /// The price.
    pub price: Money,
    /// The price elsewhere.
    pub compare_at: Option<Money>,
    /// Whether units are available.
    pub in_stock: bool,
}

impl ProductSummary {
    /// Estimates the size as JSON, in bytes: slightly too large unless the texts need much escaping.
    fn bytes(&self) -> usize {
        let texts = [&self.handle, &self.title, &self.vendor, &self.product_type];
        let image = self.image.as_ref().map_or(0, |image| image.src.len() + image.alt.len());
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 3).sum();
        let variants = self.variants.iter().map(|one| VARIANT_BYTES + one.title.len() + one.sku.as_str().len());
        PRODUCT_BYTES + texts.map(String::len).iter().sum::<usize>() + image + tags + variants.sum::<usize>()
    }
}

impl ReadSide {
    /// Lists product summaries, newest first unless the filter has another order.
    pub async fn product_summaries(
        &self,
        tenant: &TenantId,
        filter: &ProductFilter,
        page: PageRequest,
    ) -> Result<Page<ProductSummary>, StoreError> {
        let order = filter.sort.number();
        // One transaction, so that products and their variants are read at the same instant.
        let mut tx = self.readers.begin().await?;
        let rows = product_rows(&mut tx, COLUMNS, tenant, filter, page).await?;
        let counts = count_variants(&mut tx, tenant, &rows.items).await?;
        let count =
            |row: &SqliteRow| row.id("product").ok().and_then(|id| counts.get(&id)).copied().unwrap_or_default();
        let place =
            |row: &SqliteRow| (row.time("created_at").unwrap_or_default(), row.id("product").unwrap_or_default());
        let shown = |row: &SqliteRow| count(row).min(VARIANTS_LISTED_MAX) as usize;
        let rows = rows.bounded(List::Products, order, PAGE_VARIANTS_MAX, shown, place);
        let mut variants = read_variants(&mut tx, tenant, &rows.items).await?;
        let items = rows.items.iter().map(|row| {
            let id = row.id("product")?;
            Ok(ProductSummary {
                id: ProductId(id),
                handle: row.text("handle")?,
                title: row.text("title")?,
                vendor: row.text("vendor")?,
                product_type: row.text("product_type")?,
                tags: row.json("tags")?,
                image: match row.try_get::<Option<&str>, _>("image")? {
                    Some(_) => Some(row.json("image")?),
                    None => None,
                },
                status: row.named("status")?,
                currency: row.parsed("currency")?,
                version: row.count("version")?,
                variants: variants.remove(&id).unwrap_or_default(),
                variants_count: counts.get(&id).copied().unwrap_or_default(),
                created_at: row.time("created_at")?,
                updated_at: row.time("updated_at")?,
            })
        });
        let items = items.collect::<sqlx::Result<Vec<ProductSummary>>>()?;
        let page = Page { items, next: rows.next };
        let place = |product: &ProductSummary| (product.created_at, product.id.0);
        Ok(page.bounded(List::Products, order, PAGE_BYTES_MAX, ProductSummary::bytes, place))
    }
}

/// Returns the ids of these rows in the form that SQLite's JSON functions take.
fn ids(rows: &[SqliteRow]) -> sqlx::Result<String> {
    let ids = rows.iter().map(|row| Ok(format!("\"{:032x}\"", row.id("product")?)));
    Ok(format!("[{}]", ids.collect::<sqlx::Result<Vec<_>>>()?.join(",")))
}

async fn count_variants(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    rows: &[SqliteRow],
) -> sqlx::Result<HashMap<u128, u64>> {
    let counts = sqlx::query(
        "SELECT v.product, count(*) AS variants FROM json_each(?1) j
         CROSS JOIN product_variants v ON v.tenant = ?2 AND v.product = unhex(j.value) GROUP BY v.product",
    );
    let counts = counts.bind(ids(rows)?).bind(tenant.as_str()).fetch_all(connection).await?;
    counts.iter().map(|row| Ok((row.id("product")?, row.count("variants")?))).collect()
}

/// Reads the first variants of each of these products, in order.
async fn read_variants(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    rows: &[SqliteRow],
) -> sqlx::Result<HashMap<u128, Vec<VariantSummary>>> {
    let mut currencies = HashMap::new();
    for row in rows {
        currencies.insert(row.id("product")?, row.parsed::<Currency>("currency")?);
    }
    let found = sqlx::query(
        "SELECT product, variant, sku, options, price, compare_at FROM
           (SELECT v.*, row_number() OVER (PARTITION BY v.product ORDER BY v.ordinal) AS place FROM json_each(?1) j
            CROSS JOIN product_variants v ON v.tenant = ?2 AND v.product = unhex(j.value))
         WHERE place <= ?3 ORDER BY product, place",
    );
    let found = found.bind(ids(rows)?).bind(tenant.as_str()).bind(VARIANTS_LISTED_MAX as i64);
    let found = found.fetch_all(&mut *connection).await?;
    let skus = found.iter().map(|row| row.parsed("sku")).collect::<sqlx::Result<Vec<Sku>>>()?;
    let available = super::stock::read_available(connection, tenant, &skus).await?;
    let mut variants: HashMap<u128, Vec<VariantSummary>> = HashMap::new();
    for (row, sku) in found.iter().zip(skus) {
        let product = row.id("product")?;
        let Some(&currency) = currencies.get(&product) else { continue };
        let money = |amount| Money { amount, currency };
        let options: Vec<String> = row.json("options")?;
        variants.entry(product).or_default().push(VariantSummary {
            id: VariantId(row.id("variant")?),
            title: options.join(" / "),
            price: money(row.try_get("price")?),
            compare_at: row.try_get::<Option<i64>, _>("compare_at")?.map(money),
            in_stock: available.get(&sku).is_some_and(|&units| units > 0),
            sku,
        });
    }
    Ok(variants)
}
