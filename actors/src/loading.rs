//! Loading of an entity: its newest readable snapshot, and the journal's entries after it.
//!
//! A snapshot that cannot be read is passed over, but not forgotten. Its version is one that the entity has reached, so
//! the loaded state has to reach it too: the snapshot before it is completed from the journal.
//!
//! ```text
//!   journal    ─┬──v1──v2──┬──v3──v4──┬──v5──┬──v6──►
//!               0          │          │      └ checkpoint: v6 alone is in its tail
//!                          │          └ snapshot of v4: does not read
//!                          └ snapshot of v2: position is a lower bound of v3
//! ```
//!
//! A state that does not reach the known versions is an error. An entity never starts from an older state, nor from an
//! empty one when it has a history.

use std::sync::{Arc, atomic::Ordering};

use engine::{
    effect::{EffectId, Outcome},
    fault_injection::{Rule, is_broken},
    id::EntityKey,
    kinds::Entity,
    with_kind,
};
use futures::StreamExt;
use persistence::snapshots::{Snapshot, SnapshotAt, SnapshotStoreError};
use streaming::{Entry, JournalError, Position};

use crate::{
    entity::{Loaded, start},
    leader::{Leader, MailboxError},
    mailbox::{Live, Mailbox},
};

/// The reason why an entity cannot be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    /// An entry is missing between two others.
    #[error("entry {expected} of the entity is missing: the next one there is has version {found}")]
    Gap { expected: u64, found: u64 },
    /// An event that this program cannot decode.
    #[error("an event of version {version} does not decode: {why}")]
    Event { version: u64, why: String },
    /// The entity is known to have reached a version that the stores do not give back.
    #[error("the entity was at version {expected}, and the stores give back {found}")]
    Lost { expected: u64, found: u64 },
    /// A newer program version wrote it. This program does not know what those rules mean, so it skips nothing.
    #[error("{what} has rules of version {found}, but this program supports {known}: it was written by a newer one")]
    NewerRules { what: String, found: u16, known: u16 },
    /// The journal does not give the entries, and another attempt does not help.
    #[error(transparent)]
    Journal(JournalError),
    /// The stores did not answer.
    #[error("{0}")]
    Store(String),
}

/// The result of reading an entity's snapshots.
struct Newest<A> {
    /// The newest readable state, or the empty one if there is none.
    loaded: Loaded<A>,
    /// The position at or before which the journal's entries after that state begin.
    from: Position,
    /// The newest snapshot that was passed over.
    passed: Option<PassedOver>,
}

struct PassedOver {
    /// The version of the snapshot; 0 if even that cannot be read.
    version: u64,
    why: String,
}

/// The source of the entries after a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The entries of the tail that were read when the leadership began.
    Memory,
    /// The journal, from this position on.
    Journal(Position),
}

impl Leader {
    /// The mailbox of an entity, which is loaded if necessary.
    pub async fn mailbox<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<Mailbox<A>>, MailboxError> {
        loop {
            if let Some(mailbox) = self.mailbox_in_memory(key) {
                return mailbox;
            }
            self.load::<A>(key).await?;
        }
    }

    /// The entity with this key, of whatever kind, which is loaded if necessary.
    pub async fn any(self: &Arc<Self>, key: &EntityKey) -> Result<Arc<dyn Live>, MailboxError> {
        loop {
            if let Some(live) = self.live.get(key).map(|live| live.value().clone()) {
                return Ok(live);
            }
            with_kind!(key.kind(), A => self.load::<A>(key).await?);
        }
    }

