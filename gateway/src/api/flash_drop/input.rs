//! The request bodies of drops.

use engine::{
    aggregate::EXPLICIT_NULL,
    flash_drop::{Audience, DropEdit, HOLD_SECONDS, ITEMS_MAX, ItemEdit, ItemTerms, NetworkLimit, Terms},
    id::ProductId,
    money::Currency,
    quantity::{QUANTITY_MAX, Quantity},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Problem,
    ops::openapi::Refinement,
    problem::{Faults, FieldCode, all_of},
    wire::{IdSchema, MoneyWire, PriceSchema, SkuSchema, price_in, read_sku, read_time},
};

/// The maximum length of a title in characters.
const TITLE_CHARS_MAX: usize = 255;

/// A new drop.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDrop {
    /// The title.
    #[schema(max_length = 255)]
    title: Option<String>,
    /// The product, for a link to its page.
    #[schema(value_type = Option<IdSchema>)]
    product_id: Option<ProductId>,
    /// The items, for example sizes. All prices have the same currency.
    #[schema(min_items = 1, max_items = 100)]
    items: Option<Vec<NewDropItem>>,
    /// In place of `items`: what is sold.
    #[schema(value_type = Option<SkuSchema>)]
    sku: Option<String>,
    /// The number of units, instead of `items`.
    #[schema(minimum = 1, maximum = 100_000_000)]
    quantity: Option<i64>,
    /// In place of `items`: for how much.
    #[schema(value_type = Option<PriceSchema>)]
    price: Option<MoneyWire>,
    /// In place of `items`: what it costs elsewhere.
    #[schema(value_type = Option<PriceSchema>)]
    compare_at_price: Option<MoneyWire>,
    /// The maximum number of units that one buyer may hold and buy, over all items.
    #[schema(minimum = 1, maximum = 100_000_000)]
    per_buyer_max: i64,
    /// The maximum number of units that all buyers of one network (an IPv4 /24, an IPv6 /48) may hold and buy. The
    /// default is five times `per_buyer_max`, or a quarter of the drop if that is more. Null: no limit.
    #[serde(
        default,
        deserialize_with = "said",
        serialize_with = "explicit_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000_000)]
    per_network_max: Option<Option<i64>>,
    /// The duration of a hold, in seconds.
    #[schema(minimum = 5, maximum = 86400)]
    hold_seconds: i64,
    /// The start of the drop. The default is immediately.
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    /// The end of the drop.
    #[schema(format = DateTime)]
    ends_at: String,
    /// The buyers who may claim: anyone, or customers with an account.
    #[schema(value_type = Option<String>, pattern = "^(anyone|customers)$")]
    audience: Option<Audience>,
    /// Whether to create a draft, which buyers cannot see until it is published.
    draft: Option<bool>,
}

/// An item of a new drop.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDropItem {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: String,
    /// The quantity.
    #[schema(minimum = 1, maximum = 100_000_000)]
    quantity: i64,
    /// The unit price.
    #[schema(value_type = PriceSchema)]
    price: MoneyWire,
    /// What it costs elsewhere, for show.
    #[schema(value_type = Option<PriceSchema>)]
    compare_at_price: Option<MoneyWire>,
}

/// Changes of a drop. Omitted fields are unchanged.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DropPatch {
    /// The title.
    #[schema(max_length = 255)]
    title: Option<String>,
    /// The start of the drop.
    #[schema(format = DateTime)]
    starts_at: Option<String>,
    /// The end of the drop.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// The maximum number of units that one buyer may hold and buy.
    #[schema(minimum = 1, maximum = 100_000_000)]
    per_buyer_max: Option<i64>,
    /// The maximum number of units that all buyers of one network may hold and buy. Null: no limit.
    #[serde(
        default,
        deserialize_with = "said",
        serialize_with = "explicit_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 100_000_000)]
    per_network_max: Option<Option<i64>>,
    /// The duration of a hold, in seconds.
    #[schema(minimum = 5, maximum = 86400)]
    hold_seconds: Option<i64>,
    /// The buyers who may claim.
    #[schema(value_type = Option<String>, pattern = "^(anyone|customers)$")]
    audience: Option<Audience>,
    /// Changed and new items. Other items are unchanged.
    #[schema(max_items = 100)]
    items: Option<Vec<ItemPatch>>,
}

