//! Collects consecutive rows of one product.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Column, ImportedRow, ProductRows, Refusal, VariantRow, Warning, WarningKind,
    cells::{Cells, ProductCells, Refused},
    header::Header,
    reader::DuplicateSku,
    refusal::{RefusedRow, shown},
    rules::{
        SeenSkus, parse_currency, parse_flag, parse_image_src, parse_line, parse_policy, parse_price, parse_quantity,
    },
};
use crate::{
    id::Sku,
    money::Currency,
    product::{
        ALT_CHARS_MAX, Handle, IMAGES_MAX, ImageChange, ImageEdit, ImportChange, ImportVariant, NO_OPTION,
        VARIANTS_MAX, derived_sku,
    },
};

/// The settings and state that apply to all rows of a file.
pub(super) struct Rules {
    /// The currency of prices for which the file has no currency.
    pub(super) currency: Currency,
    /// The handling of duplicate SKUs.
    pub(super) duplicates: DuplicateSku,
    /// The SKUs seen so far.
    pub(super) seen: SeenSkus,
}

/// A variant and its stock.
type VariantCells = (ImportVariant, Option<u64>);

/// The rows of a product collected so far.
pub(super) struct Group {
    pub(super) handle: Handle,
    pub(super) first_line: u64,
    rows: Vec<ImportedRow>,
    currency: Option<Currency>,
    change: ImportChange,
    has_title: bool,
    images: Vec<ImageEdit>,
    image_srcs: HashSet<String>,
    has_lost_images: bool,
    variants: Vec<VariantRow>,
    lines_by_options: HashMap<Vec<String>, u64>,
    pub(super) warnings: Vec<Warning>,
}

