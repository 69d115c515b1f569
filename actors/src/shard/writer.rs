//! The writer of a shard: joins the proposals of its entities into batches, and settles each once its outcome is known.
//!
//! There is no artificial delay: a batch is whatever has queued while the journal was busy.
//!
//! Everything that rests on speculative state passes through here, in the order in which it was proposed: entries,
//! answers, effects and wake times. Batches are settled in the order in which they were appended, so whatever a
//! proposal rests on is settled before it.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use engine::{
    fault_injection::{Rule, is_broken},
    id::EntityKey,
    time::Timestamp,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use ractor::ActorRef;
use streaming::{Accepted, AppendError, Leadership, Position, batch};
use tokio::sync::mpsc;

use super::message::{Ended, ShardMessage};
use crate::{
    change_feed::ChangeFeed,
    effects::Effects,
    leader::{CommitOutcome, Dirty, Leader, Proposal, committed},
};

/// The maximum number of batches in flight: while one is synced, the next is collected.
const BATCHES_IN_FLIGHT_MAX: usize = 4;
/// The maximum number of proposals taken into one batch. At 150 bytes each that is well below the limit of a batch's
/// bytes.
const PROPOSALS_PER_BATCH_MAX: usize = 8_192;
/// The size of the entries, in bytes, at which a batch is closed.
const BATCH_BYTES: usize = batch::BATCH_BYTES_MAX / 2;

type Appended = BoxFuture<'static, (Result<Accepted, AppendError>, Vec<Proposal>)>;

/// Where accepted changes go, besides the journal.
pub(super) struct Outlets {
    /// The subscribers.
    pub(super) change_feed: Arc<ChangeFeed>,
    /// The effects that the changes ask for.
    pub(super) effects: Effects,
    /// The shard's actor, which takes checkpoints and reacts to the end of the leadership.
    pub(super) shard: ActorRef<ShardMessage>,
}

/// Runs until the leadership ends: by an append that fails, or because all senders are gone.
pub(super) async fn run(
    leader: Arc<Leader>,
    mut leadership: Box<dyn Leadership>,
    mut queue: mpsc::UnboundedReceiver<Proposal>,
    outlets: Outlets,
) {
    let mut in_flight: FuturesOrdered<Appended> = FuturesOrdered::new();
    let mut waiting = VecDeque::new();
    let mut taken = Vec::with_capacity(PROPOSALS_PER_BATCH_MAX);
    let mut open = true;
    while open || !in_flight.is_empty() || !waiting.is_empty() {
        if is_broken(Rule::EffectOfSpeculation) {
            dispatch_early(&leader, &outlets, &mut waiting);
        }
        if !waiting.is_empty() && in_flight.len() < BATCHES_IN_FLIGHT_MAX {
            // Every task that is ready runs first, so that a busy node syncs for many callers at once. An idle node
            // does not wait.
            tokio::task::yield_now().await;
            while let Ok(proposal) = queue.try_recv() {
                waiting.push_back(proposal);
            }
            in_flight.push_back(append(leadership.as_mut(), &mut waiting));
        }
        let room = waiting.is_empty() && in_flight.len() < BATCHES_IN_FLIGHT_MAX;
        tokio::select! {
            // Accepted batches first: answers are due, and a failed append must end the leadership before more is read.
            biased;
            Some((result, proposals)) = in_flight.next(), if !in_flight.is_empty() => match result {
                Ok(accepted) => settle(&leader, &outlets, &accepted, proposals),
                Err(error) => {
                    let ended = end(&leader, &error, proposals, in_flight, waiting, queue).await;
                    let _ = outlets.shard.cast(ShardMessage::LeadershipEnded(leader.term, ended));
                    return;
                }
            },
            count = queue.recv_many(&mut taken, PROPOSALS_PER_BATCH_MAX), if open && room => {
                open = count > 0;
                waiting.extend(taken.drain(..));
            }
            else => {}
        }
    }
}

/// Breaks [`Rule::EffectOfSpeculation`]: effects that a wake asks for leave before what they rest on is accepted.
fn dispatch_early(leader: &Arc<Leader>, outlets: &Outlets, waiting: &mut VecDeque<Proposal>) {
    for proposal in waiting.iter_mut().filter(|proposal| proposal.entry.is_none()) {
        let Some(key) = &proposal.key else { continue };
        for effect in proposal.effects.drain(..) {
            outlets.effects.dispatch(leader, key, effect);
        }
    }
}

/// Appends as many of the `waiting` proposals as fit into one batch.
///
/// Without entries nothing is written. What these proposals rest on is already in flight ahead of them, and the ordered
/// list of batches in flight settles them after it.
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
    debug_assert!(!proposals.is_empty() && entries.len() <= batch::BATCH_ENTRIES_MAX);
    if entries.is_empty() {
        let next = leadership.next();
        return async move { (Ok(Accepted { first: next, end: next, bytes: 0 }), proposals) }.boxed();
    }
    leadership.append(engine::RULES_VERSION, entries).map(move |result| (result, proposals)).boxed()
}

