//! What is said of a product, at one version.

use std::collections::HashSet;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use super::{Creation, Handle, OptionValue, Quote, SafeHtml};
use crate::{
    id::{ProductId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    time::Timestamp,
};

/// Whether a product is in the shop.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Status {
    /// Everyone sees it and can buy it.
    #[default]
    #[n(0)]
    Active,
    /// Only the merchant sees it.
    #[n(1)]
    Draft,
    /// It was in the shop, or is deleted.
    #[n(2)]
    Archived,
}

/// A picture of a product.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite)]
pub struct Image {
    /// Its address: `https://…`, `http://…`, or a path on this server.
    #[n(0)]
    pub src: String,
    /// What it shows, in words; may be empty.
    #[n(1)]
    pub alt: String,
    /// Its place, from 1 on.
    #[n(2)]
    pub position: u32,
    /// The variants that it shows, in their order. `None`: no one in particular.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<VariantId>>,
}

impl Image {
    /// Whether it is a picture of this variant.
    pub fn shows(&self, variant: VariantId) -> bool {
        self.variants.as_ref().is_some_and(|variants| variants.contains(&variant))
    }
}

/// A variant of a product: what has a SKU and a price.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Variant {
    /// Its id.
    #[n(0)]
    pub id: VariantId,
    /// What is counted.
    #[n(1)]
    pub sku: Sku,
    /// A value for each of the product's options.
    #[n(2)]
    pub options: Vec<String>,
    /// Minor units of the product's currency.
    #[n(3)]
    pub price: i64,
    /// What it costs elsewhere.
    #[n(4)]
    pub compare_at: Option<i64>,
}

impl Variant {
    /// Its option values in one line. Empty when the product has no options.
    pub fn title(&self) -> String {
        self.options.join(" / ")
    }

    fn bytes(&self) -> usize {
        32 + self.sku.as_str().len() + self.options.iter().map(|value| value.len() + 2).sum::<usize>()
    }
}

/// How one version of a product differs from the one before; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Change {
    /// What it is called.
    #[n(0)]
    pub title: Option<String>,
    /// What is said of it.
    #[n(1)]
    pub description: Option<SafeHtml>,
    /// Who makes it.
    #[n(2)]
    pub vendor: Option<String>,
    /// What kind of thing it is.
    #[n(3)]
    pub product_type: Option<String>,
    /// All its tags.
    #[n(4)]
    pub tags: Option<Vec<String>>,
    /// All its images.
    #[n(5)]
    pub images: Option<Vec<Image>>,
    /// The names of its options.
    #[n(6)]
    pub options: Option<Vec<String>>,
    /// Whether it is in the shop.
    #[n(7)]
    pub status: Option<Status>,
    /// Variants that go, before any comes.
    #[n(8)]
    pub removed: Vec<VariantId>,
    /// Variants that take the place of the one with their id, or come last.
    #[n(9)]
    pub put: Vec<Variant>,
}

