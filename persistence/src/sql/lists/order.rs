//! Lists of orders, and the queries for export.

use engine::{
    id::{CheckoutId, ClaimRef, ContactId, HoldId, OrderId, PaymentId, ProductId, Sku, SubjectId, TenantId},
    money::{Currency, Money},
    order::{FulfillmentState, LineSource, OrderLine, OrderPaymentState, OrderTotals, OrderView, Status},
    product::OptionValue,
    quantity::Quantity,
    text::fold,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};

use super::{OrderSort, push_subjects, sort::Rows, variant_name};
use crate::sql::{List, PAGE_LINES_MAX, Page, PageRequest, ReadSide, RowExt, StoreError, blob, damaged, number};

const ORDERS: Rows = Rows { list: List::Orders, table: "orders", id: "order_id" };

/// A filter on orders. `None` matches every order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only orders of this buyer: the subject and its former guests. `None` for the vendor, who sees all orders.
    pub buyer: Option<Vec<SubjectId>>,
    /// Only orders in this payment state.
    pub payment_state: Option<OrderPaymentState>,
    /// Only orders in this fulfilment state.
    pub fulfillment_state: Option<FulfillmentState>,
    /// Only orders placed at this instant or later.
    pub placed_from: Option<Timestamp>,
    /// Only orders placed before this instant.
    pub placed_before: Option<Timestamp>,
    /// Only orders that match this search.
    pub search: Option<OrderSearch>,
    /// The order of the list.
    pub sort: OrderSort,
    /// Whether two conditions contradict each other, so that no order matches.
    pub is_impossible: bool,
}

/// The maximum number of words in a search. Further words are ignored.
const SEARCH_WORDS_MAX: usize = 8;

/// A search for an order by its number, or by parts of the buyer's address or name or of the items bought. It scans the
/// orders, newest first, until the page is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSearch {
    /// The search text. An order must match each word. Case and accents do not matter.
    pub words: String,
    /// The order number within the tenant, if the text can be read as one.
    pub number: Option<u64>,
}

/// An order line as its row stores it.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sku: Sku,
    product: Option<ProductId>,
    title: String,
    quantity: Quantity,
    unit_price: i64,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<Vec<OptionValue>>,
}

impl ReadSide {
    /// Lists orders, newest first unless the filter has another order.
    pub async fn orders(
        &self,
        tenant: &TenantId,
        filter: &OrderFilter,
        page: PageRequest,
    ) -> Result<Page<OrderView>, StoreError> {
        if filter.is_impossible || filter.buyer.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let sorting = filter.sort.sorting();
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM orders");
        if filter.buyer.is_some() && filter.sort != OrderSort::Total && filter.sort != OrderSort::TotalDown {
            // Without this, SQLite scans all orders by age instead of sorting those of one buyer.
            query.push(" INDEXED BY orders_by_buyer");
        }
        query.push(" WHERE tenant = ").push_bind(tenant.as_str());
        sorting.push_place(&mut query, &ORDERS, tenant, page);
        if let Some(buyer) = &filter.buyer {
            push_subjects(&mut query, "buyer", buyer);
        }
        if let Some(state) = &filter.payment_state {
            query.push(" AND payment_state = ").push_bind(variant_name(state));
        }
        if let Some(state) = &filter.fulfillment_state {
            query.push(" AND fulfillment_state = ").push_bind(variant_name(state));
        }
        if let Some(from) = filter.placed_from {
            query.push(" AND placed_at >= ").push_bind(number(from.0));
        }
        if let Some(before) = filter.placed_before {
            query.push(" AND placed_at < ").push_bind(number(before.0));
        }
        if let Some(search) = &filter.search {
            push_search(&mut query, search);
        }
        sorting.push_order(&mut query, &ORDERS, page);
        let rows = query.build().fetch_all(&self.readers).await?;
        let orders: Vec<OrderView> = rows.iter().map(read_order).collect::<sqlx::Result<_>>()?;
        let place = |order: &OrderView| (order.placed_at, order.id.0);
        let page = Page::cut_sorted(orders, page.limit, List::Orders, sorting.number, place);
        Ok(page.bounded(List::Orders, sorting.number, PAGE_LINES_MAX, |order| order.lines.len(), place))
    }

    /// Returns the order with this id.
    pub async fn order(&self, tenant: &TenantId, order: OrderId) -> Result<Option<OrderView>, StoreError> {
        let row = sqlx::query("SELECT * FROM orders WHERE tenant = ?1 AND order_id = ?2")
            .bind(tenant.as_str())
            .bind(blob(order.0))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_order).transpose()?)
    }

    /// Returns the order with this number within the tenant: the parsed form of the number that people read.
    pub async fn order_by_number(&self, tenant: &TenantId, count: u64) -> Result<Option<OrderView>, StoreError> {
        let row = sqlx::query("SELECT * FROM orders WHERE tenant = ?1 AND number = ?2 ORDER BY order_id LIMIT 1")
            .bind(tenant.as_str())
            .bind(number(count))
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.as_ref().map(read_order).transpose()?)
    }
}

