//! Why a checkout comes to nothing.

use minicbor::{Decode, Encode};

use crate::{
    drop::DropRejection,
    id::{CheckoutId, ClaimRef, Sku},
    money::Money,
    pricing::PricingError,
};

/// Why a checkout was refused or failed, with what the buyer needs to do better.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum CheckoutProblem {
    /// There is no such claim, or it is not the buyer's.
    #[error("no such claim")]
    #[n(0)]
    ClaimNotFound {
        /// Which.
        #[n(0)]
        claim: ClaimRef,
    },
    /// The claim's hold is over.
    #[error("the claim was released")]
    #[n(1)]
    ClaimReleased {
        /// Which.
        #[n(0)]
        claim: ClaimRef,
    },
    /// The claim is paid.
    #[error("the claim is paid already")]
    #[n(2)]
    AlreadySold {
        /// Which.
        #[n(0)]
        claim: ClaimRef,
    },
    /// Another checkout has hold of the claim or the cart.
    #[error("another checkout is in progress")]
    #[n(3)]
    CheckoutInProgress {
        /// Which.
        #[n(0)]
        checkout: CheckoutId,
    },
    /// The claim or the cart was in as many checkouts as it may.
    #[error("too many checkouts")]
    #[n(4)]
    TooManyCheckouts,
    /// The drop's cap is reached by others with the buyer's e-mail.
    #[error("{remaining} more units allowed for this buyer")]
    #[n(5)]
    LimitReached {
        /// How many more the buyer may have.
        #[n(0)]
        remaining: u64,
    },
    /// There is no such cart, or it is not the buyer's.
    #[error("no such cart")]
    #[n(6)]
    CartNotFound,
    /// There is nothing in the cart.
    #[error("the cart is empty")]
    #[n(7)]
    CartEmpty,
    /// The catalogue does not sell this any more.
    #[error("{sku} is not for sale")]
    #[n(8)]
    NotForSale {
        /// What.
        #[n(0)]
        sku: Sku,
    },
    /// The inventory has too few units.
    #[error("{available} units of {sku} are available")]
    #[n(9)]
    InsufficientStock {
        /// Of what.
        #[n(0)]
        sku: Sku,
        /// How many it has.
        #[n(1)]
        available: u64,
    },
    /// The total is another than the buyer has seen.
    #[error("the total is {total}")]
    #[n(10)]
    PriceChanged {
        /// The total now.
        #[n(0)]
        total: Money,
    },
    /// The goods' prices, or shipping, are in different currencies.
    #[error("prices in different currencies")]
    #[n(11)]
    MixedCurrencies,
    /// The total is beyond what can be written down.
    #[error("the total is too large")]
    #[n(12)]
    TotalTooLarge,
    /// The payment provider refused.
    #[error("the payment was declined: {code}")]
    #[n(13)]
    PaymentDeclined {
        /// Why, in the provider's words for machines.
        #[n(0)]
        code: String,
    },
    /// The money was set aside and could not be taken.
    #[error("the payment failed: {code}")]
    #[n(14)]
    CaptureFailed {
        /// Why, in the provider's words for machines.
        #[n(0)]
        code: String,
    },
    /// The goods were gone when the money was there. The money was given back.
    #[error("the goods were no longer held")]
    #[n(15)]
    GoodsLost,
    /// The buyer called it off.
    #[error("cancelled by the buyer")]
    #[n(16)]
    Cancelled,
    /// The buyer took too long.
    #[error("the checkout has expired")]
    #[n(17)]
    Expired,
    /// Something that is needed did not answer in time, or refused without a reason that a buyer could mend. It may
    /// work later.
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
    /// Its stable name at the doors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ClaimNotFound { .. } => "claim_not_found",
            Self::ClaimReleased { .. } => "claim_released",
            Self::AlreadySold { .. } => "already_sold",
            Self::CheckoutInProgress { .. } => "checkout_in_progress",
            Self::TooManyCheckouts => "too_many_checkouts",
            Self::LimitReached { .. } => "limit_reached",
            Self::CartNotFound => "cart_not_found",
            Self::CartEmpty => "cart_empty",
            Self::NotForSale { .. } => "not_for_sale",
            Self::InsufficientStock { .. } => "insufficient_stock",
            Self::PriceChanged { .. } => "price_changed",
            Self::MixedCurrencies => "mixed_currencies",
            Self::TotalTooLarge => "total_too_large",
            Self::PaymentDeclined { .. } => "payment_declined",
            Self::CaptureFailed { .. } => "capture_failed",
            Self::GoodsLost => "goods_lost",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Unavailable => "unavailable",
        }
    }

    /// Why a drop does not pin this claim for this checkout.
    pub(super) fn of_pin(claim: ClaimRef, checkout: CheckoutId, rejection: &DropRejection) -> Self {
        match rejection {
            DropRejection::NotFound | DropRejection::ClaimNotFound => Self::ClaimNotFound { claim },
            DropRejection::AlreadyReleased => Self::ClaimReleased { claim },
            DropRejection::AlreadySold => Self::AlreadySold { claim },
            DropRejection::LimitReached { remaining } => Self::LimitReached { remaining: *remaining },
            DropRejection::TooManyCheckouts => Self::TooManyCheckouts,
            // A late copy of an earlier attempt has hold of it, until that attempt's sweep.
            DropRejection::CheckoutInProgress { checkout: other } if *other == checkout => Self::Unavailable,
            DropRejection::CheckoutInProgress { checkout } => Self::CheckoutInProgress { checkout: *checkout },
            _ => Self::Unavailable,
        }
    }
}
