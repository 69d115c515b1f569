//! What the problems of rejections by carts contain.

use engine::cart::CartRejection;

use crate::{Problem, problem::Explain};

impl Explain for CartRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::CheckoutInProgress { checkout } => problem.with("checkout_id", checkout.to_string()),
            Self::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
            _ => problem,
        }
    }
}
