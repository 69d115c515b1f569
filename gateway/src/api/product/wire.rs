//! The response bodies of products.

use engine::{
    id::{ProductId, Sku, VariantId},
    product::{Image, ProductView, Status},
    time::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{IdSchema, MoneyWire, SkuSchema};

/// A product of the catalogue.
#[derive(Serialize, ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: ProductId,
    /// Its name in URLs. Never changes.
    handle: String,
    /// What it is called.
    title: String,
    /// What is said of it: HTML without anything that could act on the page which shows it.
    description_html: String,
    /// Who makes it; may be empty.
    vendor: String,
    /// What kind of thing it is; may be empty.
    #[serde(rename = "type")]
    kind: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// How it looks, by position.
    images: Vec<ImageWire>,
    /// What its variants differ in.
    options: Vec<OptionWire>,
    /// Whether it is in the shop.
    #[schema(value_type = String, pattern = "^(active|draft|archived)$")]
    status: Status,
    /// Raised by each change: what `If-Match` takes.
    #[schema(minimum = 1)]
    version: u64,
    /// Its variants, at least one.
    variants: Vec<VariantWire>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A picture of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = Image)]
pub(crate) struct ImageWire {
    /// Its address.
    pub(super) src: String,
    /// What it shows, in words; may be empty.
    pub(super) alt: String,
    /// Its place, from 1 on.
    pub(super) position: u32,
    /// The SKUs of the variants that it shows; absent when it is of no one in particular, and in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SkuSchema>, required = false, max_items = 2048)]
    pub(super) variant_skus: Vec<Sku>,
}

/// What variants differ in.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductOption)]
pub(crate) struct OptionWire {
    /// Its name: size, colour, …
    name: String,
    /// The values that variants have.
    values: Vec<String>,
}

/// A variant of a product: what has a SKU and a price.
#[derive(Serialize, ToSchema)]
#[schema(as = Variant)]
pub(crate) struct VariantWire {
    /// Its id.
    #[schema(value_type = IdSchema)]
    id: VariantId,
    /// What is counted.
    #[schema(value_type = SkuSchema)]
    sku: Sku,
    /// Its option values in one line; empty when the product has no options.
    title: String,
    /// A value for each of the product's options.
    options: Vec<String>,
    /// For how much.
    price: MoneyWire,
    /// What it costs elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    compare_at_price: Option<MoneyWire>,
    /// Whether units are available; lags behind by a moment.
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
