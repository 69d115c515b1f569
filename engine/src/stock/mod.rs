//! A stock item: the units of one SKU at one stock location.
//!
//! Units on hand are available, held for a checkout, or allocated to a flash sale drop:
//!
//! - A hold is `Held`, then `Sold` or over (released or expired). The item remembers finished holds for a while, so
//!   that it recognises duplicates and delayed commands.
//! - An allocation belongs to a drop. The drop reports what it has sold and returned as totals that only grow.
//! - A product variant owns the SKU, so that two variants cannot sell the same units.
//!
//! Invariants: `on_hand = available + held + allocated` at every event. Every change from another entity carries a hold
//! id or a running total, so that a duplicate changes nothing.

mod decide;
mod fold;
mod memory;
#[cfg(test)]
mod tests;
mod view;

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    fold::StockItem,
    view::{HoldUnits, Movement, StockSummary},
};
use crate::{
    aggregate::KeyReused,
    flash_drop::Totals,
    id::{DropId, HoldId, OrderId, ProductId, Sku, TenantId, VariantId},
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

/// The maximum number of units on hand. A sum of a thousand such numbers is still exact as a JSON number.
pub const ON_HAND_MAX: u64 = 1 << 40;
/// The maximum number of active holds on one SKU. Bounds its memory, at about 100 bytes for each hold.
pub const HOLDS_MAX: usize = 1_000_000;
/// The maximum number of remembered holds on one SKU, including holds that were sold or released in the last 24 hours.
/// Bounds its memory, at about 100 bytes for each hold. A hundred sales a second all day stay below this number.
pub const HOLDS_KNOWN_MAX: usize = 10_000_000;
/// The maximum number of drops that have ever had units of one SKU.
pub const ALLOCATIONS_MAX: usize = 100_000;
/// The maximum number of orders that are remembered as having returned units of one SKU. Bounds memory, at about 80
/// bytes for each order. An order returns a SKU once and retries until it has a reply; fewer other orders than this
/// return units in the meantime.
pub const RESTOCKS_KNOWN_MAX: usize = 1_000_000;
/// The maximum number of reversed sales of holds that are remembered. Bounds memory, at about 80 bytes for each sale. A
/// checkout retries until it has a reply; fewer other captures than this fail in the meantime.
pub const UNSOLD_KNOWN_MAX: usize = 1_000_000;
/// The maximum number of expiries in one batch of events.
pub const EXPIRIES_PER_WAKE_MAX: usize = 1_000;

/// The commands of a stock item.
#[derive(Debug, Clone, Encode, Decode)]
pub enum StockCommand {
    /// Assigns the SKU to a variant. Rejected while another variant has it.
    #[n(0)]
    Adopt {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The SKU.
        #[n(1)]
        sku: Sku,
        /// The product.
        #[n(2)]
        product: ProductId,
        /// The variant.
        #[n(3)]
        variant: VariantId,
    },
    /// Removes the SKU from a variant.
    #[n(1)]
    Disown {
        /// The variant that had the SKU.
        #[n(0)]
        variant: VariantId,
    },
    /// Changes the units on hand.
    #[n(2)]
    Adjust {
        /// The change.
        #[n(0)]
        change: StockChange,
        /// The reason, for the merchant's records.
        #[n(1)]
        reason: String,
    },
    /// Allocates units to a drop until it has received `total` units of this SKU.
    #[n(3)]
    Allocate {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// The total number of units, including earlier allocations.
        #[n(1)]
        total: u64,
    },
    /// Records what a drop reports about its units.
    #[n(4)]
    Settle {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// The reported totals.
        #[n(1)]
        totals: Totals,
    },
    /// Holds units for a checkout.
    #[n(5)]
    Reserve {
        /// The hold id, derived from the checkout.
        #[n(0)]
        hold: HoldId,
        /// The number of units.
        #[n(1)]
        quantity: Quantity,
        /// When the hold expires.
        #[n(2)]
        expires_at: Timestamp,
        /// After this instant, the command is rejected.
        #[n(3)]
        deadline: Timestamp,
    },
    /// Marks the units of a hold as sold.
    #[n(6)]
    Confirm {
        /// The hold.
        #[n(0)]
        hold: HoldId,
    },
    /// Releases the units of a hold. If the hold has not arrived yet, its [`Reserve`](StockCommand::Reserve) is later
    /// rejected.
    #[n(7)]
    Release {
        /// The hold.
        #[n(0)]
        hold: HoldId,
    },
    /// Reverses the sale of a confirmed hold whose capture failed. This may happen long after the sale.
    #[n(8)]
    Unsell {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// The number of units of the hold, which the stock item may no longer remember.
        #[n(1)]
        quantity: Quantity,
    },
    /// Takes back units of an order until `total` of them have come back.
    #[n(9)]
    Restock {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// The total number of returned units, including earlier returns.
        #[n(1)]
        total: u64,
    },
    /// Reads the stock levels.
    #[n(10)]
    View,
}

/// A change of the units on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum StockChange {
    /// Adds this number of units, or removes them if it is negative.
    #[n(0)]
    By(#[n(0)] i64),
    /// Sets the units on hand. Rejected if `expected` differs from the current number.
    #[n(1)]
    To {
        /// Units on hand after the change.
        #[n(0)]
        units: u64,
        /// Units on hand before the change. `None` accepts any number.
        #[n(1)]
        expected: Option<u64>,
    },
    /// Sets the units on hand if they have never been counted: the first import.
    #[n(2)]
    First(#[n(0)] u64),
}

/// The events of a stock item.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum StockEvent {
    /// The SKU was assigned to a variant.
    #[n(0)]
    Adopted {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The SKU.
        #[n(1)]
        sku: Sku,
        /// The product.
        #[n(2)]
        product: ProductId,
        /// The variant.
        #[n(3)]
        variant: VariantId,
    },
    /// The SKU was removed from its variant.
    #[n(1)]
    Disowned,
    /// The merchant changed the units on hand.
    #[n(2)]
    Adjusted {
        /// The number of units added, or removed if it is negative.
        #[n(0)]
        delta: i64,
        /// The reason.
        #[n(1)]
        reason: String,
        /// The command.
        #[n(2)]
        processed: ProcessedCommand,
    },
    /// Units were allocated to a drop.
    #[n(3)]
    Allocated {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// The total number of units that the drop has received.
        #[n(1)]
        total: u64,
    },
    /// The totals reported by a drop were recorded.
    #[n(4)]
    Settled {
        /// The drop.
        #[n(0)]
        drop: DropId,
        /// The recorded totals.
        #[n(1)]
        totals: Totals,
    },
    /// Units are held for a checkout.
    #[n(5)]
    Reserved {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// The number of units.
        #[n(1)]
        quantity: Quantity,
        /// When the hold expires.
        #[n(2)]
        expires_at: Timestamp,
        /// The latest time at which a delayed copy of the command is still accepted.
        #[n(3)]
        deadline: Timestamp,
    },
    /// The units of a hold were sold.
    #[n(6)]
    Confirmed {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// A hold was released, or a hold that has not been made was blocked.
    #[n(7)]
    Released {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The sale of a hold was reversed.
    #[n(8)]
    Unsold {
        /// The hold.
        #[n(0)]
        hold: HoldId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
        /// The number of units of the hold, if the stock item no longer remembered it.
        #[n(2)]
        forgotten: Option<Quantity>,
    },
    /// Active holds expired, or finished holds were forgotten.
    #[n(9)]
    Expired {
        /// The holds.
        #[n(0)]
        holds: Vec<HoldId>,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// Units of an order came back.
    #[n(10)]
    Restocked {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// The total number of units that have come back.
        #[n(1)]
        total: u64,
    },
}

/// The replies of a stock item.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum StockReply {
    /// The command took effect now or earlier.
    #[n(0)]
    Done,
    /// The current stock levels.
    #[n(1)]
    Levels(#[n(0)] StockLevels),
    /// The recorded totals of the drop.
    #[n(2)]
    Settled(#[n(0)] Totals),
}

/// The stock levels of a SKU. `on_hand = available + held + allocated`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct StockLevels {
    /// Units in the warehouse.
    #[n(0)]
    pub on_hand: u64,
    /// Units that can be held or allocated.
    #[n(1)]
    pub available: u64,
    /// Units held for checkouts.
    #[n(2)]
    pub held: u64,
    /// Units allocated to drops and not yet reported as sold or returned.
    #[n(3)]
    pub allocated: u64,
    /// Units sold, excluding reversed sales.
    #[n(4)]
    pub sold: u64,
}

/// The reasons for which a stock item rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum StockRejection {
    /// No variant has this SKU.
    #[error("no such sku")]
    #[n(0)]
    NotFound,
    /// Another variant has this SKU.
    #[error("another variant has this sku")]
    #[n(1)]
    SkuTaken {
        /// The product of that variant.
        #[n(0)]
        product: ProductId,
    },
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(2)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// Too few units are available.
    #[error("{available} units are available")]
    #[n(3)]
    InsufficientAvailable {
        /// The number of available units.
        #[n(0)]
        available: u64,
        /// The current stock levels.
        #[n(1)]
        levels: StockLevels,
    },
    /// The number on hand differs from the number that the merchant expected.
    #[error("{on_hand} units are on hand")]
    #[n(4)]
    UnexpectedLevel {
        /// The number on hand.
        #[n(0)]
        on_hand: u64,
    },
    /// The number of units would exceed [`ON_HAND_MAX`].
    #[error("at most {ON_HAND_MAX} units are counted")]
    #[strum(serialize = "limit_exceeded")]
    #[n(5)]
    TooMany,
    /// The maximum number of holds or drops is reached.
    #[error("too many holds on this sku")]
    #[strum(serialize = "limit_exceeded")]
    #[n(6)]
    TooManyHolds,
    /// The command arrived after its deadline or after its own release.
    #[error("too late")]
    #[n(7)]
    TooLate,
    /// The hold does not exist or has ended.
    #[error("the hold has ended")]
    #[n(8)]
    HoldEnded,
    /// A drop reports more units than it has received.
    #[error("the drop reports more units than it had")]
    #[strum(serialize = "internal")]
    #[n(9)]
    ReportTooLarge,
}
