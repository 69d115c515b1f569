//! The public view of a product. The product itself and its row fold the fields with the same code, and build the view
//! from them.

use std::collections::HashSet;

use super::{
    Change, Creation, Handle, Image, OptionView, ProductEvent, ProductView, SafeHtml, Status, Variant, VariantView,
};
use crate::{
    id::ProductId,
    money::{Currency, Money},
    time::Timestamp,
    view::View,
};

/// The fields of a product at one version, without its variants.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductFields {
    /// The name of the product in URLs.
    pub handle: Handle,
    /// The title.
    pub title: String,
    /// The description.
    pub description: SafeHtml,
    /// The vendor; may be empty.
    pub vendor: String,
    /// The product type; may be empty.
    pub product_type: String,
    /// The search tags.
    pub tags: Vec<String>,
    /// The images, ordered by position.
    pub images: Vec<Image>,
    /// The names of the options in which the variants differ.
    pub options: Vec<String>,
    /// Whether the product is in the shop.
    pub status: Status,
    /// The currency of the product's prices.
    pub currency: Currency,
    /// The version, incremented by each change.
    pub version: u64,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl ProductFields {
    /// Creates the blank version 0, to which the first change is applied.
    pub(super) fn blank(creation: &Creation, at: Timestamp) -> Self {
        Self {
            handle: creation.handle.clone(),
            title: String::new(),
            description: SafeHtml::default(),
            vendor: String::new(),
            product_type: String::new(),
            tags: Vec::new(),
            images: Vec::new(),
            options: Vec::new(),
            status: Status::Active,
            currency: creation.currency,
            version: 0,
            created_at: at,
            updated_at: at,
        }
    }

    /// Applies a change, except to the variants. The result is the next version.
    pub(super) fn apply(&mut self, change: &Change, at: Timestamp) {
        let Change { title, description, vendor, product_type, tags, images, options, status, removed: _, put: _ } =
            change;
        set(&mut self.title, title);
        set(&mut self.description, description);
        set(&mut self.vendor, vendor);
        set(&mut self.product_type, product_type);
        set(&mut self.tags, tags);
        set(&mut self.images, images);
        set(&mut self.options, options);
        set(&mut self.status, status);
        self.version += 1;
        self.updated_at = at;
    }

    /// Returns the product with these variants, which are in the order in which they were added.
    pub fn with_variants(self, product: ProductId, variants: Vec<Variant>) -> ProductView {
        let option = |(index, name): (usize, String)| {
            let mut known = HashSet::new();
            let values = variants.iter().filter_map(|variant| variant.options.get(index));
            let values = values.filter(|value| known.insert(value.as_str())).cloned().collect();
            OptionView { name, values }
        };
        let options = self.options.into_iter().enumerate().map(option).collect();
        let money = |amount| Money { amount, currency: self.currency };
        let variant = |variant: Variant| VariantView {
            title: variant.title(),
            id: variant.id,
            sku: variant.sku,
            options: variant.options,
            price: money(variant.price),
            compare_at: variant.compare_at.map(money),
        };
        ProductView {
            id: product,
            handle: self.handle,
            title: self.title,
            description: self.description,
            vendor: self.vendor,
            product_type: self.product_type,
            tags: self.tags,
            images: self.images,
            options,
            status: self.status,
            currency: self.currency,
            version: self.version,
            variants: variants.into_iter().map(variant).collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

impl View for ProductFields {
    type Event = ProductEvent;

    fn concerns(event: &ProductEvent) -> bool {
        match event {
            ProductEvent::Created { .. } | ProductEvent::Changed { .. } => true,
            // A product that waits for its SKUs is not listed, and a pending change is not shown.
            ProductEvent::Asked { .. }
            | ProductEvent::SkuAdopted { .. }
            | ProductEvent::SkuRefused { .. }
            | ProductEvent::Refused { .. }
            | ProductEvent::SkuDisowned { .. } => false,
        }
    }

    fn fold(view: &mut Option<Self>, event: &ProductEvent) {
        match event {
            ProductEvent::Created { creation, change, processed, .. } => {
                let mut fields = Self::blank(creation, processed.at);
                fields.apply(change, processed.at);
                *view = Some(fields);
            }
            ProductEvent::Changed { change, processed, .. } => {
                if let Some(fields) = view {
                    fields.apply(change, processed.at);
                }
            }
            _ => {}
        }
    }
}
