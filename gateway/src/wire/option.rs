//! Options of variants in responses.

use engine::product::OptionValue;
use serde::Serialize;
use utoipa::ToSchema;

/// An option of a product, and the value that a variant has of it.
#[derive(Serialize, ToSchema)]
#[schema(as = OptionValue)]
pub(crate) struct OptionValueWire {
    /// The option: "Size".
    name: String,
    /// The value: "M".
    value: String,
}

impl OptionValueWire {
    /// Returns the options of a line, or none if they are unknown.
    pub(crate) fn list(options: Option<&[OptionValue]>) -> Vec<Self> {
        let option = |OptionValue { name, value }: &OptionValue| Self { name: name.clone(), value: value.clone() };
        options.unwrap_or_default().iter().map(option).collect()
    }
}
