//! The journal in memory: for tests, with fault injection.
//!
//! It holds the raw log of each shard, including records that do not count, and judges it as every reader does. A
//! handle is cheap to clone, and all clones share one journal: a test that crashes a node drops the node and starts
//! another on a clone.
//!
//! The journal has no thread, clock or randomness. On a current-thread runtime with paused time it behaves identically
//! in every run. A runtime is needed only for faults that wait.

mod faults;
mod lane;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;

pub use faults::{Fault, Faults, NoFaults};

use crate::{
    batch::{self, Batch, BatchError, Content, Epoch, Header, Nonce, Position, ShardId},
    fencing::{FencingState, Verdict},
    journal::{BatchStream, Journal, JournalError, Lead, Leadership},
};

/// A journal in memory. Clones share its contents.
#[derive(Clone)]
pub struct MemoryJournal {
    store: Arc<Store>,
}

struct Store {
    shards: Vec<Mutex<ShardLog>>,
    faults: Box<dyn Faults>,
    seed: u64,
    nonces: AtomicU64,
}

/// One record of a raw log.
struct Record {
    bytes: Bytes,
    header: Header,
    verdict: Verdict,
}

#[derive(Default)]
struct ShardLog {
    records: Vec<Record>,
    /// The indexes in `records` of the records that count.
    counted: Vec<usize>,
    fencing: FencingState,
}

impl ShardLog {
    fn land(&mut self, bytes: Bytes, header: Header, content: &Content) -> Verdict {
        let verdict = self.fencing.judge(&header, content);
        if verdict == Verdict::Counts {
            self.counted.push(self.records.len());
        }
        self.records.push(Record { bytes, header, verdict });
        verdict
    }

    fn counted(&self) -> impl Iterator<Item = &Record> {
        self.counted.iter().map(|&at| &self.records[at])
    }
}

impl std::fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryJournal").field("shards", &self.store.shards.len()).finish_non_exhaustive()
    }
}

impl MemoryJournal {
    /// Returns an empty journal that never fails.
    pub fn new(shards: u16) -> Self {
        Self::with_faults(shards, 0, NoFaults)
    }

    /// Returns an empty journal that fails as `faults` decide. Nonces count up from `seed`.
    pub fn with_faults(shards: u16, seed: u64, faults: impl Faults + 'static) -> Self {
        let logs = (0..shards).map(|_| Mutex::default()).collect();
        Self { store: Arc::new(Store { shards: logs, faults: Box::new(faults), seed, nonces: AtomicU64::new(0) }) }
    }

    /// Returns the batches of a shard that count so far, oldest first. An answer given by now may depend only on these.
    pub fn accepted_log(&self, shard: ShardId) -> Vec<Batch> {
        let log = self.store.shards[usize::from(shard.0)].lock();
        log.counted().map(|record| Batch::decode(&record.bytes).expect("only decoded batches are stored")).collect()
    }

    /// Returns the position after the newest batch that counts, without waiting and without faults.
    pub fn accepted_now(&self, shard: ShardId) -> Position {
        self.store.shards[usize::from(shard.0)].lock().fencing.next
    }

    /// Returns the whole log of a shard in the order of arrival, with the verdict on each record.
    pub fn raw_log(&self, shard: ShardId) -> Vec<(Header, Verdict)> {
        let log = self.store.shards[usize::from(shard.0)].lock();
        log.records.iter().map(|record| (record.header, record.verdict)).collect()
    }

    /// Appends a record to a shard's log, as a writer that no longer leads might, and returns the verdict.
    pub fn inject(&self, shard: ShardId, bytes: Bytes) -> Result<Verdict, BatchError> {
        let batch = Batch::decode(&bytes)?;
        Ok(self.store.land(shard, bytes, batch.header, &batch.content))
    }
}

impl Store {
    fn log(&self, shard: ShardId) -> Result<&Mutex<ShardLog>, JournalError> {
        let unknown = || JournalError::Store(format!("no shard {shard} among {}", self.shards.len()));
        self.shards.get(usize::from(shard.0)).ok_or_else(unknown)
    }

    fn land(&self, shard: ShardId, bytes: Bytes, header: Header, content: &Content) -> Verdict {
        self.shards[usize::from(shard.0)].lock().land(bytes, header, content)
    }

