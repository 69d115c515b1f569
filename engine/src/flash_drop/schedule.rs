//! The merchant's commands: create, publish, edit, end and cancel a drop.

use super::{
    DropEdit, DropEvent, DropRejection, DropReply, FlashDrop, HOLD_SECONDS, ITEMS_MAX, ItemTerms, Terms,
    decide::Decided, state::Details, view::Phase,
};
use crate::{
    aggregate::{Context, Decision, DeferredReply},
    id::{DropId, TenantId},
    money::AMOUNT_MAX,
    processed_commands::ProcessedCommand,
    quantity::QUANTITY_MAX,
    time::Timestamp,
};

/// The maximum length of a title, in characters.
const TITLE_CHARS_MAX: usize = 255;
/// The maximum number of items over the lifetime of a drop, including items of refused creations.
const ITEMS_EVER_MAX: usize = 10 * ITEMS_MAX;

impl FlashDrop {
    pub(super) fn create(
        &self,
        tenant: &TenantId,
        drop: DropId,
        terms: &Terms,
        items: &[ItemTerms],
        draft: bool,
        context: &Context,
    ) -> Decided {
        if let Some(details) = &self.details {
            let void = details.listing.phase == Phase::Void;
            if !void && !context.says(details.created.fingerprint, details.created.at) {
                return Err(crate::aggregate::KeyReused.into());
            }
            // A refused creation can be tried again only after all its units are back in stock.
            if !void || self.is_anything_outstanding() || self.settlement.due.is_some() {
                return Ok(Decision::deferred_duplicate(details.created.command_id));
            }
        }
        check_terms(terms, items, context.now)?;
        if self.items.len() + items.len() > ITEMS_EVER_MAX {
            return Err(DropRejection::NotAllowed { why: "too many attempts under this idempotency key".into() });
        }
        let processed = ProcessedCommand::of(context);
        let created = DropEvent::Created {
            tenant: tenant.clone(),
            drop,
            terms: terms.clone(),
            items: items.to_vec(),
            draft,
            processed,
        };
        let mut events = vec![created];
        if !draft {
            let units = items.iter().enumerate().map(|(index, item)| (index as u16, item.quantity.units())).collect();
            events.push(DropEvent::UnitsAsked { processed, edit: None, units });
        }
        Ok(Decision::deferred(events, context.command_id))
    }

    pub(super) fn publish(&self, details: &Details, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if details.listing.phase != Phase::Draft {
            return Err(DropRejection::NotAllowed { why: "the drop is already published, or has ended".into() });
        }
        self.check_free()?;
        if details.listing.terms.ends_at <= context.now {
            return Err(invalid("/ends_at", "must be in the future"));
        }
        let units =
            (0u16..).zip(&self.items).map(|(index, item)| (index, item.offer.quantity)).filter(|(_, units)| *units > 0);
        let asked =
            DropEvent::UnitsAsked { processed: ProcessedCommand::of(context), edit: None, units: units.collect() };
        Ok(Decision::deferred(vec![asked], context.command_id))
    }

    pub(super) fn edit(&self, details: &Details, version: u64, edit: &DropEdit, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        if version != details.listing.version {
            return Err(DropRejection::StaleVersion { current: details.listing.version });
        }
        self.check_free()?;
        self.check_edit(details, edit, context.now)?;
        let processed = ProcessedCommand::of(context);
        let units = if details.listing.phase == Phase::Draft { Vec::new() } else { self.units_needed(edit) };
        let event = if units.is_empty() {
            DropEvent::Edited { edit: edit.clone(), processed }
        } else {
            DropEvent::UnitsAsked { processed, edit: Some(edit.clone()), units }
        };
        Ok(Decision::deferred(vec![event], context.command_id))
    }

