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
    /// Its name in URLs. Never changes.
    handle: String,
    /// What it is called.
    title: String,
    /// Who makes it; may be empty.
    vendor: String,
    /// What kind of thing it is; may be empty.
    #[serde(rename = "type")]
    kind: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// Its first image, if it has any.
    #[schema(max_items = 1)]
    images: Vec<ImageWire>,
    /// Whether it is in the shop.
    #[schema(value_type = String, pattern = "^(active|draft|archived)$")]
    status: Status,
    /// Raised by each change: what `If-Match` takes.
    #[schema(minimum = 1)]
    version: u64,
    /// Its first variants.
    #[schema(max_items = 100)]
    variants: Vec<VariantSummaryWire>,
    /// How many variants it has.
    #[schema(minimum = 1)]
    variants_count: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
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
    /// What is counted.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// Its option values in one line; empty when the product has no options.
    title: String,
    /// For how much.
    price: MoneyWire,
    /// What it costs elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compare_at_price: Option<MoneyWire>,
    /// Whether units are available; lags behind by a moment.
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
