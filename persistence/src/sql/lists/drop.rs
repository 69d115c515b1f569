//! Lists of drops.

use engine::{
    drop::{DropState, Terms},
    id::{DropId, ProductId, Sku, SubjectId, TenantId},
    quantity::Quantity,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Sqlite, sqlite::SqliteRow};

use super::{DropSort, push_subjects, sort::Rows};
use crate::sql::{ALIASES_MAX, Limit, List, Page, PageRequest, ReadSide, RowExt, StoreError, blob, damaged};

/// The most drops of one buyer that are looked into for claims, the newest ones.
pub const DROPS_OF_BUYER_MAX: u32 = 200;

/// The most items of all drops of a page: each takes some 250 bytes in an answer. One drop is always in it.
const PAGE_ITEMS_MAX: usize = 2_000;

/// Groups that the subjects of a crowd are kept in. More of them make a search shorter and a write longer: at a
/// million subjects, 8,000 in a bucket, a search takes a quarter of a millisecond.
const CROWD_BUCKETS: u128 = 128;

/// The bucket of a subject in `drop_crowds`. Ids are random or cut from SHA-256, so any of their bits will do.
pub(crate) fn crowd_bucket(subject: SubjectId) -> i64 {
    (subject.0 % CROWD_BUCKETS) as i64
}

/// A drop in a list: what the merchant said of it. Its counts, and whether it is sold out, come from its view.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedDrop {
    /// Its id.
    pub id: DropId,
    /// What the merchant says of it.
    pub terms: Terms,
    /// What it sells.
    pub items: Vec<ListedItem>,
    /// What the merchant has done with it.
    pub phase: ListedDropPhase,
    /// Raised by each of the merchant's edits.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a merchant has done with a drop. Time does the rest: see [`ListedDrop::state_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedDropPhase {
    /// Not published.
    Draft,
    /// Published at this instant.
    Published(Timestamp),
    /// Over, by its time or by the merchant.
    Ended,
    /// Called off.
    Cancelled,
}

/// An item of a drop as its row keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedItem {
    /// What is sold.
    pub sku: Sku,
    /// For how much, in minor units of the drop's currency.
    pub price: i64,
    /// What it costs elsewhere.
    pub compare_at: Option<i64>,
    /// Units that the merchant wants it to have.
    pub quantity: u64,
}

/// A drop's phase as its row spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DropPhase {
    Draft,
    Published,
    Ended,
    Cancelled,
    /// Its creation was refused: nobody sees it.
    Void,
}

impl ListedDrop {
    /// When claims are taken first, once that is known.
    pub fn starts_at(&self) -> Option<Timestamp> {
        match (self.terms.starts_at, self.phase) {
            (Some(at), _) => Some(at),
            (None, ListedDropPhase::Published(at)) => Some(at),
            (None, _) => None,
        }
    }

    /// Where it stands at `now`, as far as the list knows: `Open` may be sold out.
    pub fn state_at(&self, now: Timestamp) -> DropState {
        match self.phase {
            ListedDropPhase::Draft => DropState::Draft,
            ListedDropPhase::Ended => DropState::Ended,
            ListedDropPhase::Cancelled => DropState::Cancelled,
            ListedDropPhase::Published(_) if now >= self.terms.ends_at => DropState::Ended,
            ListedDropPhase::Published(_) if self.starts_at().is_some_and(|start| now < start) => DropState::Scheduled,
            ListedDropPhase::Published(_) => DropState::Open,
        }
    }
}

/// Which drops are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropFilter {
    /// Drafts too: for the vendor.
    pub with_drafts: bool,
    /// Those that may be in this state. Whether they are depends on the time and on their counts, which the drop itself
    /// knows.
    pub state: Option<DropState>,
    /// In which order.
    pub sort: DropSort,
}

const DROPS: Rows = Rows { list: List::Drops, table: "drops", id: "drop_id" };

impl ReadSide {
    /// Drops, newest first unless another order is wanted.
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
            // One whose time is over says so before its row does.
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

    /// The drop with this id.
    pub async fn drop_sheet(&self, tenant: &TenantId, drop: DropId) -> Result<Option<ListedDrop>, StoreError> {
        let row = sqlx::query("SELECT * FROM drops WHERE tenant = ?1 AND drop_id = ?2 AND phase <> 'void'")
            .bind(tenant.as_str())
            .bind(blob(drop.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_drop).transpose()?)
    }

    /// The drops in which any of these subjects (a buyer and the guests that it was before) has ever claimed, newest
    /// first, at most [`DROPS_OF_BUYER_MAX`]. Which claims, and where they stand, the drops themselves say.
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
    let items: Vec<ListedItem> = row.json("items")?;
    let phase = match (row.named("phase")?, row.opt_time("published_at")?) {
        (DropPhase::Published, Some(at)) => ListedDropPhase::Published(at),
        (DropPhase::Published, None) => return Err(damaged("published_at", "missing")),
        (DropPhase::Ended, _) => ListedDropPhase::Ended,
        (DropPhase::Cancelled, _) => ListedDropPhase::Cancelled,
        (DropPhase::Draft | DropPhase::Void, _) => ListedDropPhase::Draft,
    };
    Ok(ListedDrop {
        id: DropId(row.id("drop_id")?),
        terms: read_terms(row)?,
        // One that an edit took out, or that never got its units, is not for people.
        items: items.into_iter().filter(|item| item.quantity > 0).collect(),
        phase,
        version: row.count("version")?,
        created_at: row.time("created_at")?,
    })
}

/// What the merchant said of a drop.
pub(crate) fn read_terms(row: &SqliteRow) -> sqlx::Result<Terms> {
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
