//! The request bodies of products. The product itself validates its texts.

use engine::{
    aggregate::EXPLICIT_NULL,
    id::{Sku, VariantId},
    money::Currency,
    product::{
        Handle, IMAGES_MAX, ImageEdit, NewProduct, NewVariant, ProductEdit, SafeHtml, Status, VARIANTS_MAX, VariantEdit,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Problem,
    ops::openapi::Refinement,
    problem::{Faults, FieldCode, all_of},
    wire::{IdSchema, MoneyWire, PriceSchema, SkuSchema, price_in, read_sku},
};

/// A new product.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProduct)]
pub(crate) struct NewProductBody {
    /// The name in URLs: lower-case letters, digits, `-` and `_`. The default is derived from the title.
    #[schema(min_length = 1, max_length = 255)]
    handle: Option<String>,
    /// The title.
    #[schema(min_length = 1, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    title: String,
    /// The description, as HTML. Active content is removed.
    #[schema(max_length = 524_288)]
    description_html: Option<String>,
    /// The vendor.
    #[schema(max_length = 255)]
    vendor: Option<String>,
    /// The product type.
    #[serde(rename = "type")]
    #[schema(max_length = 255)]
    kind: Option<String>,
    /// Tags for search, without commas.
    #[schema(max_items = 250, max_length = 255, pattern = "^[^,]*[^,\\s\\u0000-\\u001f\\u007f-\\u009f][^,]*$")]
    tags: Option<Vec<String>>,
    /// The images, in order.
    #[schema(max_items = 250)]
    images: Option<Vec<NewImage>>,
    /// The options in which the variants differ, such as size and colour. None for a product with one variant.
    #[schema(max_items = 3, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    options: Option<Vec<String>>,
    /// The status. The default is active.
    #[schema(value_type = Option<String>, pattern = "^(active|draft|archived)$")]
    status: Option<Status>,
    /// The variants. All prices have the same currency.
    #[schema(min_items = 1, max_items = 2048)]
    variants: Vec<NewVariantBody>,
}

/// A new variant.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVariant)]
pub(crate) struct NewVariantBody {
    /// What is counted; follows from handle and options when it is left out.
    #[schema(value_type = Option<SkuSchema>)]
    sku: Option<String>,
    /// A value for each of the product's options.
    #[schema(max_items = 3, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    options: Option<Vec<String>>,
    /// The price.
    #[schema(value_type = PriceSchema)]
    price: MoneyWire,
    /// What it costs elsewhere, for show.
    #[schema(value_type = Option<PriceSchema>)]
    compare_at_price: Option<MoneyWire>,
}

/// A picture of a product.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewImage {
    /// The URL: `https://…`, `http://…`, or a path on this server. `url` is accepted as an alias.
    #[schema(
        min_length = 1,
        max_length = 2048,
        pattern = "^(?:https?://[^\\s\"<>\\\\\\u0000-\\u001f\\u007f-\\u009f]+|/(?:[^/\\s\"<>\\\\\\u0000-\\u001f\\u007f-\\u009f][^\\s\"<>\\\\\\u0000-\\u001f\\u007f-\\u009f]*)?)$"
    )]
    #[serde(alias = "url")]
    src: String,
    /// The alternative text.
    #[schema(max_length = 512)]
    alt: Option<String>,
    /// The SKUs of the variants that the image shows, as they are after this request. The default is the current
    /// assignment of the image with this URL.
    // Newer than the other fields: a null for it would change the fingerprints of requests to earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SkuSchema>>, max_items = 2048)]
    variant_skus: Option<Vec<String>>,
}

