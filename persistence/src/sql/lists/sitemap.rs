//! What of a shop search engines may know.

use engine::{
    id::{DropId, ProductId, TenantId},
    time::Timestamp,
};

use crate::sql::{ReadSide, RowExt, StoreError};

/// The pages of a shop for search engines, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicPages {
    /// Products in the shop, and when they last changed.
    pub products: Vec<(ProductId, Timestamp)>,
    /// Drops that are published, and have not been called off.
    pub drops: Vec<DropId>,
}

impl ReadSide {
    /// The newest `max` products and the newest `max` drops that everyone may see.
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
