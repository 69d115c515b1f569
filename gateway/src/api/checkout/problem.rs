//! What the problems of rejections by checkouts and of failed checkouts contain.

use std::time::Duration;

use engine::checkout::{CheckoutProblem, CheckoutRejection};

use crate::{Problem, problem::Explain, wire::MoneyWire};

/// The `Retry-After` when a part of the checkout did not respond in time.
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(5);
/// The `Retry-After` after too many attempts with the same key.
const ATTEMPTS_WAIT: Duration = Duration::from_secs(60);

impl Explain for CheckoutRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::NotFound => Problem::not_found(),
            Self::Refused(refused) => refused.explain(problem),
            Self::TooManyAttempts { retry_at } => {
                problem.with("retry_at", retry_at.to_string()).retry_after(ATTEMPTS_WAIT)
            }
            Self::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
            Self::KeyReused(_) | Self::NotAllowed { .. } => problem,
        }
    }
}

impl Explain for CheckoutProblem {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::ClaimNotFound { claim } | Self::ClaimReleased { claim } | Self::AlreadySold { claim } => {
                problem.with("claim_id", claim.to_string())
            }
            Self::CheckoutInProgress { checkout } => problem.with("checkout_id", checkout.to_string()),
            Self::LimitReached { remaining } => problem.with("remaining", remaining),
            Self::NotForSale { sku } => problem.with("sku", sku.as_str()),
            Self::InsufficientStock { sku, available } => {
                problem.with("sku", sku.as_str()).with("available", available)
            }
            Self::PriceChanged { total } => {
                problem.with("total", serde_json::to_value(MoneyWire::from(total)).unwrap_or_default())
            }
            Self::PaymentDeclined { code } | Self::CaptureFailed { code } => problem.with("reason", code),
            Self::Unavailable => problem.retry_after(UNAVAILABLE_WAIT),
            _ => problem,
        }
    }
}
