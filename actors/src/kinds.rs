//! From the kind in a key to the type that it names, and from a request to the entity that it is for.

use engine::effect::{Outcome, Request};
use engine::id::TenantId;

use crate::{
    ask::{AskError, Call},
    commerce::Commerce,
    ports::OutcomeUnknown,
};

/// Runs `$body` with `$aggregate` standing for the type of `$kind`. A new kind is one line here.
macro_rules! with_kind {
    ($kind:expr, $aggregate:ident => $body:expr) => {
        match $kind {
            engine::id::Kind::Inventory => {
                type $aggregate = engine::inventory::Inventory;
                $body
            }
            engine::id::Kind::Drop => {
                type $aggregate = engine::drop::Drop;
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

/// Asks the entity that a request is for, or the outside world. An answer that is not definite is no outcome.
pub(crate) async fn perform(
    commerce: &Commerce,
    tenant: &TenantId,
    request: &Request,
    call: Call,
) -> Result<Outcome, OutcomeUnknown> {
    macro_rules! ask {
        ($outcome:ident, $command:expr) => {{
            let key = request.target(tenant).ok_or_else(|| OutcomeUnknown("the request has no target".into()))?;
            match commerce.ask_reserved::<$outcome>(&key, $command.clone(), call).await {
                Ok(answered) => Ok(Outcome::$outcome(Ok(answered.reply))),
                Err(AskError::Rejected(rejection)) => Ok(Outcome::$outcome(Err(rejection))),
                Err(error) => Err(OutcomeUnknown(error.to_string())),
            }
        }};
    }
    use engine::{
        cart::Cart, checkout::Checkout, drop::Drop, inventory::Inventory, order::Order, order_numbers::OrderNumbers,
        payment::Payment, product::Product,
    };
    match request {
        Request::Inventory(_, command) => ask!(Inventory, command),
        Request::Drop(_, command) => ask!(Drop, command),
        Request::Cart(_, command) => ask!(Cart, command),
        Request::Checkout(_, command) => ask!(Checkout, command),
        Request::Order(_, command) => ask!(Order, command),
        Request::Payment(_, command) => ask!(Payment, command),
        Request::Product(_, command) => ask!(Product, command),
        Request::OrderNumbers(command) => ask!(OrderNumbers, command),
        Request::Provider(_) | Request::Mail(_) => commerce.outside().perform(tenant, request).await,
    }
}
