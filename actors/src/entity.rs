//! One entity in memory: an actor that decides, applies, and hands its events to the writer.
//!
//! An entity works speculatively. It applies its events at once, before the journal has accepted them, so that the next
//! command sees them and several batches can be in flight. Its state is speculative while its version is above the
//! accepted one. What was decided from speculative state must not leave the process yet, because the append that it
//! rests on can still fail. That holds for an acceptance, but also for a rejection, a repeated answer, a read, an
//! effect or a wake.
//!
//! The writer's queue enforces this rule. It is first in, first out, and settles a proposal only after all that were
//! proposed before it. An answer that changes nothing is therefore proposed without an entry: nothing is written for
//! it, and it is given once everything before it is accepted. When an append fails, the leadership ends, and each
//! entity of the shard is dropped with its speculation: no state is rolled back.

mod snapshots;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use engine::{
    aggregate::{Answer, Context, Decision, DeferredReply},
    effect::{Effect, EffectId, Outcome},
    fault_injection::{Rule, is_broken, panic_if_due},
    id::EntityKey,
    kinds::Entity,
    time::Timestamp,
};
use parking_lot::Mutex;
use persistence::snapshots::SnapshotAt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use streaming::Entry;
use tokio::sync::oneshot;

use crate::{
    ask::{Answered, AskError, CommandMeta},
    leader::{CommitOutcome, DeferredAnswer, Leader, Proposal},
    mailbox::{AskResult, CallerReplies, CallerReply, Mailbox, Message, StoredState, Undecided},
    permits::{Permit, Permits},
};

/// The time after which an entity asks again for its open effects, counted from the last time that it asked: the
/// runtime may have forgotten them in a crash, or a provider's answer may not have settled them. Events in between do
/// not postpone it.
pub const EFFECT_RETRY_MS: u64 = 10_000;

/// The shortest pause between two wakes of which the first changed nothing. It keeps an entity whose wake time stays in
/// the past from being woken without a pause.
const WAKE_PAUSE_MS: u64 = 10;

/// The state from which an entity starts.
pub struct Loaded<A> {
    /// The state.
    pub aggregate: A,
    /// The number of entries that led to the state.
    pub version: u64,
    /// Whether a snapshot, and not only entries, led to the state.
    pub from_snapshot: bool,
    /// The newest snapshot that can be read.
    pub kept: Option<SnapshotAt>,
    /// Whether this state can be loaded again from the stored snapshot and the known tail of the journal, without a new
    /// snapshot.
    pub restorable_version: bool,
}

/// The behaviour of an entity's actor; it holds no state.
pub struct EntityActor<A>(std::marker::PhantomData<fn(A)>);

/// The state of an entity's actor.
pub struct EntityState<A: Entity> {
    key: EntityKey,
    key_bytes: Bytes,
    aggregate: A,
    version: u64,
    from_snapshot: bool,
    /// The newest version that the journal has accepted. The writer stores it, before it gives the answers of that
    /// version.
    accepted: Arc<AtomicU64>,
    /// The wake time that the agenda was given last. `None`: not known.
    wake_told: Option<Option<Timestamp>>,
    /// When the open effects are asked for again. `None` while no effect is open.
    retry_at: Option<Timestamp>,
    /// Callers whose answer needs another entity.
    waiting: Vec<Waiting<A>>,
    permits: Arc<Permits>,
    kept: Arc<Mutex<StoredState>>,
    leader: Arc<Leader>,
}

struct Waiting<A: Entity> {
    deferred: DeferredReply,
    reply: oneshot::Sender<CallerReply<A>>,
    permit: Permit,
}

/// Starts an entity under its shard and resumes its outstanding effects.
pub async fn start<A: Entity>(
    leader: &Arc<Leader>,
    key: &EntityKey,
    loaded: Loaded<A>,
) -> Result<Arc<Mailbox<A>>, ractor::SpawnErr> {
    let permits = Arc::new(Permits::default());
    permits.touch(leader.now().0);
    let restorable_version = loaded.restorable_version.then_some(loaded.version);
    let kept = Arc::new(Mutex::new(StoredState { newest: loaded.kept, restorable_version }));
    let mut state = EntityState {
        key: key.clone(),
        key_bytes: Bytes::copy_from_slice(key.as_bytes()),
        version: loaded.version,
        from_snapshot: loaded.from_snapshot,
        accepted: Arc::new(AtomicU64::new(loaded.version)),
        wake_told: None,
        retry_at: None,
        waiting: Vec::new(),
        aggregate: loaded.aggregate,
        permits: permits.clone(),
        kept: kept.clone(),
        leader: leader.clone(),
    };
    // Before the actor starts, so that no command precedes it. The state comes from accepted entries and snapshots, so
    // the effects leave as soon as the writer reaches the proposal.
    state.resume(leader.now());
    let entity = EntityActor::<A>(std::marker::PhantomData);
    let (actor, _) = Actor::spawn_linked(None, entity, state, leader.supervisor()).await?;
    leader.note_actor(actor.get_id(), key);
    Ok(Arc::new(Mailbox { permits, actor, kept }))
}

