//! The replies and rejections of a flash sale drop.

use std::borrow::Cow;

use strum::{IntoStaticStr, VariantNames};

use super::{CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, ClaimView, DropView};
use crate::{
    aggregate::KeyReused,
    id::{CheckoutId, Sku},
    time::Timestamp,
};

/// The replies of a drop.
#[derive(Debug, Clone, PartialEq)]
pub enum DropReply {
    /// The current drop, or the drop as an earlier copy of the command returned it.
    Drop(Box<DropView>),
    /// The current claim, or the claim as it was when it was made.
    Claim(ClaimView),
    /// Claims, and the number to pass as `before` for the next page, if there is one.
    Claims(Vec<ClaimView>, Option<u32>),
    /// The command took effect now or earlier.
    Done,
}

/// The reasons for which a drop rejects a command.
#[derive(Debug, Clone, PartialEq, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum DropRejection {
    /// The drop does not exist, or the caller may not see it.
    #[error("no such drop")]
    NotFound,
    /// The claim does not exist, or it belongs to another buyer.
    #[error("no such claim")]
    #[strum(serialize = "not_found")]
    ClaimNotFound,
    /// The drop does not sell this SKU.
    #[error("the drop does not sell {}", sku.as_ref().map_or("more than one item without a sku", |sku| sku.as_str()))]
    #[strum(serialize = "out_of_range")]
    ItemNotFound {
        /// The requested SKU. `None` if the claim named none and the drop has several items.
        sku: Option<Sku>,
    },
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    KeyReused(#[from] KeyReused),
    /// Too few units are available.
    #[error("{available} units are available")]
    SoldOut {
        /// The number of available units.
        available: u64,
        /// Whether units may become available when holds end.
        may_return: bool,
    },
    /// The buyer's cap is reached.
    #[error("{remaining} more units allowed for this buyer")]
    LimitReached {
        /// The number of units that the buyer may still claim.
        remaining: u64,
    },
    /// The cap for all buyers of one network is reached.
    #[error("{remaining} more units allowed for buyers of this network")]
    NetworkLimit {
        /// The number of units that buyers of this network may still claim.
        remaining: u64,
    },
    /// The drop is not open yet.
    #[error("the drop is not open yet")]
    NotOpen {
        /// When the drop opens. `None` if it is not published.
        starts_at: Option<Timestamp>,
    },
    /// The drop has ended.
    #[error("the drop has ended")]
    Ended,
    /// Only customers with an account may claim.
    #[error("the drop is for customers with an account")]
    AccountRequired,
    /// The claim is already paid.
    #[error("the claim is paid already")]
    AlreadySold,
    /// The claim was already released.
    #[error("the claim was released")]
    AlreadyReleased,
    /// A checkout has locked the claim.
    #[error("the claim is in a checkout")]
    CheckoutInProgress {
        /// The checkout.
        checkout: CheckoutId,
    },
    /// The claim has been in [`CHECKOUTS_PER_CLAIM_MAX`] checkouts.
    #[error("the claim was in {CHECKOUTS_PER_CLAIM_MAX} checkouts already")]
    TooManyCheckouts,
    /// The drop has reached its maximum number of claims.
    #[error("too many claims")]
    TooManyClaims,
    /// The buyer has reached the maximum number of claims, including released ones. No further claim is possible.
    #[error("at most {CLAIMS_PER_BUYER_MAX} claims of one buyer in a drop, those given back included")]
    #[strum(serialize = "too_many_claims")]
    TooManyOwnClaims,
    /// The command arrived after its deadline.
    #[error("too late")]
    TooLate,
    /// A stock item has too few available units.
    #[error("{available} units of {sku} are available")]
    InsufficientStock {
        /// The SKU.
        sku: Sku,
        /// The number of available units.
        available: u64,
    },
    /// The version in the command is not the current version. The caller should read the drop again.
    #[error("the drop is at version {current}")]
    StaleVersion {
        /// The current version.
        current: u64,
    },
    /// The state of the drop does not allow the change.
    #[error("{why}")]
    NotAllowed {
        /// The reason, in a sentence for the merchant.
        why: Cow<'static, str>,
    },
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    Invalid {
        /// The JSON pointer to the value in the request.
        pointer: String,
        /// The reason.
        why: Cow<'static, str>,
    },
}
