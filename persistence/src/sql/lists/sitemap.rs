//! The pages of a shop that search engines may index.

use engine::{
    id::{DropId, ProductId, TenantId},
    time::Timestamp,
};

use crate::sql::{ReadSide, RowExt, StoreError};

/// The public pages of a shop, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicPages {
    /// Active products, and the time of their last change.
    pub products: Vec<(ProductId, Timestamp)>,
    /// Drops that are published and not cancelled.
    pub drops: Vec<DropId>,
}

impl ReadSide {
    /// Returns the newest `max` products and the newest `max` drops that are public.
    pub async fn public_pages(&self, tenant: &TenantId, max: u32) -> Result<PublicPages, StoreError> {
        let products = sqlx::query(
            "SELECT product, updated_at FROM products WHERE tenant = ?1 AND status = 'active'
             ORDER BY created_at DESC, product DESC LIMIT ?2",
        );
        let products = products.bind(tenant.as_str()).bind(max).fetch_all(&self.readers).await?;
        let drops = sqlx::query(
            "SELECT drop_id FROM drops WHERE tenant = ?1 AND phase IN ('published', 'ended')
             ORDER BY created_at DESC, drop_id DESC LIMIT ?2",
        );
        let drops = drops.bind(tenant.as_str()).bind(max).fetch_all(&self.readers).await?;
        let product = |row: &sqlx::sqlite::SqliteRow| Ok((ProductId(row.id("product")?), row.time("updated_at")?));
        Ok(PublicPages {
            products: products.iter().map(product).collect::<sqlx::Result<_>>()?,
            drops: drops.iter().map(|row| row.id("drop_id").map(DropId)).collect::<sqlx::Result<_>>()?,
        })
    }
}
