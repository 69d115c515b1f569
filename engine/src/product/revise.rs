//! Turns the input of a command into the checked differences from the current version.

use std::collections::{HashMap, HashSet};

use super::{
    Change, IMAGE_SRC_CHARS_MAX, Image, ImageChange, ImageEdit, ImportChange, ImportVariant, NewProduct, OPTIONS_MAX,
    PRODUCT_BYTES_MAX, ProductEdit, ProductRejection, TAGS_MAX, TEXT_CHARS_MAX, VARIANTS_MAX, Variant, VariantEdit,
    derived_sku, details::Details, variant_id,
};
use crate::{
    id::VariantId,
    money::{AMOUNT_MAX, Currency},
};

/// The option name and value that Shopify writes for a product without options.
pub(crate) const NO_OPTION: (&str, &str) = ("Title", "Default Title");

/// Trims `text` and replaces its control characters with spaces. All single-line texts are stored in this form.
pub fn single_line(text: &str) -> String {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    trimmed.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether `src` is a valid image URL: `http(s)://…` or a path on this server, without white space, at most
/// [`IMAGE_SRC_CHARS_MAX`] characters.
pub fn image_src_fits(src: &str) -> bool {
    let after = |scheme: &str| {
        let (begin, place) = src.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(place)
    };
    let place = after("https://").or_else(|| after("http://"));
    let known = place.is_some_and(|place| !place.is_empty()) || (src.starts_with('/') && !src.starts_with("//"));
    known
        && src.chars().count() <= IMAGE_SRC_CHARS_MAX
        && !src.chars().any(|c| c.is_whitespace() || c.is_control() || "\"<>\\".contains(c))
}

pub(super) fn invalid(pointer: impl Into<String>, why: &'static str) -> ProductRejection {
    ProductRejection::Invalid { pointer: pointer.into(), why: why.into() }
}

impl NewProduct {
    /// Returns the input as an edit of a blank product.
    pub(super) fn as_edit(&self) -> ProductEdit {
        let variants = self.variants.iter().map(|variant| VariantEdit {
            id: None,
            sku: variant.sku.clone(),
            options: Some(variant.options.clone()),
            price: Some(variant.price),
            compare_at: Some(variant.compare_at),
            image: None,
        });
        ProductEdit {
            title: Some(self.title.clone()),
            description: Some(self.description.clone()),
            vendor: Some(self.vendor.clone()),
            product_type: Some(self.product_type.clone()),
            tags: Some(self.tags.clone()),
            images: Some(self.images.clone()),
            options: Some(self.options.clone()),
            status: Some(self.status),
            currency: Some(self.currency),
            variants: variants.collect(),
            remove: Vec::new(),
        }
    }
}

impl ImportChange {
    /// Returns the import as an edit of `base`, whose variants are matched by their option values.
    pub(super) fn as_edit(&self, base: &Details, currency: Currency) -> ProductEdit {
        let by_options: HashMap<&[String], VariantId> =
            base.variants.iter().map(|variant| (variant.options.as_slice(), variant.id)).collect();
        let variants = self.variants.iter().map(|variant| {
            let options = variant.options.iter().map(|value| single_line(value)).collect::<Vec<_>>();
            let id = by_options.get(options.as_slice()).copied();
            let options = if id.is_some() { None } else { Some(options) };
            let ImportVariant { sku, price, compare_at, image, .. } = variant.clone();
            VariantEdit { id, sku, options, price, compare_at, image }
        });
        ProductEdit {
            title: self.title.clone(),
            description: self.description.clone(),
            vendor: self.vendor.clone(),
            product_type: self.product_type.clone(),
            tags: self.tags.clone(),
            images: match &self.images {
                ImageChange::Keep => None,
                ImageChange::Replace(images) => Some(images.clone()),
                ImageChange::Add(more) => Some(with_more_images(&base.fields.images, more)),
            },
            options: self.options.clone(),
            status: self.status,
            currency: Some(currency),
            variants: variants.collect(),
            remove: Vec::new(),
        }
    }
}

fn with_more_images(known: &[Image], more: &[ImageEdit]) -> Vec<ImageEdit> {
    let again = |image: &Image| {
        let Image { src, alt, position, variants: _ } = image.clone();
        ImageEdit { src, alt, position, variants: None }
    };
    let mut images: Vec<_> = known.iter().map(again).collect();
    for image in more {
        match images.iter_mut().find(|known| known.src == image.src) {
            Some(known) => known.alt = image.alt.clone(),
            None => images.push(ImageEdit { position: u32::MAX, ..image.clone() }),
        }
    }
    images
}

impl Details {
    /// Checks `edit` and returns what it changes of this version, without values that stay the same, and the variants
    /// that it mentions, in its order.
    pub(super) fn revise(&self, edit: &ProductEdit) -> Result<(Change, Vec<VariantId>), ProductRejection> {
        let edit = &without_default_title(edit);
        let options = edit.options.as_ref().map(|names| check_options(names)).transpose()?;
        let mut change = Change {
            title: differing(&self.fields.title, check_text("/title", &edit.title)?),
            description: differing(&self.fields.description, edit.description.clone()),
            vendor: differing(&self.fields.vendor, check_text("/vendor", &edit.vendor)?),
            product_type: differing(&self.fields.product_type, check_text("/type", &edit.product_type)?),
            tags: differing(&self.fields.tags, edit.tags.as_ref().map(|tags| check_tags(tags)).transpose()?),
            images: None,
            options: differing(&self.fields.options, options),
            status: differing(&self.fields.status, edit.status),
            removed: Vec::new(),
            put: Vec::new(),
        };
        for id in &edit.remove {
            self.variant(*id).ok_or(ProductRejection::VariantNotFound)?;
            if !change.removed.contains(id) {
                change.removed.push(*id);
            }
        }
        let named = self.revise_variants(edit, &mut change)?;
        let mut next = self.with(&change, self.fields.updated_at);
        change.images = differing(&self.fields.images, Some(next.pictured(edit, &named)?));
        if let Some(images) = &change.images {
            next.fields.images.clone_from(images);
        }
        next.check(&named)?;
        // Unchanged variants were put for the checks only.
        change.put.retain(|variant| change.removed.contains(&variant.id) || self.variant(variant.id) != Some(variant));
        Ok((change, named))
    }

    fn revise_variants(&self, edit: &ProductEdit, change: &mut Change) -> Result<Vec<VariantId>, ProductRejection> {
        if edit.variants.len() > VARIANTS_MAX {
            return Err(invalid("/variants", "a product has at most 2,048 variants"));
        }
        let priced =
            edit.variants.iter().any(|variant| variant.price.is_some() || matches!(variant.compare_at, Some(Some(_))));
        if priced && edit.currency.is_some_and(|currency| currency != self.fields.currency) {
            return Err(ProductRejection::OtherCurrency { currency: self.fields.currency });
        }
        let kept = self.variants.iter().map(|variant| variant.id).filter(|id| !change.removed.contains(id));
        let mut ids: HashSet<VariantId> = kept.collect();
        let mut named = HashSet::new();
        for (index, input) in edit.variants.iter().enumerate() {
            let at = |field: &str| format!("/variants/{index}{field}");
            let values = input.options.as_ref().map(|values| check_values(&at("/options"), values)).transpose()?;
            let mut variant = match input.id {
                Some(id) if ids.contains(&id) => self.variant(id).ok_or(ProductRejection::VariantNotFound)?.clone(),
                Some(_) => return Err(ProductRejection::VariantNotFound),
                None => {
                    let options = values.clone().unwrap_or_default();
                    let mut tries = (0..).map(|taken| variant_id(self.product, &options, taken));
                    let id = tries.find(|id| !ids.contains(id)).expect("fewer variants than numbers");
                    let price = input.price.ok_or_else(|| invalid(at("/price"), "is required for a new variant"))?;
                    Variant { id, sku: derived_sku(&self.fields.handle, &options), options, price, compare_at: None }
                }
            };
            if !named.insert(variant.id) {
                return Err(invalid(at("/id"), "is duplicated"));
            }
            ids.insert(variant.id);
            variant.options = values.unwrap_or(variant.options);
            variant.sku = input.sku.clone().unwrap_or(variant.sku);
            variant.price = input.price.unwrap_or(variant.price);
            variant.compare_at = input.compare_at.unwrap_or(variant.compare_at);
            check_amount(&at("/price"), Some(variant.price))?;
            check_amount(&at("/compare_at_price"), variant.compare_at)?;
            change.put.push(variant);
        }
        Ok(change.put.iter().map(|variant| variant.id).collect())
    }

    /// Checks that the parts fit each other. `named` are the variants in the request, so that an error points to one of
    /// them.
    fn check(&self, named: &[VariantId]) -> Result<(), ProductRejection> {
        let places: HashMap<VariantId, usize> = named.iter().enumerate().map(|(index, &id)| (id, index)).collect();
        let at = |id: VariantId, field: &str| match places.get(&id) {
            Some(index) => format!("/variants/{index}{field}"),
            None => field.to_owned(),
        };
        if self.fields.title.is_empty() {
            return Err(invalid("/title", "a product requires a title"));
        }
        if self.variants.is_empty() {
            return Err(invalid("/variants", "a product requires at least one variant"));
        }
        if self.variants.len() > VARIANTS_MAX {
            return Err(invalid("/variants", "a product has at most 2,048 variants"));
        }
        let (mut values, mut skus) = (HashMap::new(), HashMap::new());
        for variant in &self.variants {
            if variant.options.len() != self.fields.options.len() {
                return Err(invalid(
                    at(variant.id, "/options"),
                    "each variant requires one value for each option of the product",
                ));
            }
            if *self.fields.options == [NO_OPTION.0] && variant.options == [NO_OPTION.1] {
                return Err(invalid(at(variant.id, "/options"), "this title is reserved for products without options"));
            }
            let other = values.insert(&variant.options, variant.id);
            // Of the two variants, point to the one that the request mentions.
            if let Some(other) = other {
                let newcomer = if places.contains_key(&variant.id) { variant.id } else { other };
                return Err(invalid(at(newcomer, "/options"), "another variant has these values"));
            }
            if skus.insert(&variant.sku, variant.id).is_some() {
                return Err(ProductRejection::SkuTaken { sku: variant.sku.clone(), product: self.product });
            }
        }
        if self.bytes() > PRODUCT_BYTES_MAX {
            return Err(invalid("", "a product has at most three megabytes of text"));
        }
        Ok(())
    }
}

/// Treats a product with the one option `Title` and the one value `Default Title` as a product without options, which
/// is what Shopify means by it.
fn without_default_title(edit: &ProductEdit) -> ProductEdit {
    let mut edit = edit.clone();
    let named = edit
        .options
        .as_ref()
        .is_some_and(|names| matches!(names.as_slice(), [name] if single_line(name) == NO_OPTION.0));
    if let ([variant], true) = (edit.variants.as_mut_slice(), named)
        && matches!(variant.options.as_deref(), Some([value]) if single_line(value) == NO_OPTION.1)
    {
        variant.options = Some(Vec::new());
        edit.options = Some(Vec::new());
    }
    edit
}

fn differing<T: PartialEq>(known: &T, input: Option<T>) -> Option<T> {
    input.filter(|input| input != known)
}

fn check_line(pointer: &str, text: &str) -> Result<String, ProductRejection> {
    let line = single_line(text);
    if line.chars().count() > TEXT_CHARS_MAX {
        return Err(invalid(pointer, "must be at most 255 characters long"));
    }
    Ok(line)
}

fn check_text(pointer: &str, text: &Option<String>) -> Result<Option<String>, ProductRejection> {
    text.as_ref().map(|text| check_line(pointer, text)).transpose()
}

fn check_tags(tags: &[String]) -> Result<Vec<String>, ProductRejection> {
    let mut kept: Vec<String> = Vec::with_capacity(tags.len().min(TAGS_MAX));
    for (index, tag) in tags.iter().enumerate() {
        let pointer = format!("/tags/{index}");
        let tag = check_line(&pointer, tag)?;
        if tag.is_empty() || tag.contains(',') {
            return Err(invalid(pointer, "a tag must not be empty or contain a comma"));
        }
        if kept.contains(&tag) {
            continue;
        }
        if kept.len() == TAGS_MAX {
            return Err(invalid("/tags", "a product has at most 250 tags"));
        }
        kept.push(tag);
    }
    Ok(kept)
}

fn check_options(names: &[String]) -> Result<Vec<String>, ProductRejection> {
    if names.len() > OPTIONS_MAX {
        return Err(invalid("/options", "a product has at most 3 options"));
    }
    let names = check_values("/options", names)?;
    if names.iter().collect::<HashSet<_>>().len() < names.len() {
        return Err(invalid("/options", "two options have the same name"));
    }
    Ok(names)
}

fn check_values(pointer: &str, values: &[String]) -> Result<Vec<String>, ProductRejection> {
    let values = values.iter().map(|value| check_line(pointer, value)).collect::<Result<Vec<_>, _>>()?;
    if values.len() > OPTIONS_MAX || values.iter().any(String::is_empty) {
        return Err(invalid(pointer, "must be at most 3 values, none of them empty"));
    }
    Ok(values)
}

fn check_amount(pointer: &str, amount: Option<i64>) -> Result<(), ProductRejection> {
    match amount {
        Some(amount) if !(0..=AMOUNT_MAX).contains(&amount) => {
            Err(invalid(pointer, "must be between 0 and 9007199254740991 minor units"))
        }
        _ => Ok(()),
    }
}
