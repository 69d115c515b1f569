//! Projects the catalogue, for lists, filters and search.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    id::{EntityKey, VariantId},
    product::{Change, Creation, Handle, Image, ProductEvent, SafeHtml, Status, Variant},
    time::Timestamp,
};
use serde_json::json;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, JournalEvent, each_event},
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{fold_text, variant_name, write_lowest_prices},
    search,
};

const PRODUCTS: Table = Table {
    name: "products",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("product"),
        Column::Plain("handle"),
        Column::Plain("title"),
        Column::Plain("description_html"),
        Column::Plain("vendor"),
        Column::Plain("vendor_folded"),
        Column::Plain("product_type"),
        Column::Plain("type_folded"),
        Column::Plain("tags"),
        Column::Plain("images"),
        Column::Plain("options"),
        Column::Plain("status"),
        Column::Plain("currency"),
        Column::Plain("version"),
        Column::Plain("next_ordinal"),
        Column::Plain("created_at"),
        Column::Plain("updated_at"),
        Column::Plain("title_folded"),
    ],
    key: 2,
};

const VARIANTS: Table = Table {
    name: "product_variants",
    columns: &[
        Column::Plain("tenant"),
        Column::Id("product"),
        Column::Id("variant"),
        // A changed variant keeps its ordinal.
        Column::Kept("ordinal"),
        Column::Plain("sku"),
        Column::Plain("options"),
        Column::Plain("price"),
        Column::Plain("compare_at"),
    ],
    key: 3,
};

/// Keyed by product here; searches use an index by tag.
const TAGS: Table = Table {
    name: "product_tags",
    columns: &[Column::Plain("tenant"), Column::Id("product"), Column::Plain("tag_folded")],
    key: 3,
};

/// Projects products. A product that waits for its SKUs is not listed: only `Created` and `Changed` matter.
#[derive(Debug, Default)]
pub(super) struct Products {
    gathered: EventsByEntity<ProductEvent>,
}

/// A product's row while events are folded into it.
#[derive(Debug)]
struct Details {
    handle: Handle,
    title: String,
    description: String,
    vendor: String,
    product_type: String,
    tags: Vec<String>,
    images: Vec<Image>,
    options: Vec<String>,
    status: Status,
    currency: String,
    version: u64,
    next_ordinal: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Whether the tags, the SKUs or the searchable texts of the product changed.
    is_found_otherwise: bool,
    removed: BTreeSet<VariantId>,
    put: BTreeMap<VariantId, (u64, Variant)>,
}

