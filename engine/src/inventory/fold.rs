//! What an inventory shard remembers, and how events change it.

use std::collections::{BTreeMap, BTreeSet};

use wincode::{SchemaRead, SchemaWrite};

use super::{
    InventoryCommand, InventoryEvent, InventoryRejection, InventoryReply, RESTOCKS_KNOWN_MAX, StockLevels,
    UNSOLD_KNOWN_MAX, memory::Newest,
};
use crate::{
    aggregate::{Aggregate, Context, Decision, SnapshotError, read_snapshot, write_snapshot},
    drop::Totals,
    id::{DropId, HoldId, Kind, OrderId, ProductId, VariantId},
    receipts::{RECEIPT_MS, Receipt, Receipts},
    time::Timestamp,
};

/// The units of one SKU. `Default` is one that nobody has counted.
#[derive(Debug, Default)]
pub struct Inventory {
    pub(super) owner: Option<(ProductId, VariantId)>,
    /// Whether the merchant ever said how many there are.
    pub(super) counted: bool,
    pub(super) levels: StockLevels,
    pub(super) allocations: BTreeMap<DropId, Allocation>,
    pub(super) holds: BTreeMap<HoldId, HoldState>,
    /// Orders that gave units back, and how many.
    pub(super) restocked: Newest<OrderId, u64>,
    /// Units of sold holds that are forgotten: no more can be taken back of such.
    pub(super) sold_long_ago: u64,
    /// Holds whose sale was taken back: it is not taken back again when the hold itself is forgotten.
    pub(super) unsold: Newest<HoldId, ()>,
    pub(super) receipts: Receipts<StockLevels>,
    // What follows is derived from the holds, and not in snapshots.
    /// Holds that are neither sold nor over.
    pub(super) held: usize,
    /// Ends of holds, and of the memory of those that are over.
    pub(super) expiries: BTreeSet<(Timestamp, HoldId)>,
}

#[derive(Debug, Clone, Copy, Default, SchemaRead, SchemaWrite)]
pub(super) struct Allocation {
    /// Units that the drop has had in all.
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
    /// Sold; remembered for a while, so that its sale can be taken back and repeats are known.
    Sold {
        units: u64,
        forget_at: Timestamp,
    },
    /// Released, expired, or never to come; remembered until no late copy can.
    Over {
        forget_at: Timestamp,
    },
}

impl Inventory {
    /// Whether the shard counts anything: a variant has it, or had it.
    pub(super) fn known(&self) -> bool {
        self.owner.is_some() || self.counted
    }

    fn adjusted(&mut self, delta: i64, receipt: &Receipt) {
        self.counted = true;
        self.levels.on_hand = self.levels.on_hand.saturating_add_signed(delta);
        self.levels.available = self.levels.available.saturating_add_signed(delta);
        self.receipts.keep(*receipt, self.levels);
    }

    fn settled(&mut self, drop: DropId, totals: Totals) {
        let allocation = self.allocations.entry(drop).or_default();
        let sold = totals.sold - allocation.booked.sold;
        let unsold = totals.unsold - allocation.booked.unsold;
        let returned = totals.returned - allocation.booked.returned;
        allocation.booked = totals;
        let levels = &mut self.levels;
        levels.allocated = levels.allocated + returned - sold - unsold;
        levels.on_hand = levels.on_hand + returned - sold;
        levels.sold = levels.sold + sold - returned;
        levels.available += unsold;
    }

    /// Puts a hold into another state, and says which it was in.
    fn change_hold(&mut self, hold: HoldId, state: HoldState) -> Option<HoldState> {
        let old = self.holds.insert(hold, state);
        self.held += usize::from(state.is_held());
        if let Some(old) = old {
            self.held -= usize::from(old.is_held());
            self.expiries.remove(&(old.until(), hold));
        }
        self.expiries.insert((state.until(), hold));
        old
    }

    fn release(&mut self, hold: HoldId, at: Timestamp) {
        let forget_at = match self.holds.get(&hold) {
            Some(HoldState::Held { deadline, .. }) => (*deadline).max(at),
            _ => at.plus_ms(RECEIPT_MS),
        };
        if let Some(HoldState::Held { units, .. }) =
            self.change_hold(hold, HoldState::Over { forget_at: forget_at.plus_ms(1) })
        {
            self.levels.held -= units;
            self.levels.available += units;
        }
    }

    /// What time alone does to a hold: a held one is released, the memory of another one ends.
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

    /// The numbers.
    pub fn levels(&self) -> StockLevels {
        self.levels
    }

    /// Asserts what must hold at every event: no unit is lost or made.
    pub fn assert_balanced(&self) {
        let levels = self.levels;
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

/// An inventory shard's state as it is written down.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub struct FrozenInventory {
    owner: Option<(ProductId, VariantId)>,
    counted: bool,
    levels: StockLevels,
    allocations: Vec<(DropId, Allocation)>,
    holds: Vec<(HoldId, HoldState)>,
    restocked: Vec<(OrderId, u64)>,
    sold_long_ago: u64,
    unsold: Vec<(HoldId, ())>,
    receipts: Vec<(Receipt, StockLevels)>,
}

impl Aggregate for Inventory {
    const KIND: Kind = Kind::Inventory;
    type Command = InventoryCommand;
    type Event = InventoryEvent;
    type Reply = InventoryReply;
    type Rejection = InventoryRejection;
    type Frozen = FrozenInventory;