/// Changes of a product. Omitted fields are unchanged.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductPatch {
    /// The title.
    #[schema(min_length = 1, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    title: Option<String>,
    /// The description, as HTML.
    #[schema(max_length = 524_288)]
    description_html: Option<String>,
    /// The vendor.
    #[schema(max_length = 255)]
    vendor: Option<String>,
    /// The product type.
    #[serde(rename = "type")]
    #[schema(max_length = 255)]
    kind: Option<String>,
    /// All tags.
    #[schema(max_items = 250, max_length = 255, pattern = "^[^,]*[^,\\s\\u0000-\\u001f\\u007f-\\u009f][^,]*$")]
    tags: Option<Vec<String>>,
    /// All images, in order.
    #[schema(max_items = 250)]
    images: Option<Vec<NewImage>>,
    /// The names of its options.
    #[schema(max_items = 3, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    options: Option<Vec<String>>,
    /// The status.
    #[schema(value_type = Option<String>, pattern = "^(active|draft|archived)$")]
    status: Option<Status>,
    /// Changed and new variants.
    #[schema(max_items = 2048)]
    variants: Option<Vec<VariantPatch>>,
    /// The variants to remove.
    #[schema(value_type = Option<Vec<IdSchema>>, max_items = 2048)]
    remove_variants: Option<Vec<VariantId>>,
}

/// A changed or new variant.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariantPatch {
    /// Which; a new one when it is left out.
    #[schema(value_type = Option<IdSchema>)]
    id: Option<VariantId>,
    /// The SKU.
    #[schema(value_type = Option<SkuSchema>)]
    sku: Option<String>,
    /// A value for each of the product's options.
    #[schema(max_items = 3, max_length = 255, pattern = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]")]
    options: Option<Vec<String>>,
    /// The price.
    #[schema(value_type = Option<PriceSchema>)]
    price: Option<MoneyWire>,
    /// What it costs elsewhere; null takes it away.
    #[serde(
        default,
        deserialize_with = "said",
        serialize_with = "explicit_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<PriceSchema>)]
    compare_at_price: Option<Option<MoneyWire>>,
}

/// Distinguishes an explicit null from a missing field.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<MoneyWire>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Serialises an explicit null, so that the command's fingerprint includes it.
fn explicit_null<S: Serializer>(price: &Option<Option<MoneyWire>>, serializer: S) -> Result<S::Ok, S::Error> {
    match price {
        Some(Some(price)) => price.serialize(serializer),
        Some(None) => serializer.serialize_str(EXPLICIT_NULL),
        None => serializer.serialize_none(),
    }
}

pub(super) fn refinements() -> Vec<Refinement> {
    let either = json!([
        {"title": "a known variant", "required": ["id"], "properties": {"id": {"type": "string"}}},
        {"title": "a new variant", "required": ["price"], "properties": {"price": {"type": "object"}}}
    ]);
    vec![("VariantPatch", json!({"anyOf": either}))]
}

fn description(html: &str, faults: &mut Faults) -> Option<SafeHtml> {
    faults.range("/description_html", SafeHtml::clean(html))
}

fn images(images: &[NewImage], faults: &mut Faults) -> Vec<ImageEdit> {
    faults.check("/images", images.len() <= IMAGES_MAX, "must have at most 250 images");
    let image = |(image, position): (&NewImage, u32)| ImageEdit {
        src: image.src.clone(),
        alt: image.alt.clone().unwrap_or_default(),
        position,
        variants: image.variant_skus.as_ref().map(|skus| variant_skus(skus, position - 1, faults)),
    };
    images.iter().take(IMAGES_MAX).zip(1..).map(image).collect()
}

fn variant_skus(skus: &[String], image: u32, faults: &mut Faults) -> Vec<Sku> {
    let at = format!("/images/{image}/variant_skus");
    faults.check(&at, skus.len() <= VARIANTS_MAX, "must have at most 2048 SKUs");
    let skus = skus.iter().take(VARIANTS_MAX).enumerate();
    skus.filter_map(|(index, sku)| read_sku(sku, &format!("{at}/{index}"), faults)).collect()
}

fn handle(said: Option<&str>, title: &str, faults: &mut Faults) -> Option<Handle> {
    match said {
        Some(handle) => faults.range("/handle", Handle::new(handle)),
        None => faults.range(
            "/title",
            Handle::from_title(title).map_err(|_| "must contain a letter or a digit, unless a handle is given"),
        ),
    }
}

