//! `/v1/products`: the catalogue.

pub(super) mod input;
pub(super) mod routes;
mod sku_index;
mod sku_lookup;
mod summary;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::sku_index::SkuIndex;
pub(super) use self::{
    input::refinements,
    sku_lookup::{ask_price, claimed_variant, drop_view, quote},
};
