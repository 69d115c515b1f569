//! The topics `order:{id}` and `orders`.

use actors::Change;
use engine::{id::OrderId, kinds::Kind};
use serde_json::json;

use super::routes;
use crate::{
    live::{Fact, Reader, Scope, Standing, TopicKind, Visibility},
    problem::{Code, Problem},
};

/// An order, for its buyer and the shop's vendors.
pub(crate) const ORDER: TopicKind = TopicKind {
    name: "order",
    follows: Kind::Order,
    scope: Scope::Entity,
    visibility: Visibility::Private,
    facts: None,
    read: |reading, id| {
        Box::pin(async move {
            let Reader::Client(shop) = reading.reader else { return Err(Problem::not_found()) };
            let order = routes::read(reading.gateway, shop, OrderId(id), None, reading.meta).await?;
            Standing::of(&order).map(Some)
        })
    },
};

/// The new and changed orders of a shop, for its vendors.
pub(crate) const ORDERS: TopicKind = TopicKind {
    name: "orders",
    follows: Kind::Order,
    scope: Scope::Shop,
    visibility: Visibility::Private,
    facts: Some(order_facts),
    read: |reading, _| {
        Box::pin(async move {
            match reading.identity()?.is_vendor() {
                true => Ok(None),
                false => Err(Problem::new(Code::Forbidden)),
            }
        })
    },
};

fn order_facts(change: &Change) -> Vec<Fact> {
    let kind = if change.version == 1 { "order_created" } else { "order_changed" };
    let order = change.key.id128().map(OrderId);
    order.map(|order| (kind, json!({"order_id": order.to_string()}))).into_iter().collect()
}
