//! What every thing that lives in an actor has in common.

use std::{cmp::Ordering, error::Error, fmt::Debug};

use minicbor::{Decode, Encode};
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use crate::{
    effect::{Effect, EffectId, Outcome},
    id::{CommandId, Fingerprint, Kind, digest128},
    receipts::RECEIPT_MS,
    sabotage::is_encoding_broken,
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
    /// What versions before this one would have written for the same command, if that differs.
    pub former_fingerprint: Option<Fingerprint>,
}

impl Context {
    /// Every name under which an earlier copy of this command may be known, the present one first.
    pub fn ids(&self) -> impl Iterator<Item = CommandId> {
        std::iter::once(self.command_id).chain(self.former_ids.iter().copied())
    }

    /// Whether a command that was accepted at `at` with the fingerprint `known` said the same as this one. For the
    /// [time that repeats are promised](RECEIPT_MS) the former fingerprint counts as well: an event of an older version
    /// keeps binding its idempotency key.
    pub fn says(&self, known: Fingerprint, at: Timestamp) -> bool {
        let is_former = self.former_fingerprint == Some(known) && self.now.ms_since(at) <= RECEIPT_MS;
        known == self.fingerprint || is_former
    }
}

/// What a field serializes to when its JSON `null` means something, such as "take the value away". A fingerprint leaves
/// nulls out, so an explicit one needs a value of its own.
pub const EXPLICIT_NULL: &str = "\0null";

impl Fingerprint {
    /// The fingerprint of a command as it was parsed: of its JSON with sorted fields and without nulls. Neither the
    /// spelling of the request nor the order of fields counts, and an optional field that a later version adds does not
    /// change the fingerprint of a command that leaves it out.
    pub fn of(command: &impl Serialize) -> Self {
        let mut json =
            serde_json::to_value(command).expect("a parsed command has no maps with other keys than strings");
        leave_out_nulls(&mut json);
        json.sort_all_objects();
        Self(digest128(&[json.to_string().as_bytes()]))
    }

    /// The fingerprint of the same command as earlier versions wrote it: nulls included, fields in the order of their
    /// declaration. Optional fields that are newer than that must not be serialized when they are absent.
    pub fn with_nulls(command: &impl Serialize) -> Self {
        let json = serde_json::to_string(command).expect("a parsed command has no maps with other keys than strings");
        let marker = serde_json::Value::from(EXPLICIT_NULL).to_string();
        Self(digest128(&[json.replace(&marker, "null").as_bytes()]))
    }
}

/// Removes the members of objects that are null. Elements of lists stay: their position has a meaning.
fn leave_out_nulls(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(leave_out_nulls);
        }
        serde_json::Value::Array(elements) => elements.iter_mut().for_each(leave_out_nulls),
        _ => {}
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

    /// The format of the snapshots that this program writes. A kind that writes its state in another way names the next
    /// number here, and reads the older formats in [`upcast`](Aggregate::upcast).
    const SNAPSHOT_FORMAT: u8 = FIRST_SNAPSHOT_FORMAT;

    /// The state for a snapshot, in well under 5 ms however large it is.
    ///
    /// An error means that there is no snapshot: the caller keeps the former one, and the entity stays in memory.
    fn freeze(&self) -> Result<Self::Frozen, SnapshotError>;

    /// Writes a frozen state in the format [`SNAPSHOT_FORMAT`](Aggregate::SNAPSHOT_FORMAT). Runs beside the actor, which
    /// goes on. An error means the same as one of [`freeze`](Aggregate::freeze).
    fn encode_frozen(frozen: &Self::Frozen) -> Result<Vec<u8>, SnapshotError>;

    /// Reads a snapshot of the format [`SNAPSHOT_FORMAT`](Aggregate::SNAPSHOT_FORMAT).
    fn thaw(bytes: &[u8]) -> Result<Self, SnapshotError>;

    /// Reads a snapshot of an older format. Kinds that have had one format only have nothing to read here.
    fn upcast(format: u8, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let _ = bytes;
        Err(SnapshotError(format!("this program does not read format {format} of this kind")))
    }

    /// Freezes the state and writes it, in one go.
    fn to_snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        Self::encode_frozen(&self.freeze()?)
    }

    /// Reads a snapshot of any format that this program knows. An error falls back to an older snapshot and the journal.
    fn from_snapshot(format: u8, bytes: &[u8]) -> Result<Self, SnapshotError> {
        match format.cmp(&Self::SNAPSHOT_FORMAT) {
            Ordering::Equal => Self::thaw(bytes),
            Ordering::Less => Self::upcast(format, bytes),
            Ordering::Greater => Err(SnapshotError(format!(
                "format {format} is newer than {}, the newest that this program knows",
                Self::SNAPSHOT_FORMAT
            ))),
        }
    }
}

/// The format of snapshots of a kind that has had no other.
pub const FIRST_SNAPSHOT_FORMAT: u8 = 1;

/// A snapshot that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
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
pub fn write_snapshot<T>(state: &T) -> Result<Vec<u8>, SnapshotError>
where
    T: SchemaWrite<SnapshotConfig, Src = T>,
{
    if is_encoding_broken() {
        return Err(SnapshotError("encoding is made to fail".to_owned()));
    }
    wincode::config::serialize(state, SnapshotConfig::new()).map_err(|error| SnapshotError(error.to_string()))
}

/// Writes a part of a state as events spell it.
pub fn write_part<T: Encode<()>>(part: &T) -> Result<Vec<u8>, SnapshotError> {
    minicbor::to_vec(part).map_err(|error| SnapshotError(error.to_string()))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Before {
        title: Option<String>,
        cap: Option<u32>,
    }

    #[derive(Serialize)]
    struct After {
        cap: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        network: Option<u32>,
        title: Option<String>,
        later: Option<Vec<Option<u32>>>,
    }

    #[test]
    fn an_optional_field_that_is_added_does_not_change_a_fingerprint() {
        let before = Before { title: Some("Sale".into()), cap: None };
        let after = |later| After { cap: None, network: None, title: Some("Sale".into()), later };
        assert_eq!(Fingerprint::of(&before), Fingerprint::of(&after(None)));
        let elements =
            [Some(vec![]), Some(vec![None]), Some(vec![None, None])].map(|later| Fingerprint::of(&after(later)));
        assert!(elements[0] != elements[1] && elements[1] != elements[2], "elements of lists count");
    }

    #[test]
    fn the_former_fingerprint_is_that_of_the_text_as_it_was() {
        let before = Before { title: None, cap: Some(2) };
        let written = Fingerprint(digest128(&[br#"{"title":null,"cap":2}"#]));
        assert_eq!(Fingerprint::with_nulls(&before), written);
        let context = |now| Context {
            now,
            command_id: CommandId(1),
            former_ids: Vec::new(),
            former_fingerprint: Some(Fingerprint::with_nulls(&before)),
            fingerprint: Fingerprint::of(&before),
        };
        let at = Timestamp(1_000);
        assert!(context(at).says(written, at) && context(at).says(Fingerprint::of(&before), at));
        assert!(!context(at).says(Fingerprint(digest128(&[br#"{"title":null,"cap":3}"#])), at));
        let last = Timestamp(at.0 + RECEIPT_MS);
        assert!(context(last).says(written, at), "for 24 hours");
        let later = Timestamp(last.0 + 1);
        assert!(!context(later).says(written, at) && context(later).says(Fingerprint::of(&before), at));
    }
}
