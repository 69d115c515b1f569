//! One entity in memory: an actor that decides, applies, and hands its events to the writer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use engine::{
    aggregate::{Aggregate, Answer, Context, Decision, SnapshotError, Ticket},
    effect::Effect,
    id::EntityKey,
    sabotage::{Rule, is_broken, panic_if_due},
    time::Timestamp,
};
use parking_lot::Mutex;
use persistence::snapshots::{Snapshot, SnapshotAt};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use streaming::Entry;
use tokio::sync::oneshot;

use crate::{
    ask::{Answered, AskError, Call},
    gate::{Gate, Permit},
    mailbox::{Asked, Heard, HeardMany, Mailbox, Message, NotFrozen, Undecided},
    shard::{Fate, Kept, LeadGone, Leading, Proposal},
};

/// How long after it last asked for its open effects an entity asks for them again: the runtime may have forgotten them
/// in a crash, or a provider's answer may not have settled them. Events in between do not postpone it.
pub const EFFECT_RETRY_MS: u64 = 10_000;

/// The shortest pause between two wakes of which the first changed nothing.
const WAKE_PAUSE_MS: u64 = 10;

/// A state to start an entity from.
pub struct Loaded<A> {
    /// The state.
    pub aggregate: A,
    /// How many entries it has.
    pub version: u64,
    /// Whether a snapshot, and not only entries, led to it.
    pub from_snapshot: bool,
    /// The newest snapshot that reads.
    pub kept: Option<SnapshotAt>,
    /// Whether what is kept, with what is known of the journal's tail, gives this state again.
    pub loads_again: bool,
}

/// The actor's behaviour; it has no state of its own.
pub struct Entity<A>(std::marker::PhantomData<fn(A)>);

/// The actor's state.
pub struct Resident<A: Aggregate> {
    key: EntityKey,
    key_bytes: Bytes,
    aggregate: A,
    version: u64,
    from_snapshot: bool,
    accepted: Arc<AtomicU64>,
    /// What the agenda has of it. `None`: not known.
    wake_told: Option<Option<Timestamp>>,
    /// When the open effects are asked for again. `None` while none is open.
    retry_at: Option<Timestamp>,
    waiting: Vec<Waiting<A>>,
    gate: Arc<Gate>,
    kept: Arc<Mutex<Kept>>,
    leading: Arc<Leading>,
}

struct Waiting<A: Aggregate> {
    ticket: Ticket,
    reply: oneshot::Sender<Heard<A>>,
    permit: Permit,
}

/// Starts an entity under its shard and resumes what it still asks for.
pub async fn start<A: Aggregate>(
    leading: &Arc<Leading>,
    key: &EntityKey,
    loaded: Loaded<A>,
) -> Result<Arc<Mailbox<A>>, ractor::SpawnErr> {
    let gate = Arc::new(Gate::default());
    gate.touch(leading.now().0);
    let loads_again = loaded.loads_again.then_some(loaded.version);
    let kept = Arc::new(Mutex::new(Kept { newest: loaded.kept, loads_again }));
    let mut resident = Resident {
        key: key.clone(),
        key_bytes: Bytes::copy_from_slice(key.as_bytes()),
        version: loaded.version,
        from_snapshot: loaded.from_snapshot,
        accepted: Arc::new(AtomicU64::new(loaded.version)),
        wake_told: None,
        retry_at: None,
        waiting: Vec::new(),
        aggregate: loaded.aggregate,
        gate: gate.clone(),
        kept: kept.clone(),
        leading: leading.clone(),
    };
    resident.resume(leading.now());
    let entity = Entity::<A>(std::marker::PhantomData);
    let (actor, _) = Actor::spawn_linked(None, entity, resident, leading.supervisor()).await?;
    leading.note_actor(actor.get_id(), key);
    Ok(Arc::new(Mailbox { gate, actor, kept }))
}

impl<A: Aggregate> Actor for Entity<A> {
    type Msg = Message<A>;
    type State = Resident<A>;
    type Arguments = Resident<A>;

