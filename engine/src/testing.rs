//! A test harness for one aggregate: sends commands and effect outcomes, and checks after each step the invariants that
//! every aggregate must keep.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Debug};

use crate::{
    aggregate::{Aggregate, Answer, Codec, Context, Decision, DeferredReply},
    effect::{Effect, EffectId, Outcome},
    id::{CommandId, Fingerprint},
    kinds::Entity,
    time::Timestamp,
    view::View,
};

/// The reply to an accepted command, immediate or deferred.
type Told<A> = Result<<A as Aggregate>::Reply, <A as Aggregate>::Rejection>;

/// An aggregate, its journal, and the effects it has requested.
pub(crate) struct History<A: Entity> {
    pub(crate) state: A,
    pub(crate) events: Vec<A::Event>,
    pub(crate) now: Timestamp,
    /// The outstanding effects by slot, each with its newest generation.
    pub(crate) open: BTreeMap<u64, Effect>,
    /// Every effect ever requested. Late outcomes may arrive for any of them.
    pub(crate) asked: Vec<Effect>,
    /// Commands that changed something, and their replies.
    accepted: Vec<(A::Command, CommandId, Option<Told<A>>)>,
    next_id: u128,
}

/// Asserts that a command, reply or rejection reads on another node as it was written on this one.
fn assert_travels<T: Codec + Debug>(message: &T) {
    let read: T = minicbor::decode(&minicbor::to_vec(message).unwrap()).unwrap();
    assert_eq!(format!("{read:?}"), format!("{message:?}"), "a message reads as it was written");
}

impl<A: Entity> Default for History<A> {
    fn default() -> Self {
        Self {
            state: A::default(),
            events: Vec::new(),
            now: Timestamp(1_000_000),
            open: BTreeMap::new(),
            asked: Vec::new(),
            accepted: Vec::new(),
            next_id: 1,
        }
    }
}

impl<A: Entity> History<A> {
    /// Applies an event that precedes the test.
    pub(crate) fn given(&mut self, event: A::Event) {
        self.happen(vec![event]);
        self.check();
    }

    /// Sends a command under a new id. Returns its reply if it is known.
    pub(crate) fn ask(&mut self, command: A::Command) -> Option<Told<A>> {
        self.next_id += 1;
        self.ask_as(CommandId(self.next_id), command)
    }

    /// Sends a command under this id. `None`: its reply is deferred.
    pub(crate) fn ask_as(&mut self, id: CommandId, command: A::Command) -> Option<Told<A>> {
        assert_travels(&command);
        let decision = match self.state.decide(&command, &self.context(id)) {
            Ok(decision) => decision,
            Err(rejection) => {
                assert_travels(&rejection);
                return Some(Err(rejection));
            }
        };
        let Decision { events, answer } = decision;
        let changed = !events.is_empty();
        // A command that was accepted and later rejected by another entity is decided again when it is repeated.
        self.accepted.retain(|(_, known, told)| *known != id || !(changed && matches!(told, Some(Err(_)))));
        let known = self.accepted.iter().any(|(_, known, _)| *known == id);
        self.happen(events);
        let told = match answer {
            Answer::Now(reply) | Answer::Duplicate(reply) => Some(Ok(reply)),
            Answer::Deferred(deferred) => self.state.deferred_reply(&deferred, self.now),
        };
        match &told {
            Some(Ok(reply)) => assert_travels(reply),
            Some(Err(rejection)) => assert_travels(rejection),
            None => {}
        }
        if changed {
            assert!(!known, "a repeat of {command:?} changed something");
            self.accepted.push((command, id, told.clone()));
        }
        self.check();
        told
    }

    /// The reply to the newest accepted command.
    pub(crate) fn told(&self) -> Option<Told<A>> {
        self.accepted.last().and_then(|(_, _, told)| told.clone())
    }

    /// Delivers the outcome of this effect. The effect is settled if the outcome causes events.
    pub(crate) fn answer(&mut self, effect: EffectId, outcome: &Outcome) {
        let events = self.state.receive_outcome(effect, outcome.clone(), self.now).unwrap();
        if !events.is_empty() {
            let settled = self.open.remove(&effect.slot).map(|open| open.id);
            assert_eq!(settled, Some(effect), "an answer counted to what is not open");
        }
        self.happen(events);
        self.check();
    }

