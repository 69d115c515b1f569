//! What a drop remembers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Buyer, Claim, ClaimState, ClaimView, DropEdit, DropState, DropView, ItemView, NetworkHash, Terms, Totals,
    settle::Settlement,
};
use crate::{
    id::{ClaimId, ClaimRef, CommandId, DropId, EmailHash, Sku, SubjectId, TenantId},
    ledger::Ledger,
    money::Money,
    receipts::{Receipt, Receipts},
    shards::ShardedMap,
    time::Timestamp,
};

/// A flash sale. `Default` is one that does not exist yet.
#[derive(Debug, Default)]
pub struct Drop {
    pub(super) sheet: Option<Sheet>,
    pub(super) items: Vec<Item>,
    pub(super) claims: Ledger<Claim>,
    /// The merchant's commands of the last 24 hours, each with the drop as it was answered.
    pub(super) receipts: Receipts<Arc<DropView>>,
    pub(super) pending: Option<Pending>,
    pub(super) refused: Option<Refused>,
    pub(super) settlement: Settlement,
    // What follows is derived from the claims, and not in snapshots.
    pub(super) by_id: ShardedMap<ClaimId, u32>,
    pub(super) by_buyer: ShardedMap<SubjectId, Standing>,
    pub(super) by_email: HashMap<EmailHash, u64>,
    pub(super) by_network: HashMap<NetworkHash, u64>,
    pub(super) expiries: BTreeSet<(Timestamp, u32)>,
}

/// What one subject has of a drop.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Its claims, oldest first, released ones included.
    pub(super) claims: Vec<u32>,
    /// Units that it holds and has bought.
    pub(super) units: u64,
    /// Of those, the units that are in a checkout or bought.
    pub(super) taken: u64,
}

/// What is said of a drop once it is made.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) tenant: TenantId,
    pub(super) drop: DropId,
    pub(super) terms: Terms,
    pub(super) created: Receipt,
    pub(super) version: u64,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not published; `draft` or waiting for its units.
    Draft,
    /// Published at this instant.
    Published(Timestamp),
    Ended,
    Cancelled,
    /// Its creation was refused for want of units; the next attempt under the same key starts afresh.
    Void,
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) sku: Sku,
    pub(super) price: i64,
    pub(super) compare_at: Option<i64>,
    /// Units that the merchant wants it to have, before they have come.
    pub(super) wanted: u64,
    /// Units that ever came from the inventory.
    pub(super) allocated: u64,
    pub(super) available: u64,
    pub(super) held: u64,
    pub(super) totals: Totals,
    /// The `totals` of the newest report.
    pub(super) reporting: Totals,
    /// What the inventory has booked.
    pub(super) booked: Totals,
}

impl Item {
    /// Sold, and not taken back.
    pub(super) fn sold(&self) -> u64 {
        self.totals.sold - self.totals.returned
    }

    /// Whether the drop sells it: not one that an edit took out, nor one of a refused attempt to make the drop.
    pub(super) fn is_offered(&self) -> bool {
        self.wanted > 0 || self.quantity() > 0
    }

    /// Units that the drop has, sold ones included.
    pub(super) fn quantity(&self) -> u64 {
        self.allocated - self.totals.unsold
    }
}

/// Units that were asked of the inventory, and what is done when they have come.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) receipt: Receipt,
    pub(super) edit: Option<DropEdit>,
    /// Item, how many more, and whether they came.
    pub(super) units: Vec<(u16, u64, bool)>,
    /// When units came last; before any has come, when they were asked for.
    pub(super) came_at: Timestamp,
}

/// The last command that was refused for want of units, for the answer to it.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) command_id: CommandId,
    pub(super) sku: Sku,
    pub(super) available: u64,
}

impl Drop {
    /// The sheet of a drop that exists for others than its own creation.
    pub(super) fn existing(&self) -> Option<&Sheet> {
        self.sheet.as_ref().filter(|sheet| sheet.phase != Phase::Void)
    }

    /// Whether claims are over: by the clock, the merchant, or cancellation.
    pub(super) fn is_over(sheet: &Sheet, now: Timestamp) -> bool {
        matches!(sheet.phase, Phase::Ended | Phase::Cancelled) || now >= sheet.terms.ends_at
    }

    pub(super) fn starts_at(sheet: &Sheet) -> Option<Timestamp> {
        match (sheet.phase, sheet.terms.starts_at) {
            (_, Some(at)) => Some(at),
            (Phase::Published(at), None) => Some(at),
            _ => None,
        }
    }

    pub(super) fn item_index(&self, sku: &Sku) -> Option<u16> {
        self.items.iter().position(|item| item.sku == *sku).map(|index| index as u16)
    }