/// Settles the proposals of an accepted batch. The order of the steps matters:
///
/// 1. The dirty set, before the position. A checkpoint reads the position first and takes the dirty set afterwards.
///    Each entry before the position that it read is then in the set that it takes. In the opposite order a checkpoint
///    could claim to cover an entry of an entity that it never wrote.
/// 2. The agenda, before the position, for the same reason. A checkpoint copies the agenda after it has read the
///    position, and recovery does not read the entries before that position again: a wake missing in the copy would be
///    lost. A wake that is too new does no harm, because its entry is in the tail and sets it again.
/// 3. The position, for the whole batch, before anything is answered: a client that was answered finds its change
///    wherever the program reads up to the accepted position.
/// 4. Proposal by proposal: the entity's accepted version, so that a command that follows the answer is not held back;
///    the change feed, so that subscribers have the change before the caller that caused it is answered; the answers;
///    the effects.
/// 5. The projector and the checkpoint, for which no caller waits.
///
/// Effects leave here and nowhere else. An effect that left when it was proposed could charge a card for an event that
/// the journal never accepts.
fn settle(leader: &Arc<Leader>, outlets: &Outlets, accepted: &Accepted, proposals: Vec<Proposal>) {
    // Batches are accepted in the order of their positions, and nobody else appends to the shard.
    assert_eq!(accepted.first.0, leader.accepted.load(Ordering::Acquire), "a batch was accepted out of order");
    // Before the position: a checkpoint taken at it must cover what these entries changed.
    if accepted.end > accepted.first {
        note_dirty(leader, accepted, &proposals);
    }
    for proposal in &proposals {
        if let (Some(wake), Some(key)) = (proposal.wake, &proposal.key) {
            leader.agenda.set(key, wake);
        }
    }
    if accepted.end > accepted.first {
        leader.accepted.store(accepted.end.0, Ordering::Release);
        leader.tail_bytes.fetch_add(accepted.bytes as u64, Ordering::AcqRel);
    }
    for proposal in proposals {
        if let (Some(entry), Some(accepted)) = (&proposal.entry, &proposal.accepted) {
            let previous = accepted.swap(entry.version, Ordering::AcqRel);
            assert_eq!(entry.version, previous + 1, "an entry of {:?} was accepted out of order", proposal.key);
        }
        if let (Some(entry), Some(key)) = (&proposal.entry, &proposal.key) {
            outlets.change_feed.notify(key, entry.version, Timestamp(entry.at_ms), &entry.events);
        }
        for answer in proposal.answers {
            answer(committed(accepted));
        }
        if let Some(key) = &proposal.key {
            for effect in proposal.effects {
                outlets.effects.dispatch(leader, key, effect);
            }
        }
    }
    if accepted.end > accepted.first {
        leader.resources.accepted.notify_one();
        if leader.checkpoint_due() {
            let _ = outlets.shard.cast(ShardMessage::CheckpointDue(leader.term));
        }
    }
}

/// Adds the entities of the entries to the dirty set. Runs of entries of one entity, which are common, are merged
/// first: the lock is held for one look-up for each run.
fn note_dirty(leader: &Leader, accepted: &Accepted, proposals: &[Proposal]) {
    let entries = proposals.iter().filter(|proposal| proposal.entry.is_some()).count().max(1) as u64;
    let bytes_each = accepted.bytes as u64 / entries;
    let mut dirty = leader.dirty.lock();
    let mut last: Option<(&EntityKey, Dirty)> = None;
    for proposal in proposals {
        let (Some(entry), Some(key)) = (&proposal.entry, &proposal.key) else { continue };
        match &mut last {
            Some((known, noted)) if *known == key => {
                debug_assert_eq!(entry.version, noted.version + 1);
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
            debug_assert!(noted.version > known.version, "{key:?}");
            known.version = noted.version;
            known.bytes += noted.bytes;
        }
        None => {
            dirty.insert(key.clone(), noted);
        }
    }
}

/// Ends the leadership after the first append that fails. Everything not accepted gets the outcome unknown, and the
/// shard takes a new Lead, or becomes a follower if a newer leader fenced it.
///
/// The order matters. The leadership is marked first, so that entities stop deciding, loads that are under way notice
/// it, and no effect is carried out any more. Then the queue is closed: what is proposed later gets its outcome at once,
/// in [`Leader::propose`], and the loop that empties the queue ends. The shard is notified last, when every append in
/// flight is over: only then does it take a new Lead, so nothing of this leadership is still on its way from this
/// process.
async fn end(
    leader: &Arc<Leader>,
    error: &AppendError,
    failed: Vec<Proposal>,
    mut in_flight: FuturesOrdered<Appended>,
    waiting: VecDeque<Proposal>,
    mut queue: mpsc::UnboundedReceiver<Proposal>,
) -> Ended {
    tracing::warn!(shard = %leader.shard, position = %Position(leader.accepted.load(Ordering::Acquire)), %error, "leadership ended");
    leader.mark_ended();
    leader.stop_entities();
    queue.close();
    report_unknown(failed);
    report_unknown(waiting);
    while let Ok(proposal) = queue.try_recv() {
        report_unknown([proposal]);
    }
    // Appends after the failed one fail too, or land without counting. Their outcome is unknown. They may show that a
    // newer leader is the reason, even if the first one does not.
    let mut fenced = *error == AppendError::Fenced;
    while let Some((result, proposals)) = in_flight.next().await {
        fenced |= result == Err(AppendError::Fenced);
        report_unknown(proposals);
    }
    if fenced { Ended::Fenced } else { Ended::AppendFailed }
}

fn report_unknown(proposals: impl IntoIterator<Item = Proposal>) {
    for answer in proposals.into_iter().flat_map(|proposal| proposal.answers) {
        answer(CommitOutcome::Unknown);
    }
}
