//! The right to append to a shard of the embedded journal.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tokio::sync::oneshot;

use super::queue::{Queue, Request};
use crate::{
    batch::{self, Entry, Header, Position, ShardId},
    journal::{Accepted, AppendError, Lead, Leadership},
};

/// A leadership of the embedded journal. It may outlive the journal, and does not keep its files open.
pub(super) struct EmbeddedLeadership {
    pub(super) shard: ShardId,
    lead: Lead,
    next: Position,
    queue: Arc<Queue>,
    /// The holder has received an error, or is about to: no further append is sent.
    broken: Arc<AtomicBool>,
}

impl EmbeddedLeadership {
    pub(super) fn new(shard: ShardId, lead: Lead, queue: Arc<Queue>) -> Self {
        let next = Position(lead.at.0 + 1);
        Self { shard, lead, next, queue, broken: Arc::new(AtomicBool::new(false)) }
    }

    fn refuse(&self, why: String) -> BoxFuture<'static, Result<Accepted, AppendError>> {
        self.broken.store(true, Ordering::Relaxed);
        ready(Err(AppendError::Failed(why))).boxed()
    }
}

impl std::fmt::Debug for EmbeddedLeadership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLeadership").field("lead", &self.lead).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Leadership for EmbeddedLeadership {
    fn lead(&self) -> &Lead {
        &self.lead
    }

    fn next(&self) -> Position {
        self.next
    }

    fn append(&mut self, rules: u16, entries: Vec<Entry>) -> BoxFuture<'static, Result<Accepted, AppendError>> {
        if self.broken.load(Ordering::Relaxed) {
            return self.refuse("an earlier append failed".into());
        }
        if let Err(why) = batch::check_entries(&entries) {
            return self.refuse(why);
        }
        let Lead { epoch, nonce, .. } = self.lead;
        let header = Header { rules, epoch, nonce, first: self.next, count: (entries.len() as u32).max(1) };
        let (answer, outcome) = oneshot::channel();
        let bytes = batch::encode_entries(header, &entries);
        if let Err(refused) = self.queue.push(Request::Batch { shard: self.shard, header, bytes, answer }) {
            return self.refuse(refused.to_string());
        }
        self.next = header.end();
        let broken = Arc::clone(&self.broken);
        let heard = move |outcome: Result<_, oneshot::error::RecvError>| {
            let stopped = || Err(AppendError::Unknown("the journal stopped before it was synced".into()));
            let outcome = outcome.unwrap_or_else(|_| stopped());
            if outcome.is_err() {
                broken.store(true, Ordering::Relaxed);
            }
            outcome
        };
        outcome.map(heard).boxed()
    }
}
