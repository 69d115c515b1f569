//! The queries behind lists, one file for each kind. Rows come from [`crate::project`] and lag behind the journal by
//! its delay: what must be current is asked of the entity itself.

mod cart;
mod checkout;
mod drop;
mod order;
mod product;
mod product_summary;
mod sitemap;
mod sort;
mod stock;

use engine::{id::SubjectId, text::nfc};
use serde::Serialize;
use sqlx::{QueryBuilder, Sqlite};

pub use self::{
    cart::UNCHANGED_CARTS_MAX,
    checkout::{CheckoutStanding, ListedCheckout},
    drop::{DROPS_OF_BUYER_MAX, DropFilter, ListedDrop, ListedDropPhase, ListedItem},
    order::{OrderFilter, OrderSearch},
    product::{ListedProduct, ProductFilter},
    product_summary::{PAGE_BYTES_MAX, ProductSummary, VARIANTS_LISTED_MAX, VariantSummary},
    sitemap::PublicPages,
    sort::{DropSort, OrderSort, ProductSort},
    stock::{SKUS_AT_ONCE_MAX, StockRow},
};
pub(crate) use self::{
    checkout::read_total,
    drop::{DropPhase, crowd_bucket, read_terms},
    order::{read_order, search_of, write_lines},
    product::write_lowest_prices,
};

/// Text as filters compare it: case and surrounding white space do not matter.
pub(crate) fn fold_text(text: &str) -> String {
    nfc(&nfc(text.trim()).to_lowercase()).into_owned()
}

/// The name of an enum's variant, as its serialisation spells it.
pub(crate) fn spell(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

/// Adds ` AND column IN (…)` for a buyer and the guests that it was before.
fn push_subjects(query: &mut QueryBuilder<Sqlite>, column: &str, subjects: &[SubjectId]) {
    query.push(format!(" AND {column} IN ("));
    let mut list = query.separated(", ");
    for subject in subjects {
        list.push_bind(super::blob(subject.0));
    }
    query.push(")");
}
