//! Problems for rejections by drops.

use engine::flash_drop::DropRejection;

use super::{Code, Problem};

impl From<DropRejection> for Problem {
    fn from(rejection: DropRejection) -> Self {
        use DropRejection as R;
        let detail = rejection.to_string();
        let problem = match rejection {
            R::NotFound | R::ClaimNotFound => Problem::new(Code::NotFound),
            R::ItemNotFound { sku } => {
                let why = match sku {
                    Some(_) => "is not an item of the drop",
                    None => "is required, because the drop has several items",
                };
                return Problem::out_of_range("/sku", why);
            }
            R::KeyReused(reused) => return reused.into(),
            R::SoldOut { available, may_return } => {
                Problem::new(Code::SoldOut).with("available", available).with("may_return", may_return)
            }
            R::LimitReached { remaining } => Problem::new(Code::LimitReached).with("remaining", remaining),
            R::NetworkLimit { remaining } => Problem::new(Code::NetworkLimit).with("remaining", remaining),
            R::NotOpen { starts_at: Some(start) } => Problem::new(Code::NotOpen).with("starts_at", start.to_string()),
            R::NotOpen { starts_at: None } => Problem::new(Code::NotOpen),
            R::Ended => Problem::new(Code::Ended),
            R::AccountRequired => Problem::new(Code::AccountRequired),
            R::AlreadySold => Problem::new(Code::AlreadySold),
            R::AlreadyReleased => Problem::new(Code::AlreadyReleased),
            R::CheckoutInProgress { checkout } => {
                Problem::new(Code::CheckoutInProgress).with("checkout_id", checkout.to_string())
            }
            R::TooManyCheckouts => Problem::new(Code::TooManyCheckouts),
            R::TooManyClaims | R::TooManyOwnClaims => Problem::new(Code::TooManyClaims),
            R::TooLate => Problem::new(Code::TooLate),
            R::InsufficientStock { sku, available } => {
                Problem::new(Code::InsufficientStock).with("sku", sku.as_str()).with("available", available)
            }
            R::StaleVersion { current } => Problem::new(Code::StaleVersion).with("version", current),
            R::NotAllowed { .. } => Problem::new(Code::NotAllowed),
            R::Invalid { pointer, why } => return Problem::out_of_range(pointer, why),
        };
        problem.with_detail(detail)
    }
}
