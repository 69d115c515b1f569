//! An inventory shard: the units of one SKU at one stock location.
//!
//! `on_hand = available + held + allocated` at every event. Units leave for a drop by allocation and for a checkout
//! by a hold; both come back by totals or ids that make a repeat harmless.

mod decide;
mod fold;
mod memory;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

pub use self::fold::Inventory;
use crate::{
    aggregate::KeyReused,
    drop::Totals,
    id::{DropId, HoldId, OrderId, ProductId, Sku, TenantId, VariantId},
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// The most units that a shard counts: what stays exact in a JSON number after any sum of a thousand such.
pub const ON_HAND_MAX: u64 = 1 << 40;
/// The most holds of checkouts at one time on one SKU: its memory, at some 100 bytes each.
pub const HOLDS_MAX: usize = 1_000_000;
/// The most holds of one SKU that are known, those that were sold or released in the last 24 hours included: its memory,
/// at some 100 bytes each. One that sells a hundred times a second all day stays below it.
pub const HOLDS_KNOWN_MAX: usize = 10_000_000;
/// The most drops that ever had units of one SKU.
pub const ALLOCATIONS_MAX: usize = 100_000;
/// The most orders of one SKU that are remembered as having given units back: its memory, at some 80 bytes each. An order
/// asks until it is answered, and gives a SKU back once; so many others do not come back in between.
pub const RESTOCKS_KNOWN_MAX: usize = 1_000_000;
/// The most sales of holds that are remembered as having been taken back: its memory, at some 80 bytes each. A checkout
/// asks until it is answered, and so many captures do not fail in between.
pub const UNSOLD_KNOWN_MAX: usize = 1_000_000;
/// The most expiries in one batch of events.
pub const EXPIRIES_PER_WAKE_MAX: usize = 1_000;

/// What can be asked of an inventory shard.
#[derive(Debug, Clone)]
pub enum InventoryCommand {
    /// Count units of this SKU for this variant, and for no other.
    Adopt {
        /// Whose it is.
        tenant: TenantId,
        /// What is counted.
        sku: Sku,
        /// The product.
        product: ProductId,
        /// Its variant.
        variant: VariantId,
    },
    /// The variant no longer has this SKU.
    Disown {
        /// The variant that had it.
        variant: VariantId,
    },
    /// Change the units on hand.
    Adjust {
        /// How.
        change: StockChange,
        /// Why, for the merchant's books.
        reason: String,
    },
    /// Move units to a drop, until it has had `total` of this SKU in all.
    Allocate {
        /// The drop.
        drop: DropId,
        /// Units that it will have had, those that came before included.
        total: u64,
    },
    /// Book what a drop reports.
    Settle {
        /// The drop.
        drop: DropId,
        /// What its units came to.
        totals: Totals,
    },
    /// Hold units for a checkout.
    Reserve {
        /// The hold, derived from the checkout.
        hold: HoldId,
        /// How many.
        quantity: Quantity,
        /// When the hold ends by itself.
        expires_at: Timestamp,
        /// After this instant it is too late to hold.
        deadline: Timestamp,
    },
    /// The hold's units are sold.
    Confirm {
        /// Which.
        hold: HoldId,
    },
    /// Give the hold's units back. Of a hold that is not known, one that comes later is refused.
    Release {
        /// Which.
        hold: HoldId,
    },
    /// Take back the sale of a confirmed hold: its capture failed. It may fail long after the sale.
    Unsell {
        /// Which.
        hold: HoldId,
        /// How many units it had: the shard may have forgotten the hold.
        quantity: Quantity,
    },
    /// Units of an order come back, until `total` have come back for it in all.
    Restock {
        /// The order.
        order: OrderId,
        /// Units that will have come back, earlier ones included.
        total: u64,
    },
    /// Read it.
    View,
}

/// A change of the units on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockChange {
    /// So many more, or fewer.
    By(i64),
    /// This many on hand; refused unless there are as many as the merchant believes.
    To {
        /// Units on hand afterwards.
        units: u64,
        /// Units on hand before. `None`: whatever it is.
        expected: Option<u64>,
    },
    /// This many, if nothing was ever said about it: an import's first sight.
    First(u64),
}

