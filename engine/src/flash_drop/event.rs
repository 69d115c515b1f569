//! The events of a flash sale drop.

use minicbor::{Decode, Encode};

use super::{ClaimLock, DropEdit, ItemTerms, NetworkHash, Sale, Terms, Totals};
use crate::{
    id::{ClaimId, DropId, EmailHash, OrderId, SubjectId, TenantId},
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

/// The events of a drop.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum DropEvent {
    /// The drop was created. It sells nothing yet.
    #[n(0)]
    Created {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The drop's id.
        #[n(1)]
        drop: DropId,
        /// The terms as set by the merchant.
        #[n(2)]
        terms: Terms,
        /// The items.
        #[n(3)]
        items: Vec<ItemTerms>,
        /// Whether it is a draft.
        #[n(4)]
        draft: bool,
        /// The command that created the drop.
        #[n(5)]
        processed: ProcessedCommand,
    },
    /// Units were requested from stock, to publish the drop or for an edit.
    #[n(1)]
    UnitsAsked {
        /// The command that needs the units.
        #[n(0)]
        processed: ProcessedCommand,
        /// The edit to apply once the units are allocated. `None`: the drop is published.
        #[n(1)]
        edit: Option<DropEdit>,
        /// The index of each item and the number of units to add.
        #[n(2)]
        units: Vec<(u16, u64)>,
    },
    /// Stock has allocated the requested units of an item.
    #[n(2)]
    UnitsCame {
        /// The index of the item.
        #[n(0)]
        item: u16,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// Stock has too few units of an item.
    #[n(3)]
    UnitsRefused {
        /// The index of the item.
        #[n(0)]
        item: u16,
        /// The number of available units.
        #[n(1)]
        available: u64,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// The drop was published. Claims are accepted from its start on.
    #[n(4)]
    Published {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The drop was changed.
    #[n(5)]
    Edited {
        /// The changes.
        #[n(0)]
        edit: DropEdit,
        /// The command that made the changes.
        #[n(1)]
        processed: ProcessedCommand,
    },
    /// The drop ended, at its scheduled time or by the merchant.
    #[n(6)]
    Ended {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
        /// The command that ended the drop. `None` for the scheduled end.
        #[n(1)]
        processed: Option<ProcessedCommand>,
    },
    /// The merchant cancelled the drop.
    #[n(7)]
    Cancelled {
        /// The command that cancelled the drop.
        #[n(0)]
        processed: ProcessedCommand,
    },
    /// Units are held for a buyer.
    #[n(8)]
    Claimed {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The buyer.
        #[n(1)]
        buyer: SubjectId,
        /// The index of the item.
        #[n(2)]
        item: u16,
        /// The number of units.
        #[n(3)]
        quantity: Quantity,
        /// The price of a unit, in minor units.
        #[n(4)]
        price: i64,
        /// The fingerprint of the command.
        #[n(5)]
        fingerprint: crate::id::Fingerprint,
        /// The time of the event.
        #[n(6)]
        at: Timestamp,
        /// When the hold expires.
        #[n(7)]
        until: Timestamp,
        /// The network of the buyer, if it is known.
        #[n(8)]
        network: Option<NetworkHash>,
        /// The claim's number in the drop's list of claims, by which [`Expired`](DropEvent::Expired) refers to it.
        /// `None` in events of earlier versions; `Released` and `Expired` events of those versions have no quantities
        /// either.
        #[n(9)]
        number: Option<u32>,
    },
    /// A buyer released a claim.
    #[n(9)]
    Released {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
        /// The number of units. `None` in events of earlier versions.
        #[n(2)]
        quantity: Option<Quantity>,
    },
    /// Holds expired, or ended because the drop was cancelled.
    #[n(10)]
    Expired {
        /// The numbers of the claims in the drop's list of claims.
        #[n(0)]
        claims: Vec<u32>,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
        /// The total number of units. `None` in events of earlier versions.
        #[n(2)]
        units: Option<u64>,
    },
    /// A checkout locked a claim.
    #[n(11)]
    ClaimLocked {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The checkout and its attempt.
        #[n(1)]
        lock: ClaimLock,
        /// The hash of the buyer's e-mail address.
        #[n(2)]
        email: EmailHash,
    },
    /// A checkout unlocked a claim.
    #[n(12)]
    ClaimUnlocked {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The checkout and its attempt.
        #[n(1)]
        lock: ClaimLock,
        /// When the hold expires now.
        #[n(2)]
        until: Timestamp,
    },
    /// A claim was paid.
    #[n(13)]
    Sold {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The order.
        #[n(1)]
        order: OrderId,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
        /// The units and their price. `None` in events of earlier versions.
        #[n(3)]
        sale: Option<Sale>,
    },
    /// The sale of a claim was reversed, because the capture failed.
    #[n(14)]
    Unsold {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
        /// The units and their price. `None` in events of earlier versions.
        #[n(2)]
        sale: Option<Sale>,
    },
    /// A settlement was started: the totals of sold and returned units are reported to stock.
    #[n(15)]
    SettlementAsked {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// Stock has recorded the totals of an item.
    #[n(16)]
    Settled {
        /// The index of the item.
        #[n(0)]
        item: u16,
        /// The recorded totals.
        #[n(1)]
        totals: Totals,
    },
}