    async fn pre_start(
        &self,
        _: ActorRef<Message<A>>,
        resident: Resident<A>,
    ) -> Result<Resident<A>, ActorProcessingErr> {
        Ok(resident)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message<A>>,
        message: Message<A>,
        resident: &mut Resident<A>,
    ) -> Result<(), ActorProcessingErr> {
        if resident.leading.is_over() {
            match message {
                Message::Command { reply, .. } => drop(reply.send(Err(Undecided))),
                Message::Commands { reply, .. } => drop(reply.send(Err(Undecided))),
                _ => {}
            }
            return Ok(());
        }
        match message {
            Message::Command { command, call, reply, permit } => {
                resident.command(&command, &call, reply, permit);
                panic_if_due();
            }
            Message::Commands { commands, reply, permit } => resident.commands(&commands, reply, permit),
            Message::Wake(permit) => {
                panic_if_due();
                resident.wake(permit);
            }
            Message::Outcome(effect, outcome, _permit) => {
                panic_if_due();
                let events = resident.aggregate.on_outcome(effect, &outcome, resident.leading.now());
                if !events.is_empty() {
                    resident.propose(events, effect.command_id(&resident.key).0, 0, Vec::new());
                }
            }
            Message::Freeze(reply, permit) => resident.freeze(reply, permit),
            Message::Retire(permit) => resident.retire(&myself, permit).await,
        }
        resident.leave_without_history(&myself);
        Ok(())
    }
}

impl<A: Aggregate> Resident<A> {
    fn context(&self, call: &Call) -> Context {
        Context {
            now: self.leading.now(),
            command_id: call.command_id,
            former_ids: call.former_ids.clone(),
            fingerprint: call.fingerprint,
            former_fingerprint: call.former_fingerprint,
        }
    }

    /// Decides one after the other. All are answered when the last is accepted, and with it those before.
    fn commands(&mut self, commands: &[(A::Command, Call)], reply: oneshot::Sender<HeardMany<A>>, permit: Permit) {
        let mut answers = Vec::with_capacity(commands.len());
        let mut any_changed = false;
        for (command, call) in commands {
            let Decision { events, answer } = match self.aggregate.decide(command, &self.context(call)) {
                Ok(decision) => decision,
                Err(rejection) => {
                    answers.push((Ok(Err(AskError::Rejected(rejection))), false));
                    continue;
                }
            };
            let changed = !events.is_empty();
            let heard = match answer {
                Answer::Now(answer) => Ok(Ok(Answered { reply: answer, again: false })),
                Answer::Again(answer) => Ok(Ok(Answered { reply: answer, again: !changed })),
                // The others do not wait for it; asked again alone, it does.
                Answer::Later(_) => Err(Undecided),
            };
            if changed {
                self.propose(events, call.command_id.0, call.request_id, Vec::new());
            }
            any_changed |= changed;
            answers.push((heard, changed));
            panic_if_due();
        }
        let when: Whenever = Box::new(move |fate| {
            let heard = answers.into_iter().map(|(heard, changed)| heard_of::<A>(heard, fate, changed));
            let _ = reply.send(Ok(heard.collect()));
            drop(permit);
        });
        if any_changed || self.is_speculative() {
            self.leading.propose(Proposal::barrier(when));
        } else {
            when(Fate::Accepted(self.leading.accepted_position()));
        }
    }

    fn command(&mut self, command: &A::Command, call: &Call, reply: oneshot::Sender<Heard<A>>, permit: Permit) {
        let context = self.context(call);
        let Decision { events, answer } = match self.aggregate.decide(command, &context) {
            Ok(decision) => decision,
            Err(rejection) => return self.answer_unchanged(Err(AskError::Rejected(rejection)), reply, permit),
        };
        match (events.is_empty(), answer) {
            (true, Answer::Now(answer)) => {
                self.answer_unchanged(Ok(Answered { reply: answer, again: false }), reply, permit)
            }
            (true, Answer::Again(answer)) => {
                self.answer_unchanged(Ok(Answered { reply: answer, again: true }), reply, permit)
            }
            (true, Answer::Later(ticket)) => match self.aggregate.settled(&ticket, context.now) {
                Some(settled) => self.answer_unchanged(answered(settled, ticket.again), reply, permit),
                None => self.waiting.push(Waiting { ticket, reply, permit }),
            },
            (false, Answer::Later(ticket)) => {
                self.waiting.push(Waiting { ticket, reply, permit });
                self.propose(events, call.command_id.0, call.request_id, Vec::new());
            }
            (false, Answer::Now(answer)) | (false, Answer::Again(answer)) => {
                let answer = Ok(Answered { reply: answer, again: false });
                if is_broken(Rule::AnswerBeforeAccepted) {
                    let _ = reply.send(Ok(answer));
                    return self.propose(events, call.command_id.0, call.request_id, Vec::new());
                }
                let answer = answer_when::<A>(answer, reply, permit, true);
                self.propose(events, call.command_id.0, call.request_id, vec![answer]);
            }
        }
    }

    /// Answers from the present state, which nothing changes: at once when it is accepted, else when it is.
    fn answer_unchanged(&self, answer: Asked<A>, reply: oneshot::Sender<Heard<A>>, permit: Permit) {
        if self.is_speculative() {
            self.leading.propose(Proposal::barrier(answer_when::<A>(answer, reply, permit, false)));
        } else {
            let _ = reply.send(Ok(answer));
        }
    }