    /// The units that each item still needs for this edit. New items follow the existing items, in the edit's order.
    fn units_needed(&self, edit: &DropEdit) -> Vec<(u16, u64)> {
        let mut next_new = self.items.len() as u16;
        let mut needed = Vec::new();
        for change in &edit.items {
            let (index, has) = match self.item_index(&change.sku) {
                Some(index) => (index, self.items[index as usize].quantity()),
                None => {
                    next_new += 1;
                    (next_new - 1, 0)
                }
            };
            let wanted = change.quantity.map_or(has, u64::from) + change.add_quantity.map_or(0, |more| more.units());
            if wanted > has {
                needed.push((index, wanted - has));
            }
        }
        needed
    }

    fn check_edit(&self, details: &Details, edit: &DropEdit, now: Timestamp) -> Result<(), DropRejection> {
        let open = match details.listing.phase {
            Phase::Draft => false,
            Phase::Published(_) if Self::is_over(details, now) => return Err(DropRejection::Ended),
            Phase::Published(_) => Self::starts_at(details).is_none_or(|start| now >= start),
            Phase::Ended | Phase::Cancelled | Phase::Void => return Err(DropRejection::Ended),
        };
        let fixed =
            edit.title.is_some() || edit.starts_at.is_some() || edit.hold_seconds.is_some() || edit.audience.is_some();
        if open && (fixed || edit.items.iter().any(|item| item.quantity.is_some() || item.compare_at.is_some())) {
            return Err(DropRejection::NotAllowed {
                why: "an open drop allows changes of its end, its limits, and the prices and added units of its items only".into(),
            });
        }
        let mut terms = details.listing.terms.clone();
        terms.title = edit.title.clone().unwrap_or(terms.title);
        terms.starts_at = edit.starts_at.or(terms.starts_at);
        terms.ends_at = edit.ends_at.unwrap_or(terms.ends_at);
        terms.hold_seconds = edit.hold_seconds.unwrap_or(terms.hold_seconds);
        check_window(&terms, now)?;
        let mut new_items = 0;
        for (index, item) in edit.items.iter().enumerate() {
            let at = |field: &str| format!("/items/{index}/{field}");
            let known = self.item_index(&item.sku);
            if known.is_none() {
                if open {
                    return Err(DropRejection::ItemNotFound { sku: Some(item.sku.clone()) });
                }
                if item.price.is_none() || item.quantity.is_none_or(|quantity| quantity == 0) {
                    return Err(invalid(&at("sku"), "a new item requires a quantity and a price"));
                }
                new_items += 1;
            }
            if edit.items[..index].iter().any(|other| other.sku == item.sku) {
                return Err(invalid(&at("sku"), "is duplicated"));
            }
            check_price(item.price, &at("price"))?;
            check_price(item.compare_at, &at("compare_at_price"))?;
            if item.quantity.is_some_and(|quantity| quantity > QUANTITY_MAX) {
                return Err(invalid(&at("quantity"), "is too large"));
            }
        }
        if self.items.len() + new_items > ITEMS_MAX {
            return Err(invalid("/items", "must have at most 100 items"));
        }
        Ok(())
    }

    pub(super) fn end(&self, details: &Details, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        match details.listing.phase {
            Phase::Published(_) => {
                let ended = DropEvent::Ended { at: context.now, processed: Some(ProcessedCommand::of(context)) };
                Ok(Decision::deferred(vec![ended], context.command_id))
            }
            Phase::Draft | Phase::Void => {
                Err(DropRejection::NotAllowed { why: "a draft cannot end; cancel it".into() })
            }
            Phase::Ended | Phase::Cancelled => Err(DropRejection::Ended),
        }
    }

    pub(super) fn cancel(&self, details: &Details, context: &Context) -> Decided {
        if let Some(decision) = self.repeat(context)? {
            return Ok(decision);
        }
        match details.listing.phase {
            Phase::Cancelled | Phase::Void => {
                Err(DropRejection::NotAllowed { why: "the drop is cancelled already".into() })
            }
            Phase::Draft if self.pending.is_some() => {
                Err(DropRejection::NotAllowed { why: "the drop is being published; try again".into() })
            }
            Phase::Draft | Phase::Published(_) | Phase::Ended => Ok(Decision::deferred(
                vec![DropEvent::Cancelled { processed: ProcessedCommand::of(context) }],
                context.command_id,
            )),
        }
    }

