//! A synchronous simulation: every real aggregate, connected by a loop that delivers effects and outcomes as an
//! unreliable network and crashing machines would: in any order, late, twice, or only after a retry.
//!
//! Every event is encoded and decoded as in the journal. After each step of an entity, the simulation checks the
//! invariants of its aggregate: the outstanding effects are those requested less those settled, and units and money add
//! up. A crash discards an entity's state and its callers; the entity recovers from its snapshot and the events after
//! it, and must have the same state as before.
#![allow(clippy::unwrap_used, dead_code)]

mod bank;
pub(crate) mod crowd;
mod host;
pub(crate) mod shop;

use std::collections::BTreeMap;

use engine::{
    aggregate::Context,
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, EntityKey, Fingerprint, TenantId, digest128},
    kinds::Kind,
    mail::MailRequest,
    time::Timestamp,
};

pub(crate) use self::bank::Bank;
use self::host::{Host, Step, host};

/// The time at which the simulation starts.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_800_000_000_000);

/// A reproducible source of random numbers: splitmix64 of a seed.
pub(crate) struct Chance(pub u64);

impl Chance {
    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// Returns `true` with this probability in percent.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The fault rates of the network, in percent of the messages.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A message is delivered, and a duplicate of it stays in flight.
    pub(crate) copied: usize,
    /// A message is lost.
    pub(crate) lost: usize,
}

/// The receiver of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Caller {
    /// An entity that requested an effect.
    Effect(EntityKey, EffectId),
    /// An external client, by the number of its call.
    Client(usize),
}

/// A call of an external client.
pub(crate) struct Call {
    /// The request.
    pub(crate) request: Request,
    /// The command id.
    pub(crate) key: CommandId,
    /// The reply. `None` if there is none yet, or if the entity crashed before it replied.
    pub(crate) told: Option<Outcome>,
}

/// A message in flight.
#[derive(Debug, Clone)]
enum Flying {
    Ask { from: EntityKey, effect: Effect },
    Answer { to: EntityKey, id: EffectId, outcome: Outcome },
}

/// An accepted entry: the events of one step of an entity.
pub(crate) struct Entry {
    /// The key of the entity.
    pub(crate) key: EntityKey,
    /// The time of the step.
    pub(crate) at: Timestamp,
    /// The events, concatenated in CBOR.
    pub(crate) events: Vec<u8>,
}

/// The simulation.
pub(crate) struct World {
    /// The clock of all nodes.
    pub(crate) now: Timestamp,
    /// The only tenant.
    pub(crate) tenant: TenantId,
    /// The payment provider.
    pub(crate) bank: Bank,
    /// The e-mails that were accepted.
    pub(crate) mails: Vec<MailRequest>,
    /// All calls of external clients.
    pub(crate) calls: Vec<Call>,
    /// The source of all random decisions.
    pub(crate) chance: Chance,
    /// The fault rates of the network.
    pub(crate) faults: Faults,
    /// All entries, in the order in which they were accepted.
    pub(crate) journal: Vec<Entry>,
    entities: BTreeMap<EntityKey, Box<dyn Host>>,
    flying: Vec<Flying>,
}

impl World {
    /// Creates a simulation in its initial state and without faults.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: BEGINNING,
            tenant: TenantId::new("demo").unwrap(),
            bank: Bank::default(),
            mails: Vec::new(),
            calls: Vec::new(),
            chance: Chance(seed),
            faults: Faults::default(),
            journal: Vec::new(),
            entities: BTreeMap::new(),
            flying: Vec::new(),
        }
    }

    /// Sends a request as an external client, and returns the number of the call. The reply is in `calls` once there is
    /// one.
    pub(crate) fn send(&mut self, key: CommandId, request: Request) -> usize {
        let call = self.calls.len();
        self.calls.push(Call { request: request.clone(), key, told: None });
        let context = self.context(key, &request);
        self.command(&request, &context, Caller::Client(call));
        call
    }

    /// Sends a request, and runs the simulation until there is a reply.
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

    /// Reads without changing any state.
    pub(crate) fn read(&self, request: Request) -> Outcome {
        let context = self.context(CommandId(0), &request);
        let key = request.target(&self.tenant).unwrap();
        match self.entities.get(&key) {
            Some(entity) => entity.read(&request, &context),
            None => host(key.kind()).read(&request, &context),
        }
    }

    /// Delivers a random message. Returns `false` if there is none.
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

    /// Continues when no message is in flight: retries the outstanding effects, or advances the clock to the next
    /// wake-up. Returns `false` if nothing is left to do.
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

    /// Advances the clock, without delivering the messages in flight.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.wake();
    }

    /// Runs without faults until no message is in flight, no effect is outstanding, and no wake-up is due before
    /// `horizon`.
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

    /// Retries all outstanding effects. Returns `false` if there are none.
    pub(crate) fn resume(&mut self) -> bool {
        let outstanding = self.outstanding();
        let any = !outstanding.is_empty();
        self.flying.extend(outstanding.into_iter().map(|(from, effect)| Flying::Ask { from, effect }));
        any
    }

    /// Crashes a random entity: it loses its state and recovers from its snapshot and journal.
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

    /// Writes a snapshot of a random entity.
    pub(crate) fn snapshot_one(&mut self) {
        let which = self.chance.below(self.entities.len());
        if let Some(entity) = self.entities.values_mut().nth(which) {
            entity.snapshot();
        }
    }

    /// Returns the keys of all entities of this kind.
    pub(crate) fn keys(&self, kind: Kind) -> Vec<EntityKey> {
        self.entities.keys().filter(|key| key.kind() == kind).cloned().collect()
    }

    /// Returns the events of an entity, to investigate a failing seed.
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
            // An entity expires a bounded number of holds at a time, so it may be due again at once.
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
        if !step.events.is_empty() {
            self.journal.push(Entry { key: key.clone(), at: self.now, events: step.events });
        }
        self.flying.extend(step.effects.into_iter().map(|effect| Flying::Ask { from: key.clone(), effect }));
        for (caller, outcome) in step.told {
            match caller {
                Caller::Effect(to, id) => self.flying.push(Flying::Answer { to, id, outcome }),
                Caller::Client(call) => self.calls[call].told = Some(outcome),
            }
        }
    }
}
