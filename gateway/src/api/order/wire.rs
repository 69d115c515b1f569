//! The response bodies of orders.

use engine::{
    address,
    id::{CheckoutId, FulfillmentId, OrderId, OrderLineId, ProductId, Sku, TenantId},
    order::{
        Fulfillment, FulfillmentState, LineProgress, LineSource, OrderLine, OrderPaymentState, OrderView, line_id,
        number,
    },
    time::Timestamp,
};
use persistence::sql::Contact;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    Gateway,
    wire::{IdSchema, MoneyWire, OptionValueWire, SkuSchema},
};

/// What was bought.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: OrderId,
    /// Its number, for people.
    #[schema(pattern = "^[0-9A-HJKMNP-TV-Z]{8}$")]
    number: String,
    /// Where its money stands.
    #[schema(value_type = String, pattern = "^(authorized|paid|partially_refunded|refunded|failed)$")]
    payment_state: &'static str,
    /// Where its goods stand.
    #[schema(value_type = String, pattern = "^(unfulfilled|partially_fulfilled|fulfilled|cancelled)$")]
    fulfillment_state: &'static str,
    /// What was bought.
    lines: Vec<OrderLineWire>,
    /// For how much.
    totals: OrderTotalsWire,
    /// The checkout that placed it.
    #[schema(value_type = IdSchema)]
    checkout_id: CheckoutId,
    /// A page that shows it to whoever has the address, without what is personal.
    access_url: String,
    /// Where the receipt went; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    /// Where the parcel goes; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    shipping_address: Option<Map<String, Value>>,
    /// The address as labels have it, line by line, the country's code last; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_lines: Option<Vec<String>>,
    /// Its parcels, oldest first.
    #[schema(max_items = 100)]
    fulfillments: Vec<FulfillmentWire>,
    /// Where its newest parcel can be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking: Option<String>,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    placed_at: Timestamp,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    paid_at: Option<Timestamp>,
    /// When the last of it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    fulfilled_at: Option<Timestamp>,
    /// When it was called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    cancelled_at: Option<Timestamp>,
}

/// A line of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub(crate) struct OrderLineWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: OrderLineId,
    /// What.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// The product that it belonged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    product_id: Option<ProductId>,
    /// What it was called.
    title: String,
    /// How many units.
    #[schema(minimum = 1)]
    quantity: u64,
    /// For how much each.
    unit_price: MoneyWire,
    /// The variant's options, as they were when it was bought.
    options: Vec<OptionValueWire>,
    /// Units in parcels.
    fulfilled_quantity: u64,
    /// Units that were refunded by line. Those that were not sent by then are not sent any more.
    refunded_quantity: u64,
    /// Units that are still to be sent.
    remaining_quantity: u64,
    /// The claim that it was bought by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    claim_id: Option<String>,
}

/// A parcel of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = Fulfillment)]
pub(crate) struct FulfillmentWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: FulfillmentId,
    /// What is in it.
    #[schema(max_items = 100)]
    lines: Vec<FulfillmentLineWire>,
    /// Where it can be followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking: Option<String>,
    /// When it was sent.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its tracking was corrected last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Units of a line in a parcel.
#[derive(Serialize, ToSchema)]
#[schema(as = FulfillmentLine)]
pub(crate) struct FulfillmentLineWire {
    /// The order's line.
    #[schema(value_type = IdSchema)]
    line_id: OrderLineId,
    /// How many units.
    #[schema(minimum = 1)]
    quantity: u64,
}

/// What an order comes to.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderTotals)]
pub(crate) struct OrderTotalsWire {
    /// The lines.
    subtotal: MoneyWire,
    /// Getting it there.
    shipping: MoneyWire,
    /// Taxes.
    tax: MoneyWire,
    /// All of it.
    total: MoneyWire,
    /// What was given back.
    refunded: MoneyWire,
}

impl OrderLineWire {
    fn of(view: &OrderView, index: usize, line: &OrderLine, progress: LineProgress) -> Self {
        let OrderLine { sku, product, title, quantity, unit_price, source, options } = line;
        let is_cancelled = view.fulfillment_state() == FulfillmentState::Cancelled;
        Self {
            id: line_id(view.id, index),
            sku: sku.clone(),
            product_id: *product,
            title: title.clone(),
            quantity: quantity.units(),
            unit_price: (*unit_price).into(),
            options: OptionValueWire::list(options.as_deref()),
            fulfilled_quantity: progress.shipped,
            refunded_quantity: progress.refunded(),
            remaining_quantity: if is_cancelled { 0 } else { progress.to_send(quantity.units()) },
            claim_id: match source {
                LineSource::Claim(claim) => Some(claim.to_string()),
                LineSource::Hold(_) => None,
            },
        }
    }
}

/// Returns an address as on a shipping label. Values other than texts were not set by a checkout, and are left out.
fn address_lines(address: &Map<String, Value>) -> Vec<String> {
    let texts = address.iter().filter_map(|(member, text)| Some((member.clone(), text.as_str()?.to_owned())));
    address::lines(&texts.collect())
}

impl FulfillmentWire {
    fn of(order: OrderId, parcel: Fulfillment) -> Self {
        let Fulfillment { id, lines, tracking, created_at, updated_at } = parcel;
        let lines = lines
            .into_iter()
            .map(|line| FulfillmentLineWire { line_id: line_id(order, usize::from(line.line)), quantity: line.units });
        Self { id, lines: lines.collect(), tracking, created_at, updated_at }
    }
}

impl OrderWire {
    /// Without `contact`, the result is what any holder of the order's access link may see.
    pub(super) fn of(
        gateway: &Gateway,
        shop_url: &str,
        tenant: &TenantId,
        view: &OrderView,
        contact: Option<&Contact>,
    ) -> Self {
        let status = &view.status;
        let totals = &view.totals;
        Self {
            id: view.id,
            number: number::spell(&gateway.order_number_key, view.number),
            payment_state: match status.payment_state {
                OrderPaymentState::Authorized => "authorized",
                OrderPaymentState::Paid => "paid",
                OrderPaymentState::PartiallyRefunded => "partially_refunded",
                OrderPaymentState::Refunded => "refunded",
                OrderPaymentState::Failed => "failed",
            },
            fulfillment_state: match status.fulfillment_state {
                FulfillmentState::Unfulfilled => "unfulfilled",
                FulfillmentState::PartiallyFulfilled => "partially_fulfilled",
                FulfillmentState::Fulfilled => "fulfilled",
                FulfillmentState::Cancelled => "cancelled",
            },
            lines: (view.lines.iter().zip(view.line_progress()).enumerate())
                .map(|(index, (line, progress))| OrderLineWire::of(view, index, line, progress))
                .collect(),
            totals: OrderTotalsWire {
                subtotal: totals.subtotal.into(),
                shipping: totals.shipping.into(),
                tax: totals.tax.into(),
                total: totals.total.into(),
                refunded: view.refunded.into(),
            },
            checkout_id: view.checkout,
            access_url: gateway.order_access_url(shop_url, tenant, view.id),
            email: contact.and_then(|contact| contact.email.clone()),
            shipping_address: contact.and_then(|contact| contact.address.clone()),
            shipping_lines: contact.and_then(|contact| contact.address.as_ref()).map(address_lines),
            fulfillments: view.fulfillments().into_iter().map(|parcel| FulfillmentWire::of(view.id, parcel)).collect(),
            tracking: status.tracking.clone(),
            placed_at: view.placed_at,
            paid_at: status.paid_at,
            fulfilled_at: status.fulfilled_at,
            cancelled_at: status.cancelled_at,
        }
    }
}
