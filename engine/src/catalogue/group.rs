//! Rows that follow each other and speak of one product.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Column, ProductRows, Refusal, RefusedRow, VariantRow, Warning, WarningKind,
    header::Header,
    record::Record,
    rules::{
        SeenSkus, parse_flag, parse_line, parse_policy, parse_price, parse_quantity, parse_status, parse_tags,
        status_of,
    },
};
use crate::{
    id::Sku,
    money::Currency,
    product::{
        ALT_CHARS_MAX, Handle, IMAGES_MAX, Image, ImageChange, ImportChange, ImportVariant, NO_OPTION, OPTIONS_MAX,
        SafeHtml, Status, TEXT_CHARS_MAX, VARIANTS_MAX, derived_sku, image_src_fits, single_line,
    },
};

/// A refusal and the column that it is about.
pub(super) type Refused = (Option<Column>, Refusal);

/// A row whose cells are all text.
pub(super) struct Cells<'a> {
    pub(super) header: &'a Header,
    pub(super) record: &'a Record,
}

impl<'a> Cells<'a> {
    /// The cell as it stands; blank when the row ends before it. `None` when the file has no such column.
    fn raw(&self, column: Column) -> Result<Option<&'a str>, Refused> {
        let Some(field) = self.header.field(column) else { return Ok(None) };
        let bytes = self.record.field(field).unwrap_or_default();
        std::str::from_utf8(bytes).map(Some).map_err(|_| (Some(column), Refusal::NotUtf8))
    }

    /// The cell as one line, trimmed.
    pub(super) fn text(&self, column: Column) -> Result<Option<String>, Refused> {
        Ok(self.raw(column)?.map(single_line))
    }

    /// The cell as one line, blank when the file has no such column.
    pub(super) fn text_or_blank(&self, column: Column) -> Result<String, Refused> {
        Ok(self.text(column)?.unwrap_or_default())
    }

    fn parsed<T>(&self, column: Column, parse: impl FnOnce(&str) -> Result<T, Refusal>) -> Result<Option<T>, Refused> {
        let text = self.text(column)?;
        text.map(|text| parse(&text)).transpose().map_err(|refusal| (Some(column), refusal))
    }

    /// The columns of up to three options, up to the first blank one. A value after a gap has no option.
    fn options(&self, column: fn(usize) -> Column) -> Result<Vec<String>, Refused> {
        let mut texts = Vec::with_capacity(OPTIONS_MAX);
        let mut gap = None;
        for index in 0..OPTIONS_MAX {
            match self.parsed(column(index), |text| parse_line(text, TEXT_CHARS_MAX))?.unwrap_or_default() {
                text if text.is_empty() => gap = gap.or(Some(index)),
                text => match gap {
                    Some(gap) => return Err((Some(column(gap)), Refusal::OptionMissing)),
                    None => texts.push(text),
                },
            }
        }
        Ok(texts)
    }
}

/// What a row with a title says of the product itself.
struct ProductCells {
    title: Option<String>,
    description: Option<SafeHtml>,
    vendor: Option<String>,
    product_type: Option<String>,
    tags: Option<Vec<String>>,
    status: Option<Status>,
    options: Option<Vec<String>>,
}

impl ProductCells {
    fn read(cells: &Cells<'_>, warn: &mut impl FnMut(WarningKind)) -> Result<Self, Refused> {
        let line = |column| cells.parsed(column, |text| parse_line(text, TEXT_CHARS_MAX));
        let description = cells.raw(Column::Description)?.map(SafeHtml::clean).transpose();
        let description = description.map_err(|refusal| (Some(Column::Description), refusal.into()))?;
        let status = cells.parsed(Column::Status, parse_status)?;
        if status.is_some_and(|(_, changed)| changed) {
            warn(WarningKind::Unlisted);
        }
        // A blank cell is cleared to what a new product has: published.
        let published = cells.parsed(Column::Published, parse_flag)?.map(|flag| flag.unwrap_or(true));
        Ok(Self {
            title: line(Column::Title)?,
            description,
            vendor: line(Column::Vendor)?,
            product_type: line(Column::Type)?,
            tags: cells.parsed(Column::Tags, parse_tags)?,
            status: status_of(status.map(|(status, _)| status), published),
            options: Self::option_names(cells)?,
        })
    }

    /// `None` when the row names none: then the product keeps those that it has.
    fn option_names(cells: &Cells<'_>) -> Result<Option<Vec<String>>, Refused> {
        let names = cells.options(Column::OptionName)?;
        if names.iter().collect::<HashSet<_>>().len() < names.len() {
            return Err((Some(Column::OptionName(1)), Refusal::OptionDoubled));
        }
        let value = cells.text_or_blank(Column::OptionValue(0))?;
        let unnamed = names.is_empty() || names == [NO_OPTION.0];
        match (unnamed, value.as_str()) {
            (true, value) if value == NO_OPTION.1 => Ok(Some(Vec::new())),
            (true, "") => Ok(None),
            (true, _) if names.is_empty() => Ok(None),
            _ => Ok(Some(names)),
        }
    }
}