    /// The item that is meant when none is named: there is only one.
    pub(super) fn only_item(&self) -> Option<u16> {
        let mut offered = (0u16..).zip(&self.items).filter(|(_, item)| item.is_offered());
        let first = offered.next()?.0;
        offered.next().is_none().then_some(first)
    }

    /// The claim of this id, with its number.
    pub(super) fn claim(&self, id: ClaimId) -> Option<(u32, &Claim)> {
        let number = *self.by_id.get(&id)?;
        Some((number, &self.claims[number]))
    }

    /// What a buyer has, under each of its subjects.
    pub(super) fn standings(&self, buyer: &Buyer) -> impl Iterator<Item = &Standing> {
        buyer.subjects().filter_map(|subject| self.by_buyer.get(&subject))
    }

    pub(super) fn claim_view(&self, sheet: &Sheet, claim: &Claim) -> ClaimView {
        let expires_at = match claim.state {
            ClaimState::Held { until, .. } => until,
            _ => claim.first_until,
        };
        ClaimView {
            id: ClaimRef { drop: sheet.drop, claim: claim.id },
            buyer: claim.buyer,
            sku: self.items[claim.item as usize].sku.clone(),
            quantity: claim.quantity,
            unit_price: Money { amount: claim.price, currency: sheet.terms.currency },
            state: claim.state,
            expires_at,
            // Claims do not keep it. `hold_seconds` is fixed once a drop is open, so this is exact for every claim.
            created_at: claim.first_until.minus_seconds(u64::from(sheet.terms.hold_seconds)),
        }
    }

    /// The claim as it was answered when it was made.
    pub(super) fn claim_as_made(&self, sheet: &Sheet, claim: &Claim) -> ClaimView {
        let state = ClaimState::Held { until: claim.first_until, pin: None };
        ClaimView { state, expires_at: claim.first_until, ..self.claim_view(sheet, claim) }
    }

    pub(super) fn view(&self, sheet: &Sheet, now: Timestamp) -> DropView {
        let money = |amount| Money { amount, currency: sheet.terms.currency };
        let waiting = matches!(sheet.phase, Phase::Draft | Phase::Void);
        let items: Vec<_> = self.items.iter().filter(|item| item.is_offered()).collect();
        DropView {
            id: sheet.drop,
            state: self.state_at(sheet, now),
            version: sheet.version,
            per_network_max: self.per_network_max(&sheet.terms, waiting),
            terms: sheet.terms.clone(),
            starts_at: Self::starts_at(sheet),
            created_at: sheet.created.at,
            items: items
                .into_iter()
                .map(|item| ItemView {
                    sku: item.sku.clone(),
                    quantity: if waiting { item.wanted } else { item.quantity() + item.totals.unsold },
                    price: money(item.price),
                    compare_at: item.compare_at.map(money),
                    available: item.available,
                    held: item.held,
                    sold: item.sold(),
                    returned: item.totals.unsold,
                })
                .collect(),
            as_of: now,
        }
    }

    /// The limit of a network, of a drop that waits for its units as it will be.
    fn per_network_max(&self, terms: &Terms, waiting: bool) -> Option<u64> {
        let units = self.items.iter().map(|item| if waiting { item.wanted } else { item.allocated }).sum();
        terms.network_limit.unwrap_or_default().units(terms.per_buyer_max, units)
    }

    fn state_at(&self, sheet: &Sheet, now: Timestamp) -> DropState {
        match sheet.phase {
            Phase::Draft | Phase::Void => DropState::Draft,
            Phase::Cancelled => DropState::Cancelled,
            Phase::Ended => DropState::Ended,
            Phase::Published(_) if now >= sheet.terms.ends_at => DropState::Ended,
            Phase::Published(_) if Self::starts_at(sheet).is_some_and(|start| now < start) => DropState::Scheduled,
            Phase::Published(_) if self.items.iter().all(|item| item.available == 0 && item.held == 0) => {
                DropState::SoldOut
            }
            Phase::Published(_) => DropState::Open,
        }
    }

    /// Each item's SKU and its available, held and sold units.
    pub fn numbers(&self) -> impl Iterator<Item = (&Sku, u64, u64, u64)> {
        self.items.iter().map(|item| (&item.sku, item.available, item.held, item.sold()))
    }

    /// Asserts what must hold at every event: no unit is lost or made.
    pub fn assert_balanced(&self) {
        for item in &self.items {
            let parts = item.available + item.held + item.sold() + item.totals.unsold;
            assert_eq!(item.allocated, parts, "units of {} do not add up: {item:?}", item.sku);
        }
    }
}
