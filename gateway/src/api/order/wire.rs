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

/// An order.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: OrderId,
    /// The order number.
    #[schema(pattern = "^[0-9A-HJKMNP-TV-Z]{8}$")]
    number: String,
    /// The payment state.
    #[schema(value_type = String, pattern = "^(authorized|paid|partially_refunded|refunded|failed)$")]
    payment_state: &'static str,
    /// The fulfilment state.
    #[schema(value_type = String, pattern = "^(unfulfilled|partially_fulfilled|fulfilled|cancelled)$")]
    fulfillment_state: &'static str,
    /// An order.
    lines: Vec<OrderLineWire>,
    /// The price.
    totals: OrderTotalsWire,
    /// The checkout.
    #[schema(value_type = IdSchema)]
    checkout_id: CheckoutId,
    /// A page that shows the order without personal data to anyone who has the link.
    access_url: String,
    /// The e-mail address of the receipt. Absent after erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    /// The shipping address. Absent after erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    shipping_address: Option<Map<String, Value>>,
    /// The address as the lines of a label, the country code last. Absent after erasure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_lines: Option<Vec<String>>,
    /// The fulfillments, oldest first.
    #[schema(max_items = 100)]
    fulfillments: Vec<FulfillmentWire>,
    /// The tracking code or link of the newest parcel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking: Option<String>,
    /// The time at which the order was placed.
    #[schema(value_type = String, format = DateTime)]
    placed_at: Timestamp,
    /// The payment time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    paid_at: Option<Timestamp>,
    /// The time at which the last parcel was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    fulfilled_at: Option<Timestamp>,
    /// The cancellation time.
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
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// The product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    product_id: Option<ProductId>,
    /// The title at the time of purchase.
    title: String,
    /// The quantity.
    #[schema(minimum = 1)]
    quantity: u64,
    /// The unit price.
    unit_price: MoneyWire,
    /// The variant's options at the time of purchase.
    options: Vec<OptionValueWire>,
    /// Units shipped.
    fulfilled_quantity: u64,
    /// Units refunded by line. Units that were not shipped before the refund are no longer shipped.
    refunded_quantity: u64,
    /// Units still to be shipped.
    remaining_quantity: u64,
    /// The claim.
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
    /// The lines.
    #[schema(max_items = 100)]
    lines: Vec<FulfillmentLineWire>,
    /// The tracking code or link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking: Option<String>,
    /// The time at which the parcel was sent.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of the last change of the tracking.
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
    /// The quantity.
    #[schema(minimum = 1)]
    quantity: u64,
}

/// The totals of an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderTotals)]
pub(crate) struct OrderTotalsWire {
    /// The sum of the lines.
    subtotal: MoneyWire,
    /// The shipping cost.
    shipping: MoneyWire,
    /// The tax.
    tax: MoneyWire,
    /// The total.
    total: MoneyWire,
    /// The refunded amount.
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

/// A page of orders.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<OrderWire>`")]
pub(crate) struct OrderPage {
    /// The orders, newest first.
    items: Vec<OrderWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
