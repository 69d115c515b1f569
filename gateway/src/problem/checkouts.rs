//! Problems for rejections by checkouts, and for failed checkouts.

use std::time::Duration;

use engine::checkout::{CheckoutProblem, CheckoutRejection};

use super::{Code, Problem};
use crate::wire::MoneyWire;

/// The `Retry-After` when a part of the checkout did not respond in time.
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(5);
/// The `Retry-After` after too many attempts with the same key.
const ATTEMPTS_WAIT: Duration = Duration::from_secs(60);

impl From<CheckoutRejection> for Problem {
    fn from(rejection: CheckoutRejection) -> Self {
        use CheckoutRejection as R;
        let detail = rejection.to_string();
        match rejection {
            R::NotFound => Problem::new(Code::NotFound),
            R::KeyReused(reused) => reused.into(),
            R::Refused(problem) => problem.into(),
            R::NotAllowed { .. } => Problem::new(Code::NotAllowed).with_detail(detail),
            R::TooManyAttempts { retry_at } => Problem::new(Code::RateLimited)
                .with("retry_at", retry_at.to_string())
                .with_detail(detail)
                .retry_after(ATTEMPTS_WAIT),
            R::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
        }
    }
}

impl From<CheckoutProblem> for Problem {
    fn from(problem: CheckoutProblem) -> Self {
        use CheckoutProblem as P;
        let detail = problem.to_string();
        let said = match problem {
            P::ClaimNotFound { claim } => Problem::new(Code::NotFound).with("claim_id", claim.to_string()),
            P::ClaimReleased { claim } => Problem::new(Code::AlreadyReleased).with("claim_id", claim.to_string()),
            P::AlreadySold { claim } => Problem::new(Code::AlreadySold).with("claim_id", claim.to_string()),
            P::CheckoutInProgress { checkout } => {
                Problem::new(Code::CheckoutInProgress).with("checkout_id", checkout.to_string())
            }
            P::TooManyCheckouts => Problem::new(Code::TooManyCheckouts),
            P::LimitReached { remaining } => Problem::new(Code::LimitReached).with("remaining", remaining),
            P::CartNotFound => Problem::new(Code::NotFound),
            P::CartEmpty => Problem::new(Code::CartEmpty),
            P::NotForSale { sku } => Problem::new(Code::NotForSale).with("sku", sku.as_str()),
            P::InsufficientStock { sku, available } => {
                Problem::new(Code::InsufficientStock).with("sku", sku.as_str()).with("available", available)
            }
            P::PriceChanged { total } => {
                let total = serde_json::to_value(MoneyWire::from(total)).unwrap_or_default();
                Problem::new(Code::PriceChanged).with("total", total)
            }
            P::MixedCurrencies => Problem::new(Code::MixedCurrencies),
            P::TotalTooLarge => Problem::new(Code::LimitExceeded),
            P::PaymentDeclined { code } => Problem::new(Code::PaymentDeclined).with("reason", code),
            P::CaptureFailed { code } => Problem::new(Code::PaymentFailed).with("reason", code),
            P::GoodsLost => Problem::new(Code::GoodsLost),
            P::Cancelled => Problem::new(Code::CheckoutCancelled),
            P::Expired => Problem::new(Code::CheckoutExpired),
            P::Unavailable => Problem::new(Code::Unavailable).retry_after(UNAVAILABLE_WAIT),
        };
        said.with_detail(detail)
    }
}
