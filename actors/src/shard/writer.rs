//! The writer of a shard: joins what its entities propose into batches, and tells everyone what became of it.
//!
//! There is no artificial delay: a batch is whatever has queued while the journal was busy.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use engine::{id::EntityKey, time::Timestamp};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use streaming::{Accepted, AppendError, Leadership, Position, batch};
use tokio::sync::mpsc;

use super::{
    leading::{Dirty, Fate, Leading, Proposal, fate},
    supervisor::ShardMessage,
};

/// Batches under way at once: while one is synced, the next is collected.
const BATCHES_IN_FLIGHT_MAX: usize = 4;
/// Proposals taken into one batch. At 150 bytes each that is well under a batch's bytes.
const PROPOSALS_PER_BATCH_MAX: usize = 8_192;
/// Bytes of entries after which a batch is closed.
const BATCH_BYTES: usize = batch::BATCH_BYTES_MAX / 2;

type Appended = BoxFuture<'static, (Result<Accepted, AppendError>, Vec<Proposal>)>;

/// Runs until the leadership ends: by an append that fails, or by the last sender.
pub(super) async fn run(
    leading: Arc<Leading>,
    mut leadership: Box<dyn Leadership>,
    mut queue: mpsc::UnboundedReceiver<Proposal>,
) {
    let mut in_flight: FuturesOrdered<Appended> = FuturesOrdered::new();
    let mut waiting = VecDeque::new();
    let mut taken = Vec::with_capacity(PROPOSALS_PER_BATCH_MAX);
    let mut open = true;
    while open || !in_flight.is_empty() || !waiting.is_empty() {
        if !waiting.is_empty() && in_flight.len() < BATCHES_IN_FLIGHT_MAX {
            // Everyone who is ready speaks first, so that a busy node syncs for many at once. An idle one waits for nobody.
            tokio::task::yield_now().await;
            while let Ok(proposal) = queue.try_recv() {
                waiting.push_back(proposal);
            }
            in_flight.push_back(append(leadership.as_mut(), &mut waiting));
        }
        let room = waiting.is_empty() && in_flight.len() < BATCHES_IN_FLIGHT_MAX;
        tokio::select! {
            biased;
            Some((result, proposals)) = in_flight.next(), if !in_flight.is_empty() => match result {
                Ok(accepted) => settle(&leading, &accepted, proposals),
                Err(error) => return end(&leading, &error, proposals, in_flight, waiting, queue).await,
            },
            count = queue.recv_many(&mut taken, PROPOSALS_PER_BATCH_MAX), if open && room => {
                open = count > 0;
                waiting.extend(taken.drain(..));
            }
            else => {}
        }
    }
}

/// Appends as much of `waiting` as fits in one batch. Without entries nothing is written: what the answers rest on is
/// under way before them.
fn append(leadership: &mut dyn Leadership, waiting: &mut VecDeque<Proposal>) -> Appended {
    let (mut entries, mut proposals, mut bytes) = (Vec::new(), Vec::with_capacity(waiting.len()), 0);
    while let Some(proposal) = waiting.front() {
        let size = proposal.entry.as_ref().map_or(0, |entry| batch::entry_bytes(entry.key.len(), entry.events.len()));
        if !entries.is_empty() && (bytes + size > BATCH_BYTES || entries.len() >= batch::BATCH_ENTRIES_MAX) {
            break;
        }
        bytes += size;
        let Some(proposal) = waiting.pop_front() else { break };
        entries.extend(proposal.entry.clone());
        proposals.push(proposal);
    }
    if entries.is_empty() {
        let next = leadership.next();
        return async move { (Ok(Accepted { first: next, end: next, bytes: 0 }), proposals) }.boxed();
    }
    leadership.append(engine::RULES_VERSION, entries).map(move |result| (result, proposals)).boxed()
}