    /// Loads an entity once, even if many callers request it at the same time.
    async fn load<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        if self.has_ended() {
            return Err(MailboxError::Gone);
        }
        if let Some(why) = self.quarantined.lock().get(key) {
            return Err(MailboxError::Quarantined(why.clone()));
        }
        let cell = self.loading.lock().entry(key.clone()).or_default().clone();
        let loaded = cell.get_or_try_init(|| self.load_now::<A>(key)).await;
        let mut loading = self.loading.lock();
        // After a failure the next waiting caller tries again in the same cell, so the cell may be removed only with
        // the last of them. Two references are left then: the one in the map, and this one.
        let last = Arc::strong_count(&cell) <= 2;
        if (loaded.is_ok() || last) && loading.get(key).is_some_and(|known| Arc::ptr_eq(known, &cell)) {
            loading.remove(key);
        }
        loaded.map(|_| ())
    }

    async fn load_now<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<(), MailboxError> {
        // A load that ended just before this one began may have removed its cell already.
        if self.live.contains_key(key) {
            return Ok(());
        }
        let loaded = match self.read_entity::<A>(key).await {
            Ok(loaded) => loaded,
            Err(LoadError::Store(why)) => return Err(MailboxError::Store(why)),
            Err(error) => {
                let why = error.to_string();
                tracing::error!(%key, why, "entity parked: it does not load");
                self.quarantined.lock().insert(key.clone(), why.clone());
                return Err(MailboxError::Quarantined(why));
            }
        };
        tracing::debug!(%key, version = loaded.version, from_snapshot = loaded.from_snapshot, "entity loaded");
        let mailbox = start::<A>(self, key, loaded).await.map_err(|_| MailboxError::Gone)?;
        // Inserted first, checked afterwards. The leadership may have ended since the check in `load`, and whoever
        // ended it stops only the entities that are in the map at that time: one of the two sides sees this entity in
        // any case.
        let former = self.live.insert(key.clone(), mailbox);
        assert!(former.is_none(), "two actors own the entity {key}");
        metrics::gauge!("fusion_live_entities", "kind" => A::KIND.name()).increment(1.0);
        if self.has_ended() {
            self.stop_entities();
            return Err(MailboxError::Gone);
        }
        Ok(())
    }

    /// Delivers the outcome of an effect to the entity that asked for it.
    pub async fn deliver(
        self: &Arc<Self>,
        key: &EntityKey,
        effect: EffectId,
        outcome: Outcome,
    ) -> Result<(), MailboxError> {
        self.any(key).await?.outcome(effect, outcome).map_err(|_| MailboxError::Gone)
    }

    /// Reads an entity's accepted state: its newest readable snapshot, and the entries after it.
    async fn read_entity<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<Loaded<A>, LoadError> {
        let mut newest = Some(self.newest_snapshot::<A>(key).await?);
        let passed = newest.as_mut().and_then(|newest| newest.passed.take());
        let from = newest.as_ref().map_or(Position(0), |newest| newest.from);
        // The version that the state has to reach. Each record of it can be the only one: entities that left memory
        // since the checkpoint, entities changed since the checkpoint, and a snapshot that could not be read.
        let passivated = self.passivated.lock().get(key).copied().unwrap_or(0);
        let expected =
            passivated.max(self.version_in_tail(key)).max(passed.as_ref().map_or(0, |passed| passed.version));
        let mut problem = LoadError::Lost { expected, found: 0 };
        for source in self.sources(from, passed.is_some()) {
            let entries = match source {
                Source::Memory => self.recovered.lock().get(key).cloned().unwrap_or_default(),
                Source::Journal(from) => self.entries_since(key, from).await?,
            };
            // A failed attempt has changed the state, so each attempt begins with a fresh one.
            let mut loaded = match newest.take() {
                Some(newest) => newest.loaded,
                None => self.newest_snapshot::<A>(key).await?.loaded,
            };
            match fold(&mut loaded, &entries) {
                Ok(()) if loaded.version >= expected => {
                    let as_kept = loaded.kept.is_some_and(|at| at.version == loaded.version);
                    loaded.restorable_version = passed.is_none() && (as_kept || source == Source::Memory);
                    self.note_load(key, loaded.version, source, passed.as_ref());
                    return Ok(loaded);
                }
                Ok(()) => problem = LoadError::Lost { expected, found: loaded.version },
                Err(error @ LoadError::Gap { .. }) => problem = error,
                Err(error) => return Err(error),
            }
        }
        Err(problem)
    }

    /// The sources that can complete a snapshot, the cheapest first. Each contains all entries of the one before it.
    fn sources(&self, from: Position, passed_over: bool) -> Vec<Source> {
        let tail = Position(self.tail_from.load(Ordering::Acquire));
        if passed_over && is_broken(Rule::PassedOverSnapshotForgotten) {
            return vec![Source::Memory, Source::Journal(tail)];
        }
        // After a snapshot was passed over, the tail is not enough: the older snapshot may be from before the
        // checkpoint, and the entries in between are only in the journal.
        let mut sources = if passed_over { Vec::new() } else { vec![Source::Memory, Source::Journal(tail)] };
        sources.push(Source::Journal(from.min(tail)));
        // Snapshots of earlier program versions may have a position that is too late. The beginning of the log is not.
        sources.push(Source::Journal(Position(0)));
        sources.dedup();
        sources
    }

    /// Reports to the operator when an entity was not loaded in the usual way.
    fn note_load(&self, key: &EntityKey, version: u64, source: Source, passed: Option<&PassedOver>) {
        let tail = Position(self.tail_from.load(Ordering::Acquire));
        let why = match (passed, source) {
            (Some(PassedOver { why, .. }), _) => why.clone(),
            (None, Source::Journal(from)) if from < tail => "its snapshot does not reach the checkpoint".to_owned(),
            (None, _) => return,
        };
        tracing::error!(%key, version, why, ?source, "entity loaded from the journal instead of its newest snapshot");
        metrics::counter!("fusion_snapshots_passed_over_total", "kind" => key.kind().name()).increment(1);
        self.resources
            .dead_letters
            .add(key, &format!("its newest snapshot was passed over, and the journal read instead: {why}"));
    }

    /// Finds the newest snapshot that can be read, and notes the newest one that was passed over.
    async fn newest_snapshot<A: Entity>(&self, key: &EntityKey) -> Result<Newest<A>, LoadError> {
        let (mut before, mut passed): (Option<SnapshotAt>, Option<PassedOver>) = (None, None);
        loop {
            let key_bytes = bytes::Bytes::copy_from_slice(key.as_bytes());
            let (at, why) = match self.resources.snapshots.newest(key_bytes, before).await {
                Ok(Some(snapshot)) => match thaw::<A>(&snapshot) {
                    Ok(aggregate) => {
                        let loaded = Loaded {
                            aggregate,
                            version: snapshot.version,
                            from_snapshot: true,
                            kept: Some(snapshot.at()),
                            restorable_version: false,
                        };
                        return Ok(Newest { loaded, from: Position(snapshot.position), passed });
                    }
                    Err(Unread::NewerRules { found, known }) => {
                        let what = format!("the snapshot of version {}", snapshot.version);
                        return Err(LoadError::NewerRules { what, found, known });
                    }
                    Err(Unread::Body(why)) => (Some(snapshot.at()), why),
                },
                Ok(None) => break,
                Err(SnapshotStoreError::Damaged { at, why, .. }) => (at, why),
                Err(error) => return Err(LoadError::Store(error.to_string())),
            };
            tracing::warn!(%key, version = at.map(|at| at.version), why, "snapshot passed over");
            if is_broken(Rule::PassedOverSnapshotForgotten) {
                passed = Some(PassedOver { version: 0, why });
            } else {
                passed.get_or_insert(PassedOver { version: at.map_or(0, |at| at.version), why });
            }
            // Older snapshots are found by the version and position of this one. Without those the search ends.
            let Some(at) = at else { break };
            before = Some(at);
        }
        let aggregate = A::default();
        let loaded = Loaded { aggregate, version: 0, from_snapshot: false, kept: None, restorable_version: false };
        Ok(Newest { loaded, from: Position(0), passed })
    }

    /// Reads the accepted entries of an entity from the journal, starting at a position.
    async fn entries_since(&self, key: &EntityKey, from: Position) -> Result<Vec<Entry>, LoadError> {
        let mut entries = Vec::new();
        let mut batches = self.resources.journal.read(self.shard, from);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| match error {
                JournalError::Store(_) | JournalError::LostRace { .. } => LoadError::Store(error.to_string()),
                error => LoadError::Journal(error),
            })?;
            if batch.header.rules > engine::RULES_VERSION {
                let what = format!("the journal at position {}", batch.header.first);
                let (found, known) = (batch.header.rules, engine::RULES_VERSION);
                return Err(LoadError::NewerRules { what, found, known });
            }
            entries
                .extend(batch.entries().map(|(_, entry)| entry).filter(|entry| entry.key == key.as_bytes()).cloned());
        }
        Ok(entries)
    }
}

