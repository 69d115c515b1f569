//! What lists show of a drop: the part that only the merchant's commands change. The drop itself and its row fold it
//! with the same code. Claims never reach this code.

use serde::{Deserialize, Serialize};

use super::{DropEdit, DropEvent, DropState, ItemEdit, ItemTerms, Terms};
use crate::{
    id::{CommandId, Sku},
    time::Timestamp,
    view::View,
};

/// The phase of a drop, as far as the merchant and the end of its window decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not published: a draft, or a drop that waits for its units.
    Draft,
    /// Published at this time.
    Published(Timestamp),
    /// Ended, by its time or by the merchant.
    Ended,
    /// Cancelled.
    Cancelled,
    /// The creation was refused for lack of stock. The next attempt under the same idempotency key starts again.
    Void,
}

impl Phase {
    /// The first instant at which claims are accepted, if it is known.
    pub fn starts_at(self, terms: &Terms) -> Option<Timestamp> {
        match (terms.starts_at, self) {
            (Some(at), _) | (None, Self::Published(at)) => Some(at),
            (None, _) => None,
        }
    }

    /// The state at `now` without regard to the counts: a drop that is `Open` here may be sold out.
    pub fn state_at(self, terms: &Terms, now: Timestamp) -> DropState {
        match self {
            Self::Draft | Self::Void => DropState::Draft,
            Self::Cancelled => DropState::Cancelled,
            Self::Ended => DropState::Ended,
            Self::Published(_) if now >= terms.ends_at => DropState::Ended,
            Self::Published(_) if self.starts_at(terms).is_some_and(|start| now < start) => DropState::Scheduled,
            Self::Published(_) => DropState::Open,
        }
    }
}

/// A drop without its items and counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The terms set by the merchant.
    pub terms: Terms,
    /// The phase.
    pub phase: Phase,
    /// The version, incremented by each of the merchant's changes.
    pub version: u64,
}

impl Listing {
    /// A drop that was just created.
    pub(super) fn created(terms: &Terms) -> Self {
        Self { terms: terms.clone(), phase: Phase::Draft, version: 1 }
    }

    /// Applies an event after the creation. `is_change_pending`: whether a command other than the creation waits for
    /// units; their arrival publishes the drop or makes the change.
    pub(super) fn apply(&mut self, event: &DropEvent, is_change_pending: bool) {
        match event {
            DropEvent::Published { at } => {
                self.phase = Phase::Published(*at);
                // From now on the start is known, even after the drop has ended.
                self.terms.starts_at.get_or_insert(*at);
                self.version += u64::from(is_change_pending);
            }
            DropEvent::Edited { edit, .. } => {
                self.terms.apply(edit);
                self.version += 1;
            }
            DropEvent::Ended { processed, .. } => {
                self.phase = Phase::Ended;
                self.version += u64::from(processed.is_some());
            }
            DropEvent::Cancelled { .. } => {
                self.phase = Phase::Cancelled;
                self.version += 1;
            }
            _ => {}
        }
    }
}

impl Terms {
    fn apply(&mut self, edit: &DropEdit) {
        if let Some(title) = &edit.title {
            self.title.clone_from(title);
        }
        self.starts_at = edit.starts_at.or(self.starts_at);
        self.ends_at = edit.ends_at.unwrap_or(self.ends_at);
        self.per_buyer_max = edit.per_buyer_max.unwrap_or(self.per_buyer_max);
        self.hold_seconds = edit.hold_seconds.unwrap_or(self.hold_seconds);
        self.audience = edit.audience.unwrap_or(self.audience);
        self.network_limit = edit.network_limit.or(self.network_limit);
    }
}

/// An item as the merchant offers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemOffer {
    /// The SKU.
    pub sku: Sku,
    /// The price of a unit, in minor units of the drop's currency.
    pub price: i64,
    /// The regular price of a unit, in minor units of the drop's currency.
    pub compare_at: Option<i64>,
    /// The number of units that the merchant wants the item to have, whether or not they are allocated yet.
    pub quantity: u64,
}

impl ItemOffer {
    fn of(terms: &ItemTerms) -> Self {
        let ItemTerms { sku, quantity, price, compare_at } = terms.clone();
        Self { sku, price, compare_at, quantity: quantity.units() }
    }

    pub(super) fn apply(&mut self, change: &ItemEdit) {
        self.price = change.price.unwrap_or(self.price);
        self.compare_at = change.compare_at.or(self.compare_at);
        let quantity = change.quantity.map_or(self.quantity, u64::from);
        self.quantity = quantity + change.add_quantity.map_or(0, |more| more.units());
    }
}

