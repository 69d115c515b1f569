//! Projects the catalogue, for lists, filters and search.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    id::{EntityKey, ProductId, VariantId},
    product::{Change, ProductEvent, ProductFields, Variant},
    view::View,
};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    JournalPosition, ProjectError, Projection, Record,
    decode::{EventsByEntity, each_event},
    rows::row_key,
};
use crate::sql::{
    Cell, Column, RowExt, Table, cells,
    lists::{fold_text, read_fields, variant_name, write_lowest_prices},
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

/// Projects products. A product that waits for its SKUs is not listed.
#[derive(Debug, Default)]
pub(super) struct Products {
    events: EventsByEntity<ProductEvent>,
}

/// A product's rows while events are folded into them.
#[derive(Debug)]
struct ProductRows {
    fields: ProductFields,
    variants: VariantChanges,
}

/// The changes of a product's variants. The variants themselves are not read: a product can have thousands.
#[derive(Debug)]
struct VariantChanges {
    /// The ordinal of the next variant.
    next_ordinal: u64,
    removed: BTreeSet<VariantId>,
    /// The variants to write. Each has the ordinal that it gets if it is new.
    put: BTreeMap<VariantId, (u64, Variant)>,
    /// Whether the tags, the SKUs or the searchable texts of the product changed.
    is_search_changed: bool,
}

impl Projection for Products {
    const TABLES: &'static [&'static str] = &["products_search", TAGS.name, VARIANTS.name, PRODUCTS.name];

    fn gather(&mut self, position: JournalPosition, record: &Record<'_>) -> Result<(), ProjectError> {
        each_event(position, record, |event| {
            if ProductFields::concerns(&event) {
                self.events.keep(position, record, event);
            }
        })
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<(), ProjectError> {
        let events = self.events.take();
        if events.is_empty() {
            return Ok(());
        }
        let mut products: BTreeMap<EntityKey, Option<ProductRows>> = BTreeMap::new();
        for row in PRODUCTS.read(connection, events.keys().map(row_key).collect()).await? {
            let key = ProductId(row.id("product")?).key(&row.parsed("tenant")?);
            let variants = VariantChanges::none(row.count("next_ordinal")?);
            products.insert(key, Some(ProductRows { fields: read_fields(&row)?, variants }));
        }
        for (key, events) in &events {
            let product = products.entry(key.clone()).or_default();
            for journaled in events {
                fold(product, &journaled.event);
                if product.is_none() {
                    return Err(journaled.position.impossible("change of a product that was not created"));
                }
            }
        }
        let products = products.into_iter().filter_map(|(key, product)| Some((key, product?)));
        write_products(connection, &products.collect()).await?;
        Ok(())
    }

    fn discard(&mut self) {
        self.events.clear();
    }
}

fn fold(product: &mut Option<ProductRows>, event: &ProductEvent) {
    let (mut fields, mut variants) = match product.take() {
        Some(ProductRows { fields, variants }) => (Some(fields), variants),
        None => (None, VariantChanges::none(1)),
    };
    View::fold(&mut fields, event);
    if let ProductEvent::Created { change, .. } | ProductEvent::Changed { change, .. } = event {
        variants.apply(change);
    }
    *product = fields.map(|fields| ProductRows { fields, variants });
}

async fn write_products(
    connection: &mut SqliteConnection,
    changed: &BTreeMap<EntityKey, ProductRows>,
) -> sqlx::Result<()> {
    let (mut products, mut removed, mut put) = (Vec::new(), Vec::new(), Vec::new());
    let (mut search_changed, mut tags) = (Vec::new(), Vec::new());
    for (key, ProductRows { fields, variants }) in changed {
        let (tenant, product) = (key.tenant(), key.id128().unwrap_or_default());
        let tenant = tenant.as_str();
        products.push(product_cells(tenant, product, fields, variants.next_ordinal));
        removed.extend(variants.removed.iter().map(|variant| cells![tenant, product, variant.0]));
        put.extend(variants.put.values().map(|(ordinal, variant)| {
            let options = json!(variant.options).to_string();
            let (sku, price) = (variant.sku.as_str(), variant.price);
            cells![tenant, product, variant.id.0, *ordinal, sku, options, price, variant.compare_at]
        }));
        if variants.is_search_changed {
            search_changed.push(cells![tenant, product]);
            tags.extend(fields.tags.iter().map(|tag| cells![tenant, product, fold_text(tag)]));
        }
    }
    PRODUCTS.put(connection, products).await?;
    VARIANTS.remove(connection, removed).await?;
    VARIANTS.put(connection, put).await?;
    let written: Vec<Vec<Cell>> = changed.keys().map(row_key).collect();
    write_lowest_prices(connection, &written).await?;
    search::index_products(connection, &search_changed).await?;
    TAGS.remove(connection, search_changed).await?;
    TAGS.put(connection, tags).await
}

impl VariantChanges {
    fn none(next_ordinal: u64) -> Self {
        Self { next_ordinal, removed: BTreeSet::new(), put: BTreeMap::new(), is_search_changed: false }
    }

    /// Applies a change as `Details::with` of the engine does: variants are removed first; a put variant replaces the
    /// variant with its id and keeps its ordinal, or follows all others.
    fn apply(&mut self, change: &Change) {
        let Change { title, vendor, product_type, tags, removed, put, .. } = change;
        self.is_search_changed |= title.is_some() || vendor.is_some() || product_type.is_some() || tags.is_some();
        self.is_search_changed |= !removed.is_empty() || !put.is_empty();
        for variant in removed {
            self.put.remove(variant);
            self.removed.insert(*variant);
        }
        for variant in put {
            let next = self.next_ordinal;
            self.next_ordinal += 1;
            let ordinal = self.put.get(&variant.id).map_or(next, |(ordinal, _)| *ordinal);
            self.put.insert(variant.id, (ordinal, variant.clone()));
        }
    }
}

fn product_cells(tenant: &str, product: u128, fields: &ProductFields, next_ordinal: u64) -> Vec<Cell> {
    cells![
        tenant,
        product,
        fields.handle.as_str(),
        fields.title.as_str(),
        fields.description.as_str(),
        fields.vendor.as_str(),
        fold_text(&fields.vendor),
        fields.product_type.as_str(),
        fold_text(&fields.product_type),
        json!(fields.tags).to_string(),
        json!(fields.images).to_string(),
        json!(fields.options).to_string(),
        variant_name(&fields.status),
        fields.currency.code(),
        fields.version,
        next_ordinal,
        fields.created_at.0,
        fields.updated_at.0,
        fold_text(&fields.title),
    ]
}

#[cfg(test)]
mod tests;