/// A group that grows row by row.
pub(super) struct Group {
    pub(super) handle: Handle,
    pub(super) first_line: u64,
    rows: u64,
    change: ImportChange,
    has_title: bool,
    images: Vec<Image>,
    image_srcs: HashSet<String>,
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
            rows: 0,
            has_title: false,
            images: Vec::new(),
            image_srcs: HashSet::new(),
            variants: Vec::new(),
            lines_by_options: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds what a row says. A refused row leaves the group as it was.
    pub(super) fn add(&mut self, cells: &Cells<'_>, currency: Currency, seen: &mut SeenSkus) -> Result<(), Refused> {
        let line = cells.record.line;
        let mut warnings = Vec::new();
        let mut warn = |kind| warnings.push(Warning { line, kind });
        if cells.parsed(Column::GiftCard, parse_flag)?.flatten() == Some(true) {
            return Err((Some(Column::GiftCard), Refusal::GiftCard));
        }
        let title = cells.text_or_blank(Column::Title)?;
        let product = if title.is_empty() { None } else { Some(ProductCells::read(cells, &mut warn)?) };
        let options = product.as_ref().and_then(|product| product.options.as_ref()).or(self.change.options.as_ref());
        let variant = self.variant(cells, options.map(Vec::as_slice), currency, &mut warn)?;
        let image = self.image(cells)?;
        if let Some((variant, _)) = &variant {
            self.check_new(variant, seen)?;
        }
        // Nothing refuses the row any more.
        if let Some(product) = product {
            self.has_title = true;
            self.set_product(product);
        }
        if let Some((variant, stock)) = variant {
            self.lines_by_options.insert(variant.options.clone(), line);
            seen.note(&sku_of(&self.handle, &variant), &self.handle, &variant.options, line);
            self.variants.push(VariantRow { line, stock });
            self.change.variants.push(variant);
        }
        if let Some(image) = image {
            self.image_srcs.insert(image.src.clone());
            self.images.push(image);
        }
        self.rows += 1;
        self.warnings.extend(warnings);
        Ok(())
    }

    fn set_product(&mut self, product: ProductCells) {
        let ProductCells { title, description, vendor, product_type, tags, status, options } = product;
        let known = self.change.options.take();
        let change = &mut self.change;
        (change.title, change.description, change.vendor) = (title, description, vendor);
        (change.product_type, change.tags, change.status) = (product_type, tags, status);
        change.options = options.or(known);
    }

    /// The row's variant and its stock, if the row has one: a value, a SKU, a price or a quantity.
    fn variant(
        &self,
        cells: &Cells<'_>,
        names: Option<&[String]>,
        currency: Currency,
        warn: &mut impl FnMut(WarningKind),
    ) -> Result<Option<(ImportVariant, Option<u64>)>, Refused> {
        let mut options = cells.options(Column::OptionValue)?;
        let says = |column| Ok::<_, Refused>(!cells.text_or_blank(column)?.is_empty());
        let any = says(Column::Sku)? || says(Column::Price)? || says(Column::CompareAt)? || says(Column::Quantity)?;
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
            text => parse_quantity(text).map(Some),
        })?;
        let stock = stock.flatten();
        if stock.is_some() && cells.text(Column::Tracker)?.is_some_and(|tracker| tracker.is_empty()) {
            warn(WarningKind::Untracked);
        }
        if cells.parsed(Column::Policy, parse_policy)? == Some(true) {
            warn(WarningKind::NoBackorders);
        }
        Ok(Some((ImportVariant { options, sku: sku.flatten(), price, compare_at }, stock)))
    }

    fn check_new(&self, variant: &ImportVariant, seen: &SeenSkus) -> Result<(), Refused> {
        if let Some(&first_line) = self.lines_by_options.get(&variant.options) {
            return Err((Some(Column::OptionValue(0)), Refusal::DuplicateVariant { first_line }));
        }
        if self.variants.len() == VARIANTS_MAX {
            return Err((None, Refusal::TooManyVariants));
        }
        let sku = sku_of(&self.handle, variant);
        match seen.elsewhere(&sku, &self.handle, &variant.options) {
            Some(first_line) => Err((Some(Column::Sku), Refusal::DuplicateSku { sku, first_line })),
            None => Ok(()),
        }
    }

    fn image(&self, cells: &Cells<'_>) -> Result<Option<Image>, Refused> {
        let src = cells.raw(Column::ImageSrc)?.unwrap_or_default().trim();
        // Exports repeat a product's image on the rows of variants that show it.
        if src.is_empty() || self.image_srcs.contains(src) {
            return Ok(None);
        }
        if !image_src_fits(src) {
            return Err((Some(Column::ImageSrc), Refusal::InvalidImage));
        }
        if self.images.len() == IMAGES_MAX {
            return Err((Some(Column::ImageSrc), Refusal::TooManyImages));
        }
        let alt = cells.parsed(Column::ImageAlt, |text| parse_line(text, ALT_CHARS_MAX))?.unwrap_or_default();
        // An image without a position follows the one above.
        let above = self.images.last().map_or(1, |image| image.position);
        let position = cells.parsed(Column::ImagePosition, |text| match text {
            "" => Ok(above),
            text => text.parse().ok().filter(|&position| position > 0).ok_or(Refusal::NotAPosition),
        })?;
        Ok(Some(Image { src: src.to_owned(), alt, position: position.unwrap_or(above) }))
    }

    /// What all its rows say together.
    pub(super) fn finish(mut self, header: &Arc<Header>) -> ProductRows {
        let has_column = header.field(Column::ImageSrc).is_some();
        self.change.images = match (has_column && self.has_title, self.images.is_empty()) {
            (true, _) => ImageChange::Replace(self.images),
            (false, false) => ImageChange::Add(self.images),
            (false, true) => ImageChange::Keep,
        };
        ProductRows {
            first_line: self.first_line,
            rows: self.rows,
            change: self.change,
            variants: self.variants,
            warnings: self.warnings,
            header: Arc::clone(header),
        }
    }
}

fn sku_of(handle: &Handle, variant: &ImportVariant) -> Sku {
    variant.sku.clone().unwrap_or_else(|| derived_sku(handle, &variant.options))
}

/// The refusal as the run's table shows it.
pub(super) fn refused_row(header: &Header, line: u64, (column, reason): Refused) -> RefusedRow {
    let column = column.and_then(|column| header.name(column)).map(str::to_owned);
    RefusedRow { line, column, reason }
}
