//! How a stock item decides commands.

use super::{
    ALLOCATIONS_MAX, EXPIRIES_PER_WAKE_MAX, HOLDS_KNOWN_MAX, HOLDS_MAX, ON_HAND_MAX, StockChange, StockCommand,
    StockEvent, StockItem, StockRejection, StockReply,
    fold::{Allocation, HoldState},
};
use crate::{
    aggregate::{Context, Decision},
    flash_drop::Totals,
    id::{DropId, HoldId, OrderId},
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

type Decided = Result<Decision<StockEvent, StockReply>, StockRejection>;

const DONE: StockReply = StockReply::Done;

impl StockItem {
    pub(super) fn decide_command(&self, command: &StockCommand, context: &Context) -> Decided {
        match command {
            StockCommand::Adopt { tenant, sku, product, variant } => match self.summary.owner {
                Some((_, known)) if known == *variant => Ok(Decision::duplicate(DONE)),
                Some((product, _)) => Err(StockRejection::SkuTaken { product }),
                None => Ok(Decision::accept(
                    vec![StockEvent::Adopted {
                        tenant: tenant.clone(),
                        sku: sku.clone(),
                        product: *product,
                        variant: *variant,
                    }],
                    DONE,
                )),
            },
            StockCommand::Disown { variant } => match self.summary.owner {
                Some((_, known)) if known == *variant => Ok(Decision::accept(vec![StockEvent::Disowned], DONE)),
                _ => Ok(Decision::duplicate(DONE)),
            },
            StockCommand::Adjust { change, reason } => self.adjust(*change, reason, context),
            StockCommand::Allocate { drop, total } => self.allocate(*drop, *total),
            StockCommand::Settle { drop, totals } => self.settle(*drop, *totals),
            StockCommand::Reserve { hold, quantity, expires_at, deadline } => {
                self.reserve(*hold, *quantity, *expires_at, *deadline, context.now)
            }
            StockCommand::Confirm { hold } => self.confirm(*hold, context.now),
            StockCommand::Release { hold } => match self.holds.get(hold) {
                // A Release may overtake its Reserve. The hold is remembered, so that the late Reserve is rejected.
                None | Some(HoldState::Held { .. }) => {
                    Ok(Decision::accept(vec![StockEvent::Released { hold: *hold, at: context.now }], DONE))
                }
                Some(HoldState::Over { .. } | HoldState::Sold { .. }) => Ok(Decision::duplicate(DONE)),
            },
            StockCommand::Unsell { hold, quantity } => self.unsell(*hold, *quantity, context.now),
            StockCommand::Restock { order, total } => self.restock(*order, *total),
            StockCommand::View => match self.known() {
                true => Ok(Decision::read(StockReply::Levels(self.summary.levels))),
                false => Err(StockRejection::NotFound),
            },
        }
    }

    fn adjust(&self, change: StockChange, reason: &str, context: &Context) -> Decided {
        if let Some(levels) = self.processed_commands.find(context)? {
            return Ok(Decision::duplicate(StockReply::Levels(*levels)));
        }
        if !self.known() {
            return Err(StockRejection::NotFound);
        }
        let (levels, on_hand) = (self.summary.levels, self.summary.levels.on_hand);
        let target = match change {
            StockChange::First(_) if self.summary.counted => return Ok(Decision::read(StockReply::Levels(levels))),
            StockChange::First(units) => i128::from(units),
            StockChange::By(delta) => i128::from(on_hand) + i128::from(delta),
            StockChange::To { expected: Some(expected), .. } if expected != on_hand => {
                return Err(StockRejection::UnexpectedLevel { on_hand });
            }
            StockChange::To { units, .. } => i128::from(units),
        };
        if target > i128::from(ON_HAND_MAX) {
            return Err(StockRejection::TooMany);
        }
        let delta = target - i128::from(on_hand);
        let available = i128::from(levels.available) + delta;
        if available < 0 {
            return Err(StockRejection::InsufficientAvailable { available: levels.available, levels });
        }
        let delta = i64::try_from(delta).map_err(|_| StockRejection::TooMany)?;
        let mut after = levels;
        after.on_hand = after.on_hand.saturating_add_signed(delta);
        after.available = after.available.saturating_add_signed(delta);
        let event = StockEvent::Adjusted { delta, reason: reason.to_owned(), processed: ProcessedCommand::of(context) };
        Ok(Decision::accept(vec![event], StockReply::Levels(after)))
    }

    fn allocate(&self, drop: DropId, total: u64) -> Decided {
        let known = self.allocations.get(&drop).copied().unwrap_or_default();
        let levels = self.summary.levels;
        if total <= known.total {
            return Ok(Decision::duplicate(DONE));
        }
        if !self.known() {
            return Err(StockRejection::InsufficientAvailable { available: 0, levels });
        }
        if self.allocations.len() >= ALLOCATIONS_MAX && !self.allocations.contains_key(&drop) {
            return Err(StockRejection::TooManyHolds);
        }
        if total - known.total > levels.available {
            return Err(StockRejection::InsufficientAvailable { available: levels.available, levels });
        }
        Ok(Decision::accept(vec![StockEvent::Allocated { drop, total }], DONE))
    }

    fn settle(&self, drop: DropId, totals: Totals) -> Decided {
        let known: Allocation = self.allocations.get(&drop).copied().unwrap_or_default();
        let booked = known.booked;
        // Reports may arrive out of order. Taking the larger of each total makes an older report a duplicate.
        let merged = Totals {
            sold: booked.sold.max(totals.sold),
            unsold: booked.unsold.max(totals.unsold),
            returned: booked.returned.max(totals.returned),
        };
        if merged == booked {
            return Ok(Decision::duplicate(StockReply::Settled(booked)));
        }
        let gone = merged.sold.checked_sub(merged.returned).and_then(|net| net.checked_add(merged.unsold));
        if gone.is_none_or(|gone| gone > known.total) {
            return Err(StockRejection::ReportTooLarge);
        }
        Ok(Decision::accept(vec![StockEvent::Settled { drop, totals: merged }], StockReply::Settled(merged)))
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
            Some(HoldState::Held { .. } | HoldState::Sold { .. }) => return Ok(Decision::duplicate(DONE)),
            Some(HoldState::Over { .. }) => return Err(StockRejection::TooLate),
            None => {}
        }
        if now > deadline {
            return Err(StockRejection::TooLate);
        }
        if !self.known() {
            return Err(StockRejection::NotFound);
        }
        if self.held >= HOLDS_MAX || self.holds.len() >= HOLDS_KNOWN_MAX {
            return Err(StockRejection::TooManyHolds);
        }
        let available = self.summary.levels.available;
        if quantity.units() > available {
            return Err(StockRejection::InsufficientAvailable { available, levels: self.summary.levels });
        }
        Ok(Decision::accept(vec![StockEvent::Reserved { hold, quantity, expires_at, deadline }], DONE))
    }

    fn confirm(&self, hold: HoldId, now: Timestamp) -> Decided {
        match self.holds.get(&hold) {
            Some(HoldState::Sold { .. }) => Ok(Decision::duplicate(DONE)),
            Some(HoldState::Held { .. }) => Ok(Decision::accept(vec![StockEvent::Confirmed { hold, at: now }], DONE)),
            None | Some(HoldState::Over { .. }) => Err(StockRejection::HoldEnded),
        }
    }

    fn unsell(&self, hold: HoldId, quantity: Quantity, now: Timestamp) -> Decided {
        let forgotten = match self.holds.get(&hold) {
            Some(HoldState::Sold { .. }) => None,
            Some(HoldState::Held { .. } | HoldState::Over { .. }) => return Ok(Decision::duplicate(DONE)),
            // Checkouts reverse only confirmed sales. An unknown hold was therefore sold and forgotten.
            None if self.unsold.get(hold).is_none() && quantity.units() <= self.sold_long_ago => Some(quantity),
            None => return Ok(Decision::duplicate(DONE)),
        };
        Ok(Decision::accept(vec![StockEvent::Unsold { hold, at: now, forgotten }], DONE))
    }

    fn restock(&self, order: OrderId, total: u64) -> Decided {
        let known = self.restocked.get(order).unwrap_or(0);
        if total <= known {
            return Ok(Decision::duplicate(DONE));
        }
        if self.summary.levels.on_hand + (total - known) > ON_HAND_MAX {
            return Err(StockRejection::TooMany);
        }
        Ok(Decision::accept(vec![StockEvent::Restocked { order, total }], DONE))
    }

    pub(super) fn expired(&self, now: Timestamp) -> Vec<StockEvent> {
        let due = self.expiries.iter().take_while(|(until, _)| *until <= now).take(EXPIRIES_PER_WAKE_MAX);
        let holds: Vec<HoldId> = due.map(|&(_, hold)| hold).collect();
        if holds.is_empty() { Vec::new() } else { vec![StockEvent::Expired { holds, at: now }] }
    }
}
