//! Snapshots of an entity, and how it leaves memory.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use engine::{kinds::Entity, snapshot::SnapshotError};
use persistence::snapshots::{Snapshot, SnapshotAt};
use ractor::ActorRef;
use tokio::sync::oneshot;

use super::EntityState;
use crate::{
    leader::{CommitOutcome, Proposal},
    mailbox::{LeadershipEnded, Message, NotFrozen},
    permits::Permit,
};

impl<A: Entity> EntityState<A> {
    pub(super) fn freeze(&mut self, reply: oneshot::Sender<Result<Snapshot, NotFrozen>>, permit: Permit) {
        let started = std::time::Instant::now();
        let frozen = self.aggregate.freeze();
        metrics::histogram!("fusion_snapshot_freeze_seconds").record(started.elapsed().as_secs_f64());
        let frozen = match frozen {
            Ok(frozen) => frozen,
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        // Version and position are taken together with the frozen state, not when the snapshot is encoded: see `place`.
        let place = self.place();
        let key = self.key_bytes.clone();
        let inline = self.leader.inline();
        // A snapshot of speculative state is held back until the state is accepted: a stored snapshot counts as
        // accepted state when the entity is loaded.
        self.leader.propose(Proposal::barrier(Box::new(move |outcome| {
            drop(permit);
            if !matches!(outcome, CommitOutcome::Committed(_)) {
                let _ = reply.send(Err(LeadershipEnded.into()));
                return;
            }
            let encode = move || {
                let written = A::encode_frozen(&frozen);
                let _ = reply.send(written.map(|bytes| snapshot::<A>(key, place, bytes)).map_err(NotFrozen::from));
            };
            if inline { encode() } else { drop(tokio::task::spawn_blocking(encode)) }
        })));
    }

    /// Leaves memory at once if the entity has no history: callers choose ids, so memory must not grow with the ids
    /// that they try. The next caller of the id loads it again. The last of the waiting callers triggers this.
    pub(super) fn leave_without_history(&self, myself: &ActorRef<Message<A>>) {
        if self.version == 0 && self.waiting.is_empty() && self.permits.close(0) {
            self.leader.forget(&self.key);
            myself.stop(None);
        }
    }

    /// The version and journal position of a snapshot of the present state.
    ///
    /// The position is a lower bound of the entries that the snapshot lacks: whatever the entity proposes from now on
    /// is appended after everything that is accepted now. Entries between the position and the version are in the
    /// snapshot already, and are skipped by their version when it is loaded. A position taken when the snapshot is
    /// written would be too late: it could come after entries that the snapshot lacks.
    fn place(&self) -> SnapshotAt {
        SnapshotAt { version: self.version, position: self.leader.accepted_position() }
    }

    /// Leaves memory after writing a snapshot, if no caller waits and no effect is open. A state that can be loaded
    /// again without a new snapshot is not written: reads cause no writes.
    pub(super) async fn passivate(&mut self, myself: &ActorRef<Message<A>>, _permit: Permit) {
        // The gate closes last, because the other checks change nothing, and only while this message is the only one
        // inside. From then on callers are refused and look the entity up again, so that no command reaches a state
        // that is about to leave memory. The entity stays in the map of live entities until its snapshot is stored, so
        // that no load finds an older one meanwhile.
        let deferred_reply = self.accepted.load(Ordering::Acquire) == self.version;
        if !deferred_reply || !self.waiting.is_empty() || self.aggregate.has_outstanding() || !self.permits.close(1) {
            return;
        }
        if self.version == 0 {
            self.leader.forget(&self.key);
            return myself.stop(None);
        }
        let kept = *self.kept.lock();
        let gone = if kept.restorable_version == Some(self.version) {
            self.leader.passivated_unchanged(&self.key, kept);
            true
        } else {
            match self.written().await {
                Ok(snapshot) => self.leader.passivated(&self.key, &self.kept, snapshot).await,
                Err(error) => {
                    self.leader.tell_unwritable(&self.key, &error);
                    false
                }
            }
        };
        if gone {
            myself.stop(None);
        } else {
            self.permits.reopen();
        }
    }

    /// Takes a snapshot of the present state, which is accepted. It is encoded outside the runtime's worker threads,
    /// because it may be large.
    async fn written(&self) -> Result<Snapshot, SnapshotError> {
        let (frozen, place) = (self.aggregate.freeze()?, self.place());
        let bytes = if self.leader.inline() {
            A::encode_frozen(&frozen)?
        } else {
            let encoded = tokio::task::spawn_blocking(move || A::encode_frozen(&frozen)).await;
            encoded.unwrap_or_else(|error| Err(SnapshotError(error.to_string())))?
        };
        Ok(snapshot::<A>(self.key_bytes.clone(), place, bytes))
    }
}

fn snapshot<A: Entity>(key: Bytes, at: SnapshotAt, bytes: Vec<u8>) -> Snapshot {
    Snapshot {
        key,
        version: at.version,
        position: at.position,
        rules: engine::RULES_VERSION,
        format: A::SNAPSHOT_FORMAT,
        bytes: bytes.into(),
    }
}
