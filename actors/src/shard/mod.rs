//! A shard: the entities that share a log, and everything that one leadership of that log holds.
//!
//! A [`Leader`](crate::leader::Leader) begins with a Lead and ends with the first append that fails. It is never
//! repaired: its entities are dropped with everything speculative, its effects are cancelled, and the shard acquires
//! leadership again and loads what was accepted. If a newer leader fenced it, the shard becomes a follower instead.

mod agenda_keeper;
mod checkpoint;
mod leadership;
mod message;
mod recovery;
mod supervisor;
mod table;
mod writer;

pub use self::{
    checkpoint::{CHECKPOINT_FORMAT, CheckpointFault, CheckpointForm},
    recovery::LeadershipError,
};
pub(crate) use self::{
    leadership::Current,
    message::ShardMessage,
    supervisor::{Shard, ShardArguments, ShardHandle},
    table::ShardTable,
};
