//! Deletes contacts of checkouts that have no order.

use actors::{Answered, AskError, CommandMeta};
use engine::{
    checkout::{Checkout, CheckoutCommand, CheckoutReply, CheckoutState},
    order::{Order, OrderCommand, OrderReply},
    time::Timestamp,
};
use persistence::sql::{CONTACTS_WITHOUT_ORDER_MAX, ContactFate, WithoutOrder};

use crate::{Gateway, Problem};

/// The maximum number of pages of contacts per round. The rest waits for the next round, so that other upkeep gets its
/// turn.
const PAGES_MAX: usize = 16;

/// Forgets contacts without an order.
pub(super) async fn forget_contacts(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
    for _ in 0..PAGES_MAX {
        if !forget_page(gateway, now).await? {
            break;
        }
    }
    Ok(())
}

/// Forgets a page of contacts without an order. Returns whether there may be more.
async fn forget_page(gateway: &Gateway, now: Timestamp) -> Result<bool, Problem> {
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
