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
    fault_injection::{Rule, is_broken},
    id::EntityKey,
    kinds::Entity,
};
use futures::StreamExt;
use persistence::snapshots::{Snapshot, SnapshotAt, SnapshotStoreError};
use streaming::{Entry, JournalError, Position};

use super::leader::Leader;
use crate::entity::Loaded;

/// The reason why an entity cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
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
    /// Reads an entity's accepted state: its newest readable snapshot, and the entries after it.
    pub(super) async fn read_entity<A: Entity>(self: &Arc<Self>, key: &EntityKey) -> Result<Loaded<A>, LoadError> {
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
        self.node
            .dead_letter(key, &format!("its newest snapshot was passed over, and the journal read instead: {why}"));
    }

    /// Finds the newest snapshot that can be read, and notes the newest one that was passed over.
    async fn newest_snapshot<A: Entity>(&self, key: &EntityKey) -> Result<Newest<A>, LoadError> {
        let (mut before, mut passed): (Option<SnapshotAt>, Option<PassedOver>) = (None, None);
        loop {
            let key_bytes = bytes::Bytes::copy_from_slice(key.as_bytes());
            let (at, why) = match self.node.snapshots.newest(key_bytes, before).await {
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
        let mut batches = self.node.journal.read(self.shard, from);
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
