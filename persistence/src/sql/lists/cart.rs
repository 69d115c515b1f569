//! Lists of carts.

use engine::{
    id::{CartId, SubjectId, TenantId},
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite};

use super::push_subjects;
use crate::sql::{List, Page, PageRequest, ReadSide, RowExt, StoreError, number};

/// The maximum number of carts returned by one [search](ReadSide::unchanged_guest_carts) for unchanged carts.
pub const UNCHANGED_CARTS_MAX: u32 = 256;

impl ReadSide {
    /// Lists the carts of a buyer (the subject and its former guests), newest first.
    pub async fn carts(
        &self,
        tenant: &TenantId,
        buyer: &[SubjectId],
        page: PageRequest,
    ) -> Result<Page<(CartId, Timestamp)>, StoreError> {
        if buyer.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (at, id) = page.newest_first(List::Carts);
        let mut query = QueryBuilder::<Sqlite>::new("SELECT cart, created_at FROM carts INDEXED BY carts_by_buyer");
        query.push(" WHERE tenant = ").push_bind(tenant.as_str());
        query.push(" AND deleted = 0 AND (created_at, cart) < (");
        query.push_bind(at).push(", ").push_bind(id).push(")");
        push_subjects(&mut query, "buyer", buyer);
        query.push(" ORDER BY created_at DESC, cart DESC LIMIT ").push_bind(page.limit.with_next());
        let rows = query.build().fetch_all(&self.readers).await?;
        let carts = rows.iter().map(|row| Ok((CartId(row.id("cart")?), row.time("created_at")?)));
        let carts = carts.collect::<sqlx::Result<_>>()?;
        Ok(Page::cut(carts, page.limit, List::Carts, |(cart, created_at): &(CartId, Timestamp)| (*created_at, cart.0)))
    }

    /// Returns carts of guests who never signed in that are unchanged since an instant, the longest unchanged first, at
    /// most [`UNCHANGED_CARTS_MAX`]. Rows lag behind the journal: the cart itself decides.
    pub async fn unchanged_guest_carts(&self, since: Timestamp) -> Result<Vec<(TenantId, CartId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT tenant, cart FROM carts INDEXED BY carts_by_change WHERE deleted = 0 AND updated_at < ?1
               AND NOT EXISTS (SELECT 1 FROM accounts WHERE tenant = carts.tenant AND subject = carts.buyer)
               AND NOT EXISTS (SELECT 1 FROM aliases WHERE tenant = carts.tenant AND guest = carts.buyer)
             ORDER BY updated_at LIMIT ?2",
        )
        .bind(number(since.0))
        .bind(UNCHANGED_CARTS_MAX)
        .fetch_all(&self.readers)
        .await?;
        let carts = rows.iter().map(|row| Ok((row.parsed("tenant")?, CartId(row.id("cart")?))));
        Ok(carts.collect::<sqlx::Result<_>>()?)
    }
}