impl<A: Entity> Actor for EntityActor<A> {
    type Msg = Message<A>;
    type State = EntityState<A>;
    type Arguments = EntityState<A>;

    async fn pre_start(
        &self,
        _: ActorRef<Message<A>>,
        state: EntityState<A>,
    ) -> Result<EntityState<A>, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message<A>>,
        message: Message<A>,
        state: &mut EntityState<A>,
    ) -> Result<(), ActorProcessingErr> {
        // The leadership has ended, so nothing that is decided here could be accepted. The callers send their commands
        // to the next leader.
        if state.leader.has_ended() {
            match message {
                Message::Command { reply, .. } => drop(reply.send(Err(Undecided))),
                Message::Commands { reply, .. } => drop(reply.send(Err(Undecided))),
                _ => {}
            }
            return Ok(());
        }
        match message {
            Message::Command { command, meta, reply, permit } => {
                state.command(&command, &meta, reply, permit);
                panic_if_due();
            }
            Message::Commands { commands, reply, permit } => state.commands(&commands, reply, permit),
            Message::Wake(permit) => {
                panic_if_due();
                state.wake(permit);
            }
            Message::Outcome(effect, outcome, _permit) => {
                panic_if_due();
                state.receive_outcome(effect, *outcome);
            }
            Message::Freeze(reply, permit) => state.freeze(reply, permit),
            Message::Passivate(permit) => state.passivate(&myself, permit).await,
        }
        state.leave_without_history(&myself);
        Ok(())
    }
}

impl<A: Entity> EntityState<A> {
    /// Proposes the events that follow from the outcome of an effect.
    fn receive_outcome(&mut self, effect: EffectId, outcome: Outcome) {
        match self.aggregate.receive_outcome(effect, outcome, self.leader.now()) {
            Ok(events) if events.is_empty() => {}
            Ok(events) => self.propose(events, effect.command_id(&self.key).0, 0, Vec::new()),
            // The effect stays outstanding, as after an unknown outcome.
            Err(mismatch) => {
                debug_assert!(false, "{}: {mismatch}", self.key);
                tracing::error!(key = %self.key, %mismatch, "the outcome of an effect is ignored");
            }
        }
    }

    fn context(&self, meta: &CommandMeta) -> Context {
        Context {
            now: self.leader.now(),
            command_id: meta.command_id,
            former_ids: meta.former_ids.clone(),
            fingerprint: meta.fingerprint,
            former_fingerprint: meta.former_fingerprint,
        }
    }

    /// Decides several commands, one after the other. All are answered together, once the last of them is accepted: the
    /// writer accepts in order, so the earlier ones are accepted by then.
    fn commands(
        &mut self,
        commands: &[(A::Command, CommandMeta)],
        reply: oneshot::Sender<CallerReplies<A>>,
        permit: Permit,
    ) {
        let mut answers = Vec::with_capacity(commands.len());
        let mut any_changed = false;
        for (command, meta) in commands {
            let Decision { events, answer } = match self.aggregate.decide(command, &self.context(meta)) {
                Ok(decision) => decision,
                Err(rejection) => {
                    answers.push((Ok(Err(AskError::Rejected(rejection))), false));
                    continue;
                }
            };
            let changed = !events.is_empty();
            let received = match answer {
                Answer::Now(answer) => Ok(Ok(Answered { reply: answer, duplicate: false })),
                Answer::Duplicate(answer) => Ok(Ok(Answered { reply: answer, duplicate: !changed })),
                // A deferred reply would delay the others. The caller sends this command again on its own, and waits
                // for it alone; the repeat is recognised as a duplicate.
                Answer::Deferred(_) => Err(Undecided),
            };
            if changed {
                self.propose(events, meta.command_id.0, meta.request_id, Vec::new());
            }
            any_changed |= changed;
            answers.push((received, changed));
            panic_if_due();
        }
        let when: DeferredAnswer = Box::new(move |outcome| {
            let received = answers.into_iter().map(|(received, changed)| heard_of::<A>(received, outcome, changed));
            let _ = reply.send(Ok(received.collect()));
            drop(permit);
        });
        if any_changed || self.is_speculative() {
            self.leader.propose(Proposal::barrier(when));
        } else {
            when(CommitOutcome::Committed(self.leader.accepted_position()));
        }
    }

