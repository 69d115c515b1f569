//! Limits for all buyers of one network.
//!
//! Guest sessions cost nothing, so with a cap for each buyer alone, one machine with sixty guest sessions could take a
//! whole drop. The drop therefore also counts the units of each network. The gateway identifies a network
//! by a keyed hash.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use super::FlashDrop;
use crate::quantity::{QUANTITY_MAX, Quantity};

/// A keyed hash of the drop and of the network that a claim came from. The address itself never reaches the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct NetworkHash(#[n(0)] pub u64);

/// The network that a claim comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ClaimNetwork {
    /// The hash of the network.
    #[n(0)]
    pub hash: NetworkHash,
    /// Whether the network is exempt from the standard limit, as a developer's own machine is. A limit that the
    /// merchant has chosen applies to every network.
    #[n(1)]
    pub exempt: bool,
}

/// The maximum number of units that all buyers of one network may hold or have bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub enum NetworkLimit {
    /// No limit.
    #[default]
    #[n(0)]
    Unlimited,
    /// The larger of [`STANDARD_BUYERS`] times the cap of one buyer and a [quarter](STANDARD_SHARE) of the drop.
    #[n(1)]
    Standard,
    /// This number of units.
    #[n(2)]
    Units(#[n(0)] Quantity),
}

/// The number of buyers of one network that the standard limit always allows: a household, or an office.
pub const STANDARD_BUYERS: u64 = 5;
/// The share of a drop that the standard limit allows one network, as a divisor. Many phones may share the addresses of
/// one carrier, but no network gets most of a drop.
pub const STANDARD_SHARE: u64 = 4;

impl NetworkLimit {
    /// The limit for a drop of `units` units. `None` means no limit.
    pub fn units(self, per_buyer_max: Quantity, units: u64) -> Option<u64> {
        match self {
            NetworkLimit::Unlimited => None,
            NetworkLimit::Standard => {
                let buyers = per_buyer_max.units().saturating_mul(STANDARD_BUYERS);
                Some(buyers.max(units.div_ceil(STANDARD_SHARE)).min(u64::from(QUANTITY_MAX)))
            }
            NetworkLimit::Units(limit) => Some(limit.units()),
        }
    }
}

impl FlashDrop {
    /// The number of units that buyers of this network may still claim. `None` means no limit.
    pub(super) fn left_for_network(
        &self,
        limit: NetworkLimit,
        per_buyer_max: Quantity,
        of: ClaimNetwork,
    ) -> Option<u64> {
        if of.exempt && limit == NetworkLimit::Standard {
            return None;
        }
        let units = self.items.iter().map(|item| item.allocated).sum();
        let has = self.by_network.get(&of.hash).copied().unwrap_or(0);
        limit.units(per_buyer_max, units).map(|limit| limit.saturating_sub(has))
    }

    /// Adds claimed units to the count of a network.
    pub(super) fn network_takes(&mut self, network: Option<NetworkHash>, units: u64) {
        if let Some(network) = network {
            *self.by_network.entry(network).or_default() += units;
        }
    }

    /// Removes released units from the count of a network.
    pub(super) fn network_returns(&mut self, network: Option<NetworkHash>, units: u64) {
        let Some(network) = network else { return };
        if let Some(has) = self.by_network.get_mut(&network) {
            *has -= units;
            if *has == 0 {
                self.by_network.remove(&network);
            }
        }
    }
}
