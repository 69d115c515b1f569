//! Stock levels of SKUs.

use std::collections::HashMap;

use engine::{
    id::{ProductId, Sku, TenantId, VariantId},
    stock::StockLevels,
    time::Timestamp,
};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use crate::sql::{Column, Limit, ReadSide, RowExt, StoreError, Table, cells};

/// The maximum number of SKUs in one query: usually the variants of a page of products.
pub const SKUS_AT_ONCE_MAX: usize = 10_000;

const STOCK: Table = Table { name: "stock", columns: &[Column::Plain("tenant"), Column::Plain("sku")], key: 2 };

/// The stock levels of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// The SKU.
    pub sku: Sku,
    /// The variant that has the SKU, if any.
    pub owner: Option<(ProductId, VariantId)>,
    /// The stock levels.
    pub levels: StockLevels,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl ReadSide {
    /// Returns the stock levels of one SKU; `None` if it was never counted.
    pub async fn stock(&self, tenant: &TenantId, sku: &Sku) -> Result<Option<StockRow>, StoreError> {
        let sql = "SELECT * FROM stock WHERE tenant = ?1 AND sku = ?2 AND (counted = 1 OR product IS NOT NULL)";
        let row = sqlx::query(sql).bind(tenant.as_str()).bind(sku.as_str()).fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(read_stock).transpose()?)
    }

    /// Returns the stock levels of the SKUs after `after`, in the order of the SKUs. For `doctor` and export.
    pub async fn stock_after(
        &self,
        tenant: &TenantId,
        after: Option<&Sku>,
        limit: Limit,
    ) -> Result<Vec<StockRow>, StoreError> {
        self.stock_rows_after(tenant, after, i64::from(limit.get())).await
    }

    async fn stock_rows_after(
        &self,
        tenant: &TenantId,
        after: Option<&Sku>,
        limit: i64,
    ) -> Result<Vec<StockRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM stock WHERE tenant = ?1 AND sku > ?2 AND (counted = 1 OR product IS NOT NULL)
             ORDER BY sku LIMIT ?3",
        )
        .bind(tenant.as_str())
        .bind(after.map_or("", Sku::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.iter().map(read_stock).collect::<sqlx::Result<_>>()?)
    }

    /// Returns a page of the stock levels of all SKUs, and the SKU after which the next page begins.
    pub async fn stock_page(
        &self,
        tenant: &TenantId,
        after: Option<&Sku>,
        limit: Limit,
    ) -> Result<(Vec<StockRow>, Option<Sku>), StoreError> {
        let mut rows = self.stock_rows_after(tenant, after, limit.with_next()).await?;
        let has_more = rows.len() > limit.get() as usize;
        rows.truncate(limit.get() as usize);
        let next = rows.last().filter(|_| has_more).map(|row| row.sku.clone());
        Ok((rows, next))
    }

    /// Returns the available units of each of these SKUs, at most [`SKUS_AT_ONCE_MAX`]. SKUs that were never counted
    /// are omitted.
    pub async fn available_units(&self, tenant: &TenantId, skus: &[Sku]) -> Result<HashMap<Sku, u64>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let skus = &skus[..skus.len().min(SKUS_AT_ONCE_MAX)];
        Ok(read_available(&mut connection, tenant, skus).await?)
    }
}

/// Returns the available units of each of these SKUs.
pub(super) async fn read_available(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    skus: &[Sku],
) -> sqlx::Result<HashMap<Sku, u64>> {
    let keys = skus.iter().map(|sku| cells![tenant.as_str(), sku.as_str()]).collect();
    let rows = STOCK.read(connection, keys).await?;
    rows.iter().map(|row| Ok((row.parsed("sku")?, row.count("available")?))).collect()
}

fn read_stock(row: &SqliteRow) -> sqlx::Result<StockRow> {
    let owner = row.opt_id("product")?.zip(row.opt_id("variant")?);
    Ok(StockRow {
        sku: row.parsed("sku")?,
        owner: owner.map(|(product, variant)| (ProductId(product), VariantId(variant))),
        levels: StockLevels {
            on_hand: row.count("on_hand")?,
            available: row.count("available")?,
            held: row.count("held")?,
            allocated: row.count("allocated")?,
            sold: row.count("sold")?,
        },
        updated_at: row.time("updated_at")?,
    })
}
