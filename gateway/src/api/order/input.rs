//! The request bodies and query parameters of orders.

use engine::{
    id::OrderLineId,
    money::Money,
    order::{FulfillmentState, LINES_MAX, OrderPaymentState, REASON_CHARS_MAX, TRACKING_CHARS_MAX},
    quantity::Quantity,
};
use persistence::sql::lists::OrderFilter;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    Problem,
    edge::{FromQuery, Parameters},
    ops::openapi::Refinement,
    problem::{Faults, FieldCode, all_of},
    wire::{AmountSchema, IdSchema, MoneyWire, PageQuery, read_sort},
};

/// Which orders.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the fields describe the parameters")]
pub(crate) struct OrderQuery {
    /// Search text: an order number, with or without `#`, or words that are parts of the buyer's e-mail address or
    /// name, or of the title or SKU of a line. Case and accents are ignored.
    #[param(max_length = 255, nullable = false)]
    pub(super) query: Option<String>,
    /// Only orders in this payment or fulfilment state.
    #[param(
        pattern = "^(authorized|paid|partially_refunded|refunded|failed|unfulfilled|partially_fulfilled|fulfilled|cancelled)$",
        nullable = false
    )]
    state: Option<String>,
    /// Only orders in this payment state.
    #[param(pattern = "^(authorized|paid|partially_refunded|refunded|failed)$", nullable = false)]
    payment_state: Option<String>,
    /// Only orders in this fulfilment state.
    #[param(pattern = "^(unfulfilled|partially_fulfilled|fulfilled|cancelled)$", nullable = false)]
    fulfillment_state: Option<String>,
    /// The sort order. A leading `-` sorts the newest or largest first. Totals are compared in minor units.
    #[param(pattern = "^(placed_at|-placed_at|total|-total)$", nullable = false)]
    sort: Option<String>,
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    cursor: Option<String>,
    #[param(ignore)]
    pub(super) filter: OrderFilter,
    #[param(ignore)]
    pub(super) page: PageQuery,
}

impl FromQuery for OrderQuery {
    const NAMES: &'static [&'static str] =
        &["query", "state", "payment_state", "fulfillment_state", "sort", "limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        let query = parameters.text("query").map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned);
        let fits = query.as_ref().is_none_or(|words| words.chars().count() <= QUERY_CHARS_MAX);
        faults.check("?query", fits, "is longer than 255 characters");
        let mut filter = OrderFilter { sort: read_sort(parameters, faults), ..OrderFilter::default() };
        if let Some(text) = parameters.text("state") {
            filter.payment_state = payment_state(text);
            filter.fulfillment_state = fulfillment_state(text);
            if filter.payment_state.is_none() && filter.fulfillment_state.is_none() {
                faults.add("?state", FieldCode::WrongType, "is not a payment or fulfilment state");
            }
        }
        if let Some(text) = parameters.text("payment_state") {
            let state = payment_state(text);
            if state.is_none() {
                faults.add("?payment_state", FieldCode::WrongType, "is not a payment state");
            }
            filter.is_impossible |= filter.payment_state.is_some() && filter.payment_state != state;
            filter.payment_state = state;
        }
        if let Some(text) = parameters.text("fulfillment_state") {
            let state = fulfillment_state(text);
            if state.is_none() {
                faults.add("?fulfillment_state", FieldCode::WrongType, "is not a fulfilment state");
            }
            filter.is_impossible |= filter.fulfillment_state.is_some() && filter.fulfillment_state != state;
            filter.fulfillment_state = state;
        }
        let page = PageQuery::of(parameters, faults);
        let (payment_state, fulfillment_state) = (None, None);
        Some(Self {
            query,
            state: None,
            payment_state,
            fulfillment_state,
            sort: None,
            limit: None,
            cursor: None,
            filter,
            page,
        })
    }
}

/// The maximum length of `query` in characters.
const QUERY_CHARS_MAX: usize = 255;

fn payment_state(text: &str) -> Option<OrderPaymentState> {
    match text {
        "authorized" => Some(OrderPaymentState::Authorized),
        "paid" => Some(OrderPaymentState::Paid),
        "partially_refunded" => Some(OrderPaymentState::PartiallyRefunded),
        "refunded" => Some(OrderPaymentState::Refunded),
        "failed" => Some(OrderPaymentState::Failed),
        _ => None,
    }
}

fn fulfillment_state(text: &str) -> Option<FulfillmentState> {
    match text {
        "unfulfilled" => Some(FulfillmentState::Unfulfilled),
        "partially_fulfilled" => Some(FulfillmentState::PartiallyFulfilled),
        "fulfilled" => Some(FulfillmentState::Fulfilled),
        "cancelled" => Some(FulfillmentState::Cancelled),
        _ => None,
    }
}

/// The reason of a cancellation.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancellation {
    /// The reason, for the merchant's records. No personal data.
    #[schema(max_length = 500)]
    pub(super) reason: String,
    /// Whether to return the units to the inventory, except those that were refunded by line.
    pub(super) restock: Option<bool>,
}

impl Cancellation {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let mut faults = Faults::default();
        check_reason(&self.reason, &mut faults);
        faults.into_result()
    }
}