fn settle(leading: &Arc<Leading>, accepted: &Accepted, proposals: Vec<Proposal>) {
    // Before the position is seen: a checkpoint that is taken at it covers what these entries changed.
    if accepted.end > accepted.first {
        note_dirty(leading, accepted, &proposals);
    }
    for proposal in &proposals {
        if let (Some(wake), Some(key)) = (proposal.wake, &proposal.key) {
            leading.agenda.set(key, wake);
        }
    }
    if accepted.end > accepted.first {
        leading.accepted.store(accepted.end.0, Ordering::Release);
        leading.tail_bytes.fetch_add(accepted.bytes as u64, Ordering::AcqRel);
    }
    for proposal in proposals {
        if let (Some(entry), Some(accepted)) = (&proposal.entry, &proposal.accepted) {
            accepted.store(entry.version, Ordering::Release);
        }
        if let (Some(entry), Some(key)) = (&proposal.entry, &proposal.key) {
            leading.node.changes.tell(key, entry.version, Timestamp(entry.at_ms), &entry.events);
        }
        for answer in proposal.answers {
            answer(fate(accepted));
        }
        if let Some(key) = proposal.key.filter(|_| !proposal.effects.is_empty()) {
            let tenant = key.tenant();
            for effect in proposal.effects {
                leading.dispatch(&tenant, &key, effect);
            }
        }
    }
    if accepted.end > accepted.first {
        leading.node.accepted_changed(leading.shard);
        if leading.checkpoint_due() {
            let _ = leading.owner.cast(ShardMessage::CheckpointDue(leading.term));
        }
    }
}

fn note_dirty(leading: &Leading, accepted: &Accepted, proposals: &[Proposal]) {
    let entries = proposals.iter().filter(|proposal| proposal.entry.is_some()).count().max(1) as u64;
    let bytes_each = accepted.bytes as u64 / entries;
    let mut dirty = leading.dirty.lock();
    let mut last: Option<(&EntityKey, Dirty)> = None;
    for proposal in proposals {
        let (Some(entry), Some(key)) = (&proposal.entry, &proposal.key) else { continue };
        match &mut last {
            Some((known, noted)) if *known == key => {
                noted.version = entry.version;
                noted.bytes += bytes_each;
            }
            _ => {
                merge(&mut dirty, last.take());
                last = Some((key, Dirty { version: entry.version, bytes: bytes_each }));
            }
        }
    }
    merge(&mut dirty, last);
}

fn merge(dirty: &mut std::collections::BTreeMap<EntityKey, Dirty>, noted: Option<(&EntityKey, Dirty)>) {
    let Some((key, noted)) = noted else { return };
    match dirty.get_mut(key) {
        Some(known) => {
            known.version = noted.version;
            known.bytes += noted.bytes;
        }
        None => {
            dirty.insert(key.clone(), noted);
        }
    }
}

/// The first append that fails ends the leadership: everything not accepted is undone, and the shard leads anew.
async fn end(
    leading: &Arc<Leading>,
    error: &AppendError,
    failed: Vec<Proposal>,
    mut in_flight: FuturesOrdered<Appended>,
    waiting: VecDeque<Proposal>,
    mut queue: mpsc::UnboundedReceiver<Proposal>,
) {
    tracing::warn!(shard = %leading.shard, position = %Position(leading.accepted.load(Ordering::Acquire)), %error, "leadership ended");
    leading.set_over();
    leading.stop_entities();
    queue.close();
    undo(failed);
    undo(waiting);
    while let Ok(proposal) = queue.try_recv() {
        undo([proposal]);
    }
    // Those behind fail too, or land without counting. Their callers hear that the outcome is unknown.
    while let Some((_, proposals)) = in_flight.next().await {
        undo(proposals);
    }
    let _ = leading.owner.cast(ShardMessage::LeadEnded(leading.term));
}

fn undo(proposals: impl IntoIterator<Item = Proposal>) {
    for answer in proposals.into_iter().flat_map(|proposal| proposal.answers) {
        answer(Fate::Undone);
    }
}
