//! The fields of a product at one version.

use std::collections::HashSet;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use super::{Creation, Handle, OptionValue, ProductFields, Quote, SafeHtml};
use crate::{
    id::{ProductId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    time::Timestamp,
};

/// The status of a product in the shop.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Status {
    /// Visible to everyone and for sale.
    #[default]
    #[n(0)]
    Active,
    /// Visible to the merchant only.
    #[n(1)]
    Draft,
    /// Removed from the shop, or deleted.
    #[n(2)]
    Archived,
}

/// An image of a product.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite)]
pub struct Image {
    /// The URL: `https://…`, `http://…`, or a path on this server.
    #[n(0)]
    pub src: String,
    /// The alternative text; may be empty.
    #[n(1)]
    pub alt: String,
    /// The position among the images, from 1.
    #[n(2)]
    pub position: u32,
    /// The variants that the image shows, in the product's order. `None`: no particular variant.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<VariantId>>,
}

impl Image {
    /// Whether the image shows this variant.
    pub fn shows(&self, variant: VariantId) -> bool {
        self.variants.as_ref().is_some_and(|variants| variants.contains(&variant))
    }
}

/// A variant of a product: the unit that has a SKU and a price.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Variant {
    /// The id of the variant.
    #[n(0)]
    pub id: VariantId,
    /// The SKU.
    #[n(1)]
    pub sku: Sku,
    /// A value for each of the product's options.
    #[n(2)]
    pub options: Vec<String>,
    /// The price, in minor units of the product's currency.
    #[n(3)]
    pub price: i64,
    /// The compare-at price, in minor units.
    #[n(4)]
    pub compare_at: Option<i64>,
}

impl Variant {
    /// Returns the option values in one line. Empty when the product has no options.
    pub fn title(&self) -> String {
        self.options.join(" / ")
    }

    fn bytes(&self) -> usize {
        32 + self.sku.as_str().len() + self.options.iter().map(|value| value.len() + 2).sum::<usize>()
    }
}

/// The difference between one version of a product and the version before; fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Change {
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
    pub images: Option<Vec<Image>>,
    /// The names of the options.
    #[n(6)]
    pub options: Option<Vec<String>>,
    /// Whether the product is in the shop.
    #[n(7)]
    pub status: Option<Status>,
    /// The variants to remove, before any is added.
    #[n(8)]
    pub removed: Vec<VariantId>,
    /// The variants to put: each replaces the variant with its id, or is appended.
    #[n(9)]
    pub put: Vec<Variant>,
}

/// A product at one version.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Details {
    pub(super) tenant: TenantId,
    pub(super) product: ProductId,
    pub(super) fields: ProductFields,
    pub(super) variants: Vec<Variant>,
}

impl Details {
    /// Creates the blank version 0, to which the first change is applied.
    pub(super) fn blank(creation: &Creation, at: Timestamp) -> Self {
        Self {
            tenant: creation.tenant.clone(),
            product: creation.product,
            fields: ProductFields::blank(creation, at),
            variants: Vec::new(),
        }
    }

    /// Returns the next version: this one with the change applied.
    pub(super) fn with(&self, change: &Change, at: Timestamp) -> Self {
        let mut next = self.clone();
        next.fields.apply(change, at);
        next.variants.retain(|variant| !change.removed.contains(&variant.id));
        for variant in &change.put {
            match next.variants.iter_mut().find(|known| known.id == variant.id) {
                Some(known) => *known = variant.clone(),
                None => next.variants.push(variant.clone()),
            }
        }
        next
    }