    fn command(
        &mut self,
        command: &A::Command,
        meta: &CommandMeta,
        reply: oneshot::Sender<CallerReply<A>>,
        permit: Permit,
    ) {
        let context = self.context(meta);
        let Decision { events, answer } = match self.aggregate.decide(command, &context) {
            Ok(decision) => decision,
            Err(rejection) => return self.answer_unchanged(Err(AskError::Rejected(rejection)), reply, permit),
        };
        match (events.is_empty(), answer) {
            (true, Answer::Now(answer)) => {
                self.answer_unchanged(Ok(Answered { reply: answer, duplicate: false }), reply, permit)
            }
            (true, Answer::Duplicate(answer)) => {
                self.answer_unchanged(Ok(Answered { reply: answer, duplicate: true }), reply, permit)
            }
            (true, Answer::Deferred(deferred)) => match self.aggregate.deferred_reply(&deferred, context.now) {
                Some(deferred_reply) => {
                    self.answer_unchanged(answered(deferred_reply, deferred.duplicate), reply, permit)
                }
                None => self.waiting.push(Waiting { deferred, reply, permit }),
            },
            // Waiting first: if these events settle the reply already, `propose` takes its answer along.
            (false, Answer::Deferred(deferred)) => {
                self.waiting.push(Waiting { deferred, reply, permit });
                self.propose(events, meta.command_id.0, meta.request_id, Vec::new());
            }
            // A repeated answer that comes with events has changed something, so it is not reported as a duplicate.
            (false, Answer::Now(answer)) | (false, Answer::Duplicate(answer)) => {
                let answer = Ok(Answered { reply: answer, duplicate: false });
                if is_broken(Rule::AnswerBeforeAccepted) {
                    let _ = reply.send(Ok(answer));
                    return self.propose(events, meta.command_id.0, meta.request_id, Vec::new());
                }
                let answer = answer_when::<A>(answer, reply, permit, true);
                self.propose(events, meta.command_id.0, meta.request_id, vec![answer]);
            }
        }
    }

    /// Answers from the present state without changing it: at once if the state is accepted, otherwise when it is.
    ///
    /// Rejections take this way too. A "sold out" may rest on a claim whose append then fails.
    fn answer_unchanged(&self, answer: AskResult<A>, reply: oneshot::Sender<CallerReply<A>>, permit: Permit) {
        if self.is_speculative() {
            self.leader.propose(Proposal::barrier(answer_when::<A>(answer, reply, permit, false)));
        } else {
            let _ = reply.send(Ok(answer));
        }
    }

    /// Whether an answer from the present state has to wait for the journal.
    fn is_speculative(&self) -> bool {
        let speculative = self.accepted.load(Ordering::Acquire) < self.version;
        (speculative || self.leader.proves_leadership()) && !is_broken(Rule::SoldOutFromSpeculation)
    }

    /// Applies events and hands them to the writer, with the answers that wait for them.
    ///
    /// All events of one command make one entry: they are accepted together or not at all.
    fn propose(&mut self, events: Vec<A::Event>, command_id: u128, request_id: u128, mut answers: Vec<DeferredAnswer>) {
        debug_assert!(!events.is_empty(), "a proposal of nothing");
        let now = self.leader.now();
        let mut bytes = Vec::with_capacity(96);
        let mut effects: Vec<Effect> = Vec::new();
        for event in &events {
            // Applied before the proposal is made: the effects and the wake time below are functions of the new state,
            // and events reach the writer only after `apply` has returned. If it panics, nothing was proposed.
            self.aggregate.apply(event);
            minicbor::encode(event, &mut bytes).expect("events are written to memory");
            effects.extend(self.aggregate.effects(event));
        }
        self.version += 1;
        let wake = self.wake_at(now);
        let wake_changed = self.wake_told != Some(wake);
        self.wake_told = Some(wake);
        // These events may be what a deferred reply waited for. Its answer belongs to this proposal, because it rests
        // on this version.
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
        self.leader.propose(Proposal {
            entry: Some(entry),
            key: Some(self.key.clone()),
            accepted: Some(self.accepted.clone()),
            wake: wake_changed.then_some(wake),
            answers,
            effects,
        });
    }

