//! What a drop answers, and why it refuses.

use super::{CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, ClaimView, DropView};
use crate::{
    aggregate::KeyReused,
    id::{CheckoutId, Sku},
    time::Timestamp,
};

/// What a drop answers.
#[derive(Debug, Clone, PartialEq)]
pub enum DropReply {
    /// The drop as it stands.
    Drop(Box<DropView>),
    /// A claim as it stands, or stood when it was made.
    Claim(ClaimView),
    /// Claims, and the number to go on before.
    Claims(Vec<ClaimView>, Option<u32>),
    /// Done, or done before.
    Done,
}

/// Why a drop refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DropRejection {
    /// There is no such drop, or none that the caller may see.
    #[error("no such drop")]
    NotFound,
    /// There is no such claim, or it is not the caller's.
    #[error("no such claim")]
    ClaimNotFound,
    /// The drop does not sell this SKU.
    #[error("the drop does not sell {}", sku.as_ref().map_or("more than one item without a sku", |sku| sku.as_str()))]
    ItemNotFound {
        /// What was asked for; `None` when the claim named none and there are several.
        sku: Option<Sku>,
    },
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// Too few units are free.
    #[error("{available} units are available")]
    SoldOut {
        /// How many are.
        available: u64,
        /// Whether holds may end and free some.
        may_return: bool,
    },
    /// The buyer's cap is reached.
    #[error("{remaining} more units allowed for this buyer")]
    LimitReached {
        /// How many more the buyer may claim.
        remaining: u64,
    },
    /// The buyers of one network have as much as they may.
    #[error("{remaining} more units allowed for buyers of this network")]
    NetworkLimit {
        /// How many more they may claim.
        remaining: u64,
    },
    /// Too early.
    #[error("the drop is not open yet")]
    NotOpen {
        /// When it opens. `None`: not published.
        starts_at: Option<Timestamp>,
    },
    /// Too late.
    #[error("the drop has ended")]
    Ended,
    /// For customers with an account.
    #[error("the drop is for customers with an account")]
    AccountRequired,
    /// The claim is paid.
    #[error("the claim is paid already")]
    AlreadySold,
    /// The claim's hold is over.
    #[error("the claim was released")]
    AlreadyReleased,
    /// A checkout has hold of the claim.
    #[error("the claim is in a checkout")]
    CheckoutInProgress {
        /// Which.
        checkout: CheckoutId,
    },
    /// The claim was in as many checkouts as it may.
    #[error("the claim was in {CHECKOUTS_PER_CLAIM_MAX} checkouts already")]
    TooManyCheckouts,
    /// The drop has taken as many claims as it keeps.
    #[error("too many claims")]
    TooManyClaims,
    /// The buyer has made as many claims as it may, those given back included: no other can follow in this drop.
    #[error("at most {CLAIMS_PER_BUYER_MAX} claims of one buyer in a drop, those given back included")]
    TooManyOwnClaims,
    /// The request came after its deadline.
    #[error("too late")]
    TooLate,
    /// The inventory has too few units.
    #[error("{available} units of {sku} are available")]
    InsufficientStock {
        /// Of what.
        sku: Sku,
        /// How many it has.
        available: u64,
    },
    /// The merchant saw an older version.
    #[error("the drop is at version {current}")]
    StaleVersion {
        /// The version there is.
        current: u64,
    },
    /// The state does not allow the change.
    #[error("{why}")]
    NotAllowed {
        /// Why, in a sentence for the merchant.
        why: &'static str,
    },
    /// A value is out of its range.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: String,
        /// Why.
        why: &'static str,
    },
}
