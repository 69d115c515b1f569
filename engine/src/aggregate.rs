//! What every thing that lives in an actor has in common.

use std::{error::Error, fmt::Debug};

use minicbor::{Decode, Encode};
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    effect::{Effect, EffectId, Outcome},
    id::{CommandId, Fingerprint, Kind, digest128},
    time::Timestamp,
};

/// What the runtime tells an aggregate about the command at hand.
#[derive(Debug, Clone)]
pub struct Context {
    /// The owner's clock, never before the newest event of the shard.
    pub now: Timestamp,
    /// The name that its caller gave the command. An accepted command is remembered under it.
    pub command_id: CommandId,
    /// The names the same command would have had under the caller's former guest subjects.
    pub former_ids: Vec<CommandId>,
    /// What the command said. Another fingerprint under a known id is [`KeyReused`].
    pub fingerprint: Fingerprint,
}

impl Context {
    /// Every name under which an earlier copy of this command may be known, the present one first.
    pub fn ids(&self) -> impl Iterator<Item = CommandId> {
        std::iter::once(self.command_id).chain(self.former_ids.iter().copied())
    }
}

impl Fingerprint {
    /// The fingerprint of a command as it was parsed: of its JSON, so that spelling and order of fields in the request
    /// do not count.
    pub fn of(command: &impl Serialize) -> Self {
        let json = serde_json::to_vec(command).expect("a parsed command has no maps with other keys than strings");
        Self(digest128(&[&json]))
    }
}

/// The same idempotency key came with another command: 422 `idempotency_key_reused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this idempotency key was used for another command")]
pub struct KeyReused;

/// What a command comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<E, R> {
    /// What happened, in order. Empty for a read or a repeat.
    pub events: Vec<E>,
    /// What the caller hears.
    pub answer: Answer<R>,
}

/// When and what the caller hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<R> {
    /// This, once the events are durable.
    Now(R),
    /// This, which an earlier copy of the command was answered before.
    Again(R),
    /// What [`Aggregate::settled`] says of the ticket once it says something: another entity has to answer first.
    Later(Ticket),
}

/// Stands for an answer that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The command that waits.
    pub command_id: CommandId,
    /// Whether it is a repeat of an accepted one.
    pub again: bool,
}

impl<E, R> Decision<E, R> {
    /// `events` happened, and the caller hears `reply`.
    pub fn accept(events: Vec<E>, reply: R) -> Self {
        Self { events, answer: Answer::Now(reply) }
    }

    /// Nothing changes; the caller hears `reply`.
    pub fn read(reply: R) -> Self {
        Self { events: Vec::new(), answer: Answer::Now(reply) }
    }

    /// Nothing changes; the caller hears what was answered before.
    pub fn again(reply: R) -> Self {
        Self { events: Vec::new(), answer: Answer::Again(reply) }
    }

    /// `events` happened, and the caller hears the outcome when it has settled.
    pub fn later(events: Vec<E>, command_id: CommandId) -> Self {
        Self { events, answer: Answer::Later(Ticket { command_id, again: false }) }
    }

    /// A repeat of a command whose outcome is still open, or settled by now.
    pub fn later_again(command_id: CommandId) -> Self {
        Self { events: Vec::new(), answer: Answer::Later(Ticket { command_id, again: true }) }
    }
}

