//! How events change a drop. Applying an event cannot fail.

use std::sync::Arc;

use super::{
    Claim, ClaimState, DropEdit, DropEvent, FlashDrop, ReleaseReason,
    state::{Details, Item, Pending, Refused},
    view::{self, Listing, Phase},
};
use crate::{
    fault_injection::{Rule, is_broken},
    id::ClaimId,
    processed_commands::ProcessedCommand,
    time::Timestamp,
};

impl FlashDrop {
    pub(super) fn fold(&mut self, event: &DropEvent) {
        match event {
            DropEvent::Created { tenant, drop, terms, items, draft, processed } => {
                // Units of a refused creation have been or will be settled with stock: its items keep their totals.
                self.items = view::created_items(items, std::mem::take(&mut self.items));
                self.pending = None;
                self.refused = None;
                self.details = Some(Details {
                    tenant: tenant.clone(),
                    drop: *drop,
                    created: *processed,
                    listing: Listing::created(terms),
                });
                // A drop that is not a draft gets its reply when it is published.
                if *draft {
                    self.keep_answer(*processed, processed.at);
                }
            }
            DropEvent::UnitsAsked { processed, edit, units } => {
                if let Some(edit) = edit {
                    view::add_new_items(&mut self.items, edit);
                }
                let units = units.iter().map(|&(item, more)| (item, more, false)).collect();
                self.refused = None;
                self.pending =
                    Some(Pending { processed: *processed, edit: edit.clone(), units, came_at: processed.at });
            }
            DropEvent::UnitsCame { item, at } => self.units_came(*item, *at),
            DropEvent::UnitsRefused { item, available, at } => self.units_refused(*item, *available, *at),
            DropEvent::Published { at } => {
                self.change_listing(event);
                if let Some(pending) = self.pending.take() {
                    self.keep_answer(pending.processed, *at);
                }
            }
            DropEvent::Edited { edit, processed } => {
                self.change_listing(event);
                view::add_new_items(&mut self.items, edit);
                self.edit_items(edit, processed.at);
                let at = self.pending.take().map_or(processed.at, |pending| pending.came_at);
                // The same command may have been refused earlier, when its edit needed more units.
                self.refused = None;
                self.keep_answer(*processed, at);
            }
            DropEvent::Ended { at, processed } => {
                self.change_listing(event);
                self.finish(*at, processed.as_ref());
            }
            DropEvent::Cancelled { processed } => {
                self.change_listing(event);
                self.finish(processed.at, Some(processed));
            }
            DropEvent::Claimed { claim, buyer, item, quantity, price, fingerprint, until, network, .. } => {
                self.add_claim(Claim {
                    id: *claim,
                    buyer: *buyer,
                    fingerprint: *fingerprint,
                    item: *item,
                    checkouts: 0,
                    lengthened: false,
                    quantity: *quantity,
                    price: *price,
                    first_until: *until,
                    email: None,
                    undone: None,
                    state: ClaimState::Held { until: *until, lock: None },
                    network: *network,
                });
            }
            DropEvent::Released { claim, at, .. } => {
                if let Some(&number) = self.by_id.get(claim) {
                    self.release_claim(number, ReleaseReason::GivenBack, *at);
                }
            }
            DropEvent::Expired { claims, at, .. } => {
                for &number in claims {
                    self.release_claim(number, ReleaseReason::Expired, *at);
                }
            }
            DropEvent::ClaimLocked { .. }
            | DropEvent::ClaimUnlocked { .. }
            | DropEvent::Sold { .. }
            | DropEvent::Unsold { .. } => {
                self.fold_checkout(event);
            }
            DropEvent::SettlementAsked { .. } => {
                self.settlement.generation += 1;
                self.settlement.due = None;
                for item in &mut self.items {
                    item.reporting = item.totals;
                }
                self.settlement.open = self.items.iter().filter(|item| item.reporting != item.booked).count() as u32;
            }
            DropEvent::Settled { item, totals } => {
                let item = &mut self.items[*item as usize];
                let was_open = item.reporting != item.booked;
                item.booked = *totals;
                if was_open && item.reporting == item.booked {
                    self.settlement.open -= 1;
                }
            }
        }
        #[cfg(debug_assertions)]
        if !is_broken(Rule::OversellByOne) && !is_broken(Rule::UnitLostAfterEnd) {
            self.assert_balanced();
        }
    }

