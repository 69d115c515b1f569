//! What lists show of a stock item, and how events move its units. The stock item itself and its row use the same code;
//! they differ in what they keep of holds, allocations and restocks, from which the moved units follow.

use super::{StockEvent, StockLevels};
use crate::{
    flash_drop::Totals,
    id::{ProductId, VariantId},
    quantity::Quantity,
};

/// A stock item as lists show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockSummary {
    /// The variant that has the SKU, if any.
    pub owner: Option<(ProductId, VariantId)>,
    /// Whether the merchant has ever set the units on hand.
    pub counted: bool,
    /// The stock levels.
    pub levels: StockLevels,
}

impl StockSummary {
    /// Applies an event that needs nothing else to be known: a change of the owner or a count by the merchant. Ignores
    /// all other events.
    pub fn apply(&mut self, event: &StockEvent) {
        match event {
            StockEvent::Adopted { product, variant, .. } => self.owner = Some((*product, *variant)),
            StockEvent::Disowned => self.owner = None,
            StockEvent::Adjusted { delta, .. } => {
                self.counted = true;
                self.levels.on_hand = self.levels.on_hand.saturating_add_signed(*delta);
                self.levels.available = self.levels.available.saturating_add_signed(*delta);
            }
            _ => {}
        }
    }
}

/// Units of one SKU that an event moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// To a drop, which had received `known` units in total and now has received `total`.
    Allocated {
        /// The total before.
        known: u64,
        /// The total after.
        total: u64,
    },
    /// As a drop reports, whose recorded totals were `known`.
    Settled {
        /// The totals before.
        known: Totals,
        /// The totals after.
        totals: Totals,
    },
    /// To a hold.
    Held(u64),
    /// Out of a hold, sold.
    Confirmed(u64),
    /// Out of a hold, not sold.
    Released(u64),
    /// Back from a reversed sale.
    Unsold(u64),
    /// Back from an order, of which `known` units had come back in total and now `total` have.
    Restocked {
        /// The total before.
        known: u64,
        /// The total after.
        total: u64,
    },
}

impl StockLevels {
    /// Returns the levels after a movement. `None` if the units do not add up: more units leave a place than it has, or
    /// a total that only grows became smaller.
    pub fn after(mut self, movement: Movement) -> Option<Self> {
        let levels = &mut self;
        match movement {
            Movement::Allocated { known, total } => {
                move_units(&mut levels.available, &mut levels.allocated, total.checked_sub(known)?)?;
            }
            Movement::Settled { known, totals } => {
                let sold = totals.sold.checked_sub(known.sold)?;
                let unsold = totals.unsold.checked_sub(known.unsold)?;
                let returned = totals.returned.checked_sub(known.returned)?;
                levels.allocated = levels.allocated.checked_add(returned)?.checked_sub(sold)?.checked_sub(unsold)?;
                levels.on_hand = levels.on_hand.checked_add(returned)?.checked_sub(sold)?;
                levels.sold = levels.sold.checked_add(sold)?.checked_sub(returned)?;
                levels.available = levels.available.checked_add(unsold)?;
            }
            Movement::Held(units) => move_units(&mut levels.available, &mut levels.held, units)?,
            Movement::Confirmed(units) => {
                levels.on_hand = levels.on_hand.checked_sub(units)?;
                move_units(&mut levels.held, &mut levels.sold, units)?;
            }
            Movement::Released(units) => move_units(&mut levels.held, &mut levels.available, units)?,
            Movement::Unsold(units) => {
                levels.on_hand = levels.on_hand.checked_add(units)?;
                move_units(&mut levels.sold, &mut levels.available, units)?;
            }
            Movement::Restocked { known, total } => {
                let units = total.checked_sub(known)?;
                levels.on_hand = levels.on_hand.checked_add(units)?;
                levels.available = levels.available.checked_add(units)?;
            }
        }
        Some(self)
    }
}

fn move_units(from: &mut u64, to: &mut u64, units: u64) -> Option<()> {
    *from = from.checked_sub(units)?;
    *to = to.checked_add(units)?;
    Some(())
}

/// The units of a hold that is neither released nor expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldUnits {
    /// Held for a checkout.
    Held(u64),
    /// Sold.
    Sold(u64),
}

impl HoldUnits {
    /// The movement when the hold is confirmed. `None` if it is sold already.
    pub fn confirmed(self) -> Option<Movement> {
        match self {
            Self::Held(units) => Some(Movement::Confirmed(units)),
            Self::Sold(_) => None,
        }
    }

    /// The movement when the hold is released, or when its time ends. A sold hold is only forgotten.
    pub fn released(self) -> Option<Movement> {
        match self {
            Self::Held(units) => Some(Movement::Released(units)),
            Self::Sold(_) => None,
        }
    }

    /// The movement when the sale of `hold` is reversed. `forgotten` has the units of a hold that was no longer
    /// remembered.
    pub fn unsold(hold: Option<Self>, forgotten: Option<Quantity>) -> Option<Movement> {
        match (forgotten, hold) {
            (Some(quantity), _) => Some(Movement::Unsold(quantity.units())),
            (None, Some(Self::Sold(units))) => Some(Movement::Unsold(units)),
            (None, _) => None,
        }
    }
}
