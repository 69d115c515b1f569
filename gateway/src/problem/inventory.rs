//! Problems for rejections by stock items.

use engine::stock::{StockLevels, StockRejection};

use super::{Code, Problem};

impl From<StockRejection> for Problem {
    fn from(rejection: StockRejection) -> Self {
        use StockRejection as R;
        let detail = rejection.to_string();
        let problem = match rejection {
            R::NotFound => Problem::new(Code::NotFound),
            R::SkuTaken { product } => Problem::new(Code::SkuTaken).with("product_id", product.to_string()),
            R::KeyReused(reused) => return reused.into(),
            R::InsufficientAvailable { available, levels } => {
                with_levels(Problem::new(Code::InsufficientAvailable).with("available", available), levels)
            }
            R::UnexpectedLevel { on_hand } => Problem::new(Code::UnexpectedLevel).with("on_hand", on_hand),
            R::TooMany => Problem::new(Code::LimitExceeded),
            R::TooManyHolds => Problem::new(Code::LimitExceeded),
            R::TooLate => Problem::new(Code::TooLate),
            R::HoldEnded => Problem::new(Code::HoldEnded),
            R::ReportTooLarge => Problem::internal("the drop reported more units than were allocated to it", &detail),
        };
        problem.with_detail(detail)
    }
}

fn with_levels(problem: Problem, levels: StockLevels) -> Problem {
    let StockLevels { on_hand, held, allocated, sold, available: _ } = levels;
    problem.with("on_hand", on_hand).with("held", held).with("allocated", allocated).with("sold", sold)
}