/// A thing of the trade with one writer: state that changes by events alone.
///
/// `State = fold(apply, events)`: every method but [`apply`](Aggregate::apply) only reads. There is no clock, no
/// randomness and no I/O in here, so the same history always comes to the same state.
pub trait Aggregate: Default + Send + Sync + 'static {
    /// Its number in keys.
    const KIND: Kind;
    /// What can be asked of it; reads are commands without events.
    type Command: Clone + Debug + Send + Sync + 'static;
    /// What can happen to it. Lives for ever in the journal: fields are numbered, and their meaning never changes.
    type Event: Encode<()> + for<'b> Decode<'b, ()> + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// What an accepted command answers.
    type Reply: Clone + Debug + PartialEq + Send + Sync + 'static;
    /// Why a command was refused, with the values that a caller needs to do better.
    type Rejection: Error + Clone + PartialEq + Send + Sync + 'static;
    /// The state as it is written to a snapshot; taking it is quick, writing it may take long.
    type Frozen: Send + 'static;

    /// Decides. A repeated command yields the old reply and no events.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Decision<Self::Event, Self::Reply>, Self::Rejection>;

    /// The answer to a command that was accepted with [`Answer::Later`], once there is one.
    fn settled(&self, ticket: &Ticket, now: Timestamp) -> Option<Result<Self::Reply, Self::Rejection>> {
        let _ = (ticket, now);
        None
    }

    /// What time alone changes by `now`: a bounded number of events; [`wake_at`](Aggregate::wake_at) says if more are
    /// due.
    fn on_wake(&self, now: Timestamp) -> Vec<Self::Event> {
        let _ = now;
        Vec::new()
    }

    /// What the outcome of an effect changes. Nothing, when the effect is no longer wanted.
    fn on_outcome(&self, effect: EffectId, outcome: &Outcome, now: Timestamp) -> Vec<Self::Event> {
        let _ = (effect, outcome, now);
        Vec::new()
    }

    /// Changes the state; cannot fail.
    fn apply(&mut self, event: &Self::Event);

    /// When it next wants to be woken. O(1).
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// What `event`, just applied, asks to be done elsewhere.
    fn effects(&self, event: &Self::Event) -> Vec<Effect> {
        let _ = event;
        Vec::new()
    }

    /// All that is still asked for and not settled. An effect stays here until an outcome settles it.
    fn outstanding(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether [`outstanding`](Aggregate::outstanding) holds anything. O(1).
    fn has_outstanding(&self) -> bool {
        false
    }

    /// The state for a snapshot, in well under 5 ms however large it is.
    fn freeze(&self) -> Self::Frozen;

    /// Writes a frozen state. Runs beside the actor, which goes on.
    fn encode_frozen(frozen: &Self::Frozen) -> Vec<u8>;

    /// Reads a snapshot of the format [`SNAPSHOT_FORMAT`]. An error falls back to an older snapshot and the journal.
    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError>;
}

/// The format byte in front of every snapshot. A new one needs an upcaster from this one.
pub const SNAPSHOT_FORMAT: u8 = 1;

/// A snapshot that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("snapshot does not decode: {0}")]
pub struct SnapshotError(pub String);

/// The most bytes that one collection of a snapshot may take in memory: what a damaged length could make us allocate.
pub const SNAPSHOT_COLLECTION_BYTES_MAX: usize = 4 << 30;
/// The same for a snapshot of at most [`SMALL_SNAPSHOT_BYTES_MAX`], which most are. In memory nothing takes more than
/// some ten times the bytes that it is written in.
pub const SMALL_SNAPSHOT_COLLECTION_BYTES_MAX: usize = 64 << 20;
/// The largest snapshot that is small.
pub const SMALL_SNAPSHOT_BYTES_MAX: usize = 1 << 20;

/// bincode's wire format, with room for large collections.
pub type SnapshotConfig = wincode::config::Configuration<true, SNAPSHOT_COLLECTION_BYTES_MAX>;
/// The same format, with room for what a small snapshot can hold.
pub type SmallSnapshotConfig = wincode::config::Configuration<true, SMALL_SNAPSHOT_COLLECTION_BYTES_MAX>;

/// Writes a state in bincode's format.
pub fn write_snapshot<T>(state: &T) -> Vec<u8>
where
    T: SchemaWrite<SnapshotConfig, Src = T>,
{
    wincode::config::serialize(state, SnapshotConfig::new()).expect("collections are bounded far below the limit")
}

/// Reads what [`write_snapshot`] wrote, to the last byte.
pub fn read_snapshot<T>(bytes: &[u8]) -> Result<T, SnapshotError>
where
    T: for<'b> SchemaRead<'b, SnapshotConfig, Dst = T> + for<'b> SchemaRead<'b, SmallSnapshotConfig, Dst = T>,
{
    let read = match bytes.len() <= SMALL_SNAPSHOT_BYTES_MAX {
        true => wincode::config::deserialize_exact(bytes, SmallSnapshotConfig::new()),
        false => wincode::config::deserialize_exact(bytes, SnapshotConfig::new()),
    };
    read.map_err(|error| SnapshotError(error.to_string()))
}
