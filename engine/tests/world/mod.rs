//! A synchronous world: every real aggregate, wired by a loop that delivers effects and outcomes as a bad network and a
//! crashing machine would: in any order, late, twice, or not at all and then again.
//!
//! Every event goes through its journal form. After each step of an entity the world checks what every aggregate
//! promises: what was asked for less what is settled is what is outstanding, units add up, and money does. A crash takes
//! an entity's state and its callers; it comes back from its snapshot and the events after it, and must be as it was.
#![allow(clippy::unwrap_used, dead_code)]

mod bank;
mod host;
pub(crate) mod shop;

use std::collections::BTreeMap;

use engine::{
    aggregate::Context,
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, EntityKey, Fingerprint, Kind, TenantId, digest128},
    mail::MailRequest,
    time::Timestamp,
};

pub(crate) use self::bank::Bank;
use self::host::{Host, Step, host};

/// When the world begins.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_800_000_000_000);

/// Luck that can be had again: splitmix64 of a seed.
pub(crate) struct Chance(pub u64);

impl Chance {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// How bad the network is, in percent of the messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A message arrives, and a copy of it stays on its way.
    pub(crate) copied: usize,
    /// A message does not arrive.
    pub(crate) lost: usize,
}

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Caller {
    /// An entity that asked for an effect.
    Effect(EntityKey, EffectId),
    /// Someone outside, by the number of the call.
    Client(usize),
}

/// What someone outside asked, and was told.
pub(crate) struct Call {
    /// What.
    pub(crate) request: Request,
    /// Under which name.
    pub(crate) key: CommandId,
    /// The answer. `None`: not yet, or never, when the entity crashed meanwhile.
    pub(crate) told: Option<Outcome>,
}

/// A message on its way.
#[derive(Debug, Clone)]
enum Flying {
    Ask { from: EntityKey, effect: Effect },
    Answer { to: EntityKey, id: EffectId, outcome: Outcome },
}

/// All there is.
pub(crate) struct World {
    /// The clock of every node.
    pub(crate) now: Timestamp,
    /// The only shop.
    pub(crate) tenant: TenantId,
    /// The payment provider.
    pub(crate) bank: Bank,
    /// Letters that were handed over.
    pub(crate) mails: Vec<MailRequest>,
    /// Everything that was asked from outside.
    pub(crate) calls: Vec<Call>,
    /// What decides by chance.
    pub(crate) chance: Chance,
    /// How bad the network is.
    pub(crate) faults: Faults,
    entities: BTreeMap<EntityKey, Box<dyn Host>>,
    flying: Vec<Flying>,
}

