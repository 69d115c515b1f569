//! Maps the kind in a key to the aggregate type, and a request to the entity that it targets.

use engine::effect::{Outcome, Request};
use engine::id::TenantId;

use crate::{
    ask::{AskError, CommandMeta},
    commerce::Commerce,
    external_services::OutcomeUnknown,
};

/// Runs `$body` with `$aggregate` as an alias for the aggregate type of `$kind`. A new kind is one line here.
macro_rules! with_kind {
    ($kind:expr, $aggregate:ident => $body:expr) => {
        match $kind {
            engine::id::Kind::Stock => {
                type $aggregate = engine::stock::StockItem;
                $body
            }
            engine::id::Kind::Drop => {
                type $aggregate = engine::flash_drop::FlashDrop;
                $body
            }
            engine::id::Kind::Cart => {
                type $aggregate = engine::cart::Cart;
                $body
            }
            engine::id::Kind::Checkout => {
                type $aggregate = engine::checkout::Checkout;
                $body
            }
            engine::id::Kind::Order => {
                type $aggregate = engine::order::Order;
                $body
            }
            engine::id::Kind::Payment => {
                type $aggregate = engine::payment::Payment;
                $body
            }
            engine::id::Kind::Product => {
                type $aggregate = engine::product::Product;
                $body
            }
            engine::id::Kind::OrderNumbers => {
                type $aggregate = engine::order_numbers::OrderNumbers;
                $body
            }
        }
    };
}
pub(crate) use with_kind;

/// Sends a request to its target entity, or to the external services. Any answer that is not definite becomes
/// [`OutcomeUnknown`], so that the effect is tried again.
pub(crate) async fn perform(
    commerce: &Commerce,
    tenant: &TenantId,
    request: &Request,
    meta: CommandMeta,
) -> Result<Outcome, OutcomeUnknown> {
    macro_rules! ask {
        ($outcome:ident, $command:expr) => {{
            let key = request.target(tenant).ok_or_else(|| OutcomeUnknown("the request has no target".into()))?;
            match commerce.ask_reserved::<$outcome>(&key, $command.clone(), meta).await {
                Ok(answered) => Ok(Outcome::$outcome(Ok(answered.reply))),
                Err(AskError::Rejected(rejection)) => Ok(Outcome::$outcome(Err(rejection))),
                Err(error) => Err(OutcomeUnknown(error.to_string())),
            }
        }};
    }
    use engine::{
        cart::Cart, checkout::Checkout, flash_drop::FlashDrop as Drop, order::Order, order_numbers::OrderNumbers,
        payment::Payment, product::Product, stock::StockItem as Stock,
    };
    match request {
        Request::Stock(_, command) => ask!(Stock, command),
        Request::Drop(_, command) => ask!(Drop, command),
        Request::Cart(_, command) => ask!(Cart, command),
        Request::Checkout(_, command) => ask!(Checkout, command),
        Request::Order(_, command) => ask!(Order, command),
        Request::Payment(_, command) => ask!(Payment, command),
        Request::Product(_, command) => ask!(Product, command),
        Request::OrderNumbers(command) => ask!(OrderNumbers, command),
        Request::Provider(_) | Request::Mail(_) => commerce.external_services().perform(tenant, request).await,
    }
}
