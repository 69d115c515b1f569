//! What the problems of rejections by stock items contain.

use engine::stock::{StockLevels, StockRejection};

use crate::{Problem, problem::Explain};

impl Explain for StockRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::SkuTaken { product } => problem.with("product_id", product.to_string()),
            Self::InsufficientAvailable { available, levels } => {
                with_levels(problem.with("available", available), levels)
            }
            Self::UnexpectedLevel { on_hand } => problem.with("on_hand", on_hand),
            _ => problem,
        }
    }
}

fn with_levels(problem: Problem, levels: StockLevels) -> Problem {
    let StockLevels { on_hand, held, allocated, sold, available: _ } = levels;
    problem.with("on_hand", on_hand).with("held", held).with("allocated", allocated).with("sold", sold)
}
