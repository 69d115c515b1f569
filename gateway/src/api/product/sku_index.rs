//! A cache of the product that has a SKU: carts look it up for every line.
//!
//! Entries may be out of date, which is harmless: the price comes from the product itself, which rejects a SKU that it
//! does not have.

use std::collections::HashMap;

use engine::id::{ProductId, Sku, TenantId};
use parking_lot::RwLock;

/// The maximum number of cached SKUs, at some 200 bytes each. Beyond it the cache is cleared.
const SKUS_MAX: usize = 100_000;

type Products = HashMap<TenantId, HashMap<Sku, ProductId>>;

/// The cached products by SKU.
#[derive(Debug, Default)]
pub(crate) struct SkuIndex {
    products: RwLock<Products>,
}

impl SkuIndex {
    pub(crate) fn find(&self, tenant: &TenantId, sku: &Sku) -> Option<ProductId> {
        self.products.read().get(tenant)?.get(sku).copied()
    }

    pub(crate) fn keep(&self, tenant: &TenantId, sku: &Sku, product: ProductId) {
        let mut products = self.products.write();
        if products.values().map(HashMap::len).sum::<usize>() >= SKUS_MAX {
            products.clear();
        }
        products.entry(tenant.clone()).or_default().insert(sku.clone(), product);
    }

    pub(crate) fn forget(&self, tenant: &TenantId, sku: &Sku) {
        if let Some(products) = self.products.write().get_mut(tenant) {
            products.remove(sku);
        }
    }
}
