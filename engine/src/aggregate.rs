//! The contract between the runtime and every aggregate.
//!
//! The runtime processes the commands of an entity one at a time. For each command it calls [`Aggregate::decide`] and
//! passes the resulting events to [`Aggregate::apply`] at once, so that the next command already sees them. It sends
//! the reply only after the journal has accepted the events, and only then delivers the [effects](crate::effect) that
//! they request. If the journal does not accept them, the runtime discards the entity's state and loads it again.

use std::{error::Error, fmt::Debug};

use minicbor::{Decode, Encode};
use serde::Serialize;
use strum::VariantNames;

use crate::{
    effect::{Effect, EffectId, Outcome, OutcomeMismatch, TypedOutcome},
    id::{CommandId, Fingerprint, digest128},
    processed_commands::PROCESSED_COMMANDS_KEPT_MS,
    time::Timestamp,
};

/// What the runtime knows about the command that is being decided.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time of the shard's leader, never earlier than the newest event of the shard.
    pub now: Timestamp,
    /// The id of the command, derived from the caller's idempotency key. Accepted commands are remembered by their id.
    pub command_id: CommandId,
    /// The ids that the same command would have had under the guest subjects that the caller used before signing in.
    pub former_ids: Vec<CommandId>,
    /// The fingerprint of the command's content. A different fingerprint under a known id is rejected as [`KeyReused`].
    pub fingerprint: Fingerprint,
    /// The fingerprint that earlier versions of the program computed for the same command, if it differs.
    pub former_fingerprint: Option<Fingerprint>,
}

impl Context {
    /// All ids under which an earlier copy of this command may be known, the current id first.
    pub fn ids(&self) -> impl Iterator<Item = CommandId> {
        std::iter::once(self.command_id).chain(self.former_ids.iter().copied())
    }

    /// Whether a command that was accepted at `at` with the fingerprint `known` had the same content as this command.
    ///
    /// The former fingerprint also counts for as long as a [repeat is recognised](PROCESSED_COMMANDS_KEPT_MS), so that
    /// an event of an older version still binds its idempotency key.
    pub fn says(&self, known: Fingerprint, at: Timestamp) -> bool {
        let is_former = self.former_fingerprint == Some(known) && self.now.ms_since(at) <= PROCESSED_COMMANDS_KEPT_MS;
        known == self.fingerprint || is_former
    }
}

/// The serialized value of a field whose explicit JSON `null` has a meaning, such as "remove the value". Fingerprints
/// leave nulls out, so an explicit null needs a marker.
pub const EXPLICIT_NULL: &str = "\0null";

impl Fingerprint {
    /// Computes the fingerprint of a parsed command: the hash of its JSON with sorted fields and without nulls.
    ///
    /// The formatting of the request and the order of its fields do not matter. An optional field that a later version
    /// adds does not change the fingerprint of a command that leaves it out.
    pub fn of(command: &impl Serialize) -> Self {
        let mut json =
            serde_json::to_value(command).expect("a parsed command has no maps with other keys than strings");
        leave_out_nulls(&mut json);
        json.sort_all_objects();
        Self(digest128(&[json.to_string().as_bytes()]))
    }

    /// Computes the fingerprint as earlier versions did: nulls included, fields in the order of their declaration.
    /// Optional fields that were added since then must not be serialized when they are absent.
    pub fn with_nulls(command: &impl Serialize) -> Self {
        let json = serde_json::to_string(command).expect("a parsed command has no maps with other keys than strings");
        let marker = serde_json::Value::from(EXPLICIT_NULL).to_string();
        Self(digest128(&[json.replace(&marker, "null").as_bytes()]))
    }
}

/// Removes object members that are null. Elements of arrays stay, because their position has a meaning.
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

/// The idempotency key was already used for a different command. The client gets 422 `idempotency_key_reused` and must
/// choose a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, thiserror::Error)]
#[error("this idempotency key was used for another command")]
pub struct KeyReused;

/// A type with an encoding in CBOR that later versions of the program can read.
pub trait Codec: Encode<()> + for<'b> Decode<'b, ()> {}

impl<T: Encode<()> + for<'b> Decode<'b, ()>> Codec for T {}

/// The reason for a rejected command. An error enum implements it by deriving [`strum::IntoStaticStr`] and
/// [`strum::VariantNames`], with `#[strum(serialize_all = "snake_case")]`.
pub trait Rejection: Error + VariantNames {
    /// The code of the problem in the public API: the name of the variant, or what its `#[strum(serialize)]` says.
    ///
    /// Each code has an entry in the gateway's table, which adds the HTTP status.
    fn code(&self) -> &'static str;
}

impl<T> Rejection for T
where
    T: Error + VariantNames,
    for<'a> &'static str: From<&'a T>,
{
    fn code(&self) -> &'static str {
        self.into()
    }
}

/// The result of an accepted command.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<E, R> {
    /// The events, in order. Empty for a read or a duplicate.
    pub events: Vec<E>,
    /// The reply to the caller.
    pub answer: Answer<R>,
}

/// The reply to the caller and when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<R> {
    /// The reply is sent once the events are durable.
    Now(R),
    /// The command is a duplicate; this is the reply to its first copy.
    Duplicate(R),
    /// Another entity has to answer first. The reply is the first result of [`Saga::deferred_reply`].
    Deferred(DeferredReply),
}

/// Identifies a reply that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeferredReply {
    /// The id of the command that waits for its reply.
    pub command_id: CommandId,
    /// Whether the command is a duplicate of an accepted command.
    pub duplicate: bool,
}