impl AsRef<ItemOffer> for ItemOffer {
    fn as_ref(&self) -> &ItemOffer {
        self
    }
}

impl AsMut<ItemOffer> for ItemOffer {
    fn as_mut(&mut self) -> &mut ItemOffer {
        self
    }
}

/// Returns the items of a new creation. Items of an earlier, refused creation keep what else is known of them; those
/// that the new creation does not have follow with no units, and are not offered.
pub(super) fn created_items<T>(items: &[ItemTerms], mut old: Vec<T>) -> Vec<T>
where
    T: From<ItemOffer> + AsRef<ItemOffer> + AsMut<ItemOffer>,
{
    let create = |terms: &ItemTerms| {
        let offer = ItemOffer::of(terms);
        match old.iter().position(|item| item.as_ref().sku == offer.sku) {
            Some(index) => {
                let mut item = old.remove(index);
                *item.as_mut() = offer;
                item
            }
            None => offer.into(),
        }
    };
    let mut created: Vec<T> = items.iter().map(create).collect();
    old.iter_mut().for_each(|item| item.as_mut().quantity = 0);
    created.append(&mut old);
    created
}

/// Adds the items that an edit names and the drop does not have, with no units: the edit itself sets their units.
pub(super) fn add_new_items<T>(items: &mut Vec<T>, edit: &DropEdit)
where
    T: From<ItemOffer> + AsRef<ItemOffer>,
{
    for change in &edit.items {
        if items.iter().all(|item| item.as_ref().sku != change.sku) {
            let price = change.price.unwrap_or(0);
            let offer = ItemOffer { sku: change.sku.clone(), price, compare_at: change.compare_at, quantity: 0 };
            items.push(offer.into());
        }
    }
}

/// A drop without its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct DropSummary {
    /// The terms, the phase and the version.
    pub listing: Listing,
    /// All items, also those that are not offered because they have no units.
    pub items: Vec<ItemOffer>,
    /// The time of publication, also after the end.
    pub published_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The command that created the drop.
    pub created: CommandId,
    /// The command that waits for units.
    pub pending: Option<CommandId>,
}

impl View for DropSummary {
    type Event = DropEvent;

    fn concerns(event: &DropEvent) -> bool {
        match event {
            DropEvent::Created { .. }
            | DropEvent::UnitsAsked { .. }
            | DropEvent::UnitsRefused { .. }
            | DropEvent::Published { .. }
            | DropEvent::Edited { .. }
            | DropEvent::Ended { .. }
            | DropEvent::Cancelled { .. } => true,
            DropEvent::Claimed { .. }
            | DropEvent::UnitsCame { .. }
            | DropEvent::Released { .. }
            | DropEvent::Expired { .. }
            | DropEvent::ClaimLocked { .. }
            | DropEvent::ClaimUnlocked { .. }
            | DropEvent::Sold { .. }
            | DropEvent::Unsold { .. }
            | DropEvent::SettlementAsked { .. }
            | DropEvent::Settled { .. } => false,
        }
    }

    fn fold(view: &mut Option<Self>, event: &DropEvent) {
        if let DropEvent::Created { terms, items, processed, .. } = event {
            let old = view.take().map(|drop| drop.items).unwrap_or_default();
            *view = Some(Self {
                listing: Listing::created(terms),
                items: created_items(items, old),
                published_at: None,
                created_at: processed.at,
                created: processed.command_id,
                pending: None,
            });
            return;
        }
        let Some(drop) = view else { return };
        drop.listing.apply(event, drop.pending.is_some_and(|command| command != drop.created));
        match event {
            DropEvent::UnitsAsked { processed, edit, .. } => {
                if let Some(edit) = edit {
                    add_new_items(&mut drop.items, edit);
                }
                drop.pending = Some(processed.command_id);
            }
            // The drop itself is void only when all its units are answered, but does not exist for others from here on.
            DropEvent::UnitsRefused { .. } => {
                let refused = drop.pending.take();
                if refused == Some(drop.created) {
                    drop.listing.phase = Phase::Void;
                }
            }
            DropEvent::Published { at } => {
                drop.pending = None;
                drop.published_at = Some(*at);
            }
            DropEvent::Edited { edit, .. } => {
                add_new_items(&mut drop.items, edit);
                for change in &edit.items {
                    if let Some(item) = drop.items.iter_mut().find(|item| item.sku == change.sku) {
                        item.apply(change);
                    }
                }
                drop.pending = None;
            }
            _ => {}
        }
    }
}
