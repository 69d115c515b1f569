//! Which product has a SKU, remembered: carts ask it for every line.
//!
//! What is remembered may be out of date. That does no harm: the product itself is asked for the price, and says when it
//! does not have the SKU.

use std::collections::HashMap;

use engine::id::{ProductId, Sku, TenantId};
use parking_lot::RwLock;

/// The most SKUs that are remembered, at some 200 bytes each; beyond that all are forgotten.
const SKUS_MAX: usize = 100_000;

type Products = HashMap<TenantId, HashMap<Sku, ProductId>>;

/// The products of SKUs that were asked for.
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
