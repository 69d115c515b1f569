//! The appender: the single thread that writes. It takes the queued requests of all shards, writes them as one group,
//! syncs once, and answers them.
//!
//! ```text
//!  queue ──► judge ──► commit ──► sync ──► accepted position ──► answers
//!              │                             (the limit for readers)
//!              └ a batch that does not count is not written, and is answered with the rest
//! ```
//!
//! The order matters. The accepted position rises only after the sync, so a reader never sees a batch that a crash
//! could undo. Answers are sent only after the accepted position has risen, so a caller that reads after its answer
//! finds its own append.
//!
//! A failed commit or sync ends the process: the disk and memory then differ, and fjall may still write the group when
//! it is closed. No request of the group has been answered.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use fjall::PersistMode;
use tokio::sync::oneshot;

use super::{
    options::{EmbeddedOptions, SyncProbe},
    queue::{Queue, Request},
    spare::Spare,
    store::{RowKey, Store, words},
};
use crate::{
    batch::{self, Content, Epoch, Header, Nonce, Position, ShardId},
    fencing::{FencingState, Verdict},
    journal::{Accepted, AppendError, Lead},
};

/// The accepted position of each shard.
pub(super) struct Watermarks {
    positions: Vec<AtomicU64>,
    /// The time at which the current group began, in milliseconds since `started`, plus one. 0: no group is being
    /// written.
    busy_since_ms: AtomicU64,
    started: Instant,
}

impl Watermarks {
    pub(super) fn new(positions: impl Iterator<Item = Position>) -> Self {
        let positions = positions.map(|position| AtomicU64::new(position.0)).collect();
        Self { positions, busy_since_ms: AtomicU64::new(0), started: Instant::now() }
    }

    pub(super) fn shards(&self) -> u16 {
        self.positions.len() as u16
    }

    pub(super) fn get(&self, shard: ShardId) -> Option<Position> {
        Some(Position(self.positions.get(usize::from(shard.0))?.load(Ordering::Acquire)))
    }

    pub(super) fn all(&self) -> Vec<Position> {
        self.positions.iter().map(|position| Position(position.load(Ordering::Acquire))).collect()
    }

    fn raise(&self, shard: ShardId, position: Position) {
        self.positions[usize::from(shard.0)].store(position.0, Ordering::Release);
    }

    fn set_busy(&self, busy: bool) {
        let now = self.started.elapsed().as_millis() as u64 + 1;
        self.busy_since_ms.store(if busy { now } else { 0 }, Ordering::Relaxed);
    }

    /// Returns how long the current group has been in progress, in milliseconds; 0 if there is none.
    pub(super) fn busy_ms(&self) -> u64 {
        match self.busy_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => (self.started.elapsed().as_millis() as u64 + 1).saturating_sub(since),
        }
    }
}

/// An answer to send once the group is synced.
enum Due {
    Append(oneshot::Sender<Result<Accepted, AppendError>>, ShardId, Result<Accepted, AppendError>),
    Lead(oneshot::Sender<Lead>, Lead),
    Verdict(oneshot::Sender<Verdict>, Verdict),
}

struct Meters {
    batch_entries: metrics::Histogram,
    batch_bytes: metrics::Histogram,
    sync_seconds: metrics::Histogram,
    bytes_total: metrics::Counter,
}

/// The state of the appender thread.
pub(super) struct Appender {
    pub(super) store: Store,
    pub(super) queue: Arc<Queue>,
    pub(super) watermarks: Arc<Watermarks>,
    /// The state of each shard's log after all judged batches, whether synced or not.
    pub(super) tails: Vec<FencingState>,
    pub(super) probe: Arc<dyn SyncProbe>,
    pub(super) on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    spare: Arc<Spare>,
    meters: Meters,
    group: Group,
}

/// The batches to write and sync together, and the answers that depend on them.
#[derive(Default)]
struct Group {
    rows: Vec<([u8; 14], Bytes)>,
    due: Vec<Due>,
    /// The shards that have rows in the group.
    touched: Vec<ShardId>,
    durable: Vec<(ShardId, Position)>,
}

impl Appender {
    pub(super) fn new(
        store: Store,
        queue: Arc<Queue>,
        watermarks: Arc<Watermarks>,
        spare: Arc<Spare>,
        tails: Vec<FencingState>,
        options: &EmbeddedOptions,
    ) -> Self {
        let meters = Meters {
            batch_entries: metrics::histogram!("fusion_journal_batch_entries"),
            batch_bytes: metrics::histogram!("fusion_journal_batch_bytes"),
            sync_seconds: metrics::histogram!("fusion_journal_sync_seconds"),
            bytes_total: metrics::counter!("fusion_journal_bytes_total"),
        };
        let (probe, on_fatal) = (Arc::clone(&options.probe), Arc::clone(&options.on_fatal));
        Self { store, queue, watermarks, tails, probe, on_fatal, spare, meters, group: Group::default() }
    }

