//! What all buyers of one network may have of a drop together.
//!
//! Guest sessions cost nothing, so a cap for each buyer alone lets one machine with sixty guests take a whole drop. The
//! drop therefore counts the units of each network as well. It knows a network by a keyed hash that the gateway makes.

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

use super::Drop;
use crate::quantity::{QUANTITY_MAX, Quantity};

/// A keyed hash of the network that a claim came from, and of the drop. The address itself never reaches the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct NetworkHash(#[n(0)] pub u64);

/// The network that a claim comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimNetwork {
    /// Which.
    pub hash: NetworkHash,
    /// Whether the standard limit does not hold for it: a developer's own machine. One that the merchant has chosen holds
    /// for all.
    pub exempt: bool,
}

/// How many units all buyers of one network may hold and have bought together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub enum NetworkLimit {
    /// As many as there are.
    #[default]
    #[n(0)]
    Unlimited,
    /// [`STANDARD_BUYERS`] times what one buyer may have, or a [quarter](STANDARD_SHARE) of the drop if that is more.
    #[n(1)]
    Standard,
    /// So many.
    #[n(2)]
    Units(#[n(0)] Quantity),
}

/// Buyers of one network that the standard limit never hinders: a household, or an office that shops together.
pub const STANDARD_BUYERS: u64 = 5;
/// The share of a drop that the standard limit leaves to one network, as a divisor: many phones may be behind the
/// addresses of one carrier, but no network has most of a drop.
pub const STANDARD_SHARE: u64 = 4;

impl NetworkLimit {
    /// The limit of a drop of so many units; `None`: there is none.
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

impl Drop {
    /// How many more units a network may have; `None`: any number.
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

    /// Counts units that a network has from now on.
    pub(super) fn network_takes(&mut self, network: Option<NetworkHash>, units: u64) {
        if let Some(network) = network {
            *self.by_network.entry(network).or_default() += units;
        }
    }

    /// Counts units that a network has no longer.
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
