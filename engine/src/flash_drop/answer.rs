//! The replies and rejections of a flash sale drop.

use std::borrow::Cow;

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};

use super::{CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, ClaimView, DropView};
use crate::{
    aggregate::KeyReused,
    id::{CheckoutId, Sku},
    time::Timestamp,
};

/// The replies of a drop.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum DropReply {
    /// The current drop, or the drop as an earlier copy of the command returned it.
    #[n(0)]
    Drop(#[n(0)] Box<DropView>),
    /// The current claim, or the claim as it was when it was made.
    #[n(1)]
    Claim(#[n(0)] ClaimView),
    /// Claims, and the number to pass as `before` for the next page, if there is one.
    #[n(2)]
    Claims(#[n(0)] Vec<ClaimView>, #[n(1)] Option<u32>),
    /// The command took effect now or earlier.
    #[n(3)]
    Done,
}

/// The reasons for which a drop rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum DropRejection {
    /// The drop does not exist, or the caller may not see it.
    #[error("no such drop")]
    #[n(0)]
    NotFound,
    /// The claim does not exist, or it belongs to another buyer.
    #[error("no such claim")]
    #[strum(serialize = "not_found")]
    #[n(1)]
    ClaimNotFound,
    /// The drop does not sell this SKU.
    #[error("the drop does not sell {}", sku.as_ref().map_or("the drop has several items: a sku is required", |sku| sku.as_str()))]
    #[strum(serialize = "out_of_range")]
    #[n(2)]
    ItemNotFound {
        /// The requested SKU. `None` if the claim named none and the drop has several items.
        #[n(0)]
        sku: Option<Sku>,
    },
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(3)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// Too few units are available.
    #[error("{available} units are available")]
    #[n(4)]
    SoldOut {
        /// The number of available units.
        #[n(0)]
        available: u64,
        /// Whether units may become available when holds end.
        #[n(1)]
        may_return: bool,
    },
    /// The buyer's cap is reached.
    #[error("{remaining} more units allowed for this buyer")]
    #[n(5)]
    LimitReached {
        /// The number of units that the buyer may still claim.
        #[n(0)]
        remaining: u64,
    },
    /// The cap for all buyers of one network is reached.
    #[error("{remaining} more units allowed for buyers of this network")]
    #[n(6)]
    NetworkLimit {
        /// The number of units that buyers of this network may still claim.
        #[n(0)]
        remaining: u64,
    },
    /// The drop is not open yet.
    #[error("the drop is not open yet")]
    #[n(7)]
    NotOpen {
        /// When the drop opens. `None` if it is not published.
        #[n(0)]
        starts_at: Option<Timestamp>,
    },
    /// The drop has ended.
    #[error("the drop has ended")]
    #[n(8)]
    Ended,
    /// Only customers with an account may claim.
    #[error("the drop is for customers with an account")]
    #[n(9)]
    AccountRequired,
    /// The claim is already paid.
    #[error("the claim is paid already")]
    #[n(10)]
    AlreadySold,
    /// The claim was already released.
    #[error("the claim was released")]
    #[n(11)]
    AlreadyReleased,
    /// A checkout has locked the claim.
    #[error("the claim is in a checkout")]
    #[n(12)]
    CheckoutInProgress {
        /// The checkout.
        #[n(0)]
        checkout: CheckoutId,
    },
    /// The claim has been in [`CHECKOUTS_PER_CLAIM_MAX`] checkouts.
    #[error("the claim was in {CHECKOUTS_PER_CLAIM_MAX} checkouts already")]
    #[n(13)]
    TooManyCheckouts,
    /// The drop has reached its maximum number of claims.
    #[error("too many claims")]
    #[n(14)]
    TooManyClaims,
    /// The buyer has reached the maximum number of claims, including released ones. No further claim is possible.
    #[error("at most {CLAIMS_PER_BUYER_MAX} claims of one buyer in a drop, released ones included")]
    #[strum(serialize = "too_many_claims")]
    #[n(15)]
    TooManyOwnClaims,
    /// The command arrived after its deadline.
    #[error("too late")]
    #[n(16)]
    TooLate,
    /// A stock item has too few available units.
    #[error("{available} units of {sku} are available")]
    #[n(17)]
    InsufficientStock {
        /// The SKU.
        #[n(0)]
        sku: Sku,
        /// The number of available units.
        #[n(1)]
        available: u64,
    },
    /// The version in the command is not the current version. The caller should read the drop again.
    #[error("the drop is at version {current}")]
    #[n(18)]
    StaleVersion {
        /// The current version.
        #[n(0)]
        current: u64,
    },
    /// The state of the drop does not allow the change.
    #[error("{why}")]
    #[n(19)]
    NotAllowed {
        /// The reason, in a sentence for the merchant.
        #[n(0)]
        why: Cow<'static, str>,
    },
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(20)]
    Invalid {
        /// The JSON pointer to the value in the request.
        #[n(0)]
        pointer: String,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
