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

/// One attempt of a buyer to pay.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
pub(crate) struct CheckoutWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: CheckoutId,
    /// Where it stands. `requires_action`: do what `next_action` says, then confirm.
    #[schema(value_type = String, pattern = "^(pending|requires_action|completed|failed)$")]
    state: &'static str,
    /// What the buyer has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_action: Option<NextAction>,
    /// The order, once it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    order_id: Option<OrderId>,
    /// Why it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemDoc>, nullable = false)]
    problem: Option<Value>,
    /// What is sold; empty until that is known.
    lines: Vec<CheckoutLineWire>,
    /// What the lines come to; absent, like the other sums, until it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subtotal: Option<MoneyWire>,
    /// Getting it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipping_total: Option<MoneyWire>,
    /// Taxes on the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tax_total: Option<MoneyWire>,
    /// All of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total: Option<MoneyWire>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it is given up, unless the payment is authorised by then.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// What the buyer has to do.
#[derive(Serialize, ToSchema)]
pub(crate) struct NextAction {
    /// What kind of thing: to go to `url`.
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^redirect$")]
    kind: &'static str,
    /// Where the buyer goes.
    url: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A line of a checkout.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutLine)]
pub(crate) struct CheckoutLineWire {
    /// What.
    #[schema(value_type = SkuSchema)]
    pub(super) sku: Sku,
    /// The product that it belongs to, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    pub(super) product_id: Option<ProductId>,
    /// What its product is called, or its drop where there is no product.
    pub(super) title: String,
    /// The variant's options; empty when it has none.
    pub(super) options: Vec<OptionValueWire>,
    /// How many units.
    #[schema(minimum = 1)]
    pub(super) quantity: u64,
    /// For how much each.
    pub(super) unit_price: MoneyWire,
    /// The claim that it pays for.
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
