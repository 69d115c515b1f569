//! What can be asked of a drop.

use super::{Buyer, ClaimNetwork, DropEdit, ItemTerms, Pin, Terms};
use crate::{
    id::{ClaimId, DropId, EmailHash, OrderId, Sku, TenantId},
    quantity::Quantity,
    time::Timestamp,
};

/// What can be asked of a drop.
#[derive(Debug, Clone)]
pub enum DropCommand {
    /// Make it; unless it is a draft, get its units and publish it.
    Create {
        /// Whose it is.
        tenant: TenantId,
        /// Its id, derived from the command's.
        drop: DropId,
        /// What the merchant says of it.
        terms: Terms,
        /// What it sells.
        items: Vec<ItemTerms>,
        /// Keep it to oneself for now.
        draft: bool,
    },
    /// Get a draft's units and publish it.
    Publish,
    /// Change it. `version` is the one that the merchant saw.
    Edit {
        /// The version to be changed.
        version: u64,
        /// The changes.
        edit: DropEdit,
    },
    /// End it now.
    End,
    /// End it now and give back every hold that no checkout has pinned.
    Cancel,
    /// Hold units for a buyer.
    Claim {
        /// The claim's id, derived from the command's.
        claim: ClaimId,
        /// For whom.
        buyer: Buyer,
        /// Which item; may be left out when there is one.
        sku: Option<Sku>,
        /// How many.
        quantity: Quantity,
        /// Where from, if that is known.
        network: Option<ClaimNetwork>,
    },
    /// Give a claim back.
    Release {
        /// Which.
        claim: ClaimId,
        /// Who asks.
        buyer: Buyer,
    },
    /// Tie a claim to a checkout: it does not expire until it is unpinned.
    Pin {
        /// Which.
        claim: ClaimId,
        /// Who pays.
        buyer: Buyer,
        /// The checkout, and its attempt.
        pin: Pin,
        /// The buyer's e-mail, for the cap across guests.
        email: EmailHash,
        /// After this instant it is too late to pin.
        deadline: Timestamp,
    },
    /// The checkout failed or gave up.
    Unpin {
        /// Which.
        claim: ClaimId,
        /// The checkout, and its attempt.
        pin: Pin,
        /// When the checkout started: the hold lives at least `CHECKOUT_SECONDS` from then, once.
        started_at: Timestamp,
    },
    /// The checkout is paid: the units are sold.
    Confirm {
        /// Which.
        claim: ClaimId,
        /// The checkout, and its attempt.
        pin: Pin,
        /// The order that has them.
        order: OrderId,
    },
    /// The capture failed after the units were sold: they are not.
    Unsell {
        /// Which.
        claim: ClaimId,
        /// The order that had them.
        order: OrderId,
    },
    /// Read the drop.
    View,
    /// Read one claim. `buyer` is `None` for the vendor, who sees all.
    ViewClaim {
        /// Which.
        claim: ClaimId,
        /// Who asks.
        buyer: Option<Buyer>,
    },
    /// Read claims, newest first, `limit` at the most, older than `before`.
    ListClaims {
        /// Only this buyer's.
        buyer: Option<Buyer>,
        /// Only those older than the claim with this number.
        before: Option<u32>,
        /// How many at the most.
        limit: u32,
    },
}