    fn check_free(&self) -> Result<(), DropRejection> {
        match self.pending {
            Some(_) => {
                Err(DropRejection::NotAllowed { why: "an earlier change is still in progress; try again".into() })
            }
            None => Ok(()),
        }
    }

    /// The decision for a duplicate: the earlier reply, or the reply that is still pending. `None` for a new command.
    fn repeat(&self, context: &Context) -> Result<Option<Decision<DropEvent, DropReply>>, DropRejection> {
        if let Some(view) = self.processed_commands.find(context)? {
            return Ok(Some(Decision::duplicate(DropReply::Drop(Box::new((**view).clone())))));
        }
        if let Some(pending) =
            self.pending.as_ref().filter(|pending| context.ids().any(|id| id == pending.processed.command_id))
        {
            if !context.says(pending.processed.fingerprint, pending.processed.at) {
                return Err(crate::aggregate::KeyReused.into());
            }
            return Ok(Some(Decision::deferred_duplicate(pending.processed.command_id)));
        }
        Ok(None)
    }

    /// The reply to a merchant's command, once stock has allocated or refused the units it needs.
    pub(super) fn answer(&self, deferred: &DeferredReply, now: Timestamp) -> Option<Result<DropReply, DropRejection>> {
        if self.pending.as_ref().is_some_and(|pending| pending.processed.command_id == deferred.command_id) {
            return None;
        }
        if let Some(view) = self.processed_commands.get(deferred.command_id) {
            return Some(Ok(DropReply::Drop(Box::new((**view).clone()))));
        }
        if let Some(refused) = self.refused.as_ref().filter(|refused| refused.command_id == deferred.command_id) {
            // A refused creation replies only after all its units are back in stock, so that nothing of it remains. An
            // existing drop replies at once, because it settles its sales all the time.
            let void = self.existing().is_none();
            let settling = void && (self.is_anything_outstanding() || self.settlement.due.is_some());
            let rejection = DropRejection::InsufficientStock { sku: refused.sku.clone(), available: refused.available };
            return if settling { None } else { Some(Err(rejection)) };
        }
        // The drop was created so long ago that the reply is no longer remembered: the current drop is the reply.
        let details = self.details.as_ref()?;
        Some(Ok(DropReply::Drop(Box::new(self.view(details, now)))))
    }
}

fn check_terms(terms: &Terms, items: &[ItemTerms], now: Timestamp) -> Result<(), DropRejection> {
    check_window(terms, now)?;
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(invalid("/items", "must have between 1 and 100 items"));
    }
    for (index, item) in items.iter().enumerate() {
        if items[..index].iter().any(|other| other.sku == item.sku) {
            return Err(invalid(&format!("/items/{index}/sku"), "is duplicated"));
        }
        check_price(Some(item.price), &format!("/items/{index}/price"))?;
        check_price(item.compare_at, &format!("/items/{index}/compare_at_price"))?;
    }
    Ok(())
}

fn check_window(terms: &Terms, now: Timestamp) -> Result<(), DropRejection> {
    if terms.title.chars().count() > TITLE_CHARS_MAX {
        return Err(invalid("/title", "is longer than 255 characters"));
    }
    if !HOLD_SECONDS.contains(&terms.hold_seconds) {
        return Err(invalid("/hold_seconds", "must be between 5 and 86400"));
    }
    if terms.ends_at <= now {
        return Err(invalid("/ends_at", "must be in the future"));
    }
    if terms.starts_at.is_some_and(|start| start >= terms.ends_at) {
        return Err(invalid("/ends_at", "must be after the start"));
    }
    Ok(())
}

fn check_price(price: Option<i64>, pointer: &str) -> Result<(), DropRejection> {
    match price {
        Some(price) if !(0..=AMOUNT_MAX).contains(&price) => {
            Err(invalid(pointer, "must be between 0 and 9007199254740991"))
        }
        _ => Ok(()),
    }
}

fn invalid(pointer: &str, why: &'static str) -> DropRejection {
    DropRejection::Invalid { pointer: pointer.to_owned(), why: why.into() }
}
