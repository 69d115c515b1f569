//! What the problems of rejections by products contain.

use engine::product::ProductRejection;

use crate::{Problem, problem::Explain};

impl Explain for ProductRejection {
    fn explain(self, problem: Problem) -> Problem {
        match self {
            Self::HandleTaken { product } => problem.with("product_id", product.to_string()),
            Self::SkuTaken { sku, product } => {
                problem.with("sku", sku.as_str()).with("product_id", product.to_string())
            }
            Self::StaleVersion { current } => problem.with("version", current),
            Self::OtherCurrency { .. } => Problem::out_of_range("/variants", self.to_string()),
            Self::SkuRefused { sku } => problem.with("sku", sku.as_str()),
            Self::Invalid { pointer, why } => Problem::out_of_range(pointer, why),
            _ => problem,
        }
    }
}
