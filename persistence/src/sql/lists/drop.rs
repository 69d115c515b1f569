//! Lists of drops.

use engine::{
    flash_drop::{DropState, DropSummary, ItemOffer, Listing, Phase, Terms},
    id::{CommandId, DropId, ProductId, SubjectId, TenantId},
    quantity::Quantity,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{DropSort, push_subjects, sort::Rows};
use crate::sql::{ALIASES_MAX, Limit, List, Page, PageRequest, ReadSide, RowExt, StoreError, blob, damaged};

/// The maximum number of drops of one buyer that are searched for claims, the newest ones.
pub const DROPS_OF_BUYER_MAX: u32 = 200;

/// The maximum number of items of all drops of a page: each takes some 250 bytes in a response. A page always has one
/// drop.
const PAGE_ITEMS_MAX: usize = 2_000;

/// The number of buckets for the subjects of a crowd. More buckets make a search shorter and a write longer: at a
/// million subjects, 8,000 in a bucket, a search takes a quarter of a millisecond.
const CROWD_BUCKETS: u128 = 128;

/// Returns the bucket of a subject in `drop_crowds`. Ids are random or cut from SHA-256, so any of their bits will do.
pub(crate) fn crowd_bucket(subject: SubjectId) -> i64 {
    (subject.0 % CROWD_BUCKETS) as i64
}

/// A drop in a list: the details that the merchant set. Its counts, and whether it is sold out, are in its view.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedDrop {
    /// The id of the drop.
    pub id: DropId,
    /// The terms set by the merchant.
    pub terms: Terms,
    /// The items for sale.
    pub items: Vec<ItemOffer>,
    /// The phase. For the effect of time, see [`ListedDrop::state_at`].
    pub phase: Phase,
    /// The version, raised by each of the merchant's edits.
    pub version: u64,
    /// The time of creation.
    pub created_at: Timestamp,
}

/// The phase of a drop as its row stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DropPhase {
    Draft,
    Published,
    Ended,
    Cancelled,
    /// The creation was refused. No list shows the drop.
    Void,
}

impl From<Phase> for DropPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Draft => Self::Draft,
            Phase::Published(_) => Self::Published,
            Phase::Ended => Self::Ended,
            Phase::Cancelled => Self::Cancelled,
            Phase::Void => Self::Void,
        }
    }
}

impl ListedDrop {
    /// Returns the time from which claims are accepted, if known.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.phase.starts_at(&self.terms)
    }

    /// Returns the state at `now`, as far as the list knows: a drop that is `Open` here may be sold out.
    pub fn state_at(&self, now: Timestamp) -> DropState {
        self.phase.state_at(&self.terms, now)
    }
}

/// A filter on drops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropFilter {
    /// Whether to include drafts, for the vendor.
    pub with_drafts: bool,
    /// Only drops that may be in this state. Whether they are depends on the time and on their counts, which the drop
    /// itself knows.
    pub state: Option<DropState>,
    /// The order of the list.
    pub sort: DropSort,
}

const DROPS: Rows = Rows { list: List::Drops, table: "drops", id: "drop_id" };

impl ReadSide {
    /// Lists drops, newest first unless the filter has another order.
    pub async fn drops(
        &self,
        tenant: &TenantId,
        filter: &DropFilter,
        page: PageRequest,
    ) -> Result<Page<ListedDrop>, StoreError> {
        let sorting = filter.sort.sorting();
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM drops WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND phase <> 'void'");
        if !filter.with_drafts {
            query.push(" AND phase <> 'draft'");
        }
        match filter.state {
            None => {}
            Some(DropState::Draft) => {
                query.push(" AND phase = 'draft'");
            }
            Some(DropState::Scheduled | DropState::Open | DropState::SoldOut) => {
                query.push(" AND phase = 'published'");
            }
            // A drop whose end time has passed is `Ended` before its row is updated.
            Some(DropState::Ended) => {
                query.push(" AND phase IN ('published', 'ended')");
            }
            Some(DropState::Cancelled) => {
                query.push(" AND phase = 'cancelled'");
            }
        }
        sorting.push_place(&mut query, &DROPS, tenant, page);
        sorting.push_order(&mut query, &DROPS, page);
        let rows = query.build().fetch_all(&self.readers).await?;
        let drops: Vec<ListedDrop> = rows.iter().map(read_drop).collect::<sqlx::Result<_>>()?;
        let place = |drop: &ListedDrop| (drop.created_at, drop.id.0);
        let page = Page::cut_sorted(drops, page.limit, List::Drops, sorting.number, place);
        Ok(page.bounded(List::Drops, sorting.number, PAGE_ITEMS_MAX, |drop: &ListedDrop| drop.items.len(), place))
    }

