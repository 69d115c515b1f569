//! The response bodies of checkouts.

use engine::{
    checkout::{CheckoutLine, CheckoutState, CheckoutView, Grip},
    id::{CheckoutId, OrderId, ProductId, Sku},
    time::Timestamp,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    Problem,
    problem::ProblemDoc,
    wire::{IdSchema, MoneyWire, OptionValueWire, SkuSchema},
};

/// A checkout: one payment attempt of a buyer.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub(crate) struct CheckoutWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: CheckoutId,
    /// The state. With `requires_action`, complete `next_action`, then confirm the checkout.
    #[schema(value_type = String, pattern = "^(pending|requires_action|completed|failed)$")]
    state: &'static str,
    /// The action that is required of the buyer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_action: Option<NextAction>,
    /// The order, after payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    order_id: Option<OrderId>,
    /// The problem of a failed checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDoc>, nullable = false)]
    problem: Option<Value>,
    /// The lines. Empty until the checkout has priced them.
    lines: Vec<CheckoutLineWire>,
    /// The sum of the lines. Absent, like the other totals, until the lines are priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subtotal: Option<MoneyWire>,
    /// The shipping cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_total: Option<MoneyWire>,
    /// The tax on the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tax_total: Option<MoneyWire>,
    /// The total.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<MoneyWire>,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time at which the checkout expires, unless the payment is authorised by then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The action that is required of the buyer.
#[derive(Serialize, ToSchema)]
pub(crate) struct NextAction {
    /// The type of the action: redirect the buyer to `url`.
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^redirect$")]
    kind: &'static str,
    /// The URL to redirect the buyer to.
    url: String,
    /// The deadline.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A line of a checkout.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutLine)]
pub(crate) struct CheckoutLineWire {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    pub(super) sku: Sku,
    /// The product, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    pub(super) product_id: Option<ProductId>,
    /// The title of the product, or of the drop if there is no product.
    pub(super) title: String,
    /// The variant's options. Empty if it has none.
    pub(super) options: Vec<OptionValueWire>,
    /// The quantity.
    #[schema(minimum = 1)]
    pub(super) quantity: u64,
    /// The unit price.
    pub(super) unit_price: MoneyWire,
    /// The claim that the line pays for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) claim_id: Option<String>,
}

impl CheckoutLineWire {
    fn of(line: &CheckoutLine) -> Self {
        let CheckoutLine { sku, product, title, quantity, unit_price, grip, options } = line;
        Self {
            sku: sku.clone(),
            product_id: *product,
            title: title.clone(),
            options: OptionValueWire::list(options.as_deref()),
            quantity: quantity.units(),
            unit_price: (*unit_price).into(),
            claim_id: match grip {
                Grip::Claim(claim) => Some(claim.to_string()),
                Grip::Hold(_) => None,
            },
        }
    }
}

impl CheckoutWire {
    pub(super) fn of(view: &CheckoutView) -> Self {
        let (state, next_action) = match &view.state {
            CheckoutState::Pending => ("pending", None),
            CheckoutState::RequiresAction { url, expires_at } => {
                let action = NextAction { kind: "redirect", url: url.clone(), expires_at: *expires_at };
                ("requires_action", Some(action))
            }
            CheckoutState::Completed { .. } => ("completed", None),
            CheckoutState::Failed { .. } => ("failed", None),
        };
        let totals = view.totals.as_ref();
        Self {
            id: view.id,
            state,
            next_action,
            order_id: view.order(),
            problem: view.problem().map(|problem| Problem::from(problem.clone()).to_part()),
            lines: view.lines.iter().map(CheckoutLineWire::of).collect(),
            subtotal: totals.map(|totals| totals.subtotal.into()),
            shipping_total: totals.map(|totals| totals.shipping.into()),
            tax_total: totals.map(|totals| totals.tax.into()),
            total: totals.map(|totals| totals.total.into()),
            created_at: view.started_at,
            expires_at: view.expires_at,
        }
    }
}

/// A page of checkouts.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<CheckoutWire>`")]
pub(crate) struct CheckoutPage {
    /// The checkouts, newest first.
    items: Vec<CheckoutWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
