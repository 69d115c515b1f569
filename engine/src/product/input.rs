//! The input of product commands, from merchants and from files.

use minicbor::{Decode, Encode};
use serde::Serialize;

use super::{Handle, SafeHtml, Status};
#[cfg(doc)]
use super::{IMAGES_MAX, OPTIONS_MAX, TAGS_MAX, TEXT_CHARS_MAX, VARIANTS_MAX, derived_sku};
use crate::{
    id::{Sku, VariantId},
    money::Currency,
};

/// The input for a new product. Texts are trimmed, and control characters in them become spaces.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub struct NewProduct {
    /// The name of the product in URLs. It never changes.
    #[n(0)]
    pub handle: Handle,
    /// The title: 1 to [`TEXT_CHARS_MAX`] characters.
    #[n(1)]
    pub title: String,
    /// The description.
    #[n(2)]
    pub description: SafeHtml,
    /// The vendor; may be empty.
    #[n(3)]
    pub vendor: String,
    /// The product type; may be empty.
    #[n(4)]
    pub product_type: String,
    /// Search tags: at most [`TAGS_MAX`], without commas. Duplicates are dropped.
    #[n(5)]
    pub tags: Vec<String>,
    /// The images, at most [`IMAGES_MAX`]; ordered and renumbered by `position`.
    #[n(6)]
    pub images: Vec<ImageEdit>,
    /// The names of the options in which the variants differ: at most [`OPTIONS_MAX`], all different. Empty for a
    /// product with one variant.
    #[n(7)]
    pub options: Vec<String>,
    /// Whether the product is in the shop.
    #[n(8)]
    pub status: Status,
    /// The currency of all prices of the product. It never changes.
    #[n(9)]
    pub currency: Currency,
    /// The variants: 1 to [`VARIANTS_MAX`].
    #[n(10)]
    pub variants: Vec<NewVariant>,
}

/// The input for a variant of a new product.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub struct NewVariant {
    /// The SKU. `None` means [`derived_sku`].
    #[n(0)]
    pub sku: Option<Sku>,
    /// A value for each of the product's options, in their order.
    #[n(1)]
    pub options: Vec<String>,
    /// The price, in minor units; not negative.
    #[n(2)]
    pub price: i64,
    /// The compare-at price, in minor units; for display only.
    #[n(3)]
    pub compare_at: Option<i64>,
}

/// A patch for a product; fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize)]
pub struct ProductEdit {
    /// The title.
    #[n(0)]
    pub title: Option<String>,
    /// The description.
    #[n(1)]
    pub description: Option<SafeHtml>,
    /// The vendor.
    #[n(2)]
    pub vendor: Option<String>,
    /// The product type.
    #[n(3)]
    pub product_type: Option<String>,
    /// The complete list of tags.
    #[n(4)]
    pub tags: Option<Vec<String>>,
    /// The complete list of images.
    #[n(5)]
    pub images: Option<Vec<ImageEdit>>,
    /// The names of the options. If their number changes, every variant needs new values.
    #[n(6)]
    pub options: Option<Vec<String>>,
    /// Whether the product is in the shop.
    #[n(7)]
    pub status: Option<Status>,
    /// The currency of the prices in `variants`; it must be the product's.
    #[n(8)]
    pub currency: Option<Currency>,
    /// Changed and new variants; variants that are not listed stay unchanged.
    #[n(9)]
    pub variants: Vec<VariantEdit>,
    /// The variants to remove.
    #[n(10)]
    pub remove: Vec<VariantId>,
}

/// The input for an image.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub struct ImageEdit {
    /// The URL: `https://…`, `http://…`, or a path on this server.
    #[n(0)]
    pub src: String,
    /// The alternative text; may be empty.
    #[n(1)]
    pub alt: String,
    /// The position among the images.
    #[n(2)]
    pub position: u32,
    /// The SKUs of the variants that the image shows, as they are after the change. `None` keeps the variants that it
    /// shows already.
    // Skipped when `None`: the field is newer than stored fingerprints, which must stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[n(3)]
    pub variants: Option<Vec<Sku>>,
}

/// A patch for a variant, or a new variant; fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize)]
pub struct VariantEdit {
    /// The id of the variant. `None` adds a variant, which needs a price, and option values if the product has options.
    #[n(0)]
    pub id: Option<VariantId>,
    /// The SKU. A new variant without a SKU gets [`derived_sku`].
    #[n(1)]
    pub sku: Option<Sku>,
    /// A value for each of the product's options.
    #[n(2)]
    pub options: Option<Vec<String>>,
    /// The price, in minor units; not negative.
    #[n(3)]
    pub price: Option<i64>,
    /// The compare-at price, in minor units; `Some(None)` removes it.
    #[cbor(n(4), with = "crate::codec::patch", has_nil)]
    pub compare_at: Option<Option<i64>>,
    /// The URL of the variant's image, which is added to the product if it is missing; `Some(None)` leaves the variant
    /// without an image of its own.
    // Skipped when `None`: the field is newer than stored fingerprints, which must stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cbor(n(5), with = "crate::codec::patch", has_nil)]
    pub image: Option<Option<String>>,
}

/// The values that a file has for one product. `None` means that the file has no such column: the field stays
/// unchanged.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub struct ImportChange {
    /// The handle of the product.
    #[n(0)]
    pub handle: Handle,
    /// The title. Required when the product does not exist yet.
    #[n(1)]
    pub title: Option<String>,
    /// The description.
    #[n(2)]
    pub description: Option<SafeHtml>,
    /// The vendor.
    #[n(3)]
    pub vendor: Option<String>,
    /// The product type.
    #[n(4)]
    pub product_type: Option<String>,
    /// The complete list of tags.
    #[n(5)]
    pub tags: Option<Vec<String>>,
    /// The images.
    #[n(6)]
    pub images: ImageChange,
    /// The names of the options.
    #[n(7)]
    pub options: Option<Vec<String>>,
    /// Whether the product is in the shop. A new product without this value is active.
    #[n(8)]
    pub status: Option<Status>,
    /// The variants, matched by their option values: existing variants are changed, unknown ones are added, and
    /// variants that are not listed stay unchanged.
    #[n(9)]
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
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub enum ImageChange {
    /// No change.
    #[n(0)]
    Keep,
    /// Replaces all images.
    #[n(1)]
    Replace(#[n(0)] Vec<ImageEdit>),
    /// Adds images. An image that the product already has gets the new alternative text.
    #[n(2)]
    Add(#[n(0)] Vec<ImageEdit>),
}

/// The values that a file has for one variant.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize)]
pub struct ImportVariant {
    /// The option values, which identify the variant together with the handle. Empty for a product without options.
    #[n(0)]
    pub options: Vec<String>,
    /// The SKU. `None` keeps the variant's SKU, or means [`derived_sku`] for a new variant.
    #[n(1)]
    pub sku: Option<Sku>,
    /// The price, in minor units. Required for a new variant.
    #[n(2)]
    pub price: Option<i64>,
    /// The compare-at price, in minor units; `Some(None)` removes it.
    #[cbor(n(3), with = "crate::codec::patch", has_nil)]
    pub compare_at: Option<Option<i64>>,
    /// The URL of the variant's image, which is added to the product if it is missing; `Some(None)` leaves the variant
    /// without an image of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cbor(n(4), with = "crate::codec::patch", has_nil)]
    pub image: Option<Option<String>>,
}
