//! The queries behind lists, one file for each kind of entity. The rows come from [`crate::views`] and lag behind the
//! journal by its delay: read current data from the entity itself.

mod cart;
mod checkout;
mod drop;
mod order;
mod product;
mod product_summary;
mod sitemap;
mod sort;
mod stock;

pub use engine::checkout::CheckoutStatus;
use engine::{id::SubjectId, text::nfc};
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite};

pub use self::{
    cart::UNCHANGED_CARTS_MAX,
    checkout::ListedCheckout,
    drop::{DROPS_OF_BUYER_MAX, DropFilter, ListedDrop},
    order::{OrderFilter, OrderSearch},
    product::{ListedProduct, ProductFilter},
    product_summary::{PAGE_BYTES_MAX, ProductSummary, VARIANTS_LISTED_MAX, VariantSummary},
    sitemap::PublicPages,
    sort::{DropSort, OrderSort, ProductSort},
    stock::{SKUS_AT_ONCE_MAX, StockRow},
};
pub(crate) use self::{
    checkout::read_total,
    drop::{DropPhase, crowd_bucket, read_summary},
    order::{read_order, search_of, write_lines},
    product::{read_fields, write_lowest_prices},
};

/// Returns text in the form that filters compare: without case and surrounding white space.
pub(crate) fn fold_text(text: &str) -> String {
    nfc(&nfc(text.trim()).to_lowercase()).into_owned()
}

/// Returns the serialised name of an enum's variant.
pub(crate) fn variant_name(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

/// Adds ` AND column IN (…)` for a buyer and its former guests.
fn push_subjects(query: &mut QueryBuilder<Sqlite>, column: &str, subjects: &[SubjectId]) {
    query.push(format!(" AND {column} IN ("));
    let mut list = query.separated(", ");
    for subject in subjects {
        list.push_bind(super::blob(subject.0));
    }
    query.push(")");
}