/// Changes of an item of a drop.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemPatch {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: String,
    /// Units to add.
    #[schema(minimum = 1, maximum = 100_000_000)]
    add_quantity: Option<i64>,
    /// The total number of units, before the drop opens. 0 removes the item.
    #[schema(minimum = 0, maximum = 100_000_000)]
    quantity: Option<i64>,
    /// For how much, for new claims.
    #[schema(value_type = Option<PriceSchema>)]
    price: Option<MoneyWire>,
    /// What it costs elsewhere, for show.
    #[schema(value_type = Option<PriceSchema>)]
    compare_at_price: Option<MoneyWire>,
}

/// Distinguishes an explicit null from a missing field.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Serialises an explicit null, so that the command's fingerprint includes it.
fn explicit_null<S: Serializer>(value: &Option<Option<i64>>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(Some(value)) => serializer.serialize_i64(*value),
        Some(None) => serializer.serialize_str(EXPLICIT_NULL),
        None => serializer.serialize_none(),
    }
}

/// Returns the given limit for networks; `None` if the field is missing.
fn network_limit(value: Option<Option<i64>>, faults: &mut Faults) -> Option<NetworkLimit> {
    match value? {
        None => Some(NetworkLimit::Unlimited),
        Some(units) => quantity(units, "/per_network_max", faults).map(NetworkLimit::Units),
    }
}

pub(super) fn refinements() -> Vec<Refinement> {
    let none = || json!({"type": "null"});
    let some = |kind: &str| json!({"type": kind});
    let either = json!([
        {"title": "items", "required": ["items"], "properties": {
            "items": some("array"), "sku": none(), "quantity": none(), "price": none(), "compare_at_price": none()}},
        {"title": "one item", "required": ["sku", "quantity", "price"], "properties": {
            "sku": some("string"), "quantity": some("integer"), "price": some("object"), "items": none()}}
    ]);
    vec![("NewDrop", json!({"oneOf": either}))]
}

fn quantity(value: i64, pointer: impl Into<String>, faults: &mut Faults) -> Option<Quantity> {
    faults.range(pointer, Quantity::new(value))
}

fn hold_seconds(value: i64, faults: &mut Faults) -> Option<u32> {
    let seconds = u32::try_from(value).ok().filter(|seconds| HOLD_SECONDS.contains(seconds));
    faults.range("/hold_seconds", seconds.ok_or("must be between 5 and 86400"))
}

fn title(text: Option<&str>, faults: &mut Faults) -> Option<String> {
    faults.check(
        "/title",
        text.is_none_or(|text| text.chars().count() <= TITLE_CHARS_MAX),
        "is longer than 255 characters",
    );
    text.map(str::to_owned)
}

impl NewDrop {
    pub(super) fn is_draft(&self) -> bool {
        self.draft == Some(true)
    }

    /// Returns the validated terms and items, or all errors.
    pub(in crate::api) fn read(&self) -> Result<(Terms, Vec<ItemTerms>), Problem> {
        let mut faults = Faults::default();
        let title = title(self.title.as_deref(), &mut faults).unwrap_or_default();
        let mut currency = None;
        let items = self.read_items(&mut currency, &mut faults);
        let per_buyer_max = quantity(self.per_buyer_max, "/per_buyer_max", &mut faults);
        let network_limit = network_limit(self.per_network_max, &mut faults).unwrap_or(NetworkLimit::Standard);
        let hold_seconds = hold_seconds(self.hold_seconds, &mut faults);
        let starts_at = self.starts_at.as_deref().and_then(|text| read_time(text, "/starts_at", &mut faults));
        let ends_at = read_time(&self.ends_at, "/ends_at", &mut faults);
        let terms = per_buyer_max.zip(hold_seconds).zip(ends_at).zip(currency);
        let terms = terms.map(|(((per_buyer_max, hold_seconds), ends_at), currency)| Terms {
            title,
            product: self.product_id,
            per_buyer_max,
            hold_seconds,
            starts_at,
            ends_at,
            audience: self.audience.unwrap_or_default(),
            currency,
            network_limit: Some(network_limit),
        });
        faults.give(terms.zip(items))
    }

