//! The shards of a node, by which it routes commands.

use std::sync::{Arc, OnceLock};

use engine::id::EntityKey;
use futures::{FutureExt, future::BoxFuture};

use super::supervisor::ShardHandle;
use crate::{
    leader::Leader,
    router::{Route, Router},
};

/// The shards of a node. Empty until all of them are started: they refer to it themselves, because the effects of one
/// shard go to entities of others.
#[derive(Default)]
pub(crate) struct ShardTable(OnceLock<Vec<ShardHandle>>);

impl ShardTable {
    /// Enters the shards, in the order of their numbers. Once for each node.
    pub(crate) fn fill(&self, handles: Vec<ShardHandle>) {
        let filled = self.0.set(handles);
        assert!(filled.is_ok(), "a node starts its shards once");
    }

    /// The shards, in the order of their numbers.
    pub(crate) fn shards(&self) -> &[ShardHandle] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    fn shard_of(&self, key: &EntityKey) -> &ShardHandle {
        let shards = self.shards();
        &shards[usize::from(key.shard(shards.len() as u16))]
    }
}

impl Router for ShardTable {
    fn local(&self, key: &EntityKey) -> Option<Arc<Leader>> {
        self.shard_of(key).current.get_active()
    }

    fn route<'a>(&'a self, key: &'a EntityKey) -> BoxFuture<'a, Route> {
        async move { self.shard_of(key).leader().await.map_or(Route::Elsewhere, Route::Local) }.boxed()
    }

    fn leaders(&self) -> Vec<Arc<Leader>> {
        self.shards().iter().filter_map(|shard| shard.current.get()).collect()
    }

    fn is_complete(&self) -> bool {
        self.shards().iter().all(|shard| shard.current.get_active().is_some())
    }
}
