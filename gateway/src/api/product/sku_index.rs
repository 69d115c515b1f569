//! A cache of the product that has a SKU: carts look it up for every line.
//!
//! Entries may be out of date, which is harmless: the price comes from the product itself, which rejects a SKU that it
//! does not have.

use engine::id::{ProductId, Sku, TenantId};
use quick_cache::{Equivalent, sync::Cache};

/// The maximum number of cached SKUs, at some 200 bytes each. Beyond it the least used are evicted.
const SKUS_MAX: usize = 100_000;

/// The cached products by SKU.
#[derive(Debug)]
pub(crate) struct SkuIndex {
    products: Cache<(TenantId, Sku), ProductId>,
}

/// A key for lookups that does not copy its parts. It hashes as the tuple does.
#[derive(Hash)]
struct Key<'a>(&'a TenantId, &'a Sku);

impl Equivalent<(TenantId, Sku)> for Key<'_> {
    fn equivalent(&self, (tenant, sku): &(TenantId, Sku)) -> bool {
        self.0 == tenant && self.1 == sku
    }
}

impl Default for SkuIndex {
    fn default() -> Self {
        Self { products: Cache::new(SKUS_MAX) }
    }
}

impl SkuIndex {
    pub(crate) fn find(&self, tenant: &TenantId, sku: &Sku) -> Option<ProductId> {
        self.products.get(&Key(tenant, sku))
    }

    pub(crate) fn keep(&self, tenant: &TenantId, sku: &Sku, product: ProductId) {
        self.products.insert((tenant.clone(), sku.clone()), product);
    }

    pub(crate) fn forget(&self, tenant: &TenantId, sku: &Sku) {
        self.products.remove(&Key(tenant, sku));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sku_belongs_to_its_tenant_and_can_be_forgotten() {
        let index = SkuIndex::default();
        let (acme, bolt) = (TenantId::new("acme").unwrap(), TenantId::new("bolt").unwrap());
        let sku = Sku::new("TEE-M").unwrap();
        index.keep(&acme, &sku, ProductId(1));
        assert_eq!((index.find(&acme, &sku), index.find(&bolt, &sku)), (Some(ProductId(1)), None));
        index.forget(&acme, &sku);
        assert_eq!(index.find(&acme, &sku), None);
    }

    #[test]
    fn a_full_index_stays_bounded_and_finds_the_newest() {
        let (index, acme) = (SkuIndex::default(), TenantId::new("acme").unwrap());
        let sku = |n: usize| Sku::new(&format!("SKU-{n}")).unwrap();
        for n in 0..SKUS_MAX + 1_000 {
            index.keep(&acme, &sku(n), ProductId(n as u128));
        }
        assert!(index.products.len() <= SKUS_MAX);
        let newest = SKUS_MAX + 999;
        assert_eq!(index.find(&acme, &sku(newest)), Some(ProductId(newest as u128)));
    }
}