    /// Runs until the queue is closed and empty, or until a write fails.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let on_fatal = Arc::clone(&self.on_fatal);
        let ended = catch_unwind(AssertUnwindSafe(|| self.write_groups()));
        let why = match ended {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "the appender panicked (see above)".to_owned(),
        };
        // Logging may panic too, for example if the log file is on the same full disk. The process must end all the
        // same.
        let _ = catch_unwind(|| tracing::error!(why, "journal failed"));
        on_fatal(&why);
        queue.abandon();
    }

    fn write_groups(&mut self) -> Result<(), String> {
        let mut requests = Vec::new();
        while self.queue.take_group(&mut requests) {
            self.watermarks.set_busy(true);
            requests.drain(..).for_each(|request| self.judge(request));
            self.write()?;
            self.answer();
            self.watermarks.set_busy(false);
        }
        Ok(())
    }

    fn judge(&mut self, request: Request) {
        match request {
            Request::Batch { shard, header, bytes, answer } => {
                let size = bytes.len();
                let outcome = match self.count(shard, header, &Content::Entries(Vec::new()), bytes) {
                    Verdict::Counts => Ok(Accepted { first: header.first, end: header.end(), bytes: size }),
                    Verdict::Fenced | Verdict::StaleLead => Err(AppendError::Fenced),
                    Verdict::OutOfPlace => Err(AppendError::Failed("behind an append that was refused".into())),
                };
                self.group.due.push(Due::Append(answer, shard, outcome));
            }
            Request::Lead { shard, node, nonce, answer } => {
                let (lead, header) = self.lead_header(shard, nonce);
                let bytes = batch::encode_lead(header, &node);
                self.count(shard, header, &Content::Lead { node }, bytes);
                self.group.due.push(Due::Lead(answer, lead));
            }
            Request::Foreign { shard, bytes, batch, answer } => {
                let verdict = self.count(shard, batch.header, &batch.content, bytes);
                self.group.due.push(Due::Verdict(answer, verdict));
            }
        }
    }

    fn lead_header(&self, shard: ShardId, nonce: Nonce) -> (Lead, Header) {
        let tail = self.tails[usize::from(shard.0)];
        let epoch = Epoch(tail.epoch.0 + 1);
        let header = Header { rules: 0, epoch, nonce, first: tail.next, count: 1 };
        (Lead { epoch, nonce, at: tail.next }, header)
    }

    fn count(&mut self, shard: ShardId, header: Header, content: &Content, bytes: Bytes) -> Verdict {
        let verdict = self.tails[usize::from(shard.0)].judge(&header, content);
        if verdict == Verdict::Counts {
            self.meters.batch_entries.record(f64::from(header.count));
            self.meters.batch_bytes.record(bytes.len() as f64);
            self.meters.bytes_total.increment(bytes.len() as u64);
            self.group.rows.push((RowKey::of(shard, &header).encode(), bytes));
            if !self.group.touched.contains(&shard) {
                self.group.touched.push(shard);
            }
        }
        verdict
    }

    fn write(&mut self) -> Result<(), String> {
        if self.group.rows.is_empty() {
            return Ok(());
        }
        let failed = |step: &str, why: String| format!("{step} of a group of appends failed: {why}");
        // The commit may make fjall flush on its own thread, and a flush opens files.
        self.spare.look();
        self.probe.before_commit().map_err(|error| failed("write", error.to_string()))?;
        let mut rows = fjall::OwnedWriteBatch::with_capacity(self.store.db.clone(), self.group.rows.len());
        for (key, bytes) in self.group.rows.drain(..) {
            rows.insert(&self.store.rows, key, bytes);
        }
        rows.commit().map_err(|error| failed("write", words(&error)))?;
        self.probe.before_sync().map_err(|error| failed("sync", error.to_string()))?;
        let began = Instant::now();
        self.store.db.persist(PersistMode::SyncData).map_err(|error| failed("sync", words(&error)))?;
        self.meters.sync_seconds.record(began.elapsed().as_secs_f64());

        let Group { touched, durable, .. } = &mut self.group;
        durable.clear();
        // The tails include exactly the batches of this group and those before it, all of which are now durable.
        durable.extend(touched.drain(..).map(|shard| (shard, self.tails[usize::from(shard.0)].next)));
        self.probe.after_sync(durable);
        for (shard, end) in durable {
            self.watermarks.raise(*shard, *end);
        }
        Ok(())
    }

    /// Sends the answers of the group. A receiver that was dropped is ignored; its append remains accepted.
    fn answer(&mut self) {
        for due in self.group.due.drain(..) {
            match due {
                Due::Append(answer, shard, outcome) => {
                    if let Ok(accepted) = &outcome {
                        self.probe.before_answer(shard, accepted.end);
                    }
                    let _ = answer.send(outcome);
                }
                Due::Lead(answer, lead) => {
                    let _ = answer.send(lead);
                }
                Due::Verdict(answer, verdict) => {
                    let _ = answer.send(verdict);
                }
            }
        }
    }
}