    fn nonce(&self) -> Nonce {
        let count = self.nonces.fetch_add(1, Ordering::Relaxed) + 1;
        Nonce((u128::from(self.seed) << 64) | u128::from(count))
    }

    fn lead_header(&self, shard: ShardId) -> Result<Header, JournalError> {
        let fencing = self.log(shard)?.lock().fencing;
        let epoch = Epoch(fencing.epoch.0 + 1);
        Ok(Header { rules: 0, epoch, nonce: self.nonce(), first: fencing.next, count: 1 })
    }

    /// Acquires leadership as a client of a remote log does: read the tail, append the Lead, check whether it counts.
    async fn lead(self: Arc<Self>, shard: ShardId, node: String) -> Result<Lead, JournalError> {
        batch::check_node(&node).map_err(JournalError::Store)?;
        let header = self.lead_header(shard)?;
        let verdict = match self.faults.on_lead(shard, &header) {
            Fault::None => self.land_lead(shard, header, &node),
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                self.land_lead(shard, header, &node)
            }
            Fault::FailBefore => return Err(JournalError::Store("injected: lead failed".into())),
            Fault::Lose => return Err(JournalError::Store("injected: lead lost".into())),
            Fault::FailAfter => {
                self.land_lead(shard, header, &node);
                return Err(JournalError::Store("injected: lead landed unheard".into()));
            }
            Fault::LandLate(delay) => {
                let store = Arc::clone(&self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    store.land_lead(shard, header, &node);
                });
                return Err(JournalError::Store("injected: lead is late".into()));
            }
        };
        let header = match verdict {
            // The former owner appended in the meantime: read the tail again, and land at once this time.
            Verdict::OutOfPlace => {
                let header = self.lead_header(shard)?;
                self.land_lead(shard, header, &node);
                header
            }
            _ => header,
        };
        match self.log(shard)?.lock().fencing {
            now if (now.epoch, now.nonce) == (header.epoch, header.nonce) => {
                Ok(Lead { epoch: header.epoch, nonce: header.nonce, at: header.first })
            }
            now => Err(JournalError::LostRace { shard, epoch: now.epoch }),
        }
    }

    fn land_lead(&self, shard: ShardId, header: Header, node: &str) -> Verdict {
        self.land(shard, batch::encode_lead(header, node), header, &Content::Lead { node: node.to_owned() })
    }
}

impl Journal for MemoryJournal {
    fn shards(&self) -> u16 {
        self.store.shards.len() as u16
    }

    fn acquire_leadership(
        &self,
        shard: ShardId,
        node: &str,
    ) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>> {
        let (store, node) = (Arc::clone(&self.store), node.to_owned());
        async move {
            let lead = Arc::clone(&store).lead(shard, node).await?;
            Ok(Box::new(lane::MemoryLeadership::new(store, shard, lead)) as Box<dyn Leadership>)
        }
        .boxed()
    }

    fn read(&self, shard: ShardId, from: Position) -> BatchStream {
        let store = Arc::clone(&self.store);
        let delay = store.faults.read_delay(shard);
        let range = match (store.faults.on_read(shard, from), store.log(shard)) {
            (Some(error), _) | (None, Err(error)) => Err(error),
            (None, Ok(log)) => {
                let log = log.lock();
                let start = log.counted.partition_point(|&at| log.records[at].header.end() <= from);
                Ok(start..log.counted.len())
            }
        };
        let batches = move |range: std::ops::Range<usize>| {
            stream::iter(range).map(move |index| {
                let log = store.log(shard)?.lock();
                let record = &log.records[log.counted[index]];
                let damaged = |error| JournalError::damaged(shard, record.header.first, &error);
                Batch::decode(&record.bytes).map_err(damaged)
            })
        };
        let stream = match range {
            Err(error) => stream::iter([Err(error)]).boxed(),
            Ok(range) => batches(range).boxed(),
        };
        match delay {
            None => stream,
            Some(delay) => tokio::time::sleep(delay).map(|()| stream).flatten_stream().boxed(),
        }
    }

    fn accepted(&self, shard: ShardId) -> BoxFuture<'_, Result<Position, JournalError>> {
        async move {
            if let Some(delay) = self.store.faults.read_delay(shard) {
                tokio::time::sleep(delay).await;
            }
            match self.store.faults.on_accepted(shard) {
                Some(error) => Err(error),
                None => Ok(self.store.log(shard)?.lock().fencing.next),
            }
        }
        .boxed()
    }
}