/// The reason why a snapshot does not give a state.
enum Unread {
    NewerRules { found: u16, known: u16 },
    Body(String),
}

fn thaw<A: Entity>(snapshot: &Snapshot) -> Result<A, Unread> {
    let (found, known) = (snapshot.rules, engine::RULES_VERSION);
    if found > known {
        return Err(Unread::NewerRules { found, known });
    }
    A::from_snapshot(snapshot.format, &snapshot.bytes)
        .map_err(|error| Unread::Body(format!("the snapshot of version {} does not decode: {error}", snapshot.version)))
}

/// Applies the entries that the state lacks. Entries up to its version are already in it and are skipped: the position
/// of a snapshot is only a lower bound.
fn fold<A: Entity>(loaded: &mut Loaded<A>, entries: &[Entry]) -> Result<(), LoadError> {
    for entry in entries {
        if entry.version <= loaded.version {
            continue;
        }
        let expected = loaded.version + 1;
        if entry.version != expected {
            return Err(LoadError::Gap { expected, found: entry.version });
        }
        let mut decoder = minicbor::Decoder::new(&entry.events);
        while decoder.position() < entry.events.len() {
            let event: A::Event =
                decoder.decode().map_err(|error| LoadError::Event { version: expected, why: error.to_string() })?;
            loaded.aggregate.apply(&event);
        }
        loaded.version = expected;
    }
    Ok(())
}
