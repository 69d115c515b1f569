//! Ids and SKUs in requests and responses.

use engine::id::{ClaimRef, DropId, Sku};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::problem::{Faults, Problem, schema_of};

/// The schema of ids: 128 bits in Crockford base32, in canonical form only.
pub(crate) struct IdSchema;

impl PartialSchema for IdSchema {
    fn schema() -> RefOr<Schema> {
        schema_of(json!({
            "type": "string",
            "description": "An opaque id.",
            "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$",
            "examples": ["01K3ZV8QJ6M4T9XW2RBD5HCNEF"]
        }))
    }
}

impl ToSchema for IdSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
}

/// The schema of SKUs.
pub(crate) struct SkuSchema;

impl PartialSchema for SkuSchema {
    fn schema() -> RefOr<Schema> {
        const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";
        schema_of(json!({
            "type": "string",
            "description": "A stock keeping unit: no control characters, no surrounding white space, at most 255 characters.",
            "minLength": 1,
            "maxLength": 255,
            "pattern": format!(r"^[^\s{CONTROL}](?:[^{CONTROL}]*[^\s{CONTROL}])?$"),
            "examples": ["SHIRT-S"]
        }))
    }
}

impl ToSchema for SkuSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Sku".into()
    }
}

/// Returns the SKU, if the text is a valid one.
pub(crate) fn read_sku(text: &str, pointer: &str, faults: &mut Faults) -> Option<Sku> {
    faults.range(pointer, Sku::new(text))
}

/// Parses a claim's id in the path of its drop.
pub(crate) fn read_claim(drop: DropId, text: &str) -> Result<ClaimRef, Problem> {
    let claim = text.parse::<ClaimRef>().map_err(|_| Problem::not_found())?;
    if claim.drop == drop { Ok(claim) } else { Err(Problem::not_found()) }
}