fn push_search(query: &mut QueryBuilder<Sqlite>, search: &OrderSearch) {
    query.push(" AND (number = ").push_bind(search.number.map(number)).push(" OR (TRUE");
    for word in fold(&search.words).split_whitespace().take(SEARCH_WORDS_MAX) {
        query.push(" AND (instr(search, ").push_bind(word.to_owned()).push(") OR EXISTS (SELECT 1 FROM contacts AS c");
        query.push(" WHERE c.tenant = orders.tenant AND c.contact = orders.contact AND instr(c.search, ");
        query.push_bind(word.to_owned()).push(")))");
    }
    query.push("))");
}

/// Returns the text by which an order's lines are found.
pub(crate) fn search_of(lines: &[OrderLine]) -> String {
    let mut texts = String::new();
    for line in lines {
        texts.push_str(&line.title);
        texts.push('\n');
        texts.push_str(line.sku.as_str());
        texts.push('\n');
    }
    fold(&texts)
}

/// Encodes an order's lines for a column.
pub(crate) fn write_lines(lines: &[OrderLine]) -> String {
    let lines = lines.iter().map(|line| Line {
        sku: line.sku.clone(),
        product: line.product,
        title: line.title.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price.amount,
        currency: line.unit_price.currency,
        claim: match line.source {
            LineSource::Claim(claim) => Some(claim.to_string()),
            LineSource::Hold(_) => None,
        },
        hold: match line.source {
            LineSource::Hold(hold) => Some(hold),
            LineSource::Claim(_) => None,
        },
        options: line.options.clone(),
    });
    serde_json::json!(lines.collect::<Vec<_>>()).to_string()
}

fn read_lines(row: &SqliteRow) -> sqlx::Result<Vec<OrderLine>> {
    let lines: Vec<Line> = row.json("lines")?;
    let read = |line: Line| {
        let claim = line.claim.and_then(|claim| claim.parse::<ClaimRef>().ok()).map(LineSource::Claim);
        let source = claim.or(line.hold.map(LineSource::Hold));
        Ok(OrderLine {
            sku: line.sku,
            product: line.product,
            title: line.title,
            quantity: line.quantity,
            unit_price: Money { amount: line.unit_price, currency: line.currency },
            source: source.ok_or_else(|| damaged("lines", "a line without a source"))?,
            options: line.options,
        })
    };
    lines.into_iter().map(read).collect()
}

/// Reads an order from its row.
pub(crate) fn read_order(row: &SqliteRow) -> sqlx::Result<OrderView> {
    let currency = row.parsed("currency")?;
    let money = |column| Ok::<_, sqlx::Error>(Money { amount: row.try_get(column)?, currency });
    Ok(OrderView {
        id: OrderId(row.id("order_id")?),
        number: row.count("number")?,
        buyer: SubjectId(row.id("buyer")?),
        contact: ContactId(row.id("contact")?),
        checkout: CheckoutId(row.id("checkout")?),
        payment: PaymentId(row.id("payment")?),
        lines: read_lines(row)?,
        totals: OrderTotals {
            subtotal: money("subtotal")?,
            shipping: money("shipping")?,
            tax: money("tax")?,
            total: money("total")?,
        },
        refunded: money("refunded")?,
        placed_at: row.time("placed_at")?,
        status: Status {
            payment_state: read_payment_state(row)?,
            fulfillment_state: read_fulfillment_state(row)?,
            refunded: row.try_get("refunded")?,
            paid_at: row.opt_time("paid_at")?,
            fulfilled_at: row.opt_time("fulfilled_at")?,
            cancelled_at: row.opt_time("cancelled_at")?,
            tracking: row.opt_text("tracking")?,
            restocked: row.try_get("restocked")?,
        },
        changes: row.json("changes")?,
    })
}

fn read_payment_state(row: &SqliteRow) -> sqlx::Result<OrderPaymentState> {
    let text = row.text("payment_state")?;
    let all = [
        OrderPaymentState::Authorized,
        OrderPaymentState::Paid,
        OrderPaymentState::PartiallyRefunded,
        OrderPaymentState::Refunded,
        OrderPaymentState::Failed,
    ];
    all.into_iter().find(|state| variant_name(state) == text).ok_or_else(|| damaged("payment_state", text))
}

fn read_fulfillment_state(row: &SqliteRow) -> sqlx::Result<FulfillmentState> {
    let text = row.text("fulfillment_state")?;
    let all = [
        FulfillmentState::Unfulfilled,
        FulfillmentState::PartiallyFulfilled,
        FulfillmentState::Fulfilled,
        FulfillmentState::Cancelled,
    ];
    all.into_iter().find(|state| variant_name(state) == text).ok_or_else(|| damaged("fulfillment_state", text))
}
