//! The images of a product, and the variants that each of them shows.

use std::collections::{HashMap, HashSet};

use super::{
    ALT_CHARS_MAX, IMAGES_MAX, Image, ImageEdit, ProductEdit, ProductRejection, VARIANTS_MAX,
    details::Details,
    revise::{image_src_fits, invalid, single_line},
};
use crate::id::{Sku, VariantId};

impl Details {
    /// Returns the images after `edit`. `self` has the variants after the edit and the images before it; `named` are
    /// the variants in the edit, in its order.
    pub(super) fn pictured(&self, edit: &ProductEdit, named: &[VariantId]) -> Result<Vec<Image>, ProductRejection> {
        let mut images = match &edit.images {
            Some(images) => self.checked(images)?,
            None => self.fields.images.clone(),
        };
        for (index, (variant, &id)) in edit.variants.iter().zip(named).enumerate() {
            if let Some(picture) = &variant.image {
                give_picture(&mut images, id, picture.as_deref())
                    .map_err(|why| invalid(format!("/variants/{index}/image"), why))?;
            }
        }
        if images.len() > IMAGES_MAX {
            return Err(invalid("/images", "a product has at most 250 images"));
        }
        images.sort_by_key(|image| image.position);
        let places: HashMap<VariantId, usize> =
            self.variants.iter().enumerate().map(|(place, variant)| (variant.id, place)).collect();
        for (image, position) in images.iter_mut().zip(1..) {
            image.position = position;
            let mut shown = image.variants.take().unwrap_or_default();
            // Forget removed variants: one that is added later with the same id starts without images.
            shown.retain(|id| places.contains_key(id));
            shown.sort_by_key(|id| places.get(id));
            shown.dedup();
            image.variants = (!shown.is_empty()).then_some(shown);
        }
        Ok(images)
    }

    /// Checks the images of the input. A URL that is listed twice becomes one image, which shows the variants of both.
    fn checked(&self, images: &[ImageEdit]) -> Result<Vec<Image>, ProductRejection> {
        let skus: HashMap<&Sku, VariantId> = self.variants.iter().map(|variant| (&variant.sku, variant.id)).collect();
        let mut kept: Vec<Image> = Vec::with_capacity(images.len().min(IMAGES_MAX));
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (index, image) in images.iter().enumerate() {
            let (src, alt) = (image.src.trim(), single_line(&image.alt));
            if !image_src_fits(src) {
                return Err(invalid(format!("/images/{index}/src"), "must be an http(s) URL or a path on this server"));
            }
            if alt.chars().count() > ALT_CHARS_MAX {
                return Err(invalid(format!("/images/{index}/alt"), "must be at most 512 characters long"));
            }
            let shown = match &image.variants {
                Some(shown) => found(shown, &skus, index)?,
                None => self
                    .fields
                    .images
                    .iter()
                    .find(|known| known.src == src)
                    .and_then(|known| known.variants.clone())
                    .unwrap_or_default(),
            };
            match places.get(src) {
                Some(&place) => kept[place].variants.get_or_insert_default().extend(shown),
                None => {
                    places.insert(src, kept.len());
                    kept.push(Image { src: src.to_owned(), alt, position: image.position, variants: Some(shown) });
                }
            }
        }
        Ok(kept)
    }
}

/// Returns the variants with these SKUs.
fn found(shown: &[Sku], skus: &HashMap<&Sku, VariantId>, image: usize) -> Result<Vec<VariantId>, ProductRejection> {
    if shown.len() > VARIANTS_MAX {
        return Err(invalid(format!("/images/{image}/variant_skus"), "a product has at most 2,048 variants"));
    }
    let mut ids = Vec::with_capacity(shown.len());
    let mut known = HashSet::new();
    for (index, sku) in shown.iter().enumerate() {
        let id = skus.get(sku).copied();
        let pointer = || format!("/images/{image}/variant_skus/{index}");
        let id = id.ok_or_else(|| invalid(pointer(), "no variant of the product has this sku"))?;
        if known.insert(id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Makes the image at `src` the image of a variant. Without a URL, the variant gets no image of its own.
fn give_picture(images: &mut Vec<Image>, variant: VariantId, src: Option<&str>) -> Result<(), &'static str> {
    let has = images.iter().find(|image| image.shows(variant)).map(|image| image.src.as_str());
    // Keep the further images of the variant: a file states the first one only.
    if has == src {
        return Ok(());
    }
    for shown in images.iter_mut().filter_map(|image| image.variants.as_mut()) {
        shown.retain(|&id| id != variant);
    }
    let Some(src) = src else { return Ok(()) };
    if !image_src_fits(src) {
        return Err("must be an http(s) URL or a path on this server");
    }
    match images.iter_mut().find(|image| image.src == src) {
        Some(image) => image.variants.get_or_insert_default().push(variant),
        None => images.push(Image {
            src: src.to_owned(),
            alt: String::new(),
            position: u32::MAX,
            variants: Some(vec![variant]),
        }),
    }
    Ok(())
}
