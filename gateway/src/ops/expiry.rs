//! Forgetting what nobody needs any more: carts that guests left behind, and contacts that no order came of.

use actors::{Answered, AskError, Call};
use engine::{
    cart::{Cart, CartCommand},
    checkout::{Checkout, CheckoutCommand, CheckoutReply, CheckoutState},
    order::{Order, OrderCommand, OrderReply},
    time::Timestamp,
};
use persistence::sql::{CONTACTS_WITHOUT_ORDER_MAX, ContactFate, WithoutOrder};

use crate::{Gateway, Problem};

/// Pages of contacts in one round: what is left waits for the next, so that other upkeep has its turn.
const PAGES_MAX: usize = 16;

/// Throws away what has expired by `now`.
pub(crate) async fn forget_expired(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    expire_carts(gateway, now).await?;
    for _ in 0..PAGES_MAX {
        if !forget_contacts(gateway, now).await? {
            break;
        }
    }
    Ok(())
}

/// Throws away carts of guests that nobody has changed for as long as the operator keeps them: one page, since rows follow
/// what has expired after a moment only.
async fn expire_carts(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    let kept_ms = u64::try_from(gateway.settings.guest_cart_ttl.as_millis()).unwrap_or(u64::MAX);
    let unchanged_since = Timestamp(now.0.saturating_sub(kept_ms));
    let carts = gateway.read_side.unchanged_guest_carts(unchanged_since).await?;
    let mut expired = 0;
    for (tenant, cart) in &carts {
        let expire = CartCommand::Expire { unchanged_since };
        match gateway.commerce.ask::<Cart>(&cart.key(tenant), expire, Call::read()).await {
            Ok(Answered { again, .. }) => expired += usize::from(!again),
            Err(AskError::Rejected(_) | AskError::Parked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if expired > 0 {
        tracing::info!(expired, "carts of guests expired");
    }
    Ok(())
}

/// Forgets contacts that no order came of. Whether there may be more.
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
        tracing::info!(forgotten, "contacts without an order forgotten");
    }
    Ok(is_full)
}

/// What the checkout that a contact was written for says.
async fn fate_of(gateway: &Gateway, found: &WithoutOrder, now: Timestamp) -> Result<ContactFate, Problem> {
    let WithoutOrder { tenant, contact, checkout } = found;
    let later = now.plus_ms(u64::try_from(gateway.settings.contact_ttl.as_millis()).unwrap_or(u64::MAX));
    let view = CheckoutCommand::View { buyer: None };
    let order = match gateway.commerce.ask::<Checkout>(&checkout.key(tenant), view, Call::read()).await {
        Ok(Answered { reply: CheckoutReply::Checkout(view), .. }) => match view.state {
            CheckoutState::Completed { order } => order,
            CheckoutState::Failed { .. } => return Ok(ContactFate::Forget),
            CheckoutState::Pending | CheckoutState::RequiresAction { .. } => return Ok(ContactFate::AskAgain(later)),
        },
        // It was refused, or never began.
        Err(AskError::Rejected(_)) => return Ok(ContactFate::Forget),
        Err(AskError::Parked) => return Ok(ContactFate::AskAgain(later)),
        Err(error) => return Err(error.into()),
    };
    let view = OrderCommand::View { viewer: None };
    match gateway.commerce.ask::<Order>(&order.key(tenant), view, Call::read()).await {
        // Another copy of the request, with another address, was refused by its key.
        Ok(Answered { reply: OrderReply::Order(view), .. }) if view.contact != *contact => Ok(ContactFate::Forget),
        Ok(_) => Ok(ContactFate::Keep),
        Err(AskError::Rejected(_) | AskError::Parked) => Ok(ContactFate::AskAgain(later)),
        Err(error) => Err(error.into()),
    }
}