    fn read_items(&self, currency: &mut Option<Currency>, faults: &mut Faults) -> Option<Vec<ItemTerms>> {
        if let Some(items) = &self.items {
            let shorthand = [
                ("/sku", self.sku.is_some()),
                ("/quantity", self.quantity.is_some()),
                ("/price", self.price.is_some()),
                ("/compare_at_price", self.compare_at_price.is_some()),
            ];
            for (pointer, _) in shorthand.iter().filter(|(_, is_said)| *is_said) {
                faults.add(*pointer, FieldCode::Unknown, "cannot be combined with items");
            }
            faults.check("/items", (1..=ITEMS_MAX).contains(&items.len()), "must have between 1 and 100 items");
            let items = items.iter().take(ITEMS_MAX).enumerate();
            return all_of(items.map(|(index, item)| item.read(&format!("/items/{index}"), currency, faults)));
        }
        if self.sku.is_none() && self.quantity.is_none() && self.price.is_none() {
            faults.add("/items", FieldCode::Missing, "is required, unless sku, quantity and price are given");
            return None;
        }
        let sku = faults.present("/sku", self.sku.clone());
        let quantity = faults.present("/quantity", self.quantity);
        let price = faults.present("/price", self.price.clone());
        let (sku, quantity, price) = (sku?, quantity?, price?);
        let only = NewDropItem { sku, quantity, price, compare_at_price: self.compare_at_price.clone() };
        Some(vec![only.read("", currency, faults)?])
    }
}

impl NewDropItem {
    fn read(&self, at: &str, currency: &mut Option<Currency>, faults: &mut Faults) -> Option<ItemTerms> {
        let sku = read_sku(&self.sku, &format!("{at}/sku"), faults);
        let quantity = quantity(self.quantity, format!("{at}/quantity"), faults);
        let price = price_in(&self.price, &format!("{at}/price"), currency, faults);
        let compare_at = self.compare_at_price.as_ref();
        let compare_at =
            compare_at.and_then(|price| price_in(price, &format!("{at}/compare_at_price"), currency, faults));
        Some(ItemTerms { sku: sku?, quantity: quantity?, price: price?, compare_at })
    }
}

impl DropPatch {
    /// Returns the validated changes of a drop whose prices are in `currency`, or all errors.
    pub(in crate::api) fn read(&self, currency: Currency) -> Result<DropEdit, Problem> {
        let mut faults = Faults::default();
        let title = title(self.title.as_deref(), &mut faults);
        let starts_at = self.starts_at.as_deref().and_then(|text| read_time(text, "/starts_at", &mut faults));
        let ends_at = self.ends_at.as_deref().and_then(|text| read_time(text, "/ends_at", &mut faults));
        let per_buyer_max = self.per_buyer_max.and_then(|value| quantity(value, "/per_buyer_max", &mut faults));
        let network_limit = network_limit(self.per_network_max, &mut faults);
        let hold_seconds = self.hold_seconds.and_then(|value| hold_seconds(value, &mut faults));
        let items = self.items.as_deref().unwrap_or_default();
        faults.check("/items", items.len() <= ITEMS_MAX, "must have at most 100 items");
        let items = items.iter().take(ITEMS_MAX).enumerate();
        let items = all_of(items.map(|(index, item)| item.read(&format!("/items/{index}"), currency, &mut faults)));
        let audience = self.audience;
        let edit =
            |items| DropEdit { title, starts_at, ends_at, per_buyer_max, hold_seconds, audience, items, network_limit };
        faults.give(items.map(edit))
    }
}

impl ItemPatch {
    fn read(&self, at: &str, currency: Currency, faults: &mut Faults) -> Option<ItemEdit> {
        let sku = read_sku(&self.sku, &format!("{at}/sku"), faults);
        let add_quantity = self.add_quantity.and_then(|value| quantity(value, format!("{at}/add_quantity"), faults));
        let units = self.quantity.map(|value| u32::try_from(value).ok().filter(|units| *units <= QUANTITY_MAX));
        let fits = units.is_none_or(|units| units.is_some());
        faults.check(format!("{at}/quantity"), fits, format!("must be between 0 and {QUANTITY_MAX}"));
        let mut currency = Some(currency);
        let mut price = |price: &Option<MoneyWire>, name: &str| {
            price.as_ref().and_then(|price| price_in(price, &format!("{at}/{name}"), &mut currency, faults))
        };
        let (price, compare_at) = (price(&self.price, "price"), price(&self.compare_at_price, "compare_at_price"));
        Some(ItemEdit { sku: sku?, add_quantity, quantity: units.flatten(), price, compare_at })
    }
}
