//! Moves a drop's units between the drop and stock.
//!
//! Allocations are requested item by item as totals that only grow. Sales and returned units are reported as
//! [`Totals`], collected for [`SETTLE_GATHER_MS`] so that settlements do not double the journal's traffic.

use super::{DropEvent, FlashDrop, SETTLE_GATHER_MS, view::Phase};
use crate::{
    effect::{Effect, EffectId, Slots, effects},
    stock::{StockCommand, StockItem, StockRejection, StockReply},
    time::Timestamp,
};

type StockAnswer = Result<StockReply, StockRejection>;

effects! {
    DropEffect, DropOutcome:
    /// The allocation of units to the item with this index. Its generation is the total number of units.
    Allocation(item: u64) = Slots::every(2, 0) => StockItem;
    /// The settlement of the item with this index. Its generation is the number of settlements.
    Settlement(item: u64) = Slots::every(2, 1) => StockItem;
}

/// The state of the settlement with stock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settlement {
    /// When the next settlement is due.
    pub(super) due: Option<Timestamp>,
    /// The number of settlements so far; the generation of their effects.
    pub(super) generation: u64,
    /// The number of items whose settlement has no reply yet.
    pub(super) open: u32,
}

impl FlashDrop {
    /// Schedules a settlement, because totals changed at `at`.
    pub(super) fn totals_changed(&mut self, at: Timestamp) {
        if self.settlement.due.is_none() {
            self.settlement.due = Some(at.plus_ms(SETTLE_GATHER_MS));
        }
    }

    fn allocation_effect(&self, index: u16, units: u64) -> Option<Effect> {
        let (details, item) = (self.details.as_ref()?, self.items.get(index as usize)?);
        // The running total makes a repeated allocation a duplicate. It also serves as the generation of the effect.
        let total = item.allocated + units;
        let command = StockCommand::Allocate { drop: details.drop, total };
        Some(DropEffect::Allocation(u64::from(index), (item.offer.sku.clone(), command)).with(total))
    }

    fn settlement_effect(&self, index: u16) -> Option<Effect> {
        let (details, item) = (self.details.as_ref()?, self.items.get(index as usize)?);
        if item.reporting == item.booked {
            return None;
        }
        let command = StockCommand::Settle { drop: details.drop, totals: item.reporting };
        let effect = DropEffect::Settlement(u64::from(index), (item.offer.sku.clone(), command));
        Some(effect.with(self.settlement.generation))
    }

    pub(super) fn effects_of(&self, event: &DropEvent) -> Vec<Effect> {
        match event {
            DropEvent::UnitsAsked { units, .. } => {
                units.iter().filter_map(|&(item, more)| self.allocation_effect(item, more)).collect()
            }
            DropEvent::SettlementAsked { .. } => {
                (0..self.items.len() as u16).filter_map(|item| self.settlement_effect(item)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn outstanding_effects(&self) -> Vec<Effect> {
        let asked = self.pending.iter().flat_map(|pending| &pending.units).filter(|(_, _, came)| !came);
        let allocations = asked.filter_map(|&(item, more, _)| self.allocation_effect(item, more));
        allocations.chain((0..self.items.len() as u16).filter_map(|item| self.settlement_effect(item))).collect()
    }

    pub(super) fn is_anything_outstanding(&self) -> bool {
        self.settlement.open > 0
            || self.pending.as_ref().is_some_and(|pending| pending.units.iter().any(|(_, _, came)| !came))
    }

    /// Returns the events that follow from a reply of stock. A reply to an older generation causes none.
    pub(super) fn on_inventory(&self, effect: EffectId, outcome: DropOutcome, now: Timestamp) -> Vec<DropEvent> {
        match outcome {
            DropOutcome::Settlement(item, answer) if effect.generation == self.settlement.generation => {
                self.settled(item as u16, answer)
            }
            DropOutcome::Settlement(..) => Vec::new(),
            DropOutcome::Allocation(item, answer) => self.allocated(item as u16, effect.generation, answer, now),
        }
    }

    fn settled(&self, index: u16, answer: StockAnswer) -> Vec<DropEvent> {
        let Some(item) = self.items.get(index as usize) else { return Vec::new() };
        match answer {
            Ok(StockReply::Settled(totals)) if totals != item.booked => {
                vec![DropEvent::Settled { item: index, totals }]
            }
            _ => Vec::new(),
        }
    }

    fn allocated(&self, index: u16, total: u64, answer: StockAnswer, now: Timestamp) -> Vec<DropEvent> {
        let (Some(item), Some(pending)) = (self.items.get(index as usize), &self.pending) else { return Vec::new() };
        let Some((_, more, _)) = pending.units.iter().find(|(item, _, came)| *item == index && !came) else {
            return Vec::new();
        };
        if total != item.allocated + more {
            return Vec::new();
        }
        let mut events = match answer {
            Ok(_) => vec![DropEvent::UnitsCame { item: index, at: now }],
            Err(StockRejection::InsufficientAvailable { available, .. }) => {
                return vec![DropEvent::UnitsRefused { item: index, available, at: now }];
            }
            Err(_) => return vec![DropEvent::UnitsRefused { item: index, available: 0, at: now }],
        };
        let all_came = pending.units.iter().all(|&(item, _, came)| came || item == index);
        if all_came && self.refused.is_none() {
            events.push(match &pending.edit {
                Some(edit) => DropEvent::Edited { edit: edit.clone(), processed: pending.processed },
                None => DropEvent::Published { at: now },
            });
        }
        events
    }

    /// Returns the events that are due by time: the drop's end, expired holds, a settlement.
    pub(super) fn on_time(&self, now: Timestamp) -> Vec<DropEvent> {
        let Some(details) = &self.details else { return Vec::new() };
        let mut events = Vec::new();
        if matches!(details.listing.phase, Phase::Published(_)) && now >= details.listing.terms.ends_at {
            events.push(DropEvent::Ended { at: now, processed: None });
        }
        let cancelled = details.listing.phase == Phase::Cancelled;
        let due = self.expiries.iter().take_while(|(until, _)| cancelled || *until <= now);
        let claims: Vec<u32> = due.take(super::EXPIRIES_PER_WAKE_MAX).map(|&(_, claim)| claim).collect();
        if !claims.is_empty() {
            let units = claims.iter().map(|&claim| self.claims[claim].quantity.units()).sum();
            events.push(DropEvent::Expired { claims, at: now, units: Some(units) });
        }
        // One settlement at a time, because the next one changes the generation that the replies are compared with.
        if self.settlement.open == 0 && self.settlement.due.is_some_and(|due| due <= now) {
            events.push(DropEvent::SettlementAsked { at: now });
        }
        events
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let details = self.details.as_ref()?;
        let end = matches!(details.listing.phase, Phase::Published(_)).then_some(details.listing.terms.ends_at);
        // A cancelled drop releases all its holds at once, in batches: wake immediately until none is left.
        let expiry = self
            .expiries
            .first()
            .map(|&(until, _)| if details.listing.phase == Phase::Cancelled { Timestamp(1) } else { until });
        let report = if self.settlement.open == 0 { self.settlement.due } else { None };
        [end, expiry, report].into_iter().flatten().min()
    }
}
