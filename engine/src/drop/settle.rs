//! How a drop's units move between it and the inventory shards.
//!
//! Allocations are asked for one by one under totals that only grow; sales and leftovers are reported as [`Totals`],
//! gathered for [`SETTLE_GATHER_MS`] so that a sale does not double the journal's traffic.

use super::{Drop, DropEvent, SETTLE_GATHER_MS, allocation, settlement, state::Phase};
use crate::{
    effect::{Effect, EffectId, Outcome, Request},
    inventory::{InventoryCommand, InventoryRejection, InventoryReply},
    time::Timestamp,
};

/// Where the reporting of totals stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settlement {
    /// When the next report is due.
    pub(super) due: Option<Timestamp>,
    /// How many reports there were: their turn.
    pub(super) turn: u64,
    /// Items whose report is not answered.
    pub(super) open: u32,
}

impl Drop {
    /// Notes that totals changed at `at`: a report is due soon.
    pub(super) fn totals_changed(&mut self, at: Timestamp) {
        if self.settlement.due.is_none() {
            self.settlement.due = Some(at.plus_ms(SETTLE_GATHER_MS));
        }
    }

    fn allocation_effect(&self, index: u16, units: u64) -> Option<Effect> {
        let (sheet, item) = (self.sheet.as_ref()?, self.items.get(index as usize)?);
        let total = item.allocated + units;
        let command = InventoryCommand::Allocate { drop: sheet.drop, total };
        Some(Effect { id: allocation(index, total), request: Request::Inventory(item.sku.clone(), command) })
    }

    fn settlement_effect(&self, index: u16) -> Option<Effect> {
        let (sheet, item) = (self.sheet.as_ref()?, self.items.get(index as usize)?);
        if item.reporting == item.booked {
            return None;
        }
        let command = InventoryCommand::Settle { drop: sheet.drop, totals: item.reporting };
        let request = Request::Inventory(item.sku.clone(), command);
        Some(Effect { id: settlement(index, self.settlement.turn), request })
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

    /// What the inventory's answer changes. An answer to an older turn changes nothing.
    pub(super) fn on_inventory(&self, effect: EffectId, outcome: &Outcome, now: Timestamp) -> Vec<DropEvent> {
        let Outcome::Inventory(outcome) = outcome else { return Vec::new() };
        let index = (effect.slot / 2) as u16;
        let Some(item) = self.items.get(index as usize) else { return Vec::new() };
        if effect == settlement(index, self.settlement.turn) {
            return match outcome {
                Ok(InventoryReply::Settled(totals)) if *totals != item.booked => {
                    vec![DropEvent::Settled { item: index, totals: *totals }]
                }
                _ => Vec::new(),
            };
        }
        let Some(pending) = &self.pending else { return Vec::new() };
        let Some((_, more, _)) = pending.units.iter().find(|(item, _, came)| *item == index && !came) else {
            return Vec::new();
        };
        if effect != allocation(index, item.allocated + more) {
            return Vec::new();
        }
        let mut events = match outcome {
            Ok(_) => vec![DropEvent::UnitsCame { item: index, at: now }],
            Err(InventoryRejection::InsufficientAvailable { available, .. }) => {
                return vec![DropEvent::UnitsRefused { item: index, available: *available, at: now }];
            }
            Err(_) => return vec![DropEvent::UnitsRefused { item: index, available: 0, at: now }],
        };
        let all_came = pending.units.iter().all(|&(item, _, came)| came || item == index);
        if all_came && self.refused.is_none() {
            events.push(match &pending.edit {
                Some(edit) => DropEvent::Edited { edit: edit.clone(), receipt: pending.receipt },
                None => DropEvent::Published { at: now },
            });
        }
        events
    }

    /// What time changes: the drop's end, expired holds, a report that is due.
    pub(super) fn on_time(&self, now: Timestamp) -> Vec<DropEvent> {
        let Some(sheet) = &self.sheet else { return Vec::new() };
        let mut events = Vec::new();
        if matches!(sheet.phase, Phase::Published(_)) && now >= sheet.terms.ends_at {
            events.push(DropEvent::Ended { at: now, receipt: None });
        }
        let cancelled = sheet.phase == Phase::Cancelled;
        let due = self.expiries.iter().take_while(|(until, _)| cancelled || *until <= now);
        let claims: Vec<u32> = due.take(super::EXPIRIES_PER_WAKE_MAX).map(|&(_, claim)| claim).collect();
        if !claims.is_empty() {
            let units = claims.iter().map(|&claim| self.claims[claim].quantity.units()).sum();
            events.push(DropEvent::Expired { claims, at: now, units: Some(units) });
        }
        if self.settlement.open == 0 && self.settlement.due.is_some_and(|due| due <= now) {
            events.push(DropEvent::SettlementAsked { at: now });
        }
        events
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let sheet = self.sheet.as_ref()?;
        let end = matches!(sheet.phase, Phase::Published(_)).then_some(sheet.terms.ends_at);
        let expiry =
            self.expiries.first().map(|&(until, _)| if sheet.phase == Phase::Cancelled { Timestamp(1) } else { until });
        let report = if self.settlement.open == 0 { self.settlement.due } else { None };
        [end, expiry, report].into_iter().flatten().min()
    }
}
