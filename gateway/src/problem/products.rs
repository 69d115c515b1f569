//! Problems for rejections by products.

use engine::product::ProductRejection;

use super::{Code, Problem};

impl From<ProductRejection> for Problem {
    fn from(rejection: ProductRejection) -> Self {
        use ProductRejection as R;
        let detail = rejection.to_string();
        let problem = match rejection {
            R::NotFound | R::VariantNotFound => Problem::new(Code::NotFound),
            R::HandleTaken { product } => Problem::new(Code::HandleTaken).with("product_id", product.to_string()),
            R::SkuTaken { sku, product } => {
                Problem::new(Code::SkuTaken).with("sku", sku.as_str()).with("product_id", product.to_string())
            }
            R::KeyReused(reused) => return reused.into(),
            R::StaleVersion { current } => Problem::new(Code::StaleVersion).with("version", current),
            R::Busy => Problem::new(Code::Busy),
            R::NotActive { .. } => Problem::new(Code::NotActive),
            R::OtherCurrency { .. } => return Problem::out_of_range("/variants", detail),
            R::TooManyChanges => Problem::new(Code::LimitExceeded),
            R::SkuRefused { sku } => Problem::new(Code::LimitExceeded).with("sku", sku.as_str()),
            R::Invalid { pointer, why } => return Problem::out_of_range(pointer, why),
        };
        problem.with_detail(detail)
    }
}
