//! Problems for rejections by carts.

use engine::cart::CartRejection;

use super::{Code, Problem};

impl From<CartRejection> for Problem {
    fn from(rejection: CartRejection) -> Self {
        use CartRejection as R;
        let detail = rejection.to_string();
        let problem = match rejection {
            R::NotFound | R::LineNotFound => Problem::new(Code::NotFound),
            R::KeyReused(reused) => return reused.into(),
            R::CheckoutInProgress { checkout } => {
                Problem::new(Code::CheckoutInProgress).with("checkout_id", checkout.to_string())
            }
            R::Empty => Problem::new(Code::CartEmpty),
            R::TooManyLines | R::TooManyChanges => Problem::new(Code::LimitExceeded),
            R::OtherCurrency { .. } => Problem::new(Code::MixedCurrencies),
            R::TooLate => Problem::new(Code::TooLate),
            R::Invalid { pointer, why } => return Problem::out_of_range(pointer, why),
        };
        problem.with_detail(detail)
    }
}
