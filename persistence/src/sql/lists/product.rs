//! Lists of products, and their search.

use std::collections::HashMap;

use engine::{
    id::{ProductId, Sku, TenantId, VariantId},
    money::Currency,
    product::{ProductFields, ProductView, SafeHtml, Status, Variant, VariantView},
};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{ProductSort, fold_text, sort::Rows};
use crate::sql::{
    Cell, Column, List, Page, PageRequest, ReadSide, RowExt, StoreError, Table, blob, bulk, cells, damaged, search,
};

const VARIANTS: Table = Table {
    name: "product_variants",
    columns: &[Column::Plain("tenant"), Column::Id("product"), Column::Id("variant")],
    key: 3,
};

/// A filter on products. `None` matches every product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductFilter {
    /// Search words: each must begin a word of the title, the vendor, the type or a tag. Text without a word matches
    /// nothing.
    pub query: Option<String>,
    /// Only products of this type, in any case.
    pub product_type: Option<String>,
    /// Only products with this tag, in any case.
    pub tag: Option<String>,
    /// Only products of this vendor, in any case.
    pub vendor: Option<String>,
    /// Only products with this status: `Active` for the public.
    pub status: Option<Status>,
    /// Only this product.
    pub product: Option<ProductId>,
    /// Only products with a variant that has this SKU.
    pub sku: Option<Sku>,
    /// The order of the list.
    pub sort: ProductSort,
}

const PRODUCTS: Rows = Rows { list: List::Products, table: "products", id: "product" };

/// A product in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedProduct {
    /// The product.
    pub product: ProductView,
    /// For each variant, in order, whether units are available.
    pub in_stock: Vec<bool>,
}

impl ReadSide {
    /// Lists products with all their details, newest first unless the filter has another order.
    pub async fn products(
        &self,
        tenant: &TenantId,
        filter: &ProductFilter,
        page: PageRequest,
    ) -> Result<Page<ListedProduct>, StoreError> {
        // One transaction, so that products and their variants are read at the same instant.
        let mut tx = self.readers.begin().await?;
        let page = product_rows(&mut tx, "p.*", tenant, filter, page).await?;
        Ok(Page { items: read_products(&mut tx, tenant, &page.items).await?, next: page.next })
    }

    /// Returns the product with this id, whatever its status.
    pub async fn product(&self, tenant: &TenantId, product: ProductId) -> Result<Option<ListedProduct>, StoreError> {
        let mut tx = self.readers.begin().await?;
        let rows = sqlx::query("SELECT * FROM products WHERE tenant = ?1 AND product = ?2")
            .bind(tenant.as_str())
            .bind(blob(product.0))
            .fetch_all(&mut *tx)
            .await?;
        Ok(read_products(&mut tx, tenant, &rows).await?.pop())
    }

    /// Returns the currencies in which the tenant's products have prices, by code.
    pub async fn product_currencies(&self, tenant: &TenantId) -> Result<Vec<Currency>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT currency FROM products WHERE tenant = ?1 ORDER BY currency")
            .bind(tenant.as_str())
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.iter().map(|row| row.parsed("currency")).collect::<sqlx::Result<_>>()?)
    }

    /// Returns the product and the variant that have a SKU. While a SKU moves from one variant to another, both may
    /// have it for a moment; then the result is the variant that the inventory counts it for.
    pub async fn variant_of_sku(
        &self,
        tenant: &TenantId,
        sku: &Sku,
    ) -> Result<Option<(ProductId, VariantId)>, StoreError> {
        let row = sqlx::query(
            "SELECT v.product, v.variant FROM product_variants v
             LEFT JOIN stock s ON s.tenant = v.tenant AND s.sku = v.sku AND s.variant = v.variant
             WHERE v.tenant = ?1 AND v.sku = ?2 ORDER BY s.variant IS NULL, v.product LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(sku.as_str())
        .fetch_optional(&self.readers)
        .await?;
        let read = |row: SqliteRow| Ok((ProductId(row.id("product")?), VariantId(row.id("variant")?)));
        Ok(row.map(read).transpose().map_err(|error: sqlx::Error| error)?)
    }
}

