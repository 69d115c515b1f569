//! Walks through the journal, folds every entity, and compares each with its snapshot on the way.

use std::collections::{BTreeSet, HashMap};

use actors::shard::CheckpointForm;
use bytes::Bytes;
use engine::{
    id::{EntityKey, TenantId},
    time::Timestamp,
};
use futures::StreamExt;
use persistence::snapshots::{Snapshot, SnapshotStore, SnapshotStoreError};
use streaming::{Entry, Journal, Position, ShardId};

use super::{
    Check,
    fold::{Folding, blank},
    stock::Stock,
};

/// Bytes of a shard's journal that are folded in one pass. A larger journal takes several passes, each for a part of
/// the entities, so that the doctor needs less memory than the server.
const PASS_BYTES: u64 = 256 << 20;

/// The results of the walk.
pub(super) struct Walked {
    pub(super) journal: Check,
    pub(super) snapshots: Check,
    pub(super) stock: Stock,
    pub(super) tenants: BTreeSet<TenantId>,
}

/// An entity that is being folded.
struct Walking {
    version: u64,
    fold: Box<dyn Folding>,
    snapshot: Option<Snapshot>,
    /// Whether a problem was reported: later entries of the entity are skipped.
    broken: bool,
}

struct Walk<'a> {
    journal: &'a dyn Journal,
    store: Option<&'a dyn SnapshotStore>,
    found: Walked,
    entities: u64,
    entries: u64,
    compared: u64,
}

/// Walks through every shard up to its accepted end.
pub(super) async fn walk(journal: &dyn Journal, store: Option<&dyn SnapshotStore>) -> Walked {
    let found = Walked {
        journal: Check::new("journal"),
        snapshots: Check::new("snapshots"),
        stock: Stock::default(),
        tenants: BTreeSet::new(),
    };
    let mut walk = Walk { journal, store, found, entities: 0, entries: 0, compared: 0 };
    for shard in (0..journal.shards()).map(ShardId) {
        if let Err(problem) = walk.shard(shard).await {
            walk.found.journal.problem(format!("shard {shard}: {problem}"));
        }
    }
    walk.found.journal.found = format!("{} entries of {} entities", walk.entries, walk.entities);
    walk.found.snapshots.found = format!("{} compared with the journal", walk.compared);
    walk.found
}

