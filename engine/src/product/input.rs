//! The input of product commands, from merchants and from files.

use serde::Serialize;

use super::{Handle, SafeHtml, Status};
#[cfg(doc)]
use super::{IMAGES_MAX, OPTIONS_MAX, TAGS_MAX, TEXT_CHARS_MAX, VARIANTS_MAX, derived_sku};
use crate::{
    id::{Sku, VariantId},
    money::Currency,
};

/// The input for a new product. Texts are trimmed, and control characters in them become spaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewProduct {
    /// The name of the product in URLs. It never changes.
    pub handle: Handle,
    /// The title: 1 to [`TEXT_CHARS_MAX`] characters.
    pub title: String,
    /// The description.
    pub description: SafeHtml,
    /// The vendor; may be empty.
    pub vendor: String,
    /// The product type; may be empty.
    pub product_type: String,
    /// Search tags: at most [`TAGS_MAX`], without commas. Duplicates are dropped.
    pub tags: Vec<String>,
    /// The images, at most [`IMAGES_MAX`]; ordered and renumbered by `position`.
    pub images: Vec<ImageEdit>,
    /// The names of the options in which the variants differ: at most [`OPTIONS_MAX`], all different. Empty for a
    /// product with one variant.
    pub options: Vec<String>,
    /// Whether the product is in the shop.
    pub status: Status,
    /// The currency of all prices of the product. It never changes.
    pub currency: Currency,
    /// The variants: 1 to [`VARIANTS_MAX`].
    pub variants: Vec<NewVariant>,
}

/// The input for a variant of a new product.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewVariant {
    /// The SKU. `None` means [`derived_sku`].
    pub sku: Option<Sku>,
    /// A value for each of the product's options, in their order.
    pub options: Vec<String>,
    /// The price, in minor units; not negative.
    pub price: i64,
    /// The compare-at price, in minor units; for display only.
    pub compare_at: Option<i64>,
}

/// A patch for a product; fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProductEdit {
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<SafeHtml>,
    /// The vendor.
    pub vendor: Option<String>,
    /// The product type.
    pub product_type: Option<String>,
    /// The complete list of tags.
    pub tags: Option<Vec<String>>,
    /// The complete list of images.
    pub images: Option<Vec<ImageEdit>>,
    /// The names of the options. If their number changes, every variant needs new values.
    pub options: Option<Vec<String>>,
    /// Whether the product is in the shop.
    pub status: Option<Status>,
    /// The currency of the prices in `variants`; it must be the product's.
    pub currency: Option<Currency>,
    /// Changed and new variants; variants that are not listed stay unchanged.
    pub variants: Vec<VariantEdit>,
    /// The variants to remove.
    pub remove: Vec<VariantId>,
}

/// The input for an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageEdit {
    /// The URL: `https://…`, `http://…`, or a path on this server.
    pub src: String,
    /// The alternative text; may be empty.
    pub alt: String,
    /// The position among the images.
    pub position: u32,
    /// The SKUs of the variants that the image shows, as they are after the change. `None` keeps the variants that it
    /// shows already.
    // Skipped when `None`: the field is newer than stored fingerprints, which must stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Sku>>,
}

/// A patch for a variant, or a new variant; fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VariantEdit {
    /// The id of the variant. `None` adds a variant, which needs a price, and option values if the product has options.
    pub id: Option<VariantId>,
    /// The SKU. A new variant without a SKU gets [`derived_sku`].
    pub sku: Option<Sku>,
    /// A value for each of the product's options.
    pub options: Option<Vec<String>>,
    /// The price, in minor units; not negative.
    pub price: Option<i64>,
    /// The compare-at price, in minor units; `Some(None)` removes it.
    pub compare_at: Option<Option<i64>>,
    /// The URL of the variant's image, which is added to the product if it is missing; `Some(None)` leaves the variant
    /// without an image of its own.
    // Skipped when `None`: the field is newer than stored fingerprints, which must stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Option<String>>,
}

/// The values that a file has for one product. `None` means that the file has no such column: the field stays
/// unchanged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportChange {
    /// The handle of the product.
    pub handle: Handle,
    /// The title. Required when the product does not exist yet.
    pub title: Option<String>,
    /// The description.
    pub description: Option<SafeHtml>,
    /// The vendor.
    pub vendor: Option<String>,
    /// The product type.
    pub product_type: Option<String>,
    /// The complete list of tags.
    pub tags: Option<Vec<String>>,
    /// The images.
    pub images: ImageChange,
    /// The names of the options.
    pub options: Option<Vec<String>>,
    /// Whether the product is in the shop. A new product without this value is active.
    pub status: Option<Status>,
    /// The variants, matched by their option values: existing variants are changed, unknown ones are added, and
    /// variants that are not listed stay unchanged.
    pub variants: Vec<ImportVariant>,
}

impl ImportChange {
    /// Creates a change without any values.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            title: None,
            description: None,
            vendor: None,
            product_type: None,
            tags: None,
            images: ImageChange::Keep,
            options: None,
            status: None,
            variants: Vec::new(),
        }
    }
}

/// The change that a file makes to a product's images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ImageChange {
    /// No change.
    Keep,
    /// Replaces all images.
    Replace(Vec<ImageEdit>),
    /// Adds images. An image that the product already has gets the new alternative text.
    Add(Vec<ImageEdit>),
}

/// The values that a file has for one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportVariant {
    /// The option values, which identify the variant together with the handle. Empty for a product without options.
    pub options: Vec<String>,
    /// The SKU. `None` keeps the variant's SKU, or means [`derived_sku`] for a new variant.
    pub sku: Option<Sku>,
    /// The price, in minor units. Required for a new variant.
    pub price: Option<i64>,
    /// The compare-at price, in minor units; `Some(None)` removes it.
    pub compare_at: Option<Option<i64>>,
    /// The URL of the variant's image, which is added to the product if it is missing; `Some(None)` leaves the variant
    /// without an image of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Option<String>>,
}
