//! How an entity comes into memory: its newest snapshot that reads, and what the journal has after it.
//!
//! A snapshot that does not read is passed over, but not forgotten. Its version is one that the entity has reached, so
//! the state that is loaded has to reach it too: the snapshot before it is completed from the journal.
//!
//! ```text
//!   journal    ─┬──v1──v2──┬──v3──v4──┬──v5──┬──v6──►
//!               0          │          │      └ checkpoint: v6 alone is in its tail
//!                          │          └ snapshot of v4: does not read
//!                          └ snapshot of v2: position is a lower bound of v3
//! ```
//!
//! Whatever does not reach the versions that are known is an error. An entity never starts from an older state, nor
//! from none when it has one.

use std::sync::{Arc, atomic::Ordering};

use engine::{
    aggregate::Aggregate,
    id::EntityKey,
    sabotage::{Rule, is_broken},
};
use futures::StreamExt;
use persistence::snapshots::{Snapshot, SnapshotAt, SnapshotStoreError};
use streaming::{Entry, JournalError, Position};

use super::leading::Leading;
use crate::entity::Loaded;

/// Why an entity does not load.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// Its state has a hole: an entry is missing.
    #[error("entry {expected} of the entity is missing: the next one there is has version {found}")]
    Gap { expected: u64, found: u64 },
    /// An event that this program cannot read.
    #[error("an event of version {version} does not decode: {why}")]
    Event { version: u64, why: String },
    /// Its state is known to have reached a version that no store gives back.
    #[error("the entity was at version {expected}, and the stores give back {found}")]
    Lost { expected: u64, found: u64 },
    /// A newer program wrote it. What its rules mean here is not known, so nothing of it is skipped.
    #[error("{what} has rules of version {found}, and this program knows {known}: it was written by a newer one")]
    NewerRules { what: String, found: u16, known: u16 },
    /// The journal does not give its entries, and trying again does not help.
    #[error(transparent)]
    Journal(JournalError),
    /// The stores did not answer.
    #[error("{0}")]
    Store(String),
}

/// What the snapshots of an entity come to.
struct Newest<A> {
    /// The newest state that reads; the empty one without any.
    loaded: Loaded<A>,
    /// Where the journal's entries after that state begin, at the latest.
    from: Position,
    /// The newest snapshot that was passed over.
    passed: Option<PassedOver>,
}

struct PassedOver {
    /// The version that it has, if even that can be read.
    version: u64,
    why: String,
}

/// Where the entries after a snapshot are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// What was read of the tail when the leadership began.
    Memory,
    /// The journal, from here on.
    Journal(Position),
}

impl Leading {
    /// Reads an entity's accepted state: its newest snapshot that reads, and the entries after it.
    pub(super) async fn read_entity<A: Aggregate>(self: &Arc<Self>, key: &EntityKey) -> Result<Loaded<A>, LoadError> {
        let mut newest = Some(self.newest_snapshot::<A>(key).await?);
        let passed = newest.as_mut().and_then(|newest| newest.passed.take());
        let from = newest.as_ref().map_or(Position(0), |newest| newest.from);
        let retired = self.retired.lock().get(key).copied().unwrap_or(0);
        let expected = retired.max(self.version_in_tail(key)).max(passed.as_ref().map_or(0, |passed| passed.version));
        let mut problem = LoadError::Lost { expected, found: 0 };
        for source in self.sources(from, passed.is_some()) {
            let entries = match source {
                Source::Memory => self.recovered.lock().get(key).cloned().unwrap_or_default(),
                Source::Journal(from) => self.entries_since(key, from).await?,
            };
            // An attempt that failed has changed the state: each begins with a fresh one.
            let mut loaded = match newest.take() {
                Some(newest) => newest.loaded,
                None => self.newest_snapshot::<A>(key).await?.loaded,
            };
            match fold(&mut loaded, &entries) {
                Ok(()) if loaded.version >= expected => {
                    let as_kept = loaded.kept.is_some_and(|at| at.version == loaded.version);
                    loaded.loads_again = passed.is_none() && (as_kept || source == Source::Memory);
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

    /// The ways to complete a snapshot, the cheapest first. Each finds all that the one before does.
    fn sources(&self, from: Position, passed_over: bool) -> Vec<Source> {
        let tail = Position(self.tail_from.load(Ordering::Acquire));
        if passed_over && is_broken(Rule::PassedOverSnapshotForgotten) {
            return vec![Source::Memory, Source::Journal(tail)];
        }
        // Between the checkpoint and a snapshot older than it lies what only the one passed over had.
        let mut sources = if passed_over { Vec::new() } else { vec![Source::Memory, Source::Journal(tail)] };
        sources.push(Source::Journal(from.min(tail)));
        // Snapshots of former programs may name a position that is not early enough. The beginning is.
        sources.push(Source::Journal(Position(0)));
        sources.dedup();
        sources
    }

    /// Tells an operator when an entity was not loaded in the usual way.
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

    async fn newest_snapshot<A: Aggregate>(&self, key: &EntityKey) -> Result<Newest<A>, LoadError> {
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
                            loads_again: false,
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
            // Behind one that does not say where it stands, nothing can be looked for.
            let Some(at) = at else { break };
            before = Some(at);
        }
        let aggregate = A::default();
        let loaded = Loaded { aggregate, version: 0, from_snapshot: false, kept: None, loads_again: false };
        Ok(Newest { loaded, from: Position(0), passed })
    }

    /// The accepted entries of an entity, from a position on.
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

/// Why a snapshot is not a state.
enum Unread {
    NewerRules { found: u16, known: u16 },
    Body(String),
}

fn thaw<A: Aggregate>(snapshot: &Snapshot) -> Result<A, Unread> {
    let (found, known) = (snapshot.rules, engine::RULES_VERSION);
    if found > known {
        return Err(Unread::NewerRules { found, known });
    }
    A::from_snapshot(snapshot.format, &snapshot.bytes)
        .map_err(|error| Unread::Body(format!("the snapshot of version {} does not decode: {error}", snapshot.version)))
}

fn fold<A: Aggregate>(loaded: &mut Loaded<A>, entries: &[Entry]) -> Result<(), LoadError> {
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