    /// Whether an answer from the present state has to wait.
    fn is_speculative(&self) -> bool {
        let speculative = self.accepted.load(Ordering::Acquire) < self.version;
        (speculative || self.leading.proves_lead()) && !is_broken(Rule::SoldOutFromSpeculation)
    }

    /// Applies events and hands them to the writer, with the answers that wait for them.
    fn propose(&mut self, events: Vec<A::Event>, command_id: u128, request_id: u128, mut answers: Vec<Whenever>) {
        let now = self.leading.now();
        let mut bytes = Vec::with_capacity(96);
        let mut effects: Vec<Effect> = Vec::new();
        for event in &events {
            self.aggregate.apply(event);
            minicbor::encode(event, &mut bytes).expect("events are written to memory");
            effects.extend(self.aggregate.effects(event));
        }
        self.version += 1;
        let wake = self.wake_at(now);
        let wake_changed = self.wake_told != Some(wake);
        self.wake_told = Some(wake);
        if !self.waiting.is_empty() {
            self.answer_settled(now, &mut answers);
        }
        let entry = Entry {
            key: self.key_bytes.clone(),
            version: self.version,
            at_ms: now.0,
            wake_at_ms: wake.map(|at| at.0),
            command_id,
            request_id,
            events: bytes.into(),
        };
        self.leading.propose(Proposal {
            entry: Some(entry),
            key: Some(self.key.clone()),
            accepted: Some(self.accepted.clone()),
            wake: wake_changed.then_some(wake),
            answers,
            effects,
        });
    }