    /// The time at which the entity has to be woken: its own wake time, or the retry time of its open effects if that
    /// is earlier.
    ///
    /// The retry time does not move while any effect is open. If each event moved it, an entity with an event every few
    /// seconds would never ask again.
    fn wake_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.retry_at = match self.aggregate.has_outstanding() {
            true => Some(self.retry_at.unwrap_or_else(|| now.plus_ms(EFFECT_RETRY_MS))),
            false => None,
        };
        self.aggregate.wake_at().into_iter().chain(self.retry_at).min()
    }

    fn answer_settled(&mut self, now: Timestamp, answers: &mut Vec<DeferredAnswer>) {
        // Backwards, so that `swap_remove` moves only callers that were checked already.
        for index in (0..self.waiting.len()).rev() {
            let deferred = self.waiting[index].deferred;
            if let Some(deferred_reply) = self.aggregate.deferred_reply(&deferred, now) {
                let Waiting { reply, permit, .. } = self.waiting.swap_remove(index);
                answers.push(answer_when::<A>(answered(deferred_reply, deferred.duplicate), reply, permit, true));
            }
        }
        // Callers that no longer wait return their permits.
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
    }

    fn wake(&mut self, permit: Permit) {
        let now = self.leader.now();
        // The agenda has marked this wake as under way. It needs the next wake time even if that has not changed.
        self.wake_told = None;
        let events = self.aggregate.on_wake(now);
        // Before the events are applied: what they ask for leaves with their own proposal.
        self.resume(now);
        if !events.is_empty() {
            return self.propose(events, 0, 0, Vec::new());
        }
        let mut answers = Vec::new();
        self.answer_settled(now, &mut answers);
        for answer in answers {
            self.leader.propose(Proposal::barrier(answer));
        }
        // Proposed rather than set directly: the agenda may learn the new wake time only when the state that it rests
        // on is accepted. Otherwise a checkpoint could record a wake time of events that the journal never accepts.
        let wake = self.wake_at(now).map(|at| at.max(now.plus_ms(WAKE_PAUSE_MS)));
        self.wake_told = Some(wake);
        // The permit is held until the agenda has the next wake time, so that the entity does not leave memory before.
        self.leader.propose(Proposal {
            key: Some(self.key.clone()),
            wake: Some(wake),
            ..Proposal::barrier(Box::new(move |_| drop(permit)))
        });
    }

    /// Asks for all outstanding effects. The runtime knows which of them are already under way.
    ///
    /// The present state may be speculative. An effect of it must not leave before the journal has accepted the event
    /// that asks for it: otherwise a provider would carry out something that no recovered state knows of. The effects
    /// therefore go through the writer, as a proposal without an entry: there is no new event to write, but the queue's
    /// order holds them back until everything proposed before them is accepted, and drops them if that fails.
    fn resume(&mut self, now: Timestamp) {
        if !self.aggregate.has_outstanding() || (self.from_snapshot && is_broken(Rule::EffectLostAfterCheckpoint)) {
            return;
        }
        self.retry_at = Some(now.plus_ms(EFFECT_RETRY_MS));
        let effects = self.aggregate.outstanding();
        self.leader.propose(Proposal { key: Some(self.key.clone()), effects, ..Proposal::default() });
    }
}

fn answered<R, J>(deferred_reply: Result<R, J>, duplicate: bool) -> Result<Answered<R>, AskError<J>> {
    deferred_reply.map(|reply| Answered { reply, duplicate }).map_err(AskError::Rejected)
}

/// Gives `answer` once what it rests on is accepted. If the outcome is unknown, a caller whose command changed
/// something learns exactly that. A caller whose command changed nothing is not affected: the command is decided again.
fn answer_when<A: Entity>(
    answer: AskResult<A>,
    reply: oneshot::Sender<CallerReply<A>>,
    permit: Permit,
    changed: bool,
) -> DeferredAnswer {
    Box::new(move |outcome| {
        let _ = reply.send(heard_of::<A>(Ok(answer), outcome, changed));
        drop(permit);
    })
}

fn heard_of<A: Entity>(received: CallerReply<A>, outcome: CommitOutcome, changed: bool) -> CallerReply<A> {
    match outcome {
        CommitOutcome::Committed(_) => received,
        CommitOutcome::Unknown if changed => Ok(Err(AskError::Unknown)),
        CommitOutcome::Unknown => Err(Undecided),
    }
}