    /// Returns the drop with this id.
    pub async fn drop_details(&self, tenant: &TenantId, drop: DropId) -> Result<Option<ListedDrop>, StoreError> {
        let row = sqlx::query("SELECT * FROM drops WHERE tenant = ?1 AND drop_id = ?2 AND phase <> 'void'")
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_drop).transpose()?)
    }

    /// Returns the drops in which any of these subjects (a buyer and its former guests) has ever claimed, newest first,
    /// at most [`DROPS_OF_BUYER_MAX`]. The claims and their states are available from the drops themselves.
    pub async fn drops_of_buyer(
        &self,
        tenant: &TenantId,
        subjects: &[SubjectId],
        limit: Limit,
    ) -> Result<Vec<DropId>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT d.drop_id FROM (SELECT DISTINCT drop_id FROM (SELECT drop_id FROM drop_buyers WHERE tenant = ",
        );
        query.push_bind(tenant.as_str());
        push_subjects(&mut query, "subject", subjects);
        for subject in subjects.iter().take(ALIASES_MAX + 1) {
            query.push(" UNION ALL SELECT drop_id FROM drop_crowds WHERE tenant = ").push_bind(tenant.as_str());
            query.push(" AND bucket = ").push_bind(crowd_bucket(*subject));
            query.push(" AND instr(subjects, ").push_bind(blob(subject.0)).push(") > 0");
        }
        query.push(")) c CROSS JOIN drops d WHERE d.drop_id = c.drop_id AND d.phase <> 'void' AND d.tenant = ");
        query.push_bind(tenant.as_str());
        query.push(" ORDER BY d.created_at DESC, d.drop_id DESC LIMIT ");
        query.push_bind(limit.get().min(DROPS_OF_BUYER_MAX));
        let rows = query.build().fetch_all(&self.readers).await?;
        Ok(rows.iter().map(|row| row.id("drop_id").map(DropId)).collect::<sqlx::Result<_>>()?)
    }
}

fn read_drop(row: &SqliteRow) -> sqlx::Result<ListedDrop> {
    let DropSummary { listing: Listing { terms, phase, version }, items, created_at, .. } = read_summary(row)?;
    // Items that an edit removed, or that never got their units, are not shown.
    let items = items.into_iter().filter(|item| item.quantity > 0).collect();
    Ok(ListedDrop { id: DropId(row.id("drop_id")?), terms, items, phase, version, created_at })
}

/// Reads all columns of a drop but its key.
pub(crate) fn read_summary(row: &SqliteRow) -> sqlx::Result<DropSummary> {
    let published_at = row.opt_time("published_at")?;
    let phase = match (row.named("phase")?, published_at) {
        (DropPhase::Draft, _) => Phase::Draft,
        (DropPhase::Published, Some(at)) => Phase::Published(at),
        (DropPhase::Published, None) => return Err(damaged("published_at", "missing")),
        (DropPhase::Ended, _) => Phase::Ended,
        (DropPhase::Cancelled, _) => Phase::Cancelled,
        (DropPhase::Void, _) => Phase::Void,
    };
    Ok(DropSummary {
        listing: Listing { terms: read_terms(row)?, phase, version: row.count("version")? },
        items: row.json("items")?,
        published_at,
        created_at: row.time("created_at")?,
        created: CommandId(row.id("created_command")?),
        pending: row.opt_id("pending_command")?.map(CommandId),
    })
}

fn read_terms(row: &SqliteRow) -> sqlx::Result<Terms> {
    let per_buyer_max = Quantity::new(i64::from(row.count32("per_buyer_max")?));
    Ok(Terms {
        title: row.text("title")?,
        product: row.opt_id("product")?.map(ProductId),
        per_buyer_max: per_buyer_max.map_err(|error| damaged("per_buyer_max", error))?,
        hold_seconds: row.count32("hold_seconds")?,
        starts_at: row.opt_time("starts_at")?,
        ends_at: row.time("ends_at")?,
        audience: row.named("audience")?,
        currency: row.parsed("currency")?,
        network_limit: None,
    })
}
