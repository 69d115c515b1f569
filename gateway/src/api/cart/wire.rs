//! The JSON types of carts.

use engine::{
    cart::{CartLine, CartView},
    id::{CartId, CheckoutId, LineId, ProductId, Sku, VariantId},
    money::Currency,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{CurrencySchema, IdSchema, MoneyWire, OptionValueWire, RecordedCurrencySchema, SkuSchema};

/// A new cart.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCart {
    /// The currency of its prices; that of its first line when it is left out.
    #[schema(value_type = Option<CurrencySchema>)]
    pub(super) currency: Option<String>,
}

/// A new line of a cart.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    pub(super) sku: String,
    /// The quantity to add.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(super) quantity: i64,
}

/// A new quantity.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinePatch {
    /// The quantity.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub(super) quantity: i64,
}

/// A cart.
#[derive(Serialize, ToSchema)]
#[schema(as = Cart)]
pub(crate) struct CartWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: CartId,
    /// The currency of the prices. Absent until the first line is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RecordedCurrencySchema>, nullable = false)]
    currency: Option<Currency>,
    /// The lines, in the order in which they were added.
    #[schema(max_items = 100)]
    lines: Vec<LineWire>,
    /// The sum of the lines. Absent while the cart has no currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    subtotal: Option<MoneyWire>,
    /// The checkout in progress, if any. Until it ends, the cart cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<IdSchema>, nullable = false)]
    checkout_id: Option<CheckoutId>,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of the buyer's last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A page of carts.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<CartWire>`")]
pub(crate) struct CartPage {
    /// The carts, newest first.
    items: Vec<CartWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}

/// A line of a cart.
#[derive(Serialize, ToSchema)]
#[schema(as = CartLine)]
pub(crate) struct LineWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: LineId,
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// The product.
    #[schema(value_type = IdSchema)]
    product_id: ProductId,
    /// The variant that has the SKU.
    #[schema(value_type = IdSchema)]
    variant_id: VariantId,
    /// The product's title.
    title: String,
    /// The variant's options. Empty if the product has none.
    options: Vec<OptionValueWire>,
    /// The quantity.
    #[schema(minimum = 1)]
    quantity: u64,
    /// The unit price when the line was added. The checkout compares it with the catalogue.
    price: MoneyWire,
}

impl LineWire {
    fn of(line: &CartLine) -> Self {
        let CartLine { id, sku, product, variant, title, quantity, price, options } = line;
        Self {
            id: *id,
            sku: sku.clone(),
            product_id: *product,
            variant_id: *variant,
            title: title.clone(),
            options: OptionValueWire::list(options.as_deref()),
            quantity: quantity.units(),
            price: (*price).into(),
        }
    }
}

impl CartWire {
    pub(super) fn of(view: &CartView) -> Self {
        let CartView { id, buyer: _, currency, lines, subtotal, checkout, created_at, updated_at } = view;
        Self {
            id: *id,
            currency: *currency,
            lines: lines.iter().map(|line| LineWire::of(line)).collect(),
            subtotal: subtotal.map(MoneyWire::from),
            checkout_id: *checkout,
            created_at: *created_at,
            updated_at: *updated_at,
        }
    }
}
