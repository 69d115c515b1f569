//! Finds out which node serves an entity.
//!
//! Today this is the node itself or nobody: [`Route`] has one place for every other node. Commands to entities of other
//! nodes will be forwarded from here; the callers of [`Router`] do not change then.

use std::sync::Arc;

use engine::id::EntityKey;
use futures::future::BoxFuture;

use crate::leader::Leader;

/// Where the commands for an entity go.
pub enum Route {
    /// To this leadership of this node.
    Local(Arc<Leader>),
    /// Not to this node: another one leads the entity's shard, or this node stops.
    Elsewhere,
}

/// Finds out which node serves an entity.
pub trait Router: Send + Sync + 'static {
    /// The leadership that serves the entity, if this node has it now. Every command takes this path, so it neither
    /// waits nor allocates.
    fn local(&self, key: &EntityKey) -> Option<Arc<Leader>>;

    /// Finds out where the commands for the entity go, and waits while that is about to change: while this node acquires
    /// the leadership of its shard. May wait without a bound.
    fn route<'a>(&'a self, key: &'a EntityKey) -> BoxFuture<'a, Route>;

    /// The leaderships that this node has.
    fn leaders(&self) -> Vec<Arc<Leader>>;

    /// Whether every shard has a leader that this node can reach.
    fn is_complete(&self) -> bool;
}