impl World {
    /// A world in which nothing has happened and nothing goes wrong.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: BEGINNING,
            tenant: TenantId::new("demo").unwrap(),
            bank: Bank::default(),
            mails: Vec::new(),
            calls: Vec::new(),
            chance: Chance(seed),
            faults: Faults::default(),
            entities: BTreeMap::new(),
            flying: Vec::new(),
        }
    }

    /// Asks as someone outside would, and says the number of the call. The answer is in `calls` when it is known.
    pub(crate) fn send(&mut self, key: CommandId, request: Request) -> usize {
        let call = self.calls.len();
        self.calls.push(Call { request: request.clone(), key, told: None });
        let context = self.context(key, &request);
        self.command(&request, &context, Caller::Client(call));
        call
    }

    /// Asks, and lets the world go on until there is an answer.
    pub(crate) fn ask(&mut self, key: CommandId, request: Request) -> Outcome {
        let call = self.send(key, request);
        for _ in 0..10_000 {
            if let Some(told) = &self.calls[call].told {
                return told.clone();
            }
            if !self.deliver_one() {
                self.pass_time();
            }
        }
        panic!("there is no answer to {:?}", self.calls[call].request);
    }

    /// Reads, without a trace.
    pub(crate) fn read(&self, request: Request) -> Outcome {
        let context = self.context(CommandId(0), &request);
        let key = request.target(&self.tenant).unwrap();
        match self.entities.get(&key) {
            Some(entity) => entity.read(&request, &context),
            None => host(key.kind()).read(&request, &context),
        }
    }

    /// Delivers one message, whichever. `false` when there is none.
    pub(crate) fn deliver_one(&mut self) -> bool {
        if self.flying.is_empty() {
            return false;
        }
        let which = self.chance.below(self.flying.len());
        let message = self.flying.swap_remove(which);
        if self.chance.percent(self.faults.copied) {
            self.flying.push(message.clone());
        }
        if !self.chance.percent(self.faults.lost) {
            self.deliver(message);
        }
        true
    }

    /// Nothing is on its way: what is still wanted is asked for again, or the clock goes on to where something is due.
    /// `false` when nothing will ever happen again.
    pub(crate) fn pass_time(&mut self) -> bool {
        if self.resume() {
            self.now = self.now.plus_ms(200);
            self.wake();
            return true;
        }
        match self.entities.values().filter_map(|entity| entity.wake_at()).min() {
            Some(due) => {
                self.now = self.now.max(due);
                self.wake();
                true
            }
            None => false,
        }
    }

    /// Lets so much time pass, whatever is on its way.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.wake();
    }

    /// Goes on, without faults, until nothing is on its way or wanted, and nothing is due before `horizon`.
    pub(crate) fn settle(&mut self, horizon: Timestamp) {
        self.faults = Faults::default();
        self.bank.patient = true;
        for _ in 0..200_000 {
            if self.deliver_one() {
                continue;
            }
            let due = self.entities.values().filter_map(|entity| entity.wake_at()).min();
            if !self.has_outstanding() && due.is_none_or(|due| due > horizon) {
                self.now = self.now.max(horizon);
                return;
            }
            self.pass_time();
        }
        panic!("the world does not come to rest: {:?}", self.outstanding());
    }

    /// Asks again for everything that is not settled. `false` when there is nothing.
    pub(crate) fn resume(&mut self) -> bool {
        let outstanding = self.outstanding();
        let any = !outstanding.is_empty();
        self.flying.extend(outstanding.into_iter().map(|(from, effect)| Flying::Ask { from, effect }));
        any
    }

    /// An entity, whichever, loses its state and comes back from what is written.
    pub(crate) fn crash_one(&mut self) {
        let which = self.chance.below(self.entities.len());
        let from_snapshot = self.chance.percent(50);
        if let Some((key, entity)) = self.entities.iter_mut().nth(which) {
            entity.crash(from_snapshot);
            let key = key.clone();
            let effects = entity.outstanding();
            self.flying.extend(effects.into_iter().map(|effect| Flying::Ask { from: key.clone(), effect }));
        }
    }

    /// An entity, whichever, is written to a snapshot.
    pub(crate) fn snapshot_one(&mut self) {
        let which = self.chance.below(self.entities.len());
        if let Some(entity) = self.entities.values_mut().nth(which) {
            entity.snapshot();
        }
    }

    /// The keys of everything of this kind.
    pub(crate) fn keys(&self, kind: Kind) -> Vec<EntityKey> {
        self.entities.keys().filter(|key| key.kind() == kind).cloned().collect()
    }

    /// What has happened to an entity, for whoever looks into a failing seed.
    pub(crate) fn history(&self, key: &EntityKey) -> Vec<String> {
        self.entities.get(key).map(|entity| entity.history()).unwrap_or_default()
    }

    fn outstanding(&self) -> Vec<(EntityKey, Effect)> {
        let with_any = self.entities.iter().filter(|(_, entity)| entity.has_outstanding());
        with_any
            .flat_map(|(key, entity)| entity.outstanding().into_iter().map(move |effect| (key.clone(), effect)))
            .collect()
    }

    fn has_outstanding(&self) -> bool {
        self.entities.values().any(|entity| entity.has_outstanding())
    }

    fn context(&self, key: CommandId, request: &Request) -> Context {
        let fingerprint = Fingerprint(digest128(&[format!("{request:?}").as_bytes()]));
        Context { now: self.now, command_id: key, former_ids: Vec::new(), former_fingerprint: None, fingerprint }
    }

    fn command(&mut self, request: &Request, context: &Context, caller: Caller) {
        let key = request.target(&self.tenant).unwrap();
        let step =
            self.entities.entry(key.clone()).or_insert_with(|| host(key.kind())).command(request, context, caller);
        self.take(&key, step);
    }

    fn wake(&mut self) {
        let due: Vec<EntityKey> = self
            .entities
            .iter()
            .filter(|(_, entity)| entity.wake_at().is_some_and(|at| at <= self.now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            // An entity may say that more is due: a bounded number of expiries at once.
            for _ in 0..100 {
                let entity = self.entities.get_mut(&key).unwrap();
                if entity.wake_at().is_none_or(|at| at > self.now) {
                    break;
                }
                let step = entity.wake(self.now);
                self.take(&key, step);
            }
            let at = self.entities[&key].wake_at();
            assert!(at.is_none_or(|at| at > self.now), "{key} is woken and still due at {at:?}");
        }
    }

    fn deliver(&mut self, message: Flying) {
        match message {
            Flying::Ask { from, effect } => match &effect.request {
                Request::Provider(asked) => {
                    if let Some(answer) = self.bank.ask(asked, self.now, &mut self.chance) {
                        let outcome = Outcome::Provider(answer);
                        self.flying.push(Flying::Answer { to: from, id: effect.id, outcome });
                    }
                }
                Request::Mail(letter) => {
                    self.mails.push(*letter);
                    self.flying.push(Flying::Answer { to: from, id: effect.id, outcome: Outcome::Mail });
                }
                request => {
                    let context = self.context(effect.id.command_id(&from), request);
                    self.command(request, &context, Caller::Effect(from, effect.id));
                }
            },
            Flying::Answer { to, id, outcome } => {
                let now = self.now;
                let step = self.entities.get_mut(&to).unwrap().outcome(id, &outcome, now);
                self.take(&to, step);
            }
        }
    }

    fn take(&mut self, key: &EntityKey, step: Step) {
        self.flying.extend(step.effects.into_iter().map(|effect| Flying::Ask { from: key.clone(), effect }));
        for (caller, outcome) in step.told {
            match caller {
                Caller::Effect(to, id) => self.flying.push(Flying::Answer { to, id, outcome }),
                Caller::Client(call) => self.calls[call].told = Some(outcome),
            }
        }
    }
}
