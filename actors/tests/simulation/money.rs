//! Goods and money: nothing is sold without payment, and nothing is paid without goods.

use std::collections::BTreeMap;

use actors::CommandMeta;
use engine::{
    checkout::{Checkout, CheckoutCommand, CheckoutReply, CheckoutState},
    flash_drop::{ClaimState, DropCommand, DropReply, FlashDrop},
    id::{CheckoutId, ClaimId, OrderId},
    order::{Order, OrderCommand, OrderReply},
};

use crate::{checker::Heard, world::World};

/// Checks every checkout that was answered, and returns the number of orders.
pub async fn check_money(world: &World, heard: &[Heard]) -> Result<u64, String> {
    if let Some(broken) = world.bank.books.lock().broken.clone() {
        return Err(broken);
    }
    let accounts = world.bank.books.lock().accounts.clone();
    let checkouts: BTreeMap<CheckoutId, ClaimId> = heard
        .iter()
        .filter_map(|told| match told {
            Heard::CheckedOut { checkout, claim } => Some((*checkout, *claim)),
            _ => None,
        })
        .collect();
    let (mut orders, mut earned) = (0, 0);
    for (checkout, claim) in checkouts {
        let sold_to = claim_state(world, claim).await?;
        match checkout_state(world, checkout).await? {
            CheckoutState::Completed { order } => {
                if sold_to != (ClaimState::Sold { order }) {
                    return Err(format!("checkout {checkout} is completed, and its claim is {sold_to:?}"));
                }
                orders += 1;
                earned += order_total(world, order).await?;
            }
            CheckoutState::Failed { .. } => {
                if matches!(sold_to, ClaimState::Sold { order } if order_of(checkout) == order) {
                    return Err(format!("checkout {checkout} failed, and its claim is sold"));
                }
            }
            open => return Err(format!("checkout {checkout} never settled: {open:?}")),
        }
    }
    let captured: i64 = accounts.values().map(|account| account.captured).sum();
    if captured != earned {
        return Err(format!("orders come to {earned}, and {captured} was captured"));
    }
    if let Some((payment, account)) = accounts.iter().find(|(_, account)| account.authorised > 0) {
        return Err(format!("payment {payment} is neither captured nor voided: {account:?}"));
    }
    Ok(orders)
}

fn order_of(checkout: CheckoutId) -> OrderId {
    OrderId(checkout.0)
}

async fn claim_state(world: &World, claim: ClaimId) -> Result<ClaimState, String> {
    let command = DropCommand::ViewClaim { claim, buyer: None };
    let commerce = world.commerce().await;
    match commerce
        .ask::<FlashDrop>(&world.drop.key(&world.tenant), command, CommandMeta::read())
        .await
        .map(|answered| answered.reply)
    {
        Ok(DropReply::Claim(view)) => Ok(view.state),
        other => Err(format!("claim {claim}: {other:?}")),
    }
}

async fn checkout_state(world: &World, checkout: CheckoutId) -> Result<CheckoutState, String> {
    let (commerce, key) = (world.commerce().await, checkout.key(&world.tenant));
    match commerce.ask::<Checkout>(&key, CheckoutCommand::View { buyer: None }, CommandMeta::read()).await {
        Ok(answered) => {
            let CheckoutReply::Checkout(view) = answered.reply;
            Ok(view.state)
        }
        Err(error) => Err(format!("checkout {checkout}: {error:?}")),
    }
}

async fn order_total(world: &World, order: OrderId) -> Result<i64, String> {
    let (commerce, key) = (world.commerce().await, order.key(&world.tenant));
    match commerce
        .ask::<Order>(&key, OrderCommand::View { viewer: None }, CommandMeta::read())
        .await
        .map(|answered| answered.reply)
    {
        Ok(OrderReply::Order(view)) => Ok(view.totals.total.amount),
        other => Err(format!("order {order}: {other:?}")),
    }
}