/// What can happen to an inventory shard.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum InventoryEvent {
    /// A variant has this SKU.
    #[n(0)]
    Adopted {
        /// Whose it is.
        #[n(0)]
        tenant: TenantId,
        /// What is counted.
        #[n(1)]
        sku: Sku,
        /// The product.
        #[n(2)]
        product: ProductId,
        /// Its variant.
        #[n(3)]
        variant: VariantId,
    },
    /// The variant no longer has it.
    #[n(1)]
    Disowned,
    /// Units came or went by the merchant's word.
    #[n(2)]
    Adjusted {
        /// How many more, or fewer.
        #[n(0)]
        delta: i64,
        /// Why.
        #[n(1)]
        reason: String,
        /// The command.
        #[n(2)]
        receipt: Receipt,
    },
    /// Units moved to a drop.
    #[n(3)]
    Allocated {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// Units that it has had in all.
        #[n(1)]
        total: u64,
    },
    /// A drop's report was booked.
    #[n(4)]
    Settled {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// What its units came to.
        #[n(1)]
        totals: Totals,
    },
    /// Units are held for a checkout.
    #[n(5)]
    Reserved {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// How many.
        #[n(1)]
        quantity: Quantity,
        /// When it ends by itself.
        #[n(2)]
        expires_at: Timestamp,
        /// Until when a late copy may come.
        #[n(3)]
        deadline: Timestamp,
    },
    /// A hold's units are sold.
    #[n(6)]
    Confirmed {
        /// Which.
        #[n(0)]
        hold: HoldId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// A hold's units are free again, or a hold that has not come must not come.
    #[n(7)]
    Released {
        /// Which.
        #[n(0)]
        hold: HoldId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// A hold's sale was taken back.
    #[n(8)]
    Unsold {
        /// Which.
        #[n(0)]
        hold: HoldId,
        /// When.
        #[n(1)]
        at: Timestamp,
        /// How many units it had, if the shard had forgotten it by then.
        #[n(2)]
        forgotten: Option<Quantity>,
    },
    /// Holds ended by their time.
    #[n(9)]
    Expired {
        /// Which.
        #[n(0)]
        holds: Vec<HoldId>,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// Units of an order came back.
    #[n(10)]
    Restocked {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// How many came back in all.
        #[n(1)]
        total: u64,
    },
}

/// What an inventory shard answers.
#[derive(Debug, Clone, PartialEq)]
pub enum InventoryReply {
    /// Done, or done before.
    Done,
    /// The numbers as they stand.
    Levels(StockLevels),
    /// The drop's totals as they are booked now.
    Settled(Totals),
}

/// The numbers of an inventory shard. `on_hand = available + held + allocated`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct StockLevels {
    /// Units in the warehouse.
    pub on_hand: u64,
    /// Units that can be reserved or allocated.
    pub available: u64,
    /// Units in checkouts.
    pub held: u64,
    /// Units that drops have, until they report.
    pub allocated: u64,
    /// Units ever sold, those taken back deducted.
    pub sold: u64,
}

/// Why an inventory shard refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InventoryRejection {
    /// Nobody has this SKU.
    #[error("no such sku")]
    NotFound,
    /// Another variant has this SKU.
    #[error("another variant has this sku")]
    SkuTaken {
        /// Its product.
        product: ProductId,
    },
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// Too few units are free.
    #[error("{available} units are available")]
    InsufficientAvailable {
        /// How many are.
        available: u64,
        /// The other numbers.
        levels: StockLevels,
    },
    /// The merchant believed another number on hand.
    #[error("{on_hand} units are on hand")]
    UnexpectedLevel {
        /// How many are.
        on_hand: u64,
    },
    /// The number of units would pass [`ON_HAND_MAX`].
    #[error("at most {ON_HAND_MAX} units are counted")]
    TooMany,
    /// As many holds or drops as the shard keeps.
    #[error("too many holds on this sku")]
    TooManyHolds,
    /// The request came after its deadline, or after its own undoing.
    #[error("too late")]
    TooLate,
    /// There is no such hold, or it has ended.
    #[error("the hold has ended")]
    HoldEnded,
    /// A drop reports more than it had.
    #[error("the drop reports more units than it had")]
    ReportTooLarge,
}
