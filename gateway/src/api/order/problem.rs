//! What the problems of rejections by orders contain.

use engine::order::OrderRejection;

use crate::{Problem, problem::Explain, wire::MoneyWire};

impl Explain for OrderRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::RefundTooLarge { refundable } => {
                problem.with("refundable", serde_json::to_value(MoneyWire::from(refundable)).unwrap_or_default())
            }
            Self::TooManyUnits { line, remaining } => {
                problem.with("line_id", line.to_string()).with("remaining", remaining)
            }
            Self::RefundFailed { code } => problem.with("reason", code),
            Self::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
            _ => problem,
        }
    }
}
