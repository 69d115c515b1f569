//! A shard: the entities that share a log, and everything that one leadership of that log holds.
//!
//! A [`Leader`] begins with a Lead and ends with the first append that fails. It is never repaired: its entities are
//! dropped with everything speculative, and the shard acquires leadership again and loads what was accepted.

mod checkpoint;
mod leader;
mod loading;
mod recovery;
mod supervisor;
mod writer;

pub use self::{
    checkpoint::{CHECKPOINT_FORMAT, CheckpointFault, CheckpointForm},
    leader::{CommitOutcome, Leader, LeadershipEnded, MailboxError, Proposal, StoredState},
    recovery::LeadershipError,
    supervisor::{Current, Shard, ShardArguments, ShardHandle, ShardMessage},
};
