//! The response bodies of products.

use engine::{
    id::{ProductId, Sku, VariantId},
    product::{Image, ProductView, Status},
    time::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::summary::ProductSummaryWire;
use crate::wire::{IdSchema, MoneyWire, SkuSchema};

/// A product of the catalogue.
#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: ProductId,
    /// The name in URLs. Immutable.
    handle: String,
    /// The title.
    title: String,
    /// The description: HTML without active content.
    description_html: String,
    /// The vendor. May be empty.
    vendor: String,
    /// The product type. May be empty.
    #[serde(rename = "type")]
    kind: String,
    /// Tags for search.
    tags: Vec<String>,
    /// The images, by position.
    images: Vec<ImageWire>,
    /// The options in which the variants differ.
    options: Vec<OptionWire>,
    /// The status.
    #[schema(value_type = String, pattern = "^(active|draft|archived)$")]
    status: Status,
    /// The version, increased by each change. Used in `If-Match`.
    #[schema(minimum = 1)]
    version: u64,
    /// The variants, at least one.
    variants: Vec<VariantWire>,
    /// The creation time.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The time of the last change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A picture of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = Image)]
pub(crate) struct ImageWire {
    /// The URL.
    pub(super) src: String,
    /// The alternative text. May be empty.
    pub(super) alt: String,
    /// The position, starting at 1.
    pub(super) position: u32,
    /// The SKUs of the variants that the image shows. Absent if it is not assigned to variants, and in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SkuSchema>, required = false, max_items = 2048)]
    pub(super) variant_skus: Vec<Sku>,
}

/// An option of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductOption)]
pub(crate) struct OptionWire {
    /// The name, such as size or colour.
    name: String,
    /// The values of the variants.
    values: Vec<String>,
}

/// A variant of a product, with a SKU and a price.
#[derive(Serialize, ToSchema)]
#[schema(as = Variant)]
pub(crate) struct VariantWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: VariantId,
    /// The SKU.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// The option values in one line. Empty if the product has no options.
    title: String,
    /// A value for each of the product's options.
    options: Vec<String>,
    /// The price.
    price: MoneyWire,
    /// The compare-at price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compare_at_price: Option<MoneyWire>,
    /// Whether units are available. May lag behind by a moment.
    in_stock: bool,
}

impl ProductWire {
    /// `in_stock` returns whether units of a variant are available, given its index and SKU.
    pub(super) fn of(view: &ProductView, in_stock: impl Fn(usize, &Sku) -> bool) -> Self {
        let image = |image: &Image| ImageWire {
            src: image.src.clone(),
            alt: image.alt.clone(),
            position: image.position,
            variant_skus: view.skus_of(image),
        };
        let variants = view.variants.iter().enumerate().map(|(index, variant)| VariantWire {
            id: variant.id,
            sku: variant.sku.clone(),
            title: variant.title.clone(),
            options: variant.options.clone(),
            price: variant.price.into(),
            compare_at_price: variant.compare_at.map(MoneyWire::from),
            in_stock: in_stock(index, &variant.sku),
        });
        let options =
            view.options.iter().map(|option| OptionWire { name: option.name.clone(), values: option.values.clone() });
        Self {
            id: view.id,
            handle: view.handle.to_string(),
            title: view.title.clone(),
            description_html: view.description.as_str().to_owned(),
            vendor: view.vendor.clone(),
            kind: view.product_type.clone(),
            tags: view.tags.clone(),
            images: view.images.iter().map(image).collect(),
            options: options.collect(),
            status: view.status,
            version: view.version,
            variants: variants.collect(),
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

/// A page of products.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes `PageWire<ProductSummaryWire>`")]
pub(crate) struct ProductPage {
    /// The products, newest first. A page may have fewer than `limit` items, because its size is limited to half a
    /// megabyte.
    items: Vec<ProductSummaryWire>,
    /// The `cursor` of the next page. Null on the last page.
    next_cursor: Option<String>,
}
