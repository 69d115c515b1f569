//! Fencing: which batches of a log count.
//!
//! Leadership is recorded in the log itself. Every reader that folds this state machine over a log, from its start or
//! from a known state, reaches the same verdicts:
//!
//! ```text
//!   Lead e1 ── batch e1 ── batch e1 ── Lead e2 ── batch e1 ── batch e2
//!   counts     counts      counts      counts     IGNORED     counts
//!                                                 (a late batch of the former owner)
//! ```

use crate::batch::{Content, Epoch, Header, Nonce, Position};

/// The state of a shard's log after some batch: what the next batch is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FencingState {
    /// The epoch of the newest leadership that counts.
    pub epoch: Epoch,
    /// The nonce of that leadership.
    pub nonce: Nonce,
    /// The position that the next batch must have.
    pub next: Position,
}

/// Whether a batch counts, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The batch is part of history.
    Counts,
    /// A Lead whose epoch is not the newest + 1, usually because another node acquired leadership first.
    StaleLead,
    /// The owner that wrote the batch does not lead: it no longer does, or never did.
    Fenced,
    /// The position of the batch is not the next one: an earlier batch of the same owner was lost, or this batch is a
    /// copy.
    OutOfPlace,
}

impl FencingState {
    /// Judges the next record of the log. Updates the state if the record counts.
    pub fn judge(&mut self, header: &Header, content: &Content) -> Verdict {
        let verdict = match content {
            Content::Lead { .. } if header.epoch.0 != self.epoch.0 + 1 => Verdict::StaleLead,
            Content::Lead { .. } if header.first != self.next => Verdict::OutOfPlace,
            Content::Lead { .. } => Verdict::Counts,
            Content::Entries(_) if (header.epoch, header.nonce) != (self.epoch, self.nonce) => Verdict::Fenced,
            Content::Entries(_) if header.first != self.next => Verdict::OutOfPlace,
            Content::Entries(_) => Verdict::Counts,
        };
        if verdict == Verdict::Counts {
            *self = Self { epoch: header.epoch, nonce: header.nonce, next: header.end() };
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u64, nonce: u128, first: u64) -> (Header, Content) {
        let header = Header { rules: 1, epoch: Epoch(epoch), nonce: Nonce(nonce), first: Position(first), count: 1 };
        (header, Content::Entries(Vec::new()))
    }

    fn lead(epoch: u64, nonce: u128, first: u64) -> (Header, Content) {
        (batch(epoch, nonce, first).0, Content::Lead { node: String::new() })
    }

    fn judge(log: &[(Header, Content)]) -> Vec<Verdict> {
        let mut fencing = FencingState::default();
        log.iter().map(|(header, content)| fencing.judge(header, content)).collect()
    }

    use Verdict::*;

    #[test]
    fn a_late_batch_of_a_former_owner_never_counts() {
        let log = [lead(1, 1, 0), batch(1, 1, 1), lead(2, 2, 2), batch(1, 1, 3), batch(2, 2, 3)];
        assert_eq!(judge(&log), [Counts, Counts, Counts, Fenced, Counts]);
    }

    #[test]
    fn a_batch_behind_a_lost_one_never_counts() {
        assert_eq!(judge(&[lead(1, 1, 0), batch(1, 1, 2), batch(1, 1, 1)]), [Counts, OutOfPlace, Counts]);
    }

    #[test]
    fn of_two_leads_with_one_epoch_the_first_counts() {
        let log = [lead(1, 1, 0), lead(1, 2, 0), lead(1, 2, 1), batch(1, 2, 1), batch(1, 1, 1)];
        assert_eq!(judge(&log), [Counts, StaleLead, StaleLead, Fenced, Counts]);
    }

    #[test]
    fn a_lead_that_did_not_see_the_newest_batch_never_counts() {
        assert_eq!(
            judge(&[lead(1, 1, 0), batch(1, 1, 1), lead(2, 2, 1), lead(2, 3, 2)]),
            [Counts, Counts, OutOfPlace, Counts]
        );
    }
}