    /// Applies the events of a claim in a checkout: locked, unlocked, sold, reversed.
    fn fold_checkout(&mut self, event: &DropEvent) {
        match event {
            DropEvent::ClaimLocked { claim, lock, email } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.expire_never(number);
                let Some(known) = self.claims.get_mut(number) else { return };
                if let ClaimState::Held { until, .. } = known.state {
                    known.state = ClaimState::Held { until, lock: Some(*lock) };
                    known.checkouts += 1;
                    known.email = Some(*email);
                    *self.by_email.entry(*email).or_default() += known.quantity.units();
                    self.by_buyer.entry_or_default(known.buyer).taken += known.quantity.units();
                }
            }
            DropEvent::ClaimUnlocked { claim, lock, until } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.forget_email(number);
                let Some(known) = self.claims.get_mut(number) else { return };
                if let ClaimState::Held { until: before, .. } = known.state {
                    self.by_buyer.entry_or_default(known.buyer).taken -= known.quantity.units();
                    known.lengthened |= *until > before;
                    known.undone = Some(*lock);
                    known.state = ClaimState::Held { until: *until, lock: None };
                    self.expiries.insert((*until, number));
                }
            }
            DropEvent::Sold { claim, order, at, .. } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.expire_never(number);
                let Some(known) = self.claims.get_mut(number) else { return };
                known.state = ClaimState::Sold { order: *order };
                let (item, units) = (&mut self.items[known.item as usize], known.quantity.units());
                item.held -= units;
                item.totals.sold += units;
                self.totals_changed(*at);
            }
            DropEvent::Unsold { claim, at, .. } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.forget_email(number);
                let over = self.is_phase_over();
                let Some(known) = self.claims.get_mut(number) else { return };
                known.state = ClaimState::Released { why: ReleaseReason::CaptureFailed };
                let (item, units) = (&mut self.items[known.item as usize], known.quantity.units());
                let totals_of_buyer = self.by_buyer.entry_or_default(known.buyer);
                totals_of_buyer.units -= units;
                totals_of_buyer.taken -= units;
                item.totals.returned += units;
                give_back(item, units, over);
                let network = known.network;
                self.network_returns(network, units);
                self.totals_changed(*at);
            }
            _ => {}
        }
    }

    fn add_claim(&mut self, claim: Claim) {
        if let Some(item) = self.items.get_mut(claim.item as usize) {
            item.available = item.available.saturating_sub(claim.quantity.units());
            item.held += claim.quantity.units();
        }
        self.index_claim(claim);
    }

    /// Adds a claim to the list and to the derived indexes.
    pub(super) fn index_claim(&mut self, claim: Claim) {
        let (id, buyer, state, units) = (claim.id, claim.buyer, claim.state, claim.quantity.units());
        if !matches!(state, ClaimState::Released { .. }) {
            self.network_takes(claim.network, units);
        }
        if let (Some(email), ClaimState::Held { lock: Some(_), .. } | ClaimState::Sold { .. }) = (claim.email, state) {
            *self.by_email.entry(email).or_default() += claim.quantity.units();
        }
        let number = self.claims.push(claim);
        self.by_id.insert(id, number);
        let totals_of_buyer = self.by_buyer.entry_or_default(buyer);
        totals_of_buyer.claims.push(number);
        if !matches!(state, ClaimState::Released { .. }) {
            totals_of_buyer.units += units;
        }
        if matches!(state, ClaimState::Held { lock: Some(_), .. } | ClaimState::Sold { .. }) {
            totals_of_buyer.taken += units;
        }
        if let ClaimState::Held { until, lock: None } = state {
            self.expiries.insert((until, number));
        }
    }

    fn release_claim(&mut self, number: u32, why: ReleaseReason, at: Timestamp) {
        self.expire_never(number);
        let over = self.is_phase_over();
        let Some(claim) = self.claims.get_mut(number) else { return };
        if !matches!(claim.state, ClaimState::Held { .. }) {
            return;
        }
        let was_pinned = matches!(claim.state, ClaimState::Held { lock: Some(_), .. });
        claim.state = ClaimState::Released { why };
        let (item, units) = (&mut self.items[claim.item as usize], claim.quantity.units());
        item.held -= units;
        let totals_of_buyer = self.by_buyer.entry_or_default(claim.buyer);
        totals_of_buyer.units -= units;
        if was_pinned {
            totals_of_buyer.taken -= units;
        }
        let network = claim.network;
        if over && is_broken(Rule::UnitLostAfterEnd) {
            return;
        }
        give_back(item, units, over);
        self.network_returns(network, units);
        if over {
            self.totals_changed(at);
        }
    }

    fn is_phase_over(&self) -> bool {
        self.details
            .as_ref()
            .is_none_or(|details| matches!(details.listing.phase, Phase::Ended | Phase::Cancelled | Phase::Void))
    }

    fn expire_never(&mut self, number: u32) {
        if let Some(ClaimState::Held { until, lock: None }) = self.claims.get(number).map(|claim| claim.state) {
            self.expiries.remove(&(until, number));
        }
    }

    /// Subtracts a claim's units from the count of its e-mail address.
    fn forget_email(&mut self, number: u32) {
        let Some(claim) = self.claims.get_mut(number) else { return };
        let units = claim.quantity.units();
        let Some(email) = claim.email.take() else { return };
        if let Some(count) = self.by_email.get_mut(&email) {
            *count -= units;
            if *count == 0 {
                self.by_email.remove(&email);
            }
        }
    }

    fn units_came(&mut self, index: u16, at: Timestamp) {
        let over = self.is_phase_over();
        let Some(pending) = &mut self.pending else { return };
        pending.came_at = at;
        for (item, more, came) in pending.units.iter_mut().filter(|(item, _, _)| *item == index) {
            *came = true;
            let item = &mut self.items[*item as usize];
            item.allocated += *more;
            give_back(item, *more, over);
        }
        if over {
            self.totals_changed(at);
        }
        self.give_up(at);
    }

    /// Refuses the pending command. Its reply names the first item that was refused.
    fn units_refused(&mut self, index: u16, available: u64, at: Timestamp) {
        let Some(pending) = &mut self.pending else { return };
        pending.units.retain(|(item, ..)| *item != index);
        let sku = self.items[index as usize].offer.sku.clone();
        self.refused.get_or_insert(Refused { command_id: pending.processed.command_id, sku, available });
        self.give_up(at);
    }

    /// Finishes a refused command once stock has answered all its allocations. Not earlier, because units that stock
    /// allocates later could not be returned. Returns the received units, except those that were claimed in the
    /// meantime.
    fn give_up(&mut self, at: Timestamp) {
        if self.refused.is_none() {
            return;
        }
        let answered = |pending: &mut Pending| pending.units.iter().all(|(.., came)| *came);
        let Some(pending) = self.pending.take_if(answered) else { return };
        let creation = self.is_creation(&pending);
        for (item, more, _) in pending.units {
            let item = &mut self.items[item as usize];
            let back = more.min(item.available);
            item.available -= back;
            item.totals.unsold += back;
            if back > 0 {
                self.settlement.due = Some(at);
            }
        }
        if let Some(details) = self.details.as_mut().filter(|_| creation) {
            details.listing.phase = Phase::Void;
        }
    }

    /// Whether the command that requested the units is the one that created the drop.
    pub(super) fn is_creation(&self, pending: &Pending) -> bool {
        self.details.as_ref().is_some_and(|details| details.created.command_id == pending.processed.command_id)
    }

    /// Records the drop as of `at` as the reply to this command and its duplicates.
    fn keep_answer(&mut self, processed: ProcessedCommand, at: Timestamp) {
        if let Some(details) = &self.details {
            let view = Arc::new(self.view(details, at));
            self.processed_commands.keep(processed, view);
        }
    }

    /// Returns the units that are not claimed to stock, after the drop has ended or was cancelled.
    fn finish(&mut self, at: Timestamp, processed: Option<&ProcessedCommand>) {
        for item in &mut self.items {
            item.totals.unsold += item.available;
            item.available = 0;
        }
        self.totals_changed(at);
        if let Some(processed) = processed {
            self.keep_answer(*processed, at);
        }
    }

    /// Applies an event to the part of the drop that lists show.
    fn change_listing(&mut self, event: &DropEvent) {
        let is_change_pending = self.pending.as_ref().is_some_and(|pending| !self.is_creation(pending));
        if let Some(details) = &mut self.details {
            details.listing.apply(event, is_change_pending);
        }
    }

    fn edit_items(&mut self, edit: &DropEdit, at: Timestamp) {
        let draft = self.details.as_ref().is_some_and(|details| details.listing.phase == Phase::Draft);
        for change in &edit.items {
            let Some(index) = self.item_index(&change.sku) else { continue };
            let item = &mut self.items[index as usize];
            item.offer.apply(change);
            let surplus = item.quantity().saturating_sub(item.offer.quantity).min(item.available);
            if !draft && surplus > 0 {
                item.available -= surplus;
                item.totals.unsold += surplus;
                self.totals_changed(at);
            }
        }
    }

    /// The number of the claim with this id, for tests and lists.
    pub fn claim_number(&self, claim: ClaimId) -> Option<u32> {
        self.by_id.get(&claim).copied()
    }
}

/// Frees units that are no longer held: they become available, or go back to stock once the drop is over.
fn give_back(item: &mut Item, units: u64, over: bool) {
    if over {
        item.totals.unsold += units;
    } else {
        item.available += units;
    }
}
