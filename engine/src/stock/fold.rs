//! The state of a stock item, and how events change it.

use std::collections::{BTreeMap, BTreeSet};

use wincode::{SchemaRead, SchemaWrite};

use super::{
    HoldUnits, Movement, RESTOCKS_KNOWN_MAX, StockCommand, StockEvent, StockLevels, StockRejection, StockReply,
    StockSummary, UNSOLD_KNOWN_MAX, memory::Newest,
};
use crate::{
    aggregate::{Aggregate, Context, Decision, Timers},
    flash_drop::Totals,
    id::{DropId, HoldId, OrderId, ProductId, VariantId},
    processed_commands::{PROCESSED_COMMANDS_KEPT_MS, ProcessedCommand, ProcessedCommands},
    snapshot::{Persist, SnapshotError, read_snapshot, write_snapshot},
    time::Timestamp,
};

/// The stock of one SKU. `Default` is a stock item that has never been counted.
#[derive(Debug, Default)]
pub struct StockItem {
    pub(super) summary: StockSummary,
    pub(super) allocations: BTreeMap<DropId, Allocation>,
    pub(super) holds: BTreeMap<HoldId, HoldState>,
    /// Orders that returned units, with the total number of units.
    pub(super) restocked: Newest<OrderId, u64>,
    /// Units of sold holds that are no longer remembered: at most this many can be taken back for unknown holds.
    pub(super) sold_long_ago: u64,
    /// Holds whose sale was reversed. Prevents a second reversal after the hold itself is forgotten.
    pub(super) unsold: Newest<HoldId, ()>,
    pub(super) processed_commands: ProcessedCommands<StockLevels>,
    // The fields below are derived from the holds and are not in snapshots.
    /// The number of active holds.
    pub(super) held: usize,
    /// When active holds expire and finished holds are forgotten.
    pub(super) expiries: BTreeSet<(Timestamp, HoldId)>,
}

#[derive(Debug, Clone, Copy, Default, SchemaRead, SchemaWrite)]
pub(super) struct Allocation {
    /// Units that the drop has received in total.
    pub(super) total: u64,
    pub(super) booked: Totals,
}

#[derive(Debug, Clone, Copy, SchemaRead, SchemaWrite)]
pub(super) enum HoldState {
    Held {
        units: u64,
        expires_at: Timestamp,
        deadline: Timestamp,
    },
    /// Sold. Remembered for a while, so that the sale can be reversed and duplicates are recognised.
    Sold {
        units: u64,
        forget_at: Timestamp,
    },
    /// Released, expired or blocked. Remembered until no delayed copy of the command can be accepted.
    Over {
        forget_at: Timestamp,
    },
}

impl StockItem {
    /// Whether the SKU has or had a variant or a count.
    pub(super) fn known(&self) -> bool {
        self.summary.owner.is_some() || self.summary.counted
    }

    /// The units of a hold that is neither released nor expired.
    fn units_of(&self, hold: HoldId) -> Option<HoldUnits> {
        match *self.holds.get(&hold)? {
            HoldState::Held { units, .. } => Some(HoldUnits::Held(units)),
            HoldState::Sold { units, .. } => Some(HoldUnits::Sold(units)),
            HoldState::Over { .. } => None,
        }
    }

    fn move_units(&mut self, movement: Movement) {
        let levels = self.summary.levels;
        // `decide` accepted the movement for these levels. With other levels the item could sell a unit twice.
        self.summary.levels = levels.after(movement).unwrap_or_else(|| panic!("{movement:?} does not fit {levels:?}"));
    }

    fn change_hold(&mut self, hold: HoldId, state: HoldState) {
        let old = self.holds.insert(hold, state);
        self.held += usize::from(state.is_held());
        if let Some(old) = old {
            self.held -= usize::from(old.is_held());
            self.expiries.remove(&(old.until(), hold));
        }
        self.expiries.insert((state.until(), hold));
    }

    fn release(&mut self, hold: HoldId, at: Timestamp) {
        let movement = self.units_of(hold).and_then(HoldUnits::released);
        let forget_at = match self.holds.get(&hold) {
            Some(HoldState::Held { deadline, .. }) => (*deadline).max(at),
            _ => at.plus_ms(PROCESSED_COMMANDS_KEPT_MS),
        };
        self.change_hold(hold, HoldState::Over { forget_at: forget_at.plus_ms(1) });
        if let Some(movement) = movement {
            self.move_units(movement);
        }
    }

    /// Applies the end of a hold's time: an active hold is released, a finished hold is forgotten.
    fn expire(&mut self, hold: HoldId, at: Timestamp) {
        match self.holds.get(&hold) {
            Some(HoldState::Held { .. }) => self.release(hold, at),
            Some(state) => {
                if let HoldState::Sold { units, .. } = state {
                    self.sold_long_ago += units;
                }
                self.expiries.remove(&(state.until(), hold));
                self.holds.remove(&hold);
            }
            None => {}
        }
    }

    /// The current stock levels.
    pub fn levels(&self) -> StockLevels {
        self.summary.levels
    }

    /// Asserts the invariants that hold after every event: no unit is lost or created.
    pub fn assert_balanced(&self) {
        let levels = self.summary.levels;
        assert_eq!(
            levels.on_hand,
            levels.available + levels.held + levels.allocated,
            "units do not add up: {levels:?}"
        );
        let held: u64 =
            self.holds.values().map(|state| if let HoldState::Held { units, .. } = state { *units } else { 0 }).sum();
        assert_eq!(levels.held, held, "holds do not add up");
        assert_eq!(self.held, self.holds.values().filter(|state| state.is_held()).count(), "holds are miscounted");
    }
}

