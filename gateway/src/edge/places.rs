//! Slots for connections: a limit in total and one per address.

use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Network, subscriber};
use crate::Settings;

/// The slot of a connection in the total. It is held as long as the socket is open: a WebSocket takes over the slot of
/// the request that opened it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionPermit(
    #[allow(dead_code, reason = "held, and given back when it is dropped")] Arc<OwnedSemaphorePermit>,
);

/// Counts per address. The network of an IPv6 subscriber counts as one address.
#[derive(Debug)]
pub(crate) struct PerAddress {
    counts: DashMap<u128, usize>,
    max: usize,
}

/// One slot of an address, released when it is dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    of: Arc<PerAddress>,
    address: u128,
}

impl PerAddress {
    /// A counter with a limit of `max` per address.
    pub(crate) fn new(max: usize) -> Self {
        Self { counts: DashMap::new(), max }
    }

    /// Takes a slot. `None`: the address has reached its limit. `free`: the address has no limit.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr, free: bool) -> Option<AddressPlace> {
        let address = subscriber(address);
        let mut count = self.counts.entry(address).or_default();
        if *count >= self.max && !free {
            return None;
        }
        *count += 1;
        Some(AddressPlace { of: self.clone(), address })
    }

    /// The number of slots that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.counts.iter().map(|count| *count).sum()
    }
}

impl AddressPlace {
    /// The address under which the slot is counted.
    pub(crate) fn address(&self) -> u128 {
        self.address
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        if let Some(mut count) = self.of.counts.get_mut(&self.address) {
            *count -= 1;
        }
        self.of.counts.remove_if(&self.address, |_, count| *count == 0);
    }
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many connections.
    All,
    /// Too many connections from this address.
    Address,
    /// The file descriptors from this one on are reserved for files.
    Descriptors,
}

impl Full {
    /// The label of the metric.
    pub(super) fn name(self) -> &'static str {
        match self {
            Full::All => "connections",
            Full::Address => "address",
            Full::Descriptors => "descriptors",
        }
    }
}

/// The slots of a listener.
pub(super) struct Places {
    all: Arc<Semaphore>,
    addresses: Arc<PerAddress>,
    trusted_proxies: Vec<Network>,
    descriptors_max: u64,
}

impl Places {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.connections_max)),
            addresses: Arc::new(PerAddress::new(settings.connections_per_address_max)),
            trusted_proxies: settings.trusted_proxies.clone(),
            descriptors_max: settings.descriptors_max,
        }
    }

    /// Takes the slots for a connection from `peer` whose socket has this `descriptor`. `free`: the address has no
    /// limit.
    pub(super) fn take(
        &self,
        peer: IpAddr,
        descriptor: u64,
        free: bool,
    ) -> Result<(ConnectionPermit, AddressPlace), Full> {
        // The system assigns the lowest free descriptor, so this many are in use.
        if descriptor >= self.descriptors_max {
            return Err(Full::Descriptors);
        }
        // The connections of a proxy are those of all clients behind it.
        let free = free || self.trusted_proxies.iter().any(|network| network.contains(peer.to_canonical()));
        let address = self.addresses.take(peer, free).ok_or(Full::Address)?;
        let permit = self.all.clone().try_acquire_owned().map_err(|_| Full::All)?;
        Ok((ConnectionPermit(Arc::new(permit)), address))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    fn places() -> Places {
        Places::new(&Settings {
            connections_max: 3,
            connections_per_address_max: 2,
            descriptors_max: 100,
            trusted_proxies: vec!["203.0.113.2".parse().unwrap()],
            ..Settings::default()
        })
    }

    #[test]
    fn an_address_has_its_own_bound_and_gives_places_back() {
        let places = places();
        let (first, _second) = (places.take(ONE, 10, false).unwrap(), places.take(ONE, 11, false).unwrap());
        assert_eq!(places.take(ONE, 12, false).unwrap_err(), Full::Address);
        drop(first);
        let _again = places.take(ONE, 10, false).unwrap();
        assert_eq!(places.addresses.taken(), 2);
    }

    #[test]
    fn a_proxy_and_a_free_address_are_bounded_by_all_alone() {
        for (address, free) in [(TWO, false), (ONE, true)] {
            let places = places();
            let taken: Vec<_> = (0..3).map(|_| places.take(address, 10, free).unwrap()).collect();
            assert_eq!(places.take(address, 10, free).unwrap_err(), Full::All);
            drop(taken);
            assert_eq!(places.addresses.taken(), 0, "one that got no place leaves no count");
        }
    }

    #[test]
    fn the_highest_descriptors_are_for_files() {
        let places = places();
        assert!(places.take(ONE, 99, true).is_ok());
        assert_eq!(places.take(ONE, 100, true).unwrap_err(), Full::Descriptors);
    }
}
