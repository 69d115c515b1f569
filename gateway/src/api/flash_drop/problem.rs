//! What the problems of rejections by drops contain.

use engine::flash_drop::DropRejection;

use crate::{Problem, problem::Explain};

impl Explain for DropRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::ItemNotFound { sku: Some(_) } => Problem::out_of_range("/sku", "is not an item of the drop"),
            Self::ItemNotFound { sku: None } => {
                Problem::out_of_range("/sku", "is required, because the drop has several items")
            }
            Self::SoldOut { available, may_return } => {
                problem.with("available", available).with("may_return", may_return)
            }
            Self::LimitReached { remaining } | Self::NetworkLimit { remaining } => problem.with("remaining", remaining),
            Self::NotOpen { starts_at: Some(start) } => problem.with("starts_at", start.to_string()),
            Self::CheckoutInProgress { checkout } => problem.with("checkout_id", checkout.to_string()),
            Self::InsufficientStock { sku, available } => {
                problem.with("sku", sku.as_str()).with("available", available)
            }
            Self::StaleVersion { current } => problem.with("version", current),
            Self::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
            _ => problem,
        }
    }
}
