//! The response bodies of products in lists.

use engine::{
    id::{ProductId, Sku, VariantId},
    product::{Image, Status},
    time::Timestamp,
};
use persistence::sql::lists::{ProductSummary, VariantSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::ImageWire;
use crate::wire::{IdSchema, MoneyWire, SkuSchema};

/// A product in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductSummary)]
pub(crate) struct ProductSummaryWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: ProductId,
    /// The name in URLs. Immutable.
    handle: String,
    /// The title.
    title: String,
    /// The vendor. May be empty.
    vendor: String,
    /// The product type. May be empty.
    #[serde(rename = "type")]
    kind: String,
    /// Tags for search.
    tags: Vec<String>,
    /// The first image, if any.
    #[schema(max_items = 1)]
    images: Vec<ImageWire>,
    /// The status.
    #[schema(value_type = String, pattern = "^(active|draft|archived)$")]
    status: Status,
    /// The version, increased by each change. Used in `If-Match`.
    #[schema(minimum = 1)]
    version: u64,
    /// The first variants.
    #[schema(max_items = 100)]
    variants: Vec<VariantSummaryWire>,
    /// The number of variants.
    #[schema(minimum = 1)]
    variants_count: u64,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of the last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A variant of a product in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = VariantSummary)]
pub(crate) struct VariantSummaryWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: VariantId,
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// The option values in one line. Empty if the product has no options.
    title: String,
    /// The price.
    price: MoneyWire,
    /// The compare-at price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compare_at_price: Option<MoneyWire>,
    /// Whether units are available. May lag behind by a moment.
    in_stock: bool,
}

impl From<ProductSummary> for ProductSummaryWire {
    fn from(product: ProductSummary) -> Self {
        let image = product.image.map(|Image { src, alt, position, variants: _ }| {
            // The variants of an image could only be named by their SKUs, and a summary may not include all variants.
            ImageWire { src, alt, position, variant_skus: Vec::new() }
        });
        Self {
            id: product.id,
            handle: product.handle,
            title: product.title,
            vendor: product.vendor,
            kind: product.product_type,
            tags: product.tags,
            images: image.into_iter().collect(),
            status: product.status,
            version: product.version,
            variants: product.variants.into_iter().map(VariantSummaryWire::from).collect(),
            variants_count: product.variants_count,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

impl From<VariantSummary> for VariantSummaryWire {
    fn from(variant: VariantSummary) -> Self {
        Self {
            id: variant.id,
            sku: variant.sku,
            title: variant.title,
            price: variant.price.into(),
            compare_at_price: variant.compare_at.map(MoneyWire::from),
            in_stock: variant.in_stock,
        }
    }
}
