//! Shared test code of the projections: a journal in memory, and aggregates that write to it.

#![allow(clippy::unwrap_used)]

use engine::{
    aggregate::{Answer, Context, DeferredReply},
    effect::{Effect, Outcome},
    id::{CommandId, EntityKey, Fingerprint},
    kinds::Entity,
    time::Timestamp,
};
use minicbor::Encode;

use super::{Applied, ProjectError, Projector, Record, RecordRange};
use crate::sql::{ReadSide, testing::Shop};

/// The accepted entries of one shard.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) shard: u16,
    next: u64,
    entries: Vec<(u64, EntityKey, Timestamp, Vec<u8>)>,
}

impl Journal {
    pub(super) fn new(shard: u16) -> Self {
        Self { shard, next: 0, entries: Vec::new() }
    }

    /// Appends an entry: the events of `key` at `at` by one command.
    pub(super) fn append<E: Encode<()>>(&mut self, key: &EntityKey, at: Timestamp, events: &[E]) {
        let mut bytes = Vec::new();
        for event in events {
            minicbor::encode(event, &mut bytes).unwrap();
        }
        self.append_bytes(key, at, bytes);
    }

    pub(super) fn append_bytes(&mut self, key: &EntityKey, at: Timestamp, bytes: Vec<u8>) {
        self.entries.push((self.next, key.clone(), at, bytes));
        self.next += 1;
    }

    /// Appends a leadership change, or a batch without entries.
    pub(super) fn append_nothing(&mut self) {
        self.next += 1;
    }

    pub(super) fn end(&self) -> u64 {
        self.next
    }

    pub(super) fn all(&self) -> RecordRange<'_> {
        self.range(0, self.next)
    }

    pub(super) fn range(&self, first: u64, end: u64) -> RecordRange<'_> {
        let within = self.entries.iter().filter(|(position, ..)| (first..end).contains(position));
        let records =
            within.map(|(position, key, at, events)| Record { position: *position, key: key.clone(), at: *at, events });
        RecordRange { shard: self.shard, first, end, records: records.collect() }
    }
}

/// A database, its projector and a journal.
pub(super) struct World {
    pub(super) shop: Shop,
    pub(super) projector: Projector,
    pub(super) journal: Journal,
}

impl World {
    pub(super) async fn new() -> Self {
        let shop = Shop::open().await;
        let projector = Projector::open(shop.read_side.clone()).await.unwrap();
        Self { shop, projector, journal: Journal::new(0) }
    }

    pub(super) fn read_side(&self) -> &ReadSide {
        &self.shop.read_side
    }

    /// Applies all new records.
    pub(super) async fn project(&mut self) -> Result<Applied, ProjectError> {
        let next = self.projector.positions().await?.get(&self.journal.shard).copied().unwrap_or(0);
        self.projector.apply(&[self.journal.range(next, self.journal.end())]).await
    }
}

/// An aggregate whose events are appended to a journal.
pub(super) struct Actor<A: Entity> {
    pub(super) key: EntityKey,
    pub(super) state: A,
    commands: u128,
}

impl<A: Entity> Actor<A> {
    pub(super) fn new(key: EntityKey) -> Self {
        Self { key, state: A::default(), commands: 0 }
    }

    /// Sends a command. Its effects receive the outcomes that `outcome_of` returns. Returns `None` if the command is
    /// refused.
    pub(super) fn ask(
        &mut self,
        journal: &mut Journal,
        now: Timestamp,
        command: &A::Command,
        outcome_of: impl Fn(&Effect) -> Option<Outcome>,
    ) -> Option<A::Reply> {
        self.commands += 1;
        let context = Context {
            now,
            command_id: CommandId(self.commands),
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(self.commands),
        };
        let decision = self.state.decide(command, &context).ok()?;
        self.apply(journal, now, decision.events);
        loop {
            let answered = self.state.outstanding().into_iter().find_map(|effect| {
                let outcome = outcome_of(&effect)?;
                Some(self.state.receive_outcome(effect.id, outcome, now).unwrap()).filter(|events| !events.is_empty())
            });
            match answered {
                Some(events) => self.apply(journal, now, events),
                None => break,
            }
        }
        match decision.answer {
            Answer::Now(reply) | Answer::Duplicate(reply) => Some(reply),
            Answer::Deferred(_) => {
                let deferred = DeferredReply { command_id: CommandId(self.commands), duplicate: false };
                self.state.deferred_reply(&deferred, now)?.ok()
            }
        }
    }

    /// Wakes the aggregate at the time `now`.
    pub(super) fn wake(&mut self, journal: &mut Journal, now: Timestamp) {
        let events = self.state.on_wake(now);
        self.apply(journal, now, events);
    }

    pub(super) fn apply(&mut self, journal: &mut Journal, now: Timestamp, events: Vec<A::Event>) {
        if events.is_empty() {
            return;
        }
        for event in &events {
            self.state.apply(event);
        }
        journal.append(&self.key, now, &events);
    }
}

/// Returns no outcome for any effect.
pub(super) fn no_outcome(_: &Effect) -> Option<Outcome> {
    None
}