impl Projection for Products {
    const TABLES: &'static [&'static str] = &["products_search", TAGS.name, VARIANTS.name, PRODUCTS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(position, record, |event: ProductEvent| match event {
            ProductEvent::Created { .. } | ProductEvent::Changed { .. } => self.gathered.keep(position, record, event),
            ProductEvent::Asked { .. }
            | ProductEvent::SkuAdopted { .. }
            | ProductEvent::SkuRefused { .. }
            | ProductEvent::Refused { .. }
            | ProductEvent::SkuDisowned { .. } => {}
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let gathered = self.gathered.take();
        if gathered.is_empty() {
            return Ok(());
        }
        let mut details_by_drop = BTreeMap::new();
        for row in PRODUCTS.read(connection, gathered.keys().map(row_key).collect()).await? {
            let key = engine::id::ProductId(row.id("product")?).key(&row.parsed("tenant")?);
            details_by_drop.insert(key, Details::read(&row)?);
        }
        for (key, events) in gathered {
            for journaled in events {
                fold(&mut details_by_drop, &key, journaled)?;
            }
        }
        write_products(connection, &details_by_drop).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.gathered.clear();
    }
}

fn row_key(key: &EntityKey) -> Vec<Cell> {
    cells![key.tenant().as_str(), key.id128().unwrap_or_default()]
}

fn fold(
    details_by_drop: &mut BTreeMap<EntityKey, Details>,
    key: &EntityKey,
    journaled: JournalEvent<ProductEvent>,
) -> Result<(), ProjectError> {
    match journaled.event {
        ProductEvent::Created { creation, change, processed, .. } => {
            let mut details = Details::blank(creation, processed.at);
            details.change(change, processed.at);
            details_by_drop.insert(key.clone(), details);
        }
        ProductEvent::Changed { change, processed, .. } => {
            let details = details_by_drop.get_mut(key);
            let details =
                details.ok_or_else(|| journaled.position.impossible("change of a product that was not created"))?;
            details.change(change, processed.at);
        }
        _ => {}
    }
    Ok(())
}

async fn write_products(
    connection: &mut SqliteConnection,
    details_by_drop: &BTreeMap<EntityKey, Details>,
) -> sqlx::Result<()> {
    let (mut products, mut removed, mut variants) = (Vec::new(), Vec::new(), Vec::new());
    let (mut found_otherwise, mut tags) = (Vec::new(), Vec::new());
    for (key, details) in details_by_drop {
        let (tenant, product) = (key.tenant(), key.id128().unwrap_or_default());
        let tenant = tenant.as_str();
        products.push(details.cells(tenant, product));
        removed.extend(details.removed.iter().map(|variant| cells![tenant, product, variant.0]));
        variants.extend(details.put.values().map(|(ordinal, variant)| {
            let options = json!(variant.options).to_string();
            let (sku, price) = (variant.sku.as_str(), variant.price);
            cells![tenant, product, variant.id.0, *ordinal, sku, options, price, variant.compare_at]
        }));
        if details.is_found_otherwise {
            found_otherwise.push(cells![tenant, product]);
            tags.extend(details.tags.iter().map(|tag| cells![tenant, product, fold_text(tag)]));
        }
    }
    PRODUCTS.put(connection, products).await?;
    VARIANTS.remove(connection, removed).await?;
    VARIANTS.put(connection, variants).await?;
    let written: Vec<Vec<Cell>> = details_by_drop.keys().map(row_key).collect();
    write_lowest_prices(connection, &written).await?;
    search::index_products(connection, &found_otherwise).await?;
    TAGS.remove(connection, found_otherwise).await?;
    TAGS.put(connection, tags).await
}

impl Details {
    /// Returns an empty product, before the details of its creation are applied.
    fn blank(creation: Creation, at: Timestamp) -> Self {
        Self {
            handle: creation.handle,
            title: String::new(),
            description: String::new(),
            vendor: String::new(),
            product_type: String::new(),
            tags: Vec::new(),
            images: Vec::new(),
            options: Vec::new(),
            status: Status::Active,
            currency: creation.currency.code().to_owned(),
            version: 0,
            next_ordinal: 1,
            created_at: at,
            updated_at: at,
            is_found_otherwise: true,
            removed: BTreeSet::new(),
            put: BTreeMap::new(),
        }
    }

    fn read(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            handle: row.parsed("handle")?,
            title: row.text("title")?,
            description: row.text("description_html")?,
            vendor: row.text("vendor")?,
            product_type: row.text("product_type")?,
            tags: row.json("tags")?,
            images: row.json("images")?,
            options: row.json("options")?,
            status: row.named("status")?,
            currency: row.text("currency")?,
            version: row.count("version")?,
            next_ordinal: row.count("next_ordinal")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            is_found_otherwise: false,
            removed: BTreeSet::new(),
            put: BTreeMap::new(),
        })
    }

    /// Applies a change as the aggregate itself would.
    fn change(&mut self, change: Change, at: Timestamp) {
        let Change { title, description, vendor, product_type, tags, images, options, status, removed, put } = change;
        self.is_found_otherwise |= title.is_some() || vendor.is_some() || product_type.is_some() || tags.is_some();
        self.is_found_otherwise |= !removed.is_empty() || !put.is_empty();
        set(&mut self.title, title);
        set(&mut self.description, description.map(|html: SafeHtml| html.as_str().to_owned()));
        set(&mut self.vendor, vendor);
        set(&mut self.product_type, product_type);
        set(&mut self.tags, tags);
        set(&mut self.images, images);
        set(&mut self.options, options);
        set(&mut self.status, status);
        for variant in removed {
            self.put.remove(&variant);
            self.removed.insert(variant);
        }
        for variant in put {
            let next = self.next_ordinal;
            self.next_ordinal += 1;
            let ordinal = self.put.get(&variant.id).map_or(next, |(ordinal, _)| *ordinal);
            self.put.insert(variant.id, (ordinal, variant));
        }
        self.version += 1;
        self.updated_at = at;
    }

    fn cells(&self, tenant: &str, product: u128) -> Vec<Cell> {
        cells![
            tenant,
            product,
            self.handle.as_str(),
            self.title.as_str(),
            self.description.as_str(),
            self.vendor.as_str(),
            fold_text(&self.vendor),
            self.product_type.as_str(),
            fold_text(&self.product_type),
            json!(self.tags).to_string(),
            json!(self.images).to_string(),
            json!(self.options).to_string(),
            variant_name(&self.status),
            self.currency.as_str(),
            self.version,
            self.next_ordinal,
            self.created_at.0,
            self.updated_at.0,
            fold_text(&self.title),
        ]
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests;