    fn decide(
        &self,
        command: &InventoryCommand,
        context: &Context,
    ) -> Result<Decision<InventoryEvent, InventoryReply>, InventoryRejection> {
        self.decide_command(command, context)
    }

    fn on_wake(&self, now: Timestamp) -> Vec<InventoryEvent> {
        self.expired(now)
    }

    fn apply(&mut self, event: &InventoryEvent) {
        match event {
            InventoryEvent::Adopted { product, variant, .. } => self.owner = Some((*product, *variant)),
            InventoryEvent::Disowned => self.owner = None,
            InventoryEvent::Adjusted { delta, receipt, .. } => self.adjusted(*delta, receipt),
            InventoryEvent::Allocated { drop, total } => {
                let allocation = self.allocations.entry(*drop).or_default();
                let more = total - allocation.total;
                allocation.total = *total;
                self.levels.available -= more;
                self.levels.allocated += more;
            }
            InventoryEvent::Settled { drop, totals } => self.settled(*drop, *totals),
            InventoryEvent::Reserved { hold, quantity, expires_at, deadline } => {
                let units = quantity.units();
                self.change_hold(*hold, HoldState::Held { units, expires_at: *expires_at, deadline: *deadline });
                self.levels.available -= units;
                self.levels.held += units;
            }
            InventoryEvent::Confirmed { hold, at } => {
                let Some(HoldState::Held { units, .. }) = self.holds.get(hold).copied() else { return };
                self.change_hold(*hold, HoldState::Sold { units, forget_at: at.plus_ms(RECEIPT_MS) });
                self.levels.held -= units;
                self.levels.on_hand -= units;
                self.levels.sold += units;
            }
            InventoryEvent::Released { hold, at } => self.release(*hold, *at),
            InventoryEvent::Unsold { hold, at, forgotten } => {
                let units = match (forgotten, self.holds.get(hold)) {
                    (Some(quantity), _) => {
                        self.sold_long_ago -= quantity.units();
                        quantity.units()
                    }
                    (None, Some(HoldState::Sold { units, .. })) => *units,
                    (None, _) => return,
                };
                self.unsold.keep(*hold, (), UNSOLD_KNOWN_MAX);
                self.change_hold(*hold, HoldState::Over { forget_at: at.plus_ms(RECEIPT_MS) });
                self.levels.on_hand += units;
                self.levels.available += units;
                self.levels.sold -= units;
            }
            InventoryEvent::Expired { holds, at } => {
                for hold in holds {
                    self.expire(*hold, *at);
                }
            }
            InventoryEvent::Restocked { order, total } => {
                let more = total - self.restocked.get(*order).unwrap_or(0);
                self.restocked.keep(*order, *total, RESTOCKS_KNOWN_MAX);
                self.levels.on_hand += more;
                self.levels.available += more;
            }
        }
        #[cfg(debug_assertions)]
        self.assert_balanced_cheaply();
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.expiries.first().map(|&(until, _)| until)
    }

    fn freeze(&self) -> Result<FrozenInventory, SnapshotError> {
        Ok(FrozenInventory {
            owner: self.owner,
            counted: self.counted,
            levels: self.levels,
            allocations: self.allocations.iter().map(|(&drop, &allocation)| (drop, allocation)).collect(),
            holds: self.holds.iter().map(|(&hold, &state)| (hold, state)).collect(),
            restocked: self.restocked.to_list(),
            sold_long_ago: self.sold_long_ago,
            unsold: self.unsold.to_list(),
            receipts: self.receipts.to_list(),
        })
    }

    fn encode_frozen(frozen: &FrozenInventory) -> Result<Vec<u8>, SnapshotError> {
        write_snapshot(frozen)
    }

    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let frozen: FrozenInventory = read_snapshot(bytes)?;
        let expiries = frozen.holds.iter().map(|(hold, state)| (state.until(), *hold)).collect();
        Ok(Self {
            owner: frozen.owner,
            counted: frozen.counted,
            levels: frozen.levels,
            allocations: frozen.allocations.into_iter().collect(),
            held: frozen.holds.iter().filter(|(_, state)| state.is_held()).count(),
            holds: frozen.holds.into_iter().collect(),
            restocked: Newest::from_list(frozen.restocked),
            sold_long_ago: frozen.sold_long_ago,
            unsold: Newest::from_list(frozen.unsold),
            receipts: Receipts::from_list(frozen.receipts),
            expiries,
        })
    }
}

impl Inventory {
    #[cfg(debug_assertions)]
    fn assert_balanced_cheaply(&self) {
        let levels = self.levels;
        assert_eq!(
            levels.on_hand,
            levels.available + levels.held + levels.allocated,
            "units do not add up: {levels:?}"
        );
    }
}
