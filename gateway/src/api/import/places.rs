//! Limits concurrent catalogue imports.

use std::{collections::HashMap, sync::Arc};

use engine::id::TenantId;
use parking_lot::Mutex;

/// The maximum number of concurrent imports per tenant: each takes memory for 64 products, and a share of the journal.
pub(crate) const IMPORTS_PER_TENANT: usize = 4;
/// The maximum number of concurrent imports of all tenants: a bound on memory with room for eight busy
/// tenants.
const IMPORTS_AT_ONCE: usize = 32;

/// The import slots: each tenant has its own, so that tenants do not wait for each other.
#[derive(Debug, Default)]
pub(crate) struct ImportPlaces(Mutex<HashMap<TenantId, usize>>);

/// A slot that is taken. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct ImportPlace {
    places: Arc<ImportPlaces>,
    tenant: TenantId,
}

impl ImportPlaces {
    /// Takes a slot for an import of this tenant. `None` when the tenant has [`IMPORTS_PER_TENANT`], or all tenants
    /// together have [`IMPORTS_AT_ONCE`].
    pub(crate) fn take(self: &Arc<Self>, tenant: &TenantId) -> Option<ImportPlace> {
        let mut taken = self.0.lock();
        let own = taken.get(tenant).copied().unwrap_or(0);
        if own >= IMPORTS_PER_TENANT || taken.values().sum::<usize>() >= IMPORTS_AT_ONCE {
            return None;
        }
        taken.insert(tenant.clone(), own + 1);
        Some(ImportPlace { places: self.clone(), tenant: tenant.clone() })
    }
}

impl Drop for ImportPlace {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        match taken.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tenant(number: usize) -> TenantId {
        TenantId::new(&format!("shop-{number}")).unwrap()
    }

    #[test]
    fn a_tenant_that_has_taken_all_its_places_leaves_those_of_others() {
        let places = Arc::new(ImportPlaces::default());
        let mut taken: Vec<_> = (0..IMPORTS_PER_TENANT).map(|_| places.take(&tenant(0)).unwrap()).collect();
        assert!(places.take(&tenant(0)).is_none());
        let other = places.take(&tenant(1)).unwrap();
        taken.pop();
        assert!(places.take(&tenant(0)).is_some());
        drop((taken, other));
        assert!(places.0.lock().is_empty(), "a tenant without imports takes no memory");
    }

    #[test]
    fn all_tenants_together_have_a_bound() {
        let places = Arc::new(ImportPlaces::default());
        let taken: Vec<_> =
            (0..IMPORTS_AT_ONCE).map(|number| places.take(&tenant(number / IMPORTS_PER_TENANT)).unwrap()).collect();
        assert!(places.take(&tenant(IMPORTS_AT_ONCE)).is_none());
        drop(taken);
        assert!(places.take(&tenant(IMPORTS_AT_ONCE)).is_some());
    }
}