impl Group {
    pub(super) fn new(handle: Handle, first_line: u64) -> Self {
        Self {
            change: ImportChange::new(handle.clone()),
            handle,
            first_line,
            rows: Vec::new(),
            currency: None,
            has_title: false,
            images: Vec::new(),
            image_srcs: HashSet::new(),
            has_lost_images: false,
            variants: Vec::new(),
            lines_by_options: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the values of a row. On `Err`, no value of the row can be imported, or the product's own cells have an
    /// error, and the group is unchanged. On `Ok(Some(_))`, the row's variant is refused and its other values are
    /// added.
    pub(super) fn add(&mut self, cells: &Cells<'_>, rules: &mut Rules) -> Result<Option<Refused>, Refused> {
        let line = cells.record.line;
        let mut warnings = Vec::new();
        let mut warn = |kind| warnings.push(Warning { line, kind });
        if cells.parsed(Column::GiftCard, parse_flag)?.flatten() == Some(true) {
            return Err((Some(Column::GiftCard), Refusal::GiftCard));
        }
        let title = cells.text_or_blank(Column::Title)?;
        let product = if title.is_empty() { None } else { Some(ProductCells::read(cells, &mut warn)?) };
        let currency = self.currency(cells, rules.currency)?;
        let options = product.as_ref().and_then(|product| product.options.as_ref()).or(self.change.options.as_ref());
        let mut of_variant = Vec::new();
        let variant = self.variant(cells, options.map(Vec::as_slice), currency, &mut |kind| of_variant.push(kind));
        let variant = variant.and_then(|variant| {
            variant.map(|(variant, stock)| Ok((self.placed(variant, rules, &mut of_variant)?, stock))).transpose()
        });
        let (variant, variant_fault) = parted(variant);
        let (picture, picture_fault) = parted(picture(cells));
        let (image, image_fault) = parted(self.image(cells));
        if product.is_none() && variant.is_none() && image.is_none() {
            // No value of the row can be imported.
            if let Some(fault) = variant_fault.or(image_fault) {
                return Err(fault);
            }
            self.rows.push(ImportedRow { line, only_image: false });
            return Ok(None);
        }
        let fault = variant_fault;
        let picture_fault = picture_fault.filter(|_| variant.is_some());
        for fault in [image_fault, picture_fault].into_iter().flatten() {
            let why = refused_row(cells, fault);
            let why = why.column.iter().map(|column| format!("{column} ")).collect::<String>() + &why.words();
            warn(WarningKind::ImageLeftOut { why });
            self.has_lost_images = true;
        }
        if fault.is_none() {
            of_variant.into_iter().for_each(&mut warn);
            let only_image = product.is_none() && variant.is_none() && image.is_some();
            self.rows.push(ImportedRow { line, only_image });
        }
        self.currency = Some(currency);
        if let Some(product) = product {
            self.has_title = true;
            self.set_product(product);
        }
        if let Some((mut variant, stock)) = variant {
            variant.image = picture;
            self.lines_by_options.insert(variant.options.clone(), line);
            rules.seen.note(&sku_of(&self.handle, &variant), &self.handle, &variant.options, line);
            self.variants.push(VariantRow { line, stock });
            self.change.variants.push(variant);
        }
        if let Some(image) = image {
            self.image_srcs.insert(image.src.clone());
            self.images.push(image);
        }
        self.warnings.extend(warnings);
        Ok(fault)
    }

    /// Returns the currency of the row's prices: that of the product, which its first row determines, or the import's.
    fn currency(&self, cells: &Cells<'_>, of_import: Currency) -> Result<Currency, Refused> {
        let given = cells.parsed(Column::Currency, parse_currency)?.flatten();
        match (given, self.currency) {
            (Some(given), Some(own)) if given != own => Err((Some(Column::Currency), Refusal::SecondCurrency { own })),
            (given, own) => Ok(given.or(own).unwrap_or(of_import)),
        }
    }

    fn set_product(&mut self, product: ProductCells) {
        let ProductCells { title, description, vendor, product_type, tags, status, options } = product;
        let known = self.change.options.take();
        let change = &mut self.change;
        (change.title, change.description, change.vendor) = (title, description, vendor);
        (change.product_type, change.tags, change.status) = (product_type, tags, status);
        change.options = options.or(known);
    }

    /// Returns the row's variant and its stock, if the row has one: an option value, a SKU, a price or a quantity.
    fn variant(
        &self,
        cells: &Cells<'_>,
        names: Option<&[String]>,
        currency: Currency,
        warn: &mut impl FnMut(WarningKind),
    ) -> Result<Option<VariantCells>, Refused> {
        let mut options = cells.options(Column::OptionValue)?;
        let any =
            [Column::Sku, Column::Price, Column::CompareAt, Column::Quantity].into_iter().any(|one| cells.says(one));
        if options.is_empty() && !any {
            return Ok(None);
        }
        if options == [NO_OPTION.1] && names.is_none_or(|names| names.is_empty() || names == [NO_OPTION.0]) {
            options.clear();
        }
        if let Some(names) = names {
            match options.len() {
                few if few < names.len() => return Err((Some(Column::OptionValue(few)), Refusal::OptionMissing)),
                many if many > names.len() => {
                    return Err((Some(Column::OptionValue(names.len())), Refusal::OptionUnknown));
                }
                _ => {}
            }
        }
        let sku = cells.parsed(Column::Sku, |text| match text {
            "" => Ok(None),
            text => Sku::new(text).map(Some).map_err(|_| Refusal::InvalidSku),
        })?;
        let price = cells.parsed(Column::Price, |text| match text {
            "" => Err(Refusal::PriceMissing),
            text => parse_price(text, currency),
        })?;
        let compare_at = cells.parsed(Column::CompareAt, |text| match text {
            "" => Ok(None),
            text => parse_price(text, currency).map(Some),
        })?;
        let stock = cells.parsed(Column::Quantity, |text| match text {
            "" => Ok(None),
            text => parse_quantity(text).map(|quantity| Some((quantity, text.to_owned()))),
        })?;
        let stock = stock.flatten().map(|(quantity, given)| {
            quantity.unwrap_or_else(|| {
                warn(WarningKind::BelowZero { quantity: shown(&given) });
                0
            })
        });
        if stock.is_some() && cells.text(Column::Tracker)?.is_some_and(|tracker| tracker.is_empty()) {
            warn(WarningKind::Untracked);
        }
        if cells.parsed(Column::Policy, parse_policy)? == Some(true) {
            warn(WarningKind::NoBackorders);
        }
        Ok(Some((ImportVariant { options, sku: sku.flatten(), price, compare_at, image: None }, stock)))
    }

    /// Checks that the variant's option values and SKU are unique, deriving the SKU if the rules say so.
    fn placed(
        &self,
        mut variant: ImportVariant,
        rules: &Rules,
        warnings: &mut Vec<WarningKind>,
    ) -> Result<ImportVariant, Refused> {
        if let Some(&first_line) = self.lines_by_options.get(&variant.options) {
            return Err((Some(Column::OptionValue(0)), Refusal::DuplicateVariant { first_line }));
        }
        if self.variants.len() == VARIANTS_MAX {
            return Err((None, Refusal::TooManyVariants));
        }
        let elsewhere = |variant: &ImportVariant| {
            let sku = sku_of(&self.handle, variant);
            let first_line = rules.seen.elsewhere(&sku, &self.handle, &variant.options)?;
            Some((sku, first_line))
        };
        let Some((sku, first_line)) = elsewhere(&variant) else { return Ok(variant) };
        if rules.duplicates == DuplicateSku::Derive && variant.sku.take().is_some() && elsewhere(&variant).is_none() {
            let derived = derived_sku(&self.handle, &variant.options);
            warnings.push(WarningKind::SkuDerived { sku, first_line, derived });
            return Ok(variant);
        }
        Err((Some(Column::Sku), Refusal::DuplicateSku { sku, first_line }))
    }

    fn image(&self, cells: &Cells<'_>) -> Result<Option<ImageEdit>, Refused> {
        let src = cells.raw(Column::ImageSrc)?.unwrap_or_default().trim();
        if src.is_empty() {
            return Ok(None);
        }
        let src = parse_image_src(src).map_err(|refusal| (Some(Column::ImageSrc), refusal))?;
        // Exports repeat a product's image on the rows of the variants that it shows.
        if self.image_srcs.contains(&src) {
            return Ok(None);
        }
        if self.images.len() == IMAGES_MAX {
            return Err((Some(Column::ImageSrc), Refusal::TooManyImages));
        }
        let alt = cells.parsed(Column::ImageAlt, |text| parse_line(text, ALT_CHARS_MAX))?.unwrap_or_default();
        // An image without a position is placed after the image above.
        let above = self.images.last().map_or(1, |image| image.position);
        let position = cells.parsed(Column::ImagePosition, |text| match text {
            "" => Ok(above),
            text => {
                let position = parse_quantity(text).ok().flatten().and_then(|position| u32::try_from(position).ok());
                position.filter(|&position| position > 0).ok_or(Refusal::NotAPosition)
            }
        })?;
        Ok(Some(ImageEdit { src, alt, position: position.unwrap_or(above), variants: None }))
    }

    /// Returns the values of all rows together, or `None` if no row was added.
    pub(super) fn finish(mut self, header: &Arc<Header>, of_import: Currency) -> Option<ProductRows> {
        if self.rows.is_empty() {
            return None;
        }
        let has_column = header.field(Column::ImageSrc).is_some();
        // If all images were left out because of errors, keep the images that the product has.
        let clears = self.images.is_empty() && self.has_lost_images;
        self.change.images = match (has_column && self.has_title && !clears, self.images.is_empty()) {
            (true, _) => ImageChange::Replace(self.images),
            (false, false) => ImageChange::Add(self.images),
            (false, true) => ImageChange::Keep,
        };
        Some(ProductRows {
            first_line: self.first_line,
            rows: self.rows,
            currency: self.currency.unwrap_or(of_import),
            change: self.change,
            variants: self.variants,
            warnings: self.warnings,
            header: Arc::clone(header),
        })
    }
}

/// Returns the URL of the image of the row's variant; `Some(None)` if the cell is blank.
fn picture(cells: &Cells<'_>) -> Result<Option<Option<String>>, Refused> {
    let column = Column::VariantImage;
    match cells.raw(column)?.map(str::trim) {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(src) => parse_image_src(src).map(|src| Some(Some(src))).map_err(|refusal| (Some(column), refusal)),
    }
}

/// Splits a result into the value and the refusal.
fn parted<T>(read: Result<Option<T>, Refused>) -> (Option<T>, Option<Refused>) {
    match read {
        Ok(read) => (read, None),
        Err(refused) => (None, Some(refused)),
    }
}

fn sku_of(handle: &Handle, variant: &ImportVariant) -> Sku {
    variant.sku.clone().unwrap_or_else(|| derived_sku(handle, &variant.options))
}

/// Returns the refusal with its line, column and cell, as listed in the report of the import.
pub(super) fn refused_row(cells: &Cells<'_>, (column, reason): Refused) -> RefusedRow {
    let cell = column.and_then(|column| cells.shown(column));
    let column = column.and_then(|column| cells.header.name(column)).map(str::to_owned);
    RefusedRow { line: cells.record.line, column, cell, reason }
}
