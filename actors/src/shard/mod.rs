//! A shard: the entities that share a log, and everything that one leadership of that log holds.
//!
//! A [`Leading`] begins with a Lead and ends with the first append that fails. It is never mended: its entities are
//! dropped with all that they speculated, and the shard leads anew and loads from what was accepted.

mod checkpoint;
mod leading;
mod loading;
mod recovery;
mod supervisor;
mod writer;

pub use self::{
    checkpoint::{CHECKPOINT_FORMAT, CheckpointFault, CheckpointForm},
    leading::{Fate, Kept, LeadGone, Leading, MailboxError, Proposal},
    recovery::LeadError,
    supervisor::{Current, Shard, ShardArguments, ShardHandle, ShardMessage},
};