impl<E, R> Decision<E, R> {
    /// Accepts the command with `events` and `reply`.
    pub fn accept(events: Vec<E>, reply: R) -> Self {
        Self { events, answer: Answer::Now(reply) }
    }

    /// Replies with `reply` and changes nothing.
    pub fn read(reply: R) -> Self {
        Self { events: Vec::new(), answer: Answer::Now(reply) }
    }

    /// Replies to a duplicate with the reply of its first copy and changes nothing.
    pub fn duplicate(reply: R) -> Self {
        Self { events: Vec::new(), answer: Answer::Duplicate(reply) }
    }

    /// Accepts the command with `events`; the reply follows when the outcome is known.
    pub fn deferred(events: Vec<E>, command_id: CommandId) -> Self {
        Self { events, answer: Answer::Deferred(DeferredReply { command_id, duplicate: false }) }
    }

    /// Replies to a duplicate of a command whose reply was deferred, whether or not its outcome is known yet.
    pub fn deferred_duplicate(command_id: CommandId) -> Self {
        Self { events: Vec::new(), answer: Answer::Deferred(DeferredReply { command_id, duplicate: true }) }
    }
}

/// A business entity with a single writer, whose state changes only by events.
///
/// `State = fold(apply, events)`: every method except [`apply`](Aggregate::apply) only reads. Aggregates use no clock,
/// no randomness and no I/O, so the same history always yields the same state.
///
/// What an aggregate does besides is in further traits: [`Timers`], [`Saga`] and
/// [`Persist`](crate::snapshot::Persist). The [list of kinds](crate::for_each_kind) names those of the first two that
/// an aggregate implements, and implements the others with their defaults.
pub trait Aggregate: Default + Send + Sync + 'static {
    /// The commands of this aggregate. A read is a command without events.
    ///
    /// Commands, replies and rejections travel between nodes of different versions: fields are numbered, no number ever
    /// changes its meaning, and new fields are optional.
    type Command: Codec + Clone + Debug + Send + Sync + 'static;
    /// The events of this aggregate. They stay in the journal permanently: fields are numbered, and no number ever
    /// changes its meaning.
    type Event: Codec + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// The reply to an accepted command.
    type Reply: Codec + Clone + Debug + PartialEq + Send + Sync + 'static;
    /// The reason for a rejected command, with the values that the caller needs to correct it.
    type Rejection: Rejection + Codec + Clone + PartialEq + Send + Sync + 'static;

    /// Decides a command. A duplicate yields the earlier reply and no events.
    fn decide(
        &self,
        command: &Self::Command,
        context: &Context,
    ) -> Result<Decision<Self::Event, Self::Reply>, Self::Rejection>;

    /// Applies an event to the state. Cannot fail: `decide` has checked everything, and the journal never changes.
    fn apply(&mut self, event: &Self::Event);

    /// Asserts what holds after every event, such as that units add up. For tests: it may take as long as a full count.
    fn assert_invariants(&self) {}
}

/// What time alone changes. The defaults are those of an aggregate without timers.
pub trait Timers: Aggregate {
    /// Returns the events that are due by `now` because of time alone. The number of events is bounded;
    /// [`wake_at`](Timers::wake_at) tells whether more are due.
    fn on_wake(&self, now: Timestamp) -> Vec<Self::Event> {
        let _ = now;
        Vec::new()
    }

    /// The next time at which [`on_wake`](Timers::on_wake) must be called. O(1).
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }
}

/// What an aggregate requests of other entities and external services. The defaults are those of an aggregate that
/// requests nothing.
pub trait Saga: Aggregate {
    /// The outcomes of the effects; [`NoOutcome`](crate::effect::NoOutcome) if the aggregate requests none.
    type Outcome: TypedOutcome;

    /// Returns the effects that `event` requests. The caller has just applied the event.
    fn effects(&self, event: &Self::Event) -> Vec<Effect> {
        let _ = event;
        Vec::new()
    }

    /// Returns the events that follow from the outcome of an effect. Empty when the effect is no longer outstanding.
    fn on_outcome(&self, effect: EffectId, outcome: Self::Outcome, now: Timestamp) -> Vec<Self::Event> {
        let _ = (effect, outcome, now);
        Vec::new()
    }

    /// Returns the events that follow from the outcome of an effect, as the runtime delivers it. After an error, the
    /// effect stays outstanding.
    fn receive_outcome(
        &self,
        effect: EffectId,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, OutcomeMismatch> {
        Ok(self.on_outcome(effect, Self::Outcome::of(effect.slot, outcome)?, now))
    }

    /// Returns all requested effects without an outcome. An effect stays in this list until an outcome settles it, so
    /// that the runtime can deliver it again after a restart.
    fn outstanding(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether [`outstanding`](Saga::outstanding) is not empty. O(1).
    fn has_outstanding(&self) -> bool {
        false
    }

    /// Returns the reply to a command that was accepted with [`Answer::Deferred`], or `None` while it is not known.
    fn deferred_reply(&self, deferred: &DeferredReply, now: Timestamp) -> Option<Result<Self::Reply, Self::Rejection>> {
        let _ = (deferred, now);
        None
    }
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
        let last = Timestamp(at.0 + PROCESSED_COMMANDS_KEPT_MS);
        assert!(context(last).says(written, at), "for 24 hours");
        let later = Timestamp(last.0 + 1);
        assert!(!context(later).says(written, at) && context(later).says(Fingerprint::of(&before), at));
    }
}
