//! What people and files want of a product.

use serde::Serialize;

use super::{Handle, SafeHtml, Status};
#[cfg(doc)]
use super::{IMAGES_MAX, OPTIONS_MAX, TAGS_MAX, TEXT_CHARS_MAX, VARIANTS_MAX, derived_sku};
use crate::{
    id::{Sku, VariantId},
    money::Currency,
};

/// A product that someone makes by hand. Texts are trimmed, and their control characters become spaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewProduct {
    /// Its name in URLs. Never changes.
    pub handle: Handle,
    /// What it is called: 1 to [`TEXT_CHARS_MAX`] characters.
    pub title: String,
    /// What is said of it.
    pub description: SafeHtml,
    /// Who makes it; may be empty.
    pub vendor: String,
    /// What kind of thing it is; may be empty.
    pub product_type: String,
    /// Words to find it by: at most [`TAGS_MAX`], without commas. Repeated ones count once.
    pub tags: Vec<String>,
    /// How it looks, at most [`IMAGES_MAX`]; ordered and numbered by `position`.
    pub images: Vec<ImageEdit>,
    /// What its variants differ in, at most [`OPTIONS_MAX`] different names. None for a product with one variant.
    pub options: Vec<String>,
    /// Whether it is in the shop.
    pub status: Status,
    /// The currency of all its prices. Never changes.
    pub currency: Currency,
    /// 1 to [`VARIANTS_MAX`] variants.
    pub variants: Vec<NewVariant>,
}

/// A variant of a product that someone makes by hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewVariant {
    /// What is counted. `None`: [`derived_sku`].
    pub sku: Option<Sku>,
    /// A value for each of the product's options, in their order.
    pub options: Vec<String>,
    /// Minor units, not negative.
    pub price: i64,
    /// What it costs elsewhere, in minor units, for show.
    pub compare_at: Option<i64>,
}

/// Changes of a product; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProductEdit {
    /// What it is called.
    pub title: Option<String>,
    /// What is said of it.
    pub description: Option<SafeHtml>,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is.
    pub product_type: Option<String>,
    /// All its tags.
    pub tags: Option<Vec<String>>,
    /// All its images.
    pub images: Option<Vec<ImageEdit>>,
    /// The names of its options. Another number of them needs new values for every variant.
    pub options: Option<Vec<String>>,
    /// Whether it is in the shop.
    pub status: Option<Status>,
    /// The currency that the prices in `variants` were said in; it must be the product's.
    pub currency: Option<Currency>,
    /// Changes of variants, and new ones; those that are not named stay.
    pub variants: Vec<VariantEdit>,
    /// Variants that go.
    pub remove: Vec<VariantId>,
}

/// An image as someone wants it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageEdit {
    /// Its address: `https://…`, `http://…`, or a path on this server.
    pub src: String,
    /// What it shows, in words; may be empty.
    pub alt: String,
    /// Its place among the others.
    pub position: u32,
    /// The SKUs of the variants that it shows, as the change leaves them. `None`: those that it shows already.
    // Newer than the fingerprints of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Sku>>,
}

/// Changes of one variant, or a new one; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VariantEdit {
    /// Which. `None`: a new one, which needs a price, and values if the product has options.
    pub id: Option<VariantId>,
    /// What is counted. A new variant without one gets [`derived_sku`].
    pub sku: Option<Sku>,
    /// A value for each of the product's options.
    pub options: Option<Vec<String>>,
    /// Minor units, not negative.
    pub price: Option<i64>,
    /// What it costs elsewhere; `Some(None)` takes it away.
    pub compare_at: Option<Option<i64>>,
    /// The address of its picture, which the product gets if it has not; `Some(None)`: it has none of its own.
    // Newer than the fingerprints of earlier versions, like the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Option<String>>,
}

/// What a file says of one product. `None` is what the file has no column for: it stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportChange {
    /// Which product.
    pub handle: Handle,
    /// What it is called. A product that does not exist yet needs one.
    pub title: Option<String>,
    /// What is said of it.
    pub description: Option<SafeHtml>,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is.
    pub product_type: Option<String>,
    /// All its tags.
    pub tags: Option<Vec<String>>,
    /// Its images.
    pub images: ImageChange,
    /// The names of its options.
    pub options: Option<Vec<String>>,
    /// Whether it is in the shop. A new product without it is active.
    pub status: Option<Status>,
    /// Variants, known by their option values: those that the product has are changed, others are new, and those that
    /// are not named stay.
    pub variants: Vec<ImportVariant>,
}

impl ImportChange {
    /// A change that says nothing yet.
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

/// What a file says of a product's images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ImageChange {
    /// Nothing.
    Keep,
    /// These are all.
    Replace(Vec<ImageEdit>),
    /// These too. One that the product has already gets the new text.
    Add(Vec<ImageEdit>),
}

/// What a file says of one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportVariant {
    /// Its option values: with the handle, what it is known by. None for a product without options.
    pub options: Vec<String>,
    /// What is counted. `None`: what the variant has, or [`derived_sku`] when it is new.
    pub sku: Option<Sku>,
    /// Minor units. A new variant needs it.
    pub price: Option<i64>,
    /// What it costs elsewhere; `Some(None)` takes it away.
    pub compare_at: Option<Option<i64>>,
    /// The address of its picture, which the product gets if it has not; `Some(None)`: it has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Option<String>>,
}
