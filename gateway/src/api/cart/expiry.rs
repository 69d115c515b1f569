//! Deletes abandoned carts of guests.

use actors::{Answered, AskError, CommandMeta};
use engine::{
    cart::{Cart, CartCommand},
    time::Timestamp,
};

use crate::{Gateway, Problem};

/// Deletes guests' carts that have not changed for the configured time. One page per round, since rows follow the
/// expiry with a delay.
pub(super) async fn expire_carts(gateway: &Gateway, now: Timestamp) -> Result<(), Problem> {
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
