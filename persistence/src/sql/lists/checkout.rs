//! Lists of checkouts.

use engine::{
    checkout::CheckoutStatus,
    id::{CheckoutId, OrderId, SubjectId, TenantId},
    money::Money,
    time::Timestamp,
};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{push_subjects, variant_name};
use crate::sql::{List, Page, PageRequest, ReadSide, RowExt, StoreError};

/// A checkout in a list. Its lines and the buyer's next action are available from the checkout itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCheckout {
    /// The id of the checkout.
    pub id: CheckoutId,
    /// The buyer.
    pub buyer: SubjectId,
    /// The status.
    pub state: CheckoutStatus,
    /// The problem code of a failure.
    pub problem: Option<String>,
    /// The order, once the checkout is paid.
    pub order: Option<OrderId>,
    /// The total, once known.
    pub total: Option<Money>,
    /// The time at which the checkout began.
    pub started_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl ReadSide {
    /// Lists checkouts, newest first: those of `buyer` (the subject and its former guests), or all for the vendor; only
    /// those with `state` if it is given.
    pub async fn checkouts(
        &self,
        tenant: &TenantId,
        buyer: Option<&[SubjectId]>,
        state: Option<CheckoutStatus>,
        page: PageRequest,
    ) -> Result<Page<ListedCheckout>, StoreError> {
        if buyer.is_some_and(<[SubjectId]>::is_empty) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (at, id) = page.newest_first(List::Checkouts);
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM checkouts");
        if buyer.is_some() {
            // Without this, SQLite scans all checkouts by age instead of sorting those of one buyer.
            query.push(" INDEXED BY checkouts_by_buyer");
        }
        query.push(" WHERE tenant = ").push_bind(tenant.as_str());
        query.push(" AND state <> 'refused' AND (started_at, checkout) < (");
        query.push_bind(at).push(", ").push_bind(id).push(")");
        if let Some(buyer) = buyer {
            push_subjects(&mut query, "buyer", buyer);
        }
        if let Some(state) = state {
            query.push(" AND state = ").push_bind(variant_name(&state));
        }
        query.push(" ORDER BY started_at DESC, checkout DESC LIMIT ").push_bind(page.limit.with_next());
        let rows = query.build().fetch_all(&self.readers).await?;
        let checkouts = rows.iter().map(read_checkout).collect::<sqlx::Result<_>>()?;
        Ok(Page::cut(checkouts, page.limit, List::Checkouts, |checkout| (checkout.started_at, checkout.id.0)))
    }
}

fn read_checkout(row: &SqliteRow) -> sqlx::Result<ListedCheckout> {
    Ok(ListedCheckout {
        id: CheckoutId(row.id("checkout")?),
        buyer: SubjectId(row.id("buyer")?),
        state: row.named("state")?,
        problem: row.opt_text("problem")?,
        order: row.opt_id("order_id")?.map(OrderId),
        total: read_total(row)?,
        started_at: row.time("started_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// Reads the total of a checkout, if it is known.
pub(crate) fn read_total(row: &SqliteRow) -> sqlx::Result<Option<Money>> {
    match row.try_get::<Option<i64>, _>("total")? {
        Some(amount) => Ok(Some(Money { amount, currency: row.parsed("currency")? })),
        None => Ok(None),
    }
}