impl Walk<'_> {
    async fn shard(&mut self, shard: ShardId) -> Result<(), String> {
        let end = self.journal.accepted(shard).await.map_err(|error| error.to_string())?;
        self.checkpoints(shard, end).await;
        let passes = self.bytes(shard, end).await?.div_ceil(PASS_BYTES).max(1);
        for pass in 0..passes {
            self.pass(shard, end, pass, passes).await?;
        }
        Ok(())
    }

    /// Folds one part of a shard's entities.
    async fn pass(&mut self, shard: ShardId, end: Position, pass: u64, passes: u64) -> Result<(), String> {
        let mut walking: HashMap<EntityKey, Walking> = HashMap::new();
        let (mut next, mut newest) = (Position(0), Timestamp(0));
        let mut batches = self.journal.read(shard, Position(0));
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| error.to_string())?;
            if batch.header.first >= end {
                break;
            }
            if batch.header.first != next {
                return Err(format!("positions {next} to {} are missing", batch.header.first));
            }
            next = batch.header.end();
            for (position, entry) in batch.entries() {
                newest = newest.max(Timestamp(entry.at_ms));
                let key = EntityKey::from_bytes(&entry.key)
                    .ok_or_else(|| format!("position {position}: an entry of an unknown kind"))?;
                if part(&key, passes) == pass {
                    self.entry(shard, position, key, entry, &mut walking).await;
                }
            }
        }
        if next < end {
            return Err(format!("ends at position {next}, but {end} is accepted"));
        }
        for (key, walked) in walking {
            self.entities += 1;
            self.found.tenants.insert(key.tenant());
            self.found.stock.note(&key, walked.fold.stock_figures(newest));
            // A running server may have written a newer snapshot in the meantime.
            let beyond = |snapshot: &Snapshot| !walked.broken && snapshot.position < end.0;
            if let Some(snapshot) = walked.snapshot.filter(beyond) {
                let (version, last) = (snapshot.version, walked.version);
                self.found
                    .snapshots
                    .problem(format!("{key}: a snapshot of version {version}, but the journal ends at {last}"));
            }
        }
        Ok(())
    }

    async fn bytes(&self, shard: ShardId, end: Position) -> Result<u64, String> {
        let mut batches = self.journal.read(shard, Position(0));
        let mut bytes = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| error.to_string())?;
            if batch.header.first >= end {
                break;
            }
            bytes += batch.entries().map(|(_, entry)| entry.events.len() as u64).sum::<u64>();
        }
        Ok(bytes)
    }

    async fn entry(
        &mut self,
        shard: ShardId,
        position: Position,
        key: EntityKey,
        entry: &Entry,
        walking: &mut HashMap<EntityKey, Walking>,
    ) {
        self.entries += 1;
        if !walking.contains_key(&key) {
            let snapshot = self.newest_snapshot(&key).await;
            let fold = blank(&key);
            walking.insert(key.clone(), Walking { version: 0, fold, snapshot, broken: false });
        }
        let Some(walked) = walking.get_mut(&key).filter(|walked| !walked.broken) else { return };
        if entry.version != walked.version + 1 {
            let (expected, found) = (walked.version + 1, entry.version);
            walked.broken = true;
            self.found
                .journal
                .problem(format!("shard {shard} position {position}: {key} has entry {found} after {}", expected - 1));
            return;
        }
        walked.version = entry.version;
        if let Err(why) = walked.fold.apply(&entry.events) {
            walked.broken = true;
            self.found.journal.problem(format!("shard {shard} position {position}: {key}: {why}"));
            return;
        }
        if walked.snapshot.as_ref().is_some_and(|snapshot| snapshot.version == walked.version)
            && let Some(snapshot) = walked.snapshot.take()
        {
            self.compared += 1;
            if let Err(why) = walked.fold.compare(&snapshot) {
                self.found.snapshots.problem(format!("{key}: the snapshot of version {} {why}", snapshot.version));
            }
        }
    }

    async fn newest_snapshot(&mut self, key: &EntityKey) -> Option<Snapshot> {
        match self.store?.newest(Bytes::copy_from_slice(key.as_bytes()), None).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.found.snapshots.problem(error.to_string());
                None
            }
        }
    }

    async fn checkpoints(&mut self, shard: ShardId, end: Position) {
        let Some(store) = self.store else { return };
        let mut before = None;
        loop {
            match store.newest_checkpoint(shard.0, before).await {
                Ok(None) => return,
                Ok(Some(checkpoint)) => {
                    let at = checkpoint.position;
                    let problem = match CheckpointForm::read(&checkpoint) {
                        Err(why) => Some(format!("the checkpoint at {at} cannot be used: {why}")),
                        Ok(_) if at > end.0 => Some(format!("a checkpoint at {at}, but the journal ends at {end}")),
                        Ok(_) => None,
                    };
                    if let Some(problem) = problem {
                        self.found.snapshots.problem(format!("shard {shard}: {problem}"));
                    }
                    before = Some(at);
                }
                Err(error) => {
                    self.found.snapshots.problem(error.to_string());
                    let SnapshotStoreError::DamagedCheckpoint { position: Some(position), .. } = error else { return };
                    before = Some(position);
                }
            }
        }
    }
}

/// Returns the pass in which an entity is folded.
fn part(key: &EntityKey, passes: u64) -> u64 {
    // Not the hash that assigns entities to shards: its values are alike within a shard.
    engine::id::digest128(&[key.as_bytes()]) as u64 % passes
}