    /// Delivers the outcome of the only outstanding effect.
    pub(crate) fn answer_open(&mut self, outcome: &Outcome) {
        let open: Vec<_> = self.open.values().map(|effect| effect.id).collect();
        let [effect] = open[..] else { panic!("not one effect is open: {:?}", self.open) };
        self.answer(effect, outcome);
    }

    /// Passivates the aggregate and loads it again from a snapshot.
    pub(crate) fn reload(&mut self) {
        self.state = A::thaw(&self.state.to_snapshot().unwrap()).unwrap();
        self.check();
    }

    /// Repeats every accepted command: nothing changes, and each gets the same reply as before. Commands that were
    /// rejected in the end are left out, because they are decided again.
    pub(crate) fn repeat_all(&self) {
        for (command, id, told) in self.accepted.iter().filter(|(_, _, told)| !matches!(told, Some(Err(_)))) {
            let again = self.state.decide(command, &self.context(*id));
            let again = again.map(|decision| {
                assert!(decision.events.is_empty(), "a repeat of {command:?} changed something");
                match decision.answer {
                    Answer::Now(reply) | Answer::Duplicate(reply) => Some(Ok(reply)),
                    Answer::Deferred(deferred) => self.state.deferred_reply(&deferred, self.now),
                }
            });
            let again = again.unwrap_or_else(|rejection| Some(Err(rejection)));
            assert_eq!(&again, told, "a repetition of {command:?} got another answer");
        }
    }

    /// Folds a public view from the events so far, as a projection does.
    pub(crate) fn folded<V: View<Event = A::Event>>(&self) -> Option<V> {
        let mut view = None;
        self.events.iter().filter(|event| V::concerns(event)).for_each(|event| V::fold(&mut view, event));
        view
    }

    fn context(&self, id: CommandId) -> Context {
        Context {
            now: self.now,
            command_id: id,
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(id.0),
        }
    }

    fn happen(&mut self, events: Vec<A::Event>) {
        for event in events {
            self.state.apply(&event);
            for effect in self.state.effects(&event) {
                self.asked.push(effect.clone());
                self.open.insert(effect.id.slot, effect);
            }
            self.events.push(event);
        }
        for (_, id, told) in &mut self.accepted {
            let settled = self.state.deferred_reply(&DeferredReply { command_id: *id, duplicate: true }, self.now);
            if told.is_none() {
                *told = settled;
            }
        }
    }

    /// Checks the invariants of every aggregate.
    fn check(&self) {
        let named = |effects: Vec<Effect>| -> BTreeMap<u64, String> {
            effects.into_iter().map(|effect| (effect.id.slot, format!("{effect:?}"))).collect()
        };
        let outstanding = named(self.state.outstanding());
        assert_eq!(
            outstanding,
            named(self.open.values().cloned().collect()),
            "effects less settled ones = outstanding"
        );
        assert_eq!(self.state.has_outstanding(), !outstanding.is_empty(), "the flag knows what is outstanding");
        self.state.assert_invariants();

        let written = self.state.to_snapshot().unwrap();
        let thawed = A::thaw(&written).unwrap();
        let mut folded = A::default();
        for event in &self.events {
            let bytes = minicbor::to_vec(event).unwrap();
            let read: A::Event = minicbor::decode(&bytes).unwrap();
            assert_eq!(read, *event, "events read as they were written");
            folded.apply(&read);
        }
        for (same, what) in [(thawed, "snapshot"), (folded, "fold")] {
            assert_eq!(same.to_snapshot().unwrap(), written, "the {what} gives the state");
            assert_eq!(named(same.outstanding()), outstanding, "the {what} gives what is outstanding");
            assert_eq!(same.has_outstanding(), self.state.has_outstanding(), "the {what} gives the flag");
            assert_eq!(same.wake_at(), self.state.wake_at(), "the {what} gives the wake");
        }
    }
}
