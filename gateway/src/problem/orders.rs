//! Problems for rejections by orders.

use engine::order::OrderRejection;

use super::{Code, Problem};
use crate::wire::MoneyWire;

impl From<OrderRejection> for Problem {
    fn from(rejection: OrderRejection) -> Self {
        use OrderRejection as R;
        let detail = rejection.to_string();
        let problem = match rejection {
            R::NotFound => Problem::new(Code::NotFound),
            R::KeyReused(reused) => return reused.into(),
            R::NotAllowed { .. } => Problem::new(Code::NotAllowed),
            R::RefundInProgress => Problem::new(Code::Busy),
            R::RefundTooLarge { refundable } => {
                let refundable = serde_json::to_value(MoneyWire::from(refundable)).unwrap_or_default();
                Problem::new(Code::RefundTooLarge).with("refundable", refundable)
            }
            R::TooManyRefunds | R::TooManyFulfillments => Problem::new(Code::LimitExceeded),
            R::FulfillmentNotFound => Problem::new(Code::NotFound),
            R::TooManyUnits { line, remaining } => {
                Problem::new(Code::NotAllowed).with("line_id", line.to_string()).with("remaining", remaining)
            }
            R::RefundFailed { code } => Problem::new(Code::RefundFailed).with("reason", code),
            R::Invalid { pointer, why } => return Problem::out_of_range(pointer, why),
        };
        problem.with_detail(detail)
    }
}
