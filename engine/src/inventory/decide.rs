//! How an inventory shard decides.

use super::{
    ALLOCATIONS_MAX, EXPIRIES_PER_WAKE_MAX, HOLDS_KNOWN_MAX, HOLDS_MAX, Inventory, InventoryCommand, InventoryEvent,
    InventoryRejection, InventoryReply, ON_HAND_MAX, StockChange,
    fold::{Allocation, HoldState},
};
use crate::{
    aggregate::{Context, Decision},
    drop::Totals,
    id::{DropId, HoldId, OrderId},
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

type Decided = Result<Decision<InventoryEvent, InventoryReply>, InventoryRejection>;

const DONE: InventoryReply = InventoryReply::Done;

impl Inventory {
    pub(super) fn decide_command(&self, command: &InventoryCommand, context: &Context) -> Decided {
        match command {
            InventoryCommand::Adopt { tenant, sku, product, variant } => match self.owner {
                Some((_, known)) if known == *variant => Ok(Decision::again(DONE)),
                Some((product, _)) => Err(InventoryRejection::SkuTaken { product }),
                None => Ok(Decision::accept(
                    vec![InventoryEvent::Adopted {
                        tenant: tenant.clone(),
                        sku: sku.clone(),
                        product: *product,
                        variant: *variant,
                    }],
                    DONE,
                )),
            },
            InventoryCommand::Disown { variant } => match self.owner {
                Some((_, known)) if known == *variant => Ok(Decision::accept(vec![InventoryEvent::Disowned], DONE)),
                _ => Ok(Decision::again(DONE)),
            },
            InventoryCommand::Adjust { change, reason } => self.adjust(*change, reason, context),
            InventoryCommand::Allocate { drop, total } => self.allocate(*drop, *total),
            InventoryCommand::Settle { drop, totals } => self.settle(*drop, *totals),
            InventoryCommand::Reserve { hold, quantity, expires_at, deadline } => {
                self.reserve(*hold, *quantity, *expires_at, *deadline, context.now)
            }
            InventoryCommand::Confirm { hold } => self.confirm(*hold, context.now),
            InventoryCommand::Release { hold } => match self.holds.get(hold) {
                // A Release may overtake its Reserve: the id is kept, so that the Reserve is refused.
                None | Some(HoldState::Held { .. }) => {
                    Ok(Decision::accept(vec![InventoryEvent::Released { hold: *hold, at: context.now }], DONE))
                }
                Some(HoldState::Over { .. } | HoldState::Sold { .. }) => Ok(Decision::again(DONE)),
            },
            InventoryCommand::Unsell { hold, quantity } => self.unsell(*hold, *quantity, context.now),
            InventoryCommand::Restock { order, total } => self.restock(*order, *total),
            InventoryCommand::View => match self.known() {
                true => Ok(Decision::read(InventoryReply::Levels(self.levels))),
                false => Err(InventoryRejection::NotFound),
            },
        }
    }

    fn adjust(&self, change: StockChange, reason: &str, context: &Context) -> Decided {
        if let Some(levels) = self.receipts.find(context)? {
            return Ok(Decision::again(InventoryReply::Levels(*levels)));
        }
        if !self.known() {
            return Err(InventoryRejection::NotFound);
        }
        let (levels, on_hand) = (self.levels, self.levels.on_hand);
        let target = match change {
            StockChange::First(_) if self.counted => return Ok(Decision::read(InventoryReply::Levels(levels))),
            StockChange::First(units) => i128::from(units),
            StockChange::By(delta) => i128::from(on_hand) + i128::from(delta),
            StockChange::To { expected: Some(expected), .. } if expected != on_hand => {
                return Err(InventoryRejection::UnexpectedLevel { on_hand });
            }
            StockChange::To { units, .. } => i128::from(units),
        };
        if target > i128::from(ON_HAND_MAX) {
            return Err(InventoryRejection::TooMany);
        }
        let delta = target - i128::from(on_hand);
        let available = i128::from(levels.available) + delta;
        if available < 0 {
            return Err(InventoryRejection::InsufficientAvailable { available: levels.available, levels });
        }
        let delta = i64::try_from(delta).map_err(|_| InventoryRejection::TooMany)?;
        let mut after = levels;
        after.on_hand = after.on_hand.saturating_add_signed(delta);
        after.available = after.available.saturating_add_signed(delta);
        let event = InventoryEvent::Adjusted { delta, reason: reason.to_owned(), receipt: Receipt::of(context) };
        Ok(Decision::accept(vec![event], InventoryReply::Levels(after)))
    }

    fn allocate(&self, drop: DropId, total: u64) -> Decided {
        let known = self.allocations.get(&drop).copied().unwrap_or_default();
        let levels = self.levels;
        if total <= known.total {
            return Ok(Decision::again(DONE));
        }
        if !self.known() {
            return Err(InventoryRejection::InsufficientAvailable { available: 0, levels });
        }
        if self.allocations.len() >= ALLOCATIONS_MAX && !self.allocations.contains_key(&drop) {
            return Err(InventoryRejection::TooManyHolds);
        }
        if total - known.total > levels.available {
            return Err(InventoryRejection::InsufficientAvailable { available: levels.available, levels });
        }
        Ok(Decision::accept(vec![InventoryEvent::Allocated { drop, total }], DONE))
    }

    fn settle(&self, drop: DropId, totals: Totals) -> Decided {
        let known: Allocation = self.allocations.get(&drop).copied().unwrap_or_default();
        let booked = known.booked;
        let merged = Totals {
            sold: booked.sold.max(totals.sold),
            unsold: booked.unsold.max(totals.unsold),
            returned: booked.returned.max(totals.returned),
        };
        if merged == booked {
            return Ok(Decision::again(InventoryReply::Settled(booked)));
        }
        let gone = merged.sold.checked_sub(merged.returned).and_then(|net| net.checked_add(merged.unsold));
        if gone.is_none_or(|gone| gone > known.total) {
            return Err(InventoryRejection::ReportTooLarge);
        }
        Ok(Decision::accept(vec![InventoryEvent::Settled { drop, totals: merged }], InventoryReply::Settled(merged)))
    }

    fn reserve(
        &self,
        hold: HoldId,
        quantity: Quantity,
        expires_at: Timestamp,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Decided {
        match self.holds.get(&hold) {
            Some(HoldState::Held { .. } | HoldState::Sold { .. }) => return Ok(Decision::again(DONE)),
            Some(HoldState::Over { .. }) => return Err(InventoryRejection::TooLate),
            None => {}
        }
        if now > deadline {
            return Err(InventoryRejection::TooLate);
        }
        if !self.known() {
            return Err(InventoryRejection::NotFound);
        }
        if self.held >= HOLDS_MAX || self.holds.len() >= HOLDS_KNOWN_MAX {
            return Err(InventoryRejection::TooManyHolds);
        }
        let available = self.levels.available;
        if quantity.units() > available {
            return Err(InventoryRejection::InsufficientAvailable { available, levels: self.levels });
        }
        Ok(Decision::accept(vec![InventoryEvent::Reserved { hold, quantity, expires_at, deadline }], DONE))
    }

    fn confirm(&self, hold: HoldId, now: Timestamp) -> Decided {
        match self.holds.get(&hold) {
            Some(HoldState::Sold { .. }) => Ok(Decision::again(DONE)),
            Some(HoldState::Held { .. }) => {
                Ok(Decision::accept(vec![InventoryEvent::Confirmed { hold, at: now }], DONE))
            }
            None | Some(HoldState::Over { .. }) => Err(InventoryRejection::HoldEnded),
        }
    }

    fn unsell(&self, hold: HoldId, quantity: Quantity, now: Timestamp) -> Decided {
        let forgotten = match self.holds.get(&hold) {
            Some(HoldState::Sold { .. }) => None,
            Some(HoldState::Held { .. } | HoldState::Over { .. }) => return Ok(Decision::again(DONE)),
            // Only what was sold is unsold, so a hold that is not known was sold longer ago than such are remembered.
            None if self.unsold.get(hold).is_none() && quantity.units() <= self.sold_long_ago => Some(quantity),
            None => return Ok(Decision::again(DONE)),
        };
        Ok(Decision::accept(vec![InventoryEvent::Unsold { hold, at: now, forgotten }], DONE))
    }

    fn restock(&self, order: OrderId, total: u64) -> Decided {
        let known = self.restocked.get(order).unwrap_or(0);
        if total <= known {
            return Ok(Decision::again(DONE));
        }
        if self.levels.on_hand + (total - known) > ON_HAND_MAX {
            return Err(InventoryRejection::TooMany);
        }
        Ok(Decision::accept(vec![InventoryEvent::Restocked { order, total }], DONE))
    }

    pub(super) fn expired(&self, now: Timestamp) -> Vec<InventoryEvent> {
        let due = self.expiries.iter().take_while(|(until, _)| *until <= now).take(EXPIRIES_PER_WAKE_MAX);
        let holds: Vec<HoldId> = due.map(|&(_, hold)| hold).collect();
        if holds.is_empty() { Vec::new() } else { vec![InventoryEvent::Expired { holds, at: now }] }
    }
}
