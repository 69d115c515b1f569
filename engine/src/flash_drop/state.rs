//! The state of a flash sale drop.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Buyer, Claim, ClaimState, ClaimView, DropEdit, DropState, DropView, ItemView, NetworkHash, Terms, Totals,
    settle::Settlement,
    view::{ItemOffer, Listing, Phase},
};
use crate::{
    id::{ClaimId, ClaimRef, CommandId, DropId, EmailHash, Sku, SubjectId, TenantId},
    money::Money,
    paged_list::PagedList,
    processed_commands::{ProcessedCommand, ProcessedCommands},
    shards::ShardedMap,
    time::Timestamp,
};

/// A flash sale drop. `Default` is a drop that does not exist yet.
#[derive(Debug, Default)]
pub struct FlashDrop {
    pub(super) details: Option<Details>,
    pub(super) items: Vec<Item>,
    pub(super) claims: PagedList<Claim>,
    /// The merchant's commands of the last 24 hours, each with the drop as the reply showed it.
    pub(super) processed_commands: ProcessedCommands<Arc<DropView>>,
    pub(super) pending: Option<Pending>,
    pub(super) refused: Option<Refused>,
    pub(super) settlement: Settlement,
    // The fields below are derived from the claims and are not in snapshots.
    pub(super) by_id: ShardedMap<ClaimId, u32>,
    pub(super) by_buyer: ShardedMap<SubjectId, BuyerTotals>,
    pub(super) by_email: HashMap<EmailHash, u64>,
    pub(super) by_network: HashMap<NetworkHash, u64>,
    pub(super) expiries: BTreeSet<(Timestamp, u32)>,
}

/// The claims and units of one subject in a drop.
#[derive(Debug, Default)]
pub(super) struct BuyerTotals {
    /// The numbers of its claims, oldest first, including released claims.
    pub(super) claims: Vec<u32>,
    /// Units that the subject holds or has bought.
    pub(super) units: u64,
    /// The units among them that are locked by a checkout or bought.
    pub(super) taken: u64,
}

/// The details of a drop that was created.
#[derive(Debug, Clone)]
pub(super) struct Details {
    pub(super) tenant: TenantId,
    pub(super) drop: DropId,
    pub(super) created: ProcessedCommand,
    /// The part that the merchant's commands change.
    pub(super) listing: Listing,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    /// What the merchant offers.
    pub(super) offer: ItemOffer,
    /// Units ever received from stock.
    pub(super) allocated: u64,
    pub(super) available: u64,
    pub(super) held: u64,
    pub(super) totals: Totals,
    /// The `totals` in the newest settlement.
    pub(super) reporting: Totals,
    /// The totals that stock has recorded.
    pub(super) booked: Totals,
}

impl From<ItemOffer> for Item {
    fn from(offer: ItemOffer) -> Self {
        Self {
            offer,
            allocated: 0,
            available: 0,
            held: 0,
            totals: Totals::default(),
            reporting: Totals::default(),
            booked: Totals::default(),
        }
    }
}

impl AsRef<ItemOffer> for Item {
    fn as_ref(&self) -> &ItemOffer {
        &self.offer
    }
}

impl AsMut<ItemOffer> for Item {
    fn as_mut(&mut self) -> &mut ItemOffer {
        &mut self.offer
    }
}

impl Item {
    /// Units sold, excluding reversed sales.
    pub(super) fn sold(&self) -> u64 {
        self.totals.sold - self.totals.returned
    }

    /// Whether the drop sells the item. False for an item that an edit removed or that belongs to a refused creation.
    pub(super) fn is_offered(&self) -> bool {
        self.offer.quantity > 0 || self.quantity() > 0
    }

    /// Units of the drop, including sold units and excluding units returned to stock.
    pub(super) fn quantity(&self) -> u64 {
        self.allocated - self.totals.unsold
    }
}

/// Units that were requested from stock, and the command that waits for them.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) processed: ProcessedCommand,
    pub(super) edit: Option<DropEdit>,
    /// The item's index, the number of units, and whether stock has allocated them.
    pub(super) units: Vec<(u16, u64, bool)>,
    /// When stock last allocated units; before the first allocation, when the units were requested.
    pub(super) came_at: Timestamp,
}

/// The last command that was refused for lack of stock, for the reply to it.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) command_id: CommandId,
    pub(super) sku: Sku,
    pub(super) available: u64,
}

impl FlashDrop {
    /// The details of a drop that is visible to commands other than its own creation. A drop whose creation is refused
    /// is not: from the first refusal on, even while other stock items have still to answer.
    pub(super) fn existing(&self) -> Option<&Details> {
        self.details.as_ref().filter(|details| details.listing.phase != Phase::Void && !self.is_creation_refused())
    }

    fn is_creation_refused(&self) -> bool {
        self.refused.is_some() && self.pending.as_ref().is_some_and(|pending| self.is_creation(pending))
    }

