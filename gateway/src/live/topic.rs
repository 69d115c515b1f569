//! Topics: their names, the entities that they follow, and the source of their state.

use actors::{Change, Interest};
use engine::{
    flash_drop::DropEvent,
    id::{CartId, CheckoutId, DropId, OrderId, TenantId},
    kinds::Kind,
};
use serde_json::{Value, json};

/// A topic of a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Drop(DropId),
    Cart(CartId),
    Checkout(CheckoutId),
    Order(OrderId),
    Orders,
}

/// How the state of a topic is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The view of the drop with its number of viewers, the same for everyone.
    Public(DropId),
    /// The response of REST to this path, which depends on the viewer.
    Answer(String),
    /// No state, facts only, for the shop's vendors.
    Feed,
}

impl Topic {
    /// Parses `drop:01J…`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':').unwrap_or((text, ""));
        Some(match kind {
            "drop" => Topic::Drop(id.parse().ok()?),
            "cart" => Topic::Cart(id.parse().ok()?),
            "checkout" => Topic::Checkout(id.parse().ok()?),
            "order" => Topic::Order(id.parse().ok()?),
            "orders" if text == "orders" => Topic::Orders,
            _ => return None,
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Topic::Drop(id) => format!("drop:{id}"),
            Topic::Cart(id) => format!("cart:{id}"),
            Topic::Checkout(id) => format!("checkout:{id}"),
            Topic::Order(id) => format!("order:{id}"),
            Topic::Orders => "orders".to_owned(),
        }
    }

    pub(super) fn state(&self) -> State {
        match self {
            Topic::Drop(id) => State::Public(*id),
            Topic::Cart(id) => State::Answer(format!("/v1/carts/{id}")),
            Topic::Checkout(id) => State::Answer(format!("/v1/checkouts/{id}")),
            Topic::Order(id) => State::Answer(format!("/v1/orders/{id}")),
            Topic::Orders => State::Feed,
        }
    }

    /// The entities whose changes the topic publishes.
    pub(super) fn interest(&self, tenant: &TenantId) -> Interest {
        match self {
            Topic::Drop(id) => Interest::Entity(id.key(tenant)),
            Topic::Cart(id) => Interest::Entity(id.key(tenant)),
            Topic::Checkout(id) => Interest::Entity(id.key(tenant)),
            Topic::Order(id) => Interest::Entity(id.key(tenant)),
            Topic::Orders => Interest::Kind(tenant.clone(), Kind::Order),
        }
    }

    /// Whether changes have facts. If not, they show in the state only.
    pub(super) fn has_facts(&self) -> bool {
        matches!(self, Topic::Drop(_) | Topic::Orders)
    }

    /// The facts in a change, each with its type.
    pub(super) fn facts(&self, change: &Change) -> Vec<(&'static str, Value)> {
        match self {
            Topic::Drop(_) => drop_facts(change),
            Topic::Orders => {
                let kind = if change.version == 1 { "order_created" } else { "order_changed" };
                let order = change.key.id128().map(OrderId);
                order.map(|order| (kind, json!({"order_id": order.to_string()}))).into_iter().collect()
            }
            Topic::Cart(_) | Topic::Checkout(_) | Topic::Order(_) => Vec::new(),
        }
    }
}

/// The facts about a drop as a whole. Claims show in its state.
fn drop_facts(change: &Change) -> Vec<(&'static str, Value)> {
    let (mut decoder, mut facts) = (minicbor::Decoder::new(&change.events), Vec::new());
    while decoder.position() < change.events.len() {
        let Ok(event) = decoder.decode::<DropEvent>() else { break };
        let kind = match event {
            DropEvent::Published { .. } => "drop_published",
            DropEvent::Edited { .. } => "drop_edited",
            DropEvent::Ended { .. } => "drop_ended",
            DropEvent::Cancelled { .. } => "drop_cancelled",
            _ => continue,
        };
        facts.push((kind, json!({"at": change.at})));
    }
    facts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_as_they_are_written() {
        let id = DropId(77).to_string();
        for kind in ["drop", "cart", "checkout", "order"] {
            let text = format!("{kind}:{id}");
            assert_eq!(Topic::parse(&text).unwrap().name(), text);
        }
        assert_eq!(Topic::parse("orders"), Some(Topic::Orders));
        for wrong in ["", "drop", "drop:", "orders:", "room:1", "drop:x", &format!("Drop:{id}"), &format!("drop:{id} ")]
        {
            assert_eq!(Topic::parse(wrong), None, "{wrong:?}");
        }
    }
}
