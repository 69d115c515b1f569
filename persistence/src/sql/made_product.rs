//! Which product a command creates: the product's id is derived from a handle, not from the command's id.

use engine::{
    id::{CommandId, ProductId, TenantId},
    time::Timestamp,
};

use super::{ReadSide, RowExt, StoreError, blob, number};

/// How long a note is kept: longer than the product itself remembers the command.
const KEPT_MS: u64 = 25 * 60 * 60 * 1_000;
/// The maximum number of old notes that each new one deletes. It keeps the transaction short.
const FORGOTTEN_AT_ONCE: i64 = 16;

impl ReadSide {
    /// Returns the product of the first of these commands that has a note.
    pub async fn made_product(
        &self,
        tenant: &TenantId,
        commands: impl IntoIterator<Item = CommandId>,
    ) -> Result<Option<ProductId>, StoreError> {
        for command in commands {
            let found = sqlx::query("SELECT product FROM made_products WHERE tenant = ?1 AND command = ?2")
                .bind(tenant.as_str())
                .bind(blob(command.0))
                .fetch_optional(&self.readers)
                .await?;
            if let Some(row) = found {
                return Ok(Some(ProductId(row.id("product")?)));
            }
        }
        Ok(None)
    }

    /// Records the product that a command is about to create, in place of an earlier note of the same command.
    pub async fn note_made_product(
        &self,
        tenant: &TenantId,
        command: CommandId,
        product: ProductId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO made_products (tenant, command, product, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (tenant, command) DO UPDATE SET product = excluded.product, created_at = excluded.created_at",
        )
        .bind(tenant.as_str())
        .bind(blob(command.0))
        .bind(blob(product.0))
        .bind(number(now.0))
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM made_products WHERE (tenant, command) IN
             (SELECT tenant, command FROM made_products WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)",
        )
        .bind(number(now.0.saturating_sub(KEPT_MS)))
        .bind(FORGOTTEN_AT_ONCE)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sql::testing::{Shop, tenant};

    #[tokio::test]
    async fn a_note_is_the_tenants_own_the_newest_counts_and_old_ones_go() {
        let shop = Shop::open().await;
        let (acme, now) = (tenant("acme"), Timestamp(KEPT_MS));
        let (read_side, one, two) = (&shop.read_side, CommandId(1), CommandId(2));
        for product in [7, 8] {
            read_side.note_made_product(&acme, one, ProductId(product), now).await.unwrap();
        }
        assert_eq!(read_side.made_product(&acme, [two, one]).await.unwrap(), Some(ProductId(8)));
        assert_eq!(read_side.made_product(&tenant("bolt"), [one]).await.unwrap(), None);
        let later = Timestamp(now.0 + KEPT_MS);
        read_side.note_made_product(&acme, two, ProductId(9), later).await.unwrap();
        assert_eq!(read_side.made_product(&acme, [one]).await.unwrap(), None);
        assert_eq!(read_side.made_product(&acme, [two]).await.unwrap(), Some(ProductId(9)));
    }
}
