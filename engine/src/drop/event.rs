//! What can happen to a drop.

use minicbor::{Decode, Encode};

use super::{DropEdit, ItemTerms, NetworkHash, Pin, Sale, Terms, Totals};
use crate::{
    id::{ClaimId, DropId, EmailHash, OrderId, SubjectId, TenantId},
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// What can happen to a drop.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum DropEvent {
    /// It was made, and sells nothing yet.
    #[n(0)]
    Created {
        /// Whose it is.
        #[n(0)]
        tenant: TenantId,
        /// Its id.
        #[n(1)]
        drop: DropId,
        /// What the merchant says of it.
        #[n(2)]
        terms: Terms,
        /// What it is to sell.
        #[n(3)]
        items: Vec<ItemTerms>,
        /// Whether it is a draft.
        #[n(4)]
        draft: bool,
        /// The command that made it.
        #[n(5)]
        receipt: Receipt,
    },
    /// Units were asked of the inventory: to publish, or for an edit.
    #[n(1)]
    UnitsAsked {
        /// The command that needs them.
        #[n(0)]
        receipt: Receipt,
        /// What is done once they have come. `None`: it is published.
        #[n(1)]
        edit: Option<DropEdit>,
        /// Which items, by index, get how many more.
        #[n(2)]
        units: Vec<(u16, u64)>,
    },
    /// The inventory gave an item its units.
    #[n(2)]
    UnitsCame {
        /// The item.
        #[n(0)]
        item: u16,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The inventory has too few.
    #[n(3)]
    UnitsRefused {
        /// The item.
        #[n(0)]
        item: u16,
        /// How many it has.
        #[n(1)]
        available: u64,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// It is published: claims are taken from its start on.
    #[n(4)]
    Published {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// It was changed.
    #[n(5)]
    Edited {
        /// The changes.
        #[n(0)]
        edit: DropEdit,
        /// The command that changed it.
        #[n(1)]
        receipt: Receipt,
    },
    /// It ended, by its time or by the merchant.
    #[n(6)]
    Ended {
        /// When.
        #[n(0)]
        at: Timestamp,
        /// The command that ended it, if not time.
        #[n(1)]
        receipt: Option<Receipt>,
    },
    /// The merchant cancelled it.
    #[n(7)]
    Cancelled {
        /// The command that cancelled it.
        #[n(0)]
        receipt: Receipt,
    },
    /// Units are held for a buyer.
    #[n(8)]
    Claimed {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// For whom.
        #[n(1)]
        buyer: SubjectId,
        /// Which item.
        #[n(2)]
        item: u16,
        /// How many.
        #[n(3)]
        quantity: Quantity,
        /// For how much each, in minor units.
        #[n(4)]
        price: i64,
        /// What the command said.
        #[n(5)]
        fingerprint: crate::id::Fingerprint,
        /// When.
        #[n(6)]
        at: Timestamp,
        /// When the hold ends.
        #[n(7)]
        until: Timestamp,
        /// The network that it came from, if that is known.
        #[n(8)]
        network: Option<NetworkHash>,
        /// Its number in the drop's list of claims, which is how [`Expired`](DropEvent::Expired) names it. `None` in events
        /// of earlier versions, whose claims end without a quantity too.
        #[n(9)]
        number: Option<u32>,
    },
    /// A buyer gave a claim back.
    #[n(9)]
    Released {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// When.
        #[n(1)]
        at: Timestamp,
        /// Its units. `None` in events of earlier versions.
        #[n(2)]
        quantity: Option<Quantity>,
    },
    /// Holds ended: by their time, or because the drop was cancelled.
    #[n(10)]
    Expired {
        /// Their numbers in the drop's list of claims.
        #[n(0)]
        claims: Vec<u32>,
        /// When.
        #[n(1)]
        at: Timestamp,
        /// Units of all of them. `None` in events of earlier versions.
        #[n(2)]
        units: Option<u64>,
    },
    /// A checkout took hold of a claim.
    #[n(11)]
    Pinned {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// Who has it.
        #[n(1)]
        pin: Pin,
        /// The buyer's e-mail.
        #[n(2)]
        email: EmailHash,
    },
    /// A checkout let go of a claim.
    #[n(12)]
    Unpinned {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// Who had it.
        #[n(1)]
        pin: Pin,
        /// When the hold ends now.
        #[n(2)]
        until: Timestamp,
    },
    /// A claim was paid.
    #[n(13)]
    Sold {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// The order that has it.
        #[n(1)]
        order: OrderId,
        /// When.
        #[n(2)]
        at: Timestamp,
        /// What was sold. `None` in events of earlier versions.
        #[n(3)]
        sale: Option<Sale>,
    },
    /// A sale was taken back: its capture failed.
    #[n(14)]
    Unsold {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// When.
        #[n(1)]
        at: Timestamp,
        /// What had been sold. `None` in events of earlier versions.
        #[n(2)]
        sale: Option<Sale>,
    },
    /// What was sold and what is left over is reported to the inventory.
    #[n(15)]
    SettlementAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The inventory has booked an item's totals.
    #[n(16)]
    Settled {
        /// The item.
        #[n(0)]
        item: u16,
        /// What it booked.
        #[n(1)]
        totals: Totals,
    },
}
