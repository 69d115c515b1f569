//! The problems that stop a checkout.

use minicbor::{Decode, Encode};
use strum::{EnumDiscriminants, IntoStaticStr, VariantNames};

use crate::{
    flash_drop::DropRejection,
    id::{CheckoutId, ClaimRef, Sku},
    money::Money,
    pricing::PricingError,
};

/// The reason for which a checkout was refused or failed, with the values that the buyer needs to correct it.
#[derive(
    Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames, EnumDiscriminants,
)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(name(ProblemName), vis(pub(super)), derive(IntoStaticStr), strum(serialize_all = "snake_case"))]
pub enum CheckoutProblem {
    /// The claim does not exist, or it belongs to another buyer.
    #[error("no such claim")]
    #[n(0)]
    #[strum(serialize = "not_found")]
    ClaimNotFound {
        /// The claim.
        #[n(0)]
        claim: ClaimRef,
    },
    /// The claim was released.
    #[error("the claim was released")]
    #[n(1)]
    #[strum(serialize = "already_released")]
    ClaimReleased {
        /// The claim.
        #[n(0)]
        claim: ClaimRef,
    },
    /// The claim is already paid.
    #[error("the claim is paid already")]
    #[n(2)]
    AlreadySold {
        /// The claim.
        #[n(0)]
        claim: ClaimRef,
    },
    /// Another checkout has locked the claim or the cart.
    #[error("another checkout is in progress")]
    #[n(3)]
    CheckoutInProgress {
        /// The other checkout.
        #[n(0)]
        checkout: CheckoutId,
    },
    /// The claim or the cart has reached its maximum number of checkouts.
    #[error("too many checkouts")]
    #[n(4)]
    TooManyCheckouts,
    /// Other claims with the buyer's e-mail address have reached the drop's cap.
    #[error("{remaining} more units allowed for this buyer")]
    #[n(5)]
    LimitReached {
        /// The number of units that the buyer may still have.
        #[n(0)]
        remaining: u64,
    },
    /// The cart does not exist, or it belongs to another buyer.
    #[error("no such cart")]
    #[n(6)]
    #[strum(serialize = "not_found")]
    CartNotFound,
    /// The cart is empty.
    #[error("the cart is empty")]
    #[n(7)]
    CartEmpty,
    /// The catalogue no longer offers this SKU.
    #[error("{sku} is not for sale")]
    #[n(8)]
    NotForSale {
        /// The SKU.
        #[n(0)]
        sku: Sku,
    },
    /// Stock has too few available units.
    #[error("{available} units of {sku} are available")]
    #[n(9)]
    InsufficientStock {
        /// The SKU.
        #[n(0)]
        sku: Sku,
        /// The number of available units.
        #[n(1)]
        available: u64,
    },
    /// The total differs from the total that the buyer has seen.
    #[error("the total is {total}")]
    #[n(10)]
    PriceChanged {
        /// The current total.
        #[n(0)]
        total: Money,
    },
    /// The goods or the shipping have prices in different currencies.
    #[error("prices in different currencies")]
    #[n(11)]
    MixedCurrencies,
    /// The total exceeds the largest valid amount.
    #[error("the total is too large")]
    #[n(12)]
    #[strum(serialize = "limit_exceeded")]
    TotalTooLarge,
    /// The payment provider declined the payment.
    #[error("the payment was declined: {code}")]
    #[n(13)]
    PaymentDeclined {
        /// The provider's machine-readable code.
        #[n(0)]
        code: String,
    },
    /// The payment was authorised but could not be captured.
    #[error("the payment failed: {code}")]
    #[n(14)]
    #[strum(serialize = "payment_failed")]
    CaptureFailed {
        /// The provider's machine-readable code.
        #[n(0)]
        code: String,
    },
    /// The goods were no longer held when the payment was authorised. The payment was voided.
    #[error("the items are no longer available")]
    #[n(15)]
    GoodsLost,
    /// The buyer cancelled the checkout.
    #[error("cancelled by the buyer")]
    #[n(16)]
    Cancelled,
    /// The checkout expired before the payment was authorised.
    #[error("the checkout has expired")]
    #[n(17)]
    Expired,
    /// A required entity or service did not answer in time, or rejected the request for a reason that the buyer cannot
    /// correct. A later attempt may succeed.
    #[error("not possible at the moment")]
    #[n(18)]
    Unavailable,
}

impl From<PricingError> for CheckoutProblem {
    fn from(error: PricingError) -> Self {
        match error {
            PricingError::NoLines => Self::CartEmpty,
            PricingError::MixedCurrencies => Self::MixedCurrencies,
            PricingError::TooLarge | PricingError::TooManyUnits { .. } => Self::TotalTooLarge,
        }
    }
}

impl CheckoutProblem {
    /// The name in the read side, which tells problems apart that share a [code](crate::aggregate::Rejection::code).
    pub fn recorded_name(&self) -> &'static str {
        ProblemName::from(self).into()
    }

    /// The problem for a claim that a drop refused to lock for this checkout.
    pub(super) fn of_pin(claim: ClaimRef, checkout: CheckoutId, rejection: &DropRejection) -> Self {
        match rejection {
            DropRejection::NotFound | DropRejection::ClaimNotFound => Self::ClaimNotFound { claim },
            DropRejection::AlreadyReleased => Self::ClaimReleased { claim },
            DropRejection::AlreadySold => Self::AlreadySold { claim },
            DropRejection::LimitReached { remaining } => Self::LimitReached { remaining: *remaining },
            DropRejection::TooManyCheckouts => Self::TooManyCheckouts,
            // A delayed copy of an earlier attempt's command has locked the claim, until the sweep of that attempt.
            DropRejection::CheckoutInProgress { checkout: other } if *other == checkout => Self::Unavailable,
            DropRejection::CheckoutInProgress { checkout } => Self::CheckoutInProgress { checkout: *checkout },
            _ => Self::Unavailable,
        }
    }
}