/// A product at one version.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sheet {
    pub(super) tenant: TenantId,
    pub(super) product: ProductId,
    pub(super) handle: Handle,
    pub(super) currency: Currency,
    pub(super) title: String,
    pub(super) description: SafeHtml,
    pub(super) vendor: String,
    pub(super) product_type: String,
    pub(super) tags: Vec<String>,
    pub(super) images: Vec<Image>,
    pub(super) options: Vec<String>,
    pub(super) status: Status,
    pub(super) variants: Vec<Variant>,
    pub(super) version: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl Sheet {
    /// A product of which nothing is said yet: what its creation changes.
    pub(super) fn blank(creation: &Creation, at: Timestamp) -> Self {
        Self {
            tenant: creation.tenant.clone(),
            product: creation.product,
            handle: creation.handle.clone(),
            currency: creation.currency,
            title: String::new(),
            description: SafeHtml::default(),
            vendor: String::new(),
            product_type: String::new(),
            tags: Vec::new(),
            images: Vec::new(),
            options: Vec::new(),
            status: Status::Active,
            variants: Vec::new(),
            version: 0,
            created_at: at,
            updated_at: at,
        }
    }

    /// The next version.
    pub(super) fn with(&self, change: &Change, at: Timestamp) -> Self {
        let Change { title, description, vendor, product_type, tags, images, options, status, removed, put } = change;
        let mut next = self.clone();
        set(&mut next.title, title);
        set(&mut next.description, description);
        set(&mut next.vendor, vendor);
        set(&mut next.product_type, product_type);
        set(&mut next.tags, tags);
        set(&mut next.images, images);
        set(&mut next.options, options);
        set(&mut next.status, status);
        next.variants.retain(|variant| !removed.contains(&variant.id));
        for variant in put {
            match next.variants.iter_mut().find(|known| known.id == variant.id) {
                Some(known) => *known = variant.clone(),
                None => next.variants.push(variant.clone()),
            }
        }
        next.version += 1;
        next.updated_at = at;
        next
    }

    pub(super) fn variant(&self, id: VariantId) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.id == id)
    }

    /// Roughly what it takes, in memory, in an event and in a snapshot.
    pub(super) fn bytes(&self) -> usize {
        let texts = [self.handle.as_str(), &self.title, self.description.as_str(), &self.vendor, &self.product_type];
        let lists = self.tags.iter().chain(&self.options);
        128 + texts.iter().map(|text| text.len()).sum::<usize>()
            + lists.map(|text| text.len() + 2).sum::<usize>()
            + self.images.iter().map(|image| image.src.len() + image.alt.len() + 8).sum::<usize>()
            + self.images.iter().flat_map(|image| &image.variants).map(|variants| variants.len() * 17).sum::<usize>()
            + self.variants.iter().map(Variant::bytes).sum::<usize>()
    }

    fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.currency }
    }

    pub(super) fn quote(&self, variant: &Variant) -> Quote {
        Quote {
            product: self.product,
            variant: variant.id,
            sku: variant.sku.clone(),
            title: self.title.clone(),
            variant_title: variant.title(),
            price: self.money(variant.price),
            compare_at: variant.compare_at.map(|amount| self.money(amount)),
            image: (self.images.iter().find(|image| image.shows(variant.id)))
                .or(self.images.first())
                .map(|image| image.src.clone()),
            options: self
                .options
                .iter()
                .zip(&variant.options)
                .map(|(name, value)| OptionValue { name: name.clone(), value: value.clone() })
                .collect(),
        }
    }

    pub(super) fn view(&self) -> ProductView {
        let variants = self.variants.iter().map(|variant| VariantView {
            id: variant.id,
            sku: variant.sku.clone(),
            title: variant.title(),
            options: variant.options.clone(),
            price: self.money(variant.price),
            compare_at: variant.compare_at.map(|amount| self.money(amount)),
        });
        ProductView {
            id: self.product,
            handle: self.handle.clone(),
            title: self.title.clone(),
            description: self.description.clone(),
            vendor: self.vendor.clone(),
            product_type: self.product_type.clone(),
            tags: self.tags.clone(),
            images: self.images.clone(),
            options: self.options.iter().enumerate().map(|(index, name)| self.option_view(index, name)).collect(),
            status: self.status,
            currency: self.currency,
            version: self.version,
            variants: variants.collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn option_view(&self, index: usize, name: &str) -> OptionView {
        let mut known = HashSet::new();
        let values = self.variants.iter().filter_map(|variant| variant.options.get(index));
        let values = values.filter(|value| known.insert(value.as_str())).cloned().collect();
        OptionView { name: name.to_owned(), values }
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        *field = value.clone();
    }
}

/// A product as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductView {
    /// Its id.
    pub id: ProductId,
    /// Its name in URLs.
    pub handle: Handle,
    /// What it is called.
    pub title: String,
    /// What is said of it.
    pub description: SafeHtml,
    /// Who makes it; may be empty.
    pub vendor: String,
    /// What kind of thing it is; may be empty.
    pub product_type: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// How it looks, by position.
    pub images: Vec<Image>,
    /// What its variants differ in. None for a product with one variant.
    pub options: Vec<OptionView>,
    /// Whether it is in the shop.
    pub status: Status,
    /// The currency of its prices.
    pub currency: Currency,
    /// Raised by each change.
    pub version: u64,
    /// Its variants, in the order they came; at least one.
    pub variants: Vec<VariantView>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl ProductView {
    /// The SKUs of the variants that an image shows, in their order.
    pub fn skus_of(&self, image: &Image) -> Vec<Sku> {
        let Some(shown) = &image.variants else { return Vec::new() };
        let shown: HashSet<VariantId> = shown.iter().copied().collect();
        self.variants.iter().filter(|variant| shown.contains(&variant.id)).map(|variant| variant.sku.clone()).collect()
    }

    /// The first picture of a variant, if it has one of its own.
    pub fn picture_of(&self, variant: VariantId) -> Option<&Image> {
        self.images.iter().find(|image| image.shows(variant))
    }
}

/// What variants differ in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptionView {
    /// Its name: size, colour, …
    pub name: String,
    /// The values that variants have, in the order they came.
    pub values: Vec<String>,
}

/// A variant as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantView {
    /// Its id.
    pub id: VariantId,
    /// What is counted.
    pub sku: Sku,
    /// Its option values in one line; empty when the product has no options.
    pub title: String,
    /// A value for each of the product's options.
    pub options: Vec<String>,
    /// For how much.
    pub price: Money,
    /// What it costs elsewhere.
    pub compare_at: Option<Money>,
}
