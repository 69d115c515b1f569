//! Lists of checkouts.

use engine::{
    id::{CheckoutId, OrderId, SubjectId, TenantId},
    money::Money,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{push_subjects, spell};
use crate::sql::{List, Page, PageRequest, ReadSide, RowExt, StoreError};

/// Where a checkout stands, without what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStanding {
    /// Under way.
    Pending,
    /// The buyer has to pass a challenge.
    RequiresAction,
    /// Paid.
    Completed,
    /// Over, and nothing of it is left.
    Failed,
    /// It never began, as far as its buyer knows: no list shows it.
    Refused,
}

/// A checkout in a list. What it sells, and where the buyer has to go, it says itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedCheckout {
    /// Its id.
    pub id: CheckoutId,
    /// Who pays.
    pub buyer: SubjectId,
    /// Where it stands.
    pub state: CheckoutStanding,
    /// The code of why it failed.
    pub problem: Option<String>,
    /// The order, once it is paid.
    pub order: Option<OrderId>,
    /// What it comes to, once that is known.
    pub total: Option<Money>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl ReadSide {
    /// Checkouts, newest first: those of `buyer` (the subject and the guests that it was before), or all for the
    /// vendor; in one state if that is given.
    pub async fn checkouts(
        &self,
        tenant: &TenantId,
        buyer: Option<&[SubjectId]>,
        state: Option<CheckoutStanding>,
        page: PageRequest,
    ) -> Result<Page<ListedCheckout>, StoreError> {
        if buyer.is_some_and(<[SubjectId]>::is_empty) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (at, id) = page.newest_first(List::Checkouts);
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM checkouts");
        if buyer.is_some() {
            // SQLite would rather walk through all checkouts by age than sort one buyer's.
            query.push(" INDEXED BY checkouts_by_buyer");
        }
        query.push(" WHERE tenant = ").push_bind(tenant.as_str());
        query.push(" AND state <> 'refused' AND (started_at, checkout) < (");
        query.push_bind(at).push(", ").push_bind(id).push(")");
        if let Some(buyer) = buyer {
            push_subjects(&mut query, "buyer", buyer);
        }
        if let Some(state) = state {
            query.push(" AND state = ").push_bind(spell(&state));
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

/// What a checkout comes to, once that is known.
pub(crate) fn read_total(row: &SqliteRow) -> sqlx::Result<Option<Money>> {
    match row.try_get::<Option<i64>, _>("total")? {
        Some(amount) => Ok(Some(Money { amount, currency: row.parsed("currency")? })),
        None => Ok(None),
    }
}
