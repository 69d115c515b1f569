//! The JSON types of stock levels.

use engine::{
    id::Sku,
    stock::{ON_HAND_MAX, StockChange, StockLevels},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Problem,
    ops::openapi::Refinement,
    problem::{Faults, FieldCode},
    wire::SkuSchema,
};

/// The maximum length of a reason in characters: a line in the merchant's books.
const REASON_CHARS_MAX: usize = 255;

/// The stock levels of a SKU. `on_hand` = `available` + `held` + `allocated`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Levels {
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// Units on hand.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    on_hand: u64,
    /// Units that can be reserved or allocated.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    available: u64,
    /// Units held for checkouts.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    held: u64,
    /// Units allocated to drops that have not settled.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    allocated: u64,
    /// Units sold, minus reversed sales.
    #[schema(maximum = 9_007_199_254_740_991u64)]
    sold: u64,
}

impl Levels {
    pub(super) fn of(sku: Sku, levels: StockLevels) -> Self {
        let StockLevels { on_hand, available, held, allocated, sold } = levels;
        Self { sku, on_hand, available, held, allocated, sold }
    }
}

/// A change of the units on hand, by or to a number.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    /// The change in units. Negative numbers remove units.
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<i64>,
    /// The new number on hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_to: Option<i64>,
    /// The expected number on hand; 409 `unexpected_level` if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<i64>,
    /// The reason, for the merchant's records.
    pub(super) reason: String,
}

pub(super) fn refinements() -> Vec<Refinement> {
    let reason = json!({"type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX, "description": "The reason, for the merchant's records."});
    let units = |what: &str| json!({"type": "integer", "minimum": 0, "maximum": ON_HAND_MAX, "description": what});
    let delta = json!({"type": "integer", "minimum": -(ON_HAND_MAX as i64), "maximum": ON_HAND_MAX, "description": "The change in units. Negative numbers remove units."});
    let by = json!({
        "type": "object", "title": "by", "required": ["delta", "reason"], "additionalProperties": false,
        "properties": {"delta": delta, "reason": reason}
    });
    let to = json!({
        "type": "object", "title": "to", "required": ["set_to", "expected", "reason"], "additionalProperties": false,
        "properties": {
            "set_to": units("The new number on hand."),
            "expected": units("The expected number on hand; 409 `unexpected_level` if it differs."),
            "reason": reason
        }
    });
    vec![(
        "NewAdjustment",
        json!({"oneOf": [by, to], "type": "object", "properties": {}, "required": [], "additionalProperties": true}),
    )]
}

impl NewAdjustment {
    pub(in crate::api) fn read(&self) -> Result<StockChange, Problem> {
        let mut faults = Faults::default();
        let length = self.reason.chars().count();
        faults.check("/reason", (1..=REASON_CHARS_MAX).contains(&length), "must be between 1 and 255 characters long");
        let most = ON_HAND_MAX as i64;
        let change = match (self.delta, self.set_to) {
            (Some(delta), None) => {
                faults.check("/delta", (-most..=most).contains(&delta), "exceeds the maximum number of units");
                if self.expected.is_some() {
                    faults.add("/expected", FieldCode::Unknown, "requires set_to");
                }
                Some(StockChange::By(delta))
            }
            (None, Some(units)) => {
                let expected = faults.present("/expected", self.expected);
                faults.check(
                    "/set_to",
                    (0..=most).contains(&units),
                    "must be between 0 and the maximum number of units",
                );
                faults.check("/expected", expected.is_none_or(|units| units >= 0), "must not be negative");
                Some(StockChange::To { units: units.unsigned_abs(), expected: expected.map(i64::unsigned_abs) })
            }
            (Some(_), Some(_)) => {
                faults.add("/set_to", FieldCode::Unknown, "requires either delta or set_to");
                None
            }
            (None, None) => faults.present("/delta", None),
        };
        faults.give(change)
    }
}

/// A page of stock levels.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<Levels>`")]
pub(crate) struct InventoryPage {
    /// The stock levels, in the order of the SKUs.
    items: Vec<Levels>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
