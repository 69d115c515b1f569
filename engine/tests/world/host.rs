//! An entity, with the state that the runtime keeps for it.

use std::collections::BTreeMap;

use engine::{
    aggregate::{Answer, Context, DeferredReply},
    effect::{Effect, EffectId, Outcome, Request},
    kinds::{Entity, Kind},
    time::Timestamp,
    with_kind,
};

use super::Caller;

/// The results of a step of an entity: its events, effects to deliver, and replies to callers.
#[derive(Default)]
pub(super) struct Step {
    /// The events, concatenated in CBOR as in the journal.
    pub(super) events: Vec<u8>,
    pub(super) effects: Vec<Effect>,
    pub(super) told: Vec<(Caller, Outcome)>,
}

/// An entity of any kind.
pub(super) trait Host {
    fn command(&mut self, request: &Request, context: &Context, caller: Caller) -> Step;
    fn outcome(&mut self, id: EffectId, outcome: &Outcome, now: Timestamp) -> Step;
    fn wake(&mut self, now: Timestamp) -> Step;
    fn read(&self, request: &Request, context: &Context) -> Outcome;
    fn wake_at(&self) -> Option<Timestamp>;
    fn outstanding(&self) -> Vec<Effect>;
    fn has_outstanding(&self) -> bool;
    fn history(&self) -> Vec<String>;
    fn snapshot(&mut self);
    fn crash(&mut self, from_snapshot: bool);
}

/// Creates an entity of this kind in its initial state.
pub(super) fn host(kind: Kind) -> Box<dyn Host> {
    with_kind!(kind, A => Box::<Hosted<A>>::default())
}

struct Hosted<A: Entity> {
    live: A,
    journal: Vec<Vec<u8>>,
    /// The newest snapshot, with the number of events that it covers.
    written: Option<(usize, Vec<u8>)>,
    waiting: Vec<(DeferredReply, Caller)>,
    /// The requested effects that are not settled, by slot.
    asked: BTreeMap<u64, Effect>,
}

impl<A: Entity> Default for Hosted<A> {
    fn default() -> Self {
        Self { live: A::default(), journal: Vec::new(), written: None, waiting: Vec::new(), asked: BTreeMap::new() }
    }
}

impl<A: Entity> Hosted<A> {
    fn happen(&mut self, events: Vec<A::Event>, settled: Option<EffectId>, now: Timestamp) -> Step {
        let mut step = Step::default();
        let settled = settled.filter(|_| !events.is_empty());
        if let Some(id) = settled.filter(|id| self.asked.get(&id.slot).is_some_and(|asked| asked.id == *id)) {
            self.asked.remove(&id.slot);
        }
        for event in events {
            let bytes = minicbor::to_vec(&event).unwrap();
            let read: A::Event = minicbor::decode(&bytes).unwrap();
            assert_eq!(read, event, "an event reads as it was written");
            step.events.extend_from_slice(&bytes);
            self.journal.push(bytes);
            self.live.apply(&read);
            for effect in self.live.effects(&read) {
                self.asked.insert(effect.id.slot, effect.clone());
                step.effects.push(effect);
            }
        }
        self.live.assert_invariants();
        let named = |effects: Vec<Effect>| -> BTreeMap<u64, String> {
            effects.into_iter().map(|effect| (effect.id.slot, format!("{effect:?}"))).collect()
        };
        let outstanding = named(self.live.outstanding());
        assert_eq!(outstanding, named(self.asked.values().cloned().collect()), "{:?}: asked less settled", A::KIND);
        assert_eq!(self.live.has_outstanding(), !outstanding.is_empty(), "{:?}: the flag", A::KIND);
        let live = &self.live;
        self.waiting.retain(|(deferred, caller)| match live.deferred_reply(deferred, now) {
            Some(told) => {
                step.told.push((caller.clone(), A::outcome_of(told)));
                false
            }
            None => true,
        });
        step
    }

    fn image(state: &A) -> Vec<u8> {
        state.to_snapshot().unwrap()
    }
}

impl<A: Entity> Host for Hosted<A> {
    fn command(&mut self, request: &Request, context: &Context, caller: Caller) -> Step {
        let command = A::command_of(request).expect("a request reaches the kind that it is for");
        match self.live.decide(command, context) {
            Err(rejection) => Step { told: vec![(caller, A::outcome_of(Err(rejection)))], ..Step::default() },
            Ok(decision) => {
                if let Answer::Deferred(deferred) = decision.answer {
                    self.waiting.push((deferred, caller.clone()));
                }
                let mut step = self.happen(decision.events, None, context.now);
                if let Answer::Now(reply) | Answer::Duplicate(reply) = decision.answer {
                    step.told.push((caller, A::outcome_of(Ok(reply))));
                }
                step
            }
        }
    }

    fn outcome(&mut self, id: EffectId, outcome: &Outcome, now: Timestamp) -> Step {
        let events = self.live.receive_outcome(id, outcome.clone(), now).unwrap();
        self.happen(events, Some(id), now)
    }

    fn wake(&mut self, now: Timestamp) -> Step {
        let events = self.live.on_wake(now);
        self.happen(events, None, now)
    }

    fn read(&self, request: &Request, context: &Context) -> Outcome {
        let command = A::command_of(request).expect("a request reaches the kind that it is for");
        A::outcome_of(self.live.decide(command, context).map(|decision| match decision.answer {
            Answer::Now(reply) | Answer::Duplicate(reply) if decision.events.is_empty() => reply,
            _ => panic!("not a read: {command:?}"),
        }))
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.live.wake_at()
    }

    fn outstanding(&self) -> Vec<Effect> {
        self.live.outstanding()
    }

    fn has_outstanding(&self) -> bool {
        self.live.has_outstanding()
    }

    fn history(&self) -> Vec<String> {
        let read = |bytes: &Vec<u8>| format!("{:?}", minicbor::decode::<A::Event>(bytes).unwrap());
        self.journal.iter().map(read).collect()
    }

    fn snapshot(&mut self) {
        self.written = Some((self.journal.len(), Self::image(&self.live)));
    }

    fn crash(&mut self, from_snapshot: bool) {
        self.waiting.clear();
        let written = self.written.as_ref().filter(|_| from_snapshot);
        let (covered, mut state) = match written {
            Some((covered, bytes)) => (*covered, A::thaw(bytes).unwrap()),
            None => (0, A::default()),
        };
        for bytes in &self.journal[covered..] {
            state.apply(&minicbor::decode(bytes).unwrap());
        }
        assert_eq!(Self::image(&state), Self::image(&self.live), "{:?}: the state is what its events make it", A::KIND);
        assert_eq!(state.wake_at(), self.live.wake_at(), "{:?}: so is when it wakes", A::KIND);
        self.live = state;
    }
}
