//! A shard: the entities that share a log, and everything that one leadership of that log holds.
//!
//! A [`Leader`] begins with a Lead and ends with the first append that fails. It is never repaired: its entities are
//! dropped with everything speculative, its effects are cancelled, and the shard acquires leadership again and loads what
//! was accepted. If a newer leader fenced it, the shard becomes a follower instead.

mod agenda_keeper;
mod checkpoint;
mod leader;
mod leadership;
mod loading;
mod message;
mod recovery;
mod supervisor;
mod writer;

pub use self::{
    checkpoint::{CHECKPOINT_FORMAT, CheckpointFault, CheckpointForm},
    leader::{CommitOutcome, Leader, LeadershipEnded, MailboxError, Proposal, StoredState},
    recovery::LeadershipError,
};
pub(crate) use self::{
    leadership::Current,
    message::ShardMessage,
    supervisor::{Shard, ShardArguments, ShardHandle},
};
