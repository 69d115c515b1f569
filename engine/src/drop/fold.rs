//! How events change a drop. Nothing here can fail or refuse.

use std::sync::Arc;

use super::{
    Claim, ClaimState, Drop, DropEdit, DropEvent, ItemTerms, ReleaseReason,
    state::{Item, Pending, Phase, Refused, Sheet},
};
use crate::{
    id::ClaimId,
    receipts::Receipt,
    sabotage::{Rule, is_broken},
    time::Timestamp,
};

impl Drop {
    pub(super) fn fold(&mut self, event: &DropEvent) {
        match event {
            DropEvent::Created { tenant, drop, terms, items, draft, receipt } => {
                // A void drop has settled, or will settle, what came to it: its totals go on.
                let mut old = std::mem::take(&mut self.items);
                self.items = items.iter().map(|terms| new_item(terms, &mut old)).collect();
                for item in &mut old {
                    item.wanted = 0;
                }
                self.items.append(&mut old);
                self.pending = None;
                self.refused = None;
                self.sheet = Some(Sheet {
                    tenant: tenant.clone(),
                    drop: *drop,
                    terms: terms.clone(),
                    created: *receipt,
                    version: 1,
                    phase: Phase::Draft,
                });
                // Another one is answered when it is published.
                if *draft {
                    self.keep_answer(*receipt, receipt.at);
                }
            }
            DropEvent::UnitsAsked { receipt, edit, units } => {
                if let Some(edit) = edit {
                    self.add_new_items(edit);
                }
                let units = units.iter().map(|&(item, more)| (item, more, false)).collect();
                self.refused = None;
                self.pending = Some(Pending { receipt: *receipt, edit: edit.clone(), units, came_at: receipt.at });
            }
            DropEvent::UnitsCame { item, at } => self.units_came(*item, *at),
            DropEvent::UnitsRefused { item, available, at } => self.units_refused(*item, *available, *at),
            DropEvent::Published { at } => {
                self.set_phase(Phase::Published(*at));
                if let Some(sheet) = &mut self.sheet {
                    // Known from now on, also when it has ended.
                    sheet.terms.starts_at.get_or_insert(*at);
                }
                if let Some(pending) = self.pending.take() {
                    if !self.is_creation(&pending) {
                        self.raise_version();
                    }
                    self.keep_answer(pending.receipt, *at);
                }
            }
            DropEvent::Edited { edit, receipt } => {
                self.add_new_items(edit);
                self.apply_edit(edit, receipt.at);
                let at = self.pending.take().map_or(receipt.at, |pending| pending.came_at);
                // The command may have been refused before, with another edit that needed more units.
                self.refused = None;
                self.raise_version();
                self.keep_answer(*receipt, at);
            }
            DropEvent::Ended { at, receipt } => self.finish(Phase::Ended, *at, receipt.as_ref()),
            DropEvent::Cancelled { receipt } => self.finish(Phase::Cancelled, receipt.at, Some(receipt)),
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
                    state: ClaimState::Held { until: *until, pin: None },
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
            DropEvent::Pinned { .. }
            | DropEvent::Unpinned { .. }
            | DropEvent::Sold { .. }
            | DropEvent::Unsold { .. } => {
                self.fold_checkout(event);
            }
            DropEvent::SettlementAsked { .. } => {
                self.settlement.turn += 1;
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

    /// Claims under a checkout: pinned, let go, sold, taken back.
    fn fold_checkout(&mut self, event: &DropEvent) {
        match event {
            DropEvent::Pinned { claim, pin, email } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.expire_never(number);
                let Some(known) = self.claims.get_mut(number) else { return };
                if let ClaimState::Held { until, .. } = known.state {
                    known.state = ClaimState::Held { until, pin: Some(*pin) };
                    known.checkouts += 1;
                    known.email = Some(*email);
                    *self.by_email.entry(*email).or_default() += known.quantity.units();
                    self.by_buyer.entry_or_default(known.buyer).taken += known.quantity.units();
                }
            }
            DropEvent::Unpinned { claim, pin, until } => {
                let Some(&number) = self.by_id.get(claim) else { return };
                self.forget_email(number);
                let Some(known) = self.claims.get_mut(number) else { return };
                if let ClaimState::Held { until: before, .. } = known.state {
                    self.by_buyer.entry_or_default(known.buyer).taken -= known.quantity.units();
                    known.lengthened |= *until > before;
                    known.undone = Some(*pin);
                    known.state = ClaimState::Held { until: *until, pin: None };
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
                let standing = self.by_buyer.entry_or_default(known.buyer);
                standing.units -= units;
                standing.taken -= units;
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

    /// Adds a claim to the list and to what is derived from it.
    pub(super) fn index_claim(&mut self, claim: Claim) {
        let (id, buyer, state, units) = (claim.id, claim.buyer, claim.state, claim.quantity.units());
        if !matches!(state, ClaimState::Released { .. }) {
            self.network_takes(claim.network, units);
        }
        if let (Some(email), ClaimState::Held { pin: Some(_), .. } | ClaimState::Sold { .. }) = (claim.email, state) {
            *self.by_email.entry(email).or_default() += claim.quantity.units();
        }
        let number = self.claims.push(claim);
        self.by_id.insert(id, number);
        let standing = self.by_buyer.entry_or_default(buyer);
        standing.claims.push(number);
        if !matches!(state, ClaimState::Released { .. }) {
            standing.units += units;
        }
        if matches!(state, ClaimState::Held { pin: Some(_), .. } | ClaimState::Sold { .. }) {
            standing.taken += units;
        }
        if let ClaimState::Held { until, pin: None } = state {
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
        let was_pinned = matches!(claim.state, ClaimState::Held { pin: Some(_), .. });
        claim.state = ClaimState::Released { why };
        let (item, units) = (&mut self.items[claim.item as usize], claim.quantity.units());
        item.held -= units;
        let standing = self.by_buyer.entry_or_default(claim.buyer);
        standing.units -= units;
        if was_pinned {
            standing.taken -= units;
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
        self.sheet.as_ref().is_none_or(|sheet| matches!(sheet.phase, Phase::Ended | Phase::Cancelled | Phase::Void))
    }

    fn expire_never(&mut self, number: u32) {
        if let Some(ClaimState::Held { until, pin: None }) = self.claims.get(number).map(|claim| claim.state) {
            self.expiries.remove(&(until, number));
        }
    }

    /// Takes the units of a claim off its e-mail's count.
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

    /// The command is refused; its first refusal is the one that is told.
    fn units_refused(&mut self, index: u16, available: u64, at: Timestamp) {
        let Some(pending) = &mut self.pending else { return };
        pending.units.retain(|(item, ..)| *item != index);
        let sku = self.items[index as usize].sku.clone();
        self.refused.get_or_insert(Refused { command_id: pending.receipt.command_id, sku, available });
        self.give_up(at);
    }

    /// Ends a refused command once all that was asked for it is answered: units that come later would have no place to
    /// go back from. What came goes back at once, save what has been claimed meanwhile.
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
        if creation {
            self.set_phase(Phase::Void);
        }
    }

    /// Whether the units were asked for by the command that made the drop.
    fn is_creation(&self, pending: &Pending) -> bool {
        self.sheet.as_ref().is_some_and(|sheet| sheet.created.command_id == pending.receipt.command_id)
    }

    /// Keeps the drop as it stands at `at` for all who ask what this command was answered.
    fn keep_answer(&mut self, receipt: Receipt, at: Timestamp) {
        if let Some(sheet) = &self.sheet {
            let view = Arc::new(self.view(sheet, at));
            self.receipts.keep(receipt, view);
        }
    }

    fn finish(&mut self, phase: Phase, at: Timestamp, receipt: Option<&Receipt>) {
        self.set_phase(phase);
        for item in &mut self.items {
            item.totals.unsold += item.available;
            item.available = 0;
        }
        self.totals_changed(at);
        if let Some(receipt) = receipt {
            self.raise_version();
            self.keep_answer(*receipt, at);
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Some(sheet) = &mut self.sheet {
            sheet.phase = phase;
        }
    }

    fn raise_version(&mut self) {
        if let Some(sheet) = &mut self.sheet {
            sheet.version += 1;
        }
    }

    fn add_new_items(&mut self, edit: &DropEdit) {
        for change in &edit.items {
            if self.item_index(&change.sku).is_none() {
                self.items.push(Item::empty(change.sku.clone(), change.price.unwrap_or(0), change.compare_at));
            }
        }
    }

    fn apply_edit(&mut self, edit: &DropEdit, at: Timestamp) {
        let draft = self.sheet.as_ref().is_some_and(|sheet| sheet.phase == Phase::Draft);
        if let Some(sheet) = &mut self.sheet {
            let terms = &mut sheet.terms;
            terms.title = edit.title.clone().unwrap_or_else(|| std::mem::take(&mut terms.title));
            terms.starts_at = edit.starts_at.or(terms.starts_at);
            terms.ends_at = edit.ends_at.unwrap_or(terms.ends_at);
            terms.per_buyer_max = edit.per_buyer_max.unwrap_or(terms.per_buyer_max);
            terms.hold_seconds = edit.hold_seconds.unwrap_or(terms.hold_seconds);
            terms.audience = edit.audience.unwrap_or(terms.audience);
            terms.network_limit = edit.network_limit.or(terms.network_limit);
        }
        for change in &edit.items {
            let Some(index) = self.item_index(&change.sku) else { continue };
            let item = &mut self.items[index as usize];
            item.price = change.price.unwrap_or(item.price);
            item.compare_at = change.compare_at.or(item.compare_at);
            let wanted = change.quantity.map(u64::from).unwrap_or(item.wanted);
            item.wanted = wanted + change.add_quantity.map_or(0, |more| more.units());
            let surplus = item.quantity().saturating_sub(item.wanted).min(item.available);
            if !draft && surplus > 0 {
                item.available -= surplus;
                item.totals.unsold += surplus;
                self.totals_changed(at);
            }
        }
    }

    /// The number of a claim by its id, for tests and lists.
    pub fn claim_number(&self, claim: ClaimId) -> Option<u32> {
        self.by_id.get(&claim).copied()
    }
}

/// Units that nobody holds any more: free again, or back to the inventory once the drop is over.
fn give_back(item: &mut Item, units: u64, over: bool) {
    if over {
        item.totals.unsold += units;
    } else {
        item.available += units;
    }
}

fn new_item(terms: &ItemTerms, old: &mut Vec<Item>) -> Item {
    let known = old.iter().position(|item| item.sku == terms.sku).map(|index| old.remove(index));
    let mut item = known.unwrap_or_else(|| Item::empty(terms.sku.clone(), terms.price, terms.compare_at));
    item.price = terms.price;
    item.compare_at = terms.compare_at;
    item.wanted = terms.quantity.units();
    item
}

impl Item {
    fn empty(sku: crate::id::Sku, price: i64, compare_at: Option<i64>) -> Self {
        Self {
            sku,
            price,
            compare_at,
            wanted: 0,
            allocated: 0,
            available: 0,
            held: 0,
            totals: Default::default(),
            reporting: Default::default(),
            booked: Default::default(),
        }
    }
}