/// Returns the rows of the products that match `filter`, newest first unless the filter has another order.
pub(super) async fn product_rows(
    connection: &mut SqliteConnection,
    columns: &'static str,
    tenant: &TenantId,
    filter: &ProductFilter,
    page: PageRequest,
) -> sqlx::Result<Page<SqliteRow>> {
    let sorting = filter.sort.sorting();
    let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
    query.push(columns).push(" FROM products p WHERE p.tenant = ");
    query.push_bind(tenant.as_str());
    sorting.push_place(&mut query, &PRODUCTS, tenant, page);
    if let Some(product) = filter.product {
        query.push(" AND p.product = ").push_bind(blob(product.0));
    }
    if let Some(sku) = &filter.sku {
        query.push(" AND p.product IN (SELECT product FROM product_variants WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND sku = ").push_bind(sku.as_str()).push(")");
    }
    if let Some(text) = &filter.query {
        let Some(words) = search::expression(tenant, text) else { return Ok(Page { items: vec![], next: None }) };
        query.push(" AND p.number IN (SELECT rowid FROM products_search WHERE products_search MATCH ");
        query.push_bind(words).push(")");
    }
    if let Some(product_type) = &filter.product_type {
        query.push(" AND p.type_folded = ").push_bind(fold_text(product_type));
    }
    if let Some(vendor) = &filter.vendor {
        query.push(" AND p.vendor_folded = ").push_bind(fold_text(vendor));
    }
    if let Some(status) = &filter.status {
        query.push(" AND p.status = ").push_bind(super::variant_name(status));
    }
    if let Some(tag) = &filter.tag {
        query.push(" AND p.product IN (SELECT product FROM product_tags WHERE tenant = ");
        query.push_bind(tenant.as_str());
        query.push(" AND tag_folded = ").push_bind(fold_text(tag)).push(")");
    }
    sorting.push_order(&mut query, &PRODUCTS, page);

    let rows = query.build().fetch_all(connection).await?;
    Ok(Page::cut_sorted(rows, page.limit, List::Products, sorting.number, |row| {
        (row.time("created_at").unwrap_or_default(), row.id("product").unwrap_or_default())
    }))
}

/// Updates the lowest price of these products, given by tenant and id. Call it after the variants are written.
pub(crate) async fn write_lowest_prices(connection: &mut SqliteConnection, products: &[Vec<Cell>]) -> sqlx::Result<()> {
    let sql = "UPDATE products SET price_min = coalesce((SELECT min(price) FROM product_variants v
                   WHERE v.tenant = products.tenant AND v.product = products.product), 0)
               FROM json_each(?1) j WHERE products.tenant = j.value ->> 0 AND products.product = unhex(j.value ->> 1)";
    sqlx::query(sql).bind(bulk::document(products)).execute(connection).await?;
    Ok(())
}

/// Reads the products of these rows, with their variants.
async fn read_products(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    rows: &[SqliteRow],
) -> sqlx::Result<Vec<ListedProduct>> {
    let keys = rows.iter().map(|row| Ok(cells![tenant.as_str(), row.id("product")?]));
    let keys = keys.collect::<sqlx::Result<Vec<_>>>()?;
    let mut variants: HashMap<u128, Vec<(u64, SqliteRow)>> = HashMap::new();
    for row in VARIANTS.read(connection, keys).await? {
        variants.entry(row.id("product")?).or_default().push((row.count("ordinal")?, row));
    }
    let skus = variants.values().flatten().map(|(_, row)| row.parsed("sku")).collect::<sqlx::Result<Vec<Sku>>>()?;
    let available = super::stock::read_available(connection, tenant, &skus).await?;
    let mut products = Vec::with_capacity(rows.len());
    for row in rows {
        let mut variants = variants.remove(&row.id("product")?).unwrap_or_default();
        variants.sort_by_key(|(ordinal, _)| *ordinal);
        let product = read_product(row, &variants)?;
        let is_in_stock = |variant: &VariantView| available.get(&variant.sku).is_some_and(|&units| units > 0);
        products.push(ListedProduct { in_stock: product.variants.iter().map(is_in_stock).collect(), product });
    }
    Ok(products)
}

fn read_product(row: &SqliteRow, variants: &[(u64, SqliteRow)]) -> sqlx::Result<ProductView> {
    let read_variant = |(_, row): &(u64, SqliteRow)| {
        Ok(Variant {
            id: VariantId(row.id("variant")?),
            sku: row.parsed("sku")?,
            options: row.json("options")?,
            price: row.try_get("price")?,
            compare_at: row.try_get("compare_at")?,
        })
    };
    let variants = variants.iter().map(read_variant).collect::<sqlx::Result<Vec<_>>>()?;
    Ok(read_fields(row)?.with_variants(ProductId(row.id("product")?), variants))
}

/// Reads the fields of a product.
pub(crate) fn read_fields(row: &SqliteRow) -> sqlx::Result<ProductFields> {
    Ok(ProductFields {
        handle: row.parsed("handle")?,
        title: row.text("title")?,
        description: read_html(&row.text("description_html")?)?,
        vendor: row.text("vendor")?,
        product_type: row.text("product_type")?,
        tags: row.json("tags")?,
        images: row.json("images")?,
        options: row.json("options")?,
        status: row.named("status")?,
        currency: row.parsed("currency")?,
        version: row.count("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// Reads HTML from an event, which was sanitised before. Decoding it does not sanitise it again.
fn read_html(html: &str) -> sqlx::Result<SafeHtml> {
    let mut bytes = Vec::with_capacity(html.len() + 5);
    let written = minicbor::encode(html, &mut bytes).map_err(|error| error.to_string());
    written
        .and_then(|()| minicbor::decode(&bytes).map_err(|error| error.to_string()))
        .map_err(|why| damaged("description_html", why))
}
