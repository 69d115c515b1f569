//! The commands of a flash sale drop.

use super::{Buyer, ClaimLock, ClaimNetwork, DropEdit, ItemTerms, Terms};
use crate::{
    id::{ClaimId, DropId, EmailHash, OrderId, Sku, TenantId},
    quantity::Quantity,
    time::Timestamp,
};

/// The commands of a drop.
#[derive(Debug, Clone)]
pub enum DropCommand {
    /// Creates the drop. Unless it is a draft, also requests its units and publishes it.
    Create {
        /// The tenant.
        tenant: TenantId,
        /// The drop's id, derived from the command id.
        drop: DropId,
        /// The terms as set by the merchant.
        terms: Terms,
        /// The items.
        items: Vec<ItemTerms>,
        /// Whether to create a draft, which only the merchant can see.
        draft: bool,
    },
    /// Requests the units of a draft and publishes it.
    Publish,
    /// Changes the drop. Rejected if `version` is not the current version.
    Edit {
        /// The version that the merchant has read.
        version: u64,
        /// The changes.
        edit: DropEdit,
    },
    /// Ends the drop now.
    End,
    /// Ends the drop now and releases every hold that no checkout has locked.
    Cancel,
    /// Holds units for a buyer.
    Claim {
        /// The claim's id, derived from the command id.
        claim: ClaimId,
        /// The buyer.
        buyer: Buyer,
        /// The SKU. Optional if the drop has only one item.
        sku: Option<Sku>,
        /// The number of units.
        quantity: Quantity,
        /// The network of the buyer, if it is known.
        network: Option<ClaimNetwork>,
    },
    /// Releases a claim at the buyer's request.
    Release {
        /// The claim.
        claim: ClaimId,
        /// The caller.
        buyer: Buyer,
    },
    /// Locks a claim for a checkout. A locked claim does not expire.
    LockClaim {
        /// The claim.
        claim: ClaimId,
        /// The buyer that pays.
        buyer: Buyer,
        /// The checkout and its attempt.
        lock: ClaimLock,
        /// The hash of the buyer's e-mail address, for the cap across guest accounts.
        email: EmailHash,
        /// After this instant, the command is rejected.
        deadline: Timestamp,
    },
    /// Unlocks a claim after its checkout has failed or was abandoned.
    UnlockClaim {
        /// The claim.
        claim: ClaimId,
        /// The checkout and its attempt.
        lock: ClaimLock,
        /// When the checkout started. Once, the hold is extended to at least `CHECKOUT_SECONDS` after this time.
        started_at: Timestamp,
    },
    /// Marks the units of a claim as sold, because the checkout is paid.
    Confirm {
        /// The claim.
        claim: ClaimId,
        /// The checkout and its attempt.
        lock: ClaimLock,
        /// The order.
        order: OrderId,
    },
    /// Reverses the sale of a claim, because the capture failed.
    Unsell {
        /// The claim.
        claim: ClaimId,
        /// The order.
        order: OrderId,
    },
    /// Reads the drop.
    View,
    /// Reads one claim.
    ViewClaim {
        /// The claim.
        claim: ClaimId,
        /// The caller. `None` for the merchant, who can read all claims.
        buyer: Option<Buyer>,
    },
    /// Reads up to `limit` claims older than `before`, newest first.
    ListClaims {
        /// If set, only the claims of this buyer.
        buyer: Option<Buyer>,
        /// If set, only claims older than the claim with this number.
        before: Option<u32>,
        /// The maximum number of claims.
        limit: u32,
    },
}
