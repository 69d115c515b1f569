//! Problems for rejections. The code is defined with the rejection, its status in the [table](super::table).

use engine::aggregate::Rejection;

use super::{Code, Problem};

/// What the problem of a rejection has beyond its code and its text: extension members, field errors, `Retry-After`.
///
/// Rejections without any of these implement it with an empty body.
pub trait Explain: Rejection + Sized {
    /// Completes the problem, which has the code and the text of the rejection, or returns a different one.
    fn explain(self, problem: Problem) -> Problem {
        problem
    }
}

impl<R: Explain> From<R> for Problem {
    fn from(rejection: R) -> Self {
        match Code::from_name(rejection.code()) {
            None => Problem::internal("the code of a rejection is not in the table", &rejection),
            Some(Code::Internal) => Problem::internal("the rejection is a fault of the server", &rejection)
                .with_detail(rejection.to_string()),
            // The title says it all.
            Some(Code::IdempotencyKeyReused) => Problem::new(Code::IdempotencyKeyReused),
            Some(code) => {
                let problem = Problem::new(code).with_detail(rejection.to_string());
                rejection.explain(problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::{
        aggregate::{Aggregate, KeyReused},
        cart::CartRejection,
        checkout::{CheckoutProblem, CheckoutRejection},
        flash_drop::DropRejection,
        id::Sku,
        kinds::Kind,
        order::OrderRejection,
        stock::{StockLevels, StockRejection},
        time::Timestamp,
        with_kind,
    };
    use strum::VariantNames;

    use super::*;

    /// The variants that pass on the code of another rejection, which the test checks too.
    const TRANSPARENT: &str = "refused";

    #[test]
    fn the_code_of_every_rejection_is_in_the_table() {
        let of_kinds =
            Kind::ALL.into_iter().flat_map(|kind| with_kind!(kind, A => <A as Aggregate>::Rejection::VARIANTS));
        let of_kinds = of_kinds.filter(|code| **code != TRANSPARENT);
        for code in of_kinds.chain(CheckoutProblem::VARIANTS) {
            assert!(Code::from_name(code).is_some(), "{code} is not in the table");
        }
    }

    #[test]
    fn a_rejection_becomes_the_problem_of_its_code() {
        let sku = || Sku::new("MUG").unwrap();
        let levels = StockLevels { on_hand: 5, held: 2, allocated: 1, available: 2, sold: 9 };
        let cases: [(Problem, Problem); 8] = [
            (CartRejection::KeyReused(KeyReused).into(), Problem::new(Code::IdempotencyKeyReused)),
            (CheckoutRejection::NotFound.into(), Problem::new(Code::NotFound)),
            (CartRejection::NotFound.into(), Problem::new(Code::NotFound).with_detail("no such cart")),
            (
                CheckoutRejection::Refused(CheckoutProblem::InsufficientStock { sku: sku(), available: 3 }).into(),
                Problem::new(Code::InsufficientStock)
                    .with_detail("3 units of MUG are available")
                    .with("sku", "MUG")
                    .with("available", 3),
            ),
            (
                DropRejection::NotOpen { starts_at: Some(Timestamp(0)) }.into(),
                Problem::new(Code::NotOpen)
                    .with_detail("the drop is not open yet")
                    .with("starts_at", Timestamp(0).to_string()),
            ),
            (
                StockRejection::InsufficientAvailable { available: 2, levels }.into(),
                Problem::new(Code::InsufficientAvailable)
                    .with_detail("2 units are available")
                    .with("available", 2)
                    .with("on_hand", 5)
                    .with("held", 2)
                    .with("allocated", 1)
                    .with("sold", 9),
            ),
            (
                StockRejection::ReportTooLarge.into(),
                Problem::new(Code::Internal).with_detail("the drop reports more units than it had"),
            ),
            (
                OrderRejection::Invalid { pointer: "/lines".into(), why: "is empty".into() }.into(),
                Problem::out_of_range("/lines", "is empty"),
            ),
        ];
        for (problem, expected) in cases {
            assert_eq!(problem, expected);
        }
    }
}
