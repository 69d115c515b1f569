//! `/v1/products`: the catalogue.

pub(super) mod input;
mod problem;
mod routes;
mod sku_index;
mod sku_lookup;
mod summary;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::sku_index::SkuIndex;
pub(super) use self::sku_lookup::{ask_price, claimed_variant, quote};
use super::Slice;
use crate::ops::openapi::{BY_ID, BY_VERSION, link};

pub(super) const SLICE: Slice = Slice {
    tag: Some(("products", "The product catalogue")),
    router: routes::router,
    refinements: input::refinements,
    links: &[
        link("create_product", "get_product", BY_ID),
        link("create_product", "update_product", BY_VERSION),
        link("create_product", "archive_product", BY_ID),
        link("update_product", "update_product", BY_VERSION),
    ],
    cursors: &[("list_products", "^[02468acegikmoqsu][4-7][0-9a-v]{38}$")],
    ..Slice::EMPTY
};