    /// Whether the drop is over: past its end time, ended by the merchant, or cancelled.
    pub(super) fn is_over(details: &Details, now: Timestamp) -> bool {
        matches!(details.listing.phase, Phase::Ended | Phase::Cancelled) || now >= details.listing.terms.ends_at
    }

    pub(super) fn starts_at(details: &Details) -> Option<Timestamp> {
        details.listing.phase.starts_at(&details.listing.terms)
    }

    pub(super) fn item_index(&self, sku: &Sku) -> Option<u16> {
        self.items.iter().position(|item| item.offer.sku == *sku).map(|index| index as u16)
    }

    /// The item of a claim that names no SKU: the only item on offer.
    pub(super) fn only_item(&self) -> Option<u16> {
        let mut offered = (0u16..).zip(&self.items).filter(|(_, item)| item.is_offered());
        let first = offered.next()?.0;
        offered.next().is_none().then_some(first)
    }

    /// The claim with this id and its number.
    pub(super) fn claim(&self, id: ClaimId) -> Option<(u32, &Claim)> {
        let number = *self.by_id.get(&id)?;
        Some((number, &self.claims[number]))
    }

    /// The totals of a buyer, one for each of its subjects.
    pub(super) fn buyer_totals(&self, buyer: &Buyer) -> impl Iterator<Item = &BuyerTotals> {
        buyer.subjects().filter_map(|subject| self.by_buyer.get(&subject))
    }

    pub(super) fn claim_view(&self, details: &Details, claim: &Claim) -> ClaimView {
        let expires_at = match claim.state {
            ClaimState::Held { until, .. } => until,
            _ => claim.first_until,
        };
        ClaimView {
            id: ClaimRef { drop: details.drop, claim: claim.id },
            buyer: claim.buyer,
            sku: self.items[claim.item as usize].offer.sku.clone(),
            quantity: claim.quantity,
            unit_price: Money { amount: claim.price, currency: details.listing.terms.currency },
            state: claim.state,
            expires_at,
            // Claims do not store their creation time. `hold_seconds` is fixed once a drop is open, so this is exact.
            created_at: claim.first_until.minus_seconds(u64::from(details.listing.terms.hold_seconds)),
        }
    }

    /// The claim as the reply to its creation showed it.
    pub(super) fn claim_as_made(&self, details: &Details, claim: &Claim) -> ClaimView {
        let state = ClaimState::Held { until: claim.first_until, lock: None };
        ClaimView { state, expires_at: claim.first_until, ..self.claim_view(details, claim) }
    }

    pub(super) fn view(&self, details: &Details, now: Timestamp) -> DropView {
        let money = |amount| Money { amount, currency: details.listing.terms.currency };
        let waiting = matches!(details.listing.phase, Phase::Draft | Phase::Void);
        let items: Vec<_> = self.items.iter().filter(|item| item.is_offered()).collect();
        DropView {
            id: details.drop,
            state: self.state_at(details, now),
            version: details.listing.version,
            per_network_max: self.per_network_max(&details.listing.terms, waiting),
            terms: details.listing.terms.clone(),
            starts_at: Self::starts_at(details),
            created_at: details.created.at,
            items: items
                .into_iter()
                .map(|item| ItemView {
                    sku: item.offer.sku.clone(),
                    quantity: if waiting { item.offer.quantity } else { item.quantity() + item.totals.unsold },
                    price: money(item.offer.price),
                    compare_at: item.offer.compare_at.map(money),
                    available: item.available,
                    held: item.held,
                    sold: item.sold(),
                    returned: item.totals.unsold,
                })
                .collect(),
            as_of: now,
        }
    }

    /// The limit of a network. While the drop waits for its units, the limit is based on the units it is going to have.
    fn per_network_max(&self, terms: &Terms, waiting: bool) -> Option<u64> {
        let units = self.items.iter().map(|item| if waiting { item.offer.quantity } else { item.allocated }).sum();
        terms.network_limit.unwrap_or_default().units(terms.per_buyer_max, units)
    }

    fn state_at(&self, details: &Details, now: Timestamp) -> DropState {
        match details.listing.phase.state_at(&details.listing.terms, now) {
            DropState::Open if self.items.iter().all(|item| item.available == 0 && item.held == 0) => {
                DropState::SoldOut
            }
            state => state,
        }
    }

    /// The SKU of each item, with its available, held and sold units.
    pub fn numbers(&self) -> impl Iterator<Item = (&Sku, u64, u64, u64)> {
        self.items.iter().map(|item| (&item.offer.sku, item.available, item.held, item.sold()))
    }

    /// Asserts the invariants that hold after every event: no unit is lost or created.
    pub fn assert_balanced(&self) {
        for item in &self.items {
            let parts = item.available + item.held + item.sold() + item.totals.unsold;
            assert_eq!(item.allocated, parts, "units of {} do not add up: {item:?}", item.offer.sku);
        }
    }
}
