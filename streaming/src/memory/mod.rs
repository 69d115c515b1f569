//! The journal in memory: for tests, with faults on demand.
//!
//! It holds each shard's raw log, whatever of it counts, and judges it as every reader does. A handle is cheap to
//! clone, and all clones are one journal: a test that crashes a node drops the node and starts another on a clone.
//!
//! It has no thread, no clock and no randomness of its own. On a current-thread runtime with paused time it does the
//! same in every run; only a fault that waits needs a runtime at all.

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
    counting::{Counting, Verdict},
    journal::{BatchStream, Journal, JournalError, Lead, Leadership},
};

/// A journal in memory. Clones share it.
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
    /// The places in `records` of those that count.
    counted: Vec<usize>,
    counting: Counting,
}

impl ShardLog {
    fn land(&mut self, bytes: Bytes, header: Header, content: &Content) -> Verdict {
        let verdict = self.counting.judge(&header, content);
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
    /// An empty journal that never fails.
    pub fn new(shards: u16) -> Self {
        Self::with_faults(shards, 0, NoFaults)
    }

    /// An empty journal that fails when `faults` say so. Nonces count up from `seed`.
    pub fn with_faults(shards: u16, seed: u64, faults: impl Faults + 'static) -> Self {
        let logs = (0..shards).map(|_| Mutex::default()).collect();
        Self { store: Arc::new(Store { shards: logs, faults: Box::new(faults), seed, nonces: AtomicU64::new(0) }) }
    }

    /// What counts of a shard's log by now, oldest first: what an answer given by now may rest on, and nothing else.
    pub fn accepted_log(&self, shard: ShardId) -> Vec<Batch> {
        let log = self.store.shards[usize::from(shard.0)].lock();
        log.counted().map(|record| Batch::decode(&record.bytes).expect("only decoded batches are stored")).collect()
    }

    /// The position after the newest batch that counts, without waiting and without faults.
    pub fn accepted_now(&self, shard: ShardId) -> Position {
        self.store.shards[usize::from(shard.0)].lock().counting.next
    }

    /// The whole log of a shard in the order of arrival, with what was made of each record.
    pub fn raw_log(&self, shard: ShardId) -> Vec<(Header, Verdict)> {
        let log = self.store.shards[usize::from(shard.0)].lock();
        log.records.iter().map(|record| (record.header, record.verdict)).collect()
    }

    /// Puts a record at the end of a shard's log, as a writer that no longer leads might, and says whether it counts.
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
        let counting = self.log(shard)?.lock().counting;
        let epoch = Epoch(counting.epoch.0 + 1);
        Ok(Header { rules: 0, epoch, nonce: self.nonce(), first: counting.next, count: 1 })
    }

    /// Takes the lead as a client of a distant log does: look at its end, append the Lead, see whether it counts.
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
            // The former owner appended meanwhile: look again, and this time land at once.
            Verdict::OutOfPlace => {
                let header = self.lead_header(shard)?;
                self.land_lead(shard, header, &node);
                header
            }
            _ => header,
        };
        match self.log(shard)?.lock().counting {
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

    fn lead(&self, shard: ShardId, node: &str) -> BoxFuture<'_, Result<Box<dyn Leadership>, JournalError>> {
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
                None => Ok(self.store.log(shard)?.lock().counting.next),
            }
        }
        .boxed()
    }
}