    /// When the entity wants to be woken; while an effect is open, at the latest when it is to be asked for again.
    ///
    /// The retry time stays where it is as long as anything is open. If each event moved it, an entity with an event
    /// every few seconds would never ask again.
    fn wake_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.retry_at = match self.aggregate.has_outstanding() {
            true => Some(self.retry_at.unwrap_or_else(|| now.plus_ms(EFFECT_RETRY_MS))),
            false => None,
        };
        self.aggregate.wake_at().into_iter().chain(self.retry_at).min()
    }

    fn answer_settled(&mut self, now: Timestamp, answers: &mut Vec<Whenever>) {
        for index in (0..self.waiting.len()).rev() {
            let ticket = self.waiting[index].ticket;
            if let Some(settled) = self.aggregate.settled(&ticket, now) {
                let Waiting { reply, permit, .. } = self.waiting.swap_remove(index);
                answers.push(answer_when::<A>(answered(settled, ticket.again), reply, permit, true));
            }
        }
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
    }

    fn wake(&mut self, permit: Permit) {
        let now = self.leading.now();
        // The agenda has taken this wake down: it is told the next also when that is the same.
        self.wake_told = None;
        let events = self.aggregate.on_wake(now);
        self.resume(now);
        if !events.is_empty() {
            return self.propose(events, 0, 0, Vec::new());
        }
        let mut answers = Vec::new();
        self.answer_settled(now, &mut answers);
        for answer in answers {
            self.leading.propose(Proposal::barrier(answer));
        }
        // Said to the agenda when what it rests on is accepted, like any answer.
        let wake = self.wake_at(now).map(|at| at.max(now.plus_ms(WAKE_PAUSE_MS)));
        self.wake_told = Some(wake);
        self.leading.propose(Proposal {
            key: Some(self.key.clone()),
            wake: Some(wake),
            ..Proposal::barrier(Box::new(move |_| drop(permit)))
        });
    }

    /// Asks for everything that is still open. The runtime knows what is under way.
    ///
    /// The present state may be speculative: an effect of it must not leave before the journal has accepted the event
    /// that asks for it, or a provider carries out what no state knows of. So the effects go through the writer, as a
    /// proposal without an entry, and leave when everything proposed before it is accepted.
    fn resume(&mut self, now: Timestamp) {
        if !self.aggregate.has_outstanding() || (self.from_snapshot && is_broken(Rule::EffectLostAfterCheckpoint)) {
            return;
        }
        self.retry_at = Some(now.plus_ms(EFFECT_RETRY_MS));
        let effects = self.aggregate.outstanding();
        if is_broken(Rule::EffectOfSpeculation) {
            for effect in effects {
                self.leading.dispatch(&self.key.tenant(), &self.key, effect);
            }
            return;
        }
        self.leading.propose(Proposal { key: Some(self.key.clone()), effects, ..Proposal::default() });
    }

    fn freeze(&mut self, reply: oneshot::Sender<Result<Snapshot, NotFrozen>>, permit: Permit) {
        let started = std::time::Instant::now();
        let frozen = self.aggregate.freeze();
        metrics::histogram!("fusion_snapshot_freeze_seconds").record(started.elapsed().as_secs_f64());
        let frozen = match frozen {
            Ok(frozen) => frozen,
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        let place = self.place();
        let key = self.key_bytes.clone();
        let inline = self.leading.inline();
        // State that is not accepted yet is held back until it is.
        self.leading.propose(Proposal::barrier(Box::new(move |fate| {
            drop(permit);
            if !matches!(fate, Fate::Accepted(_)) {
                let _ = reply.send(Err(LeadGone.into()));
                return;
            }
            let encode = move || {
                let written = A::encode_frozen(&frozen);
                let _ = reply.send(written.map(|bytes| snapshot::<A>(key, place, bytes)).map_err(NotFrozen::from));
            };
            if inline { encode() } else { drop(tokio::task::spawn_blocking(encode)) }
        })));
    }

    /// Leaves memory at once if nothing ever happened to it: callers choose ids, and memory must not follow them. The
    /// next caller of the id loads it again. The last of those who wait for it does this.
    fn leave_without_history(&self, myself: &ActorRef<Message<A>>) {
        if self.version == 0 && self.waiting.is_empty() && self.gate.close(0) {
            self.leading.forget(&self.key);
            myself.stop(None);
        }
    }

    /// Where a snapshot of the present state stands.
    ///
    /// Its position is taken before the entity does anything else: what it proposes from now on comes behind all that is
    /// accepted now. A position taken when the snapshot is written would come too late, behind entries that it lacks.
    fn place(&self) -> SnapshotAt {
        SnapshotAt { version: self.version, position: self.leading.accepted_position() }
    }

    /// Leaves memory with its state written down, if nobody waits and nothing is open. A state that is loaded again
    /// without a new snapshot is not written: looking at things leaves no trace.
    async fn retire(&mut self, myself: &ActorRef<Message<A>>, _permit: Permit) {
        let settled = self.accepted.load(Ordering::Acquire) == self.version;
        if !settled || !self.waiting.is_empty() || self.aggregate.has_outstanding() || !self.gate.close(1) {
            return;
        }
        if self.version == 0 {
            self.leading.forget(&self.key);
            return myself.stop(None);
        }
        let kept = *self.kept.lock();
        let gone = if kept.loads_again == Some(self.version) {
            self.leading.retired_unchanged(&self.key, kept);
            true
        } else {
            match self.written().await {
                Ok(snapshot) => self.leading.retired(&self.key, &self.kept, snapshot).await,
                Err(error) => {
                    self.leading.tell_unwritable(&self.key, &error);
                    false
                }
            }
        };
        if gone {
            myself.stop(None);
        } else {
            self.gate.reopen();
        }
    }

    /// A snapshot of the present state, which is accepted. Written beside the runtime's threads: it may be large.
    async fn written(&self) -> Result<Snapshot, SnapshotError> {
        let (frozen, place) = (self.aggregate.freeze()?, self.place());
        let bytes = if self.leading.inline() {
            A::encode_frozen(&frozen)?
        } else {
            let encoded = tokio::task::spawn_blocking(move || A::encode_frozen(&frozen)).await;
            encoded.unwrap_or_else(|error| Err(SnapshotError(error.to_string())))?
        };
        Ok(snapshot::<A>(self.key_bytes.clone(), place, bytes))
    }
}

fn snapshot<A: Aggregate>(key: Bytes, at: SnapshotAt, bytes: Vec<u8>) -> Snapshot {
    Snapshot {
        key,
        version: at.version,
        position: at.position,
        rules: engine::RULES_VERSION,
        format: A::SNAPSHOT_FORMAT,
        bytes: bytes.into(),
    }
}

/// What is done with a proposal's fate.
pub type Whenever = Box<dyn FnOnce(Fate) + Send>;

fn answered<R, J>(settled: Result<R, J>, again: bool) -> Result<Answered<R>, AskError<J>> {
    settled.map(|reply| Answered { reply, again }).map_err(AskError::Rejected)
}

/// Gives `answer` once what it rests on is accepted. If that is undone, the outcome is unknown to a caller whose
/// command changed something, and open to one whose command did not: it asks again.
fn answer_when<A: Aggregate>(
    answer: Asked<A>,
    reply: oneshot::Sender<Heard<A>>,
    permit: Permit,
    changed: bool,
) -> Whenever {
    Box::new(move |fate| {
        let _ = reply.send(heard_of::<A>(Ok(answer), fate, changed));
        drop(permit);
    })
}

fn heard_of<A: Aggregate>(heard: Heard<A>, fate: Fate, changed: bool) -> Heard<A> {
    match fate {
        Fate::Accepted(_) => heard,
        Fate::Undone if changed => Ok(Err(AskError::Unknown)),
        Fate::Undone => Err(Undecided),
    }
}