    pub(super) fn variant(&self, id: VariantId) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.id == id)
    }

    /// The approximate size in bytes, in memory, in an event and in a snapshot.
    pub(super) fn bytes(&self) -> usize {
        let fields = &self.fields;
        let texts =
            [fields.handle.as_str(), &fields.title, fields.description.as_str(), &fields.vendor, &fields.product_type];
        let lists = fields.tags.iter().chain(&fields.options);
        128 + texts.iter().map(|text| text.len()).sum::<usize>()
            + lists.map(|text| text.len() + 2).sum::<usize>()
            + self.fields.images.iter().map(|image| image.src.len() + image.alt.len() + 8).sum::<usize>()
            + self
                .fields
                .images
                .iter()
                .flat_map(|image| &image.variants)
                .map(|variants| variants.len() * 17)
                .sum::<usize>()
            + self.variants.iter().map(Variant::bytes).sum::<usize>()
    }

    fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.fields.currency }
    }

    pub(super) fn quote(&self, variant: &Variant) -> Quote {
        Quote {
            product: self.product,
            variant: variant.id,
            sku: variant.sku.clone(),
            title: self.fields.title.clone(),
            variant_title: variant.title(),
            price: self.money(variant.price),
            compare_at: variant.compare_at.map(|amount| self.money(amount)),
            image: (self.fields.images.iter().find(|image| image.shows(variant.id)))
                .or(self.fields.images.first())
                .map(|image| image.src.clone()),
            options: self
                .fields
                .options
                .iter()
                .zip(&variant.options)
                .map(|(name, value)| OptionValue { name: name.clone(), value: value.clone() })
                .collect(),
        }
    }

    pub(super) fn view(&self) -> ProductView {
        self.fields.clone().with_variants(self.product, self.variants.clone())
    }
}

/// A product as shown to merchants and buyers.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ProductView {
    /// The id of the product.
    #[n(0)]
    pub id: ProductId,
    /// The name of the product in URLs.
    #[n(1)]
    pub handle: Handle,
    /// The title.
    #[n(2)]
    pub title: String,
    /// The description.
    #[n(3)]
    pub description: SafeHtml,
    /// The vendor; may be empty.
    #[n(4)]
    pub vendor: String,
    /// The product type; may be empty.
    #[n(5)]
    pub product_type: String,
    /// The search tags.
    #[n(6)]
    pub tags: Vec<String>,
    /// The images, ordered by position.
    #[n(7)]
    pub images: Vec<Image>,
    /// The options in which the variants differ. Empty for a product with one variant.
    #[n(8)]
    pub options: Vec<OptionView>,
    /// Whether the product is in the shop.
    #[n(9)]
    pub status: Status,
    /// The currency of the product's prices.
    #[n(10)]
    pub currency: Currency,
    /// The version, incremented by each change.
    #[n(11)]
    pub version: u64,
    /// The variants, in the order in which they were added; at least one.
    #[n(12)]
    pub variants: Vec<VariantView>,
    /// The time of creation.
    #[n(13)]
    pub created_at: Timestamp,
    /// The time of the last change.
    #[n(14)]
    pub updated_at: Timestamp,
}

impl ProductView {
    /// Returns the SKUs of the variants that an image shows, in the product's order.
    pub fn skus_of(&self, image: &Image) -> Vec<Sku> {
        let Some(shown) = &image.variants else { return Vec::new() };
        let shown: HashSet<VariantId> = shown.iter().copied().collect();
        self.variants.iter().filter(|variant| shown.contains(&variant.id)).map(|variant| variant.sku.clone()).collect()
    }

    /// Returns the first image that shows a variant, if there is one.
    pub fn picture_of(&self, variant: VariantId) -> Option<&Image> {
        self.images.iter().find(|image| image.shows(variant))
    }
}

/// An option in which variants differ.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct OptionView {
    /// The name of the option: size, colour, …
    #[n(0)]
    pub name: String,
    /// The values that the variants have, in the order in which they first appear.
    #[n(1)]
    pub values: Vec<String>,
}

/// A variant as shown to merchants and buyers.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct VariantView {
    /// The id of the variant.
    #[n(0)]
    pub id: VariantId,
    /// The SKU.
    #[n(1)]
    pub sku: Sku,
    /// The option values in one line; empty when the product has no options.
    #[n(2)]
    pub title: String,
    /// A value for each of the product's options.
    #[n(3)]
    pub options: Vec<String>,
    /// The price of one unit.
    #[n(4)]
    pub price: Money,
    /// The compare-at price.
    #[n(5)]
    pub compare_at: Option<Money>,
}
