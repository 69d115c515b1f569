//! Topics: what a kind of entity exports to the real-time API.
//!
//! Each kind declares its topics in `api/<kind>/topic.rs`; [`topics`] lists them.

use std::hash::{Hash, Hasher};

use actors::{Change, CommandMeta, Interest};
use engine::{
    id::{DropId, EntityKey, TenantId, crockford},
    kinds::Kind,
};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use super::frames::Standing;
use crate::{
    Gateway,
    api::topics,
    auth::{Identity, Shop},
    problem::{Code, Problem},
};

/// Reads the state of the topic with this id.
pub(crate) type Read = for<'a> fn(Reading<'a>, u128) -> BoxFuture<'a, Result<Option<Standing>, Problem>>;

/// A kind of topic.
pub(crate) struct TopicKind {
    /// The name: `cart` of `cart:{id}`.
    pub(crate) name: &'static str,
    /// The kind of the entities whose changes the topic publishes.
    pub(crate) follows: Kind,
    /// Which of these entities a topic follows.
    pub(crate) scope: Scope,
    /// Who shares a state.
    pub(crate) visibility: Visibility,
    /// The facts (events) in a change of an entity. `None`: changes show in the state only.
    pub(crate) facts: Option<fn(&Change) -> Vec<Fact>>,
    /// Reads the state, after checking that the reader may see it. `Ok(None)`: the topic has facts only.
    pub(crate) read: Read,
}

/// A fact: its type and its data.
pub(crate) type Fact = (&'static str, Value);

/// The entities that a topic follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The entity whose id is in the topic's name.
    Entity,
    /// All entities of the kind in the shop. The topic's name has no id, and `read` gets zero for it.
    Shop,
}

/// Who shares the state of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Everyone who may see it sees the same, with the number of viewers. A token is not needed.
    Public,
    /// It depends on the session that looks.
    Private,
}

/// A read of a topic's state.
pub(crate) struct Reading<'a> {
    /// Where the state is read.
    pub(crate) gateway: &'a Gateway,
    /// For whom.
    pub(crate) reader: Reader<'a>,
    /// The metadata of a read.
    pub(crate) meta: CommandMeta,
    /// The number of viewers of a public topic.
    pub(crate) viewers: usize,
    /// The state contains every change that was accepted before this time.
    pub(crate) since: Instant,
}

/// For whom a state is read.
#[derive(Clone, Copy)]
pub(crate) enum Reader<'a> {
    /// A client, as a route sees it.
    Client(&'a Shop),
    /// All subscribers of a public topic of this shop. Each was a client that may see it when it subscribed.
    Subscribers(&'a TenantId),
}

impl<'a> Reading<'a> {
    /// The identity of the client. 401 without one.
    pub(crate) fn identity(&self) -> Result<&'a Identity, Problem> {
        let identity = match self.reader {
            Reader::Client(shop) => shop.identity.as_ref(),
            Reader::Subscribers(_) => None,
        };
        identity.ok_or_else(|| Problem::new(Code::AuthenticationRequired))
    }
}

/// A topic of a shop.
#[derive(Clone, Copy)]
pub(super) struct Topic {
    pub(super) kind: &'static TopicKind,
    /// The id of the entity; zero for [`Scope::Shop`].
    id: u128,
}

impl Topic {
    /// Parses `drop:01J…`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, id) = text.split_once(':').map_or((text, None), |(name, id)| (name, Some(id)));
        let kind = topics().find(|kind| kind.name == name)?;
        let id = match (kind.scope, id) {
            // The ids of all kinds are written in the same way.
            (Scope::Entity, Some(id)) => id.parse::<DropId>().ok()?.0,
            (Scope::Shop, None) => 0,
            _ => return None,
        };
        Some(Self { kind, id })
    }

    pub(super) fn name(&self) -> String {
        match self.kind.scope {
            Scope::Entity => format!("{}:{}", self.kind.name, crockford::<26>(self.id).as_str()),
            Scope::Shop => self.kind.name.to_owned(),
        }
    }

    /// The id of the entity that the topic follows, if it follows one of this kind.
    pub(super) fn entity(&self, kind: Kind) -> Option<u128> {
        (self.kind.follows == kind && self.kind.scope == Scope::Entity).then_some(self.id)
    }

    /// The entities whose changes the topic publishes.
    pub(super) fn interest(&self, tenant: &TenantId) -> Interest {
        match self.kind.scope {
            Scope::Entity => Interest::Entity(EntityKey::new(self.kind.follows, tenant, &self.id.to_be_bytes())),
            Scope::Shop => Interest::Kind(tenant.clone(), self.kind.follows),
        }
    }

    pub(super) fn is_public(&self) -> bool {
        self.kind.visibility == Visibility::Public
    }

    /// Reads the state: see [`TopicKind::read`].
    pub(super) fn read<'a>(&self, reading: Reading<'a>) -> BoxFuture<'a, Result<Option<Standing>, Problem>> {
        (self.kind.read)(reading, self.id)
    }
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        (self.kind.name, self.id) == (other.kind.name, other.id)
    }
}

impl Eq for Topic {}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind.name, self.id).hash(state);
    }
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
        assert_eq!(Topic::parse("orders").unwrap().name(), "orders");
        for wrong in ["", "drop", "drop:", "orders:", "room:1", "drop:x", &format!("Drop:{id}"), &format!("drop:{id} ")]
        {
            assert!(Topic::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn topics_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = topics().map(|kind| kind.name).collect();
        assert_eq!(names.len(), topics().count());
    }
}
