//! The appends of a leadership on their way to the log: first in, first out, whatever faults occur.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Fault, Store};
use crate::{
    batch::{self, Content, Entry, Header, Position, ShardId},
    fencing::Verdict,
    journal::{Accepted, AppendError, Lead, Leadership},
};

type Outcome = Result<Accepted, AppendError>;

/// A leadership of the memory journal.
pub(super) struct MemoryLeadership {
    lead: Lead,
    next: Position,
    lane: Arc<Lane>,
}

struct Lane {
    store: Arc<Store>,
    shard: ShardId,
    queue: Mutex<Queue>,
    /// The holder has received an error: no further append of this leadership is sent.
    heard_error: AtomicBool,
}

#[derive(Default)]
struct Queue {
    in_flight: VecDeque<InFlight>,
    /// A task waits until the first append in flight is due.
    waiting: bool,
    /// The outcome of an append is unknown, so the outcomes of all later ones are too.
    unknown: bool,
}

struct InFlight {
    bytes: Bytes,
    header: Header,
    fault: Fault,
    /// `None` if the append was answered before it landed.
    answer: Option<oneshot::Sender<Outcome>>,
}

impl InFlight {
    fn answer(&mut self, outcome: Outcome) {
        if let Some(answer) = self.answer.take() {
            // The receiver may be gone: dropping the future does not undo the append.
            let _ = answer.send(outcome);
        }
    }
}

impl MemoryLeadership {
    pub(super) fn new(store: Arc<Store>, shard: ShardId, lead: Lead) -> Self {
        let next = Position(lead.at.0 + 1);
        let lane = Lane { store, shard, queue: Mutex::default(), heard_error: AtomicBool::new(false) };
        Self { lead, next, lane: Arc::new(lane) }
    }
}

impl std::fmt::Debug for MemoryLeadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLeadership").field("lead", &self.lead).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Leadership for MemoryLeadership {
    fn lead(&self) -> &Lead {
        &self.lead
    }

    fn next(&self) -> Position {
        self.next
    }

    fn append(&mut self, rules: u16, entries: Vec<Entry>) -> BoxFuture<'static, Outcome> {
        let lane = Arc::clone(&self.lane);
        if lane.heard_error.load(Ordering::Relaxed) {
            return futures::future::ready(Err(AppendError::Failed("an earlier append failed".into()))).boxed();
        }
        if let Err(why) = batch::check_entries(&entries) {
            lane.heard_error.store(true, Ordering::Relaxed);
            return futures::future::ready(Err(AppendError::Failed(why))).boxed();
        }
        let Lead { epoch, nonce, .. } = self.lead;
        let header = Header { rules, epoch, nonce, first: self.next, count: (entries.len() as u32).max(1) };
        self.next = header.end();
        let (answer, outcome) = oneshot::channel();
        let fault = lane.store.faults.on_append(lane.shard, &header);
        let bytes = batch::encode_entries(header, &entries);
        lane.send(InFlight { bytes, header, fault, answer: Some(answer) });
        async move {
            let gone = || Err(AppendError::Unknown("the runtime that carried the append is gone".into()));
            let outcome = outcome.await.unwrap_or_else(|_| gone());
            if outcome.is_err() {
                lane.heard_error.store(true, Ordering::Relaxed);
            }
            outcome
        }
        .boxed()
    }
}

impl Lane {
    fn send(self: &Arc<Self>, mut append: InFlight) {
        let mut queue = self.queue.lock();
        if queue.unknown {
            append.answer(Err(AppendError::Unknown("behind an append with unknown outcome".into())));
        } else if matches!(append.fault, Fault::LandLate(_)) {
            append.answer(Err(AppendError::Unknown("injected: late".into())));
            queue.unknown = true;
        }
        queue.in_flight.push_back(append);
        if !queue.waiting {
            self.deliver(&mut queue);
        }
    }

    /// Lands the appends that are due, and spawns a task for those that are delayed.
    fn deliver(self: &Arc<Self>, queue: &mut Queue) {
        while let Some(mut append) = queue.in_flight.pop_front() {
            match append.fault {
                Fault::Delay(delay) | Fault::LandLate(delay) => {
                    append.fault = Fault::None;
                    queue.in_flight.push_front(append);
                    queue.waiting = true;
                    return self.deliver_after(delay);
                }
                Fault::None => {
                    let outcome = self.land(&append);
                    append.answer(outcome);
                }
                Fault::FailAfter => {
                    let _ = self.land(&append);
                    let unknown = || Err(AppendError::Unknown("injected: landed unheard".into()));
                    append.answer(unknown());
                    queue.unknown = true;
                    queue.in_flight.iter_mut().for_each(|behind| behind.answer(unknown()));
                }
                Fault::Lose => append.answer(Err(AppendError::Unknown("injected: lost".into()))),
                Fault::FailBefore => {
                    let failed = || Err(AppendError::Failed("injected: failed".into()));
                    append.answer(failed());
                    self.heard_error.store(true, Ordering::Relaxed);
                    queue.in_flight.drain(..).for_each(|mut behind| behind.answer(failed()));
                }
            }
        }
    }

    fn deliver_after(self: &Arc<Self>, delay: Duration) {
        let lane = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut queue = lane.queue.lock();
            queue.waiting = false;
            lane.deliver(&mut queue);
        });
    }

    fn land(&self, append: &InFlight) -> Outcome {
        let Header { first, .. } = append.header;
        // The verdict does not depend on the entries.
        let verdict = self.store.land(self.shard, append.bytes.clone(), append.header, &Content::Entries(Vec::new()));
        match verdict {
            Verdict::Counts => Ok(Accepted { first, end: append.header.end(), bytes: append.bytes.len() }),
            Verdict::Fenced | Verdict::StaleLead => Err(AppendError::Fenced),
            Verdict::OutOfPlace => Err(AppendError::Failed("behind an append that was lost".into())),
        }
    }
}
