//! The commands of a flash sale drop.

use minicbor::{Decode, Encode};

use super::{Buyer, ClaimLock, ClaimNetwork, DropEdit, ItemTerms, Terms};
use crate::{
    id::{ClaimId, DropId, EmailHash, OrderId, Sku, TenantId},
    quantity::Quantity,
    time::Timestamp,
};

/// The commands of a drop.
#[derive(Debug, Clone, Encode, Decode)]
pub enum DropCommand {
    /// Creates the drop. Unless it is a draft, also requests its units and publishes it.
    #[n(0)]
    Create {
        /// The tenant.
        #[n(0)]
        tenant: TenantId,
        /// The drop's id, derived from the command id.
        #[n(1)]
        drop: DropId,
        /// The terms as set by the merchant.
        #[n(2)]
        terms: Terms,
        /// The items.
        #[n(3)]
        items: Vec<ItemTerms>,
        /// Whether to create a draft, which only the merchant can see.
        #[n(4)]
        draft: bool,
    },
    /// Requests the units of a draft and publishes it.
    #[n(1)]
    Publish,
    /// Changes the drop. Rejected if `version` is not the current version.
    #[n(2)]
    Edit {
        /// The version that the merchant has read.
        #[n(0)]
        version: u64,
        /// The changes.
        #[n(1)]
        edit: DropEdit,
    },
    /// Ends the drop now.
    #[n(3)]
    End,
    /// Ends the drop now and releases every hold that no checkout has locked.
    #[n(4)]
    Cancel,
    /// Holds units for a buyer.
    #[n(5)]
    Claim {
        /// The claim's id, derived from the command id.
        #[n(0)]
        claim: ClaimId,
        /// The buyer.
        #[n(1)]
        buyer: Buyer,
        /// The SKU. Optional if the drop has only one item.
        #[n(2)]
        sku: Option<Sku>,
        /// The number of units.
        #[n(3)]
        quantity: Quantity,
        /// The network of the buyer, if it is known.
        #[n(4)]
        network: Option<ClaimNetwork>,
    },
    /// Releases a claim at the buyer's request.
    #[n(6)]
    Release {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The caller.
        #[n(1)]
        buyer: Buyer,
    },
    /// Locks a claim for a checkout. A locked claim does not expire.
    #[n(7)]
    LockClaim {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The buyer that pays.
        #[n(1)]
        buyer: Buyer,
        /// The checkout and its attempt.
        #[n(2)]
        lock: ClaimLock,
        /// The hash of the buyer's e-mail address, for the cap across guest accounts.
        #[n(3)]
        email: EmailHash,
        /// After this instant, the command is rejected.
        #[n(4)]
        deadline: Timestamp,
    },
    /// Unlocks a claim after its checkout has failed or was abandoned.
    #[n(8)]
    UnlockClaim {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The checkout and its attempt.
        #[n(1)]
        lock: ClaimLock,
        /// When the checkout started. Once, the hold is extended to at least `CHECKOUT_SECONDS` after this time.
        #[n(2)]
        started_at: Timestamp,
    },
    /// Marks the units of a claim as sold, because the checkout is paid.
    #[n(9)]
    Confirm {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The checkout and its attempt.
        #[n(1)]
        lock: ClaimLock,
        /// The order.
        #[n(2)]
        order: OrderId,
    },
    /// Reverses the sale of a claim, because the capture failed.
    #[n(10)]
    Unsell {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The order.
        #[n(1)]
        order: OrderId,
    },
    /// Reads the drop.
    #[n(11)]
    View,
    /// Reads one claim.
    #[n(12)]
    ViewClaim {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// The caller. `None` for the merchant, who can read all claims.
        #[n(1)]
        buyer: Option<Buyer>,
    },
    /// Reads up to `limit` claims older than `before`, newest first.
    #[n(13)]
    ListClaims {
        /// If set, only the claims of this buyer.
        #[n(0)]
        buyer: Option<Buyer>,
        /// If set, only claims older than the claim with this number.
        #[n(1)]
        before: Option<u32>,
        /// The maximum number of claims.
        #[n(2)]
        limit: u32,
    },
}
