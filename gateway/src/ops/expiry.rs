//! Deletes expired data: abandoned carts of guests, and contacts without an order.

use actors::{Answered, AskError, CommandMeta};
use engine::{
    cart::{Cart, CartCommand},
    checkout::{Checkout, CheckoutCommand, CheckoutReply, CheckoutState},
    order::{Order, OrderCommand, OrderReply},
    time::Timestamp,
};
use persistence::sql::{CONTACTS_WITHOUT_ORDER_MAX, ContactFate, WithoutOrder};

use crate::{Gateway, Problem};

/// The maximum number of pages of contacts per round. The rest waits for the next round, so that other upkeep gets its
/// turn.
const PAGES_MAX: usize = 16;

/// Deletes what has expired by `now`.
pub(crate) async fn forget_expired(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    expire_carts(gateway, now).await?;
    for _ in 0..PAGES_MAX {
        if !forget_contacts(gateway, now).await? {
            break;
        }
    }
    Ok(())
}

/// Deletes guests' carts that have not changed for the configured time. One page per round, since rows follow the
/// expiry with a delay.
async fn expire_carts(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    let kept_ms = u64::try_from(gateway.settings.guest_cart_ttl.as_millis()).unwrap_or(u64::MAX);
    let unchanged_since = Timestamp(now.0.saturating_sub(kept_ms));
    let carts = gateway.read_side.unchanged_guest_carts(unchanged_since).await?;
    let mut expired = 0;
    for (tenant, cart) in &carts {
        let expire = CartCommand::Expire { unchanged_since };
        match gateway.commerce.ask::<Cart>(&cart.key(tenant), expire, CommandMeta::read()).await {
            Ok(Answered { duplicate, .. }) => expired += usize::from(!duplicate),
            Err(AskError::Rejected(_) | AskError::Quarantined) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if expired > 0 {
        tracing::info!(expired, "carts of guests expired");
    }
    Ok(())
}

/// Forgets contacts without an order. Returns whether there may be more.
async fn forget_contacts(gateway: &Gateway, now: Timestamp) -> Result<bool, Problem> {
    let found = gateway.read_side.contacts_without_order(now).await?;
    let is_full = found.len() == CONTACTS_WITHOUT_ORDER_MAX as usize;
    let mut decided = Vec::with_capacity(found.len());
    for contact in found {
        let fate = fate_of(gateway, &contact, now).await?;
        decided.push((contact, fate));
    }
    if !decided.is_empty() {
        gateway.read_side.settle_contacts(&decided, now).await?;
        let forgotten = decided.iter().filter(|(_, fate)| *fate == ContactFate::Forget).count();
        tracing::info!(forgotten, "contacts without an order deleted");
    }
    Ok(is_full)
}

/// Decides about a contact by the state of the checkout that it belongs to.
async fn fate_of(gateway: &Gateway, found: &WithoutOrder, now: Timestamp) -> Result<ContactFate, Problem> {
    let WithoutOrder { tenant, contact, checkout } = found;
    let later = now.plus_ms(u64::try_from(gateway.settings.contact_ttl.as_millis()).unwrap_or(u64::MAX));
    let view = CheckoutCommand::View { buyer: None };
    let order = match gateway.commerce.ask::<Checkout>(&checkout.key(tenant), view, CommandMeta::read()).await {
        Ok(Answered { reply: CheckoutReply::Checkout(view), .. }) => match view.state {
            CheckoutState::Completed { order } => order,
            CheckoutState::Failed { .. } => return Ok(ContactFate::Forget),
            CheckoutState::Pending | CheckoutState::RequiresAction { .. } => return Ok(ContactFate::AskAgain(later)),
        },
        // The checkout was rejected, or never began.
        Err(AskError::Rejected(_)) => return Ok(ContactFate::Forget),
        Err(AskError::Quarantined) => return Ok(ContactFate::AskAgain(later)),
        Err(error) => return Err(error.into()),
    };
    let view = OrderCommand::View { viewer: None };
    match gateway.commerce.ask::<Order>(&order.key(tenant), view, CommandMeta::read()).await {
        // The order has the contact of another copy of the request; this copy was rejected by its idempotency key.
        Ok(Answered { reply: OrderReply::Order(view), .. }) if view.contact != *contact => Ok(ContactFate::Forget),
        Ok(_) => Ok(ContactFate::Keep),
        Err(AskError::Rejected(_) | AskError::Quarantined) => Ok(ContactFate::AskAgain(later)),
        Err(error) => Err(error.into()),
    }
}