impl HoldState {
    fn is_held(&self) -> bool {
        matches!(self, HoldState::Held { .. })
    }

    fn until(&self) -> Timestamp {
        match *self {
            HoldState::Held { expires_at, .. } => expires_at,
            HoldState::Sold { forget_at, .. } | HoldState::Over { forget_at } => forget_at,
        }
    }
}

/// The state of a stock item in the form of its snapshot.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenStock {
    owner: Option<(ProductId, VariantId)>,
    counted: bool,
    levels: StockLevels,
    allocations: Vec<(DropId, Allocation)>,
    holds: Vec<(HoldId, HoldState)>,
    restocked: Vec<(OrderId, u64)>,
    sold_long_ago: u64,
    unsold: Vec<(HoldId, ())>,
    processed_commands: Vec<(ProcessedCommand, StockLevels)>,
}

impl Aggregate for StockItem {
    type Command = StockCommand;
    type Event = StockEvent;
    type Reply = StockReply;
    type Rejection = StockRejection;

    fn decide(
        &self,
        command: &StockCommand,
        context: &Context,
    ) -> Result<Decision<StockEvent, StockReply>, StockRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &StockEvent) {
        match event {
            StockEvent::Adopted { .. } | StockEvent::Disowned => self.summary.apply(event),
            StockEvent::Adjusted { processed, .. } => {
                self.summary.apply(event);
                self.processed_commands.keep(*processed, self.summary.levels);
            }
            StockEvent::Allocated { drop, total } => {
                let allocation = self.allocations.entry(*drop).or_default();
                let known = std::mem::replace(&mut allocation.total, *total);
                self.move_units(Movement::Allocated { known, total: *total });
            }
            StockEvent::Settled { drop, totals } => {
                let allocation = self.allocations.entry(*drop).or_default();
                let known = std::mem::replace(&mut allocation.booked, *totals);
                self.move_units(Movement::Settled { known, totals: *totals });
            }
            StockEvent::Reserved { hold, quantity, expires_at, deadline } => {
                let units = quantity.units();
                self.change_hold(*hold, HoldState::Held { units, expires_at: *expires_at, deadline: *deadline });
                self.move_units(Movement::Held(units));
            }
            StockEvent::Confirmed { hold, at } => {
                let movement = self.units_of(*hold).and_then(HoldUnits::confirmed);
                let Some(movement @ Movement::Confirmed(units)) = movement else { return };
                self.change_hold(*hold, HoldState::Sold { units, forget_at: at.plus_ms(PROCESSED_COMMANDS_KEPT_MS) });
                self.move_units(movement);
            }
            StockEvent::Released { hold, at } => self.release(*hold, *at),
            StockEvent::Unsold { hold, at, forgotten } => {
                let Some(movement) = HoldUnits::unsold(self.units_of(*hold), *forgotten) else { return };
                if let Some(quantity) = forgotten {
                    self.sold_long_ago -= quantity.units();
                }
                self.unsold.keep(*hold, (), UNSOLD_KNOWN_MAX);
                self.change_hold(*hold, HoldState::Over { forget_at: at.plus_ms(PROCESSED_COMMANDS_KEPT_MS) });
                self.move_units(movement);
            }
            StockEvent::Expired { holds, at } => {
                for hold in holds {
                    self.expire(*hold, *at);
                }
            }
            StockEvent::Restocked { order, total } => {
                let known = self.restocked.get(*order).unwrap_or(0);
                self.restocked.keep(*order, *total, RESTOCKS_KNOWN_MAX);
                self.move_units(Movement::Restocked { known, total: *total });
            }
        }
        #[cfg(debug_assertions)]
        self.assert_balanced_cheaply();
    }

    fn assert_invariants(&self) {
        self.assert_balanced();
    }
}

impl Timers for StockItem {
    fn on_wake(&self, now: Timestamp) -> Vec<StockEvent> {
        self.expired(now)
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.expiries.first().map(|&(until, _)| until)
    }
}

impl Persist for StockItem {
    type Frozen = FrozenStock;

    fn freeze(&self) -> Result<FrozenStock, SnapshotError> {
        Ok(FrozenStock {
            owner: self.summary.owner,
            counted: self.summary.counted,
            levels: self.summary.levels,
            allocations: self.allocations.iter().map(|(&drop, &allocation)| (drop, allocation)).collect(),
            holds: self.holds.iter().map(|(&hold, &state)| (hold, state)).collect(),
            restocked: self.restocked.to_list(),
            sold_long_ago: self.sold_long_ago,
            unsold: self.unsold.to_list(),
            processed_commands: self.processed_commands.to_list(),
        })
    }

    fn encode_frozen(frozen: &FrozenStock) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenStock = read_snapshot(bytes)?;
        let expiries = frozen.holds.iter().map(|(hold, state)| (state.until(), *hold)).collect();
        Ok(Self {
            summary: StockSummary { owner: frozen.owner, counted: frozen.counted, levels: frozen.levels },
            allocations: frozen.allocations.into_iter().collect(),
            held: frozen.holds.iter().filter(|(_, state)| state.is_held()).count(),
            holds: frozen.holds.into_iter().collect(),
            restocked: Newest::from_list(frozen.restocked),
            sold_long_ago: frozen.sold_long_ago,
            unsold: Newest::from_list(frozen.unsold),
            processed_commands: ProcessedCommands::from_list(frozen.processed_commands),
            expiries,
        })
    }
}

impl StockItem {
    #[cfg(debug_assertions)]
    fn assert_balanced_cheaply(&self) {
        let levels = self.summary.levels;
        assert_eq!(
            levels.on_hand,
            levels.available + levels.held + levels.allocated,
            "units do not add up: {levels:?}"
        );
    }
}