/// A refund of an amount, or of units of lines.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AmountSchema>)]
    amount: Option<MoneyWire>,
    /// The units to refund, instead of an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<NewLineRefund>>,
    /// The reason, for the merchant's records. No personal data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// With an amount: whether to return all units of the order to the inventory, which requires a refund of the full
    /// remaining amount. With lines: the default of the lines' `restock`.
    restock: Option<bool>,
}

/// Units of a line to refund.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLineRefund {
    /// The line's `id`.
    #[schema(value_type = IdSchema)]
    line_id: OrderLineId,
    /// The quantity.
    #[schema(minimum = 1, maximum = 100_000_000)]
    quantity: i64,
    /// Whether to return the units to the inventory.
    restock: Option<bool>,
}

/// A validated request for a refund.
pub(super) enum Refund {
    Amount { amount: Money, reason: String, restock: bool },
    Lines { lines: Vec<(OrderLineId, Quantity, bool)>, reason: String },
}

impl NewRefund {
    pub(super) fn read(&self) -> Result<Refund, Problem> {
        let mut faults = Faults::default();
        let reason = self.reason.clone().unwrap_or_default();
        check_reason(&reason, &mut faults);
        let restock = self.restock.unwrap_or(false);
        let refund = match (&self.amount, &self.lines) {
            (Some(wire), None) => {
                faults.check("/amount/amount", wire.amount > 0, "must be greater than zero");
                let amount = wire.read("/amount", &mut faults);
                amount.map(|amount| Refund::Amount { amount, reason, restock })
            }
            (None, Some(lines)) => {
                faults.check("/lines", (1..=LINES_MAX).contains(&lines.len()), "must have between 1 and 100 lines");
                let lines = lines.iter().take(LINES_MAX).enumerate().map(|(index, line)| {
                    let quantity = faults.range(format!("/lines/{index}/quantity"), Quantity::new(line.quantity));
                    quantity.map(|quantity| (line.line_id, quantity, line.restock.unwrap_or(restock)))
                });
                all_of(lines).map(|lines| Refund::Lines { lines, reason })
            }
            (Some(_), Some(_)) => {
                faults.add("/lines", FieldCode::Unknown, "cannot be combined with amount");
                None
            }
            (None, None) => faults.present("/amount", None),
        };
        faults.give(refund)
    }
}

/// A new fulfillment.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFulfillment {
    /// The units to ship. The default is all units that are still to be shipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<NewFulfillmentLine>>,
    /// The tracking code or link.
    #[schema(max_length = 500)]
    tracking: Option<String>,
}

/// Units of a line to ship.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewFulfillmentLine {
    /// The line's `id`.
    #[schema(value_type = IdSchema)]
    line_id: OrderLineId,
    /// The quantity.
    #[schema(minimum = 1, maximum = 100_000_000)]
    quantity: i64,
}

type ParcelLines = Option<Vec<(OrderLineId, Quantity)>>;

impl NewFulfillment {
    pub(super) fn read(&self) -> Result<(ParcelLines, Option<String>), Problem> {
        let mut faults = Faults::default();
        let tracking = read_tracking(self.tracking.as_deref(), &mut faults);
        let lines = match &self.lines {
            None => Some(None),
            Some(lines) => {
                faults.check("/lines", (1..=LINES_MAX).contains(&lines.len()), "must have between 1 and 100 lines");
                let lines = lines.iter().take(LINES_MAX).enumerate().map(|(index, line)| {
                    let quantity = faults.range(format!("/lines/{index}/quantity"), Quantity::new(line.quantity));
                    quantity.map(|quantity| (line.line_id, quantity))
                });
                all_of(lines).map(Some)
            }
        };
        Ok((faults.give(lines)?, tracking))
    }
}

/// The tracking of a parcel.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrackingPatch {
    /// A code or a link. Null or an empty string removes it.
    #[serde(deserialize_with = "present")]
    #[schema(max_length = 500, required = true)]
    tracking: Option<String>,
}

impl TrackingPatch {
    pub(super) fn read(&self) -> Result<Option<String>, Problem> {
        let mut faults = Faults::default();
        let tracking = read_tracking(self.tracking.as_deref(), &mut faults);
        faults.into_result()?;
        Ok(tracking)
    }
}

/// Deserialises a field that is required but may be null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

fn read_tracking(text: Option<&str>, faults: &mut Faults) -> Option<String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    faults.check(
        "/tracking",
        text.is_none_or(|text| text.chars().count() <= TRACKING_CHARS_MAX),
        "is longer than 500 characters",
    );
    text.map(str::to_owned)
}

fn check_reason(text: &str, faults: &mut Faults) {
    faults.check("/reason", text.chars().count() <= REASON_CHARS_MAX, "is longer than 500 characters");
}

pub(super) fn refinements() -> Vec<Refinement> {
    let none = || json!({"type": "null"});
    let either = json!([
        {"title": "amount", "required": ["amount"], "properties": {"amount": {"type": "object"}, "lines": none()}},
        {"title": "lines", "required": ["lines"], "properties": {"lines": {"type": "array"}, "amount": none()}}
    ]);
    vec![("NewRefund", json!({"oneOf": either}))]
}