impl NewProductBody {
    /// Returns the validated product, or all errors.
    pub(in crate::api) fn read(&self) -> Result<NewProduct, Problem> {
        let mut faults = Faults::default();
        let handle = handle(self.handle.as_deref(), &self.title, &mut faults);
        let description = description(self.description_html.as_deref().unwrap_or(""), &mut faults);
        let images = images(self.images.as_deref().unwrap_or_default(), &mut faults);
        faults.check(
            "/variants",
            (1..=VARIANTS_MAX).contains(&self.variants.len()),
            "must have between 1 and 2048 variants",
        );
        let mut currency = None;
        let variants = self.variants.iter().take(VARIANTS_MAX).enumerate();
        let variants = all_of(
            variants.map(|(index, variant)| variant.read(&format!("/variants/{index}"), &mut currency, &mut faults)),
        );
        let parts = handle.zip(description).zip(variants).zip(currency);
        let new = parts.map(|(((handle, description), variants), currency)| NewProduct {
            handle,
            title: self.title.clone(),
            description,
            vendor: self.vendor.clone().unwrap_or_default(),
            product_type: self.kind.clone().unwrap_or_default(),
            tags: self.tags.clone().unwrap_or_default(),
            images,
            options: self.options.clone().unwrap_or_default(),
            status: self.status.unwrap_or_default(),
            currency,
            variants,
        });
        faults.give(new)
    }
}

impl NewVariantBody {
    fn read(&self, at: &str, currency: &mut Option<Currency>, faults: &mut Faults) -> Option<NewVariant> {
        let sku = self.sku.as_deref().map(|sku| read_sku(sku, &format!("{at}/sku"), faults));
        let price = price_in(&self.price, &format!("{at}/price"), currency, faults);
        let compare_at = self.compare_at_price.as_ref();
        let compare_at =
            compare_at.and_then(|price| price_in(price, &format!("{at}/compare_at_price"), currency, faults));
        Some(NewVariant {
            sku: sku.flatten(),
            options: self.options.clone().unwrap_or_default(),
            price: price?,
            compare_at,
        })
    }
}

impl ProductPatch {
    /// Returns the validated changes, or all errors.
    pub(in crate::api) fn read(&self) -> Result<ProductEdit, Problem> {
        let mut faults = Faults::default();
        let description = self.description_html.as_deref().and_then(|html| description(html, &mut faults));
        let images = self.images.as_deref().map(|list| images(list, &mut faults));
        let variants = self.variants.as_deref().unwrap_or_default();
        faults.check("/variants", variants.len() <= VARIANTS_MAX, "must have at most 2048 variants");
        let remove = self.remove_variants.clone().unwrap_or_default();
        faults.check("/remove_variants", remove.len() <= VARIANTS_MAX, "must have at most 2048 variants");
        let mut currency = None;
        let variants = variants.iter().take(VARIANTS_MAX).enumerate();
        let variants = variants
            .map(|(index, variant)| variant.read(&format!("/variants/{index}"), &mut currency, &mut faults))
            .collect();
        let edit = ProductEdit {
            title: self.title.clone(),
            description,
            vendor: self.vendor.clone(),
            product_type: self.kind.clone(),
            tags: self.tags.clone(),
            images,
            options: self.options.clone(),
            status: self.status,
            currency,
            variants,
            remove,
        };
        faults.give(Some(edit))
    }
}

impl VariantPatch {
    fn read(&self, at: &str, currency: &mut Option<Currency>, faults: &mut Faults) -> VariantEdit {
        let sku = self.sku.as_deref().and_then(|sku| read_sku(sku, &format!("{at}/sku"), faults));
        if self.id.is_none() && self.price.is_none() {
            faults.add(format!("{at}/price"), FieldCode::Missing, "is required for a new variant");
        }
        let price = self.price.as_ref().and_then(|price| price_in(price, &format!("{at}/price"), currency, faults));
        let compare_at = self.compare_at_price.as_ref().map(|price| {
            let pointer = format!("{at}/compare_at_price");
            price.as_ref().and_then(|price| price_in(price, &pointer, currency, faults))
        });
        VariantEdit { id: self.id, sku, options: self.options.clone(), price, compare_at, image: None }
    }
}
