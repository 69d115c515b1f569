//! How many catalogue files are taken in at once.

use std::{collections::HashMap, sync::Arc};

use engine::id::TenantId;
use parking_lot::Mutex;

/// Catalogue files of one tenant at once: each takes memory for 64 products, and a share of the journal.
pub const IMPORTS_PER_TENANT: usize = 4;
/// Catalogue files at once over all tenants: a bound of memory that eight busy tenants do not reach.
pub const IMPORTS_AT_ONCE: usize = 32;

/// The places of catalogue files: each tenant has its own, so that none waits for another.
#[derive(Debug, Default)]
pub struct ImportPlaces(Mutex<HashMap<TenantId, usize>>);

/// A place that is taken. Dropping it gives it back.
#[derive(Debug)]
pub struct ImportPlace {
    places: Arc<ImportPlaces>,
    tenant: TenantId,
}

impl ImportPlaces {
    /// Takes a place for a file of this tenant; `None` when it has [`IMPORTS_PER_TENANT`], or all have
    /// [`IMPORTS_AT_ONCE`].
    pub fn take(self: &Arc<Self>, tenant: &TenantId) -> Option<ImportPlace> {
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
